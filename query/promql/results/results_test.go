package results

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"loadline/query/promql/memory"
	"loadline/query/promql/series"
)

func newUpstream() *upstream.Engine {
	return upstream.NewEngine(upstream.EngineOpts{
		MaxSamples: 1e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: newParser(),
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 },
	})
}

func newParser() parser.Parser {
	return parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
}

func minute(n int) time.Time { return time.UnixMilli(int64(n) * 60_000) }

// data is a gauge that has the minute as its value.
func data() memory.Storage {
	s := &series.Series{Name: labels.FromStrings("__name__", "m")}
	for i := range 200 {
		s.Column.Append(int64(i)*60_000, float64(i))
	}
	return memory.New(s)
}

func execute(t *testing.T, e upstream.QueryEngine, q storage.Queryable, text string, from, to int) (string, int64) {
	t.Helper()
	query, err := e.NewRangeQuery(context.Background(), q, nil, text, minute(from), minute(to), time.Minute)
	if err != nil {
		t.Error(err)
		return "", 0
	}
	defer query.Close()
	r := query.Exec(context.Background())
	if r.Err != nil {
		t.Error(r.Err)
	}
	return r.String(), query.Stats().Samples.TotalSamples
}

func TestChangedSamplesAreReadAgain(t *testing.T) {
	var changes Changes
	e := New(newUpstream(), newParser(), Config{Version: changes.Version, Now: func() time.Time { return minute(1000) }})
	f := func(wantSamples int64) {
		t.Helper()
		want, _ := execute(t, newUpstream(), data(), "m", 100, 190)
		got, n := execute(t, e, data(), "m", 100, 190)
		if got != want || n != wantSamples {
			t.Errorf("%d samples for %s, want %d", n, got, wantSamples)
		}
	}
	f(91)
	f(0)
	changes.Changed(minute(600).UnixMilli(), minute(700).UnixMilli())
	f(0)
	changes.Changed(minute(100).UnixMilli(), minute(100).UnixMilli())
	f(91)
	f(0)
}

func TestChangesAreToldApart(t *testing.T) {
	var c Changes
	before := []uint64{c.Version(-5, 5), c.Version(0, span), c.Version(10*span, 11*span)}
	f := func(mint, maxt int64, want ...bool) {
		t.Helper()
		c.Changed(mint, maxt)
		after := []uint64{c.Version(-5, 5), c.Version(0, span), c.Version(10*span, 11*span)}
		for i := range after {
			if (after[i] != before[i]) != want[i] {
				t.Errorf("change of %d to %d: versions %v, then %v", mint, maxt, before, after)
			}
		}
		before = after
	}
	f(-1, -1, true, false, false)
	f(span+1, span+2, false, true, false)
	f(5*span, 10*span, false, false, true)
	f(5, 4, false, false, false)
	f(-1<<62, 1<<62, true, true, true)
	f(0, 0, true, true, false)
	for i := range int64(maxSpans) {
		c.Changed(-i*span, -i*span)
	}
	if c.Changed(1000*span, 1000*span); len(c.spans) > maxSpans {
		t.Errorf("%d spans are remembered", len(c.spans))
	}
	f(3*span, 3*span, true, true, true)
}

func TestWhatDependsOnTheRangeIsNotKept(t *testing.T) {
	unstable := func(s *parser.VectorSelector) bool { return s.Name == "delta" }
	e := New(newUpstream(), newParser(), Config{Unstable: unstable, Now: func() time.Time { return minute(100) }})
	f := func(text string, want bool) {
		t.Helper()
		stmt := &parser.EvalStmt{Start: minute(10), End: minute(60), Interval: time.Minute, LookbackDelta: 5 * time.Minute}
		if _, got := e.plan(stmt, text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	f(`sum(rate(m[5m]))`, true)
	f(`m offset 1h`, true)
	f(`max_over_time(m[1h:step()])`, true)
	f(`m @ 60`, true)
	f(`m @ 5400`, true)
	f(`m @ 5401`, false)
	f(`m @ 5400 offset -1s`, false)
	f(`m @ start()`, false)
	f(`m @ end()`, false)
	f(`max_over_time(m[5m:1m] @ end())`, false)
	f(`rate(m[range()])`, false)
	f(`rate(m[5m + range() / 2])`, false)
	f(`m offset range()`, false)
	f(`max_over_time(m[range():1m])`, false)
	f(`m + range()`, false)
	f(`m + time()`, true)
	f(`limitk(1, m)`, false)
	f(`info(m)`, false)
	f(`sum(delta)`, false)
	f(`time()`, false)
	f(`m[5m]`, false)
	f(`sum(`, false)
}

func TestPlanKnowsWhenSamplesHaveSettled(t *testing.T) {
	f := func(text string, now int, want int) {
		t.Helper()
		e := New(newUpstream(), newParser(), Config{Now: func() time.Time { return minute(now) }})
		p, ok := e.plan(&parser.EvalStmt{Start: minute(10), End: minute(60), Interval: time.Minute, LookbackDelta: 5 * time.Minute}, text)
		if !ok || p.lastKept != minute(want).UnixMilli() {
			t.Errorf("%s at minute %d: %v, kept to %v", text, now, ok, time.UnixMilli(p.lastKept))
		}
	}
	f(`m`, 100, 60)
	f(`m`, 70, 60)
	f(`m`, 69, 59)
	f(`m offset -5m`, 70, 55)
	f(`m offset 5m`, 69, 59)
	f(`m`, 15, 5)
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(1000)
	for i := range 10 {
		c.put(key{text: fmt.Sprint(i)}, &kept{bytes: 200})
		c.get(key{text: "0"})
	}
	if c.bytes != 1000 || c.order.Len() != 5 || len(c.items) != 5 {
		t.Errorf("%d bytes in %d results", c.bytes, c.order.Len())
	}
	if c.get(key{text: "0"}) == nil || c.get(key{text: "9"}) == nil || c.get(key{text: "1"}) != nil {
		t.Error("not the ones used last are kept")
	}
	c.put(key{text: "0"}, &kept{bytes: 251})
	if c.get(key{text: "0"}) != nil {
		t.Error("one result takes more than its share")
	}
}

func TestQueriesThatAreNotKept(t *testing.T) {
	yes := true
	f := func(opts upstream.QueryOpts, start time.Time, step time.Duration, want bool) {
		t.Helper()
		if _, got := keyOf(opts, "m", start, step); got != want {
			t.Errorf("%+v from %v by %v: %v", opts, start, step, got)
		}
	}
	f(nil, minute(1), time.Minute, true)
	f(upstream.NewPrometheusQueryOpts(false, time.Minute, &yes), minute(1), time.Minute, true)
	f(upstream.NewPrometheusQueryOpts(true, 0, nil), minute(1), time.Minute, false)
	f(upstream.NewPrometheusQueryOptsWithLimits(false, 0, 1, 0, 0, nil), minute(1), time.Minute, false)
	f(Bypass(nil), minute(1), time.Minute, false)
	f(nil, minute(1).Add(1), time.Minute, false)
	f(nil, minute(1), time.Microsecond, false)
}

func TestErrorsComeAsTheyDoFromTheEngine(t *testing.T) {
	e := New(newUpstream(), newParser(), Config{})
	for _, text := range []string{`sum(`, `m[5m]`, `"text"`} {
		_, want := newUpstream().NewRangeQuery(context.Background(), data(), nil, text, minute(1), minute(2), time.Minute)
		_, got := e.NewRangeQuery(context.Background(), data(), nil, text, minute(1), minute(2), time.Minute)
		if want == nil || got == nil || want.Error() != got.Error() {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestCanceledQueriesAreNotKept(t *testing.T) {
	e := New(newUpstream(), newParser(), Config{Now: func() time.Time { return minute(1000) }})
	q, err := e.NewRangeQuery(context.Background(), data(), nil, "m", minute(1), minute(9), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	q.Cancel() // nothing runs yet
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r := q.Exec(ctx); r.Err == nil {
		t.Error("no error")
	}
	if e.cache.order.Len() != 0 {
		t.Error("it was kept")
	}
	if diff := cmp.Diff("m", q.String()); diff != "" || q.Statement().String() == "" {
		t.Error(diff)
	}
}

// changing is a storage that changes while it is read.
type changing struct {
	memory.Storage
	changes *Changes
}

func (c changing) Querier(mint, maxt int64) (storage.Querier, error) {
	c.changes.Changed(mint, maxt)
	return c.Storage.Querier(mint, maxt)
}

func TestChangesWhileReadingAreNoticed(t *testing.T) {
	var changes Changes
	e := New(newUpstream(), newParser(), Config{Version: changes.Version, Now: func() time.Time { return minute(1000) }})
	for range 3 {
		if _, n := execute(t, e, changing{data(), &changes}, "m", 100, 190); n != 91 {
			t.Errorf("%d samples were selected", n)
		}
	}
}

func TestQueriesAtOnceShareWhatIsKept(t *testing.T) {
	e := New(newUpstream(), newParser(), Config{Now: func() time.Time { return minute(180) }})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				from := 10 + (i*j)%30
				want, _ := execute(t, newUpstream(), data(), "m > 20", from, from+150)
				if got, _ := execute(t, e, data(), "m > 20", from, from+150); got != want {
					t.Errorf("from %d: %s, want %s", from, got, want)
				}
			}
		})
	}
	all.Wait()
}
