package query

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// searchSpans are 300 traces, one a second: a root of web with a server span of shop below it. Every 50th fails, every
// 100th is slow.
func searchSpans() []testSpan {
	var spans []testSpan
	for i := range 300 {
		at := time.Duration(i) * time.Second
		root := testSpan{At: at, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /cart", Duration: 100 * time.Millisecond, HTTP: 200, Version: "1.0", Resource: uint64(i%2 + 1),
			Attributes: attributeMap{{"user.id", fmt.Sprint(i % 7)}, {"http.method", "GET"}}}
		if i%50 == 49 {
			root.HTTP = 500
		}
		if i%100 == 50 {
			root.Duration = 3 * time.Second
		}
		spans = append(spans, root,
			testSpan{At: at + 10*time.Millisecond, Trace: i + 1, Span: 2, Parent: 1, Service: "shop", Operation: "GET /items", Duration: 60 * time.Millisecond, HTTP: 200, Attributes: attributeMap{{"http.request.method", "POST"}}},
			testSpan{At: at + 20*time.Millisecond, Trace: i + 1, Span: 3, Parent: 2, Service: "shop", Operation: "SELECT items", Kind: "client", Duration: 20 * time.Millisecond, Peer: "postgresql:shop", PeerType: "database"})
	}
	return spans
}

func fiveMinutes() Range { return NewRange(base, base.Add(5*time.Minute), 100) }

func searched(t *testing.T, store *Store, q TraceQuery) *TraceList {
	t.Helper()
	if q.Budget == 0 {
		q.Budget = time.Minute // tests do not depend on the machine's speed
	}
	if q.Range.Step == 0 {
		q.Range = fiveMinutes()
	}
	list, err := store.SearchTraces(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestSearchTraces(t *testing.T) {
	store, db := newStore(t, searchSpans()...)
	exec(t, db, `INSERT INTO resources (resource_id, service, attributes, attribute_types) VALUES (1, 'web', map('k8s.pod.name', 'web-a', 'team', 'red'), 'ss'), (2, 'web', map('k8s.pod.name', 'web-b', 'team', 'blue'), 'ss')`)
	f := func(q TraceQuery, want int) {
		t.Helper()
		q.Limit = 500
		list := searched(t, store, q)
		if len(list.Traces) != want || list.Cursor != "" {
			t.Errorf("%+v: %d traces, cursor %q, want %d", q.Selector, len(list.Traces), list.Cursor, want)
		}
		if list.Matching.Exact && !q.AnySpan && list.Matching.Count != float64(want) {
			t.Errorf("%+v: says %v match, want %d", q.Selector, list.Matching.Count, want)
		}
		for i := 1; i < len(list.Traces); i++ {
			if !list.Traces[i].MatchTime.Before(list.Traces[i-1].MatchTime) {
				t.Errorf("%+v: not newest first at %d", q.Selector, i)
				break
			}
		}
	}
	with := func(key string, op Op, value string) TraceQuery {
		return TraceQuery{Selector: Selector{}.With(key, op, value)}
	}
	f(TraceQuery{}, 300)
	f(TraceQuery{Selector: Selector{Service: "shop"}}, 300)
	f(TraceQuery{Selector: Selector{Service: "web", Operation: "GET /items"}}, 0)
	f(TraceQuery{Selector: Selector{Env: "staging"}}, 0)
	f(TraceQuery{ErrorsOnly: true}, 6)
	f(TraceQuery{MinDuration: time.Second}, 3)
	f(TraceQuery{MaxDuration: time.Second}, 297)
	f(TraceQuery{MinDuration: 100 * time.Millisecond, MaxDuration: 100 * time.Millisecond}, 297)
	f(with("duration", Greater, "2s"), 3)
	f(with("duration", LessEqual, "100ms"), 297)
	f(with("http.response.status_code", Equal, "500"), 6)
	f(with("http.response.status_code", Equal, "5xx"), 6)
	f(with("http.response.status_code", Less, "5xx"), 294)
	f(with("http.status_code", NotEqual, "200"), 6)
	f(with("status", Equal, "error"), 6)
	f(with("status", NotEqual, "5xx"), 294)
	f(with("user.id", Equal, "3"), 43)
	f(with("user.id", NotEqual, "3"), 257)
	f(with("user.id", GreaterEqual, "5"), 85)
	f(with("user.id", Match, "^[12]$"), 86)
	f(with("user.id", NotMatch, "^[12]$"), 214)
	f(with("user.id", Exists, ""), 300)
	f(with("user.ID", NotExists, ""), 300)
	f(with("user.id", Equal, "x' OR 1=1"), 0)
	f(with("http.request.method", Equal, "GET"), 300) // written as http.method
	f(with("http.method", Equal, "POST"), 0)          // of an inner span
	f(with("k8s.pod.name", Equal, "web-b"), 150)
	f(with("team", Equal, "red"), 150)
	f(with("team", NotEqual, "red"), 150)
	f(with("resource.team", Match, "r.d"), 150)
	f(with("span.team", Equal, "red"), 0)
	f(with("trace_id", Equal, traceHex(7)), 1)
	f(with("peer", Equal, "postgresql:shop"), 0)
	f(TraceQuery{Selector: Selector{}.With("peer", Equal, "postgresql:shop"), AnySpan: true}, 300)
	f(TraceQuery{Selector: Selector{}.With("http.method", Equal, "POST"), AnySpan: true}, 300)
	f(TraceQuery{Selector: Selector{}.With("kind", Equal, "client")}, 300)
	f(TraceQuery{AnySpan: true}, 300)
}

func TestSearchRefusesNonsense(t *testing.T) {
	store, _ := newStore(t)
	f := func(m Matcher) {
		t.Helper()
		_, err := store.SearchTraces(context.Background(), TraceQuery{Selector: Selector{Matchers: []Matcher{m}}, Range: minute()})
		if err == nil {
			t.Errorf("%+v: no error", m)
		}
	}
	f(Matcher{"duration", Greater, "soon"})
	f(Matcher{"duration", Match, "1.*"})
	f(Matcher{"user.id", Match, "("})
	f(Matcher{"user.id", "LIKE", "x"})
	f(Matcher{"service", Greater, "a"})
	f(Matcher{"http.response.status_code", Equal, "teapot"})
	f(Matcher{"status", Equal, "great"})
	f(Matcher{"error", Equal, "perhaps"})
	f(Matcher{"trace_id", Equal, "xyz"})
	if _, err := store.SearchTraces(context.Background(), TraceQuery{Range: minute(), Cursor: "page2"}); err == nil {
		t.Error("cursor: no error")
	}
}

func TestTraceSummaries(t *testing.T) {
	store, _ := newStore(t, searchSpans()...)
	list := searched(t, store, TraceQuery{Selector: Selector{Service: "shop"}, Limit: 1})
	if list.Matching != (Estimate{300, true}) || list.Scanned.Rows == 0 || list.Scanned.Rows > 100 {
		t.Errorf("matching %+v, scanned %+v", list.Matching, list.Scanned)
	}
	at := base.Add(299 * time.Second)
	span, _ := ParseSpanID(spanHex(2))
	want := TraceSummary{
		TraceID: mustTraceID(t, 300), Service: "web", Operation: "GET /cart", Version: "1.0", Start: at, Duration: 100 * time.Millisecond,
		Spans: 3, Errors: 1, Error: true, HTTPStatus: 500,
		Services:  []ServiceShare{{"shop", 0.6}, {"web", 0.4}},
		MatchSpan: span, MatchTime: at.Add(10 * time.Millisecond), MatchService: "shop", MatchOperation: "GET /items", MatchDuration: 60 * time.Millisecond, MatchHTTPStatus: 200,
	}
	if diff := cmp.Diff([]TraceSummary{want}, list.Traces); diff != "" {
		t.Error(diff)
	}
}

func TestTraceSummaryWithoutRoot(t *testing.T) {
	store, _ := newStore(t,
		testSpan{Trace: 1, Span: 2, Parent: 1, Service: "shop", Operation: "GET /items", Duration: 60 * time.Millisecond},
		testSpan{At: time.Millisecond, Trace: 1, Span: 3, Parent: 2, Service: "shop", Kind: "client", Operation: "SELECT", Error: true})
	list := searched(t, store, TraceQuery{Selector: Selector{Service: "shop"}})
	if len(list.Traces) != 1 || !list.Traces[0].Rootless || list.Traces[0].Operation != "GET /items" || list.Traces[0].Errors != 1 || list.Traces[0].Error {
		t.Errorf("%+v", list.Traces)
	}
}

// TestSearchPages reads all traces page by page, with spans of a trace on both sides of page ends.
func TestSearchPages(t *testing.T) {
	var spans []testSpan
	for i := range 40 {
		for j := range 4 { // one every 9 s, so over several slices
			spans = append(spans, testSpan{At: time.Duration(i)*time.Second + time.Duration(j)*9*time.Second, Trace: i + 1, Span: j + 1, Parent: min(j, 1), Service: "web", Operation: "GET /"})
		}
	}
	store, _ := newStore(t, spans...)
	f := func(q TraceQuery, limit int) {
		t.Helper()
		q.Limit = limit
		var ids []TraceID
		for range 200 {
			list := searched(t, store, q)
			for _, tr := range list.Traces {
				ids = append(ids, tr.TraceID)
				if tr.Spans != 4 {
					t.Errorf("trace of %d spans", tr.Spans)
				}
			}
			if q.Cursor = list.Cursor; q.Cursor == "" {
				break
			}
		}
		if len(ids) != 40 {
			t.Errorf("limit %d: %d traces", limit, len(ids))
		}
		slices.SortFunc(ids, func(a, b TraceID) int { return slices.Compare(a[:], b[:]) })
		if n := len(slices.Compact(ids)); n != 40 {
			t.Errorf("limit %d: %d distinct traces", limit, n)
		}
	}
	for _, limit := range []int{3, 40, 500} {
		f(TraceQuery{AnySpan: true}, limit)
		f(TraceQuery{}, limit)
		f(TraceQuery{Selector: Selector{Service: "web"}}, limit)
	}
}

// TestSearchBudget spends the budget before anything is found and goes on from the cursor.
func TestSearchBudget(t *testing.T) {
	var spans []testSpan
	for i := range 60 {
		spans = append(spans, testSpan{At: time.Duration(i) * time.Minute, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /", Attributes: attributeMap{{"n", fmt.Sprint(i)}}})
	}
	store, _ := newStore(t, spans...)
	q := TraceQuery{Selector: Selector{}.With("n", Equal, "0"), Range: NewRange(base, base.Add(time.Hour), 100), Budget: 1}
	plan, err := newSlicePlan(store, q)
	if err != nil {
		t.Fatal(err)
	}
	part, err := plan.next(context.Background(), 50, 10)
	if err != nil || len(part) != 10 {
		t.Fatalf("%d slices: %v", len(part), err)
	}
	if part[0].at != uint32(base.Add(59*time.Minute).Unix()) || part[9].at != uint32(base.Add(50*time.Minute).Unix()) || !plan.more() {
		t.Errorf("slices %+v", part)
	}
	// After the cursor only what is older is searched.
	q.Cursor = searchCursor{at: base.Add(30 * time.Minute).UnixNano()}.String()
	list := searched(t, store, q)
	if len(list.Traces) != 1 || list.Cursor != "" || list.Scanned.Rows != 30 {
		t.Errorf("%d traces, cursor %q, scanned %d", len(list.Traces), list.Cursor, list.Scanned.Rows)
	}
}

// TestSearchLongRange goes through the coarse rollups, and past the retention of red_10s.
func TestSearchLongRange(t *testing.T) {
	var spans []testSpan
	for i := range 200 {
		spans = append(spans, testSpan{At: -time.Duration(i) * time.Hour, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /", HTTP: 200 + 300*(i%20/19)})
	}
	store, db := newStore(t, spans...)
	f := func(back time.Duration, table string, want int) {
		t.Helper()
		q := TraceQuery{ErrorsOnly: true, Range: NewRange(base.Add(-back), base.Add(time.Hour), 40), Limit: 500}
		plan, err := newSlicePlan(store, q)
		if err != nil {
			t.Fatal(err)
		}
		list := searched(t, store, q)
		if len(list.Traces) != want || plan.tier.table != table || list.Matching.Count != float64(want) {
			t.Errorf("%v: %d traces by %s, matching %+v, want %d", back, len(list.Traces), plan.tier.table, list.Matching, want)
		}
	}
	f(0, "red_5m", 0)
	f(11*time.Hour, "red_5m", 0)
	f(48*time.Hour, "red_1h", 2)
	f(199*time.Hour, "red_1h", 10)
	exec(t, db, "TRUNCATE TABLE red_10s")
	f(48*time.Hour, "red_1h", 2)
	f(199*time.Hour, "red_1h", 10)
}
