package red

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"loadline/query/rollup"
)

// The bounds of the histograms are those of the rollups from 1.024 µs to 39 h, in seconds. What is shorter shares the
// first bucket, what is longer the last.
const (
	firstBound = 10 * rollup.BucketsPerOctave
	lastBound  = 47 * rollup.BucketsPerOctave
)

// newBounds returns the upper bounds of all buckets but the last. All histograms share one list, because the engine
// adds up only histograms of equal bounds without loss.
func newBounds() []float64 {
	bounds := make([]float64, 0, lastBound-firstBound+1)
	for i := firstBound; i <= lastBound; i++ {
		bounds = append(bounds, rollup.BucketBound(i)/1e9)
	}
	return bounds
}

// bucketOf is the bucket, counted from 0, for a bucket of the rollups.
func bucketOf(index int16) int {
	return min(max(int(index), firstBound), lastBound+1) - firstBound
}

// cumulative makes the samples of one series: the histograms of everything in its first n cells.
type cumulative struct {
	bounds  []float64
	buckets []int            // that have anything, ascending
	spans   []histogram.Span // of these buckets
	place   []int            // of a bucket in buckets
}

func newCumulative(bounds []float64) *cumulative {
	return &cumulative{bounds: bounds, place: make([]int, len(bounds)+1)}
}

// histograms returns the histogram before the first entry, that after it, and so on. The first is empty, or high: what
// all entries are together.
func (c *cumulative) histograms(entries []entry, high bool) []*histogram.FloatHistogram {
	c.layOut(entries)
	all := make([]histogram.FloatHistogram, len(entries)+1)
	counts := make([]float64, len(all)*len(c.buckets))
	out := make([]*histogram.FloatHistogram, len(all))
	for i := range all {
		h := &all[i]
		out[i] = h
		// Nobody needs to look for resets: they cannot happen within an answer.
		h.Schema, h.CustomValues, h.CounterResetHint = histogram.CustomBucketsSchema, c.bounds, histogram.NotCounterReset
		if i == 0 && !high {
			continue
		}
		h.PositiveSpans = c.spans
		h.PositiveBuckets, counts = counts[:len(c.buckets):len(c.buckets)], counts[len(c.buckets):]
		if i == 0 {
			for _, e := range entries {
				c.add(h, e)
			}
			continue
		}
		before := &all[i-1]
		h.Count, h.Sum = before.Count, before.Sum
		copy(h.PositiveBuckets, before.PositiveBuckets)
		c.add(h, entries[i-1])
	}
	return out
}

// add adds an entry to a histogram.
func (c *cumulative) add(h *histogram.FloatHistogram, e entry) {
	h.Count, h.Sum = h.Count+e.count, h.Sum+e.sum/1e9
	for j, index := range e.latency.Index {
		h.PositiveBuckets[c.place[bucketOf(index)]] += e.latency.Count[j]
	}
}

// layOut finds the buckets that the entries need.
func (c *cumulative) layOut(entries []entry) {
	c.buckets = c.buckets[:0]
	for _, e := range entries {
		for _, index := range e.latency.Index {
			c.place[bucketOf(index)] = math.MaxInt
		}
	}
	for bucket, mark := range c.place {
		if mark == math.MaxInt {
			c.place[bucket] = len(c.buckets)
			c.buckets = append(c.buckets, bucket)
		}
	}
	c.spans = nil
	next := 0
	for _, bucket := range c.buckets {
		if last := len(c.spans) - 1; last >= 0 && bucket == next {
			c.spans[last].Length++
		} else {
			c.spans = append(c.spans, histogram.Span{Offset: int32(bucket - next), Length: 1})
		}
		next = bucket + 1
	}
	c.spans = slices.Clip(c.spans)
}
