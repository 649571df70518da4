package sloapi

import (
	"encoding/csv"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/query/querytest"
	"loadline/web/sloapi/wire"
)

// traffic is two hours of a request every 10 seconds until half an hour ago; each 50th fails, all of version 2. The times
// are those of the clock, by which an engine goes.
func traffic(now time.Time) (spans []querytest.Span, bad int) {
	begin := now.Truncate(10 * time.Second).Add(-150 * time.Minute)
	for i := range 720 {
		s := querytest.Span{
			At: begin.Add(time.Duration(i) * 10 * time.Second).Sub(querytest.Base), Trace: i + 1, Span: 1, Service: "web",
			Operation: "GET /", Version: "1", Kind: "server", HTTP: 200, Duration: time.Millisecond,
		}
		if i%2 == 1 {
			s.Version = "2"
		}
		if i%50 == 49 {
			s.Error, s.HTTP = true, 500
			bad++
		}
		spans = append(spans, s)
	}
	return spans, bad
}

// TestState looks at an objective whose past was counted, in every way.
func TestState(t *testing.T) {
	now := time.Now()
	spans, bad := traffic(now)
	a := newAPI(t, spans...)
	a.run()
	a.good("POST", "", checkout+"group_by: version\n", new(wire.Applied))
	var s wire.Status
	a.eventually(func() error {
		a.good("GET", "/checkout/status", "", &s)
		if len(s.Objectives) != 1 || s.Objectives[0].Total != 720 || s.Objectives[0].Health == "counting" || len(s.Groups) != 2 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	left := 1 - float64(bad)/720/0.01
	o := s.Objectives[0]
	if o.Bad != uint64(bad) || math.Abs(float64(o.Left)-left) > 1e-9 || o.Target != "99%" || o.Window != "30 days" || !o.Rolling || o.Owner != "shop" || len(o.Rules) == 0 || o.Rules[0].Long == "" {
		t.Errorf("%+v", o)
	}
	if g := s.Groups[0]; g.Group != "2" || g.Bad != uint64(bad) || g.Total != 360 || s.Groups[1].Bad != 0 {
		t.Errorf("%+v", s.Groups)
	}
	t.Run("list", func(t *testing.T) { a.listed() })
	t.Run("charts", func(t *testing.T) { a.charts(float64(o.Projected)) })
	t.Run("why", func(t *testing.T) { a.why(bad) })
	t.Run("backtest", func(t *testing.T) { a.backtests(bad) })
	t.Run("report", func(t *testing.T) { a.reports(now) })
	t.Run("suggestions", func(t *testing.T) { a.suggested() })
}

func (a *api) listed() {
	f := func(query string, want int) {
		a.Helper()
		var list []wire.Objective
		a.good("GET", query, "", &list)
		if len(list) != want {
			a.Errorf("%s: %d objectives, want %d", query, len(list), want)
		}
	}
	f("", 1)
	f("?service=web&owner=shop", 1)
	f("?service=other", 0)
	f("?owner=", 0)
	f("?health=no_data", 0)
	var status wire.Status
	a.good("GET", "/checkout/status?objective=default", "", &status)
	if len(status.Objectives) != 1 || len(status.Groups) != 2 {
		a.Errorf("%+v", status)
	}
}

// charts end with what is left of the whole period's budget. It changes a little while time goes on.
func (a *api) charts(left float64) {
	var b wire.Budget
	a.good("GET", "/checkout/budget?from=-3h&points=100", "", &b)
	if n := len(b.Left); n == 0 || n > 100 || len(b.Even) != n || math.Abs(float64(b.Left[n-1])-left) > 3e-4 || b.Left[n-1] == 1 || b.Step <= 0 {
		a.Errorf("%+v, want %v left", b, left)
	}
	a.good("GET", "/checkout/budget?group=1", "", &b)
	if n := len(b.Left); n == 0 || b.Left[n-1] != 1 {
		a.Errorf("a group without bad events: %+v", b)
	}
	var c wire.Burn
	a.good("GET", "/checkout/burn?from=-3h&points=50", "", &c)
	if len(c.Lines) == 0 || c.Lines[0].Window != "1h" || len(c.Lines[0].Values) == 0 {
		a.Errorf("%+v", c)
	}
	var f wire.Forecast
	a.good("GET", "/checkout/forecast", "", &f)
	if f.Reason == "" {
		a.Errorf("%+v", f)
	}
}

func (a *api) why(bad int) {
	var s wire.Spenders
	a.good("GET", "/checkout/spenders?from=-3h", "", &s)
	shares := map[string]wire.Spender{}
	for _, d := range s.Dimensions {
		if d.Name == "version" {
			for _, v := range d.Values {
				shares[v.Value] = v
			}
		}
	}
	if v := shares["2"]; s.Bad != int64(bad) || v.Bad != int64(bad) || v.ShareBad != 1 || v.Lift < 2 {
		a.Errorf("%+v", s)
	}
	var examples []wire.Example
	a.good("GET", "/checkout/examples?from=-3h&limit=3", "", &examples)
	if len(examples) != 3 || !examples[0].Error || examples[0].Status != 500 || examples[0].URL != "/traces/"+examples[0].TraceID+"?span="+examples[0].SpanID {
		a.Errorf("%+v", examples)
	}
}

func (a *api) backtests(bad int) {
	var list []wire.Backtest
	a.good("POST", "/backtest?slo=checkout&from=-3h", "", &list)
	if len(list) != 1 || list[0].Total != 720 || list[0].Bad != uint64(bad) || len(list[0].Points) == 0 || list[0].Quality == nil || len(list[0].Grid) < 5 {
		a.Fatalf("%+v", list)
	}
	tightest := 1 - float64(bad)/720
	if got := float64(list[0].Tightest); got > tightest || got < tightest-1e-5 {
		a.Errorf("tightest %v, want %v", got, tightest)
	}
	loose := strings.NewReplacer("checkout", "loose", "99%", "90%").Replace(checkout)
	a.good("POST", "/backtest?from=-3h", loose, &list)
	if len(list) != 1 || list[0].SLO != "loose" || list[0].Left <= 0 || list[0].Target != "90%" {
		a.Errorf("%+v", list)
	}
}

func (a *api) reports(now time.Time) {
	var r wire.Report
	a.good("GET", "/checkout/report?month="+now.UTC().Format("2006-01"), "", &r)
	if len(r.Objectives) != 1 || r.Objectives[0].Target != "99%" || len(r.Objectives[0].Days) == 0 || r.Corrections == nil {
		a.Errorf("%+v", r)
	}
	got := a.ask("GET", "/checkout/report?format=csv", "")
	rows, err := csv.NewReader(strings.NewReader(got.text)).ReadAll()
	if err != nil || got.code != 200 || len(rows) < 3 {
		a.Fatalf("status %d, %v: %s", got.code, err, got.text)
	}
	want := []string{"slo", "objective", "target", "day", "bad", "total", "attained", "budget_spent", "budget_left", "met", "coverage"}
	if diff := cmp.Diff(want, rows[0]); diff != "" {
		a.Error(diff)
	}
	if kind := got.header.Get("Content-Disposition"); kind != `inline; filename="checkout-`+now.UTC().Format("2006-01")+`.csv"` {
		a.Error(kind)
	}
}

func (a *api) suggested() {
	var list []wire.Suggestion
	a.good("GET", "/suggestions", "", &list)
	if len(list) == 0 || list[0].Service != "web" || list[0].Operation != "GET /" || list[0].Requests == 0 || list[0].Threshold <= 0 {
		a.Errorf("%+v", list)
	}
}
