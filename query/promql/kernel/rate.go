package kernel

import "loadline/query/promql/series"

// extrapolation is how far a window's samples are from its ends, in milliseconds and as the engine makes use of it.
type extrapolation struct {
	toStart, toEnd, sampled int64
	n                       int32

	interval, start, end, factor float64 // seconds, except the factor
}

// compute does what the engine does for a window that does not begin near the zero of a counter.
func (x *extrapolation) compute(seconds float64, perSecond bool) {
	x.interval = float64(x.sampled) / 1000
	x.start, x.end = float64(x.toStart)/1000, float64(x.toEnd)/1000
	average := x.interval / float64(x.n-1)
	threshold := average * 1.1
	if x.start >= threshold {
		x.start = average / 2
	}
	if x.end >= threshold {
		x.end = average / 2
	}
	x.factor = x.factorFrom(x.start, seconds, perSecond)
}

// factorFrom returns what the difference of the values is multiplied by, given the seconds to extrapolate to the left.
func (x *extrapolation) factorFrom(start, seconds float64, perSecond bool) float64 {
	factor := 1.0
	if x.interval != 0 {
		factor = (x.interval + start + x.end) / x.interval
	}
	if perSecond {
		factor /= seconds
	}
	return factor
}

// extrapolate is rate, increase and delta.
func (k *Kernel) extrapolate(c *series.Column, counter, perSecond bool, out []float64) {
	t, v := c.T, c.V[:len(c.T)]
	k.resets = k.resets[:0]
	if counter {
		k.resets = appendResets(k.resets, v)
	}
	resets, seconds, window := k.resets, k.window.Seconds(), k.window.Milliseconds()
	// Samples mostly come at an even pace, so the extrapolation is mostly the one of the step before.
	var x extrapolation
	end := k.grid.Start
	for i := range out {
		lo, hi := k.lo[i], k.hi[i]
		at := end
		end += k.grid.Step
		if hi-lo < 2 {
			out[i] = Absent()
			continue
		}
		first, last := t[lo], t[hi-1]
		if toStart, toEnd, sampled := first-(at-window), at-last, last-first; x.toStart != toStart || x.toEnd != toEnd || x.sampled != sampled || x.n != hi-lo {
			x = extrapolation{toStart: toStart, toEnd: toEnd, sampled: sampled, n: hi - lo}
			x.compute(seconds, perSecond)
		}
		zero := v[lo]
		result := v[hi-1] - zero
		for len(resets) > 0 && resets[0] <= lo {
			resets = resets[1:]
		}
		for _, r := range resets {
			if r >= hi {
				break
			}
			result += v[r-1]
		}
		factor := x.factor
		// A counter is not below zero. Far from it the division can be done without: the quotient is at least 1 then.
		if counter && result > 0 && zero >= 0 && (zero < result || x.interval < x.start) {
			if toZero := x.interval * (zero / result); toZero < x.start {
				factor = x.factorFrom(toZero, seconds, perSecond)
			}
		}
		out[i] = result * factor
	}
}

// appendResets appends the indexes of the samples that are lower than the one before.
func appendResets(resets []int32, v []float64) []int32 {
	if len(v) == 0 {
		return resets
	}
	before := v[0]
	for i, x := range v {
		if x < before {
			resets = append(resets, int32(i))
		}
		before = x
	}
	return resets
}

// instant is irate and idelta.
func (k *Kernel) instant(c *series.Column, isRate bool, out []float64) {
	for i := range out {
		hi := k.hi[i]
		if hi-k.lo[i] < 2 {
			out[i] = Absent()
			continue
		}
		v := c.V[hi-1]
		if !isRate || !(v < c.V[hi-2]) {
			v -= c.V[hi-2]
		}
		if isRate {
			v /= float64(c.T[hi-1]-c.T[hi-2]) / 1000
		}
		out[i] = v
	}
}
