package trace

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/clickhouse"
	"loadline/query/querytest"
	"loadline/query/sql"
)

func mustTraceID(t testing.TB, n int) ID {
	t.Helper()
	id, err := ParseID(querytest.TraceHex(n))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func traceSpans() []querytest.Span {
	return []querytest.Span{
		{
			At: 9 * time.Second, Trace: 1, Span: 1, Service: "web", Version: "1.0", Operation: "GET /cart", Duration: 4 * time.Second, HTTP: 503, Resource: 1,
			Attributes: querytest.Attributes{{"user.id", "7"}, {"http.route", "/cart"}, {"retries", "2"}, {"big", ""}}, Types: "ssin",
			Events: `[{"ts":1795255210000000005,"name":"exception","attributes":{"exception.type":"IOError","retry":true,"count":3,"load":0.5,"tags":["a"],"none":null}}]`,
			Links:  `[{"trace_id":"` + querytest.TraceHex(2) + `","span_id":"` + querytest.SpanHex(5) + `","attributes":{"why":"batch"}}]`,
		},
		{At: 11 * time.Second, Trace: 1, Span: 2, Parent: 1, Service: "shop", Operation: "SELECT", Kind: "client", Peer: "postgresql:shop", PeerType: "database", Error: true, Resource: 2, Weight: 4},
		{At: 11 * time.Second, Trace: 1, Span: 2, Parent: 1, Service: "shop", Operation: "SELECT", Kind: "client"},
		{At: 11 * time.Second, Trace: 2, Span: 1, Service: "web", Operation: "GET /"},
	}
}

func TestTrace(t *testing.T) {
	db := querytest.New(t, traceSpans()...)
	querytest.Exec(t, db, `INSERT INTO resources (resource_id, env, service, version, instance, language, attributes, attribute_types, last_seen)
VALUES (1, 'production', 'web', '1.0', 'web-1', 'go', map('service.name', 'web', 'process.pid', '42'), 'si', '2026-11-21 10:00:00'), (1, 'production', 'web', '1.0', 'web-1', 'go', map('service.name', 'web', 'process.pid', '42'), 'si', '2026-11-21 11:00:00')`)
	trace, err := Read(context.Background(), db, mustTraceID(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if trace.Stored != 3 || len(trace.Spans) != 2 || trace.RepeatedSpanIDs != 1 || trace.Errors != 2 && trace.Errors != 1 || trace.WithoutDetail || trace.Duration != 4*time.Second || !trace.Start.Equal(querytest.Base.Add(9*time.Second)) {
		t.Errorf("%+v", trace)
	}
	if diff := cmp.Diff([]string{"web", "shop"}, trace.Services); diff != "" {
		t.Error(diff)
	}
	want := Span{
		ID: SpanID{7: 1}, Start: querytest.Base.Add(9 * time.Second), Duration: 4 * time.Second, Env: "production", Service: "web", Version: "1.0",
		Operation: "GET /cart", Name: "GET /cart", Kind: "server", Status: "unset", Error: true, HTTPStatus: 503, Weight: 1, ResourceID: 1,
		Attributes: []Attribute{{"user.id", "7", 's'}, {"http.route", "/cart", 's'}, {"retries", "2", 'i'}, {"big", "", 'n'}},
		Events: []Event{{Time: time.Unix(0, 1795255210000000005).UTC(), Name: "exception", Attributes: []Attribute{
			{"count", "3", 'i'}, {"exception.type", "IOError", 's'}, {"load", "0.5", 'd'}, {"none", "", 'n'}, {"retry", "true", 'b'}, {"tags", `["a"]`, 'j'},
		}}},
		Links: []Link{{TraceID: mustTraceID(t, 2), SpanID: SpanID{7: 5}, Attributes: []Attribute{{"why", "batch", 's'}}}},
	}
	if diff := cmp.Diff(want, trace.Spans[0]); diff != "" {
		t.Error(diff)
	}
	if trace.Spans[1].Parent != (SpanID{7: 1}) || trace.Spans[1].Attributes != nil {
		t.Errorf("second span %+v", trace.Spans[1])
	}
	resource := &Resource{ID: 1, Env: "production", Service: "web", Version: "1.0", Instance: "web-1", Language: "go", Attributes: []Attribute{{"service.name", "web", 's'}, {"process.pid", "42", 'i'}}}
	if diff := cmp.Diff(map[uint64]*Resource{1: resource}, trace.Resources); diff != "" {
		t.Error(diff)
	}
	span, of, err := ReadSpan(context.Background(), db, mustTraceID(t, 1), SpanID{7: 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, span); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(resource, of); diff != "" {
		t.Error(diff)
	}
}

func TestTraceNotFound(t *testing.T) {
	db := querytest.New(t, traceSpans()...)
	if _, err := Read(context.Background(), db, mustTraceID(t, 99)); !errors.Is(err, ErrNotFound) {
		t.Errorf("trace: %v", err)
	}
	if _, _, err := ReadSpan(context.Background(), db, mustTraceID(t, 1), SpanID{7: 99}); !errors.Is(err, ErrNotFound) {
		t.Errorf("span: %v", err)
	}
	if _, err := ReadLogs(context.Background(), db, mustTraceID(t, 99)); !errors.Is(err, ErrNotFound) {
		t.Errorf("logs: %v", err)
	}
}

// TestLargeTrace reads traces around the limits for detail and for spans.
func TestLargeTrace(t *testing.T) {
	db := querytest.New(t)
	f := func(trace, stored, want int, detail bool) {
		t.Helper()
		querytest.Exec(t, db, `
INSERT INTO spans (slice, ts, duration, trace_id, span_id, parent_id, service, operation, kind, attributes)
SELECT toStartOfInterval(at, INTERVAL 10 SECOND), at, 1000, toFixedString(unhex({trace:String}), 16), reinterpretAsFixedString(number + 1), if(number = 0, toFixedString('', 8), reinterpretAsFixedString(toUInt64(1))), 'web', 'op', 'internal', map('n', toString(number))
FROM (SELECT number, fromUnixTimestamp64Nano({base:Int64} + toInt64(number) * 1000000, 'UTC') AS at FROM numbers({n:UInt64}))`,
			clickhouse.Named("trace", querytest.TraceHex(trace)), clickhouse.Named("base", querytest.Base.UnixNano()), clickhouse.Named("n", stored))
		querytest.Exec(t, db, `INSERT INTO trace_index (trace_id, slice) SELECT DISTINCT trace_id, slice FROM spans`)
		got, err := Read(context.Background(), db, mustTraceID(t, trace))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Spans) != want || got.Stored != stored || got.WithoutDetail == detail || (len(got.Spans[0].Attributes) == 1) != detail {
			t.Errorf("%d spans of %d, detail %v", len(got.Spans), got.Stored, !got.WithoutDetail)
		}
		if tree := BuildTree(got.Spans); tree.Nodes[0].Descendants != want-1 {
			t.Errorf("%d descendants", tree.Nodes[0].Descendants)
		}
	}
	f(1, maxDetailedSpans, maxDetailedSpans, true)
	f(2, maxDetailedSpans+1, maxDetailedSpans+1, false)
	f(3, MaxTraceSpans+10, MaxTraceSpans, false)
}

func TestReadLogs(t *testing.T) {
	db := querytest.New(t, traceSpans()...)
	querytest.Exec(t, db, `
INSERT INTO logs (slice, ts, trace_id, span_id, service, severity, severity_text, body, body_type, attributes, attribute_types)
SELECT toStartOfInterval(at, INTERVAL 10 SECOND), at, toFixedString(unhex(if(number < 3, {trace:String}, {other:String})), 16), reinterpretAsFixedString(toUInt64(0)), 'web', 17, 'ERROR', concat('line ', toString(number)), 's', map('k', 'v'), 's'
FROM (SELECT number, toDateTime64('2026-11-21 10:00:12', 9, 'UTC') + number AS at FROM numbers(5))`,
		clickhouse.Named("trace", querytest.TraceHex(1)), clickhouse.Named("other", querytest.TraceHex(2)))
	logs, err := ReadLogs(context.Background(), db, mustTraceID(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if len(logs) != 3 || logs[2].Body != "line 2" || logs[0].Severity != 17 || !logs[0].SpanID.IsZero() || len(logs[0].Attributes) != 1 || logs[0].BodyType != 's' || !logs[1].Time.Equal(querytest.Base.Add(13*time.Second)) {
		t.Errorf("%+v", logs)
	}
}

// TestGranules guards that the engine finds a trace by the primary key, whose conditions it must recognise.
func TestGranules(t *testing.T) {
	check := querytest.Granules(t, querytest.New(t))
	var w sql.Where
	ofTrace(&w, mustTraceID(t, 1), []uint32{uint32(querytest.Base.Add(time.Hour).Unix())})
	check("trace", w.String(), w.Args)
}

// TestLastByteIsALineFeed reads values that end as a row of text would.
func TestLastByteIsALineFeed(t *testing.T) {
	db := querytest.New(t, querytest.Span{
		At: time.Second, Trace: 1, Span: 1, Service: "web", Operation: "GET /",
		Attributes: querytest.Attributes{{"message", "line\n"}}, Types: "s",
	})
	trace, err := Read(context.Background(), db, mustTraceID(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Attribute{{"message", "line\n", 's'}}, trace.Spans[0].Attributes); diff != "" {
		t.Error(diff)
	}
}
