package query

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// A ClassSeries is the rate of requests with one outcome: "1xx" to "5xx" for HTTP, else "ok" or "error".
type ClassSeries struct {
	Class string
	Rates []float64 // per second, one per step; 0 where there were none
}

// REDSeries are rate, errors and duration over time. All slices have one element per step of the range.
type REDSeries struct {
	Range              rollup.Range
	Times              []time.Time
	Requests, Errors   []float64 // per second; 0 where there were none
	Classes            []ClassSeries
	Mean               []float64 // seconds; NaN without requests, as the percentiles
	P50, P90, P95, P99 []float64
	Exemplars          []rollup.Exemplar // slowest of a step and slowest failed one, in order of time
	Totals             rollup.Totals
	Previous           rollup.Totals // the same range one hour earlier
}

// previousShift is how far back [rollup.Totals] to compare with are taken.
const previousShift = -time.Hour

// RED returns the series of what sel selects: all services, one service or one operation. Requests are the inbound
// ones (server and consumer spans, and roots) unless a matcher names kind or root. Matchers may be on service,
// operation, env, version, kind, root, status and error, which the rollup knows; any other gives a [filter.NotRolledUpError].
func (s *Store) RED(ctx context.Context, sel filter.Selector, r rollup.Range) (*REDSeries, error) {
	points, err := rollup.Inbound(sel, r)
	if err != nil {
		return nil, err
	}
	points.Keys = []string{"status", "error"}
	points.PerStep(r.Step)
	latencies := *points
	latencies.Keys = points.Keys[:1]
	out := newREDSeries(r)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var step int32
		var sum rollup.Accumulator
		err := latencies.Scan(ctx, s.db, "latency series", []any{&step}, func(m rollup.Measure) {
			sum.Add(m)
			out.setLatency(int(step), m)
		})
		out.Totals = sum.Totals(r.Covered())
		return err
	})
	g.Go(func() error { return s.redPoints(ctx, points, out) })
	g.Go(func() (err error) {
		out.Previous, err = rollup.ReadTotals(ctx, s.db, sel, r.Shift(previousShift))
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

func newREDSeries(r rollup.Range) *REDSeries {
	n := r.Len()
	out := &REDSeries{Range: r, Times: r.Times(), Requests: make([]float64, n), Errors: make([]float64, n)}
	for _, series := range []*[]float64{&out.Mean, &out.P50, &out.P90, &out.P95, &out.P99} {
		*series = slices.Repeat([]float64{math.NaN()}, n)
	}
	return out
}

func (o *REDSeries) setLatency(step int, m rollup.Measure) {
	total := m.Latency.Total()
	if step < 0 || step >= len(o.Times) || total <= 0 {
		return
	}
	o.Mean[step] = m.Duration / total / 1e9
	o.P50[step] = m.Latency.Seconds(0.5, total)
	o.P90[step] = m.Latency.Seconds(0.9, total)
	o.P95[step] = m.Latency.Seconds(0.95, total)
	o.P99[step] = m.Latency.Seconds(0.99, total)
}

// redPoints fills rates, classes and exemplars.
func (s *Store) redPoints(ctx context.Context, q *rollup.Query, out *REDSeries) error {
	classes := map[string][]float64{}
	slowest := make([][2]rollup.Exemplar, len(out.Times)) // of a step: of all, of the failed
	statement := q.Sums("sum(requests)", "max(slowest).1", "max(slowest).2")
	err := sql.Scan(ctx, s.db, "request series", statement, q.Where.Args, func(rows driver.Rows) error {
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
		rate := requests / out.Range.StepCovered(int(step)).Seconds()
		if classes[class] == nil {
			classes[class] = make([]float64, len(out.Times))
		}
		classes[class][step] += rate
		out.Requests[step] += rate
		if failed {
			out.Errors[step] += rate
		}
		e := rollup.Exemplar{Time: out.Times[step], Duration: time.Duration(duration), Error: failed}
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
