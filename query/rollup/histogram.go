package rollup

import (
	"math"
	"slices"
	"sort"
	"time"

	"loadline/query/sql"
)

// BucketsPerOctave is the resolution of the latency column of the rollups.
const BucketsPerOctave = 8

// A Histogram counts durations in buckets of a logarithmic scale: bucket i has those in (2^((i-1)/8), 2^(i/8)]
// nanoseconds. Index is ascending without repetitions. It is the content of the latency column of the rollups.
type Histogram struct {
	Index []int16
	Count []float64
}

// BucketBound is the upper bound of bucket i in nanoseconds. The lower bound is that of bucket i-1.
func BucketBound(i int) float64 { return math.Exp2(float64(i) / BucketsPerOctave) }

// BucketOf is the bucket of a duration; everything up to a nanosecond is in bucket 0.
func BucketOf(d time.Duration) int {
	if d <= 1 {
		return 0
	}
	i := int(math.Ceil(math.Log2(float64(d)) * BucketsPerOctave))
	// Near a bound the logarithm may round to the wrong side.
	for i > 0 && float64(d) <= BucketBound(i-1) {
		i--
	}
	for float64(d) > BucketBound(i) {
		i++
	}
	return i
}

// Total is the number of requests in the histogram.
func (h Histogram) Total() float64 {
	var sum float64
	for _, c := range h.Count {
		sum += c
	}
	return sum
}

// Quantile returns the duration below which the share q of the requests lies, 0 when the histogram is empty. The
// answer is in the same bucket as the exact one. It is the bucket's geometric middle, which is within 4.5 % of every
// value in the bucket, unless the bucket and its neighbours are so well filled that the distribution is smooth there:
// then it is interpolated on the logarithmic scale, and closer.
func (h Histogram) Quantile(q float64) time.Duration {
	return time.Duration(math.Round(h.quantile(q, h.Total())))
}

// Seconds is the quantile in seconds, for charts. The total is h.Total(): who asks for several quantiles adds it up once.
func (h Histogram) Seconds(q, total float64) float64 { return h.quantile(q, total) / 1e9 }

func (h Histogram) quantile(q, total float64) float64 {
	if total <= 0 {
		return 0
	}
	rank := min(max(q, 0), 1) * total
	var below float64
	for i, c := range h.Count {
		if c <= 0 {
			continue
		}
		if below+c >= rank || i == len(h.Count)-1 {
			return h.within(i, (rank-below)/c)
		}
		below += c
	}
	return 0
}

// within returns the duration at a share of bucket i. Few requests, or an empty neighbour, say that requests need not
// be spread evenly over the bucket, and draw the answer towards the middle.
func (h Histogram) within(i int, share float64) float64 {
	var before, after float64
	if i > 0 && h.Index[i-1] == h.Index[i]-1 {
		before = h.Count[i-1]
	}
	if i+1 < len(h.Index) && h.Index[i+1] == h.Index[i]+1 {
		after = h.Count[i+1]
	}
	n := h.Count[i]
	trust := max(n-1, 0) / (n + 31) * min(1, 2*min(before, after)/n)
	share = 0.5 + (min(max(share, 0), 1)-0.5)*trust
	return math.Exp2((float64(h.Index[i]) - 1 + share) / BucketsPerOctave)
}

// ReadHistogram reads an Array(Tuple(Int16, Float64)), in any order, possibly with repeated indexes.
func ReadHistogram(b *sql.Binary) Histogram {
	n := b.Size(10)
	h := Histogram{Index: make([]int16, n), Count: make([]float64, n)}
	for i := range n {
		h.Index[i], h.Count[i] = b.Int16(), b.Float64()
	}
	h.normalize()
	return h
}

// normalize sorts the buckets and adds up repeated ones.
func (h *Histogram) normalize() {
	if !slices.IsSorted(h.Index) {
		sort.Sort(byIndex(*h))
	}
	n := 0
	for i := range h.Index {
		if n > 0 && h.Index[n-1] == h.Index[i] {
			h.Count[n-1] += h.Count[i]
			continue
		}
		h.Index[n], h.Count[n] = h.Index[i], h.Count[i]
		n++
	}
	h.Index, h.Count = h.Index[:n], h.Count[:n]
}

type byIndex Histogram

func (b byIndex) Len() int           { return len(b.Index) }
func (b byIndex) Less(i, j int) bool { return b.Index[i] < b.Index[j] }
func (b byIndex) Swap(i, j int) {
	b.Index[i], b.Index[j] = b.Index[j], b.Index[i]
	b.Count[i], b.Count[j] = b.Count[j], b.Count[i]
}
