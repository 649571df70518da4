package tracker

import (
	"cmp"
	"slices"

	"loadline/slo/budget"
	"loadline/slo/ring"
	"loadline/slo/spec"
)

// Slices turns slots of 10 s, in order of time, into what an objective counts: slices of [from, to) where it counts these,
// else the slots as they are. sources are those of its indicator, or of each member of a composite, whose targets are given
// too. skip reports whether a slot of a source does not count.
func Slices(o *spec.Objective, from, to int64, sources [][]ring.Slot, targets []budget.Target, skip func(source int, start int64) bool) []ring.Slot {
	var out []ring.Slot
	emit := func(start, bad, total int64) { out = append(out, ring.Slot{Start: start, Bad: bad, Total: total}) }
	counting := func(yield func(source int, s ring.Slot)) {
		for n, list := range sources {
			for _, s := range list {
				if !skip(n, s.Start) {
					yield(n, s)
				}
			}
		}
	}
	switch {
	case o.Indicator.Composite != nil:
		c := newComposer(o, from)
		copy(c.targets, targets)
		counting(func(n int, s ring.Slot) { c.put(n, s.Start, s.Bad, s.Total) })
		c.advance(to, emit)
	case o.Method != budget.Occurrences:
		s := ring.NewSlicer(o.Method, o.Slices, from, from, emit)
		s.Skip = func(start int64) bool { return skip(0, start) }
		counting(func(_ int, e ring.Slot) { s.Put(e.Start, e.Bad, e.Total) })
		s.Advance(to)
	default:
		counting(func(_ int, e ring.Slot) { out = append(out, e) })
	}
	slices.SortFunc(out, func(a, b ring.Slot) int { return cmp.Compare(a.Start, b.Start) })
	return out
}
