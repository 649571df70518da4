package web

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A tab is a page in a real browser. What it writes to the console or is refused by the policy fails the test.
type tab struct {
	t    testing.TB
	ctx  context.Context
	base string

	mu       sync.Mutex
	problems []string
}

// newBrowser starts Chromium. It has to be there: make installs it.
func newBrowser(t testing.TB) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("hide-scrollbars", true),
	)
	if path := os.Getenv("LOADLINE_CHROMIUM"); path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v (make chromium installs it)", err)
	}
	return ctx
}

// newTab opens a tab with its own cookies.
func newTab(t testing.TB, browser context.Context, base string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancelTimeout := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancelTimeout)
	b := &tab{t: t, ctx: ctx, base: base}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.problems = append(b.problems, m.String())
			b.mu.Unlock()
		}
	}()
	// Without it a click may meet the transition from one page to the next.
	calm := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, calm); err != nil {
		t.Fatal(err)
	}
	b.size(1440, 900)
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) size(w, h int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(w, h))
}

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
	b.settle()
}

// settle waits until fonts are there and the scripts have run.
func (b *tab) settle() {
	b.t.Helper()
	eval[bool](b, `document.fonts.ready.then(() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(true)))))`)
}

func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits until an expression is true. Pages may come and go meanwhile.
func (b *tab) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && !!("+expression+")"))
		if err == nil && ok {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("never true: %s: %v (page %s)", expression, err, eval[string](b, "location.href"))
		case <-again.C:
		}
	}
}

func (b *tab) keys(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// quiet fails when the page has complained about anything.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Errorf("console: %s", p)
	}
	b.problems = nil
}

func (b *tab) theme(name string) {
	b.t.Helper()
	u, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: "ll_theme", Value: name, URL: u.String()}); err != nil {
		b.t.Fatal(err)
	}
}

// shot saves a picture when somebody wants to look at it.
func (b *tab) shot(name string, full bool) {
	b.t.Helper()
	dir := os.Getenv("LOADLINE_SCREENSHOTS")
	if dir == "" {
		return
	}
	action := chromedp.CaptureScreenshot()
	if full {
		action = chromedp.FullScreenshot(100)
	}
	image, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), image, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// axe checks a page against WCAG 2.2 AA. It runs in a world of its own, so the page's policy does not concern it.
func (b *tab) axe() {
	b.t.Helper()
	path := os.Getenv("LOADLINE_AXE")
	if path == "" {
		path = filepath.Join("..", ".cache", "axe", "axe.min.js")
	}
	source, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatalf("axe-core is missing, make test fetches it: %v", err)
	}
	tree, err := chromedp.Call(b.ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	world, err := chromedp.Call(b.ctx, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "axe"})
	if err != nil {
		b.t.Fatal(err)
	}
	expression := string(source) + `;axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}).then(r => JSON.stringify(r.violations.map(v => v.id + ': ' + v.help + ' ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + n.html.slice(0, 160) + ' ' + (n.any[0]?.message || '')).join(' | '))))`
	res, err := chromedp.Call(b.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: expression, ContextID: world.ExecutionContextID, AwaitPromise: new(true), ReturnByValue: new(true)})
	if err != nil {
		b.t.Fatal(err)
	}
	if res.ExceptionDetails != nil {
		b.t.Fatalf("axe: %s", res.ExceptionDetails.Text)
	}
	var text string
	if err := json.Unmarshal(res.Result.Value, &text); err != nil {
		b.t.Fatal(err)
	}
	var violations []string
	if err := json.Unmarshal([]byte(text), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		b.t.Errorf("axe: %s: %s", eval[string](b, "location.pathname"), v)
	}
}

// pages are the addresses of everything that there is to see.
func (f *fixture) pages(t testing.TB) map[string]string {
	f.slos.run(t)
	return map[string]string{
		"overview": "/", "services": "/services", "service": "/services/checkout-api", "service-endpoints": "/services/checkout-api?tab=endpoints",
		"service-errors": "/services/checkout-api?tab=errors", "service-dependencies": "/services/checkout-api?tab=dependencies",
		"service-instances": "/services/checkout-api?tab=instances", "service-deployments": "/services/checkout-api?tab=deployments",
		"traces": "/traces", "traces-filtered": "/traces?q=" + url.QueryEscape("service = checkout-api AND duration > 200ms"),
		"traces-empty": "/traces?q=" + url.QueryEscape("service = checkout-api AND duration > 90s"),
		"trace":        "/traces/" + f.someTrace(t), "trace-table": "/traces/" + f.someTrace(t) + "?view=table", "trace-logs": "/traces/" + f.someTrace(t) + "?view=logs",
		"metrics": "/metrics-explorer", "metrics-graph": explore(`sum by (service) (rate(traces_span_duration_seconds[5m]))`, "view=graph"),
		"metrics-stacked": explore(`shop_queue_depth{instance=~".*-x0."}`, "view=stacked"), "metrics-table": explore(`shop_queue_depth`, "view=table"),
		"metrics-heatmap": explore(`sum(rate(shop_call_latency_seconds[5m]))`), "metrics-problem": explore(`sum(rate(shop_queue_depth[5m])) by (job))`),
		"metrics-one": "/metrics-explorer?metrics=shop_queue_depth",
		"slos":        "/slos", "slo": "/slos/checkout-availability", "slo-alerts": "/slos/checkout-availability?tab=alerts", "slo-groups": "/slos/checkout-availability?tab=groups",
		"slo-corrections": "/slos/checkout-availability?tab=corrections", "slo-definition": "/slos/checkout-availability?tab=definition", "slo-report": "/slos/checkout-availability/report",
		"slo-new": "/slos/new?service=checkout-api&operations=POST+/v1/checkout", "slo-mistakes": "/slos/new?objective=lots&window=month&zone=Nowhere", "slo-text": "/slos/checkout-availability/edit?mode=text",
		"welcome": "/welcome", "settings": "/settings", "not-found": "/nowhere",
	}
}

// someTrace is the id of the newest checkout with many spans.
func (f *fixture) someTrace(t testing.TB) string {
	t.Helper()
	count := map[string]int{}
	for _, s := range f.shop.spans {
		count[s.Trace]++
	}
	for i := len(f.shop.spans) - 1; i >= 0; i-- {
		if id := f.shop.spans[i].Trace; count[id] > 40 {
			return id
		}
	}
	t.Fatal("no large trace")
	return ""
}

func TestBrowserPages(t *testing.T) {
	f := newFixture(t, true)
	browser := newBrowser(t)
	for _, theme := range []string{"light", "dark"} {
		b := newTab(t, browser, f.URL)
		b.theme(theme)
		for name, path := range f.pages(t) {
			b.open(path)
			if got := eval[string](b, "document.documentElement.dataset.theme"); got != theme {
				t.Errorf("%s: theme %s, want %s", name, got, theme)
			}
			if name == "not-found" {
				b.problems = nil // the browser reports the status
			}
			b.axe()
			b.quiet()
			b.shot(name+"-"+theme, true)
		}
	}
}

// TestBrowserPhone opens every page on a narrow screen. Nothing may be wider than the screen.
func TestBrowserPhone(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.theme("dark")
	b.size(360, 740)
	for name, path := range f.pages(t) {
		b.open(path)
		if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > 360 {
			t.Errorf("%s is %d pixels wide: %s", name, wide, eval[string](b, `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 361 && !e.closest('.tbl-wrap,.plot,.tabs,pre,.side')).slice(0, 5).map(e => e.tagName + '.' + e.className).join(' ')`))
		}
		b.shot("phone-"+name, false)
	}
	// The menu works without the script: it is a link to the sidebar.
	b.do(chromedp.Navigate(f.URL + "/#side"))
	b.until(`document.querySelector('#side').getBoundingClientRect().left === 0`)
	b.shot("phone-menu", false)
}
