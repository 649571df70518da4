package render

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/jsonutil"
)

// upstream returns what Prometheus's own encoder writes.
func upstream(write func(*jsoniter.Stream)) string {
	s := jsoniter.NewStream(jsoniter.ConfigCompatibleWithStandardLibrary, nil, 64)
	write(s)
	return string(s.Buffer())
}

// same checks that got is what Prometheus writes.
func same(t *testing.T, what any, got []byte, write func(*jsoniter.Stream)) {
	t.Helper()
	if want := upstream(write); string(got) != want {
		t.Errorf("%#v: got %s, Prometheus writes %s", what, got, want)
	}
}

func FuzzNumbersAreThoseOfPrometheus(f *testing.F) {
	for _, t := range []int64{0, 1, 10, 100, 999, 1000, 1001, 1010, 1100, -1, -1500, 1435781451781, math.MaxInt64, math.MinInt64 + 1} {
		f.Add(t, math.Float64bits(float64(t)/7))
	}
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e-6, 9.9e-7, 1e20, 1e21, -1e21, 1 << 53, 1<<53 + 2, -(1 << 53), 1 << 62, 1 << 63, -1 << 63, 1.8446744073709552e19, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(), 123456.789} {
		f.Add(int64(1), math.Float64bits(v))
	}
	f.Fuzz(func(t *testing.T, at int64, bits uint64) {
		v := math.Float64frombits(bits)
		if at != math.MinInt64 {
			same(t, at, AppendTimestamp(nil, at), func(s *jsoniter.Stream) { jsonutil.MarshalTimestamp(at, s) })
		}
		same(t, v, AppendFloat(nil, v), func(s *jsoniter.Stream) { jsonutil.MarshalFloat(v, s) })
	})
}

func FuzzStringsAreThoseOfPrometheus(f *testing.F) {
	for _, s := range []string{"", "plain", `"quoted" \`, "a\nb\rc\td\x00\x1f\x7f\b\f", "<script>&amp;</script>", "ünï → 😀", "\u2028\u2029", "bad \xff\xc3 utf-8 \xed\xa0\x80", "\xe2\x80", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		same(t, s, AppendLabel(nil, s), func(out *jsoniter.Stream) { out.WriteString(s) })
		same(t, s, AppendString(nil, s), func(out *jsoniter.Stream) { out.WriteStringWithHTMLEscaped(s) })
		if !json.Valid(AppendString(nil, s)) {
			t.Errorf("%q is not JSON", AppendString(nil, s))
		}
	})
}

// histograms are of all kinds.
func histograms() []*histogram.FloatHistogram {
	return []*histogram.FloatHistogram{
		{},
		{Schema: 1, ZeroThreshold: 0.01, ZeroCount: 5.5, Count: 22.5, Sum: -1e22, PositiveSpans: []histogram.Span{{Offset: -2, Length: 2}, {Offset: 3, Length: 1}}, PositiveBuckets: []float64{1, 0, 4}, NegativeSpans: []histogram.Span{{Offset: 0, Length: 1}}, NegativeBuckets: []float64{12}, CounterResetHint: histogram.GaugeType},
		{Schema: histogram.CustomBucketsSchema, Count: 6, Sum: math.NaN(), CustomValues: []float64{0.1, 1, 10}, PositiveSpans: []histogram.Span{{Offset: 0, Length: 4}}, PositiveBuckets: []float64{1, 2, 0, 3}},
	}
}

func TestHistogramsAreThoseOfPrometheus(t *testing.T) {
	for _, h := range histograms() {
		same(t, h, AppendHistogram(nil, h), func(s *jsoniter.Stream) { jsonutil.MarshalHistogram(h, s) })
	}
}

func TestExactHistogramsLoseNothing(t *testing.T) {
	negativeZero := histograms()[1]
	negativeZero.Sum = math.Copysign(0, -1)
	for _, h := range append(histograms(), negativeZero) {
		text, err := AppendExactHistogram(nil, 1500, h)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(strings.Trim(string(text), `"`))
		if err != nil {
			t.Fatal(err)
		}
		var message prompb.Histogram
		if err := message.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		got := message.ToFloatHistogram()
		if message.Timestamp != 1500 || !got.Equals(h) || math.Float64bits(got.Sum) != math.Float64bits(h.Sum) || got.CounterResetHint != h.CounterResetHint {
			t.Errorf("got %+v, want %+v", got, h)
		}
	}
}

func TestAnswers(t *testing.T) {
	ls := labels.FromStrings("__name__", "up", "job", "a<b\n")
	f := func(a Answer, want string) {
		t.Helper()
		var b bytes.Buffer
		n, err := Write(&b, a)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" || n != b.Len() {
			t.Errorf("%d bytes written, %d counted, -want +got:\n%s", b.Len(), n, diff)
		}
	}
	query := func(v QueryData) Answer { return Answer{Data: v} }
	f(query(QueryData{Value: promql.Vector{{Metric: ls, T: 1500, F: 2.5}, {T: 2000, H: histograms()[0]}}}),
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a<b\n"},"value":[1.500,"2.5"]},{"metric":{},"histogram":[2,{"count":"0","sum":"0"}]}]}}`)
	f(query(QueryData{Value: promql.Vector{}}), `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	var none promql.Vector
	f(query(QueryData{Value: none}), `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	f(query(QueryData{Value: promql.Matrix{
		{Metric: ls, Floats: []promql.FPoint{{T: 1000, F: 1}, {T: 2000, F: math.Inf(-1)}}, Histograms: []promql.HPoint{{T: 3000, H: histograms()[0]}}},
		{Histograms: []promql.HPoint{{T: 3000, H: histograms()[0]}}},
		{},
	}}), `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a<b\n"},"values":[[1,"1"],[2,"-Inf"]],"histograms":[[3,{"count":"0","sum":"0"}]]},{"metric":{},"histograms":[[3,{"count":"0","sum":"0"}]]},{"metric":{}}]}}`)
	f(query(QueryData{Value: promql.Scalar{T: 4000, V: 1e30}}), `{"status":"success","data":{"resultType":"scalar","result":[4,"1000000000000000000000000000000"]}}`)
	f(query(QueryData{Value: promql.String{T: 4100, V: "<\xff"}}), `{"status":"success","data":{"resultType":"string","result":[4.1,"\u003c\ufffd"]}}`)
	f(Answer{Data: []string{"a", "<b>"}, Warnings: []string{"w"}, Infos: []string{"i", "j"}}, `{"status":"success","data":["a","\u003cb\u003e"],"warnings":["w"],"infos":["i","j"]}`)
	f(Answer{Data: []string(nil)}, `{"status":"success","data":[]}`)
	f(Answer{Data: []labels.Labels{ls, labels.EmptyLabels()}}, `{"status":"success","data":[{"__name__":"up","job":"a<b\n"},{}]}`)
	f(Answer{Data: []exemplar.QueryResult{{SeriesLabels: ls, Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", "1"), Value: 0.5, Ts: 1234}, {Ts: 2000}}}, {}}},
		`{"status":"success","data":[{"seriesLabels":{"__name__":"up","job":"a<b\n"},"exemplars":[{"labels":{"trace_id":"1"},"value":"0.5","timestamp":1.234},{"labels":{},"value":"0","timestamp":2}]},{"seriesLabels":{},"exemplars":[]}]}`)
	f(Answer{Data: map[string]int{"<": 1}}, `{"status":"success","data":{"\u003c":1}}`)
}

func TestWhatIsNoJSONIsAnErrorBeforeAnythingIsWritten(t *testing.T) {
	for _, data := range []any{math.NaN(), QueryData{Value: nothing{}}} {
		if n, err := Write(io.Discard, Answer{Data: data}); n != 0 || err == nil {
			t.Errorf("%v: %d bytes, error %v", data, n, err)
		}
	}
}

// nothing is a result of no known type.
type nothing struct{ promql.Scalar }

// broken fails after some bytes.
type broken struct{ left int }

func (b *broken) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, errors.New("gone")
	}
	b.left -= len(p)
	return len(p), nil
}

func TestAnAnswerStopsWhenNobodyReads(t *testing.T) {
	for _, data := range []any{QueryData{Value: wide(1000, 100)}, QueryData{Value: flat(20000)}, make([]string, 200_000), make([]labels.Labels, 200_000)} {
		w := &broken{left: 100_000}
		n, err := Write(w, Answer{Data: data})
		if err == nil || n > 100_000 {
			t.Errorf("%T: %d bytes, error %v", data, n, err)
		}
	}
}

// flat is the result of an instant query with n series.
func flat(n int) promql.Vector {
	v := make(promql.Vector, n)
	for i := range v {
		v[i] = promql.Sample{Metric: labels.FromStrings("__name__", "http_requests_total", "instance", fmt.Sprintf("10.0.0.%d:9090", i), "job", "shop"), T: 1_800_000_000_000, F: float64(i) * 1.37}
	}
	return v
}

// wide is the result of a range query with n series of some steps.
func wide(n, steps int) promql.Matrix {
	m := make(promql.Matrix, n)
	for i := range m {
		m[i].Metric = labels.FromStrings("instance", fmt.Sprintf("10.0.0.%d:9090", i), "job", "shop")
		for j := range steps {
			m[i].Floats = append(m[i].Floats, promql.FPoint{T: 1_800_000_000_000 + int64(j)*15_000, F: float64(i+j) / 7})
		}
	}
	return m
}

// BenchmarkMatrix writes a dashboard's panel: 100 series of 1,000 steps. It reports time and bytes for each point.
func BenchmarkMatrix(b *testing.B) {
	m := wide(100, 1000)
	b.ReportAllocs()
	var bytes int
	for b.Loop() {
		n, err := Write(io.Discard, Answer{Data: QueryData{Value: m}})
		if err != nil {
			b.Fatal(err)
		}
		bytes = n
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/point")
	b.ReportMetric(float64(bytes)/100_000, "B/point")
}

// BenchmarkCounters is BenchmarkMatrix with whole numbers.
func BenchmarkCounters(b *testing.B) {
	m := wide(100, 1000)
	for i := range m {
		for j := range m[i].Floats {
			m[i].Floats[j].F = float64(i*100_000 + j*37)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Write(io.Discard, Answer{Data: QueryData{Value: m}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/point")
}
