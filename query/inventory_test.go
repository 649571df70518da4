package query

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/query/filter"
	"loadline/query/querytest"
	"loadline/query/rollup"
)

func TestDeployments(t *testing.T) {
	store, db := newStore(t)
	querytest.Exec(t, db, `INSERT INTO deployments (service, env, version, first_seen, last_seen) VALUES ('web', 'production', '1.0', '2026-11-21 10:00:10', '2026-11-21 10:00:20')`)
	querytest.Exec(t, db, `INSERT INTO deployments (service, env, version, first_seen, last_seen) VALUES ('web', 'production', '1.0', '2026-11-21 10:00:30', '2026-11-21 11:00:00'), ('web', 'staging', '1.1', '2026-11-21 10:00:40', '2026-11-21 11:00:00'), ('shop', 'production', '3', '2026-11-20 00:00:00', '2026-11-21 10:00:40'), ('shop', 'production', '', '2026-11-21 10:00:30', '2026-11-21 11:00:00')`)
	f := func(sel filter.Selector, want ...Deployment) {
		t.Helper()
		got, err := store.Deployments(context.Background(), sel, minute())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v: %s", sel, diff)
		}
	}
	first := Deployment{"web", "production", "1.0", querytest.Base.Add(10 * time.Second), querytest.Base.Add(time.Hour)}
	second := Deployment{"web", "staging", "1.1", querytest.Base.Add(40 * time.Second), querytest.Base.Add(time.Hour)}
	f(filter.Selector{}, second, first)
	f(filter.Selector{Env: "production"}, first)
	f(filter.Selector{Service: "shop"})
}

func TestInstances(t *testing.T) {
	store, db := newStore(t, querytest.Shop()...)
	querytest.Exec(t, db, `INSERT INTO resources (resource_id, service, instance, attributes, attribute_types, last_seen) VALUES (1, 'web', 'web-1', map('host.name', 'a'), 's', '2026-11-21 09:30:00'), (7, 'web', 'web-2', map(), '', '2026-11-21 09:40:00'), (8, 'web', 'web-old', map(), '', '2026-11-21 08:00:00'), (2, 'shop', 'shop-1', map(), '', '2026-11-21 10:00:00')`)
	list, err := store.Instances(context.Background(), "web", minute())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Instance != "web-1" || !list[0].Live || list[1].Instance != "web-2" || list[1].Live {
		t.Fatalf("%+v", list)
	}
	at := list[0]
	if !querytest.Near(at.RequestRate, 1) || !querytest.Near(at.ErrorRate, 0.1) || at.P95 < 150*time.Millisecond || at.P95 > 160*time.Millisecond || at.Attributes[0].Value != "a" {
		t.Errorf("%+v", at)
	}
}

func TestOverview(t *testing.T) {
	store, _ := newStore(t, querytest.Shop()...)
	o, err := store.Overview(context.Background(), filter.Selector{}, rollup.NewRange(querytest.Base, querytest.Base.Add(time.Minute), 100))
	if err != nil {
		t.Fatal(err)
	}
	want := &Overview{Services: 3, Endpoints: 2, Instances: 3, Envs: []string{"production"}, Spans: 181, SpanRate: 181.0 / 60, LastEvent: querytest.Base.Add(50 * time.Second), Lag: time.Second - 2*time.Millisecond}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Error(diff)
	}
	if o, err = store.Overview(context.Background(), filter.Selector{}, rollup.NewRange(querytest.Base.Add(time.Hour), querytest.Base.Add(2*time.Hour), 100)); err != nil {
		t.Fatal(err)
	}
	if o.Services != 0 || !o.LastEvent.Equal(querytest.Base.Add(50*time.Second)) || o.Lag != 2*time.Hour-50*time.Second {
		t.Errorf("hours later: %+v", o)
	}
	empty, _ := newStore(t)
	if o, err = empty.Overview(context.Background(), filter.Selector{}, minute()); err != nil || !o.LastEvent.IsZero() || o.Lag != 0 {
		t.Errorf("nothing stored: %+v, %v", o, err)
	}
}

func TestStorage(t *testing.T) {
	store, _ := newStore(t, querytest.Shop()...)
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
