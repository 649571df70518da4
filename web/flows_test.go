package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// drag draws a line with the mouse, given as shares of an element's box.
func (b *tab) drag(selector string, x0, y0, x1, y1 float64) {
	b.t.Helper()
	box := eval[[]float64](b, fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`, selector))
	x, y := func(s float64) float64 { return box[0] + s*box[2] }, func(s float64) float64 { return box[1] + s*box[3] }
	b.do(
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x(x0), y(y0)),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, x(x0), y(y0), chromedp.ButtonLeft, chromedp.ClickCount(1)),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x((x0+x1)/2), y((y0+y1)/2), chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x(x1), y(y1), chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, x(x1), y(y1), chromedp.ButtonLeft, chromedp.ClickCount(1)),
	)
}

// arrive stores a few requests of one more service, as ingest would.
func (f *fixture) arrive(t testing.TB, service string) {
	t.Helper()
	first := len(f.shop.spans)
	for i := range 50 {
		f.shop.begin()
		s := f.shop.span("", service, "GET /new", "server", time.Now().Add(-time.Duration(i)*10*time.Millisecond), 30*time.Millisecond)
		s.HTTP = 200
	}
	store(t, f.db, f.shop.spans[first:])
}

func TestBrowserLive(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/")
	b.until(`document.documentElement.dataset.ws === 'open'`)
	requests := eval[string](b, `document.querySelector('[data-c="kpi.rate"]').textContent`)
	f.arrive(t, "brand-new")
	b.until(`!!document.querySelector('tr[data-k="brand-new"]')`)
	b.until(fmt.Sprintf(`document.querySelector('[data-c="kpi.rate"]').textContent !== %q`, requests))

	// Paused, the page stays as it is; resumed, it catches up.
	b.keys("p")
	b.until(`document.querySelector('#live-label').textContent === 'Paused'`)
	f.arrive(t, "while-paused")
	other := newTab(t, b.ctx, f.URL)
	other.open("/")
	other.until(`!!document.querySelector('tr[data-k="while-paused"]')`)
	if eval[bool](b, `!!document.querySelector('tr[data-k="while-paused"]')`) {
		t.Error("a paused page changes")
	}
	b.do(chromedp.Click(chromedp.ID("live")))
	b.until(`!!document.querySelector('tr[data-k="while-paused"]')`)
	b.quiet()
}

func TestBrowserReconnects(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/")
	b.until(`document.querySelector('#live-label').textContent === 'Live'`)
	f.stopHub()
	b.until(`document.querySelector('#live-label').textContent === 'Reconnecting…'`)
	f.run(t)
	b.until(`document.querySelector('#live-label').textContent === 'Live'`)
	f.arrive(t, "after-restart")
	b.until(`!!document.querySelector('tr[data-k="after-restart"]')`)
	b.mu.Lock()
	b.problems = nil // the browser reports the attempts in between
	b.mu.Unlock()
}

func TestBrowserTheme(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.theme("light")
	b.open("/")
	color := func() string { return eval[string](b, `getComputedStyle(document.documentElement).backgroundColor`) }
	light := color()
	b.keys("d")
	b.until(`document.documentElement.dataset.theme === 'dark'`)
	if color() == light {
		t.Error("the background is the same in dark")
	}
	b.open("/services") // the server knows
	if got := eval[string](b, `document.documentElement.dataset.theme`); got != "dark" {
		t.Errorf("theme of the next page: %q", got)
	}
	b.quiet()
}

func TestBrowserPalette(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/?range=1h")
	b.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(kb.ModifierCtrl)))
	b.until(`document.querySelectorAll('#pal-l li').length > 6`)
	b.keys("paym")
	b.until(`document.querySelector('#pal-l li[aria-selected=true]')?.textContent.startsWith('payments')`)
	b.shot("palette-light", false)
	b.axe()
	b.keys(kb.Enter)
	b.until(`location.pathname === '/services/payments' && location.search === '?range=1h'`)
	b.quiet()
}

func TestBrowserCharts(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/services/checkout-api")
	b.until(`!!document.querySelector('[data-chart=lat] .u-over')`)

	// A chart as a table leads to traces.
	b.do(chromedp.Click(chromedp.CSS("[data-chart=lat] .tbtn")))
	b.until(`document.querySelectorAll('[data-chart=lat] .astable td a').length > 3`)
	b.axe()
	b.do(chromedp.Click(chromedp.CSS("[data-chart=lat] .tbtn")))

	// An exemplar is a trace.
	at := eval[[]float64](b, `(() => {
		const el = document.querySelector('[data-chart=lat]'), {u, spec} = LL.charts.get(el), r = u.over.getBoundingClientRect();
		const e = spec.ex[Math.floor(spec.ex.length / 2)];
		return [r.left + u.valToPos(e.t, 'x'), r.top + Math.max(5, u.valToPos(e.v, 'y'))];
	})()`)
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0]-3, at[1]+3), chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]))
	b.until(`document.querySelector('.tip em')?.textContent.includes('open trace')`)
	b.shot("tooltip-light", false)
	b.do(chromedp.MouseClickXY(at[0], at[1]))
	b.until(`/^\/traces\/[0-9a-f]{32}$/.test(location.pathname)`)

	// Dragging over a chart is a range, in the address.
	b.open("/?range=1h&env=production")
	b.until(`!!document.querySelector('[data-chart=lat] .u-over')`)
	b.drag("[data-chart=lat] .u-over", 0.5, 0.5, 0.8, 0.5)
	b.until(`/[?&]from=\d+/.test(location.search) && /[?&]to=\d+/.test(location.search) && !location.search.includes('range=') && location.search.includes('env=production')`)
	b.until(`document.querySelector('.live').textContent.includes('jump to now')`)

	// A box on the heatmap is a search.
	b.open("/services/checkout-api?range=1h")
	b.until(`!!document.querySelector('canvas.heat')`)
	b.drag("canvas.heat", 0.5, 0.1, 0.99, 0.9)
	b.until(`location.pathname === '/traces' && new URL(location.href).searchParams.get('q').includes('duration >= ')`)
	if n := eval[int](b, `document.querySelectorAll('#rows tr').length`); n == 0 {
		t.Error("the box has no traces")
	}
	b.quiet()
}

func TestBrowserSearch(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/traces?range=1h")
	b.keys("f")
	b.until(`document.activeElement.id === 'add'`)
	eval[bool](b, `(document.activeElement.value = '') === ''`) // the protocol types what the page has handled
	b.keys("service = pay")
	b.until(`document.querySelector('#add-l li')?.textContent.startsWith('payments')`)
	b.shot("suggestions-light", false)
	b.keys(kb.ArrowDown + kb.Enter)
	b.until(`new URL(location.href).searchParams.get('q') === 'service = payments' && location.search.includes('range=1h')`)
	rows := eval[int](b, `document.querySelectorAll('#rows tr').length`)
	b.do(chromedp.Click(chromedp.ID("more")))
	b.until(fmt.Sprintf(`document.querySelectorAll('#rows tr').length > %d`, rows))
	b.keys("j")
	b.until(`document.activeElement.closest('#rows') !== null`)
	b.keys(kb.Enter)
	b.until(`location.pathname.startsWith('/traces/') && location.search.includes('range=1h')`)
	b.quiet()
}

func TestBrowserRange(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/services")
	b.do(chromedp.Click(chromedp.CSS("[popovertarget=range]")))
	b.until(`document.querySelector('#range').matches(':popover-open')`)
	b.shot("range-light", false)
	b.axe()
	b.do(chromedp.SetValue(chromedp.ID("r-text"), "last 2 hours"), chromedp.Submit(chromedp.ID("r-text")))
	b.until(`location.search === '?range=2h'`)
	b.settle()
	b.keys("[")
	b.until(`/from=\d+&to=\d+/.test(location.search)`)
	b.settle()
	b.keys(".")
	b.until(`location.search === '?range=2h'`)
	b.quiet()
}

// selected is the text of the row of the waterfall that is chosen.
const selected = `document.querySelector('.wf-r[aria-selected=true]')`

func TestBrowserWaterfall(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/traces/" + f.someTrace(t))
	b.until(`document.querySelector('#wf').dataset.ready === '1'`)
	b.until(selected + `?.textContent.includes('×')`) // opens at what took longest
	visible := `[...document.querySelectorAll('.wf-r')].filter(r => !r.hidden).length`
	before := eval[int](b, visible)
	b.do(chromedp.Focus(chromedp.CSS(".wf-r[aria-selected=true]")))
	b.keys(kb.ArrowRight)
	b.until(visible + fmt.Sprintf(` > %d`, before))
	b.keys(kb.ArrowDown)
	b.until(selected + `.classList.contains('member')`)
	b.until(`location.search.includes('span=')`)
	b.keys(kb.ArrowLeft) // to the group
	b.until(selected + `.textContent.includes('×')`)
	b.keys(kb.ArrowLeft) // folds it
	b.until(visible + fmt.Sprintf(` === %d`, before))
	b.keys(kb.Home)
	b.until(selected + `.getAttribute('aria-level') === '1'`)
	b.until(`document.querySelector('#detail h2').textContent === 'POST /v1/checkout'`)
	b.keys("n")
	b.until(selected + `.getAttribute('aria-level') === '2'`)
	b.do(chromedp.Click(chromedp.CSS("[data-act=critical]")))
	b.until(`document.querySelector('#wf').classList.contains('only-cp')`)
	b.axe()
	b.shot("trace-critical-light", false)
	b.quiet()

	// A failed request: e goes from error to error.
	for _, s := range f.shop.spans {
		if s.Error && s.Service == "checkout-api" {
			b.open("/traces/" + s.Trace)
		}
	}
	b.keys("e")
	b.until(selected + `.classList.contains('err')`)
	b.shot("trace-error-light", true)
	b.quiet()
}

func TestBrowserLongTrace(t *testing.T) {
	f := newFixture(t, false)
	id := f.longTrace(t, 5000)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/traces/" + id)
	b.until(`document.querySelector('#wf').dataset.ready === '1'`)
	if n := eval[int](b, `document.querySelectorAll('.wf-r').length`); n > 80 {
		t.Errorf("%d rows in the page", n)
	}
	b.shot("trace-long-light", false)
	b.axe()
	b.do(chromedp.Focus(chromedp.CSS(".wf-r[tabindex='0']")))
	b.keys(kb.End)
	b.until(`document.querySelector('.wf-b').scrollTop > 1000`)
	b.until(selected + ` === document.activeElement`)
	b.keys("e")
	b.until(selected + `.classList.contains('err')`)
	b.until(`location.search.includes('span=')`)
	b.until(`document.querySelector('#detail h2').textContent.startsWith('operation')`)
	b.quiet()
}

func TestBrowserWelcome(t *testing.T) {
	f := newFixture(t, false)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/")
	b.until(`location.pathname === '/welcome' && document.querySelector('.wait').textContent.includes('Waiting')`)
	b.shot("welcome-waiting-light", false)
	f.mu.Lock()
	f.health.Listeners[1].Requests = 77
	f.mu.Unlock()
	b.until(`document.querySelector('aside .list').textContent.includes('77 requests so far')`)
	f.arrive(t, "my-api")
	b.until(`document.querySelector('.wait').textContent.includes('Service my-api is here')`)
	b.do(chromedp.Click(chromedp.CSS(".wait a")))
	b.until(`location.pathname === '/services/my-api'`)
	b.quiet()
}

// TestBrowserPolicy shows that the policy works: what a page must not run does not run.
func TestBrowserPolicy(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/services")
	if eval[bool](b, `(() => { const s = document.createElement('script'); try { s.text = 'self.evil = 1'; document.body.append(s); } catch { /* trusted types */ } return self.evil === 1; })()`) {
		t.Error("an inline script ran")
	}
	if eval[bool](b, `(() => { try { document.body.insertAdjacentHTML('beforeend', '<p id="evil">'); } catch { /* trusted types */ } return !!document.querySelector('#evil'); })()`) {
		t.Error("text became markup")
	}
	b.mu.Lock()
	refused := strings.Join(b.problems, "\n")
	b.problems = nil
	b.mu.Unlock()
	if !strings.Contains(refused, "Trusted") {
		t.Errorf("the browser reports %q", refused)
	}
}

// TestBrowserWithoutScript reads the pages as who has no script.
func TestBrowserWithoutScript(t *testing.T) {
	f := newFixture(t, true)
	b := newTab(t, newBrowser(t), f.URL)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(f.URL + "/traces?q=" + url.QueryEscape("status = error")))
	b.do(chromedp.WaitVisible(chromedp.CSS("#rows tr")), chromedp.WaitVisible(chromedp.CSS(".facet a")), chromedp.WaitVisible(chromedp.ID("add")))
	b.do(chromedp.Navigate(f.URL + "/services/checkout-api"))
	b.do(chromedp.WaitVisible(chromedp.CSS("[data-chart=lat] svg.ssr path")))
}
