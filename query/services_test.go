package query

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/query/filter"
	"loadline/query/querytest"
	"loadline/query/rollup"
)

func TestServices(t *testing.T) {
	spans := querytest.Shop()
	for i := range 30 { // an hour earlier web was faster
		spans = append(spans, querytest.Span{At: -time.Hour + time.Duration(i)*time.Second, Trace: 5000 + i, Span: 1, Service: "web", Operation: "GET /cart", Duration: 20 * time.Millisecond, HTTP: 200, Version: "0.9"})
	}
	store, db := newStore(t, spans...)
	querytest.Exec(t, db, `INSERT INTO resources (resource_id, service, language, last_seen) VALUES (1, 'web', 'go', '2026-11-21 10:00:00'), (2, 'shop', 'java', '2026-11-21 10:00:00')`)
	querytest.Exec(t, db, `INSERT INTO deployments (service, env, version, first_seen, last_seen) VALUES ('web', 'production', '0.9', '2026-11-20 00:00:00', '2026-11-21 10:00:00'), ('web', 'production', '1.0', '2026-11-21 09:50:00', '2026-11-21 10:01:00'), ('shop', 'production', '2.1', '2026-11-01 00:00:00', '2026-11-21 10:01:00')`)
	list, err := store.Services(context.Background(), filter.Selector{}, minute())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 {
		t.Fatalf("%d services", len(list))
	}
	shop, web, cron := list[0], list[1], list[2]
	if shop.Service != "shop" || shop.Requests != 60 || shop.Language != "java" || shop.Endpoints != 1 || shop.Env != "production" || !shop.Inbound {
		t.Errorf("shop: %+v", shop)
	}
	if web.Service != "web" || web.Requests != 60 || web.Errors != 6 || web.Instances != 1 || web.Language != "go" || web.Previous.Requests != 30 || !querytest.Within(web.Previous.P95, 20*time.Millisecond, 0.045) {
		t.Errorf("web: %+v", web)
	}
	if diff := cmp.Diff([]string{"1.0"}, web.Versions); diff != "" {
		t.Error(diff)
	}
	if web.LastDeploy.Version != "1.0" || !web.LastDeploy.At.Equal(querytest.Base.Add(-10*time.Minute)) {
		t.Errorf("last deploy %+v", web.LastDeploy)
	}
	if len(web.Rates) != 6 || !querytest.Near(web.Rates[2], 1) || !querytest.Near(web.ErrorRates[2], 0.1) || math.IsNaN(web.P99s[5]) {
		t.Errorf("sparklines %v %v %v", web.Rates, web.ErrorRates, web.P99s)
	}
	if cron.Service != "cron" || cron.Inbound || cron.Requests != 1 || cron.Endpoints != 0 || !math.IsNaN(cron.P99s[0]) {
		t.Errorf("cron: %+v", cron)
	}
	if list, err := store.Services(context.Background(), filter.Selector{Env: "staging"}, minute()); err != nil || len(list) != 0 {
		t.Errorf("staging: %+v, %v", list, err)
	}
}

func TestVersionsNewestFirst(t *testing.T) {
	s := ServiceRED{Versions: []string{"1.0", "1.1", "1.2", "x"}}
	s.setDeploys([]Deployment{{Version: "1.1", First: querytest.Base}, {Version: "0.9"}, {Version: "1.2"}, {Version: "1.0"}})
	if diff := cmp.Diff([]string{"1.1", "1.2", "1.0", "x"}, s.Versions); diff != "" || s.LastDeploy != (Deploy{"1.1", querytest.Base}) {
		t.Errorf("%s %+v", diff, s.LastDeploy)
	}
}

func TestSparklinesOfLongRanges(t *testing.T) {
	store, _ := newStore(t, querytest.Shop()...)
	list, err := store.Services(context.Background(), filter.Selector{}, rollup.NewRange(querytest.Base.Add(-30*time.Minute), querytest.Base.Add(time.Minute), 240))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if len(s.Rates) > maxSparkPoints || len(s.Rates) < maxSparkPoints/2 {
			t.Errorf("%s: %d points", s.Service, len(s.Rates))
		}
		var sum float64
		for _, rate := range s.Rates {
			sum += rate
		}
		if s.Service == "web" && sum < 1 {
			t.Errorf("web: rates %v", s.Rates)
		}
	}
}

func TestEndpoints(t *testing.T) {
	store, _ := newStore(t, querytest.Shop()...)
	list, err := store.Endpoints(context.Background(), filter.Selector{}, minute())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Service != "web" || list[1].Service != "shop" {
		t.Fatalf("%+v", list)
	}
	web := list[0]
	if web.Method != "GET" || web.Route != "/cart" || web.Kind != "server" || web.Requests != 60 || web.Errors != 6 {
		t.Errorf("%+v", web)
	}
	if !querytest.Near(web.Impact, 129.5/169.5) || !querytest.Near(list[1].Impact, 40/169.5) {
		t.Errorf("impact %v, %v", web.Impact, list[1].Impact)
	}
	if web.Slowest.TraceID != mustTraceID(t, 60) || !web.Slowest.Error || web.Slowest.Duration != 159*time.Millisecond || !web.Slowest.Time.Equal(querytest.Base.Add(50*time.Second)) || web.Failed.TraceID != web.Slowest.TraceID {
		t.Errorf("slowest %+v, failed %+v", web.Slowest, web.Failed)
	}
	if !list[1].Failed.TraceID.IsZero() {
		t.Errorf("shop failed: %+v", list[1].Failed)
	}
	operations, err := store.Operations(context.Background(), "web", minute())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Operation{{"GET", "client", 60}, {"GET /cart", "server", 60}}, operations); diff != "" {
		t.Error(diff)
	}
}

func TestSplitOperation(t *testing.T) {
	f := func(operation, method, route string) {
		t.Helper()
		if m, r := SplitOperation(operation); m != method || r != route {
			t.Errorf("%q: %q, %q", operation, m, r)
		}
	}
	f("POST /v1/checkout", "POST", "/v1/checkout")
	f("GET /a b", "GET", "/a b")
	f("SELECT carts", "", "SELECT carts")
	f("process orders", "", "process orders")
	f("GET", "", "GET")
	f(" /x", "", " /x")
	f("", "", "")
}

func TestDependencies(t *testing.T) {
	store, db := newStore(t)
	row := `INSERT INTO edges (slice, env, client, server, server_type, calls, errors, duration, latency) VALUES `
	querytest.Exec(t, db, row+`('2026-11-21 10:00:00', 'production', 'web', 'shop', 'service', 99, 0, 99e6, ([160], [99]))`)
	querytest.Exec(t, db, row+`('2026-11-21 10:00:00', 'production', 'web', 'shop', 'service', 60, 6, 60e6, ([160], [60])), ('2026-11-21 10:01:00', 'production', 'web', 'shop', 'service', 60, 0, 120e6, ([168], [60]))`)
	querytest.Exec(t, db, row+`('2026-11-21 10:01:00', 'production', 'shop', 'postgresql:shop', 'database', 240, 0, 240e6, ([160, 161], [239, 1])), ('2026-11-21 11:00:00', 'production', 'late', 'x', 'service', 1, 0, 1, ([0], [1])), ('2026-11-21 10:01:00', 'staging', 'a', 'b', 'external', 1, 0, 1, ([0], [1]))`)
	f := func(sel filter.Selector, want ...string) []Edge {
		t.Helper()
		list, err := store.Dependencies(context.Background(), sel, rollup.NewRange(querytest.Base, querytest.Base.Add(2*time.Minute), 100))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			got = append(got, e.Client+">"+e.Server)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v: %s", sel, diff)
		}
		return list
	}
	list := f(filter.Selector{}, "shop>postgresql:shop", "web>shop", "a>b")
	f(filter.Selector{Env: "production"}, "shop>postgresql:shop", "web>shop")
	f(filter.Selector{Service: "web"}, "web>shop")
	f(filter.Selector{Service: "shop"}, "shop>postgresql:shop", "web>shop")
	e := list[1]
	if e.Calls != 120 || e.Errors != 6 || !querytest.Near(e.CallRate, 1) || !querytest.Near(e.ErrorRate, 0.05) || e.Duration != 180*time.Millisecond || e.Mean != 1500*time.Microsecond || !querytest.Within(e.P99, 2*time.Millisecond, 0.045) || e.ServerType != "service" {
		t.Errorf("%+v", e)
	}
	if _, err := store.Dependencies(context.Background(), filter.Selector{Operation: "GET /"}, minute()); err == nil {
		t.Error("operation: no error")
	}
}
