package rollup

import (
	"context"
	"time"

	"loadline/internal/clickhouse"
	"loadline/query/filter"
	"loadline/query/trace"
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

// An Exemplar is one real request behind a point of a chart.
type Exemplar struct {
	Time     time.Time // start of the step that it was in
	Duration time.Duration
	TraceID  trace.ID
	Error    bool
}

// A Measure is what a row of a [Query] holds besides its keys.
type Measure struct {
	Spans            uint64
	Requests, Errors float64 // adjusted for sampling
	Duration         float64 // of all requests together, in nanoseconds
	Latency          Histogram
}

// Totals makes the numbers to show of a measure of that much time.
func (m Measure) Totals(covered time.Duration) Totals {
	t := Totals{Requests: m.Requests, Errors: m.Errors, Spans: m.Spans}
	if m.Requests <= 0 {
		return t
	}
	if covered > 0 {
		t.RequestRate = m.Requests / covered.Seconds()
	}
	t.ErrorRate = m.Errors / m.Requests
	t.Mean = time.Duration(m.Duration / m.Requests)
	t.P50, t.P90 = m.Latency.Quantile(0.5), m.Latency.Quantile(0.9)
	t.P95, t.P99 = m.Latency.Quantile(0.95), m.Latency.Quantile(0.99)
	return t
}

// An Accumulator adds up measures. Its buckets are an array, because adding many sparse histograms that way costs a
// few nanoseconds a bucket.
type Accumulator struct {
	sum    Measure // without Latency
	counts [buckets]float64
}

// buckets is more than the bucket of the longest duration, 2^63 ns.
const buckets = 64*BucketsPerOctave + 1

// Add adds one measure.
func (a *Accumulator) Add(m Measure) {
	a.sum.Spans += m.Spans
	a.sum.Requests += m.Requests
	a.sum.Errors += m.Errors
	a.sum.Duration += m.Duration
	for i, index := range m.Latency.Index {
		a.counts[min(max(int(index), 0), buckets-1)] += m.Latency.Count[i]
	}
}

// Totals makes the numbers to show of all that was added, over that much time.
func (a *Accumulator) Totals(covered time.Duration) Totals {
	m := a.sum
	m.Latency = a.histogram()
	return m.Totals(covered)
}

func (a *Accumulator) histogram() Histogram {
	var h Histogram
	for i, n := range a.counts {
		if n != 0 {
			h.Index, h.Count = append(h.Index, int16(i)), append(h.Count, n)
		}
	}
	return h
}

// ReadTotals returns the RED numbers of the whole range.
func ReadTotals(ctx context.Context, db *clickhouse.DB, sel filter.Selector, r Range) (Totals, error) {
	q, err := Inbound(sel, r)
	if err != nil {
		return Totals{}, err
	}
	var sum Accumulator
	err = q.Scan(ctx, db, "totals", nil, sum.Add)
	return sum.Totals(r.Covered()), err
}
