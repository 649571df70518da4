package ring

import "loadline/slo/budget"

// Slicer counts slices of time of one instance where an objective is about these: it takes the counts of slots and gives
// those of slices, each in the last slot of the slice. It is not safe for concurrent use.
type Slicer struct {
	method budget.Method
	slices budget.Slices
	emit   func(start, bad, total int64)
	from   int64
	t      int64
}

// NewSlicer returns a slicer that gives slices which begin at second from or later. Its time begins at now. What it counts
// goes to emit, such as the Put of a set; what changes in a slice goes there as a difference.
func NewSlicer(method budget.Method, slices budget.Slices, from, now int64, emit func(start, bad, total int64)) *Slicer {
	return &Slicer{method: method, slices: slices, from: from, t: now, emit: emit}
}

// Put adds counts to the slot that holds second start. Slots that came more than an hour late are ignored.
func (s *Slicer) Put(start, bad, total int64) {}

// Advance gives the slices that end by t.
func (s *Slicer) Advance(t int64) {}
