package query

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/query/filter"
	"loadline/query/querytest"
	"loadline/query/rollup"
	"loadline/query/search"
	"loadline/query/trace"
)

// newStore returns a store on a fresh database that holds the spans, and what ingest derives from them.
func newStore(t testing.TB, spans ...querytest.Span) (*Store, *clickhouse.DB) {
	t.Helper()
	db := querytest.New(t, spans...)
	return New(db), db
}

func mustTraceID(t testing.TB, n int) trace.ID {
	t.Helper()
	id, err := trace.ParseID(querytest.TraceHex(n))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestTotalsOfAnyRange compares the totals of random ranges, which are put together from the three rollups, with the
// spans themselves.
func TestTotalsOfAnyRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	spans := make([]querytest.Span, 1500)
	for i := range spans {
		spans[i] = querytest.Span{At: time.Duration(rng.Int64N(int64(48 * time.Hour))), Trace: i + 1, Span: 1, Service: "web", Operation: "GET /", Duration: time.Duration(1 + rng.Int64N(1e9))}
	}
	store, db := newStore(t, spans...)
	for range 60 {
		from := querytest.Base.Add(time.Duration(rng.Int64N(int64(47 * time.Hour))))
		r := rollup.NewRange(from, from.Add(time.Duration(rng.Int64N(int64(querytest.Base.Add(48*time.Hour).Sub(from))))), []int{20, 100, 240}[rng.IntN(3)])
		want := 0
		for _, s := range spans {
			if r.Index(querytest.Base.Add(s.At)) >= 0 {
				want++
			}
		}
		red, err := store.RED(context.Background(), filter.Selector{}, r)
		if err != nil {
			t.Fatal(err)
		}
		total, err := rollup.ReadTotals(context.Background(), db, filter.Selector{}, r)
		if err != nil {
			t.Fatal(err)
		}
		if int(red.Totals.Requests) != want || int(total.Requests) != want || total.P95 != red.Totals.P95 {
			t.Errorf("%v to %v by %v: %v by steps, %v in total, want %d; p95 %v and %v", r.From, r.To, r.Step, red.Totals.Requests, total.Requests, want, red.Totals.P95, total.P95)
		}
		list, err := store.SearchTraces(context.Background(), search.Query{Range: r, Limit: 1, Budget: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if list.Matching != (search.Estimate{Count: float64(want), Exact: true}) || len(list.Traces) != min(want, 1) {
			t.Errorf("%v to %v by %v: %+v match, want %d", r.From, r.To, r.Step, list.Matching, want)
		}
	}
}

// TestNewestSlicesComeFromTheFinestRollup has spans of now that only red_10s knows yet.
func TestNewestSlicesComeFromTheFinestRollup(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	store, db := newStore(t)
	for _, back := range []time.Duration{0, 10 * time.Second, 90 * time.Second} {
		querytest.Insert(t, db, []querytest.Span{{At: now.Add(-back).Sub(querytest.Base), Trace: 1 + int(back), Span: 1, Service: "web", Operation: "GET /"}})
	}
	querytest.DeriveRollups(t, db)
	for _, table := range []string{"red_5m", "red_1h"} {
		querytest.Exec(t, db, "TRUNCATE TABLE "+table)
	}
	for _, back := range []time.Duration{time.Hour, 12 * time.Hour, 10 * 24 * time.Hour} {
		r := rollup.NewRange(now.Add(-back), now.Add(time.Second), 240)
		red, err := store.RED(context.Background(), filter.Selector{}, r)
		if err != nil {
			t.Fatal(err)
		}
		list, err := store.SearchTraces(context.Background(), search.Query{Range: r, Budget: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if red.Totals.Requests != 3 || len(list.Traces) != 3 || list.Matching.Count != 3 {
			t.Errorf("%v from %s: %v requests, %d traces of %v", back, r.Tier().Table, red.Totals.Requests, len(list.Traces), list.Matching.Count)
		}
	}
}
