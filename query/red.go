package query

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"
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

// previousShift is how far back [Totals] to compare with are taken.
const previousShift = -time.Hour

// RED returns the series of what sel selects: all services, one service or one operation. Requests are the inbound
// ones (server and consumer spans, and roots) unless a matcher names kind or root. Matchers may be on service,
// operation, env, version, kind, root, status and error, which the rollup knows; any other gives a [NotRolledUpError].
func (s *Store) RED(ctx context.Context, sel Selector, r Range) (*REDSeries, error) {
	points, err := newRollupQuery(sel, r)
	if err != nil {
		return nil, err
	}
	points.keys = []string{"status", "error"}
	points.perStep(r.Step)
	latencies := *points
	latencies.keys = points.keys[:1]
	out := newREDSeries(r)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var step int32
		var sum accumulator
		err := s.scanMeasures(ctx, "latency series", &latencies, []any{&step}, func(m measure) {
			sum.add(m)
			out.setLatency(int(step), m)
		})
		out.Totals = sum.totals(r.Covered())
		return err
	})
	g.Go(func() error { return s.redPoints(ctx, points, out) })
	g.Go(func() (err error) {
		out.Previous, err = s.totals(ctx, sel, r.Shift(previousShift))
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

func newREDSeries(r Range) *REDSeries {
	n := r.Len()
	out := &REDSeries{Range: r, Times: r.Times(), Requests: make([]float64, n), Errors: make([]float64, n)}
	for _, series := range []*[]float64{&out.Mean, &out.P50, &out.P90, &out.P95, &out.P99} {
		*series = slices.Repeat([]float64{math.NaN()}, n)
	}
	return out
}

func (o *REDSeries) setLatency(step int, m measure) {
	total := m.latency.Total()
	if step < 0 || step >= len(o.Times) || total <= 0 {
		return
	}
	o.Mean[step] = m.duration / total / 1e9
	o.P50[step] = m.latency.quantile(0.5, total) / 1e9
	o.P90[step] = m.latency.quantile(0.9, total) / 1e9
	o.P95[step] = m.latency.quantile(0.95, total) / 1e9
	o.P99[step] = m.latency.quantile(0.99, total) / 1e9
}

// redPoints fills rates, classes and exemplars.
func (s *Store) redPoints(ctx context.Context, q *rollupQuery, out *REDSeries) error {
	classes := map[string][]float64{}
	slowest := make([][2]Exemplar, len(out.Times)) // of a step: of all, of the failed
	sql := q.sums("sum(requests)", "max(slowest).1", "max(slowest).2")
	err := s.scan(ctx, "request series", sql, q.where.args, func(rows driver.Rows) error {
		var step int32
		var class string
		var failed bool
		var requests float64
		var duration uint64
		var id string
		if err := rows.Scan(&step, &class, &failed, &requests, &duration, &id); err != nil {
			return err
		}
		if step < 0 || int(step) >= len(out.Times) {
			return nil
		}
		rate := requests / out.Range.covered(int(step)).Seconds()
		if classes[class] == nil {
			classes[class] = make([]float64, len(out.Times))
		}
		classes[class][step] += rate
		out.Requests[step] += rate
		if failed {
			out.Errors[step] += rate
		}
		e := Exemplar{Time: out.Times[step], Duration: time.Duration(duration), Error: failed}
		copy(e.TraceID[:], id)
		best := &slowest[step]
		if e.Duration >= best[0].Duration {
			best[0] = e
		}
		if failed && e.Duration >= best[1].Duration {
			best[1] = e
		}
		return nil
	})
	for class, rates := range classes {
		out.Classes = append(out.Classes, ClassSeries{class, rates})
	}
	slices.SortFunc(out.Classes, func(a, b ClassSeries) int { return cmp.Compare(a.Class, b.Class) })
	for _, best := range slowest {
		if !best[0].TraceID.IsZero() {
			out.Exemplars = append(out.Exemplars, best[0])
		}
		if !best[1].TraceID.IsZero() && best[1].TraceID != best[0].TraceID {
			out.Exemplars = append(out.Exemplars, best[1])
		}
	}
	return err
}

// covered is how much of a step lies before Until; rates of the last step divide by it.
func (r Range) covered(step int) time.Duration {
	start := r.From.Add(time.Duration(step) * r.Step)
	if r.Until.IsZero() || !r.Until.After(start) {
		return r.Step
	}
	return min(r.Step, max(r.Until.Sub(start), time.Second))
}
