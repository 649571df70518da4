package red

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/internal/clickhouse"
	"loadline/query/filter"
	"loadline/query/promql/series"
	"loadline/query/querytest"
	"loadline/query/rollup"
)

// queryable gives the metrics to the upstream engine, and nothing else.
type queryable struct{ *Metrics }

func (q queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	return querier{q.Metrics, mint, maxt}, nil
}

type querier struct {
	metrics    *Metrics
	mint, maxt int64
}

func (q querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var metric string
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			metric = m.Value
		}
	}
	list, warnings, err := q.metrics.Select(ctx, metric, q.mint, q.maxt, hints, matchers)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	all := make([]storage.Series, len(list))
	for i, s := range list {
		all[i] = s
	}
	return series.NewSet(all, warnings)
}

func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) Close() error { return nil }

// tester asks in PromQL.
type tester struct {
	testing.TB
	engine *promql.Engine
	q      queryable
}

func newTester(t testing.TB, db *clickhouse.DB, now time.Time) tester {
	return tester{
		TB:     t,
		engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 50e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true}),
		q:      queryable{New(db, Config{Now: func() time.Time { return now }})},
	}
}

// instant returns the values at a time by the labels of their series.
func (t tester) instant(expr string, at time.Time) map[string]float64 {
	t.Helper()
	query, err := t.engine.NewInstantQuery(context.Background(), t.q, nil, expr, at)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	result := query.Exec(context.Background())
	vector, err := result.Vector()
	if err != nil || len(result.Warnings) > 0 {
		t.Fatalf("%s: %v, %v", expr, err, result.Warnings)
	}
	values := map[string]float64{}
	for _, s := range vector {
		values[s.Metric.String()] = s.F
		if s.H != nil {
			values[s.Metric.String()] = s.H.Count
		}
	}
	return values
}

// ranged returns the values at steps by the labels of their series.
func (t tester) ranged(expr string, from, to time.Time, step time.Duration) map[string]map[int64]float64 {
	t.Helper()
	query, err := t.engine.NewRangeQuery(context.Background(), t.q, nil, expr, from, to, step)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	result := query.Exec(context.Background())
	matrix, err := result.Matrix()
	if err != nil || len(result.Warnings) > 0 {
		t.Fatalf("%s: %v, %v", expr, err, result.Warnings)
	}
	values := map[string]map[int64]float64{}
	for _, s := range matrix {
		at := map[int64]float64{}
		for _, p := range s.Floats {
			at[p.T/1000-querytest.Base.Unix()] = p.F
		}
		values[s.Metric.String()] = at
	}
	return values
}

func (t tester) one(expr string, at time.Time) float64 {
	t.Helper()
	values := t.instant(expr, at)
	if len(values) != 1 {
		t.Fatalf("%s: %v", expr, values)
	}
	for _, v := range values {
		return v
	}
	return 0
}

func after(d time.Duration) time.Time { return querytest.Base.Add(d) }

// steady is an hour of two requests a second to web and one to shop, whose durations follow a log-normal distribution.
func steady() []querytest.Span {
	var spans []querytest.Span
	for i := range 3600 {
		at := time.Duration(i) * time.Second
		for j := range 3 {
			u := math.Mod(float64(3*i+j)*0.6180339887498949, 1)
			s := querytest.Span{At: at + time.Duration(j)*300*time.Millisecond, Trace: 3*i + j + 1, Span: 1, Service: "web", Operation: "GET /", HTTP: 200, Duration: logNormal(u)}
			if j == 2 {
				s.Service, s.Operation, s.HTTP = "shop", "GET /items", 0
				s.Error = i%20 == 0
			}
			spans = append(spans, s)
		}
	}
	return spans
}

// logNormal is a quantile of durations around 80 ms.
func logNormal(u float64) time.Duration {
	return time.Duration(80e6 * math.Exp(0.7*math.Sqrt2*math.Erfinv(2*min(max(u, 1e-6), 1-1e-6)-1)))
}

func TestPercentiles(t *testing.T) {
	db := querytest.New(t, steady()...)
	p := newTester(t, db, after(2*time.Hour))
	for _, q := range []float64{0.5, 0.9, 0.99} {
		expr := fmt.Sprintf("histogram_quantile(%v, sum by (service)(rate(%s[5m])))", q, SpanDuration)
		for at, within := range map[time.Duration]float64{30 * time.Minute: 0.045, 30*time.Minute + 7*time.Second: 0.09} {
			got := p.instant(expr, after(at))
			if len(got) != 2 {
				t.Fatalf("%s: %v", expr, got)
			}
			r := rollup.Range{From: after(25 * time.Minute), To: after(30 * time.Minute), Step: 5 * time.Minute}
			totals, err := rollup.ReadTotals(context.Background(), db, filter.Selector{Service: "web"}, r)
			if err != nil {
				t.Fatal(err)
			}
			want := map[float64]time.Duration{0.5: totals.P50, 0.9: totals.P90, 0.99: totals.P99}[q]
			if v := time.Duration(1e9 * got[`{service="web"}`]); !querytest.Within(v, want, within) {
				t.Errorf("p%v at %v: %v, the rollup says %v", 100*q, at, v, want)
			}
		}
	}
}

func TestRates(t *testing.T) {
	p := newTester(t, querytest.New(t, steady()...), after(2*time.Hour))
	f := func(expr string, at time.Duration, want float64) {
		t.Helper()
		if got := p.one(expr, after(at)); math.Abs(got-want) > 1e-4*math.Abs(want) {
			t.Errorf("%s at %v: %v, want %v", expr, at, got, want)
		}
	}
	f("sum(rate("+SpanCalls+"[5m]))", 30*time.Minute, 3)
	f("sum(rate("+SpanCalls+"[5m]))", 30*time.Minute+3*time.Second, 3)
	f("sum(rate("+SpanCalls+"[1h]))", time.Hour, 3)
	f("sum(increase("+SpanCalls+"[10s]))", time.Minute, 30)
	f("sum(increase("+SpanCalls+"[1h]))", time.Hour, 3*3600)
	f("sum(increase("+SpanCalls+`{status_code="STATUS_CODE_ERROR"}[1h]))`, time.Hour, 180)
	f("histogram_count(sum(rate("+SpanDuration+"[5m])))", 30*time.Minute, 3)
	f("histogram_count(sum(rate("+SpanDuration+"[5m] offset 10m)))", 30*time.Minute, 3)
	f("histogram_count(sum(rate("+SpanDuration+`{service="web"}[5m])))`, 30*time.Minute, 2)
	f("histogram_count(sum(rate("+SpanDuration+`{service=~"we.",operation!~"x.*",kind="server"}[5m])))`, 30*time.Minute, 2)
	f("max_over_time(sum(rate("+SpanCalls+"[5m]))[20m:1m])", 30*time.Minute+10*time.Second, 3)
}

// TestSteadyTraffic asks for the rate of steady traffic in many ways; the answer is always the same.
func TestSteadyTraffic(t *testing.T) {
	p := newTester(t, querytest.New(t, steady()...), after(2*time.Hour))
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	for range 150 {
		at := 35*time.Minute + time.Duration(random.IntN(150))*10*time.Second
		window := pick("1m", "90s", "5m", "10m")
		if random.IntN(3) == 0 {
			at += time.Duration(random.IntN(9999)) * time.Millisecond
		}
		modifier := pick("", "", " offset 1m", " offset 10s", " offset 7s", " @ "+fmt.Sprint(at.Seconds()+float64(querytest.Base.Unix())))
		expr := "sum(" + pick("rate", "irate") + "(" + SpanCalls + "[" + window + "]" + modifier + "))"
		if random.IntN(2) == 0 {
			expr = "histogram_count(sum(rate(" + SpanDuration + "[" + window + "]" + modifier + ")))"
		}
		if random.IntN(3) == 0 {
			expr = pick("min", "max", "avg") + "_over_time(" + expr + "[10m:" + pick("10s", "20s", "1m", "70s", "15s") + "]" + pick("", " offset 30s", " offset 1m") + ")"
		}
		if random.IntN(2) == 0 {
			if got := p.one(expr, after(at)); !near(got, 3, 1e-3) {
				t.Errorf("%s at %v: %v", expr, at, got)
			}
			continue
		}
		step := []time.Duration{10 * time.Second, 15 * time.Second, 40 * time.Second, time.Minute, 7 * time.Minute}[random.IntN(5)]
		for _, values := range p.ranged(expr, after(at-8*time.Minute), after(at), step) {
			for second, got := range values {
				if !near(got, 3, 1e-3) {
					t.Errorf("%s every %v until %v: %v at %d s", expr, step, at, got, second)
					break
				}
			}
			if len(values) != int(8*time.Minute/step)+1 {
				t.Errorf("%s every %v until %v: %d values", expr, step, at, len(values))
			}
		}
	}
}
