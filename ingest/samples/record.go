// Package samples has samples on their way into their tables. Histograms and exemplars become blocks at once. Float
// samples are rows of series, then records of a log, and then a block that merges the rows of many records.
package samples

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// BucketSeconds is the stretch of time of a row.
const BucketSeconds = 7200

// bucketMillis is the same in the unit of offsets.
const bucketMillis = BucketSeconds * 1000

// Row is the samples of a series in one bucket with one start timestamp.
type Row struct {
	Metric, Service string
	Bucket          uint32 // its start in Unix seconds
	ID              uint64
	ST              int64    // when the series began to count, in Unix milliseconds, or 0
	Offsets         []uint32 // ascending milliseconds since Bucket
	Values          []float64
}

// Split is the bucket of a Unix time in nanoseconds and the milliseconds since the bucket's start.
func Split(ns uint64) (bucket, offset uint32) {
	second := uint32(ns / 1e9)
	bucket = second - second%BucketSeconds
	return bucket, uint32(ns/1e6 - uint64(bucket)*1000)
}

// recordVersion is the first byte of a record.
const recordVersion = 1

// What a row shares with the one before it in its record.
const (
	sameMetric = 1 << iota
	sameService
	sameBucket
	sameST
)

// AppendRecord appends a record of rows to dst. The name tells records with equal rows apart.
func AppendRecord(dst []byte, name string, rows []Row) []byte {
	dst = append(dst, recordVersion)
	dst = appendString(dst, name)
	previous := &Row{}
	for i := range rows {
		r := &rows[i]
		flags := byte(0)
		if r.Metric == previous.Metric {
			flags |= sameMetric
		}
		if r.Service == previous.Service {
			flags |= sameService
		}
		if r.Bucket == previous.Bucket {
			flags |= sameBucket
		}
		if r.ST == previous.ST {
			flags |= sameST
		}
		dst = append(dst, flags)
		if flags&sameMetric == 0 {
			dst = appendString(dst, r.Metric)
		}
		if flags&sameService == 0 {
			dst = appendString(dst, r.Service)
		}
		if flags&sameBucket == 0 {
			dst = binary.LittleEndian.AppendUint32(dst, r.Bucket)
		}
		if flags&sameST == 0 {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(r.ST))
		}
		dst = binary.LittleEndian.AppendUint64(dst, r.ID)
		dst = binary.AppendUvarint(dst, uint64(len(r.Offsets)))
		last := uint32(0)
		for i, offset := range r.Offsets {
			dst = binary.AppendUvarint(dst, uint64(offset-last))
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(r.Values[i]))
			last = offset
		}
		previous = r
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// errCut reports a record that ends too early.
var errCut = errors.New("read record of samples: it is cut")

// Name is the name of a record.
func Name(record []byte) (string, error) {
	r := reader{data: record}
	return r.head()
}

// Read calls f for every row of a record. The row is valid during the call, but for its strings.
func Read(record []byte, f func(*Row)) error {
	r := reader{data: record}
	if _, err := r.head(); err != nil {
		return err
	}
	var row Row
	for len(r.data) > 0 {
		r.row(&row)
		if r.err != nil {
			return r.err
		}
		f(&row)
	}
	return nil
}

// reader takes a record apart. After an error everything it reads is zero.
type reader struct {
	data []byte
	err  error
}

func (r *reader) head() (name string, err error) {
	if version := r.take(1); r.err == nil && version[0] != recordVersion {
		return "", fmt.Errorf("read record of samples: version %d, want %d", version[0], recordVersion)
	}
	name = r.text()
	return name, r.err
}

func (r *reader) row(row *Row) {
	flags := byte(0)
	if b := r.take(1); r.err == nil {
		flags = b[0]
	}
	if flags&sameMetric == 0 {
		row.Metric = r.text()
	}
	if flags&sameService == 0 {
		row.Service = r.text()
	}
	if flags&sameBucket == 0 {
		if b := r.take(4); r.err == nil {
			row.Bucket = binary.LittleEndian.Uint32(b)
		}
	}
	if flags&sameST == 0 {
		row.ST = int64(r.word())
	}
	row.ID = r.word()
	n := r.number()
	row.Offsets, row.Values = row.Offsets[:0], row.Values[:0]
	offset := uint64(0)
	for i := uint64(0); i < n && r.err == nil; i++ {
		offset += r.number()
		if offset >= bucketMillis {
			r.err = fmt.Errorf("read record of samples: offset %d is outside of its bucket", offset)
		}
		row.Offsets = append(row.Offsets, uint32(offset))
		row.Values = append(row.Values, math.Float64frombits(r.word()))
	}
}

func (r *reader) take(n int) []byte {
	if r.err != nil || len(r.data) < n {
		r.err = errCut
		r.data = nil
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) word() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) number() uint64 {
	n, width := binary.Uvarint(r.data)
	if width <= 0 {
		r.err = errCut
		return 0
	}
	r.data = r.data[width:]
	return n
}

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.data)) {
		r.err = errCut
		return ""
	}
	return string(r.take(int(n)))
}
