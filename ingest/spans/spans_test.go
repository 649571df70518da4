package spans

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"loadline/ingest/native"
	"loadline/ingest/native/nativetest"
	"loadline/ingest/red"
	"loadline/ingest/wire"
)

var (
	now    = time.Date(2026, 5, 4, 11, 30, 7, 123456789, time.UTC)
	window = wire.NewWindow(now, 30*24*time.Hour)
)

// fixture is a request with one resource and one scope.
type fixture struct {
	all      ptrace.Traces
	resource ptrace.ResourceSpans
	scope    ptrace.ScopeSpans
}

func newFixture(service string) *fixture {
	all := ptrace.NewTraces()
	rs := all.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", service)
	rs.Resource().Attributes().PutStr("service.version", "7")
	rs.Resource().Attributes().PutStr("deployment.environment.name", "prod")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("lib")
	return &fixture{all, rs, ss}
}

// span adds a root span of 250 ms.
func (f *fixture) span(name string) ptrace.Span {
	s := f.scope.Spans().AppendEmpty()
	s.SetName(name)
	s.SetTraceID(pcommon.TraceID{1, 2, 3})
	s.SetSpanID(pcommon.SpanID{4, byte(f.scope.Spans().Len()), byte(f.scope.Spans().Len() >> 8)})
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(now))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(now.Add(250 * time.Millisecond)))
	return s
}

func (f *fixture) body(t testing.TB) []byte {
	t.Helper()
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(f.all)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// add checks a request, adds it and compares the counts.
func add(t testing.TB, b *Builder, body []byte) wire.Tally {
	t.Helper()
	tally, err := Check(body, window)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	before := b.Rows()
	if err := b.Add(body, window); err != nil {
		t.Fatalf("add: %v", err)
	}
	if got := b.Rows() - before; got != tally.Items[wire.Accepted] {
		t.Fatalf("Check accepted %d spans, Add collected %d", tally.Items[wire.Accepted], got)
	}
	return tally
}

func decode(t testing.TB, block native.Block, order []int32) []nativetest.Row {
	t.Helper()
	rows, err := nativetest.Rows(block, order)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func rows(t testing.TB, b *Builder) []nativetest.Row {
	t.Helper()
	block, order := b.Block()
	return decode(t, block, order)
}

// one returns the row of a span that is filled in by f.
func one(t testing.TB, fill func(ptrace.Span)) nativetest.Row {
	t.Helper()
	f := newFixture("s")
	fill(f.span("name"))
	return only(t, f.body(t))
}

func only(t testing.TB, body []byte) nativetest.Row {
	t.Helper()
	b := NewBuilder(wire.NewResources())
	if tally := add(t, b, body); tally.Rejected() > 0 {
		t.Fatalf("rejected: %s", tally.Message())
	}
	all := rows(t, b)
	if len(all) != 1 {
		t.Fatalf("%d rows", len(all))
	}
	return all[0]
}

func expect(t *testing.T, name string, got, want nativetest.Row) {
	t.Helper()
	for _, column := range slices.Sorted(maps.Keys(want)) {
		if diff := cmp.Diff(want[column], got[column]); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, column, diff)
		}
	}
}

func zeros(n int) string { return strings.Repeat("\x00", n) }

func TestEveryColumn(t *testing.T) {
	f := newFixture("checkout")
	f.scope.SetSchemaUrl("https://example.com/s")
	f.scope.Scope().SetVersion("2")
	s := f.span("GET")
	s.SetParentSpanID(pcommon.SpanID{9})
	s.SetKind(ptrace.SpanKindServer)
	s.Status().SetCode(ptrace.StatusCodeOk)
	s.Status().SetMessage("fine")
	s.TraceState().FromRaw("a=1,ot=th:8")
	s.Attributes().PutStr("http.request.method", "GET")
	s.Attributes().PutStr("http.route", "/items/{id}")
	s.Attributes().PutInt("http.response.status_code", 503)
	s.SetDroppedAttributesCount(1)
	s.SetDroppedEventsCount(2)
	s.SetDroppedLinksCount(3)
	s.SetFlags(0x301)
	got := only(t, f.body(t))
	if got["resource_id"] == uint64(0) {
		t.Error("no resource id")
	}
	delete(got, "resource_id")
	want := nativetest.Row{
		"slice": uint64(now.Unix() - 7), "ts": now.UnixNano(), "duration": uint64(250e6),
		"trace_id": "\x01\x02\x03" + zeros(13), "span_id": "\x04\x01" + zeros(6), "parent_id": "\x09" + zeros(7),
		"env": "prod", "service": "checkout", "version": "7", "operation": "GET /items/{id}", "name": "GET",
		"kind": int64(2), "status": int64(1), "status_message": "fine", "error": uint64(1), "error_type": "",
		"http_status": uint64(503), "peer": "", "peer_type": "", "weight": 2.0, "scope": "lib@2",
		"attributes": [][2]string{
			{"http.request.method", "GET"}, {"http.route", "/items/{id}"}, {"http.response.status_code", "503"},
		},
		"attribute_types": "ssi", "events": "", "links": "", "trace_state": "a=1,ot=th:8",
		"extra": `{"flags":769,"dropped_attributes":1,"dropped_events":2,"dropped_links":3,"schema_url":"https://example.com/s"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

func TestRejects(t *testing.T) {
	f := func(name string, want wire.Reason, fill func(ptrace.Span)) {
		t.Helper()
		fixture := newFixture("s")
		fill(fixture.span("bad"))
		fixture.span("good")
		tally := add(t, NewBuilder(wire.NewResources()), fixture.body(t))
		if tally.Items[want] != 1 || tally.Items[wire.Accepted] != 1 || tally.Message() == "" {
			t.Errorf("%s: tally %v, want one %v", name, tally.Items, want)
		}
	}
	ns := pcommon.NewTimestampFromTime
	f("zero trace id", wire.BadTraceID, func(s ptrace.Span) { s.SetTraceID(pcommon.TraceID{}) })
	f("zero span id", wire.BadSpanID, func(s ptrace.Span) { s.SetSpanID(pcommon.SpanID{}) })
	f("no start", wire.TooOld, func(s ptrace.Span) { s.SetStartTimestamp(0) })
	f("ancient", wire.TooOld, func(s ptrace.Span) { s.SetStartTimestamp(ns(now.Add(-31 * 24 * time.Hour))) })
	f("tomorrow", wire.InFuture, func(s ptrace.Span) {
		s.SetStartTimestamp(ns(now.Add(24 * time.Hour)))
		s.SetEndTimestamp(s.StartTimestamp())
	})
	f("largest start", wire.InFuture, func(s ptrace.Span) { s.SetStartTimestamp(math.MaxUint64) })
	f("largest end", wire.InFuture, func(s ptrace.Span) { s.SetEndTimestamp(math.MaxUint64) })
	f("attribute too deep", wire.TooDeep, func(s ptrace.Span) { nest(s.Attributes().PutEmpty("deep"), 1000) })
	f("event too deep", wire.TooDeep, func(s ptrace.Span) {
		nest(s.Events().AppendEmpty().Attributes().PutEmpty("deep"), 1000)
	})
	f("link too deep", wire.TooDeep, func(s ptrace.Span) {
		nest(s.Links().AppendEmpty().Attributes().PutEmpty("deep"), 1000)
	})
}

func nest(v pcommon.Value, depth int) {
	for range depth {
		v = v.SetEmptySlice().AppendEmpty()
	}
	v.SetStr("end")
}

func TestResourceTooDeep(t *testing.T) {
	f := newFixture("s")
	nest(f.resource.Resource().Attributes().PutEmpty("deep"), 1000)
	f.span("a")
	f.span("b")
	if tally := add(t, NewBuilder(wire.NewResources()), f.body(t)); tally.Items[wire.TooDeep] != 2 {
		t.Errorf("tally %v", tally.Items)
	}
}

func TestEndBeforeStart(t *testing.T) {
	got := one(t, func(s ptrace.Span) { s.SetEndTimestamp(s.StartTimestamp() - 5) })
	expect(t, "end before start", got, nativetest.Row{"duration": uint64(0), "extra": `{"end_before_start_ns":5}`})
}

// What pdata does not write: ids of wrong length, equal keys, enumerations that do not exist, invalid UTF-8 in keys.
func TestOddSpans(t *testing.T) {
	bytes := func(number protowire.Number, content string) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), []byte(content))
	}
	fixed := func(number protowire.Number, n uint64) []byte {
		return protowire.AppendFixed64(protowire.AppendTag(nil, number, protowire.Fixed64Type), n)
	}
	varint := func(number protowire.Number, n uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
	}
	attribute := func(key, value string) []byte {
		return bytes(9, string(bytes(1, key))+string(bytes(2, string(bytes(1, value)))))
	}
	start := uint64(now.UnixNano())
	request := func(parts ...[]byte) []byte {
		return bytes(1, string(bytes(2, string(bytes(2, string(slices.Concat(parts...)))))))
	}
	id16, id8 := strings.Repeat("a", 16), strings.Repeat("b", 8)
	times := slices.Concat(fixed(7, start), fixed(8, start))

	got := only(t, request(times, bytes(1, id16), bytes(2, id8), bytes(4, zeros(8)), varint(6, math.MaxUint64),
		bytes(15, string(varint(3, 99))), bytes(5, "n\xff"), attribute("k", "first"), attribute("\xff", "x"),
		attribute("k", "last"), bytes(99, "unknown")))
	expect(t, "odd", got, nativetest.Row{
		"service": "unknown_service", "kind": int64(1), "status": int64(0), "parent_id": zeros(8), "name": "n\ufffd",
		"attributes": [][2]string{{"\ufffd", "x"}, {"k", "last"}}, "attribute_types": "ss", "extra": "",
	})
	reject := func(want wire.Reason, parts ...[]byte) {
		t.Helper()
		tally := add(t, NewBuilder(wire.NewResources()), request(append(parts, times)...))
		if tally.Items[want] != 1 {
			t.Errorf("tally %v, want %v", tally.Items, want)
		}
	}
	reject(wire.BadTraceID, bytes(2, id8))
	reject(wire.BadTraceID, bytes(1, id16+"x"), bytes(2, id8))
	reject(wire.BadTraceID, bytes(1, id8), bytes(2, id8))
	reject(wire.BadSpanID, bytes(1, id16), bytes(2, id16))
	if _, err := Check(request(varint(1, 1)), window); err == nil {
		t.Error("a trace id that is a number passed")
	}

	// A message of two bytes each must not cost the memory of a slice each.
	many := strings.Repeat(string(bytes(11, ""))+string(bytes(13, "")), 100_000)
	var s span
	if err := s.decode([]byte(many)); err != nil {
		t.Fatal(err)
	}
	if len(s.events) > wire.MaxAttributes || s.droppedEvents != uint32(100_000-len(s.events)) || len(s.links) > wire.MaxAttributes {
		t.Errorf("%d events, %d dropped, %d links", len(s.events), s.droppedEvents, len(s.links))
	}
}

func TestLongTexts(t *testing.T) {
	long := strings.Repeat("x", 10<<20)
	f := newFixture("s")
	s := f.span(long)
	s.Attributes().PutStr("k", long)
	s.Attributes().PutStr(long, "v")
	s.Status().SetMessage(long)
	body := f.body(t)
	tally, err := Check(body, window)
	if err != nil || tally.Truncated != 1 || tally.Rejected() > 0 {
		t.Errorf("tally %+v, %v", tally, err)
	}
	name := long[:wire.MaxNameBytes]
	expect(t, "long", only(t, body), nativetest.Row{
		"name": name, "operation": name, "status_message": long[:wire.MaxValueBytes], "attribute_types": "ts",
		"attributes": [][2]string{{"k", long[:wire.MaxValueBytes]}, {name, "v"}},
	})
}

func TestConventions(t *testing.T) {
	type attributes map[string]any
	f := func(name string, kind ptrace.SpanKind, in attributes, want nativetest.Row) {
		t.Helper()
		got := one(t, func(s ptrace.Span) {
			s.SetKind(kind)
			if err := s.Attributes().FromRaw(in); err != nil {
				t.Fatal(err)
			}
		})
		expect(t, name, got, want)
	}
	server, client := ptrace.SpanKindServer, ptrace.SpanKindClient
	f("new HTTP", server, attributes{"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 500},
		nativetest.Row{"operation": "GET /a", "http_status": uint64(500), "error": uint64(1)})
	f("old HTTP", server, attributes{"http.method": "PUT", "http.route": "/b", "http.status_code": "404"},
		nativetest.Row{"operation": "PUT /b", "http_status": uint64(404), "error": uint64(0)})
	f("both, the new counts", server, attributes{"http.method": "OLD", "http.request.method": "NEW", "http.route": "/"},
		nativetest.Row{"operation": "NEW /"})
	f("no route", server, attributes{"http.request.method": "GET"}, nativetest.Row{"operation": "name"})
	f("HTTP client", client,
		attributes{"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 500, "server.address": "api.x"},
		nativetest.Row{"operation": "name", "error": uint64(0), "peer": "api.x", "peer_type": ""})
	f("absurd status", server, attributes{"http.response.status_code": 99999}, nativetest.Row{"http_status": uint64(0)})
	f("error type", client, attributes{"error.type": "timeout"}, nativetest.Row{"error_type": "timeout"})
	f("database", client, attributes{"db.system.name": "postgresql", "db.namespace": "shop", "server.address": "h"},
		nativetest.Row{"peer": "postgresql:shop", "peer_type": "database"})
	f("old database", client, attributes{"db.system": "mysql", "net.peer.name": "h"},
		nativetest.Row{"peer": "mysql:h", "peer_type": "database"})
	f("cache", client, attributes{"db.system": "redis", "db.namespace": "0", "server.address": "redis-main"},
		nativetest.Row{"peer": "redis-main", "peer_type": "cache"})
	f("queue", ptrace.SpanKindProducer, attributes{"messaging.system": "kafka", "messaging.destination.name": "orders"},
		nativetest.Row{"peer": "kafka:orders", "peer_type": "queue"})
	f("named peer", client, attributes{"peer.service": "auth", "server.address": "h"},
		nativetest.Row{"peer": "auth", "peer_type": ""})
	f("peer without name", client, attributes{"db.system": "mysql", "peer.service": 5},
		nativetest.Row{"peer": "mysql", "peer_type": "database"})
	f("server has no peer", server, attributes{"peer.service": "auth"}, nativetest.Row{"peer": ""})
}

func TestEventsAndLinks(t *testing.T) {
	hostile := "\"\\\x00\n\u2028</script>\xff"
	clean := strings.ToValidUTF8(hostile, "\ufffd")
	got := one(t, func(s ptrace.Span) {
		e := s.Events().AppendEmpty()
		e.SetName(hostile)
		e.SetTimestamp(42)
		e.Attributes().PutStr(hostile, hostile)
		e.Attributes().PutDouble("nan", math.NaN())
		e.Attributes().PutEmptyBytes("bytes").FromRaw([]byte{1})
		nest(e.Attributes().PutEmpty("list"), 2)
		e = s.Events().AppendEmpty()
		e.SetName("exception")
		e.Attributes().PutStr("exception.type", "Broken")
		l := s.Links().AppendEmpty()
		l.SetTraceID(pcommon.TraceID{0xab})
		l.SetSpanID(pcommon.SpanID{0xcd})
		l.TraceState().FromRaw(hostile)
		l.Attributes().PutBool("b", true)
		s.Links().AppendEmpty()
	})
	expect(t, "error type", got, nativetest.Row{"error_type": "Broken"})
	parse := func(column string) (out []map[string]any) {
		t.Helper()
		if err := json.Unmarshal([]byte(got[column].(string)), &out); err != nil {
			t.Fatalf("%s %q: %v", column, got[column], err)
		}
		return out
	}
	wantEvents := []map[string]any{
		{"ts": 42.0, "name": clean, "attributes": map[string]any{
			clean: clean, "nan": "NaN", "bytes": "AQ==", "list": []any{[]any{"end"}},
		}},
		{"ts": 0.0, "name": "exception", "attributes": map[string]any{"exception.type": "Broken"}},
	}
	if diff := cmp.Diff(wantEvents, parse("events")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	wantLinks := []map[string]any{
		{
			"trace_id": "ab" + strings.Repeat("0", 30), "span_id": "cd" + strings.Repeat("0", 14), "trace_state": clean,
			"attributes": map[string]any{"b": true},
		},
		{"trace_id": "", "span_id": ""},
	}
	if diff := cmp.Diff(wantLinks, parse("links")); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

// TestRED compares the aggregation with one that takes the stored rows one by one.
func TestRED(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	b := NewBuilder(wire.NewResources())
	for round := range 2 { // the second reuses the rows of the first
		b.Reset()
		for i := range 30 {
			f := newFixture(fmt.Sprintf("service-%d", i%3))
			for range 40 {
				s := f.span(fmt.Sprintf("op-%d", random.IntN(4)))
				s.SetTraceID(pcommon.TraceID{byte(random.Uint32()), 1})
				start := now.Add(time.Duration(random.IntN(40)) * time.Second)
				s.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
				s.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(random.IntN(1 << random.IntN(31))))))
				s.SetKind(ptrace.SpanKind(random.IntN(6)))
				s.Status().SetCode(ptrace.StatusCode(random.IntN(3)))
				if random.IntN(2) == 0 {
					s.Attributes().PutInt("http.response.status_code", int64(100+random.IntN(500)))
				}
				if random.IntN(2) == 0 {
					s.SetParentSpanID(pcommon.SpanID{1})
				}
				s.TraceState().FromRaw([]string{"", "ot=th:8", "ot=th:c"}[random.IntN(3)])
			}
			add(t, b, f.body(t))
		}
		want := map[string]nativetest.Row{}
		for _, r := range rows(t, b) {
			countRED(want, r)
		}
		_, block := b.Derived()
		got := map[string]nativetest.Row{}
		for _, r := range decode(t, block, nil) {
			latency := map[int64]float64{}
			pair := r["latency"].([]any)
			for i, index := range pair[0].([]any) {
				latency[index.(int64)] += pair[1].([]any)[i].(float64)
			}
			r["latency"] = latency
			r["slowest"] = r["slowest"].([]any)[0] // which of two equally slow traces it is does not matter
			key := fmt.Sprint(r["slice"], r["service"], r["env"], r["version"], r["operation"], r["kind"], r["root"], r["status"], r["error"])
			if got[key] != nil {
				t.Errorf("two rows for %s", key)
			}
			got[key] = r
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
			t.Fatalf("round %d (-want +got):\n%.3000s", round, diff)
		}
	}
}

// countRED counts one span row the obvious way.
func countRED(all map[string]nativetest.Row, r nativetest.Row) {
	status := "ok"
	if r["error"] == uint64(1) {
		status = "error"
	}
	if code := r["http_status"].(uint64); code > 0 {
		status = fmt.Sprintf("%dxx", code/100)
	}
	var root uint64
	if r["parent_id"] == zeros(8) {
		root = 1
	}
	key := fmt.Sprint(r["slice"], r["service"], r["env"], r["version"], r["operation"], r["kind"], root, status, r["error"])
	sum := all[key]
	if sum == nil {
		sum = nativetest.Row{
			"spans": uint64(0), "requests": 0.0, "duration": 0.0, "latency": map[int64]float64{}, "slowest": uint64(0),
			"root": root, "status": status, "inbound": uint64(0),
		}
		if kind := r["kind"].(int64); root == 1 || kind == kindServer || kind == kindConsumer {
			sum["inbound"] = uint64(1)
		}
		for _, column := range []string{"slice", "service", "env", "version", "operation", "kind", "error"} {
			sum[column] = r[column]
		}
		all[key] = sum
	}
	duration, weight := r["duration"].(uint64), r["weight"].(float64)
	sum["spans"] = sum["spans"].(uint64) + 1
	sum["requests"] = sum["requests"].(float64) + weight
	sum["duration"] = sum["duration"].(float64) + weight*float64(duration)
	sum["latency"].(map[int64]float64)[int64(red.BucketIndex(duration))] += weight
	sum["slowest"] = max(sum["slowest"].(uint64), duration)
}

func TestTraceIndexAndOrder(t *testing.T) {
	b := NewBuilder(wire.NewResources())
	for _, service := range []string{"b", "c", "a"} {
		f := newFixture(service)
		for i := range 60 {
			s := f.span("n")
			s.SetTraceID(pcommon.TraceID{byte(i * 7 % 5), 0, 0, 0, 0, 0, 0, 0, byte(i % 2)})
			s.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(-i%30) * time.Second)))
		}
		add(t, b, f.body(t))
	}
	var keys []string
	places := map[string]bool{}
	for _, r := range rows(t, b) {
		keys = append(keys, fmt.Sprintf("%d/%s/%x/%d", r["slice"], r["service"], r["trace_id"], r["ts"]))
		places[fmt.Sprintf("%x/%d", r["trace_id"], r["slice"])] = true
	}
	if !slices.IsSorted(keys) {
		t.Errorf("rows are not in the order of slice, service, trace and time: %q", keys)
	}
	index, _ := b.Derived()
	var got []string
	for _, r := range decode(t, index, nil) {
		got = append(got, fmt.Sprintf("%x/%d", r["trace_id"], r["slice"]))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(places)), got); diff != "" {
		t.Errorf("trace index (-want +got):\n%s", diff)
	}
}

func TestMalformed(t *testing.T) {
	f := newFixture("s")
	s := f.span("n")
	s.Attributes().PutInt("k", 1)
	s.Events().AppendEmpty().Attributes().PutStr("k", "v")
	body := f.body(t)
	for n := range body {
		if tally, err := Check(body[:n], window); err == nil {
			b := NewBuilder(wire.NewResources())
			if err := b.Add(body[:n], window); err != nil || b.Rows() != tally.Items[wire.Accepted] {
				t.Errorf("first %d bytes: Check accepted %d, Add %d, %v", n, tally.Items[wire.Accepted], b.Rows(), err)
			}
		}
	}
	if _, err := Check([]byte{0x0a, 0x7f}, window); err == nil {
		t.Error("a truncated request passed")
	}
}
