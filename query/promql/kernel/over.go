package kernel

import (
	"math"

	"github.com/prometheus/prometheus/util/kahansum"

	"loadline/query/promql/series"
)

// selected is an instant selector: the last sample in the lookback, unless it is a stale marker. It returns how many
// values there are.
func (k *Kernel) selected(c *series.Column, out []float64) int {
	points := 0
	for i := range out {
		hi := k.hi[i]
		if hi == k.lo[i] {
			out[i] = Absent()
			continue
		}
		out[i] = c.V[hi-1] // a stale marker is Absent
		if !IsAbsent(out[i]) {
			points++
		}
	}
	return points
}

// last is last_over_time.
func (k *Kernel) last(c *series.Column, out []float64) {
	for i := range out {
		out[i] = Absent()
		if hi := k.hi[i]; hi > k.lo[i] {
			out[i] = c.V[hi-1]
		}
	}
}

// count is count_over_time.
func (k *Kernel) count(out []float64) {
	for i := range out {
		out[i] = Absent()
		if n := k.hi[i] - k.lo[i]; n > 0 {
			out[i] = float64(n)
		}
	}
}

// present is present_over_time.
func (k *Kernel) present(out []float64) {
	for i := range out {
		out[i] = Absent()
		if k.hi[i] > k.lo[i] {
			out[i] = 1
		}
	}
}

// changed tells whether a value is another one, as changes counts it.
func changed(before, v float64) bool {
	return v != before && !(math.IsNaN(v) && math.IsNaN(before))
}

// reset tells whether a counter was reset, as resets counts it.
func reset(before, v float64) bool { return v < before }

// events counts how often something happens between two samples of a window.
func (k *Kernel) events(c *series.Column, happens func(before, v float64) bool, out []float64) {
	k.counts = append(k.counts[:0], 0)
	n := int32(0)
	for i := 1; i < len(c.V); i++ {
		if happens(c.V[i-1], c.V[i]) {
			n++
		}
		k.counts = append(k.counts, n)
	}
	for i := range out {
		out[i] = Absent()
		if lo, hi := k.lo[i], k.hi[i]; hi > lo {
			out[i] = float64(k.counts[hi-1] - k.counts[lo])
		}
	}
}

// extreme is max_over_time with sign 1 and min_over_time with sign -1. The queue has the samples that no later sample
// of the window exceeds; of equal ones the engine takes the first, so it stays.
func (k *Kernel) extreme(c *series.Column, sign float64, out []float64) {
	queue, head, pushed := k.queue[:0], 0, int32(0)
	for i := range out {
		lo, hi := k.lo[i], k.hi[i]
		if hi == lo {
			out[i] = Absent()
			continue
		}
		for pushed = max(pushed, lo); pushed < hi; pushed++ {
			v := sign * c.V[pushed]
			if math.IsNaN(v) {
				continue
			}
			for len(queue) > head && v > sign*c.V[queue[len(queue)-1]] {
				queue = queue[:len(queue)-1]
			}
			queue = append(queue, pushed)
		}
		for head < len(queue) && queue[head] < lo {
			head++
		}
		if head == len(queue) {
			out[i] = math.NaN()
			continue
		}
		out[i] = c.V[queue[head]]
	}
	k.queue = queue
}

// exactLimit is below the integers that are exact, and so are the differences of two sums within it.
const exactLimit = 1 << 52

// exactSums fills the sums of the values before each index, when all are integers that add up without rounding. Then
// compensated summation has nothing to compensate, and a window's sum is a difference.
func (k *Kernel) exactSums(v []float64) bool {
	k.sums = append(k.sums[:0], 0)
	sum := 0.0
	for _, x := range v {
		sum += x
		if float64(int64(x)) != x || math.Abs(sum) > exactLimit {
			return false
		}
		k.sums = append(k.sums, sum)
	}
	return true
}

// sum is sum_over_time.
func (k *Kernel) sum(c *series.Column, out []float64) {
	exact := k.exactSums(c.V)
	for i := range out {
		lo, hi := k.lo[i], k.hi[i]
		switch {
		case hi == lo:
			out[i] = Absent()
		case exact:
			out[i] = k.sums[hi] - k.sums[lo]
		default:
			var sum, rest float64
			for _, x := range c.V[lo:hi] {
				sum, rest = kahansum.Inc(x, sum, rest)
			}
			if !math.IsInf(sum, 0) {
				sum += rest
			}
			out[i] = sum
		}
	}
}

// avg is avg_over_time.
func (k *Kernel) avg(c *series.Column, out []float64) {
	exact := k.exactSums(c.V)
	for i := range out {
		lo, hi := k.lo[i], k.hi[i]
		switch {
		case hi == lo:
			out[i] = Absent()
		case exact:
			out[i] = (k.sums[hi] - k.sums[lo]) / float64(hi-lo)
		default:
			out[i] = average(c.V[lo:hi])
		}
	}
}

// average is the mean of values: their sum divided, or from where that overflows on a mean that is carried along.
func average(v []float64) float64 {
	sum, count := v[0], 1.0
	var mean, rest float64
	incremental := false
	for i, x := range v[1:] {
		count = float64(i + 2)
		if !incremental {
			newSum, newRest := kahansum.Inc(x, sum, rest)
			if !math.IsInf(newSum, 0) {
				sum, rest = newSum, newRest
				continue
			}
			incremental = true
			mean = sum / (count - 1)
			rest /= count - 1
		}
		q := (count - 1) / count
		mean, rest = kahansum.Inc(x/count, q*mean, q*rest)
	}
	if incremental {
		return mean + rest
	}
	return sum/count + rest/count
}
