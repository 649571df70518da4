package red

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"loadline/ingest/native"
)

// Rollup sums RED rows of many batches into wider slices, for the tables red_5m and red_1h. It belongs to one
// goroutine.
type Rollup struct {
	width uint32 // of a slice, in seconds
	names Names
	rows  *Rows
}

// NewRollup returns an empty rollup with slices of the given width.
func NewRollup(width time.Duration) *Rollup {
	return &Rollup{
		width: uint32(width / time.Second),
		names: Names{new(native.Dictionary), new(native.Dictionary), new(native.Dictionary), new(native.Dictionary)},
		rows:  NewRows(),
	}
}

// Reset empties the rollup and keeps its memory.
func (r *Rollup) Reset() {
	for _, d := range []*native.Dictionary{r.names.Service, r.names.Env, r.names.Version, r.names.Operation} {
		d.Reset()
	}
	r.rows.Reset()
}

// Add sums rows that Rows.Append wrote. An error says that the bytes are damaged; the rows before the damage
// are counted.
func (r *Rollup) Add(rows []byte) error {
	in := reader{rows}
	var row row
	for len(in.data) > 0 && in.data != nil {
		row.read(&in, &r.names)
		if in.failed() {
			return errors.New("RED rows of a rollup are damaged")
		}
		row.key.Slice -= row.key.Slice % r.width
		r.rows.merge(&row)
	}
	return nil
}

// Block returns the sums. It is valid until the next call or Reset.
func (r *Rollup) Block() native.Block {
	return r.rows.Block(&r.names)
}

// merge adds a row to that of the same key.
func (r *Rows) merge(row *row) {
	i, ok := r.index[row.key]
	if !ok {
		i = r.open(row.key)
	}
	sum := &r.rows[i]
	sum.spans += row.spans
	sum.requests += row.requests
	sum.duration += row.duration
	for _, b := range row.buckets {
		sum.count(b.index, b.count)
	}
	if row.slowest >= sum.slowest {
		sum.slowest, sum.trace = row.slowest, row.trace
	}
}

// Append appends the rows to dst, in the form that Rollup.Add reads.
func (r *Rows) Append(dst []byte, names *Names) []byte {
	for i := range r.rows {
		dst = r.rows[i].append(dst, names)
	}
	return dst
}

// append writes the row with its names spelled out.
func (r *row) append(dst []byte, names *Names) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, r.key.Slice)
	dst = appendText(dst, names.Service.Value(r.key.Service))
	dst = appendText(dst, names.Env.Value(r.key.Env))
	dst = appendText(dst, names.Version.Value(r.key.Version))
	dst = appendText(dst, names.operationOf(&r.key))
	dst = append(dst, r.key.Kind, r.key.Status, native.Bool(r.key.Root), native.Bool(r.key.Failed))
	dst = binary.AppendUvarint(dst, r.spans)
	dst = appendFloat(appendFloat(dst, r.requests), r.duration)
	dst = append(binary.AppendUvarint(dst, r.slowest), r.trace[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(r.buckets)))
	for _, b := range r.buckets {
		dst = appendFloat(binary.AppendUvarint(dst, uint64(b.index)), b.count)
	}
	return dst
}

// read reads what append wrote and gives its names numbers.
func (r *row) read(in *reader, names *Names) {
	slice := in.take(4)
	if slice == nil {
		return
	}
	r.key = Key{Slice: binary.LittleEndian.Uint32(slice)}
	r.key.Service = names.Service.Number(in.text())
	r.key.Env = names.Env.Number(in.text())
	r.key.Version = names.Version.Number(in.text())
	r.key.Operation = names.Operation.Number(in.text())
	if b := in.take(4); b != nil {
		r.key.Kind, r.key.Status, r.key.Root, r.key.Failed = b[0], b[1], b[2] != 0, b[3] != 0
		if int(r.key.Status) >= len(statusNames) {
			in.data = nil
		}
	}
	r.spans = in.uvarint()
	r.requests, r.duration = in.float(), in.float()
	r.slowest = in.uvarint()
	copy(r.trace[:], in.take(16))
	n := in.uvarint()
	r.buckets = slices.Grow(r.buckets[:0], int(min(n, uint64(len(in.data)))))
	for ; n > 0 && !in.failed(); n-- {
		r.buckets = append(r.buckets, bucket{int16(in.uvarint()), in.float()})
	}
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendFloat(dst []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

// reader takes values from the front of data. What is not there reads as zero, and data is nil from then on.
type reader struct{ data []byte }

func (r *reader) failed() bool { return r.data == nil }

func (r *reader) take(n int) []byte {
	if n > len(r.data) {
		r.data = nil
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.data = nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) text() []byte {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.data = nil
		return nil
	}
	return r.take(int(n))
}

func (r *reader) float() float64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}
