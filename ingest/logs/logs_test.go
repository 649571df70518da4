package logs

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/protobuf/encoding/protowire"

	"loadline/ingest/native/nativetest"
	"loadline/ingest/wire"
)

var (
	now    = time.Date(2026, 5, 4, 11, 30, 7, 123456789, time.UTC)
	window = wire.NewWindow(now, 30*24*time.Hour)
)

// fixture is a request with one resource and one scope.
type fixture struct {
	all      plog.Logs
	resource plog.ResourceLogs
	scope    plog.ScopeLogs
}

func newFixture(service string) *fixture {
	all := plog.NewLogs()
	rl := all.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", service)
	rl.Resource().Attributes().PutStr("deployment.environment.name", "prod")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("logger")
	return &fixture{all, rl, sl}
}

func (f *fixture) record() plog.LogRecord {
	r := f.scope.LogRecords().AppendEmpty()
	r.SetTimestamp(pcommon.NewTimestampFromTime(now))
	return r
}

func (f *fixture) body(t testing.TB) []byte {
	t.Helper()
	body, err := (&plog.ProtoMarshaler{}).MarshalLogs(f.all)
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
		t.Fatalf("Check accepted %d records, Add collected %d", tally.Items[wire.Accepted], got)
	}
	return tally
}

func rows(t testing.TB, b *Builder) []nativetest.Row {
	t.Helper()
	rows, err := nativetest.Rows(b.Block())
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// one returns the only row that a fixture makes.
func one(t testing.TB, f *fixture) nativetest.Row {
	t.Helper()
	b := NewBuilder(wire.NewResources())
	if tally := add(t, b, f.body(t)); tally.Rejected() > 0 {
		t.Fatalf("rejected: %s", tally.Message())
	}
	all := rows(t, b)
	if len(all) != 1 {
		t.Fatalf("%d rows", len(all))
	}
	return all[0]
}

func TestEveryColumn(t *testing.T) {
	f := newFixture("checkout")
	f.resource.SetSchemaUrl("https://example.com/resource")
	f.scope.SetSchemaUrl("https://example.com/scope")
	f.scope.Scope().SetVersion("2")
	r := f.record()
	r.SetObservedTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Second)))
	r.SetTraceID(pcommon.TraceID{1, 2})
	r.SetSpanID(pcommon.SpanID{3})
	r.SetSeverityNumber(plog.SeverityNumberError)
	r.SetSeverityText("ERROR")
	r.SetEventName("payment.failed")
	r.Body().SetStr("card declined")
	r.Attributes().PutStr("exception.type", "Declined")
	r.Attributes().PutInt("attempt", 3)
	r.SetFlags(plog.DefaultLogRecordFlags.WithIsSampled(true))
	r.SetDroppedAttributesCount(2)
	got := one(t, f)
	delete(got, "resource_id")
	want := nativetest.Row{
		"slice":           uint64(now.Unix() - 7),
		"ts":              now.UnixNano(),
		"observed":        now.Add(time.Second).UnixNano(),
		"trace_id":        "\x01\x02" + strings.Repeat("\x00", 14),
		"span_id":         "\x03" + strings.Repeat("\x00", 7),
		"env":             "prod",
		"service":         "checkout",
		"severity":        uint64(17),
		"severity_text":   "ERROR",
		"event_name":      "payment.failed",
		"body":            "card declined",
		"body_type":       "s",
		"scope":           "logger@2",
		"attributes":      [][2]string{{"exception.type", "Declined"}, {"attempt", "3"}},
		"attribute_types": "si",
		"extra":           `{"flags":1,"dropped_attributes":2,"schema_url":"https://example.com/scope"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

func TestTimes(t *testing.T) {
	at, earlier := now.UnixNano(), now.Add(-time.Minute).UnixNano()
	f := func(name string, time, observed uint64, wantTime, wantObserved int64) {
		t.Helper()
		fixture := newFixture("s")
		r := fixture.record()
		r.SetTimestamp(pcommon.Timestamp(time))
		r.SetObservedTimestamp(pcommon.Timestamp(observed))
		got := one(t, fixture)
		if got["ts"] != wantTime || got["observed"] != wantObserved {
			t.Errorf("%s: ts %v, observed %v, want %v, %v", name, got["ts"], got["observed"], wantTime, wantObserved)
		}
	}
	f("both", uint64(earlier), uint64(at), earlier, at)
	f("time only", uint64(earlier), 0, earlier, at)
	f("observed only", 0, uint64(earlier), earlier, earlier)
	f("neither", 0, 0, at, at)
	f("absurd observation", uint64(earlier), math.MaxUint64, earlier, at)
}

func TestBodies(t *testing.T) {
	f := func(want, typ string, fill func(pcommon.Value)) {
		t.Helper()
		fixture := newFixture("s")
		fill(fixture.record().Body())
		got := one(t, fixture)
		if got["body"] != want || got["body_type"] != typ {
			t.Errorf("body %.100q of type %v, want %.100q of type %v", got["body"], got["body_type"], want, typ)
		}
	}
	f("", "n", func(pcommon.Value) {})
	f("", "s", func(v pcommon.Value) { v.SetStr("") })
	f("line\nline", "s", func(v pcommon.Value) { v.SetStr("line\nline") })
	f("\ufffd!", "s", func(v pcommon.Value) { v.SetStr("\xff!") })
	f("true", "b", func(v pcommon.Value) { v.SetBool(true) })
	f("-5", "i", func(v pcommon.Value) { v.SetInt(-5) })
	f("0.5", "d", func(v pcommon.Value) { v.SetDouble(0.5) })
	f("AQI=", "y", func(v pcommon.Value) { v.SetEmptyBytes().FromRaw([]byte{1, 2}) })
	f(`[1,"a"]`, "j", func(v pcommon.Value) {
		list := v.SetEmptySlice()
		list.AppendEmpty().SetInt(1)
		list.AppendEmpty().SetStr("a")
	})
	f(`{"k":{"n":null}}`, "j", func(v pcommon.Value) { v.SetEmptyMap().PutEmptyMap("k").PutEmpty("n") })
	f(strings.Repeat("x", wire.MaxValueBytes), "t", func(v pcommon.Value) { v.SetStr(strings.Repeat("x", 10<<20)) })
}

// What pdata would not write: a key twice, ids of wrong length, an unknown severity and an unknown field.
func TestOddRecordsAreKept(t *testing.T) {
	attribute := func(key, value string) []byte {
		return append(field(1, []byte(key)), field(2, field(1, []byte(value)))...)
	}
	record := slices.Concat(
		protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), uint64(now.UnixNano())),
		protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), math.MaxUint64),
		field(6, attribute("k", "first")), field(6, attribute("k", "last")), field(6, attribute("\xff", "x")),
		field(9, []byte("abc")), field(10, []byte("123456789")), field(77, []byte("unknown")),
	)
	b := NewBuilder(wire.NewResources())
	if tally := add(t, b, field(1, field(2, field(2, record)))); tally.Items[wire.Accepted] != 1 {
		t.Fatal(tally.Message())
	}
	got := rows(t, b)[0]
	want := nativetest.Row{
		"service": "unknown_service", "severity": uint64(0), "attributes": [][2]string{{"k", "last"}, {"\ufffd", "x"}},
		"attribute_types": "ss", "trace_id": strings.Repeat("\x00", 16), "span_id": strings.Repeat("\x00", 8), "extra": "",
	}
	for column := range want {
		if diff := cmp.Diff(want[column], got[column]); diff != "" {
			t.Errorf("%s: %s", column, diff)
		}
	}
}

func field(number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
}

func TestRejects(t *testing.T) {
	f := func(name string, want wire.Reason, fill func(*fixture)) {
		t.Helper()
		fixture := newFixture("s")
		fill(fixture)
		tally := add(t, NewBuilder(wire.NewResources()), fixture.body(t))
		if tally.Items[want] != 1 || tally.Message() == "" {
			t.Errorf("%s: tally %v, want one %v", name, tally.Items, want)
		}
	}
	f("ancient", wire.TooOld, func(f *fixture) { f.record().SetTimestamp(1) })
	f("far future", wire.InFuture, func(f *fixture) { f.record().SetTimestamp(math.MaxUint64) })
	f("body too deep", wire.TooDeep, func(f *fixture) { nest(f.record().Body(), 1000) })
	f("attribute too deep", wire.TooDeep, func(f *fixture) {
		f.record()
		nest(f.record().Attributes().PutEmpty("deep"), 65)
	})
	f("resource too deep", wire.TooDeep, func(f *fixture) {
		nest(f.resource.Resource().Attributes().PutEmpty("deep"), 65)
		f.record()
	})
}

func nest(v pcommon.Value, depth int) {
	for range depth {
		v = v.SetEmptySlice().AppendEmpty()
	}
	v.SetStr("end")
}

func TestRowsAreInPrimaryKeyOrder(t *testing.T) {
	b := NewBuilder(wire.NewResources())
	for _, service := range []string{"b", "c", "a"} {
		f := newFixture(service)
		for _, ms := range []int{12_000, 5, 3, 15_000} {
			f.record().SetTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(ms) * time.Millisecond)))
		}
		add(t, b, f.body(t))
	}
	var got []string
	for _, row := range rows(t, b) {
		got = append(got, fmt.Sprint(row["slice"], row["service"], row["ts"]))
	}
	if len(got) != 12 || !slices.IsSorted(got) {
		t.Errorf("rows are not sorted: %q", got)
	}
	b.Reset()
	if b.Rows() != 0 {
		t.Error("rows are left after Reset")
	}
}

func TestHostileSchemaURL(t *testing.T) {
	f := newFixture("s")
	f.scope.SetSchemaUrl("\"}\xff\x00\u2028")
	f.record()
	extra := one(t, f)["extra"].(string)
	var got map[string]string
	if err := json.Unmarshal([]byte(extra), &got); err != nil || got["schema_url"] != "\"}\ufffd\x00\u2028" {
		t.Errorf("extra %q: %v, %v", extra, got, err)
	}
}

func TestMalformed(t *testing.T) {
	f := newFixture("s")
	f.record().Body().SetStr("text")
	f.record().Attributes().PutInt("n", 1)
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

// FuzzCheckLogs looks for bytes that make the decoder panic, or on which Check and Add disagree.
func FuzzCheckLogs(f *testing.F) {
	all := newFixture("s")
	all.scope.Scope().Attributes().PutBool("b", true)
	r := all.record()
	r.Body().SetEmptyMap().PutEmptySlice("list").AppendEmpty().SetDouble(0.5)
	r.Attributes().PutStr("k", "v")
	r.SetTraceID(pcommon.TraceID{1})
	all.record()
	body := all.body(f)
	f.Add(body)
	for _, n := range []int{0, 1, len(body) / 3, len(body) / 2, len(body) - 1} {
		f.Add(body[:n])
	}
	wide := wire.NewWindow(now, 50*365*24*time.Hour)
	f.Fuzz(func(t *testing.T, body []byte) {
		tally, err := Check(body, wide)
		if err != nil {
			return
		}
		b := NewBuilder(wire.NewResources())
		if err := b.Add(body, wide); err != nil {
			t.Fatalf("Check passed, Add did not: %v", err)
		}
		if b.Rows() != tally.Items[wire.Accepted] {
			t.Fatalf("Check accepted %d records, Add collected %d", tally.Items[wire.Accepted], b.Rows())
		}
		for _, row := range rows(t, b) {
			if extra := row["extra"].(string); extra != "" && !json.Valid([]byte(extra)) {
				t.Errorf("extra %q is not JSON", extra)
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	f := newFixture("checkout")
	const records = 1000
	for i := range records {
		r := f.record()
		r.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		r.SetSeverityText("INFO")
		r.SetTraceID(pcommon.TraceID{1, byte(i), byte(i >> 8)})
		r.SetSpanID(pcommon.SpanID{1, byte(i)})
		r.Body().SetStr(fmt.Sprintf("order %d of customer %d was shipped in %d ms", i, i*7, i%300))
		r.Attributes().PutStr("thread.name", "worker-1")
		r.Attributes().PutStr("code.function.name", "com.example.Orders.ship")
		r.Attributes().PutInt("order.items", int64(i%9))
		r.Attributes().PutStr("customer.tier", "gold")
	}
	body := f.body(b)
	builder := NewBuilder(wire.NewResources())
	encoded := []byte(nil)
	b.Run("batch", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := builder.Add(body, window); err != nil {
				b.Fatal(err)
			}
			block, order := builder.Block()
			encoded = block.Encode(encoded[:0], order)
			builder.Reset()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
	})
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Check(body, window); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
	})
}
