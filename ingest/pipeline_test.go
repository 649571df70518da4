package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"loadline/ingest"
	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
)

// start runs a pipeline over dir and returns it with a func that stops it and waits.
func start(t *testing.T, db *clickhouse.DB, dir string) (*ingest.Pipeline, func()) {
	t.Helper()
	p, err := ingest.New(db, ingest.Config{Dir: dir, SegmentAge: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return p, stop
}

// request builds n spans of one trace each. The first id is first.
func request(t *testing.T, first, n int) []byte {
	t.Helper()
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "checkout")
	rs.Resource().Attributes().PutStr("service.version", "1.2.3")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	begin := time.Now().Add(-time.Minute)
	for i := first; i < first+n; i++ {
		s := spans.AppendEmpty()
		s.SetTraceID(pcommon.TraceID{0: 1, 14: byte(i >> 8), 15: byte(i)})
		s.SetSpanID(pcommon.SpanID{0: 1, 6: byte(i >> 8), 7: byte(i)})
		s.SetName("GET /cart")
		s.SetKind(ptrace.SpanKindServer)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(begin))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Duration(i) * time.Millisecond)))
	}
	return marshal(t, ptraceotlp.NewExportRequestFromTraces(td).MarshalProto)
}

func marshal(t *testing.T, f func() ([]byte, error)) []byte {
	t.Helper()
	body, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func mustExport(t *testing.T, p *ingest.Pipeline, signal ingest.Signal, body []byte, want int) {
	t.Helper()
	got, err := p.Export(t.Context(), signal, body)
	if err != nil {
		t.Fatal(err)
	}
	if got.Accepted != want || got.Rejected != 0 {
		t.Fatalf("export of %s: got %+v, want %d accepted", signal, got, want)
	}
}

func number(t *testing.T, db *clickhouse.DB, sql string) uint64 {
	t.Helper()
	var n uint64
	if err := db.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// check compares what is stored with n spans that were sent, in every table that counts them.
func check(t *testing.T, db *clickhouse.DB, n int) {
	t.Helper()
	for table, sql := range map[string]string{
		"spans":       "SELECT count() FROM spans",
		"distinct":    "SELECT uniqExact(span_id) FROM spans",
		"trace_index": "SELECT uniqExact(trace_id) FROM trace_index",
		"red_10s":     "SELECT sum(spans) FROM red_10s",
		"red_5m":      "SELECT sum(spans) FROM red_5m",
		"red_1h":      "SELECT sum(spans) FROM red_1h",
		"histogram":   "SELECT toUInt64(arraySum(sumMap(latency).2)) FROM red_1h",
	} {
		if got := number(t, db, sql); got != uint64(n) {
			t.Errorf("%s: got %d, want %d", table, got, n)
		}
	}
}

func TestPipelineStoresEverySignal(t *testing.T) {
	db := chtest.New(t)
	dir := t.TempDir()
	p, stop := start(t, db, dir)
	mustExport(t, p, ingest.Traces, request(t, 1, 100), 100)

	ld := plog.NewLogs()
	record := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	record.Body().SetStr("hello")
	mustExport(t, p, ingest.Logs, marshal(t, plogotlp.NewExportRequestFromLogs(ld).MarshalProto), 1)

	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("queue.depth")
	point := m.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	point.SetIntValue(7)
	mustExport(t, p, ingest.Metrics, marshal(t, pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto), 1)
	stop()

	// What waits for the coarse tiers is inserted at the next start.
	_, stop = start(t, db, dir)
	waitFor(t, func() bool { return number(t, db, "SELECT sum(spans) FROM red_1h") == 100 })
	stop()
	check(t, db, 100)
	for sql, want := range map[string]uint64{
		"SELECT count() FROM logs WHERE body = 'hello'":                                             1,
		"SELECT toUInt64(arraySum(value)) FROM samples WHERE metric = 'queue_depth'":                7,
		"SELECT count() FROM resources WHERE service = 'checkout'":                                  1,
		"SELECT count() FROM deployments WHERE version = '1.2.3' AND last_seen > now() - 300":       1,
		"SELECT toUInt64(length(labels) > 0) FROM series WHERE metric = 'queue_depth' GROUP BY ALL": 1,
	} {
		if got := number(t, db, sql); got != want {
			t.Errorf("%s: got %d, want %d", sql, got, want)
		}
	}
}

// waitFor polls until ok, and fails the test when that takes a minute.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("gave up waiting")
		}
		<-tick.C
	}
}

// A sender that got no answer sends the same bytes again, and a pipeline that died is started again on its log.
func TestPipelineCountsOnce(t *testing.T) {
	db := chtest.New(t)
	dir := t.TempDir()
	sent := 0
	for round := range 4 {
		p, stop := start(t, db, dir)
		for i := range 5 {
			body := request(t, sent+1, 50)
			mustExport(t, p, ingest.Traces, body, 50)
			sent += 50
			if i%2 == round%2 {
				mustExport(t, p, ingest.Traces, body, 50)
			}
		}
		stop()
	}
	_, stop := start(t, db, dir)
	waitFor(t, func() bool { return number(t, db, "SELECT sum(spans) FROM red_1h") >= uint64(sent) })
	stop()
	check(t, db, sent)
}

func TestExportErrors(t *testing.T) {
	db := chtest.New(t)
	p, stop := start(t, db, t.TempDir())
	var malformed *ingest.MalformedError
	if _, err := p.Export(t.Context(), ingest.Traces, []byte("no protobuf")); !errors.As(err, &malformed) {
		t.Errorf("malformed bytes: got %v", err)
	}
	if got, err := p.Export(t.Context(), ingest.Logs, nil); err != nil || got != (ingest.Result{}) {
		t.Errorf("empty request: got %+v, %v", got, err)
	}
	stop()
	if _, err := p.Export(t.Context(), ingest.Traces, request(t, 1, 1)); !errors.Is(err, ingest.ErrClosed) {
		t.Errorf("closed pipeline: got %v", err)
	}
}

func TestEdges(t *testing.T) {
	db := chtest.New(t)
	p, stop := start(t, db, t.TempDir())
	minute := time.Now().Add(-2 * time.Minute).Truncate(time.Minute)
	mustExport(t, p, ingest.Traces, callRequest(t, minute.Add(20*time.Second)), 5)
	stop()
	for range 2 { // computing a minute again replaces it
		if err := ingest.ComputeEdges(t.Context(), db, minute); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.Query(t.Context(), `
		SELECT client, server, server_type, calls, errors
		FROM edges FINAL
		ORDER BY client, server`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var got []string
	for rows.Next() {
		var client, server, typ string
		var calls, failed float64
		if err := rows.Scan(&client, &server, &typ, &calls, &failed); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s > %s (%s) %g/%g", client, server, typ, failed, calls))
	}
	want := []string{
		"cart > postgresql:shop (database) 0/1",
		"gateway > cart (service) 1/1",
		"gateway > kafka:orders (queue) 0/1",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("edges:\ngot  %q\nwant %q", got, want)
	}
}

// callRequest is a trace: gateway calls cart, which asks a database, and publishes to a queue.
func callRequest(t *testing.T, at time.Time) []byte {
	t.Helper()
	td := ptrace.NewTraces()
	add := func(service string, id, parent byte, kind ptrace.SpanKind, attributes map[string]string) ptrace.Span {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", service)
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{15: 9})
		s.SetSpanID(pcommon.SpanID{7: id})
		if parent != 0 {
			s.SetParentSpanID(pcommon.SpanID{7: parent})
		}
		s.SetKind(kind)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Millisecond)))
		for k, v := range attributes {
			s.Attributes().PutStr(k, v)
		}
		return s
	}
	add("gateway", 1, 0, ptrace.SpanKindServer, nil)
	call := add("gateway", 2, 1, ptrace.SpanKindClient, map[string]string{"server.address": "cart.internal"})
	call.Status().SetCode(ptrace.StatusCodeError)
	add("cart", 3, 2, ptrace.SpanKindServer, nil)
	add("cart", 4, 3, ptrace.SpanKindClient, map[string]string{"db.system": "postgresql", "db.name": "shop"})
	add("gateway", 5, 1, ptrace.SpanKindProducer,
		map[string]string{"messaging.system": "kafka", "messaging.destination.name": "orders"})
	return marshal(t, ptraceotlp.NewExportRequestFromTraces(td).MarshalProto)
}
