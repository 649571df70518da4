package query

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"loadline/query/filter"
	"loadline/query/querytest"
	"loadline/query/rollup"
)

func minute() rollup.Range {
	return rollup.NewRange(querytest.Base, querytest.Base.Add(time.Minute), 100)
}

func TestRED(t *testing.T) {
	store, _ := newStore(t, querytest.Shop()...)
	red, err := store.RED(context.Background(), filter.Selector{Service: "web"}, minute())
	if err != nil {
		t.Fatal(err)
	}
	if red.Totals.Requests != 60 || red.Totals.Errors != 6 || !querytest.Near(red.Totals.RequestRate, 1) || !querytest.Near(red.Totals.ErrorRate, 0.1) || red.Totals.Spans != 60 {
		t.Errorf("totals: %+v", red.Totals)
	}
	if !querytest.Within(red.Totals.P50, 129*time.Millisecond, 0.045) || !querytest.Within(red.Totals.P99, 159*time.Millisecond, 0.045) || !querytest.Within(red.Totals.Mean, 129500*time.Microsecond, 1e-6) {
		t.Errorf("latency: %+v", red.Totals)
	}
	if len(red.Times) != 6 || !red.Times[1].Equal(querytest.Base.Add(10*time.Second)) {
		t.Errorf("times: %v", red.Times)
	}
	for i := range red.Times {
		if !querytest.Near(red.Requests[i], 1) || !querytest.Near(red.Errors[i], 0.1) || math.IsNaN(red.P95[i]) {
			t.Errorf("step %d: %v requests, %v errors, p95 %v", i, red.Requests[i], red.Errors[i], red.P95[i])
		}
	}
	if len(red.Classes) != 2 || red.Classes[0].Class != "2xx" || !querytest.Near(red.Classes[0].Rates[3], 0.9) || red.Classes[1].Class != "5xx" || !querytest.Near(red.Classes[1].Rates[3], 0.1) {
		t.Errorf("classes: %+v", red.Classes)
	}
	if len(red.Exemplars) != 6 || !red.Exemplars[0].Error || red.Exemplars[0].TraceID != mustTraceID(t, 10) || red.Exemplars[0].Duration != 109*time.Millisecond {
		t.Errorf("exemplars: %+v", red.Exemplars)
	}
}

func TestREDOfEverythingCountsInboundOnly(t *testing.T) {
	store, _ := newStore(t, querytest.Shop()...)
	f := func(sel filter.Selector, want float64) {
		t.Helper()
		red, err := store.RED(context.Background(), sel, minute())
		if err != nil {
			t.Fatal(err)
		}
		if red.Totals.Requests != want {
			t.Errorf("%+v: %v requests, want %v", sel, red.Totals.Requests, want)
		}
	}
	f(filter.Selector{}, 120)
	f(filter.Selector{Service: "cron"}, 0)
	f(filter.Selector{}.With("kind", filter.Equal, "client"), 60)
	f(filter.Selector{}.With("root", filter.Equal, "true"), 60)
	f(filter.Selector{}.With("status", filter.Equal, "5xx"), 6)
	f(filter.Selector{}.With("error", filter.Equal, "true"), 6)
	f(filter.Selector{}.With("version", filter.Equal, "2.1"), 60)
	f(filter.Selector{Env: "staging"}, 0)
	f(filter.Selector{Service: "web", Operation: "GET /cart"}, 60)
	f(filter.Selector{Service: "web'; DROP TABLE spans; --"}, 0)
}

func TestREDRefusesUnknownKeys(t *testing.T) {
	store, _ := newStore(t)
	sel := filter.Selector{}.With("user.id", filter.Equal, "7")
	_, err := store.RED(context.Background(), sel, minute())
	var unknown *filter.NotRolledUpError
	if !errors.As(err, &unknown) || unknown.Key != "user.id" {
		t.Errorf("error %v", err)
	}
	if known, all := sel.RolledUp(); all || len(known.Matchers) != 0 {
		t.Errorf("rolled up: %+v, %v", known, all)
	}
}

func TestREDOfNothing(t *testing.T) {
	store, _ := newStore(t)
	red, err := store.RED(context.Background(), filter.Selector{}, minute())
	if err != nil {
		t.Fatal(err)
	}
	if red.Totals != (rollup.Totals{}) || !math.IsNaN(red.P50[0]) || red.Requests[0] != 0 || len(red.Exemplars) != 0 {
		t.Errorf("%+v", red)
	}
}

// TestREDTiers asks for the same traffic at steps that need each of the three rollups.
func TestREDTiers(t *testing.T) {
	var spans []querytest.Span
	for i := range 240 { // four hours, one request a minute
		spans = append(spans, querytest.Span{At: time.Duration(i) * time.Minute, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /", HTTP: 200, Weight: 2})
	}
	store, _ := newStore(t, spans...)
	f := func(maxPoints int, wantStep time.Duration, wantTable string) {
		t.Helper()
		r := rollup.NewRange(querytest.Base, querytest.Base.Add(4*time.Hour), maxPoints)
		if r.Step != wantStep || r.Tier().Table != wantTable {
			t.Errorf("%d points: step %v from %s", maxPoints, r.Step, r.Tier().Table)
		}
		red, err := store.RED(context.Background(), filter.Selector{}, r)
		if err != nil {
			t.Fatal(err)
		}
		if red.Totals.Requests != 480 || red.Totals.Spans != 240 || !querytest.Near(red.Requests[1], 2.0/60) {
			t.Errorf("%d points: %+v, rate %v", maxPoints, red.Totals, red.Requests[1])
		}
		if red.Previous.Requests != 360 {
			t.Errorf("%d points: %v requests in the hours before, want 360", maxPoints, red.Previous.Requests)
		}
	}
	f(240, time.Minute, "red_10s")
	f(100, 5*time.Minute, "red_5m")
	f(4, time.Hour, "red_1h")
}

func TestRatesOfTheLastStepDivideByWhatIsOver(t *testing.T) {
	store, _ := newStore(t, querytest.Shop()...)
	r := rollup.NewRange(querytest.Base, querytest.Base.Add(55*time.Second), 100)
	red, err := store.RED(context.Background(), filter.Selector{Service: "web"}, r)
	if err != nil {
		t.Fatal(err)
	}
	// All 60 requests are stored, 10 of them in the 5 s that are over of the last step.
	if !querytest.Near(red.Requests[5], 2) || !querytest.Near(red.Totals.RequestRate, 60.0/55) {
		t.Errorf("last step %v, total %v", red.Requests[5], red.Totals.RequestRate)
	}
}

func TestHeatmap(t *testing.T) {
	store, _ := newStore(t, querytest.Shop()...)
	h, err := store.Heatmap(context.Background(), filter.Selector{}, minute())
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Times) != 6 || len(h.Bounds) == 0 || len(h.Bounds) > maxHeatmapRows || h.Lowest >= 40*time.Millisecond || h.Bounds[len(h.Bounds)-1] < 159*time.Millisecond {
		t.Fatalf("%v to %v in %d rows", h.Lowest, h.Bounds, len(h.Bounds))
	}
	var sum float64
	for _, counts := range h.Counts {
		for _, n := range counts {
			sum += n
		}
	}
	if sum != 120 || h.Max != 10 {
		t.Errorf("%v requests, at most %v in a cell", sum, h.Max)
	}
}

func TestHeatmapHasFewRows(t *testing.T) {
	var spans []querytest.Span
	for i := range 30 {
		spans = append(spans, querytest.Span{Trace: i + 1, Span: 1, Service: "web", Duration: time.Duration(1) << i})
	}
	store, _ := newStore(t, spans...)
	h, err := store.Heatmap(context.Background(), filter.Selector{}, minute())
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Bounds) > maxHeatmapRows || len(h.Bounds) < maxHeatmapRows/3 {
		t.Errorf("%d rows", len(h.Bounds))
	}
	for i := 1; i < len(h.Bounds); i++ {
		if h.Bounds[i] < h.Bounds[i-1] {
			t.Errorf("bounds %v", h.Bounds)
		}
	}
}
