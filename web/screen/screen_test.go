package screen

import (
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/query"
	"loadline/query/facet"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/trace"
	"loadline/web/view"
)

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func testPage() view.Page {
	return view.Page{Path: "/traces", Query: url.Values{"range": {"1h"}}, Now: now}
}

func totals(requests, errors float64, p95 time.Duration) rollup.Totals {
	t := rollup.Totals{Requests: requests, Errors: errors, P95: p95}
	if requests > 0 {
		t.ErrorRate = errors / requests
	}
	return t
}

func TestJudge(t *testing.T) {
	const ms = time.Millisecond
	f := func(what string, now, before rollup.Totals, want string) {
		t.Helper()
		if h := Judge(now, before); h.Label != want || h.Why == "" {
			t.Errorf("%s: %+v, want %s", what, h, want)
		}
	}
	f("nothing", totals(0, 0, 0), totals(100, 0, ms), "Idle")
	f("as before", totals(100, 0, 50*ms), totals(100, 0, 50*ms), "Healthy")
	f("as before, with few errors", totals(1000, 5, 50*ms), totals(1000, 5, 50*ms), "Healthy")
	f("some errors, as before", totals(1000, 20, 50*ms), totals(1000, 20, 50*ms), "Degraded")
	f("some errors, new", totals(1000, 20, 50*ms), totals(1000, 1, 50*ms), "Failing")
	f("some errors, first day", totals(1000, 20, 50*ms), totals(0, 0, 0), "Degraded")
	f("many errors, as before", totals(1000, 80, 50*ms), totals(1000, 80, 50*ms), "Failing")
	f("too few to tell", totals(3, 1, 50*ms), totals(1000, 0, 50*ms), "Healthy")
	f("slower", totals(100, 0, 100*ms), totals(100, 0, 50*ms), "Slower")
	f("much slower", totals(100, 0, 200*ms), totals(100, 0, 50*ms), "Slow")
	f("much slower, but by little", totals(100, 0, 4*ms), totals(100, 0, ms), "Healthy")
	f("slower than a few requests", totals(100, 0, 200*ms), totals(5, 0, 50*ms), "Healthy")
}

func TestHeadline(t *testing.T) {
	healthy := query.ServiceRED{Service: "a", Totals: totals(100, 0, time.Millisecond), Previous: totals(100, 0, time.Millisecond)}
	if h := Headline(testPage(), []query.ServiceRED{healthy}); h != nil {
		t.Errorf("headline without a reason: %+v", h)
	}
	failing := query.ServiceRED{
		Service: "checkout", Totals: totals(1000, 40, time.Second), Previous: totals(1000, 1, 100*time.Millisecond),
		Versions: []string{"2", "1"}, LastDeploy: query.Deploy{Version: "2", At: now.Add(-12 * time.Minute)},
	}
	h := Headline(testPage(), []query.ServiceRED{healthy, failing})
	got := []string{h.State, h.Strong, h.Rest, h.Second, h.Tag, h.Actions[0].Href}
	want := []string{"crit", "checkout fails 4.00% of its requests", ", 40.0× as many as an hour ago, and takes 1.00 s at p95 (10.0×).", "Deployed 12 min ago:", "v2", "/traces?q=service+%3D+checkout+AND+status+%3D+error&range=1h"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	slow := query.ServiceRED{Service: "search", Totals: totals(1000, 0, time.Second), Previous: totals(1000, 0, 100*time.Millisecond)}
	h = Headline(testPage(), []query.ServiceRED{slow})
	if h.Strong != "search takes 1.00 s at p95" || !strings.Contains(h.Actions[0].Href, "duration") {
		t.Errorf("headline %+v", h)
	}
}

// series is one of n steps of ten seconds that end now.
func series(n int, offset time.Duration) *query.REDSeries {
	from := now.Add(offset)
	r := rollup.Range{From: from, To: from.Add(time.Duration(n) * 10 * time.Second), Step: 10 * time.Second}
	r.Until = r.To
	s := &query.REDSeries{Range: r}
	for i := range n {
		s.Requests, s.Errors = append(s.Requests, float64(i)), append(s.Errors, 0)
		for _, y := range []*[]float64{&s.P50, &s.P90, &s.P95, &s.P99} {
			*y = append(*y, 0.1)
		}
	}
	s.Classes = []query.ClassSeries{{Class: "2xx", Rates: s.Requests}, {Class: "1xx", Rates: make([]float64, n)}, {Class: "unheard of", Rates: s.Requests}}
	return s
}

func TestBarsStandStill(t *testing.T) {
	// Three steps make a bar. As the range moves on, bars keep their ends and, where complete, their values.
	bars := map[int64]float64{}
	for shift := range 6 {
		red := series(180, time.Duration(shift)*10*time.Second)
		for i := range red.Requests {
			red.Requests[i] = float64((red.Range.From.Unix()/10 + int64(i)) % 1000)
		}
		c := Rates(red)
		if c.Step != 30 || c.T0%30 != 0 || len(c.Y[0]) > maxBars {
			t.Fatalf("step %d from %d, %d bars", c.Step, c.T0, len(c.Y[0]))
		}
		for i, v := range c.Y[0][:len(c.Y[0])-1] {
			at := c.T0 + int64(i)*c.Step
			if old, ok := bars[at]; ok && math.Abs(old-v) > 1e-9 {
				t.Errorf("the bar at %d was %g and is %g", at, old, v)
			}
			bars[at] = v
		}
	}
	if c := Rates(series(30, 0)); c.Step != 10 || len(c.Y[0]) != 30 || c.Y[0][7] != 7 {
		t.Errorf("few steps: %d bars of %d s", len(c.Y[0]), c.Step)
	}
}

func TestExemplarsAreFew(t *testing.T) {
	red := series(180, 0)
	for i := range 180 {
		at := red.Range.From.Add(time.Duration(i) * 10 * time.Second)
		id := trace.ID{byte(i), 1}
		red.Exemplars = append(red.Exemplars, rollup.Exemplar{Time: at, Duration: time.Duration(i%7) * time.Second, TraceID: id})
		red.Exemplars = append(red.Exemplars, rollup.Exemplar{Time: at, Duration: time.Duration(i%5) * time.Second, TraceID: trace.ID{byte(i), 2}, Error: true})
	}
	got := exemplars(red)
	var failed int
	last := int64(0)
	for _, e := range got {
		if e.T < last {
			t.Error("not in order of time")
		}
		last = e.T
		if e.Error {
			failed++
		}
	}
	if n := len(got) - failed; n < 15 || n > exemplarGroups+2 || failed < 5 || failed > maxFailed+2 {
		t.Errorf("%d slow and %d failed ones", n, failed)
	}
}

func TestErrorsHaveGaps(t *testing.T) {
	red := series(3, 0)
	red.Errors[2] = 1
	c := Errors(red)
	if !math.IsNaN(c.Y[0][0]) || c.Y[0][1] != 0 || c.Y[0][2] != 50 {
		t.Errorf("error rate %v", c.Y[0])
	}
}

func TestKPIs(t *testing.T) {
	red := series(180, 0)
	for _, k := range KPIs(testPage(), red) {
		if k.Value != view.None {
			t.Errorf("%s without requests is %q", k.Label, k.Value)
		}
	}
	red.Totals = rollup.Totals{Requests: 100, RequestRate: 2034, Errors: 1, ErrorRate: 0.01, P50: 42 * time.Millisecond, P95: 237 * time.Millisecond, P99: 2 * time.Second}
	red.Previous = rollup.Totals{Requests: 100, RequestRate: 1915, ErrorRate: 0.004, P50: 42 * time.Millisecond, P95: 89 * time.Millisecond, P99: 2 * time.Second}
	var got []string
	for _, k := range KPIs(testPage(), red) {
		got = append(got, k.Label+" "+k.Value+"|"+k.Unit+" "+k.Delta+" "+k.DeltaClass)
	}
	want := []string{"Requests 2.03k|/s +6.2% vs 1 h ago ", "Error rate 1.00|% 2.50× vs 1 h ago bad", "p50 latency 42.0|ms ±0% vs 1 h ago ", "p95 latency 237|ms 2.66× vs 1 h ago bad", "p99 latency 2.00|s ±0% vs 1 h ago "}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestHeat(t *testing.T) {
	h := &query.HeatmapSeries{
		Times: []time.Time{now, now.Add(time.Minute)}, Lowest: time.Millisecond,
		Bounds: []time.Duration{2 * time.Millisecond, 4 * time.Millisecond, 8 * time.Millisecond},
		Counts: [][]float64{{0, 1, 0}, {10, 0, 0.01}}, Max: 10,
	}
	got := Heat(h, "h", "/x")
	if got.Columns != 2 || got.Rows != 3 || got.Step != 60 || got.Low != 1 || got.Ratio != 2 {
		t.Errorf("heatmap %+v", got)
	}
	// Row by row from the bottom; what is there at all is never invisible.
	if d := cmp.Diff(view.Numbers{0, 99, 10, 0, 0, 1}, got.Cells); d != "" {
		t.Error(d)
	}
	if empty := Heat(&query.HeatmapSeries{}, "h", ""); empty.Max != 0 || len(empty.Cells) != 0 {
		t.Errorf("empty heatmap %+v", empty)
	}
}

func TestEndpoints(t *testing.T) {
	list := []query.Endpoint{
		{Service: "api", Operation: "GET /a", Kind: "server", Method: "GET", Route: "/a", Totals: totals(100, 5, 300*time.Millisecond), Previous: totals(100, 0, 100*time.Millisecond), Impact: 0.64, Slowest: rollup.Exemplar{TraceID: trace.ID{1}, Duration: time.Second, Time: now}},
		{Service: "api", Operation: "process", Kind: "consumer", Totals: totals(100, 0, time.Millisecond), Impact: 0.36, Slowest: rollup.Exemplar{TraceID: trace.ID{1}, Duration: time.Millisecond, Time: now}},
	}
	table := Endpoints(testPage(), list, true, 10)
	a, b := table.Rows[0], table.Rows[1]
	if a.ImpactText != "64%" || !a.ErrorsBad || a.Change != "3.00×" || a.ChangeClass != "bad" || a.Href != "/traces?q=service+%3D+api+AND+operation+%3D+%22GET+%2Fa%22&range=1h" {
		t.Errorf("row %+v", a)
	}
	if b.Change != "new" || b.Route != "process" {
		t.Errorf("row %+v", b)
	}
	if got := Endpoints(testPage(), list, true, 1); len(got.Rows) != 1 {
		t.Errorf("%d rows, want 1", len(got.Rows))
	}
	// Both are the same request, so it is listed once.
	if slow := Slowest(testPage(), list, nil); len(slow.Items) != 1 || slow.Items[0].Right != "1.00 s" {
		t.Errorf("slowest: %+v", slow.Items)
	}
}

func TestDependencies(t *testing.T) {
	edges := []query.Edge{
		{Client: "api", Server: "pg", ServerType: "database", Calls: 1000, Duration: 9 * time.Second},
		{Client: "api", Server: "pay", ServerType: "service", Calls: 100, Duration: time.Second},
		{Client: "web", Server: "api", ServerType: "service", Calls: 100, Duration: 5 * time.Second},
	}
	calls := Dependencies(testPage(), edges, "api", false, 100, true)
	if len(calls.Rows) != 2 || calls.Rows[0].PerRequest != "×10" || calls.Rows[0].ShareText != "90%" || calls.Rows[0].Href != "" || calls.Rows[0].Icon != "database" {
		t.Errorf("calls %+v", calls.Rows)
	}
	if calls.Rows[1].PerRequest != "" || calls.Rows[1].Href != "/services/pay?range=1h" {
		t.Errorf("calls %+v", calls.Rows[1])
	}
	callers := Dependencies(testPage(), edges, "api", true, 100, false)
	if len(callers.Rows) != 1 || callers.Rows[0].Name != "web" {
		t.Errorf("callers %+v", callers.Rows)
	}
}

func TestFacetsToggle(t *testing.T) {
	facets := &facet.Facets{Facets: []facet.Facet{{Key: "status", Values: []facet.Value{{Value: "ok", Count: 9, Share: 0.9}, {Value: "error", Count: 1, Share: 0.1}, {Value: ""}}}}}
	on := []filter.Matcher{{Key: "service", Op: filter.Equal, Value: "a"}, {Key: "status", Op: filter.Equal, Value: "error"}}
	got := Facets(testPage(), facets, on)
	if len(got) != 1 || len(got[0].Values) != 2 || got[0].Values[0].On || !got[0].Values[1].On {
		t.Fatalf("facets %+v", got)
	}
	f := func(href, want string) {
		t.Helper()
		u, err := url.Parse(href)
		if err != nil || u.Query().Get("q") != want {
			t.Errorf("%s, want q %q", href, want)
		}
	}
	f(got[0].Values[0].Href, "service = a AND status = ok") // replaces
	f(got[0].Values[1].Href, "service = a")                 // takes off
	if Facets(testPage(), nil, nil) != nil {
		t.Error("facets of nothing")
	}
}

func TestSplitFilter(t *testing.T) {
	f := func(text, key, op, value string) {
		t.Helper()
		k, o, v := SplitFilter(text)
		if k != key || o != op || v != value {
			t.Errorf("%q: %q %q %q", text, k, o, v)
		}
	}
	f("", "", "", "")
	f(" http.ro", "http.ro", "", "")
	f("service = che", "service", "=", "che")
	f(`operation="GET /`, "operation", "=", "GET /")
	f("duration >= 1", "duration", ">=", "1")
	f("a !~ x", "a", "!~", "x")
	f("a =~ x", "a", "=~", "x")
	f("a != ", "a", "!=", "")
}

func TestSplitOperation(t *testing.T) {
	f := func(operation, method, rest string) {
		t.Helper()
		if m, r := splitOperation(operation); m != method || r != rest {
			t.Errorf("%q: %q %q", operation, m, r)
		}
	}
	f("GET /a", "GET", "/a")
	f("SELECT orders", "", "SELECT orders")
	f("publish", "", "publish")
	f("process /x", "", "process /x")
}

func TestSnippets(t *testing.T) {
	for _, l := range Snippets {
		text := l.Snippet("10.0.0.1:4318", "10.0.0.1:4317")
		if !strings.Contains(text, "10.0.0.1:431") || strings.Contains(text, "{HTTP}") || strings.Contains(text, "{GRPC}") {
			t.Errorf("%s: %s", l.ID, text)
		}
	}
}

func TestHighlight(t *testing.T) {
	got := Highlight("# <b>\nexport A=\"<x>\"\nnode app.js && echo")
	want := "<span class=\"c\"># &lt;b&gt;</span>\nexport <span class=\"k\">A</span>=<span class=\"s\">&#34;&lt;x&gt;&#34;</span>\nnode app.js &amp;&amp; echo"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
