package request

import "loadline/ingest/points"

// Run remembers the last histogram of a series, to say what the next one is to it. Its zero value knows of none.
type Run struct {
	known        bool
	histogram    Histogram
	above, below []Bucket
}

// Hint is what is stored with the next histogram of the series. As in Prometheus' storage only a histogram that goes on
// counting where the one before stopped is "not reset", and a reset is found where it is read: what the sender says of it
// is about the histogram that the sender saw last, which need not be the one that is stored. A gauge stays one.
func (r *Run) Hint(h *Histogram) Hint {
	hint := HintUnknown
	late := r.known && h.Time <= r.histogram.Time // it tells nothing about the next one
	switch {
	case h.Hint == HintGauge && !h.Stale():
		hint = HintGauge
	case late:
	case r.known && h.Hint != HintReset && r.continues(h):
		hint = HintNotReset
	}
	if late {
		return hint
	}
	r.known = !h.Stale() && hint != HintGauge
	if r.known {
		r.above, r.below = append(r.above[:0], h.Above...), append(r.below[:0], h.Below...)
		r.histogram = Histogram{
			Time: h.Time, Schema: h.Schema, Count: h.Count, ZeroCount: h.ZeroCount, ZeroThreshold: h.ZeroThreshold,
			BoundsHash: h.BoundsHash, Start: h.Start,
		}
	}
	return hint
}

// continues says whether h has at least the counts of the last histogram everywhere.
func (r *Run) continues(h *Histogram) bool {
	last := &r.histogram
	return h.Start == last.Start && h.Schema == last.Schema && h.ZeroThreshold == last.ZeroThreshold &&
		h.BoundsHash == last.BoundsHash && h.Count >= last.Count && h.ZeroCount >= last.ZeroCount &&
		cover(h.Above, r.above) && cover(h.Below, r.below)
}

// cover says whether no bucket of before has more than the same bucket of after.
func cover(after, before []Bucket) bool {
	i := 0
	for _, b := range before {
		for i < len(after) && after[i].Index < b.Index {
			i++
		}
		if i == len(after) || after[i].Index != b.Index || !(after[i].Count >= b.Count) {
			return false
		}
	}
	return true
}

// Custom says whether the histogram has bounds of its own.
func (h *Histogram) Custom() bool { return h.Schema == points.CustomSchema }
