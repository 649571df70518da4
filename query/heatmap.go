package query

import (
	"context"
	"math"
	"time"
)

// A HeatmapSeries counts requests by time and duration.
type HeatmapSeries struct {
	Times  []time.Time
	Bounds []time.Duration // upper bound of each bucket, ascending by a fixed factor; no gaps
	Lowest time.Duration   // lower bound of the first bucket
	Counts [][]float64     // by step, then by bucket
	Max    float64         // the greatest count
}

// maxHeatmapRows is the most buckets of a heatmap.
const maxHeatmapRows = 32

// Heatmap returns the distribution of durations of what sel selects over time, with at most 32 buckets. It takes the
// selectors that [Store.RED] takes.
func (s *Store) Heatmap(ctx context.Context, sel Selector, r Range) (*HeatmapSeries, error) {
	q, err := newRollupQuery(sel, r)
	if err != nil {
		return nil, err
	}
	q.perStep(r.Step)
	out := &HeatmapSeries{Times: r.Times()}
	columns := make([]Histogram, len(out.Times))
	low, high := math.MaxInt, math.MinInt
	var step int32
	err = s.scanMeasures(ctx, "heatmap", q, []any{&step}, func(m measure) {
		if step < 0 || int(step) >= len(columns) || len(m.latency.Index) == 0 {
			return
		}
		columns[step] = m.latency
		low = min(low, int(m.latency.Index[0]))
		high = max(high, int(m.latency.Index[len(m.latency.Index)-1]))
	})
	if err != nil || low > high {
		return out, err
	}
	out.fill(columns, low, high)
	return out, nil
}

// fill joins as many neighbouring buckets as it takes to have few rows. Joined buckets end at multiples of their
// width, so that a heatmap keeps its rows while it scrolls.
func (o *HeatmapSeries) fill(columns []Histogram, low, high int) {
	width := 1
	row := func(index int) int { return int(math.Ceil(float64(index) / float64(width))) }
	for row(high)-row(low)+1 > maxHeatmapRows {
		width *= 2
	}
	first := row(low)
	rows := row(high) - first + 1
	o.Lowest = time.Duration(BucketBound((first - 1) * width))
	for i := range rows {
		o.Bounds = append(o.Bounds, time.Duration(BucketBound((first+i)*width)))
	}
	o.Counts = make([][]float64, len(columns))
	for step, h := range columns {
		counts := make([]float64, rows)
		for i, index := range h.Index {
			counts[row(int(index))-first] += h.Count[i]
		}
		for _, n := range counts {
			o.Max = max(o.Max, n)
		}
		o.Counts[step] = counts
	}
}
