// Package request reads the requests of Prometheus remote write, 1.0 and 2.0, from protobuf bytes and says what of them
// can be stored. Tables are the business of ingest/metrics, and HTTP that of ingest/remotewrite.
//
// Source: prometheus/prometheus v0.316, prompb/remote.proto, prompb/types.proto and
// prompb/io/prometheus/write/v2/types.proto.
package request

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/cespare/xxhash/v2"

	"loadline/ingest/points"
	"loadline/ingest/wire"
)

// Version is that of the protocol.
type Version uint8

// The versions of the protocol.
const (
	V1 Version = 1 // prometheus.WriteRequest
	V2 Version = 2 // io.prometheus.write.v2.Request
)

// maxSymbols bounds what the strings of a request take in memory besides their bytes.
const maxSymbols = 1 << 20

// Invalid is why a part of a request cannot be stored, though its bytes are what they should be. The other parts can.
type Invalid struct {
	Reason wire.Reason
	Detail string
}

func (e *Invalid) Error() string { return e.Detail }

func invalid(format string, args ...any) error {
	return &Invalid{wire.BadLabels, fmt.Sprintf(format, args...)}
}

type symbol struct {
	text  []byte
	hash  uint64
	valid bool // UTF-8
}

// Reader reads requests of one version. Its zero value but for the version is ready for use, and it belongs to one
// goroutine.
type Reader struct {
	Version Version
	symbols []symbol
	series  Series
}

// Walk calls onSeries for each series of a request and onMetadata for each description that stands by itself, which is
// so in 1.0. What they are given is valid during the call. An error that is not theirs means that the bytes are not a
// request of the version.
func (r *Reader) Walk(body []byte, onSeries func(*Series) error, onMetadata func(*Metadata) error) error {
	known := len(body) == 0
	if r.Version == V2 {
		var err error
		if known, err = r.readSymbols(body); err != nil {
			return err
		}
	}
	var fc easyproto.FieldContext
	var err error
	for len(body) > 0 {
		if body, err = fc.NextField(body); err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		switch {
		case r.Version == V1 && fc.FieldNum == 1, r.Version == V2 && fc.FieldNum == 5:
			err = r.readSeries(&fc, onSeries)
		case r.Version == V1 && fc.FieldNum == 3:
			err = readMetadata(&fc, onMetadata)
		default:
			continue
		}
		if err != nil {
			return err
		}
		known = true
	}
	if !known {
		return errors.New("no field is one of the message that the content type names: is it of the other version?")
	}
	return nil
}

// keptSymbols is for how many strings a reader keeps the memory from request to request.
const keptSymbols = 1 << 16

// forget lets go of the request that was read last.
func (r *Reader) forget() {
	clear(r.symbols)
	if cap(r.symbols) > keptSymbols {
		r.symbols = nil
	}
	clear(r.series.labels[:cap(r.series.labels)])
	r.series = Series{labels: r.series.labels[:0], refs: r.series.refs[:0]}
}

// readSymbols collects the strings that the series of 2.0 refer to, and reports whether there are any.
func (r *Reader) readSymbols(body []byte) (bool, error) {
	r.symbols = r.symbols[:0]
	var fc easyproto.FieldContext
	var err error
	for len(body) > 0 {
		if body, err = fc.NextField(body); err != nil {
			return false, fmt.Errorf("read request: %w", err)
		}
		if fc.FieldNum != 4 {
			continue
		}
		text, ok := fc.Bytes()
		if !ok {
			return false, errors.New("read symbol: wrong wire type")
		}
		if len(r.symbols) == maxSymbols {
			return false, fmt.Errorf("more than %d symbols: send smaller batches", maxSymbols)
		}
		r.symbols = append(r.symbols, symbol{text, xxhash.Sum64(text), utf8.Valid(text)})
	}
	return len(r.symbols) > 0, nil
}

func (r *Reader) readSeries(fc *easyproto.FieldContext, visit func(*Series) error) error {
	message, ok := fc.MessageData()
	if !ok {
		return errors.New("read series: wrong wire type")
	}
	s := &r.series
	s.version, s.symbols = r.Version, r.symbols
	if err := s.decode(message); err != nil {
		return err
	}
	return visit(s)
}

// readMetadata reads a MetricMetadata message of 1.0.
func readMetadata(fc *easyproto.FieldContext, visit func(*Metadata) error) error {
	data, ok := fc.MessageData()
	if !ok {
		return errors.New("read metadata: wrong wire type")
	}
	var m Metadata
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read metadata: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			m.typ, ok = fc.Uint64()
		case 2:
			m.Name, ok = fc.Bytes()
		case 4:
			m.Help, ok = fc.Bytes()
		case 5:
			m.Unit, ok = fc.Bytes()
		}
		if !ok {
			return fmt.Errorf("read metadata: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	m.Hash = points.Mix(points.Mix(xxhash.Sum64(m.Help), xxhash.Sum64(m.Unit)), m.typ)
	return visit(&m)
}

// references appends the numbers of a repeated uint32 field, packed or not, as long as there are at most limit.
func references(dst []uint32, fc *easyproto.FieldContext, limit int) ([]uint32, bool) {
	if n, ok := fc.Uint32(); ok {
		if len(dst) <= limit {
			dst = append(dst, n)
		}
		return dst, true
	}
	packed, ok := fc.Bytes()
	for ok && len(packed) > 0 && len(dst) <= limit {
		n, size := binary.Uvarint(packed)
		if size <= 0 {
			return dst, false
		}
		packed = packed[size:]
		dst = append(dst, uint32(min(n, math.MaxUint32)))
	}
	return dst, ok
}

// CheckTime says whether a time in Unix milliseconds lies in the window. The epoch itself is a time like any other,
// unlike in OTLP, where it means that there is none.
func CheckTime(window wire.Window, ms int64) wire.Reason {
	switch {
	case ms < 0:
		return wire.TooOld
	case ms > math.MaxInt64/1_000_000:
		return wire.InFuture
	}
	return window.Check(max(uint64(ms)*1_000_000, 1))
}
