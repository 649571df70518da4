package search

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/clickhouse"
	"loadline/query/filter"
	"loadline/query/querytest"
	"loadline/query/rollup"
	"loadline/query/trace"
)

func mustTraceID(t testing.TB, n int) trace.ID {
	t.Helper()
	id, err := trace.ParseID(querytest.TraceHex(n))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func oneMinute() rollup.Range {
	return rollup.NewRange(querytest.Base, querytest.Base.Add(time.Minute), 100)
}

func fiveMinutes() rollup.Range {
	return rollup.NewRange(querytest.Base, querytest.Base.Add(5*time.Minute), 100)
}

func searched(t *testing.T, db *clickhouse.DB, q Query) *List {
	t.Helper()
	if q.Budget == 0 {
		q.Budget = time.Minute // tests do not depend on the machine's speed
	}
	if q.Range.Step == 0 {
		q.Range = fiveMinutes()
	}
	list, err := Traces(context.Background(), db, q)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestSearchTraces(t *testing.T) {
	db := querytest.New(t, querytest.Carts()...)
	querytest.Exec(t, db, `INSERT INTO resources (resource_id, service, attributes, attribute_types) VALUES (1, 'web', map('k8s.pod.name', 'web-a', 'team', 'red'), 'ss'), (2, 'web', map('k8s.pod.name', 'web-b', 'team', 'blue'), 'ss')`)
	f := func(q Query, want int) {
		t.Helper()
		q.Limit = 500
		list := searched(t, db, q)
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
	with := func(key string, op filter.Op, value string) Query {
		return Query{Selector: filter.Selector{}.With(key, op, value)}
	}
	f(Query{}, 300)
	f(Query{Selector: filter.Selector{Service: "shop"}}, 300)
	f(Query{Selector: filter.Selector{Service: "web", Operation: "GET /items"}}, 0)
	f(Query{Selector: filter.Selector{Env: "staging"}}, 0)
	f(Query{ErrorsOnly: true}, 6)
	f(Query{MinDuration: time.Second}, 3)
	f(Query{MaxDuration: time.Second}, 297)
	f(Query{MinDuration: 100 * time.Millisecond, MaxDuration: 100 * time.Millisecond}, 297)
	f(with("duration", filter.Greater, "2s"), 3)
	f(with("duration", filter.LessEqual, "100ms"), 297)
	f(with("http.response.status_code", filter.Equal, "500"), 6)
	f(with("http.response.status_code", filter.Equal, "5xx"), 6)
	f(with("http.response.status_code", filter.Less, "5xx"), 294)
	f(with("http.status_code", filter.NotEqual, "200"), 6)
	f(with("status", filter.Equal, "error"), 6)
	f(with("status", filter.NotEqual, "5xx"), 294)
	f(with("user.id", filter.Equal, "3"), 43)
	f(with("user.id", filter.NotEqual, "3"), 257)
	f(with("user.id", filter.GreaterEqual, "5"), 85)
	f(with("user.id", filter.Match, "^[12]$"), 86)
	f(with("user.id", filter.NotMatch, "^[12]$"), 214)
	f(with("user.id", filter.Exists, ""), 300)
	f(with("user.ID", filter.NotExists, ""), 300)
	f(with("user.id", filter.Equal, "x' OR 1=1"), 0)
	f(with("http.request.method", filter.Equal, "GET"), 300) // written as http.method
	f(with("http.method", filter.Equal, "POST"), 0)          // of an inner span
	f(with("k8s.pod.name", filter.Equal, "web-b"), 150)
	f(with("team", filter.Equal, "red"), 150)
	f(with("team", filter.NotEqual, "red"), 150)
	f(with("resource.team", filter.Match, "r.d"), 150)
	f(with("span.team", filter.Equal, "red"), 0)
	f(with("trace_id", filter.Equal, querytest.TraceHex(7)), 1)
	f(with("peer", filter.Equal, "postgresql:shop"), 0)
	f(Query{Selector: filter.Selector{}.With("peer", filter.Equal, "postgresql:shop"), AnySpan: true}, 300)
	f(Query{Selector: filter.Selector{}.With("http.method", filter.Equal, "POST"), AnySpan: true}, 300)
	f(Query{Selector: filter.Selector{}.With("kind", filter.Equal, "client")}, 300)
	f(Query{AnySpan: true}, 300)
}

func TestSearchRefusesNonsense(t *testing.T) {
	db := querytest.New(t)
	f := func(key string, op filter.Op, value string) {
		t.Helper()
		m := filter.Matcher{Key: key, Op: op, Value: value}
		_, err := Traces(context.Background(), db, Query{Selector: filter.Selector{Matchers: []filter.Matcher{m}}, Range: oneMinute()})
		if err == nil {
			t.Errorf("%+v: no error", m)
		}
	}
	f("duration", filter.Greater, "soon")
	f("duration", filter.Match, "1.*")
	f("user.id", filter.Match, "(")
	f("user.id", "LIKE", "x")
	f("service", filter.Greater, "a")
	f("http.response.status_code", filter.Equal, "teapot")
	f("status", filter.Equal, "great")
	f("error", filter.Equal, "perhaps")
	f("trace_id", filter.Equal, "xyz")
	if _, err := Traces(context.Background(), db, Query{Range: oneMinute(), Cursor: "page2"}); err == nil {
		t.Error("cursor: no error")
	}
}

func TestTraceSummaries(t *testing.T) {
	db := querytest.New(t, querytest.Carts()...)
	list := searched(t, db, Query{Selector: filter.Selector{Service: "shop"}, Limit: 1})
	if list.Matching != (Estimate{300, true}) || list.Scanned.Rows == 0 || list.Scanned.Rows > 100 {
		t.Errorf("matching %+v, scanned %+v", list.Matching, list.Scanned)
	}
	at := querytest.Base.Add(299 * time.Second)
	span, _ := trace.ParseSpanID(querytest.SpanHex(2))
	want := Summary{
		TraceID: mustTraceID(t, 300), Service: "web", Operation: "GET /cart", Version: "1.0", Start: at, Duration: 100 * time.Millisecond,
		Spans: 3, Errors: 1, Error: true, HTTPStatus: 500,
		Services:  []ServiceShare{{"shop", 0.6}, {"web", 0.4}},
		MatchSpan: span, MatchTime: at.Add(10 * time.Millisecond), MatchService: "shop", MatchOperation: "GET /items", MatchDuration: 60 * time.Millisecond, MatchHTTPStatus: 200,
	}
	if diff := cmp.Diff([]Summary{want}, list.Traces); diff != "" {
		t.Error(diff)
	}
}

func TestTraceSummaryWithoutRoot(t *testing.T) {
	db := querytest.New(t,
		querytest.Span{Trace: 1, Span: 2, Parent: 1, Service: "shop", Operation: "GET /items", Duration: 60 * time.Millisecond},
		querytest.Span{At: time.Millisecond, Trace: 1, Span: 3, Parent: 2, Service: "shop", Kind: "client", Operation: "SELECT", Error: true})
	list := searched(t, db, Query{Selector: filter.Selector{Service: "shop"}})
	if len(list.Traces) != 1 || !list.Traces[0].Rootless || list.Traces[0].Operation != "GET /items" || list.Traces[0].Errors != 1 || list.Traces[0].Error {
		t.Errorf("%+v", list.Traces)
	}
}

// TestSearchPages reads all traces page by page, with spans of a trace on both sides of page ends.
func TestSearchPages(t *testing.T) {
	var spans []querytest.Span
	for i := range 40 {
		for j := range 4 { // one every 9 s, so over several slices
			spans = append(spans, querytest.Span{At: time.Duration(i)*time.Second + time.Duration(j)*9*time.Second, Trace: i + 1, Span: j + 1, Parent: min(j, 1), Service: "web", Operation: "GET /"})
		}
	}
	db := querytest.New(t, spans...)
	f := func(q Query, limit int) {
		t.Helper()
		q.Limit = limit
		var ids []trace.ID
		for range 200 {
			list := searched(t, db, q)
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
		slices.SortFunc(ids, func(a, b trace.ID) int { return slices.Compare(a[:], b[:]) })
		if n := len(slices.Compact(ids)); n != 40 {
			t.Errorf("limit %d: %d distinct traces", limit, n)
		}
	}
	for _, limit := range []int{3, 40, 500} {
		f(Query{AnySpan: true}, limit)
		f(Query{}, limit)
		f(Query{Selector: filter.Selector{Service: "web"}}, limit)
	}
}

// TestSearchBudget spends the budget before anything is found and goes on from the cursor.
func TestSearchBudget(t *testing.T) {
	var spans []querytest.Span
	for i := range 60 {
		spans = append(spans, querytest.Span{At: time.Duration(i) * time.Minute, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /", Attributes: querytest.Attributes{{"n", fmt.Sprint(i)}}})
	}
	db := querytest.New(t, spans...)
	q := Query{Selector: filter.Selector{}.With("n", filter.Equal, "0"), Range: rollup.NewRange(querytest.Base, querytest.Base.Add(time.Hour), 100), Budget: 1}
	plan, err := NewPlan(db, q)
	if err != nil {
		t.Fatal(err)
	}
	part, err := plan.next(context.Background(), 50, 10)
	if err != nil || len(part) != 10 {
		t.Fatalf("%d slices: %v", len(part), err)
	}
	if part[0].at != uint32(querytest.Base.Add(59*time.Minute).Unix()) || part[9].at != uint32(querytest.Base.Add(50*time.Minute).Unix()) || !plan.more() {
		t.Errorf("slices %+v", part)
	}
	// After the cursor only what is older is searched.
	q.Cursor = searchCursor{at: querytest.Base.Add(30 * time.Minute).UnixNano()}.String()
	list := searched(t, db, q)
	if len(list.Traces) != 1 || list.Cursor != "" || list.Scanned.Rows != 30 {
		t.Errorf("%d traces, cursor %q, scanned %d", len(list.Traces), list.Cursor, list.Scanned.Rows)
	}
}

// TestSearchLongRange goes through the coarse rollups, and past the retention of red_10s.
func TestSearchLongRange(t *testing.T) {
	var spans []querytest.Span
	for i := range 200 {
		spans = append(spans, querytest.Span{At: -time.Duration(i) * time.Hour, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /", HTTP: 200 + 300*(i%20/19)})
	}
	db := querytest.New(t, spans...)
	f := func(back time.Duration, table string, want int) {
		t.Helper()
		q := Query{ErrorsOnly: true, Range: rollup.NewRange(querytest.Base.Add(-back), querytest.Base.Add(time.Hour), 40), Limit: 500}
		plan, err := NewPlan(db, q)
		if err != nil {
			t.Fatal(err)
		}
		list := searched(t, db, q)
		if len(list.Traces) != want || plan.tier.Table != table || list.Matching.Count != float64(want) {
			t.Errorf("%v: %d traces by %s, matching %+v, want %d", back, len(list.Traces), plan.tier.Table, list.Matching, want)
		}
	}
	f(0, "red_5m", 0)
	f(11*time.Hour, "red_5m", 0)
	f(48*time.Hour, "red_1h", 2)
	f(199*time.Hour, "red_1h", 10)
	querytest.Exec(t, db, "TRUNCATE TABLE red_10s")
	f(48*time.Hour, "red_1h", 2)
	f(199*time.Hour, "red_1h", 10)
}
