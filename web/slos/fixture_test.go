package slos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"loadline/internal/clickhouse/chtest"
	"loadline/internal/sli"
	"loadline/query"
	"loadline/query/indicator"
	"loadline/slo"
	"loadline/slo/backtest"
	"loadline/slo/budget"
	"loadline/slo/budget/forecast"
	"loadline/slo/history"
	"loadline/slo/registry"
	"loadline/slo/rule"
	"loadline/slo/spec"
	"loadline/slo/spec/definition"
	"loadline/slo/store"
	"loadline/web/panel"
	"loadline/web/slos/form"
	"loadline/web/static"
	"loadline/web/view"
)

// noon is when the tests take place.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// fake is an engine whose answers are given, over a real registry.
type fake struct {
	registry    *registry.Registry
	statuses    []slo.Status
	groups      []slo.Status
	corrections []slo.Correction
	suggestions []indicator.Suggestion
	err         error // of everything that reads spans
}

func (f *fake) Statuses() []slo.Status           { return f.statuses }
func (f *fake) Groups(_, _ string) []slo.Status  { return f.groups }
func (f *fake) SLO(name string) (spec.SLO, bool) { return f.registry.SLO(name) }
func (f *fake) Registry() *registry.Registry     { return f.registry }
func (f *fake) Withdraw(_ context.Context, id uint64, author string) error {
	for i := range f.corrections {
		if c := &f.corrections[i]; c.ID == id {
			c.Withdrawn, c.Author = true, author
		}
	}
	return f.err
}

func (f *fake) Status(ref slo.Ref) (slo.Status, bool) {
	for _, list := range [][]slo.Status{f.statuses, f.groups} {
		for i := range list {
			if list[i].Ref == ref {
				return list[i], true
			}
		}
	}
	return slo.Status{}, false
}

func (f *fake) Budget(_ context.Context, _ slo.Ref, from, to time.Time, points int) (slo.BudgetChart, error) {
	c := slo.BudgetChart{From: from, Step: to.Sub(from) / time.Duration(points-1), Incidents: []backtest.Incident{{From: from.Add(100 * time.Hour).Unix(), To: from.Add(110 * time.Hour).Unix()}, {From: to.Add(-6 * time.Hour).Unix(), To: to.Unix()}}}
	for i := range points {
		x := float64(i) / float64(points-1)
		v := 1 - 0.4*x
		if x > 0.14 {
			v -= 0.12
		}
		if x > 0.98 {
			v -= (x - 0.98) * 8
		}
		c.Left, c.Even = append(c.Left, v), append(c.Even, 1-x)
	}
	return c, f.err
}

func (f *fake) BurnChart(_ context.Context, _ slo.Ref, from, to time.Time, points int) (slo.BurnChart, error) {
	c := slo.BurnChart{From: from, Step: to.Sub(from) / time.Duration(points-1), Lines: []history.BurnLine{{Window: time.Hour}, {Window: 5 * time.Minute}}}
	for i := range points {
		x := float64(i) / float64(points-1)
		quick := 1.5 + 0.4*math.Sin(float64(i))
		c.Lines[0].Values = append(c.Lines[0].Values, 1.5+14/(1+math.Exp(-(x-0.75)*18)))
		c.Lines[1].Values = append(c.Lines[1].Values, quick+14/(1+math.Exp(-(x-0.65)*25)))
	}
	return c, f.err
}

func (f *fake) Events(_ context.Context, filter slo.EventFilter) ([]slo.Event, error) {
	return []slo.Event{
		{Ref: filter.Ref, Tier: "page-fast", Severity: "page", State: "firing", At: noon.Add(-11 * time.Minute), BurnLong: 14.6, BadLong: 812, TotalLong: 55_000, Left: 0.36, Reason: "14.6 times the budget was burnt in 1 h and 17.1 times in 5 min, both above 14.4."},
		{Ref: filter.Ref, Tier: "page-slow", Severity: "page", State: "guarded", At: noon.Add(-30 * time.Hour), BurnLong: 25, BadLong: 1, TotalLong: 40, Left: 0.5, Reason: "1 bad of 40 events may be chance; 3 would not."},
	}, f.err
}

func (f *fake) Spenders(_ context.Context, _ slo.Ref, from, to time.Time) (indicator.Spenders, error) {
	return indicator.Spenders{From: from, To: to, Bad: 1200, Total: 80_000, Covered: 1, Dimensions: []indicator.Dimension{
		{Name: "operation", Values: []indicator.Spender{{Value: "POST /v1/checkout", Bad: 972, Good: 30_000, ShareBad: 0.81, ShareGood: 0.38, Lift: 2.13}, {Value: "POST /v1/orders", Bad: 168, ShareBad: 0.14, Good: 9000, ShareGood: 0.11, Lift: 1.27}, {Value: "GET /v1/cart/{id}", Bad: 48, ShareBad: 0.04, Good: 20_000, ShareGood: 0.25, Lift: 0.16}, {Value: "PUT /v1/cart/{id}/items", Bad: 12, ShareBad: 0.01, Good: 0}}, Telling: 0.4},
		{Name: "version", Values: []indicator.Spender{{Value: "2.14.0", Bad: 1190, ShareBad: 0.99, Good: 400, ShareGood: 0.01, Lift: 99}}, Telling: 0.98},
		{Name: "instance", Values: []indicator.Spender{{Value: "unknown", Bad: 1200, ShareBad: 1, ShareGood: 1, Lift: 1}}, Sampled: 5000},
	}}, f.err
}

func (f *fake) Examples(_ context.Context, _ slo.Ref, _, to time.Time, limit int) ([]indicator.Example, error) {
	var out []indicator.Example
	for i := range limit {
		out = append(out, indicator.Example{TraceID: fmt.Sprintf("%032x", i+1), SpanID: fmt.Sprintf("%016x", i+1), Time: to.Add(-time.Duration(i) * time.Minute), Operation: "POST /v1/checkout", HTTPStatus: 503, ErrorType: "PoolTimeout", Error: true, Duration: 1200 * time.Millisecond, Slow: i%2 == 0, Instance: "checkout-api-7c9d-x2m4q"})
	}
	return out, f.err
}

func (f *fake) Preview(_ context.Context, s spec.SLO, objective int, from, to time.Time, _ bool) (slo.Preview, error) {
	o := s.Objectives[objective]
	fires := from.Add(100 * time.Hour).Unix()
	p := slo.Preview{Result: backtest.Result{
		Pages: 3, Tickets: 1, PagesPerWeek: 0.7, TicketsPerWeek: 0.2, Bad: 38_214, Total: 55_400_000, Attained: 0.99931, Left: 1 - (1-0.99931)/(1-o.Target.Float()), Coverage: 1,
		Incidents: []backtest.Incident{{From: fires - 300, To: fires + 9000, Caught: true}}, Caught: 1, Delay: 4 * time.Minute, Tightest: 0.9993,
		Events: []rule.Change{{Tier: "page-fast", Severity: budget.Page, State: "firing", At: fires, BurnLong: 22, Reason: "both windows"}, {Tier: "page-fast", Severity: budget.Page, State: "resolved", At: fires + 7200}},
	}, Quality: indicator.Quality{Source: indicator.FromRollups, From: from, Resolution: 10 * time.Second}}
	for i := range 300 {
		at := from.Unix() + int64(i)*int64(to.Sub(from)/time.Second)/299
		p.Points = append(p.Points, backtest.Point{At: at, Left: 1 - 0.6*float64(i)/299, BurnLong: 1 + math.Sin(float64(i)/9), BurnShort: 1.5 + math.Sin(float64(i)/5)})
	}
	return p, f.err
}

func (f *fake) Suggestions(context.Context) ([]indicator.Suggestion, error) {
	return f.suggestions, f.err
}

func (f *fake) Operations(_ context.Context, ind sli.Indicator) ([]indicator.Operation, error) {
	match := len(ind.Operations) == 0 || strings.Contains(ind.Operations[0], "checkout")
	return []indicator.Operation{{Name: "POST /v1/checkout", Requests: 1200, Matches: match}, {Name: "GET /v1/cart/{id}", Requests: 40, Matches: len(ind.Operations) == 0}}, f.err
}

func (f *fake) Forecast(context.Context, slo.Ref) (forecast.Forecast, error) {
	return forecast.Forecast{Points: []forecast.Point{{At: noon.Unix(), Left: 0.3}}, Exhausted: noon.Add(80 * time.Hour), Earliest: noon.Add(60 * time.Hour), Latest: noon.Add(200 * time.Hour), Reason: "Traffic is taken to be that of the last weeks."}, f.err
}

func (f *fake) Report(_ context.Context, name string, month time.Time) (slo.Report, error) {
	target, err := budget.ParsePercent("99.9")
	if err != nil {
		return slo.Report{}, err
	}
	o := slo.ReportObjective{Objective: "default", Promise: "99.9% of requests succeed", Target: target, Month: history.Month{Bad: 120, Total: 400_000, Attained: 0.9997, Left: 0.7, Coverage: 1, Met: true}}
	for i := range 20 {
		o.Days = append(o.Days, slo.ReportDay{Day: month.AddDate(0, 0, i), Bad: 6, Total: 20_000, Attained: 0.9997, Spent: 0.015})
	}
	return slo.Report{SLO: name, From: month, To: month.AddDate(0, 1, 0), Objectives: []slo.ReportObjective{o}, Corrections: f.corrections}, f.err
}

func (f *fake) Corrections(_ context.Context, name string) ([]slo.Correction, error) {
	var out []slo.Correction
	for _, c := range f.corrections {
		if c.SLO == name {
			out = append(out, c)
		}
	}
	return out, f.err
}

func (f *fake) Correct(_ context.Context, c slo.Correction) (slo.Correction, error) {
	if f.err != nil {
		return c, f.err
	}
	c.ID = uint64(len(f.corrections) + 1)
	f.corrections = append(f.corrections, c)
	return c, nil
}

// status is an objective that burns.
func status(name string, change func(*slo.Status)) slo.Status {
	target, err := budget.ParsePercent("99.9")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	w := budget.Window{Length: 30 * budget.Day}
	gone := 14*time.Hour + 30*time.Minute
	st := slo.Status{
		Ref: slo.Ref{SLO: name, Objective: "default"}, Title: name, Promise: "99.9% of requests to checkout-api succeed, over 30 days", Service: "checkout-api", Owner: "team checkout", Runbook: "https://wiki.example.com/checkout",
		Target: target, Window: w, Health: slo.AtRisk, Evaluated: noon, From: noon.Add(-w.Length), To: noon, Coverage: 1, Bad: 38_214, Total: 55_400_000,
		Attained: 0.99931, Left: 0.314, Projected: 0.314, Burn1h: 15.6, Exhausted: &gone, Low: 0.9992, High: 0.9994, OneBad: 1e-5,
		Labels: map[string][]string{"tier": {"1"}},
	}
	for i, t := range budget.DefaultTiers(w) {
		r := slo.RuleStatus{Tier: t, Name: t.Name, Severity: string(t.Severity), State: slo.RuleOK, Threshold: t.Burn.Float(), BurnLong: 1.2, BurnShort: 2.6, Exhausted: time.Duration(float64(w.Length) / t.Burn.Float())}
		switch i {
		case 0:
			r.State, r.Since, r.BurnLong, r.BurnShort, r.Alerts, r.Reason = slo.RuleFiring, noon.Add(-11*time.Minute), 15.6, 17.1, 1, "The budget burns 15.6 times too fast over 1 h and 17.1 times over 5 min; both are above 14.4."
		case 1:
			r.State, r.BurnShort, r.BurnLong, r.Reason = slo.RuleRising, 15.9, 3.4, "15.9 times over 30 min is above 6, 3.4 times over 6 h is not yet."
		}
		st.Rules = append(st.Rules, r)
	}
	for i := range 30 {
		st.Trend = append(st.Trend, 1-float64(i)/45)
	}
	if change != nil {
		change(&st)
	}
	return st
}

func calm(st *slo.Status) {
	st.Health, st.Left, st.Burn1h, st.Exhausted = slo.Healthy, 0.87, 0.4, nil
	st.Attained = 0.99987
	for i := range st.Rules {
		st.Rules[i].State, st.Rules[i].BurnLong, st.Rules[i].BurnShort, st.Rules[i].Reason = slo.RuleOK, 0.4, 0.3, ""
	}
}

// fixture is the pages over a fake engine.
type fixture struct {
	*httptest.Server
	engine *fake
	pages  *Pages
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	db := chtest.New(t)
	r := registry.New(store.New(db), registry.Config{})
	if err := r.Load(context.Background(), noon); err != nil {
		t.Fatal(err)
	}
	f := &fixture{engine: &fake{registry: r}}
	assets, err := static.New()
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	clock := func() time.Time { return noon }
	render := func(w http.ResponseWriter, r *http.Request, code int, c templ.Component) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(code)
		if err := c.Render(r.Context(), w); err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
	}
	start := func(r *http.Request, nav, title string) view.Page {
		return view.Page{
			Title: title, Nav: nav, Theme: "auto", Path: r.URL.Path, Query: r.URL.Query(), Zone: time.UTC, Now: noon, Live: true, Asset: assets.URL,
			Topics: view.Topics{"sys": "sys"}, Range: view.Range{Label: "Last 30 min", Short: "30m", Text: "30m", From: noon.Add(-30 * time.Minute), To: noon},
		}
	}
	f.pages = New(Config{
		Engine: f.engine, Board: panel.New(panel.Config{Store: query.New(db), Health: func() panel.Health { return panel.Health{} }, Now: clock, Logger: logger}),
		Now: clock, Logger: logger, Page: start, Render: render,
		Message: func(w http.ResponseWriter, r *http.Request, code int, m view.Message) {
			render(w, r, code, view.MessagePage(start(r, "slos", m.Title), m))
		},
		Redirected: func(http.ResponseWriter, *http.Request) bool { return false },
	})
	mux := http.NewServeMux()
	mux.Handle("GET "+static.Prefix, assets)
	f.pages.Register(mux)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// define puts an SLO in force, and gives it a status.
func (f *fixture) define(t testing.TB, name string, change func(*slo.Status)) {
	t.Helper()
	v := form.New()
	v.Name, v.Service, v.Title = name, "checkout-api", "Checkout availability"
	made, mistakes := v.SLO()
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	text, err := definition.Export(made, definition.Native)
	if err != nil {
		t.Fatal(err)
	}
	report, err := f.engine.registry.Apply(context.Background(), noon, registry.Change{Author: "ada", Source: "ui", Text: string(text)})
	if err != nil || report.Refused {
		t.Fatal(err, report.Problems)
	}
	f.engine.statuses = append(f.engine.statuses, status(name, change))
}

// get fetches a page.
func (f *fixture) get(t testing.TB, path string) (*goquery.Document, int) {
	t.Helper()
	return f.do(t, http.MethodGet, path, nil, nil)
}

// post sends a form and follows where it leads.
func (f *fixture) post(t testing.TB, path string, values url.Values) (*goquery.Document, int) {
	t.Helper()
	return f.do(t, http.MethodPost, path, values, map[string]string{"Sec-Fetch-Site": "same-origin"})
}

func (f *fixture) do(t testing.TB, method, path string, values url.Values, headers map[string]string) (*goquery.Document, int) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, f.URL+path, strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if values != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	doc, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc.Url = res.Request.URL
	return doc, res.StatusCode
}

var errBroken = errors.New("the storage is away")
