package screen

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"loadline/query/indicator"
	"loadline/slo"
	"loadline/slo/backtest"
	"loadline/slo/budget"
	"loadline/slo/budget/forecast"
	"loadline/slo/history"
	"loadline/slo/spec"
	"loadline/web/slos/page"
	"loadline/web/view"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func onPage(query string) view.Page {
	values, err := url.ParseQuery(query)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return view.Page{Path: "/slos", Query: values, Now: now, Zone: time.UTC, Range: view.Range{From: now.Add(-30 * time.Minute), To: now, Label: "20 Nov 10:00 – 11:00"}}
}

func objective(change func(*slo.Status)) slo.Status {
	target, err := budget.ParsePercent("99.9")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	w := budget.Window{Length: 30 * budget.Day}
	st := slo.Status{
		Ref: slo.Ref{SLO: "checkout", Objective: "default"}, Title: "Checkout", Service: "checkout-api", Target: target, Window: w, Health: slo.Healthy,
		Evaluated: now, From: now.Add(-w.Length), To: now, Coverage: 1, Bad: 10, Total: 100_000, Attained: 0.9999, Left: 0.9, Projected: 0.9, Burn1h: 0.5, Low: 0.9998, High: 0.99995, OneBad: 0.01 / 100,
	}
	for _, t := range budget.DefaultTiers(w) {
		st.Rules = append(st.Rules, slo.RuleStatus{Tier: t, Name: t.Name, Severity: string(t.Severity), State: slo.RuleOK, Threshold: t.Burn.Float(), Exhausted: time.Hour})
	}
	if change != nil {
		change(&st)
	}
	return st
}

func TestShares(t *testing.T) {
	f := func(share float64, wantAttained, wantLeft string) {
		t.Helper()
		if got := Attained(share); got != wantAttained {
			t.Errorf("attained %v: %q, want %q", share, got, wantAttained)
		}
		if got := Left(share); got != wantLeft {
			t.Errorf("left %v: %q, want %q", share, got, wantLeft)
		}
	}
	f(math.NaN(), "–", "–")
	f(1, "100", "100%")
	f(0.99931, "99.931", "99.9%")
	f(0.9999999, "99.999990", "100%") // never 100 where something failed
	f(0.99999999999, "99.999999", "100%")
	f(0.9, "90.00", "90.0%")
	f(0.314, "31.40", "31.4%")
	f(0, "0", "0%")
	f(0.0001, "0.01", "<0.1%")
	f(-0.31, "0", "−31.0%")
	f(-12.5, "0", "−1250%")
}

func TestBurnRates(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := BurnRate(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	f(math.NaN(), "–")
	f(0, "0×")
	f(0.01, "<0.1×")
	f(0.72, "0.7×")
	f(15.6, "15.6×")
	f(1000, "1\u2009000×")
}

func TestHealth(t *testing.T) {
	f := func(want, state string, change func(*slo.Status)) {
		t.Helper()
		st := objective(change)
		if got := Health(&st); got.Label != want || got.State != state {
			t.Errorf("%+v, want %s %s", got, state, want)
		}
	}
	f("Met", "ok", nil)
	f("Breached", "crit", func(s *slo.Status) { s.Health = slo.Breached })
	f("At risk", "warn", func(s *slo.Status) { s.Health = slo.AtRisk })
	f("No data", "idle", func(s *slo.Status) { s.Health = slo.NoData })
	f("Counting", "idle", func(s *slo.Status) { s.Health = slo.Counting })
	f("Fast burn", "crit", func(s *slo.Status) { s.Health, s.Rules[1].State = slo.AtRisk, slo.RuleFiring })
	f("Slow burn", "warn", func(s *slo.Status) { s.Health, s.Rules[3].State = slo.AtRisk, slo.RuleFiring })
	f("Fast burn", "crit", func(s *slo.Status) { s.Rules[3].State, s.Rules[0].State = slo.RuleFiring, slo.RuleFiring })
	f("Breached", "crit", func(s *slo.Status) { s.Health, s.Rules[3].State = slo.Breached, slo.RuleFiring })
}

func TestExhausted(t *testing.T) {
	day, decade := 24*time.Hour, 3650*24*time.Hour
	f := func(want string, bad bool, change func(*slo.Status)) {
		t.Helper()
		st := objective(change)
		if got := exhausted(&st); got != want || soon(&st) != bad {
			t.Errorf("%q, %t, want %q, %t", got, soon(&st), want, bad)
		}
	}
	f("never", false, nil)
	f("1 d", true, func(s *slo.Status) { s.Exhausted = &day })
	f("over a year", false, func(s *slo.Status) { s.Exhausted = &decade })
	f("gone", true, func(s *slo.Status) { s.Left = -1 })
	f("–", false, func(s *slo.Status) { s.Left = math.NaN() })
}

// TestRows: those that need attention first; filters, search and groups keep what they should.
func TestRows(t *testing.T) {
	all := []slo.Status{
		objective(func(s *slo.Status) { s.SLO, s.Title, s.Owner = "b", "Basket", "shop" }),
		objective(func(s *slo.Status) { s.SLO, s.Title, s.Left, s.Health, s.Owner = "a", "Auth", -1, slo.Breached, "core" }),
		objective(func(s *slo.Status) { s.SLO, s.Title, s.Left, s.Health = "n", "Night", math.NaN(), slo.NoData }),
		objective(func(s *slo.Status) { s.SLO, s.Title, s.Left, s.Burn1h, s.Owner = "c", "Cart", 0.2, 3, "shop" }),
	}
	f := func(query, want string) {
		t.Helper()
		var got []string
		for _, g := range Rows(onPage(query), all).Groups {
			if g.Title != "" {
				got = append(got, "["+g.Title+"]")
			}
			for _, r := range g.Rows {
				got = append(got, r.Title)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", query, got, want)
		}
	}
	f("", "Auth Cart Basket Night")
	f("sort=name", "Auth Basket Cart Night")
	f("sort=-name", "Night Cart Basket Auth")
	f("sort=-burn", "Cart Auth Basket Night")
	f("health=breached", "Auth")
	f("find=CART", "Cart")
	f("group=owner", "[core] Auth [shop] Cart Basket [no owner] Night")
	f("sort=nonsense", "Auth Cart Basket Night")
	l := Rows(onPage("find=xyz"), all)
	if len(l.Groups) != 0 || !strings.Contains(l.Table.Empty.Text, "None of 4 SLOs") || l.Table.Empty.Action.Href != "/slos" {
		t.Errorf("empty: %+v", l.Table.Empty)
	}
	var many []slo.Status
	for range 3 * maxRows {
		many = append(many, all[0])
	}
	if l := Rows(onPage(""), many); len(l.Groups[0].Rows) != maxRows || !strings.Contains(l.More.Label, "180") || !l.Searchable {
		t.Errorf("%d rows, more %+v", len(l.Groups[0].Rows), l.More)
	}
	if l := Rows(onPage("all=1"), many); len(l.Groups[0].Rows) != 3*maxRows || l.More.Href != "" {
		t.Errorf("all: %d rows", len(l.Groups[0].Rows))
	}
	// The objectives of one SLO are told apart.
	two := []slo.Status{objective(nil), objective(func(s *slo.Status) { s.Objective = "fast" })}
	if r := Rows(onPage(""), two).Groups[0].Rows[1]; r.Part != "fast" || !strings.Contains(r.Href, "objective=fast") {
		t.Errorf("row %+v", r)
	}
}

func TestColumns(t *testing.T) {
	l := Rows(onPage("sort=-burn"), nil)
	for _, c := range l.Table.Columns {
		if c.Label == "Burn 1 h" && (c.Sorted != "descending" || c.Href != "/slos?sort=burn") || c.Label == "Budget left" && c.Sorted != "" {
			t.Errorf("column %+v", c)
		}
	}
}

// TestNotices: what one has to know to read the numbers is told, and nothing else.
func TestNotices(t *testing.T) {
	f := func(want string, change func(*slo.Status)) {
		t.Helper()
		st := objective(change)
		got := strings.Join(Notices(&st), " ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f("", nil)
	f("Nothing is said", func(s *slo.Status) { s.Problems = []string{"Nothing is said"} })
	f("No event was counted in the window", func(s *slo.Status) { s.Total = 0 })
	f("", func(s *slo.Status) { s.Total, s.Backfill = 0, &slo.Progress{} })
	f("counted in 40% of the window", func(s *slo.Status) { s.Coverage = 0.4 })
	f("one bad event takes 8.0% of the budget", func(s *slo.Status) { s.OneBad = 0.08 })
}

func TestFigures(t *testing.T) {
	f := func(id, value, note string, change func(*slo.Status)) {
		t.Helper()
		st := objective(change)
		for _, k := range Figures(&st) {
			if k.ID == id && (k.Value != value || k.Note != note) {
				t.Errorf("%s: %q, %q, want %q, %q", id, k.Value, k.Note, value, note)
			}
		}
	}
	f("slo.a", "99.989", "objective 99.9%", func(s *slo.Status) { s.Attained = 0.99989 })
	f("slo.a", "–", "no events in the window", func(s *slo.Status) { s.Total = 0 })
	f("slo.l", "50.0%", "21 min 36 s of 43 min 12 s", func(s *slo.Status) { s.Left = 0.5 })
	f("slo.l", "−50.0%", "21 min 36 s over of 43 min 12 s", func(s *slo.Status) { s.Left = -0.5 })
	f("slo.b", "0.5×", "page at 14.4×", nil)
	f("slo.b", "0.5×", "1× lasts exactly the window", func(s *slo.Status) { s.Rules = nil })
	f("slo.n", "10", "of 100\u2009000 events", nil)
	f("slo.n", "10", "of 100\u2009000 slices", func(s *slo.Status) { s.Method = budget.Timeslices })
}

// TestRules: the four states, and why a rule that both windows exceed does not fire.
func TestRules(t *testing.T) {
	st := objective(func(s *slo.Status) {
		s.Rules[0].State, s.Rules[0].Since, s.Rules[0].Reason = slo.RuleFiring, now.Add(-11*time.Minute), "why it fires"
		s.Rules[1].State, s.Rules[1].BurnShort, s.Rules[1].Reason = slo.RuleRising, 7, "why it rises"
		s.Rules[2].BurnShort, s.Rules[2].BurnLong, s.Rules[2].Reason = 5, 5, "1 bad of 40 may be chance"
		s.Rules[3].Reason, s.Rules[3].Alerts, s.Rules[3].Clamped = "nothing to see", 3, true
	})
	rows := Rules(&st).Rows
	f := func(i int, state, reason string) {
		t.Helper()
		if rows[i].State != state || rows[i].Reason != reason {
			t.Errorf("rule %d: %q because %q, want %q because %q", i, rows[i].State, rows[i].Reason, state, reason)
		}
	}
	f(0, "Firing 11 min", "why it fires")
	f(1, "Rising", "why it rises")
	f(2, "Held back", "1 bad of 40 may be chance")
	f(3, "OK", "")
	if rows[0].Threshold != "14.4×" || rows[0].Before != "2.0%" || rows[3].Alerts != "3 alerts" || !strings.Contains(rows[3].ThresholdNote, "lowered from 1×") || !rows[1].ShortBad || rows[1].LongBad {
		t.Errorf("rows %+v", rows)
	}
	if h := Headline(onPage("tab=alerts"), &st); h == nil || h.State != "crit" || h.Second != "why it fires" || h.Actions[0].Href != "/slos#examples" {
		t.Errorf("headline %+v", h)
	}
	calm := objective(nil)
	if h := Headline(onPage(""), &calm); h != nil {
		t.Errorf("headline %+v", h)
	}
}

func TestSpenders(t *testing.T) {
	st := objective(nil)
	s := indicator.Spenders{Bad: 100, Total: 1000, Covered: 0.4, Dimensions: []indicator.Dimension{
		{Name: "operation", Telling: 0.3, Values: []indicator.Spender{{Value: "POST /v1/checkout", Bad: 90, Good: 10, ShareBad: 0.9, ShareGood: 0.3, Lift: 3}}},
		{Name: "status", Telling: 1, Values: []indicator.Spender{{Value: "503", Bad: 100, ShareBad: 1}}},
		{Name: "instance", Telling: 0.9, Values: []indicator.Spender{{Value: indicator.Unknown, Bad: 100, ShareBad: 1, ShareGood: 1}}},
		{Name: "version", Telling: 0.32, Values: []indicator.Spender{{Value: "2", Bad: 100, ShareBad: 1}}, Others: indicator.Spender{Bad: 3, ShareBad: 0.03}},
	}}
	got := Spenders(onPage(""), &st, s)
	if r := got.Rows[0]; r.Method != "POST" || r.Value != "/v1/checkout" || r.ShareText != "90%" || r.GoodText != "30% of good" || r.Class != "crit" {
		t.Errorf("row %+v", r)
	}
	if u, err := url.Parse(got.Rows[0].Href); err != nil || u.Query().Get("q") != `service = checkout-api AND operation = "POST /v1/checkout"` {
		t.Errorf("link %q", got.Rows[0].Href)
	}
	if !strings.Contains(got.Rest, "from the newest 40%") {
		t.Errorf("rest %q", got.Rest)
	}
	by := Spenders(onPage("by=version&spent=day"), &st, s)
	if by.Rows[0].Value != "2" || by.Rows[0].GoodText != "no good one" || !strings.HasPrefix(by.Rest, "others 3%") || by.Sub != "bad events, last day" {
		t.Errorf("%+v", by)
	}
	if none := Spenders(onPage(""), &st, indicator.Spenders{Dimensions: s.Dimensions}); len(none.Rows) > 0 || none.Empty == "" {
		t.Errorf("%+v", none)
	}
}

// TestSearched: values lead to searches that find what they stand for.
func TestSearched(t *testing.T) {
	f := func(dimension, value, wantKey, want string) {
		t.Helper()
		if key, text := searched(dimension, value); key != wantKey || text != want {
			t.Errorf("%s %q: %s %q, want %s %q", dimension, value, key, text, wantKey, want)
		}
	}
	f("operation", "GET /x slow", "operation", "GET /x slow")
	f("version", "2.14.0", "version", "2.14.0")
	f("version", indicator.Unknown, "", "")
	f("instance", "a", "", "")
	f("status", "500", "http.response.status_code", "500")
	f("status", "200 slow", "http.response.status_code", "200")
	f("status", "TimeoutError", "error.type", "TimeoutError")
	f("status", "TimeoutError slow", "error.type", "TimeoutError")
	f("status", "error", "status", "error")
	f("status", "unset slow", "status", "unset")
}

// TestSpentLinks: searches are over the time that the panel is about.
func TestSpentLinks(t *testing.T) {
	st := objective(nil)
	st.Evaluated = now
	p := onPage("spent=day&range=30m&env=prod")
	query := func(href string) url.Values {
		u, err := url.Parse(href)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	s := indicator.Spenders{Bad: 1, Total: 2, Dimensions: []indicator.Dimension{{Name: "version", Values: []indicator.Spender{{Value: "2", Bad: 1}}}}}
	failed, slow := []indicator.Example{{Error: true}}, []indicator.Example{{Error: true}, {Slow: true}}
	for _, href := range []string{Spenders(p, &st, s).Rows[0].Href, Examples(p, &st, failed).More.Href, Examples(p, &st, slow).More.Href} {
		q := query(href)
		if q.Has("range") || q.Get("from") != strconv.FormatInt(now.Add(-24*time.Hour).Unix(), 10) || q.Get("to") != strconv.FormatInt(now.Unix(), 10) || q.Get("env") != "prod" {
			t.Errorf("link %q", href)
		}
	}
	if more := Examples(p, &st, failed).More; more.Label != "All failed requests" || query(more.Href).Get("q") != "service = checkout-api AND status = error" {
		t.Errorf("failed: %+v", more)
	}
	if more := Examples(p, &st, slow).More; strings.Contains(more.Label, "failed") || query(more.Href).Get("q") != "service = checkout-api" {
		t.Errorf("slow: %+v", more)
	}
}

func TestSpentRange(t *testing.T) {
	st := objective(nil)
	f := func(query string, past bool, want time.Duration) {
		t.Helper()
		p := onPage(query)
		p.Range.Past = past
		from, to := SpentRange(p, &st)
		if to.Sub(from) != want {
			t.Errorf("%q: %v to %v, want %v", query, from, to, want)
		}
	}
	f("", false, time.Hour)
	f("", true, 30*time.Minute)
	f("spent=hour", true, time.Hour)
	f("spent=day", false, 24*time.Hour)
	f("spent=window", false, 720*time.Hour)
}

func TestCharts(t *testing.T) {
	st := objective(nil)
	c := Budget(&st, slo.BudgetChart{From: now, Step: time.Hour, Left: []float64{1, 0.5}, Even: []float64{1, 0}, Incidents: []backtest.Incident{{From: 5, To: 9}}}, nil,
		[]slo.Correction{{From: now, To: now.Add(time.Hour)}, {From: now, To: now.Add(time.Hour), Withdrawn: true}})
	if c.Y[1][1] != 50 || c.Step != 3600 || !slices.Equal(c.Zones, []page.Zone{{From: 5, To: 9, Color: "crit"}, {From: now.Unix(), To: now.Unix() + 3600, Color: "idle"}}) {
		t.Errorf("%+v", c)
	}
	b := Burn(&st, slo.BurnChart{From: now, Step: time.Minute, Lines: []history.BurnLine{{Window: time.Hour, Values: []float64{1}}}}, nil)
	if len(b.Lines) != 4 || b.Lines[0].Label != "page 14.4×" || b.Series[0].Label != "1 h" || math.Abs(b.Floor-6.9) > 1e-9 {
		t.Errorf("%+v", b)
	}
	st.Rules[0].Threshold = 9.5 // a total outage would not reach 14.4
	if b := Burn(&st, slo.BurnChart{From: now, Step: time.Minute}, nil); b.Lines[0].Value != 9.5 || b.Lines[0].Label != "page 9.5×" {
		t.Errorf("clamped: %+v", b.Lines)
	}
	loose, err := budget.ParsePercent("90")
	if err != nil {
		t.Fatal(err)
	}
	if l := Levels(loose, st.Window, budget.DefaultPolicy(st.Window)); len(l) != 4 || l[0].Burn >= 10 || l[0].Severity != budget.Page {
		t.Errorf("levels of 90%%: %+v", l)
	}
}

// TestBounds: what is far off does not squeeze the chart.
func TestBounds(t *testing.T) {
	st := objective(nil)
	c := Budget(&st, slo.BudgetChart{From: now, Step: time.Hour, Left: []float64{-270, -3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5}, Even: make([]float64, 8)}, nil, nil)
	if c.Least != -100 {
		t.Errorf("least %v", c.Least)
	}
	c = Budget(&st, slo.BudgetChart{From: now, Step: time.Hour, Left: []float64{1, 0, -8, -10}, Even: make([]float64, 4), Incidents: make([]backtest.Incident, 70)}, nil, nil)
	if c.Least != -1250 || len(c.Zones) != maxZones {
		t.Errorf("least %v, %d zones", c.Least, len(c.Zones))
	}
	b := Burn(&st, slo.BurnChart{From: now, Step: time.Minute, Lines: []history.BurnLine{{Window: time.Hour, Values: []float64{1, 1000}}}}, nil)
	if math.Abs(b.Most-57.6) > 1e-9 || b.Sub != "cut off at 57.6×" {
		t.Errorf("most %v, %q", b.Most, b.Sub)
	}
	if b := Burn(&st, slo.BurnChart{From: now, Step: time.Minute, Lines: []history.BurnLine{{Window: time.Hour, Values: []float64{1, 20}}}}, nil); b.Sub != "1× spends the budget exactly" {
		t.Errorf("%q", b.Sub)
	}
}

func TestOutlook(t *testing.T) {
	st := objective(func(s *slo.Status) {
		s.Window = budget.Window{Calendar: &budget.Calendar{N: 1, Unit: 'M', Zone: "UTC"}}
	})
	l := Outlook(onPage(""), &st, forecast.Forecast{Exhausted: now.Add(48 * time.Hour), Earliest: now.Add(24 * time.Hour), Reason: "so"})
	if len(l.Items) != 3 || l.Items[0].Right != "in 2 d" || !strings.Contains(l.Items[0].Sub, "21 Nov 12:00 on") {
		t.Errorf("%+v", l.Items)
	}
	gone := objective(func(s *slo.Status) { s.Left = -2 })
	if l := Outlook(onPage(""), &gone, forecast.Forecast{Exhausted: now, Points: []forecast.Point{{At: now.Unix(), Left: -2}, {At: now.Add(24 * time.Hour).Unix(), Left: 0.1}}}); l.Items[0].Sub != "there is some again from 21 Nov 12:00 on" {
		t.Errorf("%+v", l.Items)
	}
	if l := Outlook(onPage(""), &st, forecast.Forecast{}); len(l.Items) != 1 {
		t.Errorf("%+v", l.Items)
	}
}

func TestProblems(t *testing.T) {
	got := Problems([]spec.Problem{{Severity: spec.Error, File: "slos/a.yaml", Line: 3, Field: "objective", Message: "is 1.2", Remedy: "write less"}})
	if len(got) != 1 || got[0] != (page.Problem{Where: "slos/a.yaml:3", Text: "objective: is 1.2", Remedy: "write less"}) {
		t.Errorf("%+v", got)
	}
}
