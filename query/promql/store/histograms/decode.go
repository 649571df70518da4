package histograms

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"

	"loadline/query/promql/series"
	"loadline/query/promql/store/index"
	"loadline/query/sql"
)

// customSchema is the schema of histograms with explicit bounds.
const customSchema = histogram.CustomBucketsSchema

// inOrder sorts rows by time and keeps one for each time.
func inOrder(rows []Row) []Row {
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.t, b.t) })
	return slices.CompactFunc(rows, func(a, b Row) bool { return a.t == b.t })
}

// Decode makes histograms of the samples of a series row. Differences are added up, beginning with the first of them.
func Decode(rows []Row, of *index.Row) ([]series.Histogram, error) {
	out := make([]series.Histogram, 0, len(rows))
	var sum *histogram.FloatHistogram
	for i := range rows {
		h, err := rows[i].decode(of.Bounds)
		if err != nil {
			return nil, fmt.Errorf("decode histogram of %q: %w", of.Metric, err)
		}
		st := rows[i].st
		if of.Kind == index.DeltaHistogram && !rows[i].stale {
			st = 0
			if sum == nil {
				sum = h
			} else {
				if sum, _, _, err = sum.Copy().Add(h); err != nil {
					return nil, fmt.Errorf("add histograms of %q: %w", of.Metric, err)
				}
				sum.CounterResetHint = histogram.NotCounterReset
			}
			h = sum
		}
		out = append(out, series.Histogram{T: rows[i].t, ST: st, H: h})
	}
	return out, nil
}

// decode makes a histogram of a row.
func (r *Row) decode(bounds []float64) (*histogram.FloatHistogram, error) {
	if r.stale {
		return &histogram.FloatHistogram{Sum: math.Float64frombits(value.StaleNaN)}, nil
	}
	h := &histogram.FloatHistogram{
		Schema:           r.schema,
		ZeroThreshold:    r.zeroThreshold,
		ZeroCount:        r.zeroCount,
		Count:            r.count,
		Sum:              r.sum,
		CounterResetHint: histogram.CounterResetHint(r.hint),
	}
	b := sql.NewBinary(r.buckets)
	h.PositiveSpans, h.PositiveBuckets = spans(b)
	h.NegativeSpans, h.NegativeBuckets = spans(b)
	if r.schema == customSchema {
		h.CustomValues = bounds
	}
	return h, b.Err()
}

// spans reads an array of indexes, which ascend, and one of counts.
func spans(b *sql.Binary) ([]histogram.Span, []float64) {
	indexes := b.Take(4 * b.Size(4))
	counts := b.Take(8 * b.Size(8))
	n := min(len(indexes)/4, len(counts)/8)
	if n == 0 {
		return nil, nil
	}
	buckets := make([]float64, n)
	var out []histogram.Span
	next := int32(0) // the index after the last bucket
	for i := range buckets {
		buckets[i] = math.Float64frombits(binary.LittleEndian.Uint64([]byte(counts[8*i : 8*i+8])))
		at := int32(binary.LittleEndian.Uint32([]byte(indexes[4*i : 4*i+4])))
		if i == 0 || at != next {
			out = append(out, histogram.Span{Offset: at - next})
		}
		out[len(out)-1].Length++
		next = at + 1
	}
	return out, buckets
}

// Merge unites histograms of series with equal labels. Where both have one of the same time, that of a stays. A hint speaks
// of the sample before it in its own series, so it is forgotten where that is no longer the one before.
func Merge(a, b []series.Histogram) []series.Histogram {
	if len(a) == 0 {
		return b
	}
	type sample struct {
		series.Histogram
		second bool // of b
	}
	all := make([]sample, 0, len(a)+len(b))
	for _, h := range a {
		all = append(all, sample{h, false})
	}
	for _, h := range b {
		all = append(all, sample{h, true})
	}
	slices.SortStableFunc(all, func(x, y sample) int { return cmp.Compare(x.T, y.T) })
	all = slices.CompactFunc(all, func(x, y sample) bool { return x.T == y.T })
	out := make([]series.Histogram, len(all))
	for i, x := range all {
		if i > 0 && x.second != all[i-1].second && x.H.CounterResetHint != histogram.GaugeType {
			x.H.CounterResetHint = histogram.UnknownCounterReset
		}
		out[i] = x.Histogram
	}
	return out
}

// Without removes from c the samples at the times of histograms.
func Without(c *series.Column, all []series.Histogram) {
	n, j := 0, 0
	for i, t := range c.T {
		for j < len(all) && all[j].T < t {
			j++
		}
		if j < len(all) && all[j].T == t {
			continue
		}
		c.T[n], c.V[n] = t, c.V[i]
		if len(c.ST) > 0 {
			c.ST[n] = c.ST[i]
		}
		n++
	}
	c.T, c.V = c.T[:n], c.V[:n]
	if len(c.ST) > 0 {
		c.ST = c.ST[:n]
	}
}
