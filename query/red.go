package query

import (
	"context"
	"time"
)

// Totals are the RED numbers of something over a whole range.
type Totals struct {
	Requests    float64 // adjusted for sampling
	Errors      float64
	Spans       uint64  // stored spans behind the numbers
	RequestRate float64 // per second
	ErrorRate   float64 // share of requests, 0 to 1

	Mean, P50, P90, P95, P99 time.Duration
}

// A ClassSeries is the rate of requests with one outcome: "1xx" to "5xx" for HTTP, else "ok" or "error".
type ClassSeries struct {
	Class string
	Rates []float64 // per second, one per step; 0 where there were none
}

// An Exemplar is one real request behind a point of a chart.
type Exemplar struct {
	Time     time.Time // start of the step that it was in
	Duration time.Duration
	TraceID  TraceID
	Error    bool
	Service  string
}

// REDSeries are rate, errors and duration over time. All slices have one element per step of the range.
type REDSeries struct {
	Range              Range
	Times              []time.Time
	Requests, Errors   []float64 // per second; 0 where there were none
	Classes            []ClassSeries
	Mean               []float64 // seconds; NaN without requests, as the percentiles
	P50, P90, P95, P99 []float64
	Exemplars          []Exemplar // slowest of a step and slowest failed one, in order of time
	Totals             Totals
	Previous           Totals // the same range one hour earlier
}

// RED returns the series of what sel selects: all services, one service or one operation. Requests are the inbound
// ones (server and consumer spans, and roots) unless a matcher names kind or root. Matchers may be on service,
// operation, env, version, kind, root, status and error, which the rollup knows; any other gives an [NotRolledUpError].
func (s *Store) RED(ctx context.Context, sel Selector, r Range) (*REDSeries, error) {
	return nil, errPending
}

// A HeatmapSeries counts requests by time and duration.
type HeatmapSeries struct {
	Times  []time.Time
	Bounds []time.Duration // upper bound of each bucket, ascending by a fixed factor; no gaps
	Lowest time.Duration   // lower bound of the first bucket
	Counts [][]float64     // by step, then by bucket
	Max    float64         // the greatest count
}

// Heatmap returns the distribution of durations of what sel selects over time, with at most 32 buckets. It takes the
// selectors that [Store.RED] takes.
func (s *Store) Heatmap(ctx context.Context, sel Selector, r Range) (*HeatmapSeries, error) {
	return nil, errPending
}
