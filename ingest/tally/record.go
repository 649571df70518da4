package tally

import (
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// key is what a row of counts is of.
type key struct {
	indicator uint64
	group     string // empty for all events
	slot      uint32
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.indicator, other.indicator), cmp.Compare(k.group, other.group), cmp.Compare(k.slot, other.slot))
}

// mark is a slot before an indicator's first for which spans came.
type mark struct {
	indicator uint64
	slot      uint32
}

func (m mark) compare(other mark) int {
	return cmp.Or(cmp.Compare(m.indicator, other.indicator), cmp.Compare(m.slot, other.slot))
}

// sums are the counts of a segment. Spans that stand for others count as many as they stand for, rows are whole numbers.
type sums struct {
	rowOf   map[key]int32
	counts  []count
	marks   map[mark]struct{}
	segment uint64 // numbers the segments that were counted
}

type count struct {
	key
	bad, total float64
}

func newSums() sums { return sums{rowOf: map[key]int32{}, marks: map[mark]struct{}{}} }

func (s *sums) reset() {
	clear(s.rowOf)
	clear(s.counts)
	clear(s.marks)
	s.segment++
	s.counts = s.counts[:0]
}

func (s *sums) rows() int { return len(s.counts) + len(s.marks) }

func (s *sums) mark(indicator uint64, slot uint32) { s.marks[mark{indicator, slot}] = struct{}{} }

func (s *sums) add(k key, bad, total float64) {
	n, ok := s.rowOf[k]
	if !ok {
		n = int32(len(s.counts))
		s.rowOf[k] = n
		s.counts = append(s.counts, count{key: k})
	}
	s.counts[n].bad += bad
	s.counts[n].total += total
}

// recordVersion starts a record of counts.
const recordVersion = 1

// append writes the sums: a version, the number of rows, the rows, and marks to the end.
func (s *sums) append(dst []byte) []byte {
	if s.rows() == 0 {
		return dst
	}
	dst = append(dst, recordVersion)
	dst = binary.AppendUvarint(dst, uint64(len(s.counts)))
	for i := range s.counts {
		c := &s.counts[i]
		dst = binary.LittleEndian.AppendUint64(dst, c.indicator)
		dst = binary.AppendUvarint(dst, uint64(len(c.group)))
		dst = append(dst, c.group...)
		dst = binary.LittleEndian.AppendUint32(dst, c.slot)
		bad, total := s.whole(c)
		dst = binary.AppendUvarint(dst, bad)
		dst = binary.AppendUvarint(dst, total)
	}
	for _, m := range slices.SortedFunc(maps.Keys(s.marks), mark.compare) {
		dst = binary.LittleEndian.AppendUint64(dst, m.indicator)
		dst = binary.LittleEndian.AppendUint32(dst, m.slot)
	}
	return dst
}

// maxCount bounds a count: sampled spans may claim to stand for anything.
const maxCount = 1 << 53

// whole rounds counts without bias: up by chance, as often as the fraction says, and both by the same chance, so that bad
// stays within total. Always to the nearest would lose or invent the same part of every segment. Whole counts stay.
func (s *sums) whole(c *count) (bad, total uint64) {
	chance := float64(mix(c.indicator^mix(uint64(c.slot)^mix(s.segment)))>>11) / (1 << 53)
	return uint64(min(c.bad, maxCount) + chance), uint64(min(c.total, maxCount) + chance)
}

// mix is the finalizer of SplitMix64: numbers that are alike become numbers that are not.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

var errDamaged = errors.New("record of counts is damaged")

// reader takes values from the front of data. What is not there reads as zero, and damaged is set from then on.
type reader struct {
	data    []byte
	damaged bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.data, r.damaged = nil, true
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.data, r.damaged = nil, true
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}
