package explorer

import (
	"context"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/query/promql/series"
	"loadline/query/promql/store"
	"loadline/web/view"
)

var end = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// memory is a source of series that are at hand.
type memory struct {
	storage.LabelQuerier
	all      []*series.Series
	metadata map[string][]store.Metadata
}

func (m *memory) Querier(_, _ int64) (storage.Querier, error) { return m, nil }

func (m *memory) Metadata(_ context.Context, metric string, _, _ int) (map[string][]store.Metadata, error) {
	if metric == "" {
		return m.metadata, nil
	}
	return map[string][]store.Metadata{metric: m.metadata[metric]}, nil
}

func (m *memory) Close() error { return nil }

func (m *memory) matching(matchers []*labels.Matcher) (out []*series.Series) {
	for _, s := range m.all {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Name.Get(m.Name)) }) {
			out = append(out, s)
		}
	}
	return out
}

func (m *memory) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var out []storage.Series
	for _, s := range m.matching(matchers) {
		out = append(out, s)
	}
	return series.NewSet(out, nil)
}

func (m *memory) LabelValues(_ context.Context, name string, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	var out []string
	for _, s := range m.matching(matchers) {
		out = append(out, s.Name.Get(name))
	}
	slices.Sort(out)
	return slices.Compact(out), nil, nil
}

func (m *memory) LabelNames(_ context.Context, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	var out []string
	for _, s := range m.matching(matchers) {
		s.Name.Range(func(l labels.Label) { out = append(out, l.Name) })
	}
	slices.Sort(out)
	return slices.Compact(out), nil, nil
}

// fill makes a counter with 30 instances, a gauge in seconds and a native histogram.
func fill() *memory {
	m := &memory{metadata: map[string][]store.Metadata{
		"shop_orders_total":         {{Type: "counter", Help: "Orders."}},
		"shop_queue_age_seconds":    {{Type: "gauge", Unit: "seconds", Help: "Age.", OTelName: "shop.queue.age"}},
		"shop_call_latency_seconds": {{Type: "histogram", Unit: "seconds"}},
	}}
	add := func(l labels.Labels, value func(i int) float64) {
		s := &series.Series{Name: l}
		for i := range 121 {
			s.Column.Append(end.Add(time.Duration(i-120)*30*time.Second).UnixMilli(), value(i))
		}
		m.all = append(m.all, s)
	}
	for i := range 30 {
		add(labels.FromStrings("__name__", "shop_orders_total", "job", "shop", "instance", string(rune('a'+i))), func(n int) float64 { return float64(n * (i + 1)) })
	}
	add(labels.FromStrings("__name__", "shop_queue_age_seconds", "job", "shop"), func(n int) float64 { return float64(n) / 4 })
	h := &series.Series{Name: labels.FromStrings("__name__", "shop_call_latency_seconds", "job", "shop")}
	for i := range 121 {
		h.Histograms = append(h.Histograms, series.Histogram{T: end.Add(time.Duration(i-120) * 30 * time.Second).UnixMilli(), H: &histogram.FloatHistogram{
			Schema: 0, Count: float64(10 * i), Sum: float64(i), PositiveSpans: []histogram.Span{{Offset: -3, Length: 2}}, PositiveBuckets: []float64{float64(6 * i), float64(4 * i)},
		}})
	}
	m.all = append(m.all, h)
	return m
}

func page(t *testing.T, m *memory, query string) view.Explorer {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	read := parser.NewParser(parser.Options{})
	e := New(Config{Source: m, Parser: read, Engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, EnableAtModifier: true, Parser: read})})
	p := view.Page{Path: "/metrics-explorer", Query: values, Range: view.Range{From: end.Add(-time.Hour), To: end}, Now: end}
	return e.Page(context.Background(), p)
}

func TestGraph(t *testing.T) {
	e := page(t, fill(), "q=shop_queue_age_seconds")
	if e.Error != nil || e.Problem != nil || e.Chart == nil {
		t.Fatalf("%+v", e)
	}
	if e.Chart.Unit != "ms" || len(e.Chart.Y) != 1 || len(e.Chart.Y[0]) != 241 {
		t.Fatalf("unit %q, %d lines", e.Chart.Unit, len(e.Chart.Y))
	}
	if got := e.Chart.Y[0][240]; got != 30_000 {
		t.Errorf("last value %v ms, want 30000", got)
	}
	if got := e.Chart.Series[0].Label; got != "shop_queue_age_seconds job=shop" {
		t.Errorf("legend %q", got)
	}
}

func TestManySeriesAreCutAndNamedByWhatDiffers(t *testing.T) {
	e := page(t, fill(), "q=shop_orders_total")
	if len(e.Chart.Y) != maxLines || !strings.HasPrefix(e.More.Label, "20 of 30 series") {
		t.Errorf("%d lines, %q", len(e.Chart.Y), e.More.Label)
	}
	if got := e.Chart.Series[0].Label; got != "instance=~" {
		t.Errorf("legend %q", got)
	}
	if first, last := e.Chart.Y[0][240], e.Chart.Y[maxLines-1][240]; first != 3600 || last >= first {
		t.Errorf("the largest is not first: %v, %v", first, last)
	}
	if e := page(t, fill(), "q=shop_orders_total&all=1"); len(e.Chart.Y) != 30 || e.More.Label != "" {
		t.Errorf("all: %d lines, %q", len(e.Chart.Y), e.More.Label)
	}
	if e := page(t, fill(), "q=sum(rate(shop_orders_total[5m]))&view=stacked"); !e.Chart.Stack || e.Chart.Unit != "num" {
		t.Errorf("stacked: %+v", e.Chart)
	}
}

// TestNothingToDraw: the script reads lists, also when they are empty.
func TestNothingToDraw(t *testing.T) {
	f := func(query, says string) {
		t.Helper()
		c := page(t, fill(), query).Chart
		if c == nil || c.Y == nil || c.Series == nil || c.HasData() || !strings.Contains(c.Empty, says) {
			t.Errorf("%s: %+v", query, c)
		}
	}
	f("q=nothing_has_this_name", "No series")
	f("q=rate(shop_call_latency_seconds[5m])&view=graph", "histogram_quantile()")
	f("q=rate(shop_call_latency_seconds[5m])&view=stacked", "histogram_quantile()")
}

func TestTable(t *testing.T) {
	e := page(t, fill(), "q=topk(1,shop_orders_total)&view=table")
	var heads, cells []string
	for _, h := range e.Table.Heads {
		heads = append(heads, h.Label)
	}
	for _, c := range e.Table.Rows[0] {
		cells = append(cells, c.Text)
	}
	if diff := cmp.Diff([]string{"__name__", "instance", "job", "Value"}, heads); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"shop_orders_total", "~", "shop", "3600"}, cells); diff != "" {
		t.Error(diff)
	}
	if e := page(t, fill(), "q=shop_queue_age_seconds[1m]"); e.Table == nil || !strings.HasPrefix(e.Table.Rows[0][2].Text, "30 @") {
		t.Errorf("range vector: %+v", e.Table)
	}
	if e := page(t, fill(), "q=1%2B1&view=table"); e.Table.Rows[0][0].Text != "2" {
		t.Errorf("scalar: %+v", e.Table.Rows)
	}
}

func TestHeatmap(t *testing.T) {
	e := page(t, fill(), "q=rate(shop_call_latency_seconds[5m])")
	if e.Heat == nil {
		t.Fatalf("no heatmap: %+v", e)
	}
	// The buckets are (1/16 s, 1/8 s] and (1/8 s, 1/4 s]; the larger has 99 of 99.
	if e.Heat.Low != 62.5 || e.Heat.Rows != 16 || slices.Max(e.Heat.Cells) != 99 || e.Heat.Cells[(e.Heat.Rows-1)*e.Heat.Columns+200] != 66 {
		t.Errorf("low %v, %d rows, greatest %v, top right %v", e.Heat.Low, e.Heat.Rows, slices.Max(e.Heat.Cells), e.Heat.Cells[(e.Heat.Rows-1)*e.Heat.Columns+200])
	}
	if got := e.Heat.Labels[3].Label; got != "250 ms" {
		t.Errorf("label at the top: %q", got)
	}
}

func TestClassicBuckets(t *testing.T) {
	m := promql.Matrix{}
	for le, n := range map[string]float64{"0.1": 3, "0.5": 7, "+Inf": 8} {
		m = append(m, promql.Series{Metric: labels.FromStrings("le", le, "job", "a"), Floats: []promql.FPoint{{T: 1000, F: n}}})
	}
	var got []bucket
	classic(m, func(_ int64, b bucket) { got = append(got, b) })
	want := []bucket{{0, 0.1, 3}, {0.1, 0.5, 4}, {0.5, math.Inf(1), 1}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestProblemsSayWhere(t *testing.T) {
	e := page(t, fill(), "q=sum(shop_orders_total)+by+(job))")
	if e.Problem == nil || e.Problem.Before != "sum(shop_orders_total) by (job)" || e.Problem.Wrong != ")" || !strings.Contains(e.Problem.Text, "unexpected right parenthesis") {
		t.Errorf("%+v", e.Problem)
	}
	e = page(t, fill(), "q=shop_orders_total+*+on(job)+shop_orders_total")
	if e.Error == nil || !strings.Contains(e.Error.Detail, "duplicate series") {
		t.Errorf("%+v", e.Error)
	}
}

func TestBrowse(t *testing.T) {
	b := page(t, fill(), "").Browser
	if b.Total != 3 || len(b.Metrics) != 3 || b.Prefixes[0].Value != "shop_" {
		t.Fatalf("%+v", b)
	}
	if got := b.Metrics[0].Href; !strings.Contains(got, url.QueryEscape("histogram_quantile(0.95, sum by (job) (rate(shop_call_latency_seconds[5m])))")) {
		t.Errorf("suggestion %q", got)
	}
	b = page(t, fill(), "metrics=shop.queue").Browser
	if len(b.Metrics) != 1 || b.Metrics[0].Name != "shop_queue_age_seconds" {
		t.Errorf("by the OpenTelemetry name: %+v", b.Metrics)
	}
	b = page(t, fill(), "metrics=shop_orders_total").Browser
	if b.One == nil || b.One.Rows[0][0].Text != "instance" || b.One.Rows[0][1].Text != "30" {
		t.Errorf("labels: %+v", b.One)
	}
}

func TestUnits(t *testing.T) {
	read := parser.NewParser(parser.Options{})
	e := New(Config{Source: fill(), Parser: read})
	heat := false
	f := func(expr, want string) {
		t.Helper()
		parsed, err := read.ParseExpr(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.unitOf(context.Background(), parsed, heat).id; got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
	f(`avg by (job) (shop_queue_age_seconds)`, "ms")
	f(`max_over_time(shop_queue_age_seconds[5m])`, "ms")
	f(`rate(shop_queue_age_seconds[5m])`, "num")
	f(`histogram_quantile(0.9, sum(rate(shop_call_latency_seconds[5m])))`, "ms")
	f(`histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[5m])))`, "ms")
	f(`rate(shop_call_latency_seconds[5m])`, "num")
	f(`process_memory_bytes`, "bytes")
	f(`cpu_utilization`, "pct")
	f(`shop_queue_age_seconds / 2`, "num")
	f(`42`, "num")
	heat = true
	f(`sum(rate(shop_call_latency_seconds[5m]))`, "ms")
}

func TestSteps(t *testing.T) {
	f := func(length, want time.Duration) {
		t.Helper()
		if got := stepOf(length); got != want {
			t.Errorf("%v: %v, want %v", length, got, want)
		}
	}
	f(time.Minute, time.Second)
	f(time.Hour, 15*time.Second)
	f(6*time.Hour, 2*time.Minute)
	f(400*24*time.Hour, 48*time.Hour)
}

func TestCheck(t *testing.T) {
	e := New(Config{Source: fill(), Parser: parser.NewParser(parser.Options{})})
	f := func(expr string, want Checked) {
		t.Helper()
		got := e.Check(expr)
		if want.Problem != "" && strings.Contains(got.Problem, want.Problem) {
			want.Problem = got.Problem
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", expr, got, want)
		}
	}
	f("sum(rate(x[5m]))by(job)", Checked{Pretty: "sum by (job) (rate(x[5m]))"})
	f("sum(x))", Checked{Problem: "unexpected right parenthesis", From: 6, To: 7})
	f("sum(x", Checked{Problem: "unclosed left parenthesis", From: 4, To: 5})
	f(`x{a="ü𝄞"} oops`, Checked{Problem: "unexpected identifier", From: 11, To: 15}) // 𝄞 is two units
	f("x\n+ nonsense(y)", Checked{Problem: "unknown function", From: 4, To: 12})
	f("", Checked{Problem: "no expression found"})
	f(strings.Repeat("(", 10_000), Checked{Problem: "more than 2000 operators and parentheses"})
}

// TestHostileLabels: names of labels and metrics that are not plain are quoted in the expressions that the page suggests,
// and values are text.
func TestHostileLabels(t *testing.T) {
	const name, value = `o"dd} or {`, `</script>"}` + "\n\\"
	m := fill()
	odd := &series.Series{Name: labels.FromStrings("__name__", `me"tric{`, name, value, "job", "shop")}
	odd.Column.Append(end.UnixMilli(), 1)
	m.all = append(m.all, odd)
	read := parser.NewParser(parser.Options{})
	b := page(t, m, "metrics="+url.QueryEscape(`me"tric{`)).Browser
	if b.One == nil || len(b.Metrics) != 1 {
		t.Fatalf("%+v", b)
	}
	for _, href := range []string{b.Metrics[0].Href, b.One.Rows[0][0].Href, b.One.Rows[1][0].Href} {
		u, err := url.Parse(href)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read.ParseExpr(u.Query().Get("q")); err != nil {
			t.Errorf("%s: %v", u.Query().Get("q"), err)
		}
		u.RawQuery = url.Values{"q": u.Query()["q"], "view": {"table"}}.Encode()
		if e := page(t, m, u.RawQuery); e.Table == nil || len(e.Table.Rows) != 1 {
			t.Errorf("%s: %+v", u.RawQuery, e)
		}
	}
	if e := page(t, m, "view=table&q="+url.QueryEscape(`{"me\"tric{"}`)); e.Table.Rows[0][2].Text != value {
		t.Errorf("%+v", e.Table)
	}
}

func TestLimits(t *testing.T) {
	m := fill()
	for i := range 1200 {
		s := &series.Series{Name: labels.FromStrings("__name__", "many", "i", strconv.Itoa(i))}
		s.Column.Append(end.UnixMilli(), float64(i))
		m.all = append(m.all, s)
	}
	if e := page(t, m, "q=many&view=table"); len(e.Table.Rows) != maxRows || !strings.Contains(e.More.Label, "1000 of 1200") {
		t.Errorf("%d rows, %q", len(e.Table.Rows), e.More.Label)
	}
	if e := page(t, m, "q=many&all=1"); len(e.Chart.Y) != maxAll || e.More.Href != "" || !strings.Contains(e.More.Label, "500 of 1200") {
		t.Errorf("%d lines, %+v", len(e.Chart.Y), e.More)
	}
	long := strings.Repeat("shop_queue_age_seconds + ", 300) + "1"
	if e := page(t, m, "q="+url.QueryEscape(long)); e.Chart == nil && e.Error == nil && e.Problem == nil {
		t.Error("a very long expression has no answer")
	}
	read := parser.NewParser(parser.Options{})
	small := New(Config{Source: m, Parser: read, Engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 100, Timeout: time.Minute, Parser: read})})
	out := small.Page(context.Background(), view.Page{Query: url.Values{"q": {"many"}}, Range: view.Range{From: end.Add(-time.Hour), To: end}, Now: end})
	if out.Error == nil || !strings.Contains(out.Error.Detail, "too many samples") {
		t.Errorf("%+v", out.Error)
	}
}

func TestGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	read := parser.NewParser(parser.Options{})
	e := New(Config{Source: fill(), Parser: read, Engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: read})})
	out := e.Page(ctx, view.Page{Query: url.Values{"q": {"shop_orders_total"}}, Range: view.Range{From: end.Add(-time.Hour), To: end}, Now: end})
	if out.Error == nil || !strings.Contains(out.Error.Detail, "canceled") || out.Chart != nil {
		t.Errorf("%+v", out)
	}
}

func TestLargeExpressionsAreNotFormatted(t *testing.T) {
	e := New(Config{Source: fill(), Parser: parser.NewParser(parser.Options{})})
	if got := e.Check(strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000)); got.Problem != "" || got.Pretty != "" {
		t.Errorf("%.100v", got)
	}
	if got := e.Check(strings.Repeat("x+", 5000) + "x"); !strings.Contains(got.Problem, "more than 2000 operators") {
		t.Errorf("%.100v", got)
	}
	if got := e.Check("sum( x )"); got.Pretty != "sum(x)" {
		t.Errorf("%+v", got)
	}
}
