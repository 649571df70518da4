package query

import (
	"context"
	"math"
	"time"

	"loadline/query/filter"
	"loadline/query/rollup"
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
func (s *Store) Heatmap(ctx context.Context, sel filter.Selector, r rollup.Range) (*HeatmapSeries, error) {
	q, err := rollup.Inbound(sel, r)
	if err != nil {
		return nil, err
	}
	q.PerStep(r.Step)
	out := &HeatmapSeries{Times: r.Times()}
	columns := make([]rollup.Histogram, len(out.Times))
	low, high := math.MaxInt, math.MinInt
	var step int32
	err = q.Scan(ctx, s.db, "heatmap", []any{&step}, func(m rollup.Measure) {
		if step < 0 || int(step) >= len(columns) || len(m.Latency.Index) == 0 {
			return
		}
		columns[step] = m.Latency
		low = min(low, int(m.Latency.Index[0]))
		high = max(high, int(m.Latency.Index[len(m.Latency.Index)-1]))
	})
	if err != nil || low > high {
		return out, err
	}
	out.fill(columns, low, high)
	return out, nil
}

// fill joins as many neighbouring buckets as it takes to have few rows. Joined buckets end at multiples of their
// width, so that a heatmap keeps its rows while it scrolls.
func (o *HeatmapSeries) fill(columns []rollup.Histogram, low, high int) {
	width := 1
	row := func(index int) int { return int(math.Ceil(float64(index) / float64(width))) }
	for row(high)-row(low)+1 > maxHeatmapRows {
		width *= 2
	}
	first := row(low)
	rows := row(high) - first + 1
	o.Lowest = time.Duration(rollup.BucketBound((first - 1) * width))
	for i := range rows {
		o.Bounds = append(o.Bounds, time.Duration(rollup.BucketBound((first+i)*width)))
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
