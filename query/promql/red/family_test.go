package red

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"loadline/internal/clickhouse"
	"loadline/query/querytest"
)

func near(got, want, share float64) bool { return math.Abs(got-want) <= share*math.Abs(want) }

// TestApdex asks for shares of requests below a threshold, and for their mean.
func TestApdex(t *testing.T) {
	p := newTester(t, querytest.New(t, steady()...), after(2*time.Hour))
	for _, limit := range []float64{0.05, 0.08, 0.2} {
		got := p.one(fmt.Sprintf(`histogram_fraction(0, %v, sum(rate(%s{service="web"}[30m])))`, limit, SpanDuration), after(40*time.Minute))
		n, below := 0.0, 0.0
		for _, s := range steady() {
			if s.Service == "web" && s.At >= 10*time.Minute && s.At < 40*time.Minute {
				n++
				if s.Duration.Seconds() <= limit {
					below++
				}
			}
		}
		if math.Abs(got-below/n) > 0.005 {
			t.Errorf("below %v s: %v, want %v", limit, got, below/n)
		}
	}
	mean := p.one(`histogram_avg(sum(increase(`+SpanDuration+`{service="web"}[30m])))`, after(40*time.Minute))
	var sum, n float64
	for _, s := range steady() {
		if s.Service == "web" && s.At >= 10*time.Minute && s.At < 40*time.Minute {
			sum, n = sum+s.Duration.Seconds(), n+1
		}
	}
	if !near(mean, sum/n, 1e-9) {
		t.Errorf("mean %v, want %v", mean, sum/n)
	}
}

// TestTiers asks the same of each of the three rollups: the finer ones are emptied in turn.
func TestTiers(t *testing.T) {
	var spans []querytest.Span
	for i := range 24 * 60 {
		spans = append(spans, querytest.Span{At: time.Duration(i-24*60) * time.Minute, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /", Duration: time.Duration(i%100+1) * time.Millisecond})
	}
	db := querytest.New(t, spans...)
	p := newTester(t, db, after(40*24*time.Hour))
	f := func(from, to time.Duration) {
		t.Helper()
		got := p.ranged("increase("+SpanCalls+"[1h])", after(from), after(to), time.Hour)
		if len(got) != 1 {
			t.Fatalf("%v", got)
		}
		for _, at := range got {
			for second, v := range at {
				if !near(v, 60, 1e-5) {
					t.Errorf("%d s: %v", second, v)
				}
			}
			if len(at) != int((to-from)/time.Hour)+1 {
				t.Errorf("%d values", len(at))
			}
		}
		p99 := p.one("histogram_quantile(0.99, sum(rate("+SpanDuration+"[6h])))", after(to))
		if !near(p99, 0.099, 0.045) {
			t.Errorf("p99 %v", p99)
		}
		if n := len(p.instant("traces_span_duration_seconds", after(to))); n != 1 {
			t.Errorf("%d series", n)
		}
	}
	f(-23*time.Hour, 0)
	querytest.Exec(t, db, "TRUNCATE TABLE red_10s")
	f(-23*time.Hour, 0)
	querytest.Exec(t, db, "TRUNCATE TABLE red_5m")
	p.q = queryable{New(db, Config{Now: func() time.Time { return after(200 * 24 * time.Hour) }})}
	got := p.ranged("increase("+SpanCalls+"[2h])", after(-22*time.Hour), after(0), time.Hour)
	for _, at := range got {
		if len(at) != 23 || !near(at[-7200], 120, 1e-5) {
			t.Errorf("%v", at)
		}
	}
	if len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// TestLateSpans has a span arrive after its slice was read: the next answer counts it where it belongs.
func TestLateSpans(t *testing.T) {
	db := querytest.New(t, steady()...)
	p := newTester(t, db, after(time.Hour))
	expr := `sum(increase(` + SpanCalls + `{service="shop"}[1m]))`
	before := p.ranged(expr, after(10*time.Minute), after(20*time.Minute), time.Minute)
	querytest.Exec(t, db, `INSERT INTO red_10s (slice, service, env, operation, kind, status, spans, requests, duration) SELECT '2026-11-21 10:14:30', 'shop', 'production', 'GET /items', 'server', 'ok', 6, 6, 6e6`)
	now := p.ranged(expr, after(10*time.Minute), after(20*time.Minute), time.Minute)
	for at, v := range now["{}"] {
		want := before["{}"][at]
		if at == 15*60 {
			want += 6
		}
		if !near(v, want, 1e-4) {
			t.Errorf("%d s: %v, want %v", at, v, want)
		}
	}
	if len(now["{}"]) != 11 || !near(before["{}"][900], 60, 1e-4) {
		t.Errorf("%v, %v", before, now)
	}
}

// TestSeriesEnd has traffic stop: rates go to 0, then the series ends.
func TestSeriesEnd(t *testing.T) {
	p := newTester(t, querytest.New(t, steady()...), after(3*time.Hour))
	for _, at := range p.ranged(`sum(rate(`+SpanCalls+`[5m]))`, after(30*time.Minute), after(2*time.Hour), time.Minute) {
		if !near(at[3600], 3, 1e-4) || at[3600+60] >= 3 || at[3600+300] != 0 || len(at) > 46 {
			t.Errorf("%d values: %v", len(at), at)
		}
	}
}

func names(list []labels.Labels) []string {
	var out []string
	for _, l := range list {
		out = append(out, l.String())
	}
	return out
}

func TestLabels(t *testing.T) {
	db := querytest.New(t, querytest.Shop()...)
	querytest.Exec(t, db, `INSERT INTO resources (resource_id, env, service, version, attributes, attribute_types, last_seen) VALUES (1, 'production', 'web', '1.0', map('service.namespace', 'front'), 's', '2026-11-21 10:00:00')`)
	v := New(db, Config{Now: func() time.Time { return after(time.Hour) }})
	f := func(metric string, from, to time.Duration, matchers []*labels.Matcher, want ...string) {
		t.Helper()
		slices.Sort(want)
		got, err := v.Labels(context.Background(), metric, after(from).UnixMilli(), after(to).UnixMilli(), matchers)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, names(got)); diff != "" {
			t.Errorf("%s %v: %s", metric, matchers, diff)
		}
		hints := &storage.SelectHints{Start: after(from).UnixMilli(), End: after(to).UnixMilli()}
		series, _, err := v.Select(context.Background(), metric, hints.Start, hints.End, hints, matchers)
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, s := range series {
			got = append(got, s.Name)
		}
		if diff := cmp.Diff(want, names(got)); diff != "" && from >= -time.Hour {
			t.Errorf("%s %v: Select %s", metric, matchers, diff)
		}
	}
	on := labels.MustNewMatcher
	is := func(m ...*labels.Matcher) []*labels.Matcher { return m }
	cart200 := `{__name__="traces_span_duration_seconds", env="production", http_status_class="2xx", job="front/web", kind="server", operation="GET /cart", service="web", status="ok", version="1.0"}`
	cart503 := `{__name__="traces_span_duration_seconds", env="production", http_status_class="5xx", job="front/web", kind="server", operation="GET /cart", service="web", status="error", version="1.0"}`
	items := `{__name__="traces_span_duration_seconds", env="production", http_status_class="2xx", job="shop", kind="server", operation="GET /items", service="shop", status="ok", version="2.1"}`
	client := `{__name__="traces_span_duration_seconds", env="production", job="web", kind="client", operation="GET", service="web", status="ok"}`
	tick := `{__name__="traces_span_duration_seconds", env="production", job="cron", kind="internal", operation="tick", service="cron", status="ok"}`
	f(SpanDuration, 0, 2*time.Minute, nil, cart200, cart503, items, tick, client)
	f(SpanDuration, -3*24*time.Hour, 2*time.Hour, nil, cart200, cart503, items, tick, client)
	f(SpanDuration, -time.Hour, -time.Minute, nil)
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchEqual, "job", "front/web")), cart200, cart503)
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchRegexp, "job", "front/.+|cron")), cart200, cart503, tick)
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchRegexp, "job", "web|cron")), tick, client)
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchNotEqual, "job", "front/web")), items, tick, client)
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchRegexp, "operation", "GET /.*"), on(labels.MatchNotRegexp, "http_status_class", "5..")), cart200, items)
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchEqual, "version", "")), tick, client)
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchEqual, "status", "error"), on(labels.MatchEqual, "kind", "server")), cart503)
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchNotRegexp, "kind", "server|client")), tick)
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchEqual, "nothing", "x")))
	f(SpanDuration, 0, 2*time.Minute, is(on(labels.MatchEqual, "service", "web'; DROP TABLE spans; --")))
	f(SpanCalls, 0, 2*time.Minute, is(on(labels.MatchRegexp, "span_kind", "SPAN_KIND_(SERVER|CONSUMER)"), on(labels.MatchEqual, "service", "shop")),
		`{__name__="traces_spanmetrics_calls_total", env="production", job="shop", service="shop", span_kind="SPAN_KIND_SERVER", span_name="GET /items", status_code="STATUS_CODE_UNSET", version="2.1"}`)
	f("traces_unknown", 0, time.Minute, nil)
}

func edges(t *testing.T) *clickhouse.DB {
	db := querytest.New(t)
	for range 2 { // the second replaces the first
		querytest.Exec(t, db, `
INSERT INTO edges (slice, env, client, server, server_type, calls, errors, duration, latency)
SELECT toDateTime('2026-11-21 10:00:00', 'UTC') + number * 60, 'production', 'web', 'shop', 'service', 120, 12, 120 * 1e8, ([213], [120]) FROM numbers(60)`)
	}
	querytest.Exec(t, db, `
INSERT INTO edges (slice, env, client, server, server_type, calls, errors, duration, latency) VALUES
('2026-11-21 10:10:00', '', 'shop', 'redis', 'cache', 60, 0, 60e6, ([160], [60])),
('2026-11-21 10:10:00', '', 'shop', 'kafka:orders', 'queue', 60, 0, 60e6, ([160], [60])),
('2026-11-21 10:10:00', '', 'shop', 'api.stripe.com', 'external', 60, 0, 60e6, ([160], [60]))`)
	return db
}

func TestServiceGraph(t *testing.T) {
	p := newTester(t, edges(t), after(time.Hour))
	web := `{server="shop"}`
	f := func(expr string, at time.Duration, want map[string]float64) {
		t.Helper()
		got := p.instant(expr, after(at))
		if !slices.EqualFunc(sortedPairs(got), sortedPairs(want), func(a, b pair) bool { return a.name == b.name && near(a.value, b.value, 1e-3) }) {
			t.Errorf("%s at %v: %v, want %v", expr, at, got, want)
		}
	}
	f("sum by (server) (rate("+EdgeRequests+"[5m]))", 30*time.Minute, map[string]float64{web: 2})
	f("sum by (server) (rate("+EdgeRequests+"[5m]))", 30*time.Minute+13*time.Second, map[string]float64{web: 2})
	f("sum by (server) (increase("+EdgeFailed+"[10m]))", 30*time.Minute, map[string]float64{web: 120})
	f(`sum by (server) (increase(`+EdgeRequests+`{client="shop",connection_type=~"data.*"}[10m]))`, 15*time.Minute, map[string]float64{`{server="redis"}`: 60})
	f(`sum by (connection_type) (increase(`+EdgeRequests+`{env=""}[10m]))`, 15*time.Minute, map[string]float64{`{connection_type="database"}`: 60, `{connection_type="messaging_system"}`: 60, `{connection_type="virtual_node"}`: 60})
	for _, metric := range []string{EdgeServerSeconds, EdgeClientSeconds} {
		f(`histogram_avg(sum by (server) (rate(`+metric+`{client="web"}[5m])))`, 30*time.Minute, map[string]float64{web: 0.1})
		f(`histogram_count(sum by (server) (rate(`+metric+`{client="web"}[5m])))`, 30*time.Minute, map[string]float64{web: 2})
	}
}

type pair struct {
	name  string
	value float64
}

func sortedPairs(m map[string]float64) []pair {
	var out []pair
	for name, v := range m {
		out = append(out, pair{name, v})
	}
	slices.SortFunc(out, func(a, b pair) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return out
}

func TestMetadata(t *testing.T) {
	all := New(nil, Config{}).Metadata()
	if len(all) != 7 || all[SpanDuration].Type != "histogram" || all[SpanDuration].Unit != "seconds" || all[EdgeFailed].Type != "counter" || all[Up].Type != "gauge" {
		t.Errorf("%+v", all)
	}
	for name, m := range all {
		if m.Help == "" {
			t.Errorf("%s: no help", name)
		}
	}
}
