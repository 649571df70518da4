package samples

// Run remembers the last histogram of a series, to say what the next one is to it. Its zero value knows of none.
type Run struct {
	known bool
	last  Histogram
}

// Hint says how a histogram, whose own hint is the sender's, stands to the one before it. It only says NotReset when no
// count went down and the start is the same, because readers then look no further. A reset is found where it is read: what
// the sender says of it is about the histogram that the sender saw last, which need not be the one that is stored.
func (r *Run) Hint(h *Histogram) Hint {
	gauge := h.Hint == GaugeHint && !h.Stale
	late := r.known && h.Time <= r.last.Time // it tells nothing about the next one
	goesOn := r.known && !late && !gauge && !h.Stale && h.Hint != Reset && r.last.continues(h)
	if !late {
		r.known = !h.Stale && !gauge
	}
	if r.known && !late {
		above, below := r.last.Above[:0], r.last.Below[:0] // h may be the caller's again
		r.last = *h
		above, below = append(above, h.Above...), append(below, h.Below...)
		r.last.Above, r.last.Below = above, below
	}
	switch {
	case gauge:
		return GaugeHint
	case goesOn:
		return NotReset
	}
	return UnknownReset
}

// continues says whether next has at least the counts of h everywhere.
func (h *Histogram) continues(next *Histogram) bool {
	return next.ST == h.ST && next.Schema == h.Schema && next.ZeroThreshold == h.ZeroThreshold && next.Count >= h.Count &&
		next.ZeroCount >= h.ZeroCount && grown(h.Above, next.Above) && grown(h.Below, next.Below)
}

// grown says whether every bucket has at least the count that it had. Buckets are in the order of their indexes.
func grown(before, after []Bucket) bool {
	i := 0
	for _, b := range before {
		for i < len(after) && after[i].Index < b.Index {
			i++
		}
		if i == len(after) || after[i].Index != b.Index || after[i].Count < b.Count {
			return false
		}
	}
	return true
}
