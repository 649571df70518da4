package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/internal/clickhouse"
	"loadline/query/promql"
	"loadline/query/promql/red"
	metricstore "loadline/query/promql/store"
	"loadline/web/explorer"
	"loadline/web/promapi"
)

// explore is the address of the metrics page with an expression. More parameters may follow.
func explore(expr string, parameters ...string) string {
	return "/metrics-explorer?" + strings.Join(append(parameters, "q="+url.QueryEscape(expr)), "&")
}

// metrics makes the page of metrics and the API that its editor asks.
func (f *fixture) metrics(t testing.TB) *explorer.Explorer {
	t.Helper()
	engine, parser := promql.NewEngine(promql.Config{}), promql.Parser()
	source := metricstore.New(f.db, metricstore.Config{Virtual: []metricstore.Virtual{red.New(f.db, red.Config{})}})
	var err error
	f.api, err = promapi.New(promapi.Config{Engine: engine, Store: source, Parser: parser})
	if err != nil {
		t.Fatal(err)
	}
	return explorer.New(explorer.Config{Engine: engine, Source: source, Parser: parser})
}

// hostile is a label's value that would be markup, and end strings and matchers.
const hostile = `</textarea><script>alert(1)</script> "}) \ ü`

// storeMetrics stores a gauge of 30 queues, a histogram, and what describes them, as ingest would.
func (f *fixture) storeMetrics(t testing.TB) {
	t.Helper()
	for i := range 30 {
		pairs := []string{"job", "shop/orders-worker", "instance", fmt.Sprintf("orders-worker-7d4b9c6f8-x%02d", i), "messaging.destination.name", fmt.Sprintf("orders.created.partition-%d", i)}
		f.series(t, "shop_queue_depth", "gauge", uint64(i+1), nil, pairs...)
	}
	f.series(t, "shop_queue_depth", "gauge", 99, nil, "job", "shop/orders-worker", "instance", hostile)
	f.series(t, "shop_call_latency_seconds", "histogram", 7, []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1}, "job", "shop/payments", "instance", "payments-0")
	from := clickhouse.Named("from", f.now.Add(-time.Hour).Unix())
	execute(t, f.db, `
INSERT INTO samples (metric, service, bucket, series_id, st, t1, off, value)
SELECT 'shop_queue_depth', 'shop/orders-worker', toDateTime(intDiv(at, 7200) * 7200, 'UTC') AS b, id, 0, max(toDateTime64(at, 3, 'UTC')),
       groupArray(toUInt32(1000 * (at - toUnixTimestamp(b)))), groupArray(40 + id + 20 * sin(at / 400 + id) + if(at % 900 < 60, 3 * id, 0))
FROM (SELECT {from:Int64} + 15 * number AS at FROM numbers(241)) AS t
CROSS JOIN (SELECT if(number = 30, 99, number + 1) AS id FROM numbers(31)) AS s
GROUP BY b, id`, from)
	execute(t, f.db, `
INSERT INTO histograms (metric, service, bucket, series_id, st, ts, schema, zero_threshold, zero_count, count, sum, pos_idx, pos_count)
SELECT 'shop_call_latency_seconds', 'shop/payments', toDateTime(intDiv(at, 7200) * 7200, 'UTC'), 7, {from:Int64} * 1000, toDateTime64(at, 3, 'UTC'), -53, 0, 0,
       arraySum(n) AS c, c / 20, range(9), n
FROM
(
    SELECT {from:Int64} + 15 * number AS at, arrayMap(i -> toFloat64(floor(number * 40 * exp(-pow(i - 3.2 - sin(number / 30), 2) / 2))), range(9)) AS n
    FROM numbers(241)
)`, from)
	for name, m := range map[string][4]string{
		"shop_queue_depth":          {"shop.queue.depth", "gauge", "", "Orders that wait in a queue."},
		"shop_call_latency_seconds": {"shop.call.latency", "histogram", "s", "Durations of calls to the bank."},
	} {
		execute(t, f.db, `INSERT INTO metadata (metric, otel_name, type, unit, help, last_seen) SELECT {m:String}, {o:String}, {t:String}, {u:String}, {h:String}, now()`,
			clickhouse.Named("m", name), clickhouse.Named("o", m[0]), clickhouse.Named("t", m[1]), clickhouse.Named("u", m[2]), clickhouse.Named("h", m[3]))
	}
}

// series stores the identity of a series. The labels are pairs.
func (f *fixture) series(t testing.TB, metric, kind string, id uint64, bounds []float64, pairs ...string) {
	t.Helper()
	all := labels.FromStrings(pairs...).Map()
	execute(t, f.db, `
INSERT INTO series (metric, service, series_id, labels, kind, bounds, first, last)
SELECT {metric:String}, {service:String}, {id:UInt64}, {labels:Map(String, String)}, {kind:String}, {bounds:Array(Float64)}, now() - 86400, now()`,
		clickhouse.Named("metric", metric), clickhouse.Named("service", all["job"]), clickhouse.Named("id", id), clickhouse.Named("labels", all),
		clickhouse.Named("kind", kind), clickhouse.Named("bounds", bounds))
}

// write puts an expression into the editor in place of what is there, key by key.
func (b *tab) write(expr string) {
	b.t.Helper()
	b.do(chromedp.Focus(chromedp.ID("expr")))
	eval[bool](b, `(document.querySelector('#expr').select(), true)`)
	b.keys(kb.Delete)
	b.keys(expr)
}

// enter presses the key as a keyboard does: what the key down is used for inserts no line break.
func (b *tab) enter() {
	b.t.Helper()
	key := input.DispatchKeyEventParams{Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, NativeVirtualKeyCode: 13}
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeChar, input.DispatchKeyEventTypeKeyUp} {
		key.Type, key.Text = kind, ""
		if kind == input.DispatchKeyEventTypeChar {
			key.Text = "\r"
		}
		if _, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, key); err != nil {
			b.t.Fatal(err)
		}
	}
}

// editor is what is in the editor.
func (b *tab) editor() string { return eval[string](b, `document.querySelector('#expr').value`) }

// offered waits until completion's first offer is the wanted one.
func (b *tab) offered(want string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`!document.querySelector('#expr-l').hidden && document.querySelector('#expr-l [aria-selected=true] > span')?.textContent === %q`, want))
}

func TestBrowserCompletion(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/metrics-explorer?range=1h")
	b.write("shop_q")
	b.offered("shop_queue_depth")
	if got := eval[string](b, `document.querySelector('#expr').getAttribute('aria-activedescendant') + document.querySelector('#expr').getAttribute('aria-expanded')`); got != "x0true" {
		t.Errorf("what a screen reader is told: %q", got)
	}
	b.axe()
	b.shot("metrics-completion-names", false)
	b.keys(kb.Tab)
	is := func(want string) {
		t.Helper()
		if got := b.editor(); got != want {
			t.Errorf("the editor has %q, want %q", got, want)
		}
	}
	is("shop_queue_depth")
	b.keys("{inst")
	b.offered("instance")
	b.enter()
	b.keys(`="x1`)
	b.offered("orders-worker-7d4b9c6f8-x10")
	b.shot("metrics-completion-values", false)
	b.keys(kb.ArrowDown)
	b.keys(kb.Tab)
	is(`shop_queue_depth{instance="orders-worker-7d4b9c6f8-x11"`)
	b.keys(`,mess`)
	b.offered("messaging.destination.name")
	b.keys(kb.Tab)
	b.keys(`=~"partition-7`)
	b.offered("orders.created.partition-7")
	b.keys(kb.Escape)
	if !eval[bool](b, `document.querySelector('#expr-l').hidden && document.activeElement.id === 'expr'`) {
		t.Error("Escape leaves the list or the editor")
	}
	b.keys(`"}[`)
	b.offered("1m")
	b.keys("5")
	b.offered("5m")
	b.enter()
	is(`shop_queue_depth{instance="orders-worker-7d4b9c6f8-x11","messaging.destination.name"=~"partition-7"}[5m]`)

	// Functions and aggregations, and labels behind by. What is in a comment or a string of a function is left alone.
	b.write("histogram_quan")
	b.offered("histogram_quantile")
	b.keys(kb.Tab)
	is("histogram_quantile(")
	b.write("sum by (inst")
	b.offered("instance")
	b.keys(kb.Tab)
	b.keys(`) (shop_queue_de`)
	b.offered("shop_queue_depth")
	b.keys(kb.Tab)
	is("sum by (instance) (shop_queue_depth")
	for _, quiet := range []string{`label_replace(shop_queue_depth, "insta`, `vector(1) # shop_q`} {
		b.write(quiet)
		b.settle()
		if got := eval[bool](b, `document.querySelector('#expr-l').hidden`); !got {
			t.Errorf("%s: there are offers", quiet)
		}
	}
	// A value is quoted as the language wants.
	b.write(`shop_queue_depth{instance="</tex`)
	b.offered(hostile)
	b.keys(kb.Tab)
	is(`shop_queue_depth{instance="</textarea><script>alert(1)</script> \"}) \\ ü"`)
	// In the middle of a word, the word is replaced.
	b.write(`sum(shop_queue_x)`)
	b.keys(kb.ArrowLeft + kb.ArrowLeft)
	b.do(chromedp.KeyEvent(" ", chromedp.KeyModifiers(kb.ModifierCtrl)))
	b.offered("shop_queue_depth")
	b.keys(kb.Tab)
	is(`sum(shop_queue_depth)`)
	b.quiet()
}

func TestBrowserExpressions(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/metrics-explorer?range=1h")
	b.keys("e")
	b.until(`document.activeElement.id === 'expr'`)
	b.write("sum(rate(shop_queue_depth[5m])) by (job))")
	b.until(`!document.querySelector('#expr-p').hidden`)
	if got := eval[string](b, `document.querySelector('#expr-p').textContent.trim()`); !strings.Contains(got, "unexpected right parenthesis") {
		t.Errorf("problem %q", got)
	}
	if got := eval[string](b, `[...document.querySelectorAll('#expr-h .bad')].map(e => e.textContent).join('|')`); got != ")" {
		t.Errorf("underlined: %q", got)
	}
	b.axe()
	b.shot("metrics-inline-error", false)
	b.write(`sum(shop_queue_depth{instance="ü𝄞"}) oops`)
	b.until(`[...document.querySelectorAll('#expr-h .bad')].map(e => e.textContent).join('|') === 'oops'`)
	b.write("sum(rate(shop_queue_depth[5m])) by (job)")
	b.until(`document.querySelector('#expr-p').hidden && !document.querySelector('#expr-h .bad')`)
	b.keys(kb.Escape)
	b.enter()
	b.until(`new URL(location.href).searchParams.get('q') === 'sum(rate(shop_queue_depth[5m])) by (job)' && document.querySelector('[data-chart=result] canvas')`)

	// Formatting keeps the caret's editor and says what it did.
	b.do(chromedp.Click(chromedp.ID("expr-f")))
	b.until(`document.querySelector('#expr').value === 'sum by (job) (rate(shop_queue_depth[5m]))'`)
	b.open(explore("sum(shop_queue_depth) oops"))
	b.until(`document.querySelector('#expr-h .bad')?.textContent === 'oops' && !document.querySelector('.where')`)
	b.open(explore("shop_queue_depth", "range=1h"))

	// Both are in the history, the latest first; a star keeps the older one on top.
	b.do(chromedp.Click(chromedp.ID("expr-r")))
	b.until(`[...document.querySelectorAll('#expr-old a')].map(a => a.textContent).join('|') === 'shop_queue_depth|sum(rate(shop_queue_depth[5m])) by (job)'`)
	b.do(chromedp.Click(chromedp.CSS("#expr-old .row:nth-child(2) button")))
	b.until(`document.querySelector('#expr-old a').textContent.startsWith('sum(')`)
	b.shot("metrics-history", false)
	b.axe()
	b.do(chromedp.Click(chromedp.CSS("#expr-old a")))
	b.until(`document.querySelector('#expr').value.startsWith('sum(')`)
	if got := eval[string](b, `new URL(location.href).searchParams.get('range')`); got != "1h" {
		t.Errorf("an earlier expression has range %q", got)
	}
	b.quiet()
}

func TestBrowserResults(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open(explore("shop_queue_depth", "range=1h"))
	b.until(`document.querySelector('[data-chart=result] canvas')`)
	if got := eval[int](b, `document.querySelectorAll('[data-chart=result] .legend button').length`); got != 20 {
		t.Errorf("%d names in the legend", got)
	}
	b.shot("metrics-legend", false)
	show := func(view, shows string) {
		t.Helper()
		b.do(chromedp.Click(chromedp.CSS(fmt.Sprintf(".seg a[href*='view=%s']", view))))
		b.until(fmt.Sprintf(`document.querySelector('.seg [aria-current]')?.href.includes('view=%s') && document.querySelector(%q)`, view, shows))
	}
	show("stacked", "[data-chart=result] canvas")
	show("table", "section[aria-label=Result] td, .tbl td.mono")
	if got := eval[bool](b, fmt.Sprintf(`[...document.querySelectorAll('td')].some(c => c.textContent.trim() === %q)`, hostile)); !got {
		t.Error("the hostile label is not shown as it is")
	}
	show("heatmap", "[data-heat=result] .none")
	b.open(explore("sum(rate(shop_call_latency_seconds[5m]))", "range=1h"))
	b.until(`document.querySelector('[data-heat=result] canvas').width > 200`)
	b.open(explore("sum by (le) (rate(shop_call_latency_seconds_bucket[5m]))", "range=1h&view=heatmap"))
	b.until(`document.querySelector('[data-heat=result] canvas').width > 200 && document.querySelectorAll('.hax text').length > 4`)

	// The list of metrics: filtered, and one with its labels.
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=metrics]"), "shop.queue"+kb.Enter))
	b.until(`document.querySelectorAll('[aria-label="All metrics"] tbody tr').length === 1`)
	b.do(chromedp.Click(chromedp.CSS(`[aria-label="All metrics"] tbody a[href*="metrics=shop_queue_depth"]:not(.mono)`)))
	b.until(`document.querySelector('[aria-label="shop_queue_depth"] tbody')?.textContent.includes('messaging.destination.name')`)
	b.do(chromedp.Click(chromedp.CSS(`[aria-label="shop_queue_depth"] tbody tr:nth-child(2) a`)))
	b.until(`document.querySelector('[aria-label=Result] tbody tr')`)
	b.quiet()
}

// TestMetricsWithoutScript reads what the server renders.
func TestMetricsWithoutScript(t *testing.T) {
	f := newFixture(t, true)
	doc := html(t, f.page(t, explore(`max by (instance) (shop_queue_depth)`, "range=1h")))
	if got := doc.Find("[data-chart=result] svg.ssr path").Length(); got != 20 {
		t.Errorf("%d lines", got)
	}
	doc = html(t, f.page(t, explore(`shop_queue_depth`, "range=1h&view=table")))
	if got := doc.Find("[aria-label=Result] tbody tr").Length(); got != 31 {
		t.Errorf("%d rows", got)
	}
	if doc.Find("script:not([src]):not([type='application/json'])").Length() > 0 {
		t.Error("a label has become a script")
	}
	doc = html(t, f.page(t, explore(`shop_queue_depth{instance="`+strings.ReplaceAll(strings.ReplaceAll(hostile, `\`, `\\`), `"`, `\"`)+`"}`, "range=1h")))
	if got := doc.Find("#expr").Text(); !strings.Contains(got, `</textarea><script>`) {
		t.Errorf("the editor has %q", got)
	}
	doc = html(t, f.page(t, explore("sum(\n  shop_queue_depth\n) oops")))
	if got := doc.Find(".where mark").Text(); got != "oops" {
		t.Errorf("marked: %q", got)
	}
	doc = html(t, f.page(t, explore("shop_queue_depth * on (job) shop_queue_depth")))
	if got := doc.Find(".failed").Text(); !strings.Contains(got, "duplicate series") {
		t.Errorf("failure: %q", got)
	}
	doc = html(t, f.page(t, "/metrics-explorer?range=1h&metrics=shop_call_latency_seconds"))
	if got := doc.Find("[aria-label='shop_call_latency_seconds'] tbody").Text(); !strings.Contains(got, "payments-0") {
		t.Errorf("labels: %q", got)
	}
	if body, code := f.get(t, explore(strings.Repeat("1+", 2000)+"1")); code != http.StatusOK && code != http.StatusRequestHeaderFieldsTooLarge && code != http.StatusRequestURITooLong {
		t.Errorf("a very long expression: %d %.200s", code, body)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+explore("shop_queue_depth"), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Error("a request that was given up is answered")
	}
}
