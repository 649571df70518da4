package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"loadline/ingest/native/nativetest"
	"loadline/ingest/samples"
	"loadline/ingest/wire"
)

var (
	now    = time.Date(2026, 5, 4, 11, 30, 0, 0, time.UTC)
	window = wire.NewWindow(now, 30*24*time.Hour)
)

// fixture is a request with one resource and one scope.
type fixture struct {
	all      pmetric.Metrics
	resource pcommon.Resource
	scope    pmetric.ScopeMetrics
}

func newFixture() *fixture {
	all := pmetric.NewMetrics()
	rm := all.ResourceMetrics().AppendEmpty()
	attributes := rm.Resource().Attributes()
	attributes.PutStr("service.name", "checkout")
	attributes.PutStr("service.namespace", "shop")
	attributes.PutStr("service.instance.id", "i-1")
	attributes.PutStr("host.name", "h-1")
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("meter")
	sm.Scope().SetVersion("1.2")
	return &fixture{all, rm.Resource(), sm}
}

func (f *fixture) metric(name, unit string) pmetric.Metric {
	m := f.scope.Metrics().AppendEmpty()
	m.SetName(name)
	m.SetUnit(unit)
	m.SetDescription("about " + name)
	return m
}

func (f *fixture) gauge(name, unit string) pmetric.NumberDataPoint {
	return dated(f.metric(name, unit).SetEmptyGauge().DataPoints().AppendEmpty())
}

func (f *fixture) sum(name string, t pmetric.AggregationTemporality, monotonic bool) pmetric.NumberDataPoint {
	sum := f.metric(name, "").SetEmptySum()
	sum.SetAggregationTemporality(t)
	sum.SetIsMonotonic(monotonic)
	return dated(sum.DataPoints().AppendEmpty())
}

func (f *fixture) histogram(name string, bounds []float64, counts []uint64) pmetric.HistogramDataPoint {
	h := f.metric(name, "s").SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := dated(h.DataPoints().AppendEmpty())
	p.ExplicitBounds().FromRaw(bounds)
	p.BucketCounts().FromRaw(counts)
	for _, n := range counts {
		p.SetCount(p.Count() + n)
	}
	return p
}

func (f *fixture) exponential(name string, scale int32, offset int32, counts ...uint64) pmetric.ExponentialHistogramDataPoint {
	h := f.metric(name, "").SetEmptyExponentialHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := dated(h.DataPoints().AppendEmpty())
	p.SetScale(scale)
	p.Positive().SetOffset(offset)
	p.Positive().BucketCounts().FromRaw(counts)
	for _, n := range counts {
		p.SetCount(p.Count() + n)
	}
	return p
}

// dated gives a data point the fixture's time and start.
func dated[P interface {
	SetTimestamp(pcommon.Timestamp)
	SetStartTimestamp(pcommon.Timestamp)
}](p P) P {
	p.SetTimestamp(pcommon.NewTimestampFromTime(now))
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Hour)))
	return p
}

func (f *fixture) body(t testing.TB) []byte {
	t.Helper()
	body, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(f.all)
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
	if err := b.Add(body, now, window); err != nil {
		t.Fatalf("add: %v", err)
	}
	if got := b.Rows() - before; got != tally.Items[wire.Accepted] {
		t.Fatalf("Check accepted %d points, Add collected %d", tally.Items[wire.Accepted], got)
	}
	return tally
}

// tables reads the builder's blocks back.
func tables(t testing.TB, b *Builder) map[string][]nativetest.Row {
	t.Helper()
	all := map[string][]nativetest.Row{}
	for _, block := range b.Blocks() {
		rows, err := nativetest.Rows(block.Block, block.Order)
		if err != nil {
			t.Fatalf("table %s: %v", block.Table, err)
		}
		all[block.Table] = rows
	}
	merged := samples.NewBlock(0)
	for _, row := range b.Samples() {
		merged.Add(&row)
	}
	rows, err := nativetest.Rows(merged.Fill(), nil)
	if err != nil {
		t.Fatalf("samples: %v", err)
	}
	if len(rows) > 0 {
		all["samples"] = rows
	}
	return all
}

func build(t testing.TB, f *fixture) map[string][]nativetest.Row {
	t.Helper()
	b := NewBuilder(wire.NewResources())
	if tally := add(t, b, f.body(t)); tally.Rejected() > 0 {
		t.Fatalf("rejected: %s", tally.Message())
	}
	return tables(t, b)
}

// compare checks the given columns of rows.
func compare(t *testing.T, got []nativetest.Row, want ...nativetest.Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d: %v", len(got), len(want), got)
	}
	for i := range want {
		some := nativetest.Row{}
		for column := range want[i] {
			some[column] = got[i][column]
		}
		if diff := cmp.Diff(want[i], some, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", i, diff)
		}
	}
}

const (
	bucket  = uint64(1777888800) // 2026-05-04 10:00:00
	offset  = uint64(90 * 60 * 1000)
	startMs = int64(1777890600_000)
)

func TestNumbers(t *testing.T) {
	f := newFixture()
	p := f.gauge("process.memory", "By")
	p.SetIntValue(-7)
	p.Attributes().PutStr("memory.type", "heap")
	p.Attributes().PutInt("pid", 12)
	p.Attributes().PutStr("empty", "")
	f.sum("requests", pmetric.AggregationTemporalityCumulative, true).SetDoubleValue(1.5)
	f.sum("requests.d", pmetric.AggregationTemporalityDelta, true).SetIntValue(3)
	f.sum("queue", pmetric.AggregationTemporalityCumulative, false).SetIntValue(4)
	f.sum("queue.d", pmetric.AggregationTemporalityDelta, false).SetIntValue(-5)
	got := build(t, f)

	compare(t, got["samples"],
		nativetest.Row{
			"metric": "process_memory_bytes", "service": "shop/checkout", "bucket": bucket, "st": int64(0),
			"t1": now.UnixMilli(), "off": []any{offset}, "value": []any{-7.0},
		},
		nativetest.Row{"metric": "queue", "st": int64(0), "value": []any{4.0}},
		nativetest.Row{"metric": "queue_d", "st": startMs, "value": []any{-5.0}},
		nativetest.Row{"metric": "requests_d_total", "st": startMs, "value": []any{3.0}},
		nativetest.Row{"metric": "requests_total", "st": startMs, "value": []any{1.5}},
	)
	context := [][2]string{
		{"instance", "i-1"}, {"job", "shop/checkout"}, {"otel_scope_name", "meter"}, {"otel_scope_version", "1.2"},
	}
	memory := [][2]string{context[0], context[1], {"memory_type", "heap"}, context[2], context[3], {"pid", "12"}}
	second := uint64(now.Unix())
	compare(t, got["series"],
		nativetest.Row{
			"metric": "process_memory_bytes", "service": "shop/checkout", "labels": memory, "kind": int64(1),
			"bounds": []any{}, "first": second, "series_id": got["samples"][0]["series_id"],
		},
		nativetest.Row{"metric": "queue", "labels": context, "kind": int64(1)},
		nativetest.Row{"metric": "queue_d", "labels": context, "kind": int64(3)},
		nativetest.Row{"metric": "requests_d_total", "labels": context, "kind": int64(3)},
		nativetest.Row{"metric": "requests_total", "labels": context, "kind": int64(2)},
	)
	compare(t, got["metadata"],
		nativetest.Row{
			"metric": "process_memory_bytes", "otel_name": "process.memory", "type": "gauge", "unit": "By",
			"help": "about process.memory", "temporality": "", "scope": "meter@1.2", "last_seen": second,
		},
		nativetest.Row{"metric": "queue", "type": "gauge", "temporality": "cumulative"},
		nativetest.Row{"metric": "queue_d", "type": "gauge", "temporality": "delta"},
		nativetest.Row{"metric": "requests_d_total", "type": "counter", "temporality": "delta"},
		nativetest.Row{"metric": "requests_total", "type": "counter", "temporality": "cumulative"},
	)
	if len(got["histograms"])+len(got["exemplars"]) > 0 {
		t.Errorf("numbers made histograms or exemplars: %v", got)
	}
}

func TestExplicitHistogram(t *testing.T) {
	f := newFixture()
	p := f.histogram("latency", []float64{0.1, 1, 10}, []uint64{2, 0, 5, 1})
	p.SetSum(21.5)
	p.SetMin(0.01)
	p.SetMax(12)
	f.histogram("no.buckets", nil, nil).SetCount(3)
	f.histogram("one.bucket", nil, []uint64{4})
	f.histogram("up.to.inf", []float64{1, math.Inf(1)}, []uint64{1, 2, 3})
	got := build(t, f)

	compare(t, got["histograms"],
		nativetest.Row{
			"metric": "latency_seconds", "service": "shop/checkout", "bucket": bucket, "st": startMs,
			"ts": now.UnixMilli(), "schema": int64(-53), "zero_threshold": 0.0, "zero_count": float64(0), "count": float64(8),
			"sum": 21.5, "min": 0.01, "max": 12.0, "stale": uint64(0), "pos_idx": []any{int64(0), int64(2), int64(3)},
			"pos_count": []any{float64(2), float64(5), float64(1)}, "neg_idx": []any{}, "neg_count": []any{},
		},
		nativetest.Row{
			"metric": "no_buckets_seconds", "sum": math.NaN(), "min": math.NaN(), "max": math.NaN(),
			"count": float64(3), "pos_idx": []any{int64(0)}, "pos_count": []any{float64(3)},
		},
		nativetest.Row{"metric": "one_bucket_seconds", "pos_idx": []any{int64(0)}, "pos_count": []any{float64(4)}},
		nativetest.Row{"metric": "up_to_inf_seconds", "pos_idx": []any{int64(0), int64(1)}, "pos_count": []any{float64(1), float64(5)}},
	)
	compare(t, got["series"],
		nativetest.Row{"metric": "latency_seconds", "kind": int64(4), "bounds": []any{0.1, 1.0, 10.0}},
		nativetest.Row{"metric": "no_buckets_seconds", "bounds": []any{}},
		nativetest.Row{"metric": "one_bucket_seconds", "bounds": []any{}},
		nativetest.Row{"metric": "up_to_inf_seconds", "bounds": []any{1.0}},
	)
}

func TestExponentialHistogram(t *testing.T) {
	f := newFixture()
	p := f.exponential("a", 3, -2, 1, 0, 4)
	p.Negative().SetOffset(5)
	p.Negative().BucketCounts().FromRaw([]uint64{7})
	p.SetZeroCount(2)
	p.SetZeroThreshold(0.001)
	p.SetCount(14)
	p.SetSum(-3)
	// Scale 10 is two doublings finer than what Prometheus knows: four buckets become one.
	f.exponential("b", 10, -5, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	f.exponential("c", -4, math.MaxInt32-2, 0, 3)
	f.exponential("d", math.MaxInt32, math.MinInt32, 1, 1)
	f.exponential("e", 0, 0)
	got := build(t, f)

	compare(t, got["histograms"],
		nativetest.Row{
			"metric": "a", "schema": int64(3), "zero_threshold": 0.001, "zero_count": float64(2), "count": float64(14),
			"sum": -3.0, "pos_idx": []any{int64(-1), int64(1)}, "pos_count": []any{float64(1), float64(4)},
			"neg_idx": []any{int64(6)}, "neg_count": []any{float64(7)},
		},
		nativetest.Row{
			"metric": "b", "schema": int64(8), "pos_idx": []any{int64(-1), int64(0), int64(1)},
			"pos_count": []any{float64(1), float64(4), float64(4)},
		},
		nativetest.Row{"metric": "c", "schema": int64(-4), "pos_idx": []any{int64(math.MaxInt32)}, "pos_count": []any{float64(3)}},
		nativetest.Row{"metric": "d", "schema": int64(8), "pos_idx": []any{int64(0)}, "pos_count": []any{float64(2)}},
		nativetest.Row{"metric": "e", "schema": int64(0), "count": float64(0), "pos_idx": []any{}},
	)
}

func TestSummary(t *testing.T) {
	f := newFixture()
	p := dated(f.metric("gc", "ms").SetEmptySummary().DataPoints().AppendEmpty())
	p.SetCount(10)
	p.SetSum(2.5)
	for _, q := range []float64{0.5, 0.99} {
		v := p.QuantileValues().AppendEmpty()
		v.SetQuantile(q)
		v.SetValue(q * 10)
	}
	p = dated(f.metric("empty", "").SetEmptySummary().DataPoints().AppendEmpty())
	p.Attributes().PutStr("quantile", "mine")
	got := build(t, f)

	compare(t, got["series"],
		nativetest.Row{"metric": "empty_count", "kind": int64(6)},
		nativetest.Row{"metric": "empty_sum", "kind": int64(6)},
		nativetest.Row{"metric": "gc_milliseconds", "kind": int64(6)},
		nativetest.Row{"metric": "gc_milliseconds", "kind": int64(6)},
		nativetest.Row{"metric": "gc_milliseconds_count", "kind": int64(6)},
		nativetest.Row{"metric": "gc_milliseconds_sum", "kind": int64(6)},
	)
	values := map[string]any{}
	for _, s := range got["series"] {
		name := s["metric"].(string)
		for _, l := range s["labels"].([][2]string) {
			if l[0] == "quantile" {
				name += "/" + l[1]
			}
		}
		for _, row := range got["samples"] {
			if row["series_id"] == s["series_id"] && row["metric"] == s["metric"] {
				values[name] = row["value"]
			}
		}
	}
	want := map[string]any{
		"empty_count/mine": []any{0.0}, "empty_sum/mine": []any{0.0}, "gc_milliseconds/0.5": []any{5.0},
		"gc_milliseconds/0.99": []any{9.9}, "gc_milliseconds_count": []any{10.0}, "gc_milliseconds_sum": []any{2.5},
	}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	compare(t, got["metadata"], nativetest.Row{"metric": "empty", "type": "summary"}, nativetest.Row{"metric": "gc_milliseconds"})
}

func TestStaleness(t *testing.T) {
	stale := pmetric.DefaultDataPointFlags.WithNoRecordedValue(true)
	b := NewBuilder(wire.NewResources())
	live := newFixture()
	live.histogram("h", []float64{1, 2}, []uint64{1, 2, 3})
	add(t, b, live.body(t))
	live = newFixture()
	live.histogram("h", []float64{5}, []uint64{1, 2})
	add(t, b, live.body(t))
	var id any
	for _, row := range tables(t, b)["histograms"] {
		if row["count"] == 3.0 {
			id = row["series_id"]
		}
	}
	b.Reset()

	f := newFixture()
	f.gauge("g", "").SetFlags(stale)
	f.histogram("h", nil, nil).SetFlags(stale)
	e := f.exponential("e", 20, 7, 1, 2, 3)
	e.SetFlags(stale)
	e.SetCount(0)
	s := dated(f.metric("s", "").SetEmptySummary().DataPoints().AppendEmpty())
	s.SetFlags(stale)
	s.SetCount(4)
	s.QuantileValues().AppendEmpty().SetQuantile(1)
	if tally := add(t, b, f.body(t)); tally.Rejected() > 0 {
		t.Fatal(tally.Message())
	}
	got := tables(t, b)
	if len(got["samples"]) != 4 {
		t.Fatalf("samples: %v", got["samples"])
	}
	for _, row := range got["samples"] {
		if bits := math.Float64bits(row["value"].([]any)[0].(float64)); bits != 0x7ff0000000000002 {
			t.Errorf("%v: value %#x is no stale marker", row["metric"], bits)
		}
	}
	compare(t, got["histograms"],
		nativetest.Row{"metric": "e", "stale": uint64(1), "count": float64(0), "schema": int64(0), "pos_idx": []any{}},
		// The bounds are the ones that the series had last.
		nativetest.Row{"metric": "h_seconds", "stale": uint64(1), "schema": int64(-53), "series_id": id},
	)
	for _, row := range got["histograms"] {
		if bits := math.Float64bits(row["sum"].(float64)); bits != 0x7ff0000000000002 {
			t.Errorf("%v: sum %#x is no stale marker", row["metric"], bits)
		}
	}
	for _, row := range got["series"] {
		if row["metric"] == "h_seconds" {
			t.Errorf("a stale marker announced the series %v", row)
		}
	}
}

// A stale marker of a histogram that nobody knows must not give its bounds' encoding to another series.
func TestStaleHistogramFirst(t *testing.T) {
	b := NewBuilder(wire.NewResources())
	f := newFixture()
	f.histogram("h", []float64{1}, []uint64{1, 2}).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	add(t, b, f.body(t))
	f = newFixture()
	f.histogram("h", []float64{1}, []uint64{1, 2})
	add(t, b, f.body(t))
	bounds := map[uint64][]any{}
	got := tables(t, b)
	for _, row := range got["series"] {
		bounds[row["series_id"].(uint64)] = row["bounds"].([]any)
	}
	for _, row := range got["histograms"] {
		want := []any{1.0}
		if row["stale"] == uint64(1) {
			want = []any{}
		}
		if diff := cmp.Diff(want, bounds[row["series_id"].(uint64)]); diff != "" {
			t.Errorf("bounds of %v: %s", row, diff)
		}
	}
}

func TestExemplars(t *testing.T) {
	f := newFixture()
	p := f.histogram("latency", []float64{1}, []uint64{1, 2})
	e := p.Exemplars().AppendEmpty()
	e.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Second)))
	e.SetDoubleValue(0.5)
	e.SetTraceID(pcommon.TraceID{1, 2, 3})
	e.SetSpanID(pcommon.SpanID{4, 5})
	e.FilteredAttributes().PutStr("user.id", "u")
	e = p.Exemplars().AppendEmpty() // no time, no trace
	e.SetIntValue(3)
	p.Exemplars().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(now)) // no value
	e = p.Exemplars().AppendEmpty()
	e.SetIntValue(9)
	e.SetTimestamp(1) // absurd
	f.gauge("g", "").SetIntValue(1)
	got := build(t, f)
	trace := string(append([]byte{1, 2, 3}, make([]byte, 13)...))
	compare(t, got["exemplars"],
		nativetest.Row{
			"metric": "latency_seconds", "service": "shop/checkout", "ts": now.UnixMilli() - 1000, "value": 0.5,
			"trace_id": trace, "span_id": string([]byte{4, 5, 0, 0, 0, 0, 0, 0}), "attributes": [][2]string{{"user.id", "u"}},
			"series_id": got["histograms"][0]["series_id"],
		},
		nativetest.Row{"ts": now.UnixMilli(), "value": 3.0, "trace_id": strings.Repeat("\x00", 16), "attributes": [][2]string{}},
	)
}

func TestRejects(t *testing.T) {
	cumulative := pmetric.AggregationTemporalityCumulative
	cases := []struct {
		name string
		want wire.Reason
		fill func(*fixture)
	}{
		{"no time", wire.NoTime, func(f *fixture) { f.gauge("g", "").SetTimestamp(0) }},
		{"ancient", wire.TooOld, func(f *fixture) { f.gauge("g", "").SetTimestamp(1) }},
		{"far future", wire.InFuture, func(f *fixture) { f.gauge("g", "").SetTimestamp(math.MaxUint64) }},
		{"no value", wire.NoValue, func(f *fixture) { f.gauge("g", "") }},
		{"no name", wire.BadName, func(f *fixture) { f.gauge("", "s").SetIntValue(1) }},
		{"no ASCII in the name", wire.BadName, func(f *fixture) { f.gauge("温度_", "").SetIntValue(1) }},
		{"unspecified sum", wire.BadTemporality, func(f *fixture) { f.sum("s", 0, true).SetIntValue(1) }},
		{"unknown temporality", wire.BadTemporality, func(f *fixture) { f.sum("s", 7, true).SetIntValue(1) }},
		{"unspecified histogram", wire.BadTemporality, func(f *fixture) {
			dated(f.metric("h", "").SetEmptyHistogram().DataPoints().AppendEmpty())
		}},
		{"counts without bounds", wire.BadHistogram, func(f *fixture) { f.histogram("h", nil, []uint64{1, 2}) }},
		{"bounds without counts", wire.BadHistogram, func(f *fixture) { f.histogram("h", []float64{1}, nil) }},
		{"equal bounds", wire.BadHistogram, func(f *fixture) { f.histogram("h", []float64{1, 1}, []uint64{1, 2, 3}) }},
		{"bound NaN", wire.BadHistogram, func(f *fixture) { f.histogram("h", []float64{math.NaN()}, []uint64{1, 2}) }},
		{"bound -Inf", wire.BadHistogram, func(f *fixture) { f.histogram("h", []float64{math.Inf(-1)}, []uint64{1, 2}) }},
		{"count differs", wire.BadHistogram, func(f *fixture) { f.histogram("h", []float64{1}, []uint64{1, 2}).SetCount(4) }},
		{"counts overflow", wire.BadHistogram, func(f *fixture) {
			f.histogram("h", []float64{1}, []uint64{math.MaxUint64, 1})
		}},
		{"too many bounds", wire.BadHistogram, func(f *fixture) {
			bounds, counts := make([]float64, 100_000), make([]uint64, 100_001)
			for i := range bounds {
				bounds[i] = float64(i)
			}
			f.histogram("h", bounds, counts)
		}},
		{"scale -5", wire.BadScale, func(f *fixture) { f.exponential("e", -5, 0, 1) }},
		{"exponential count differs", wire.BadHistogram, func(f *fixture) { f.exponential("e", 1, 0, 1).SetCount(2) }},
		{"index overflows", wire.BadHistogram, func(f *fixture) { f.exponential("e", 1, math.MaxInt32, 1) }},
		{"negative zero threshold", wire.BadHistogram, func(f *fixture) { f.exponential("e", 1, 0, 1).SetZeroThreshold(-1) }},
		{"too many exponential buckets", wire.BadHistogram, func(f *fixture) {
			f.exponential("e", 1, 0, slices.Repeat([]uint64{1}, 100_000)...)
		}},
		{"too deep", wire.TooDeep, func(f *fixture) {
			p := f.sum("s", cumulative, true)
			p.SetIntValue(1)
			nest(p.Attributes().PutEmpty("deep"), 1000)
		}},
		{"resource too deep", wire.TooDeep, func(f *fixture) {
			f.gauge("g", "").SetIntValue(1)
			nest(f.resource.Attributes().PutEmpty("deep"), 1000)
		}},
	}
	b := NewBuilder(wire.NewResources())
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture()
			c.fill(f)
			f.gauge("good", "").SetIntValue(1)
			body := f.body(t)
			for range 2 { // what is cached must not change the answer
				tally := add(t, b, body)
				good := 1
				if strings.HasPrefix(c.name, "resource") {
					good = 0
				}
				if tally.Items[c.want] != 2-good || tally.Items[wire.Accepted] != good || tally.Message() == "" {
					t.Errorf("tally %+v, want a %v: %q", tally.Items, c.want, tally.Message())
				}
			}
		})
	}
}

func nest(v pcommon.Value, depth int) {
	for range depth {
		v = v.SetEmptySlice().AppendEmpty()
	}
	v.SetStr("end")
}

// A NaN observation is counted but in no bucket.
func TestExponentialWithNaN(t *testing.T) {
	f := newFixture()
	p := f.exponential("e", 1, 0, 1)
	p.SetCount(2)
	p.SetSum(math.NaN())
	compare(t, build(t, f)["histograms"], nativetest.Row{"count": float64(2), "sum": math.NaN()})
}

func TestMalformed(t *testing.T) {
	f := newFixture()
	f.histogram("h", []float64{1}, []uint64{1, 2}).Exemplars().AppendEmpty().SetIntValue(1)
	body := f.body(t)
	for n := range body {
		if tally, err := Check(body[:n], window); err == nil {
			b := NewBuilder(wire.NewResources())
			if err := b.Add(body[:n], now, window); err != nil || b.Rows() != tally.Items[wire.Accepted] {
				t.Errorf("first %d bytes: Check accepted %d, Add %d, %v", n, tally.Items[wire.Accepted], b.Rows(), err)
			}
		}
	}
	if _, err := Check([]byte{0x0a, 0x7f}, window); err == nil {
		t.Error("a truncated request passed")
	}
}

func TestLabels(t *testing.T) {
	f := newFixture()
	p := f.gauge("g", "")
	p.SetIntValue(1)
	a := p.Attributes()
	a.PutStr("a.b", "2")
	a.PutStr("a-b", "1")
	a.PutStr("job", "mine")
	a.PutStr("__name__", "evil")
	a.PutStr("温度", "warm")
	a.PutStr("", "nothing")
	a.PutStr("9lives", "cat")
	a.PutBool("flag", true)
	a.PutEmptySlice("list").AppendEmpty().SetInt(1)
	a.PutStr("bad\xffutf8", "\xff")
	f.scope.Scope().Attributes().PutStr("team", "core")
	compare(t, build(t, f)["series"], nativetest.Row{"labels": [][2]string{
		{"a_b", "1;2"},
		{"bad_utf8", "\ufffd"},
		{"flag", "true"},
		{"instance", "i-1"},
		{"job", "shop/checkout"},
		{"key_9lives", "cat"},
		{"key__name__", "evil"},
		{"list", "[1]"},
		{"otel_scope_name", "meter"},
		{"otel_scope_team", "core"},
		{"otel_scope_version", "1.2"},
		{"温度", "warm"},
	}})
}

// Equal label sets are one series however they are written down, and different meanings are different series.
func TestIdentity(t *testing.T) {
	id := func(fill func(*fixture)) uint64 {
		f := newFixture()
		fill(f)
		return build(t, f)["series"][0]["series_id"].(uint64)
	}
	counter := func(t pmetric.AggregationTemporality, keys ...string) func(*fixture) {
		return func(f *fixture) {
			p := f.sum("s", t, true)
			p.SetIntValue(1)
			for _, key := range keys {
				p.Attributes().PutStr(key, "v"+key)
			}
		}
	}
	base := id(counter(pmetric.AggregationTemporalityCumulative, "a", "b"))
	if id(counter(pmetric.AggregationTemporalityCumulative, "b", "a")) != base {
		t.Error("the order of attributes changes the series id")
	}
	if id(counter(pmetric.AggregationTemporalityCumulative, "a")) == base {
		t.Error("a label less is the same series id")
	}
	if id(counter(pmetric.AggregationTemporalityDelta, "a", "b")) == base {
		t.Error("delta and cumulative values share a series")
	}
	bounds := func(bounds ...float64) func(*fixture) {
		return func(f *fixture) { f.histogram("h", bounds, make([]uint64, len(bounds)+1)) }
	}
	if id(bounds(1, 2)) == id(bounds(1, 3)) {
		t.Error("histograms with different bounds share a series")
	}
}

func TestSamplesOfABatch(t *testing.T) {
	b := NewBuilder(wire.NewResources())
	for _, minute := range []int{-31, -1, -29, -30, -2} { // 11:00 − 1 min is in the bucket of 10:00, as is 11:29
		for _, host := range []string{"b", "a"} {
			f := newFixture()
			p := f.sum("s", pmetric.AggregationTemporalityCumulative, true)
			p.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(minute) * time.Minute)))
			p.SetDoubleValue(float64(100 + minute))
			p.Attributes().PutStr("host", host)
			if minute == -2 { // a restart
				p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-3 * time.Minute)))
			}
			add(t, b, f.body(t))
		}
	}
	f := newFixture()
	p := f.sum("s", pmetric.AggregationTemporalityCumulative, true)
	p.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(31 * time.Minute))) // the next bucket
	p.SetIntValue(7)
	p.Attributes().PutStr("host", "a")
	add(t, b, f.body(t))

	got := tables(t, b)
	restart := now.Add(-3 * time.Minute).UnixMilli()
	off := func(minutes ...int) (all []any) {
		for _, m := range minutes {
			all = append(all, uint64(90+m)*60_000)
		}
		return all
	}
	rows := got["samples"]
	for _, pair := range [][]nativetest.Row{rows[:2], rows[2:4]} {
		compare(t, pair,
			nativetest.Row{
				"bucket": bucket, "st": startMs, "off": off(-31, -30, -29, -1), "value": []any{69.0, 70.0, 71.0, 99.0},
				"t1": now.Add(-time.Minute).UnixMilli(), "series_id": pair[1]["series_id"],
			},
			nativetest.Row{"bucket": bucket, "st": restart, "off": off(-2), "value": []any{98.0}},
		)
	}
	compare(t, rows[4:], nativetest.Row{"bucket": bucket + samples.BucketSeconds, "off": []any{uint64(60_000)}, "value": []any{7.0}})
	if rows[0]["series_id"].(uint64) >= rows[2]["series_id"].(uint64) {
		t.Error("rows are not in the order of series ids")
	}
	if again := tables(t, b); !cmp.Equal(got, again) {
		t.Error("Blocks changed its answer")
	}
}

// Every sample lies between first and last of a stored series row, and rows are written about once an hour.
func TestSeriesRowsCoverSamples(t *testing.T) {
	b := NewBuilder(wire.NewResources())
	rows := 0
	var ranges [][2]uint64
	at := now.Add(-10 * time.Hour)
	for i := range 10 * 60 {
		minute := i
		if i%100 == 99 {
			minute = i - 80 // late
		}
		f := newFixture()
		p := f.gauge("g", "")
		ts := at.Add(time.Duration(minute) * time.Minute)
		p.SetTimestamp(pcommon.NewTimestampFromTime(ts))
		p.SetIntValue(int64(i))
		add(t, b, f.body(t))
		got := tables(t, b)
		for _, row := range got["series"] {
			rows++
			ranges = append(ranges, [2]uint64{row["first"].(uint64), row["last"].(uint64)})
		}
		second := uint64(ts.Unix())
		if !slices.ContainsFunc(ranges, func(r [2]uint64) bool { return r[0] <= second && second <= r[1] }) {
			t.Fatalf("minute %d: %d is in none of %v", i, second, ranges)
		}
		b.Reset()
	}
	if rows < 10 || rows > 12 {
		t.Errorf("%d series rows for ten hours", rows)
	}
}

func TestOnlyWhatReadersDoNotKnowIsNews(t *testing.T) {
	b := NewBuilder(wire.NewResources())
	f := func(name string, at time.Time, want ...string) {
		t.Helper()
		fixture := newFixture()
		p := fixture.gauge("g", "")
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetIntValue(1)
		add(t, b, fixture.body(t))
		tables(t, b)
		if got := b.Announced(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		b.Reset()
	}
	at := now.Add(-10 * time.Hour)
	f("a new series", at, "g")
	f("it goes on", at.Add(time.Minute))
	for minute := 2; minute < 130; minute += 10 {
		f("it goes on for two hours", at.Add(time.Duration(minute)*time.Minute))
	}
	f("it comes back", at.Add(6*time.Hour), "g")
	f("an earlier sample", at.Add(-time.Hour), "g")
}

func TestMetadataIsWrittenOnceAnHour(t *testing.T) {
	b := NewBuilder(wire.NewResources())
	f := newFixture()
	f.gauge("g", "").SetIntValue(1)
	body := f.body(t)
	rows := 0
	for minute := range 125 {
		at := now.Add(time.Duration(minute) * time.Minute)
		if err := b.Add(body, at, wire.NewWindow(at, 24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		rows += len(tables(t, b)["metadata"])
		b.Reset()
	}
	if rows != 3 {
		t.Errorf("%d metadata rows in 125 minutes, want 3", rows)
	}
	f.scope.Metrics().At(0).SetDescription("another")
	add(t, b, f.body(t))
	compare(t, tables(t, b)["metadata"], nativetest.Row{"help": "another"})
}

func TestSeriesCacheIsBounded(t *testing.T) {
	c := newSeriesCache()
	for i := range maxSeries + 10 {
		c.identify(uint64(i), "m", "s", uint64(i), 1)
	}
	c.next()
	kept := c.identify(7, "m", "s", 7, 1)
	kept.batch = c.batch
	c.next()
	if len(c.known) != 1 || c.identify(8, "m", "s", 7, 1) != kept {
		t.Errorf("%d series are remembered, want the one of the last batch", len(c.known))
	}
}

func TestTruncatedValues(t *testing.T) {
	f := newFixture()
	p := f.gauge("g", "")
	p.SetIntValue(1)
	p.Attributes().PutStr("long", strings.Repeat("x", 10<<20))
	body := f.body(t)
	tally, err := Check(body, window)
	if err != nil || tally.Truncated != 1 || tally.Rejected() != 0 {
		t.Errorf("tally %+v, %v", tally, err)
	}
	for _, l := range build(t, f)["series"][0]["labels"].([][2]string) {
		if len(l[1]) > wire.MaxValueBytes {
			t.Errorf("label %q has %d bytes", l[0], len(l[1]))
		}
	}
}

// Delta points differ in their start: finding their rows must not take time quadratic in their number.
func TestManyRowsOfOneSeries(t *testing.T) {
	f := newFixture()
	sum := f.metric("d", "").SetEmptySum()
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	sum.SetIsMonotonic(true)
	const n = 100_000
	for i := range n {
		p := sum.DataPoints().AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(i-n) * time.Millisecond)))
		p.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(i-n+1) * time.Millisecond)))
		p.SetIntValue(1)
	}
	if got := len(build(t, f)["samples"]); got != n {
		t.Errorf("%d rows, want %d", got, n)
	}
}

func BenchmarkAdd(b *testing.B) {
	f := newFixture()
	points := 0
	for m := range 20 {
		sum := f.metric(fmt.Sprintf("http.server.requests.%d", m), "{request}").SetEmptySum()
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		sum.SetIsMonotonic(true)
		histogram := f.metric(fmt.Sprintf("http.server.duration.%d", m), "s").SetEmptyHistogram()
		histogram.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for i := range 25 {
			for _, attributes := range []pcommon.Map{number(sum, i), explicit(histogram, i)} {
				attributes.PutStr("http.request.method", "GET")
				attributes.PutStr("http.route", fmt.Sprintf("/api/v1/items/{id}/%d", i))
				attributes.PutInt("http.response.status_code", 200)
				attributes.PutStr("url.scheme", "https")
				points++
			}
		}
	}
	body := f.body(b)
	builder := NewBuilder(wire.NewResources())
	encoded := []byte(nil)
	b.Run("batch", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for range 4 {
				if err := builder.Add(body, now, window); err != nil {
					b.Fatal(err)
				}
			}
			for _, t := range builder.Blocks() {
				encoded = t.Block.Encode(encoded[:0], t.Order)
			}
			encoded = samples.AppendRecord(encoded[:0], "", builder.Samples())
			builder.Reset()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*4*points), "ns/point")
	})
	b.Run("new series", func(b *testing.B) {
		for b.Loop() {
			builder := NewBuilder(wire.NewResources())
			if err := builder.Add(body, now, window); err != nil {
				b.Fatal(err)
			}
			for _, t := range builder.Blocks() {
				encoded = t.Block.Encode(encoded[:0], t.Order)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*points), "ns/point")
	})
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Check(body, window); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*points), "ns/point")
	})
}

func number(sum pmetric.Sum, i int) pcommon.Map {
	p := dated(sum.DataPoints().AppendEmpty())
	p.SetIntValue(int64(i))
	return p.Attributes()
}

func explicit(h pmetric.Histogram, i int) pcommon.Map {
	p := dated(h.DataPoints().AppendEmpty())
	p.ExplicitBounds().FromRaw([]float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10})
	p.BucketCounts().FromRaw([]uint64{0, 0, uint64(i), 5, 9, 12, 3, 1, 0, 0, 0, 0, 0, 0, 0})
	p.SetCount(uint64(i) + 30)
	p.SetSum(12.5)
	return p.Attributes()
}
