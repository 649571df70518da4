package ring

import (
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"loadline/slo/budget"
)

// lateness is for how long after its end a slice can still change.
const lateness = int64(time.Hour / time.Second)

// Slicer counts slices of time of one instance where an objective is about these: it takes the counts of slots and gives
// those of slices, each in the last slot of the slice. Its methods must not be called concurrently.
type Slicer struct {
	method budget.Method
	slices budget.Slices
	length int64
	from   int64
	t      int64
	emit   func(start, bad, total int64)
	kept   []counts // by number of the slice, modulo; slices are numbered by their begin divided by their length
	late   int64    // how many slices before the current one are kept
	later  map[int64]counts
	// Skip reports whether a slot does not count because of a correction; nil if all count. A slice without events of which
	// a slot is skipped counts as nothing, whatever empty slices are.
	Skip func(start int64) bool
}

// NewSlicer returns a slicer that gives slices which begin at second from or later. Its time begins at now: slices that
// ended before are not given, so begin where the stored slots begin that are put into it. What it counts goes to emit, such
// as the Put of a set; what changes in a slice that was given goes there as a difference.
func NewSlicer(method budget.Method, of budget.Slices, from, now int64, emit func(start, bad, total int64)) *Slicer {
	length := max(int64(of.Length/time.Second), slot)
	late := (lateness + length - 1) / length
	return &Slicer{
		method: method, slices: of, length: length, late: late, emit: emit,
		from: max(from, now-now%length), t: now,
		kept: make([]counts, late+1+ahead*slot/length+1), later: make(map[int64]counts),
	}
}

// Now is the slicer's time.
func (s *Slicer) Now() int64 { return s.t }

// Put adds counts to the slot that holds second start; they may be negative. Slots to come are held. Slots of slices that
// ended more than an hour ago are ignored.
func (s *Slicer) Put(start, bad, total int64) {
	number, current := start/s.length, s.t/s.length
	c := counts{bad: bad, total: total}
	switch kept := &s.kept[number%int64(len(s.kept))]; {
	case number > current-s.late-1+int64(len(s.kept)):
		c.add(s.later[number])
		s.later[number] = c
	case number >= current:
		kept.add(c)
	case number >= current-s.late && number*s.length >= s.from:
		before := s.count(number, *kept)
		kept.add(c)
		s.give(number, s.count(number, *kept), before)
	}
}

// Advance gives the slices that end by t.
func (s *Slicer) Advance(t int64) {
	for number := s.t / s.length; (number+1)*s.length <= t; number++ {
		if number*s.length >= s.from {
			s.give(number, s.count(number, s.kept[number%int64(len(s.kept))]), counts{})
		}
		// The place of the oldest slice is for the one that is furthest ahead now.
		furthest := number - s.late + int64(len(s.kept))
		s.kept[furthest%int64(len(s.kept))] = s.later[furthest]
		delete(s.later, furthest)
	}
	s.t = max(s.t, t)
}

// count is what a slice with these events counts.
func (s *Slicer) count(number int64, c counts) counts {
	bad, total := c.clamped()
	if total == 0 && s.skipped(number) {
		return counts{}
	}
	bad, total = s.slices.Count(s.method, bad, total)
	return counts{bad: int64(bad), total: int64(total)}
}

func (s *Slicer) skipped(number int64) bool {
	if s.Skip == nil {
		return false
	}
	for start := number * s.length; start < (number+1)*s.length; start += slot {
		if s.Skip(start) {
			return true
		}
	}
	return false
}

func (s *Slicer) give(number int64, now, before counts) {
	if now != before {
		s.emit((number+1)*s.length-slot, now.bad-before.bad, now.total-before.total)
	}
}

// Snapshot writes what the slicer remembers, for [Slicer.Restore].
func (s *Slicer) Snapshot(to io.Writer) error {
	w := newWriter(to)
	w.ints(s.length, s.from, s.t, int64(len(s.later)))
	for _, number := range slices.Sorted(maps.Keys(s.later)) {
		w.ints(number, s.later[number].bad, s.later[number].total)
	}
	w.counts(s.kept)
	return w.end()
}

// Restore makes the slicer the one that [Slicer.Snapshot] wrote. It must have been made for the same slices, else the error
// is [ErrOther]; after [ErrDamaged] it is of no use.
func (s *Slicer) Restore(from io.Reader) error {
	r := newReader(from)
	if length := r.int(); length != s.length {
		return r.failed(ErrOther)
	}
	s.from, s.t = r.int(), r.int()
	for n := r.count(math.MaxInt32); n > 0 && r.err == nil; n-- {
		s.later[r.int()] = counts{bad: r.int(), total: r.int()}
	}
	r.counts(s.kept)
	return r.end()
}
