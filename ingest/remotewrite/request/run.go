package request

// Run remembers the last histogram of a series, to say what the next one is to it. Its zero value knows of none.
type Run struct {
	known                           bool
	time, start                     int64
	schema                          int32
	bounds                          uint64 // their hash
	count, zeroCount, zeroThreshold float64
	above, below                    []Bucket
}

// Hint is what is stored with the next histogram of the series. As in Prometheus' storage only a histogram that goes on
// counting where the one before stopped is "not reset", and a reset is found where it is read: what the sender says of it
// is about the histogram that the sender saw last, which need not be the one that is stored. A gauge stays one.
func (r *Run) Hint(h *Histogram) Hint {
	hint := HintUnknown
	late := r.known && h.Time <= r.time // it tells nothing about the next one
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
		*r = Run{
			known: true, time: h.Time, start: h.Start, schema: h.Schema, bounds: h.BoundsHash,
			count: h.Count, zeroCount: h.ZeroCount, zeroThreshold: h.ZeroThreshold,
			above: append(r.above[:0], h.Above...), below: append(r.below[:0], h.Below...),
		}
	}
	return hint
}

// continues says whether h has at least the counts of the last histogram everywhere.
func (r *Run) continues(h *Histogram) bool {
	return h.Start == r.start && h.Schema == r.schema && h.ZeroThreshold == r.zeroThreshold && h.BoundsHash == r.bounds &&
		h.Count >= r.count && h.ZeroCount >= r.zeroCount && cover(h.Above, r.above) && cover(h.Below, r.below)
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
