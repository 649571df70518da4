package request

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"loadline/ingest/points"
	"loadline/ingest/wire"
)

func tallyOf(t testing.TB, version Version, body []byte) wire.Tally {
	t.Helper()
	var c Checker
	tally, err := c.Check(version, body, window)
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

func compareTally(t *testing.T, got wire.Tally, samples, histograms, exemplars int, rejected map[wire.Reason]int, examples ...string) {
	t.Helper()
	if diff := cmp.Diff([]int{samples, histograms, exemplars}, []int{got.Samples, got.Histograms, got.Exemplars}); diff != "" {
		t.Error(diff)
	}
	for _, r := range wire.Reasons() {
		if got.Items[r] != rejected[r] {
			t.Errorf("%d rejected as %s, want %d", got.Items[r], r, rejected[r])
		}
	}
	if diff := cmp.Diff(examples, got.Examples); diff != "" {
		t.Error(diff)
	}
}

func TestCheck(t *testing.T) {
	r := newV2()
	old := ms - (25 * time.Hour).Milliseconds()
	r.add(writev2.TimeSeries{
		Samples: []writev2.Sample{{Timestamp: ms}, {Timestamp: old}, {Timestamp: ms + (2 * time.Hour).Milliseconds()}, {Timestamp: -1}},
		Exemplars: []writev2.Exemplar{
			{Timestamp: ms},
			{Timestamp: ms, LabelsRefs: r.refs("a", "1", "a", "2")},
			{Timestamp: ms, LabelsRefs: []uint32{999, 0}},
			{Timestamp: math.MaxInt64},
		},
	}, "__name__", "up")
	r.add(writev2.TimeSeries{
		Samples: []writev2.Sample{{Timestamp: ms}, {Timestamp: ms}}, Histograms: []writev2.Histogram{{Timestamp: ms}},
	}, "job", "shop")
	r.add(writev2.TimeSeries{Histograms: []writev2.Histogram{{Timestamp: ms}, {Timestamp: ms, Schema: 77}}}, "__name__", "took")
	r.add(writev2.TimeSeries{}, "__name__", "empty")
	r.add(writev2.TimeSeries{LabelsRefs: []uint32{1234}, Samples: []writev2.Sample{{Timestamp: ms}}}, "__name__", "torn")
	compareTally(t, tallyOf(t, V2, r.body(t)), 1, 1, 1,
		map[wire.Reason]int{
			wire.TooOld: 2, wire.InFuture: 2, wire.BadLabels: 6, wire.BadHistogram: 1, wire.NoValue: 1,
		},
		"series up{}: the time 1777804200000",
		`series {job="shop"}: the label __name__ is missing`,
		"series took{}: schema 77 is neither -4 to 8 nor -53")
}

func TestCheckV1(t *testing.T) {
	tally := tallyOf(t, V1, encode(t, &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{
			{Labels: []prompb.Label{{Name: "__name__", Value: "up"}}},
			{Labels: []prompb.Label{{Name: "__name__", Value: "up"}}, Samples: []prompb.Sample{{Timestamp: ms}}},
			{Labels: []prompb.Label{{Name: "__name__", Value: "\xff"}}, Histograms: []prompb.Histogram{{Timestamp: ms}}},
		},
		Metadata: []prompb.MetricMetadata{{MetricFamilyName: "up"}, {Help: "of nothing"}},
	}))
	compareTally(t, tally, 1, 0, 0, map[wire.Reason]int{wire.BadLabels: 1, wire.BadName: 1},
		`series �{}: the label "__name__" is not UTF-8`, "metadata without a name")
	if tally.Items[wire.Accepted] != 2 {
		t.Errorf("%d accepted", tally.Items[wire.Accepted])
	}
	if message := tally.Message(); !strings.Contains(message, "; for example series �{}: ") {
		t.Error(message)
	}
}

// TestEpoch checks that 1970 is a time like any other when samples may be as old as they like.
func TestEpoch(t *testing.T) {
	all := wire.NewWindow(now, 100*365*24*time.Hour)
	f := func(ms int64, want wire.Reason) {
		t.Helper()
		if got := CheckTime(all, ms); got != want {
			t.Errorf("%d: %s, want %s", ms, got, want)
		}
	}
	f(-1, wire.TooOld)
	f(math.MinInt64, wire.TooOld)
	f(0, wire.Accepted)
	f(1, wire.Accepted)
	f(ms, wire.Accepted)
	f(math.MaxInt64, wire.InFuture)
	f(math.MaxInt64/1_000_000, wire.InFuture)
	if got := CheckTime(window, 0); got != wire.TooOld {
		t.Error(got)
	}
}

func TestMalformed(t *testing.T) {
	f := func(version Version, body, problem string) {
		t.Helper()
		var c Checker
		if _, err := c.Check(version, []byte(body), window); err == nil || isInvalid(err) || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: %v, want %q", body, err, problem)
		}
	}
	v1 := encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Samples: []prompb.Sample{{Timestamp: ms}}}}})
	r := newV2()
	r.add(writev2.TimeSeries{Samples: []writev2.Sample{{Timestamp: ms}}}, "__name__", "up")
	v2 := r.body(t)
	f(V1, string(v2), "other version")
	f(V2, string(v1), "other version")
	f(V1, string(v1[:len(v1)-1]), "read request")
	f(V2, string(v2[:len(v2)-1]), "read request")
	f(V1, "\x08\x01", "read series: wrong wire type")
	f(V1, "\x18\x01", "read metadata: wrong wire type")
	f(V2, "\x20\x01", "read symbol: wrong wire type")
	f(V2, "\x28\x01", "read series: wrong wire type")
	f(V1, "\x0a\x02\x08\x01", "field 1 has the wrong wire type")
	f(V1, "\x0a\x02\x10\x01", "field 2 has the wrong wire type")
	f(V1, "\x0a\x04\x12\x02\x08\x01", "read sample: field 1 has the wrong wire type")
	f(V1, "\x0a\x04\x0a\x02\x08\x01", "read label: field 1 has the wrong wire type")
	f(V1, "\x0a\x04\x1a\x02\x10\x01", "read exemplar: field 2 has the wrong wire type")
	f(V1, "\x0a\x04\x22\x02\x18\x01", "read histogram: field 3 is malformed")
	f(V2, "\x2a\x02\x2a\x00\x2a\x02\x28\x01", "read metadata: wrong wire type")
	if tally := tallyOf(t, V1, nil); tally.Items[wire.Accepted] != 0 || tally.Rejected() != 0 {
		t.Errorf("%+v", tally)
	}
}

func TestFamily(t *testing.T) {
	f := func(typ uint64, metric, family, name string, kind int8) {
		t.Helper()
		m := Metadata{typ: typ}
		if m.Family(metric) != family || m.MetricType() != name || m.Kind(metric) != kind {
			t.Errorf("%d %s: %s %s %d", typ, metric, m.Family(metric), m.MetricType(), m.Kind(metric))
		}
	}
	f(typeUnknown, "up", "up", "unknown", points.KindGauge)
	f(typeUnknown, "x_total", "x_total", "unknown", points.KindCounter)
	f(typeUnknown, "x_bucket", "x_bucket", "unknown", points.KindCounter)
	f(typeCounter, "x", "x", "counter", points.KindCounter)
	f(typeGauge, "x_count", "x_count", "gauge", points.KindGauge)
	f(typeHistogram, "x_bucket", "x", "histogram", points.KindCounter)
	f(typeHistogram, "x_count", "x", "histogram", points.KindCounter)
	f(typeHistogram, "_count", "_count", "histogram", points.KindCounter)
	f(typeGaugeHistogram, "x_gsum", "x", "gaugehistogram", points.KindGauge)
	f(typeSummary, "x_sum", "x", "summary", points.KindSummary)
	f(typeSummary, "x", "x", "summary", points.KindSummary)
	f(typeInfo, "x_info", "x_info", "info", points.KindGauge)
	f(typeStateset, "x", "x", "stateset", points.KindGauge)
	f(99, "x", "x", "unknown", points.KindGauge)
}

// FuzzCheck looks for a request that makes the reader panic, or that is read differently a second time.
func FuzzCheck(f *testing.F) {
	r := newV2()
	h := writev2.Histogram{
		Timestamp: ms, Count: &writev2.Histogram_CountInt{CountInt: 3}, PositiveDeltas: []int64{1, 1},
		PositiveSpans: []writev2.BucketSpan{{Length: 2, Offset: -1}}, Sum: 2,
	}
	r.add(writev2.TimeSeries{
		Samples: []writev2.Sample{{Timestamp: ms, Value: 1, StartTimestamp: ms}}, Histograms: []writev2.Histogram{h},
		Exemplars: []writev2.Exemplar{{LabelsRefs: r.refs("trace_id", "ab"), Timestamp: ms}},
		Metadata:  writev2.Metadata{Type: 1, HelpRef: r.refs("Help.")[0]},
	}, "__name__", "up", "job", "shop")
	f.Add(uint8(V2), r.body(f))
	f.Add(uint8(V1), encode(f, &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{{
			Labels:     []prompb.Label{{Name: "__name__", Value: "up"}},
			Samples:    []prompb.Sample{{Timestamp: ms, Value: 2}},
			Exemplars:  []prompb.Exemplar{{Labels: []prompb.Label{{Name: "span_id", Value: "cd"}}, Timestamp: ms}},
			Histograms: []prompb.Histogram{{Timestamp: ms, Schema: points.CustomSchema, CustomValues: []float64{1, 2}}},
		}},
		Metadata: []prompb.MetricMetadata{{MetricFamilyName: "up", Help: "Up."}},
	}))
	var c Checker
	f.Fuzz(func(t *testing.T, version uint8, body []byte) {
		v := V1 + Version(version%2)
		first, err := c.Check(v, body, window)
		second, again := c.Check(v, body, window)
		if (err == nil) != (again == nil) {
			t.Fatalf("%v, then %v", err, again)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
		if written := first.Samples + first.Histograms + first.Exemplars; written > first.Items[wire.Accepted] {
			t.Fatalf("%+v", first)
		}
	})
}
