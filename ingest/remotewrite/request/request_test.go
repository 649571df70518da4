package request

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"loadline/ingest/points"
	"loadline/ingest/samples"
	"loadline/ingest/wire"
)

var (
	now    = time.UnixMilli(1_777_894_200_000)
	window = wire.NewWindow(now, 24*time.Hour)
	ms     = now.UnixMilli()
)

// read is everything that a reader finds in a request.
type read struct {
	Labels     string // as Series.Text has them
	Metric     string
	Hash       uint64
	Samples    []Sample
	Histograms []Histogram
	Exemplars  []Exemplar
	Type       string
	Help, Unit string
	Err        string
}

// walk reads a request and fails where its bytes are not one.
func walk(t testing.TB, version Version, body []byte) (series []read, metadata []read) {
	t.Helper()
	r := Reader{Version: version}
	err := r.Walk(body, func(s *Series) error {
		one := read{Labels: s.Text(), Hash: s.Hash, Type: s.Metadata.MetricType(), Help: string(s.Metadata.Help), Unit: string(s.Metadata.Unit)}
		_, metric, err := s.Labels(nil)
		one.Metric = string(metric)
		if err != nil {
			one.Err = err.Error()
		}
		err = s.Items(&Items{
			Sample: func(x Sample) error {
				one.Samples = append(one.Samples, x)
				return nil
			},
			Histogram: func(message []byte) error {
				var h Histogram
				if err := h.Decode(message); err != nil {
					one.Err = err.Error()
				}
				one.Histograms = append(one.Histograms, h)
				return nil
			},
			Exemplar: func(message []byte) error {
				var e Exemplar
				if err := e.Decode(s, message); err != nil {
					one.Err = err.Error()
				}
				one.Exemplars = append(one.Exemplars, e)
				return nil
			},
		})
		series = append(series, one)
		return err
	}, func(m *Metadata) error {
		metadata = append(metadata, read{Metric: string(m.Name), Type: m.MetricType(), Help: string(m.Help), Unit: string(m.Unit)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return series, metadata
}

// message is a message of either version as gogo-protobuf generates them.
type message interface{ Marshal() ([]byte, error) }

func encode(t testing.TB, m message) []byte {
	t.Helper()
	body, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

var same = cmp.Options{
	cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Histogram{}, Exemplar{}),
	cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }),
}

func TestReadV1(t *testing.T) {
	body := encode(t, &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{
			{
				Labels:  []prompb.Label{{Name: "__name__", Value: "up"}, {Name: "job", Value: "shop"}},
				Samples: []prompb.Sample{{Value: 1, Timestamp: ms}, {Value: points.StaleNaN(), Timestamp: ms + 1}, {Timestamp: ms + 2}},
				Exemplars: []prompb.Exemplar{
					{Labels: []prompb.Label{{Name: "trace_id", Value: "ab"}}, Value: 0.5, Timestamp: ms},
				},
			},
			{Labels: []prompb.Label{{Name: "zone", Value: "a"}, {Name: "__name__", Value: "late"}}, Samples: []prompb.Sample{{Timestamp: -5}}},
		},
		Metadata: []prompb.MetricMetadata{{
			Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "requests", Help: "All.", Unit: "1",
		}},
	})
	series, metadata := walk(t, V1, body)
	want := []read{
		{
			Labels: `up{job="shop"}`, Metric: "up", Type: "unknown",
			Samples:   []Sample{{Time: ms, Value: 1}, {Time: ms + 1, Value: points.StaleNaN()}, {Time: ms + 2}},
			Exemplars: []Exemplar{{Time: ms, Value: 0.5, Labels: []Label{{[]byte("trace_id"), []byte("ab")}}}},
		},
		{Labels: `late{zone="a"}`, Metric: "late", Type: "unknown", Samples: []Sample{{Time: -5}}},
	}
	if diff := cmp.Diff(want, series, same, cmpopts.IgnoreFields(read{}, "Hash")); diff != "" {
		t.Error(diff)
	}
	if series[0].Hash == series[1].Hash {
		t.Error("different labels have one hash")
	}
	if diff := cmp.Diff([]read{{Metric: "requests", Type: "counter", Help: "All.", Unit: "1"}}, metadata); diff != "" {
		t.Error(diff)
	}
}

// v2 builds a request of 2.0.
type v2 struct {
	symbols writev2.SymbolsTable
	request writev2.Request
}

func newV2() *v2 { return &v2{symbols: writev2.NewSymbolTable()} }

func (r *v2) refs(labels ...string) (refs []uint32) {
	for _, l := range labels {
		refs = append(refs, r.symbols.Symbolize(l))
	}
	return refs
}

func (r *v2) add(series writev2.TimeSeries, labels ...string) {
	series.LabelsRefs = append(series.LabelsRefs, r.refs(labels...)...)
	r.request.Timeseries = append(r.request.Timeseries, series)
}

func (r *v2) body(t testing.TB) []byte {
	t.Helper()
	r.request.Symbols = r.symbols.Symbols()
	return encode(t, &r.request)
}

func TestReadV2(t *testing.T) {
	r := newV2()
	r.add(writev2.TimeSeries{
		Samples:   []writev2.Sample{{Value: math.Copysign(0, -1), Timestamp: ms, StartTimestamp: ms - 1000}, {Value: math.Inf(-1), Timestamp: 0}},
		Exemplars: []writev2.Exemplar{{LabelsRefs: r.refs("trace_id", "ab", "a", "b"), Value: 0.5, Timestamp: ms}},
		Metadata: writev2.Metadata{
			Type: writev2.Metadata_METRIC_TYPE_HISTOGRAM, HelpRef: r.refs("All.")[0], UnitRef: r.refs("seconds")[0],
		},
	}, "__name__", "took_count", "job", "shop")
	series, _ := walk(t, V2, r.body(t))
	want := []read{{
		Labels: `took_count{job="shop"}`, Metric: "took_count", Type: "histogram", Help: "All.", Unit: "seconds",
		// gogo-protobuf takes the negative zero for none and leaves it out.
		Samples: []Sample{{Time: ms, Start: ms - 1000}, {Value: math.Inf(-1)}},
		Exemplars: []Exemplar{{
			Time: ms, Value: 0.5, Labels: []Label{{[]byte("a"), []byte("b")}, {[]byte("trace_id"), []byte("ab")}},
		}},
	}}
	if diff := cmp.Diff(want, series, same, cmpopts.IgnoreFields(read{}, "Hash")); diff != "" {
		t.Error(diff)
	}
}

// TestHash checks that the same labels have the same hash in another request.
func TestHash(t *testing.T) {
	first, second := newV2(), newV2()
	first.add(writev2.TimeSeries{}, "__name__", "up", "job", "a")
	first.add(writev2.TimeSeries{}, "__name__", "up", "job", "b")
	second.add(writev2.TimeSeries{}, "__name__", "up", "job", "b")
	second.add(writev2.TimeSeries{}, "__name__", "up", "a", "job")
	a, _ := walk(t, V2, first.body(t))
	b, _ := walk(t, V2, second.body(t))
	if a[1].Hash != b[0].Hash || a[0].Hash == a[1].Hash || b[1].Hash == a[0].Hash {
		t.Errorf("%+v %+v", a, b)
	}
	labels := func(pairs ...string) uint64 {
		var one prompb.TimeSeries
		for i := 0; i < len(pairs); i += 2 {
			one.Labels = append(one.Labels, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
		}
		s, _ := walk(t, V1, encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{one}}))
		return s[0].Hash
	}
	if once, again := labels("__name__", "up"), labels("__name__", "up"); once != again || once == labels("__name__", "up", "x", "") {
		t.Error("hashes of 1.0")
	}
	// Label fields with others between them are the same series.
	message := encode(t, &prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "up"}}, Samples: []prompb.Sample{{Value: 1}}})
	rest := encode(t, &prompb.TimeSeries{Labels: []prompb.Label{{Name: "job", Value: "a"}}})
	s := &Series{version: V1}
	if err := s.decode(append(message, rest...)); err != nil {
		t.Fatal(err)
	}
	if got := s.Text(); got != `up{job="a"}` {
		t.Error(got)
	}
	if _, metric, err := s.Labels(nil); err != nil || string(metric) != "up" {
		t.Error(string(metric), err)
	}
}

func TestLabels(t *testing.T) {
	long := strings.Repeat("x", wire.MaxNameBytes+1)
	f := func(want, problem string, pairs ...string) {
		t.Helper()
		var one prompb.TimeSeries
		r := newV2()
		for i := 0; i < len(pairs); i += 2 {
			one.Labels = append(one.Labels, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
		}
		r.add(writev2.TimeSeries{}, pairs...)
		for version, body := range map[Version][]byte{V1: encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{one}}), V2: r.body(t)} {
			reader := Reader{Version: version}
			err := reader.Walk(body, func(s *Series) error {
				labels, metric, err := s.Labels([]Label{{}, {}})
				if problem != "" {
					if err == nil || !isInvalid(err) || !strings.Contains(err.Error(), problem) {
						t.Errorf("%q: %v, want %q", pairs, err, problem)
					}
					return nil
				}
				if err != nil {
					t.Errorf("%q: %v", pairs, err)
				}
				got := string(metric)
				for _, l := range labels {
					got += " " + string(l.Name) + "=" + string(l.Value)
				}
				if got != want {
					t.Errorf("%q: %q, want %q", pairs, got, want)
				}
				return nil
			}, nil)
			if err != nil {
				t.Error(err)
			}
		}
	}
	f("up", "", "__name__", "up")
	f("up A=1 job=shop", "", "A", "1", "__name__", "up", "job", "shop")
	f("up a=1 b=2", "", "b", "2", "a", "1", "__name__", "up")
	f("über.all größe (m)=✓", "", "__name__", "über.all", "größe (m)", "✓")
	f("up", "", "__name__", "up", "gone", "")
	f("", "__name__ is missing")
	f("", "__name__ is missing", "job", "shop")
	f("", "__name__ is missing", "__name__", "", "job", "shop")
	f("", "has no name", "", "x", "__name__", "up")
	f("", `"a" is there twice`, "__name__", "up", "a", "1", "a", "1")
	f("", `"__name__" is there twice`, "__name__", "up", "__name__", "down")
	f("", "not UTF-8", "__name__", "up", "a\xff", "1")
	f("", "not UTF-8", "__name__", "up", "a", "1\xff")
	f("", "more than 1024 bytes", "__name__", long)
	f("", "more than 1024 bytes", "__name__", "up", long, "x")
	f("", "more than 65536 bytes", "__name__", "up", "a", strings.Repeat("x", wire.MaxValueBytes+1))
	f("", "more than 1024 labels", append([]string{"__name__", "up"}, many(1024)...)...)
}

func many(n int) (pairs []string) {
	for i := range n {
		pairs = append(pairs, strings.Repeat("l", i/26+1)+string(rune('a'+i%26)), "x")
	}
	return pairs
}

// TestHistograms compares with what Prometheus makes of random histograms: which are valid, and what their buckets are.
func TestHistograms(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	valid := 0
	for range 20_000 {
		h := randomHistogram(random)
		wire1, wire2 := prompb.FromIntHistogram(ms, h), writev2.FromIntHistogram(ms-5, ms, h)
		expected := h.ToFloat(nil)
		float := random.IntN(2) == 0
		if float {
			wire1, wire2 = prompb.FromFloatHistogram(ms, expected), writev2.FromFloatHistogram(ms-5, ms, expected)
		}
		bodies := [][]byte{encode(t, &wire1), encode(t, &wire2)} // before the histograms change
		var err error
		if h.Schema > maxSchema {
			err = errors.Join(h.ReduceResolution(maxSchema), expected.ReduceResolution(maxSchema))
		}
		if float {
			err = errors.Join(err, expected.Validate())
		} else {
			err = errors.Join(err, h.Validate())
		}
		if err == nil {
			valid++
		}
		start := int64(0)
		for _, body := range bodies {
			var got Histogram
			if problem := got.Decode(body); (problem == nil) != (err == nil) {
				t.Fatalf("%+v: %v, in Prometheus %v", *h, problem, err)
			} else if err == nil {
				compareHistogram(t, expected, &got, start)
			}
			start = ms - 5
		}
	}
	if valid < 2000 {
		t.Errorf("only %d histograms are valid", valid)
	}
}

func randomHistogram(random *rand.Rand) *histogram.Histogram {
	h := &histogram.Histogram{Schema: int32(random.IntN(14) - 4), Sum: random.Float64(), CounterResetHint: histogram.CounterResetHint(random.IntN(4))}
	side := func() (spans []histogram.Span, deltas []int64) {
		last := int64(0)
		for range random.IntN(4) {
			s := histogram.Span{Offset: int32(random.IntN(5)), Length: uint32(random.IntN(4))}
			if len(spans) == 0 {
				s.Offset -= 2
			}
			spans = append(spans, s)
			for range s.Length {
				count := int64(random.IntN(4))
				deltas = append(deltas, count-last)
				h.Count += uint64(count)
				last = count
			}
		}
		return spans, deltas
	}
	h.PositiveSpans, h.PositiveBuckets = side()
	switch random.IntN(3) {
	case 0:
		h.Schema = points.CustomSchema
		for i := range random.IntN(16) {
			h.CustomValues = append(h.CustomValues, float64(i*i))
		}
	default:
		h.NegativeSpans, h.NegativeBuckets = side()
		h.ZeroCount, h.ZeroThreshold = uint64(random.IntN(3)), 0.001
		h.Count += h.ZeroCount
	}
	switch random.IntN(20) {
	case 0:
		h.Count++
	case 1:
		h.Sum, h.Count = math.NaN(), h.Count+uint64(random.IntN(3))
	case 2:
		h.ZeroCount++
	case 3:
		if len(h.PositiveSpans) > 1 {
			h.PositiveSpans[1].Offset = -1
		}
	case 4:
		h.PositiveBuckets = append(h.PositiveBuckets, 0)
	case 5:
		h.Schema = -5
	case 6:
		if len(h.PositiveBuckets) > 0 {
			h.PositiveBuckets[0] -= 3
		}
	case 7:
		h.CustomValues = append(h.CustomValues, math.Inf(1))
	}
	return h
}

// compareHistogram compares with a histogram that Prometheus would store.
func compareHistogram(t *testing.T, want *histogram.FloatHistogram, got *Histogram, start int64) {
	t.Helper()
	expected := Histogram{
		Time: ms, Start: start, Schema: want.Schema, Count: want.Count, ZeroCount: want.ZeroCount, Sum: want.Sum,
		ZeroThreshold: want.ZeroThreshold, Hint: samples.Hint(want.CounterResetHint), Bounds: want.CustomValues, BoundsHash: got.BoundsHash,
	}
	for it := want.PositiveBucketIterator(); it.Next(); {
		b := it.At()
		expected.Above = append(expected.Above, samples.Bucket{Index: b.Index, Count: b.Count})
	}
	for it := want.NegativeBucketIterator(); it.Next(); {
		b := it.At()
		expected.Below = append(expected.Below, samples.Bucket{Index: b.Index, Count: b.Count})
	}
	if diff := cmp.Diff(&expected, got, same); diff != "" {
		t.Fatalf("%v: %s", want, diff)
	}
}

func TestStaleHistogram(t *testing.T) {
	wire := prompb.FromIntHistogram(ms, &histogram.Histogram{Sum: points.StaleNaN(), Schema: 3, Count: 7})
	var h Histogram
	if err := h.Decode(encode(t, &wire)); err != nil || !h.Stale() || h.Count != 0 || h.Time != ms {
		t.Errorf("%+v: %v", h, err)
	}
}

// TestHugeHistogram checks that what a histogram claims is not believed.
func TestHugeHistogram(t *testing.T) {
	f := func(h prompb.Histogram) {
		t.Helper()
		var got Histogram
		if err := got.Decode(encode(t, &h)); !isInvalid(err) {
			t.Errorf("%v", err)
		}
	}
	f(prompb.Histogram{PositiveSpans: []prompb.BucketSpan{{Length: math.MaxUint32}}})
	f(prompb.Histogram{PositiveSpans: []prompb.BucketSpan{{Length: 1, Offset: math.MinInt32}}, PositiveDeltas: []int64{1}})
	f(prompb.Histogram{PositiveSpans: make([]prompb.BucketSpan, maxBuckets+1)})
	f(prompb.Histogram{PositiveDeltas: make([]int64, 10*maxBuckets)})
	f(prompb.Histogram{Schema: points.CustomSchema, CustomValues: make([]float64, maxBuckets+1)})
	f(prompb.Histogram{
		PositiveSpans: []prompb.BucketSpan{{Length: 3}}, PositiveDeltas: []int64{math.MaxInt64, 0, 0},
	})
	f(prompb.Histogram{PositiveSpans: []prompb.BucketSpan{{Length: 2}}, PositiveDeltas: []int64{math.MaxInt64, 1}})
}
