package events

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/querytest"
)

// TestStatements keeps the SQL of indicators, over spans and over the rollups.
func TestStatements(t *testing.T) {
	var b strings.Builder
	for _, ind := range []sli.Indicator{
		{Service: "web", Bad: sli.Bad{Errors: true}},
		{
			Env: "production", Service: "web", Operations: []string{"POST /v1/pay", "GET /v1/*"}, Kinds: []string{"server", "consumer"},
			Matchers: []sli.Matcher{{Key: "version", Op: "!=", Value: "1.0"}, {Key: "http.method", Op: "=~", Value: "GET|POST"}, {Key: "k8s.pod.name", Op: "!~", Value: "canary-.*"}},
			Bad: sli.Bad{
				Errors: true, HTTP: []string{"429", "5xx"}, GRPC: []string{"UNAVAILABLE"}, Slower: 400 * time.Millisecond,
				Matchers: []sli.Matcher{{Key: "http.status_code", Op: "=", Value: "404"}, {Key: "resource.zone", Op: "=", Value: "b"}},
			},
		},
	} {
		for _, on := range []filter.Table{filter.OnSpans, filter.OnRollup} {
			c, err := New(ind, on)
			if err != nil {
				t.Fatal(err)
			}
			c.Between(querytest.Base, querytest.Base.Add(time.Minute))
			from := "red_10s"
			if on == filter.OnSpans {
				from = c.From()
			}
			fmt.Fprintf(&b, "SELECT sumIf(1, %s)\nFROM %s\nWHERE %s\n\n", c.Bad, from, c)
		}
	}
	querytest.Golden(t, "conditions.sql", b.String())
}

// TestAffordable bounds what is read of spans and says how far it came.
func TestAffordable(t *testing.T) {
	blocks := []Block{{Start: 30, Cost: 100}, {Start: 20, Cost: 200}, {Start: 10, Cost: 100}}
	f := func(budget time.Duration, want int) {
		t.Helper()
		if got := Affordable(blocks, budget); got != want {
			t.Errorf("%v: %d, want %d", budget, got, want)
		}
	}
	f(0, 1)
	f(100, 1)
	f(300, 2)
	f(399, 2)
	f(400, 3)
	f(time.Hour, 3)
}

func TestCostOf(t *testing.T) {
	f := func(spans, own float64, slots int, attributes bool, want time.Duration) {
		t.Helper()
		if got := costOf(spans, own, slots, attributes); got != want {
			t.Errorf("%v spans, %v own, %d slots: %v, want %v", spans, own, slots, got, want)
		}
	}
	f(0, 0, 30, true, 0)
	f(1000, 10, 30, false, 33*time.Microsecond) // one granule, whatever the service
	f(1e6, 1e5, 30, true, 126304*time.Microsecond)
	f(1e6, 1e6, 30, true, 208*time.Millisecond)
}

func TestBound(t *testing.T) {
	f := func(d time.Duration, bucket int, share float64) {
		t.Helper()
		if got := NewBound(d); got.Bucket != bucket || math.Abs(got.Share-share) > 1e-5 {
			t.Errorf("%v: %+v", d, got)
		}
	}
	f(0, 0, 0)
	f(1, 0, 0)
	f(1<<20, 160, 0)
	f(1<<20+1, 161, 1-8*math.Log2(1+1./(1<<20)))
	f(time.Duration(math.Exp2(20.0625)), 161, 0.5)
}

func TestFinder(t *testing.T) {
	second := sli.Slot.Seconds()
	r := SurveyRange(time.Unix(0, 0), time.Unix(900, 0))
	blocks := []Block{{Start: 600, Cost: 1000}, {Start: 300, Cost: 1000, bad: 3}, {Start: 0, Cost: 1000, bad: 1}}
	const cost = 1000
	f := newFinder(r, blocks)
	take := func(budget time.Duration, covered float64, slots int, first uint32) {
		t.Helper()
		p, ok := f.Next(time.Unix(0, 0), time.Unix(900, 0), budget)
		if !ok || math.Abs(p.Covered-covered) > 1e-9 || len(p.Slots) != slots || slots > 0 && p.Slots[0] != first {
			t.Errorf("%v %+v", ok, p)
		}
	}
	take(cost, 0.75, int(300/second), 300)
	take(3*cost, 0.25, int(600/second), 0)
	if p, ok := f.Next(time.Unix(0, 0), time.Unix(900, 0), cost); ok {
		t.Errorf("more: %+v", p)
	}
	// All at once needs no list, and without bad events the newest come first.
	f = newFinder(r, []Block{{Start: 600, Cost: 1000}, {Start: 300, Cost: 1000}})
	take(2*cost, 1, 0, 0)
	f = newFinder(r, []Block{{Start: 300, Cost: 1000}, {Start: 600, Cost: 1000}})
	take(cost, 0.5, int(300/second), 600)
}
