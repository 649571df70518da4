package ring

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"slices"
)

// A snapshot is little-endian: magic, what is remembered, and a checksum (CRC-32C) of everything before it. The magic
// changes with the format.
const magic = "LLring1\n"

// The errors of snapshots that are of no use. Counts are then loaded from where they are stored.
var (
	ErrDamaged = errors.New("snapshot of windows is damaged")
	ErrOther   = errors.New("snapshot is of a set with other windows")
)

// Snapshot writes the set, with counts that are held, so that [Restore] makes the same one.
func (s *Set) Snapshot(to io.Writer) error {
	w := newWriter(to)
	w.text(s.config.name())
	w.ints(s.t, s.from, s.to, int64(s.size), int64(len(s.free)))
	for _, i := range s.free {
		w.ints(int64(i))
	}
	for _, on := range s.touched {
		w.ints(int64(bit(on)))
	}
	for _, b := range s.blocks {
		w.block(b)
	}
	w.held(s.later)
	return w.end()
}

// name tells configurations apart, but for the time. Its length is part of it.
func (c Config) name() string {
	lengths := slices.Sorted(slices.Values(c.Windows))
	text := fmt.Sprint(slices.Compact(lengths))
	if k := c.Calendar; k != nil {
		text += fmt.Sprintf(" %d %s %d %c", k.Start.Unix(), k.Zone, k.N, k.Unit)
	}
	return fmt.Sprintf("%6d%s", len(text), text)
}

func bit(on bool) int {
	if on {
		return 1
	}
	return 0
}

// writer collects small writes. After an error it does nothing.
type writer struct {
	to  io.Writer
	sum hash.Hash32
	buf []byte
	err error
}

func newWriter(to io.Writer) *writer {
	w := &writer{to: to, sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	w.text(magic)
	return w
}

// end writes the checksum and returns the first error.
func (w *writer) end() error {
	w.flush()
	w.buf = binary.LittleEndian.AppendUint32(w.buf, w.sum.Sum32())
	w.flush()
	if w.err != nil {
		return fmt.Errorf("write snapshot of windows: %w", w.err)
	}
	return nil
}

func (w *writer) flush() {
	w.sum.Write(w.buf)
	if w.err == nil {
		_, w.err = w.to.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

func (w *writer) text(s string) { w.buf = append(w.buf, s...) }

func (w *writer) ints(values ...int64) {
	for _, v := range values {
		w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(v))
	}
	if len(w.buf) > 1<<16 {
		w.flush()
	}
}

func (w *writer) block(b *block) {
	w.ints(int64(b.cap))
	w.ints(b.from...)
	w.ints(b.last...)
	w.counts(b.period)
	for _, sums := range b.sums {
		w.counts(sums)
	}
	for _, c := range b.levels {
		w.ints(int64(bit(c.large != nil)))
		w.counts(c.large)
		w.small(c.small)
	}
}

func (w *writer) counts(values []counts) {
	for _, v := range values {
		w.ints(v.bad, v.total)
	}
}

func (w *writer) small(values []small) {
	const chunk = 8192
	for part := range slices.Chunk(values, chunk) {
		for _, v := range part {
			w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(v.bad)<<32|uint64(v.total))
		}
		w.flush()
	}
}

func (w *writer) held(later map[int64]map[int]counts) {
	w.ints(int64(len(later)))
	for _, start := range slices.Sorted(maps.Keys(later)) {
		held := later[start]
		w.ints(start, int64(len(held)))
		for _, i := range slices.Sorted(maps.Keys(held)) {
			w.ints(int64(i), held[i].bad, held[i].total)
		}
	}
}

// Restore reads a set that [Set.Snapshot] wrote. Its configuration has to be the same, but for the time, else the error is
// [ErrOther]; that of a snapshot that was cut off or changed is [ErrDamaged]. Of several snapshots in one stream each is read
// to its end if from is a [bufio.Reader].
func Restore(from io.Reader, c Config) (*Set, error) {
	r := newReader(from)
	if name := c.name(); string(r.bytes(len(name))) != name {
		return nil, r.failed(ErrOther)
	}
	c.Now = r.int()
	// A time that no clock shows would make the set count for ever.
	if c.Now < 0 || c.Now > math.MaxUint32 {
		return nil, r.failed(ErrDamaged)
	}
	s := New(c)
	s.from, s.to = r.int(), r.int()
	s.size = int(r.count(math.MaxInt32))
	for n := r.count(int64(s.size)); n > 0 && r.err == nil; n-- {
		s.free = append(s.free, int(r.count(int64(s.size)-1)))
	}
	for i := range s.touched {
		s.touched[i] = r.int() != 0
	}
	for n := 0; n < s.size && r.err == nil; n += blockSize {
		s.blocks = append(s.blocks, r.block(s, min(s.size-n, blockSize)))
	}
	r.held(s)
	if err := r.end(); err != nil {
		return nil, err
	}
	return s, nil
}

// reader reads what writer writes. After an error it returns zeros.
type reader struct {
	from *bufio.Reader
	sum  hash.Hash32
	buf  []byte
	err  error
}

func newReader(from io.Reader) *reader {
	r := &reader{from: bufio.NewReader(from), sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	if string(r.bytes(len(magic))) != magic && r.err == nil {
		r.err = ErrDamaged
	}
	return r
}

// end reads the checksum.
func (r *reader) end() error {
	sum := r.sum.Sum32()
	if stored := r.bytes(4); r.err != nil || binary.LittleEndian.Uint32(stored) != sum {
		return r.failed(ErrDamaged)
	}
	return nil
}

// failed is the error of a snapshot that cannot be read to its end, or another one.
func (r *reader) failed(other error) error {
	switch {
	case errors.Is(r.err, io.EOF), errors.Is(r.err, io.ErrUnexpectedEOF), errors.Is(r.err, ErrDamaged):
		return ErrDamaged
	case r.err != nil:
		return fmt.Errorf("read snapshot of windows: %w", r.err)
	}
	return other
}

// bytes returns the next n bytes, until it is called again.
func (r *reader) bytes(n int) []byte {
	r.buf = slices.Grow(r.buf[:0], n)[:n]
	if r.err == nil {
		_, r.err = io.ReadFull(r.from, r.buf)
	}
	if r.err != nil {
		clear(r.buf)
	}
	r.sum.Write(r.buf)
	return r.buf
}

func (r *reader) int() int64 { return int64(binary.LittleEndian.Uint64(r.bytes(8))) }

// count reads a number between 0 and most.
func (r *reader) count(most int64) int64 {
	n := r.int()
	if r.err == nil && (n < 0 || n > most) {
		r.err = ErrDamaged
	}
	if r.err != nil {
		return 0
	}
	return n
}

// block reads a block that has at least width instances.
func (r *reader) block(s *Set, width int) *block {
	width = int(max(r.count(blockSize), int64(width)))
	b := newBlock(s, width)
	r.ints(b.from)
	r.ints(b.last)
	r.counts(b.period)
	for _, sums := range b.sums {
		r.counts(sums)
	}
	for k := range b.levels {
		if r.count(1) == 1 {
			b.levels[k].enlarge()
		}
		r.counts(b.levels[k].large)
		r.small(b.levels[k].small)
	}
	return b
}

func (r *reader) ints(values []int64) {
	for i := range values {
		values[i] = r.int()
	}
}

func (r *reader) counts(values []counts) {
	for i := range values {
		values[i] = counts{bad: r.int(), total: r.int()}
	}
}

func (r *reader) small(values []small) {
	const chunk = 8192
	for part := range slices.Chunk(values, chunk) {
		raw := r.bytes(8 * len(part))
		for i := range part {
			v := binary.LittleEndian.Uint64(raw[8*i:])
			part[i] = small{bad: uint32(v >> 32), total: uint32(v)}
		}
	}
}

func (r *reader) held(s *Set) {
	for n := r.count(math.MaxInt32); n > 0 && r.err == nil; n-- {
		start := r.int()
		held := make(map[int]counts)
		for n := r.count(int64(s.size)); n > 0 && r.err == nil; n-- {
			held[int(r.count(int64(s.size)-1))] = counts{bad: r.int(), total: r.int()}
		}
		s.later[start] = held
	}
}
