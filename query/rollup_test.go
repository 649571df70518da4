package query

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// golden compares text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// TestGoldenSQL keeps the queries that are put together from parts.
func TestGoldenSQL(t *testing.T) {
	sel := Selector{Env: "production", Service: "web"}.With("status", Equal, "5xx").With("version", NotEqual, "1.0")
	f := func(name string, r Range, step bool) {
		t.Helper()
		q, err := newRollupQuery(sel, r)
		if err != nil {
			t.Fatal(err)
		}
		q.keys = []string{"service", "operation"}
		if step {
			q.perStep(r.Step)
		}
		golden(t, name+".sql", q.histograms()+"\n")
	}
	f("totals_3h", NewRange(base.Add(time.Minute), base.Add(3*time.Hour), 240), false)
	f("steps_3h", NewRange(base.Add(time.Minute), base.Add(3*time.Hour), 240), true)
	f("totals_7d", NewRange(base, base.Add(7*24*time.Hour), 240), false)
	f("steps_1d", NewRange(base, base.Add(24*time.Hour), 240), true)

	q := TraceQuery{ErrorsOnly: true, MinDuration: time.Second, Range: minute()}
	q.Selector = sel.With("user.id", Equal, "7").With("k8s.pod.name", Match, "a").With("http.method", NotEqual, "GET").With("duration", Less, "2s").With("http.response.status_code", GreaterEqual, "500").With("retries", Greater, "2")
	w, err := (&search{q: q}).where([]slicePart{{at: 10}, {at: 0}})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "search.sql", w.String()+"\n")
}

// TestTotalsOfAnyRange compares the totals of random ranges, which are put together from the three rollups, with the
// spans themselves.
func TestTotalsOfAnyRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	spans := make([]testSpan, 1500)
	for i := range spans {
		spans[i] = testSpan{At: time.Duration(rng.Int64N(int64(48 * time.Hour))), Trace: i + 1, Span: 1, Service: "web", Operation: "GET /", Duration: time.Duration(1 + rng.Int64N(1e9))}
	}
	store, _ := newStore(t, spans...)
	for range 60 {
		from := base.Add(time.Duration(rng.Int64N(int64(47 * time.Hour))))
		r := NewRange(from, from.Add(time.Duration(rng.Int64N(int64(base.Add(48*time.Hour).Sub(from))))), []int{20, 100, 240}[rng.IntN(3)])
		want := 0
		for _, s := range spans {
			if r.Index(base.Add(s.At)) >= 0 {
				want++
			}
		}
		red, err := store.RED(context.Background(), Selector{}, r)
		if err != nil {
			t.Fatal(err)
		}
		total, err := store.totals(context.Background(), Selector{}, r)
		if err != nil {
			t.Fatal(err)
		}
		if int(red.Totals.Requests) != want || int(total.Requests) != want || total.P95 != red.Totals.P95 {
			t.Errorf("%v to %v by %v: %v by steps, %v in total, want %d; p95 %v and %v", r.From, r.To, r.Step, red.Totals.Requests, total.Requests, want, red.Totals.P95, total.P95)
		}
		list, err := store.SearchTraces(context.Background(), TraceQuery{Range: r, Limit: 1, Budget: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if list.Matching != (Estimate{float64(want), true}) || len(list.Traces) != min(want, 1) {
			t.Errorf("%v to %v by %v: %+v match, want %d", r.From, r.To, r.Step, list.Matching, want)
		}
	}
}

// TestNewestSlicesComeFromTheFinestRollup has spans of now that only red_10s knows yet.
func TestNewestSlicesComeFromTheFinestRollup(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	store, db := newStore(t)
	for _, back := range []time.Duration{0, 10 * time.Second, 90 * time.Second} {
		insertSpans(t, db, []testSpan{{At: now.Add(-back).Sub(base), Trace: 1 + int(back), Span: 1, Service: "web", Operation: "GET /"}})
	}
	deriveRollups(t, db)
	for _, table := range []string{"red_5m", "red_1h"} {
		exec(t, db, "TRUNCATE TABLE "+table)
	}
	for _, back := range []time.Duration{time.Hour, 12 * time.Hour, 10 * 24 * time.Hour} {
		r := NewRange(now.Add(-back), now.Add(time.Second), 240)
		red, err := store.RED(context.Background(), Selector{}, r)
		if err != nil {
			t.Fatal(err)
		}
		list := searched(t, store, TraceQuery{Range: r})
		if red.Totals.Requests != 3 || len(list.Traces) != 3 || list.Matching.Count != 3 {
			t.Errorf("%v from %s: %v requests, %d traces of %v", back, r.tier().table, red.Totals.Requests, len(list.Traces), list.Matching.Count)
		}
	}
}

// TestGranules guards that the engine finds spans by the primary key, whose conditions it must recognise.
func TestGranules(t *testing.T) {
	_, db := newStore(t)
	exec(t, db, `
INSERT INTO spans (slice, ts, trace_id, span_id, service)
SELECT toDateTime({base:Int64}, 'UTC') + intDiv(number, 1000) * 10 AS at, toDateTime64(at, 9, 'UTC'), sipHash128(number), reinterpretAsFixedString(number), 'web' FROM numbers(500000)`, named("base", base.Unix()))
	f := func(name string, w *where) {
		t.Helper()
		var plan []string
		rows, err := db.Query(context.Background(), "EXPLAIN indexes = 1 SELECT count() FROM spans WHERE "+w.String(), w.args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		text := strings.Join(plan, "\n")
		if !strings.Contains(text, "Granules: 1\n") && !strings.Contains(text, "Granules: 2\n") {
			t.Errorf("%s reads many granules:\n%s", name, text)
		}
	}
	at := uint32(base.Add(time.Hour).Unix())
	w, err := (&search{q: TraceQuery{Range: NewRange(base, base.Add(2*time.Hour), 240)}}).where([]slicePart{{at: at}})
	if err != nil {
		t.Fatal(err)
	}
	f("search", w)
	w = &where{}
	w.ofTrace(mustTraceID(t, 1), []uint32{at})
	f("trace", w)
	w = &where{}
	w.placed([]uint32{at}, []string{traceHex(1)})
	f("summaries", w)
	w = &where{}
	w.sliceRange(Range{From: base.Add(time.Hour), To: base.Add(time.Hour + 10*time.Second)})
	f("newest", w)
}
