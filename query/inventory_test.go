package query

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDeployments(t *testing.T) {
	store, db := newStore(t)
	exec(t, db, `INSERT INTO deployments (service, env, version, first_seen, last_seen) VALUES ('web', 'production', '1.0', '2026-11-21 10:00:10', '2026-11-21 10:00:20')`)
	exec(t, db, `INSERT INTO deployments (service, env, version, first_seen, last_seen) VALUES ('web', 'production', '1.0', '2026-11-21 10:00:30', '2026-11-21 11:00:00'), ('web', 'staging', '1.1', '2026-11-21 10:00:40', '2026-11-21 11:00:00'), ('shop', 'production', '3', '2026-11-20 00:00:00', '2026-11-21 10:00:40'), ('shop', 'production', '', '2026-11-21 10:00:30', '2026-11-21 11:00:00')`)
	f := func(sel Selector, want ...Deployment) {
		t.Helper()
		got, err := store.Deployments(context.Background(), sel, minute())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v: %s", sel, diff)
		}
	}
	first := Deployment{"web", "production", "1.0", base.Add(10 * time.Second), base.Add(time.Hour)}
	second := Deployment{"web", "staging", "1.1", base.Add(40 * time.Second), base.Add(time.Hour)}
	f(Selector{}, second, first)
	f(Selector{Env: "production"}, first)
	f(Selector{Service: "shop"})
}

func TestInstances(t *testing.T) {
	store, db := newStore(t, shopSpans()...)
	exec(t, db, `INSERT INTO resources (resource_id, service, instance, attributes, attribute_types, last_seen) VALUES (1, 'web', 'web-1', map('host.name', 'a'), 's', '2026-11-21 09:30:00'), (7, 'web', 'web-2', map(), '', '2026-11-21 09:40:00'), (8, 'web', 'web-old', map(), '', '2026-11-21 08:00:00'), (2, 'shop', 'shop-1', map(), '', '2026-11-21 10:00:00')`)
	list, err := store.Instances(context.Background(), "web", minute())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Instance != "web-1" || !list[0].Live || list[1].Instance != "web-2" || list[1].Live {
		t.Fatalf("%+v", list)
	}
	at := list[0]
	if !near(at.RequestRate, 1) || !near(at.ErrorRate, 0.1) || at.P95 < 150*time.Millisecond || at.P95 > 160*time.Millisecond || at.Attributes[0].Value != "a" {
		t.Errorf("%+v", at)
	}
}

func TestOverview(t *testing.T) {
	store, _ := newStore(t, shopSpans()...)
	o, err := store.Overview(context.Background(), Selector{}, NewRange(base, base.Add(time.Minute), 100))
	if err != nil {
		t.Fatal(err)
	}
	want := &Overview{Services: 3, Endpoints: 2, Instances: 3, Envs: []string{"production"}, Spans: 181, SpanRate: 181.0 / 60, LastEvent: base.Add(50 * time.Second), Lag: time.Second - 2*time.Millisecond}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Error(diff)
	}
	if o, err = store.Overview(context.Background(), Selector{}, NewRange(base.Add(time.Hour), base.Add(2*time.Hour), 100)); err != nil {
		t.Fatal(err)
	}
	if o.Services != 0 || !o.LastEvent.Equal(base.Add(50*time.Second)) || o.Lag != 2*time.Hour-50*time.Second {
		t.Errorf("hours later: %+v", o)
	}
	empty, _ := newStore(t)
	if o, err = empty.Overview(context.Background(), Selector{}, minute()); err != nil || !o.LastEvent.IsZero() || o.Lag != 0 {
		t.Errorf("nothing stored: %+v, %v", o, err)
	}
}

func TestStorage(t *testing.T) {
	store, _ := newStore(t, shopSpans()...)
	stats, err := store.Storage(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(stats.Tables, func(t TableStats) bool { return t.Name == "spans" })
	if i < 0 {
		t.Fatalf("%+v", stats)
	}
	spans := stats.Tables[i]
	if spans.Rows != 181 || spans.Bytes == 0 || spans.RawBytes == 0 || spans.Parts == 0 || spans.Oldest.Format(time.DateOnly) != "2026-11-21" || spans.Newest.Format(time.DateOnly) != "2026-11-21" {
		t.Errorf("%+v", spans)
	}
	if stats.Rows < 181 || stats.Bytes < spans.Bytes {
		t.Errorf("%+v", stats)
	}
}

func TestFacets(t *testing.T) {
	store, db := newStore(t, searchSpans()...)
	exec(t, db, `INSERT INTO resources (resource_id, service, attributes, attribute_types) VALUES (1, 'web', map('k8s.pod.name', 'web-a', 'team', 'red'), 'ss'), (2, 'web', map('k8s.pod.name', 'web-b', 'team', 'blue'), 'ss')`)
	f := func(q TraceQuery, total float64, sampled bool, key string, want ...FacetValue) {
		t.Helper()
		q.Range = fiveMinutes()
		got, err := store.Facets(context.Background(), q, []string{key})
		if err != nil {
			t.Fatal(err)
		}
		if !near(got.Total, total) || got.Sampled != sampled || len(got.Facets) != 1 || got.Facets[0].Key != key {
			t.Errorf("%s: %+v", key, got)
		}
		if diff := cmp.Diff(want, got.Facets[0].Values, cmp.Comparer(near)); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	f(TraceQuery{}, 300, false, "service", FacetValue{"web", 300, 1, 0.02})
	f(TraceQuery{}, 300, false, "status", FacetValue{"ok", 294, 0.98, 0}, FacetValue{"error", 6, 0.02, 1})
	f(TraceQuery{AnySpan: true}, 900, false, "kind", FacetValue{"server", 600, 2.0 / 3, 0.01}, FacetValue{"client", 300, 1.0 / 3, 0})
	f(TraceQuery{ErrorsOnly: true}, 6, false, "operation", FacetValue{"GET /cart", 6, 1, 1})
	f(TraceQuery{}, 300, true, "k8s.pod.name", FacetValue{"web-a", 150, 0.5, 0}, FacetValue{"web-b", 150, 0.5, 0.04})
	f(TraceQuery{}, 300, true, "team", FacetValue{"blue", 150, 0.5, 0.04}, FacetValue{"red", 150, 0.5, 0})
	f(TraceQuery{}, 300, true, "http.request.method", FacetValue{"GET", 300, 1, 0.02})
	f(TraceQuery{}, 300, true, "http.response.status_code", FacetValue{"200", 294, 0.98, 0}, FacetValue{"500", 6, 0.02, 1})
	f(TraceQuery{MinDuration: time.Second}, 3, true, "error", FacetValue{"false", 3, 1, 0})
	f(TraceQuery{Selector: Selector{}.With("user.id", Equal, "3")}, 43, true, "operation", FacetValue{"GET /cart", 43, 1, 1.0 / 43})
	if got, err := store.Facets(context.Background(), TraceQuery{Range: minute().Shift(-time.Hour)}, []string{"service", "user.id"}); err != nil || got.Total != 0 || len(got.Facets) != 2 || len(got.Facets[1].Values) != 0 {
		t.Errorf("nothing: %+v, %v", got, err)
	}
}

func TestSuggest(t *testing.T) {
	store, db := newStore(t, searchSpans()...)
	exec(t, db, `INSERT INTO resources (resource_id, service, attributes, attribute_types) VALUES (1, 'web', map('k8s.pod.name', 'web-a', 'team', 'red'), 'ss')`)
	texts := func(list []Suggestion, err error) []string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range list {
			out = append(out, s.Text)
		}
		return out
	}
	keys := func(prefix string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, texts(store.SuggestKeys(context.Background(), Selector{}, fiveMinutes(), prefix))); diff != "" {
			t.Errorf("keys %q: %s", prefix, diff)
		}
	}
	values := func(key, prefix string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, texts(store.SuggestValues(context.Background(), Selector{}, fiveMinutes(), key, prefix))); diff != "" {
			t.Errorf("values of %s %q: %s", key, prefix, diff)
		}
	}
	keys("user", "user.id")
	keys("TEAM", "team")
	keys("k8s", "k8s.pod.name")
	keys("http.re", "http.response.status_code", "http.request.method")
	keys("nothing")
	values("service", "", "shop", "web")
	values("service.name", "W", "web")
	values("operation", "items", "GET /items", "SELECT items")
	values("peer", "post", "postgresql:shop")
	values("status", "e", "error")
	values("error", "", "false", "true")
	values("user.id", "3", "3")
	values("team", "", "red")
	values("k8s.pod.name", "zzz")
	values("duration", "")
	values("http.response.status_code", "5", "500")
}
