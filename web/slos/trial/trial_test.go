package trial

import (
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"loadline/query/indicator"
	"loadline/slo"
	"loadline/slo/backtest"
	"loadline/slo/budget"
	"loadline/slo/rule"
	"loadline/web/slos/form"
	"loadline/web/slos/page"
	"loadline/web/view"
)

var (
	now    = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	onPage = view.Page{Path: "/slos/new", Now: now, Zone: time.UTC}
)

func TestShow(t *testing.T) {
	v := form.New()
	v.Service = "checkout-api"
	s, mistakes := v.SLO()
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	var out page.Preview
	Show(onPage, &out, &s, &slo.Preview{})
	if !strings.Contains(out.Empty, "Nothing of the last 30 days matches") {
		t.Errorf("empty: %+v", out)
	}
	from := now.Add(-Length).Unix()
	p := slo.Preview{Result: backtest.Result{
		Pages: 3, Tickets: 1, Total: 1000, Attained: 0.9995, Left: 0.5, Incidents: make([]backtest.Incident, 3), Caught: 2, Delay: 4 * time.Minute, Tightest: 0.9994,
		Points: []backtest.Point{{At: from, Left: 1, BurnLong: 1}, {At: now.Unix(), Left: 0.5, BurnLong: 2}},
		Events: []rule.Change{{Tier: "a", Severity: budget.Page, State: "firing", At: from + 100, BurnLong: 20}, {Tier: "a", Severity: budget.Page, State: "resolved", At: from + 700}, {Tier: "b", Severity: budget.Ticket, State: "firing", At: from + 900}},
	}}
	Show(onPage, &out, &s, &p)
	var facts []string
	for _, f := range out.Facts {
		facts = append(facts, f.Value)
	}
	if got := strings.Join(facts, "|"); got != "99.950%|50.0%|3 / 1|2 of 3|4 min|99.940%" {
		t.Errorf("facts %s", got)
	}
	if z := out.Burn.Zones; len(z) != 2 || z[1] != (page.Zone{From: from + 100, To: from + 700, Color: "crit"}) || z[0].To != now.Unix() || z[0].Color != "warn" {
		t.Errorf("zones %+v", z)
	}
	if r := out.Alerts.Rows; len(r) != 2 || r[0][1].Text != "Ticket" || r[0][3].Text != "goes on" || r[1][3].Text != "10 min" {
		t.Errorf("alerts %+v", r)
	}
	if !out.Burn.Fixed || !out.Budget.Fixed {
		t.Error("marking a stretch of the preview would leave the form")
	}
}

func TestCounted(t *testing.T) {
	none := math.NaN()
	f := func(want int, left ...float64) {
		t.Helper()
		var points []backtest.Point
		for _, v := range left {
			points = append(points, backtest.Point{Left: v})
		}
		if got := counted(points); len(got) != want {
			t.Errorf("%v: %d points, want %d", left, len(got), want)
		}
	}
	f(3, 1, 1, 1)
	f(2, none, 1, none)
	f(2, none, none, 1)
	f(2, none, none)
	f(1, 1)
}

// TestQuality: how exact a preview is, is told.
func TestQuality(t *testing.T) {
	f := func(q indicator.Quality, want string) {
		t.Helper()
		if got := qualityNote(onPage, &q); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", q, got, want)
		}
	}
	f(indicator.Quality{Source: indicator.FromRollups, Resolution: 10 * time.Second}, "exact")
	f(indicator.Quality{Source: indicator.FromRollups, Resolution: 5 * time.Minute}, "known by 5 min")
	f(indicator.Quality{Approximate: true, BadLow: 10, BadHigh: 30}, "between 10 and 30")
	f(indicator.Quality{Source: indicator.FromSpans, From: now.Add(-2 * time.Hour), Full: 90 * time.Second}, "from spans since 10:00:00; the rest is counted after you save, in about 1 min 30 s")
	f(indicator.Quality{Source: indicator.FromSpans, From: now.Add(-Length)}, "exact")
}

func TestSuggestions(t *testing.T) {
	list := []indicator.Suggestion{
		{Service: "a", Operation: "GET /x", LatencyTarget: "99.5", Threshold: 250 * time.Millisecond, Fast: 0.9973, Requests: 1000},
		{Service: "b", Operation: "GET /y"},
		{Service: "c", Operation: "GET /z", AvailabilityTarget: "99.9", Availability: 0.9996, Requests: 5000},
	}
	got := Suggestions(view.Page{Path: "/slos", Query: url.Values{"range": {"1h"}}}, list, nil)
	if len(got) != 2 || got[0].Title != "GET /x of a: 99.5% under 250 ms" || !strings.Contains(got[1].Text, "99.960%") {
		t.Fatalf("%+v", got)
	}
	u, err := url.Parse(got[0].Adjust)
	if err != nil || u.Query().Get("range") != "1h" || u.Query().Get("objective") != "99.5%" {
		t.Errorf("address %q", got[0].Adjust)
	}
	name := "a-get-x-speed"
	if got := Suggestions(onPage, list, []slo.Status{{Ref: slo.Ref{SLO: name}}}); len(got) != 1 {
		t.Errorf("an SLO that there is, is suggested: %+v", got)
	}
}
