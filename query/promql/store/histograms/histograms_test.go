package histograms

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/promql/series"
	"loadline/query/promql/store/index"
)

// buckets writes arrays as the table has them.
func buckets(indexes []int32, counts []float64) string {
	text := binary.AppendUvarint(nil, uint64(len(indexes)))
	for _, i := range indexes {
		text = binary.LittleEndian.AppendUint32(text, uint32(i))
	}
	text = binary.AppendUvarint(text, uint64(len(counts)))
	for _, c := range counts {
		text = binary.LittleEndian.AppendUint64(text, math.Float64bits(c))
	}
	return string(text)
}

const none = "\x00\x00"

func TestDecode(t *testing.T) {
	f := func(row Row, bounds []float64, want *histogram.FloatHistogram) {
		t.Helper()
		got, err := row.decode(bounds)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	f(Row{schema: 1, count: 2, sum: 3, zeroThreshold: 4, zeroCount: 5, hint: 3, buckets: none + none}, nil,
		&histogram.FloatHistogram{Schema: 1, Count: 2, Sum: 3, ZeroThreshold: 4, ZeroCount: 5, CounterResetHint: histogram.GaugeType})
	f(Row{hint: 1, buckets: buckets([]int32{-2, -1, 3, 4, math.MaxInt32}, []float64{1, 2, 3, 4, 5}) + buckets([]int32{0}, []float64{6})}, nil,
		&histogram.FloatHistogram{
			CounterResetHint: histogram.CounterReset,
			PositiveSpans:    []histogram.Span{{Offset: -2, Length: 2}, {Offset: 3, Length: 2}, {Offset: math.MaxInt32 - 5, Length: 1}},
			PositiveBuckets:  []float64{1, 2, 3, 4, 5},
			NegativeSpans:    []histogram.Span{{Length: 1}},
			NegativeBuckets:  []float64{6},
		})
	f(Row{schema: -53, hint: 2, buckets: buckets([]int32{2}, []float64{7}) + none}, []float64{1, 2},
		&histogram.FloatHistogram{
			Schema: -53, CounterResetHint: histogram.NotCounterReset, CustomValues: []float64{1, 2},
			PositiveSpans: []histogram.Span{{Offset: 2, Length: 1}}, PositiveBuckets: []float64{7},
		})
	row := Row{buckets: "\x05"}
	if _, err := row.decode(nil); err == nil {
		t.Error("a short row passes")
	}
}

func TestFloatsGiveWayToHistograms(t *testing.T) {
	c := series.Column{T: []int64{1, 2, 3, 5}, V: []float64{1, 2, 3, 5}, ST: []int64{9, 9, 8, 7}}
	Without(&c, []series.Histogram{{T: 0}, {T: 2}, {T: 4}, {T: 5}, {T: 6}})
	if diff := cmp.Diff(series.Column{T: []int64{1, 3}, V: []float64{1, 3}, ST: []int64{9, 8}}, c); diff != "" {
		t.Error(diff)
	}
}

func TestViews(t *testing.T) {
	matchers := []*labels.Matcher{
		labels.MustNewMatcher(labels.MatchEqual, "__name__", "x_bucket"),
		labels.MustNewMatcher(labels.MatchNotEqual, "le", "+Inf"),
		labels.MustNewMatcher(labels.MatchEqual, "job", "a"),
	}
	v, base, of := NewView("x_bucket", matchers)
	if v == nil || base != "x" || len(of) != 1 || of[0].Name != "job" {
		t.Fatalf("view %v of %q %v", v, base, of)
	}
	e := &index.Entry{
		Labels: labels.FromStrings("__name__", "x", "job", "a"),
		Rows:   []index.Row{{Kind: index.Histogram, Bounds: []float64{0.5, 10}}, {Kind: index.Gauge, Bounds: nil}},
	}
	var got []string
	for _, s := range v.Series(e) {
		got = append(got, s.Labels.String())
	}
	if diff := cmp.Diff([]string{`{__name__="x_bucket", job="a", le="0.5"}`, `{__name__="x_bucket", job="a", le="10"}`}, got); diff != "" {
		t.Error(diff)
	}
	if l, ok := v.Of(e.Labels, e.Rows[0].Bounds, 0.5); !ok || l.Get("le") != "0.5" {
		t.Errorf("0.5 is counted in %v", l)
	}
	if _, ok := v.Of(e.Labels, e.Rows[0].Bounds, 11); ok {
		t.Error("the last bucket does not match")
	}
	for _, name := range []string{"x", "x_total", "_bucket", "_sum", ""} {
		if v, _, _ := NewView(name, nil); v != nil {
			t.Errorf("%q is a classic series", name)
		}
	}
	if got := FormatBound(1e-5) + FormatBound(1e21) + FormatBound(math.Inf(1)); got != "0.000011000000000000000000000+Inf" {
		t.Error(got)
	}
}

// FuzzBuckets decodes what a server that is not ours may send.
func FuzzBuckets(f *testing.F) {
	f.Add([]byte(buckets([]int32{1, 3}, []float64{1, 2}) + none))
	f.Add([]byte("\x01\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		row := Row{schema: -53, count: 1, buckets: string(data)}
		bounds := []float64{1, 2}
		if h, err := row.decode(bounds); err == nil && len(h.PositiveBuckets)+len(h.NegativeBuckets) > len(data)/12 {
			t.Errorf("%d buckets of %d bytes", len(h.PositiveBuckets), len(data))
		}
		v, _, _ := NewView("x_bucket", nil)
		var c series.Column
		for _, s := range v.Series(&index.Entry{Labels: labels.FromStrings("__name__", "x"), Rows: []index.Row{{Kind: index.Histogram, Bounds: bounds}}}) {
			_ = v.Fill(&c, s, []Row{row}, &index.Row{Bounds: bounds, Group: &index.Group{}})
		}
	})
}
