package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/slo"
	"loadline/slo/registry"
	slostore "loadline/slo/store"
)

// objectives is an engine of objectives. The test plays the write path.
type objectives struct {
	*slo.Engine
	db    *clickhouse.DB
	begin sync.Once

	mu      sync.Mutex
	counted []sli.Counted
	batch   int
}

// newObjectives returns an engine that does not run yet. With traffic it has the shop's SLOs.
func newObjectives(t testing.TB, db *clickhouse.DB, traffic bool) *objectives {
	t.Helper()
	o := &objectives{db: db}
	o.Engine = slo.New(slo.Config{
		DB: db, Registry: registry.New(slostore.New(db), registry.Config{}), SoleWriter: true,
		Install: func(c []sli.Counted) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.counted = c
			return nil
		},
	})
	ctx, now := context.Background(), time.Now()
	if err := o.Registry().Load(ctx, now); err != nil {
		t.Fatal(err)
	}
	if traffic {
		report, err := o.Registry().Apply(ctx, now, registry.Change{Author: "ada", Source: "api", Text: definitions})
		if err != nil || report.Refused {
			t.Fatal(err, report.Problems)
		}
	}
	if err := o.Load(ctx, now); err != nil {
		t.Fatal(err)
	}
	return o
}

// definitions are the SLOs of the shop: one that burns, one that is fine, and one that nothing matches.
const definitions = `
slo: checkout-availability
title: Checkout availability
service: checkout-api
operations: ["POST /v1/checkout"]
good: no errors
objective: 99.9% over 30 days
group_by: version
owner: team checkout
---
slo: catalog-latency
service: catalog-api
good: within 2s
objective: 95% over 7 days
---
slo: night-jobs
service: night-worker
good: no errors
objective: 99% each month
`

// run starts the engine and waits until the past is counted.
func (o *objectives) run(t testing.TB) {
	t.Helper()
	o.begin.Do(func() {
		o.start(t)
		o.until(t, "the past is counted", func() bool {
			st, ok := o.Status(slo.Ref{SLO: "checkout-availability", Objective: "default"})
			return ok && st.Backfill == nil && st.Total > 0
		})
	})
}

func (o *objectives) start(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("engine of objectives: %v", err)
		}
	})
}

// until waits for evaluations until something holds.
func (o *objectives) until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	news, cancel := o.Subscribe()
	defer cancel()
	late := time.After(time.Minute)
	for !holds() {
		select {
		case <-news:
		case <-late:
			t.Fatalf("never: %s; %+v", what, o.Statuses())
		}
	}
}

// fail stores counts of bad events as the write path does, in slots from an indicator's first one on.
func (o *objectives) fail(t testing.TB, service string, events int) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.counted {
		if c.Indicator.Service != service {
			continue
		}
		o.batch++
		at := max(c.Since, time.Now().Unix()/10*10-10)
		for table, length := range map[string]int64{"slo_slots_10s": 10, "slo_slots_5m": 300, "slo_slots_1h": 3600} {
			execute(t, o.db, fmt.Sprintf("INSERT INTO %s (indicator, grp, slice, bad, total) VALUES (%d, '', %d, %d, %d)", table, c.ID, at/length*length, events, events))
		}
		execute(t, o.db, fmt.Sprintf("INSERT INTO slo_journal (node, batch, at, indicator, grp, slice, bad, total) VALUES (777777777777, %d, %d, %d, '', %d, %d, %d)", o.batch, at, c.ID, at, events, events))
	}
	o.Counted()
}

// TestObjectivePages: what the engine says of the shop is on its pages.
func TestObjectivePages(t *testing.T) {
	f := newFixture(t, true)
	f.slos.run(t)
	doc := html(t, f.page(t, "/slos"))
	if got := doc.Find("tbody tr").First().AttrOr("data-k", ""); got != "checkout-availability/default" {
		t.Errorf("first row %q", got)
	}
	for _, want := range []string{"Checkout availability", "Met", "No data", "calendar month"} {
		if !strings.Contains(doc.Find("tbody").Text(), want) {
			t.Errorf("the list lacks %q: %s", want, doc.Find("tbody").Text())
		}
	}
	if got := doc.Find(".nav .cnt.bad").Text(); !strings.HasPrefix(got, "1") {
		t.Errorf("at risk in the navigation: %q", got)
	}
	doc = html(t, f.page(t, "/slos/checkout-availability"))
	if doc.Find(".failed").Length() > 0 {
		t.Errorf("failed: %s", doc.Find(".failed").Text())
	}
	if got := doc.Find("#spent .spend").Text(); !strings.Contains(got, "2.14.0") {
		t.Errorf("spenders %q", got)
	}
	href := doc.Find("#examples tbody a").First().AttrOr("href", "")
	if got := html(t, f.page(t, href)).Find("#detail").Text(); !strings.Contains(got, "checkout-api") {
		t.Errorf("%q leads to %q", href, got)
	}
	if got := f.page(t, "/api/ui/palette"); !strings.Contains(got, "/slos/checkout-availability") {
		t.Error("the palette does not know the SLO")
	}
	doc = html(t, f.page(t, "/slos/night-jobs"))
	if got := doc.Find(".notice").Text(); !strings.Contains(got, "No event was counted") || doc.Find("[data-c='slo.a']").Text() != "–" {
		t.Errorf("notice %q, attained %q", got, doc.Find("[data-c='slo.a']").Text())
	}
}

// TestPreviewOfShop: the form's preview is of the shop's past.
func TestPreviewOfShop(t *testing.T) {
	f := newFixture(t, true)
	facts := func(objective string) string {
		began := time.Now()
		res, err := http.PostForm(f.URL+"/slos/new", url.Values{"do": {"part"}, "service": {"checkout-api"}, "kind": {"availability"}, "objective": {objective}})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		doc, err := goquery.NewDocumentFromReader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("preview: %v", time.Since(began))
		return doc.Find(".facts .v").Text()
	}
	strict, loose := facts("99.99%"), facts("50%")
	if !strings.Contains(strict, "−") || strings.Contains(loose, "−") || !strings.Contains(loose, "%") {
		t.Errorf("strict %q, loose %q", strict, loose)
	}
}

// TestBrowserObjective creates an SLO from a suggestion, sees the preview change while typing, saves it, watches it burn,
// and opens the trace behind a bad event.
func TestBrowserObjective(t *testing.T) {
	f := newFixture(t, true)
	f.slos.run(t)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/slos")
	b.until(`[...document.querySelectorAll('#suggested a')].some(a => a.href.includes('checkout-api') || a.href.includes('edge-gateway'))`)
	b.axe()
	b.shot("slos-empty-light", false)
	b.do(chromedp.Click(chromedp.CSS(`#suggested li:first-child a`)))
	b.until(`location.pathname === '/slos/new' && document.querySelector('#preview .facts') && document.querySelector('[data-chart=budget] canvas')`)
	fact := func(i int) string {
		return fmt.Sprintf(`document.querySelectorAll('#preview .facts .v')[%d].textContent`, i)
	}
	write := func(field, text string) {
		b.do(chromedp.Focus(chromedp.ID("f-" + field)))
		eval[bool](b, fmt.Sprintf(`document.querySelector('#f-%s').select() || true`, field))
		b.keys(kb.Backspace + text)
	}

	// The preview follows what is typed, and so do the texts below the fields.
	was := eval[string](b, fact(1))
	write("service", "checkout-api")
	write("operations", "POST /v1/checkout")
	eval[bool](b, `(() => { const k = document.querySelector('#f-kind'); k.value = 'availability'; k.dispatchEvent(new Event('input', {bubbles: true})); return true; })()`)
	write("objective", "99.9%")
	b.until(fmt.Sprintf(`%s !== %q && document.querySelector('#operations-hint').textContent.startsWith('Matches 1 of')`, fact(1), was))
	b.until(`document.querySelector('#objective-hint').textContent.includes('43 min 12 s') && document.querySelector('#f-slower').closest('.field').hidden`)
	over, within := fact(1)+`.startsWith('−')`, fact(1)+`.startsWith('−') === false`
	b.until(over)
	write("objective", "95")
	b.until(within)
	write("objective", "lots")
	b.until(`document.querySelector('#objective-hint').classList.contains('bad') && document.querySelector('#preview .empty')`)
	write("objective", "99.9%")
	b.until(`document.querySelector('#preview .facts') && ` + over + ` && document.querySelector('[data-chart=budget] canvas')`)
	eval[bool](b, `(() => { const s = document.querySelector('#slo input[type=range]'); s.value = '1'; s.dispatchEvent(new Event('input', {bubbles: true})); return true; })()`)
	b.until(`document.querySelector('#f-objective').value === '95%' && ` + within)
	write("objective", "99.9%")
	b.until(over)
	b.axe()
	b.shot("slo-typed-light", true)

	// Saved, it counts its past and burns at once; what fails now is pushed.
	b.do(chromedp.Click(chromedp.CSS(`button[value=save]`)))
	b.until(`location.pathname === '/slos/checkout-api-post-v1-checkout-availability'`)
	ref := slo.Ref{SLO: "checkout-api-post-v1-checkout-availability", Objective: "default"}
	f.slos.until(t, "the SLO burns", func() bool {
		st, ok := f.slos.Status(ref)
		return ok && st.Backfill == nil && st.Burn1h > 1
	})
	b.open("/slos/checkout-api-post-v1-checkout-availability")
	b.until(`document.documentElement.dataset.ws === 'open' && document.querySelector('[data-chart=burn] canvas')`)
	bad := eval[string](b, `document.querySelector('[data-c="slo.n"]').textContent`)
	f.slos.fail(t, "checkout-api", 5000)
	f.slos.until(t, "what fails is counted", func() bool { st, _ := f.slos.Status(ref); return st.Bad > 5000 })
	b.until(fmt.Sprintf(`document.querySelector('[data-c="slo.n"]').textContent !== %q && document.querySelector('#rules').textContent.includes('Firing') && document.querySelector('.ph .badge').textContent.includes('Fast burn') && document.querySelector('.headline')`, bad))
	b.shot("slo-burning-light", true)

	// A bad event leads to the trace behind it.
	b.do(chromedp.Click(chromedp.CSS(`#examples tbody a`)))
	b.until(`location.pathname.startsWith('/traces/') && document.querySelector('#detail').textContent.includes('checkout-api')`)
	b.quiet()
}

// TestBrowserCorrection excludes the time that was marked in a chart.
func TestBrowserCorrection(t *testing.T) {
	f := newFixture(t, true)
	f.slos.run(t)
	b := newTab(t, newBrowser(t), f.URL)
	b.open("/slos/checkout-availability")
	b.until(`document.querySelector('[data-chart=burn] canvas')`)
	b.drag("[data-chart=burn] .u-over", 0.2, 0.5, 0.6, 0.5)
	b.until(`new URL(location.href).searchParams.get('from') && document.querySelector('[data-chart=burn] canvas')`)
	b.do(chromedp.Click(chromedp.CSS(`.tabs a[href*=corrections]`)))
	b.until(`document.querySelector('input[name=from]')`)
	from := eval[string](b, `document.querySelector('input[name=from]').value`)
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=reason]"), "planned maintenance"), chromedp.SendKeys(chromedp.CSS("form input[name=author]"), "ada"))
	b.do(chromedp.Click(chromedp.CSS(`form[action*=corrections] .primary`)))
	b.until(`document.querySelector('tbody')?.textContent.includes('planned maintenance')`)
	if got := eval[string](b, `document.querySelector('tbody td').textContent`); !strings.HasPrefix(got, strings.ReplaceAll(from[:16], "T", " ")) {
		t.Errorf("excluded from %q, want %q", got, from)
	}
	// The name is remembered, and the correction can be withdrawn.
	if got := eval[string](b, `document.querySelector('form input[name=author][data-author]').value`); got != "ada" {
		t.Errorf("author %q", got)
	}
	b.do(chromedp.Click(chromedp.CSS(`tbody button`)))
	b.until(`document.querySelector('tbody').textContent.includes('Withdrawn')`)
	b.quiet()
}
