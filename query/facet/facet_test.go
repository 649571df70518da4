package facet

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/query/filter"
	"loadline/query/querytest"
	"loadline/query/rollup"
	"loadline/query/search"
)

func fiveMinutes() rollup.Range {
	return rollup.NewRange(querytest.Base, querytest.Base.Add(5*time.Minute), 100)
}

func TestFacets(t *testing.T) {
	db := querytest.New(t, querytest.Carts()...)
	querytest.Exec(t, db, `INSERT INTO resources (resource_id, service, attributes, attribute_types) VALUES (1, 'web', map('k8s.pod.name', 'web-a', 'team', 'red'), 'ss'), (2, 'web', map('k8s.pod.name', 'web-b', 'team', 'blue'), 'ss')`)
	f := func(q search.Query, total float64, sampled bool, key string, want ...Value) {
		t.Helper()
		q.Range = fiveMinutes()
		got, err := Count(context.Background(), db, q, []string{key})
		if err != nil {
			t.Fatal(err)
		}
		if !querytest.Near(got.Total, total) || got.Sampled != sampled || len(got.Facets) != 1 || got.Facets[0].Key != key {
			t.Errorf("%s: %+v", key, got)
		}
		if diff := cmp.Diff(want, got.Facets[0].Values, cmp.Comparer(querytest.Near)); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	f(search.Query{}, 300, false, "service", Value{"web", 300, 1, 0.02})
	f(search.Query{}, 300, false, "status", Value{"ok", 294, 0.98, 0}, Value{"error", 6, 0.02, 1})
	f(search.Query{AnySpan: true}, 900, false, "kind", Value{"server", 600, 2.0 / 3, 0.01}, Value{"client", 300, 1.0 / 3, 0})
	f(search.Query{ErrorsOnly: true}, 6, false, "operation", Value{"GET /cart", 6, 1, 1})
	f(search.Query{}, 300, true, "k8s.pod.name", Value{"web-a", 150, 0.5, 0}, Value{"web-b", 150, 0.5, 0.04})
	f(search.Query{}, 300, true, "team", Value{"blue", 150, 0.5, 0.04}, Value{"red", 150, 0.5, 0})
	f(search.Query{}, 300, true, "http.request.method", Value{"GET", 300, 1, 0.02})
	f(search.Query{}, 300, true, "http.response.status_code", Value{"200", 294, 0.98, 0}, Value{"500", 6, 0.02, 1})
	f(search.Query{MinDuration: time.Second}, 3, true, "error", Value{"false", 3, 1, 0})
	f(search.Query{Selector: filter.Selector{}.With("user.id", filter.Equal, "3")}, 43, true, "operation", Value{"GET /cart", 43, 1, 1.0 / 43})
	if got, err := Count(context.Background(), db, search.Query{Range: fiveMinutes().Shift(-time.Hour)}, []string{"service", "user.id"}); err != nil || got.Total != 0 || len(got.Facets) != 2 || len(got.Facets[1].Values) != 0 {
		t.Errorf("nothing: %+v, %v", got, err)
	}
}

func TestSuggest(t *testing.T) {
	db := querytest.New(t, querytest.Carts()...)
	querytest.Exec(t, db, `INSERT INTO resources (resource_id, service, attributes, attribute_types) VALUES (1, 'web', map('k8s.pod.name', 'web-a', 'team', 'red'), 'ss')`)
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
		if diff := cmp.Diff(want, texts(SuggestKeys(context.Background(), db, filter.Selector{}, fiveMinutes(), prefix))); diff != "" {
			t.Errorf("keys %q: %s", prefix, diff)
		}
	}
	values := func(key, prefix string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, texts(SuggestValues(context.Background(), db, filter.Selector{}, fiveMinutes(), key, prefix))); diff != "" {
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
