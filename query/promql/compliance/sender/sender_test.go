package sender

import (
	"context"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"loadline/query/promql/series"
)

var negativeZero = math.Copysign(0, -1)

func example() []*series.Series {
	h := &histogram.FloatHistogram{
		CounterResetHint: histogram.NotCounterReset,
		Schema:           3, ZeroThreshold: 0.001, ZeroCount: 2, Count: 12.5, Sum: -7,
		PositiveSpans: []histogram.Span{{Offset: -2, Length: 2}}, PositiveBuckets: []float64{4, 5.5},
		NegativeSpans: []histogram.Span{{Offset: 1, Length: 1}}, NegativeBuckets: []float64{1},
	}
	custom := &histogram.FloatHistogram{
		Schema: histogram.CustomBucketsSchema, Count: 3, Sum: 1, CustomValues: []float64{1, 5},
		PositiveSpans: []histogram.Span{{Length: 3}}, PositiveBuckets: []float64{1, 1, 1}, NegativeSpans: []histogram.Span{},
	}
	return []*series.Series{
		{Name: labels.FromStrings("__name__", "a", "b", "c"), Column: series.Column{T: []int64{0, 15000}, ST: []int64{0, 14000}, V: []float64{negativeZero, 1.5}}},
		{Name: labels.FromStrings("__name__", "a", "b", "ü"), Column: series.Column{T: []int64{-1}, V: []float64{7}}, Histograms: []series.Histogram{{T: 5, ST: 4, H: h}, {T: 6, H: custom}}},
	}
}

func TestVersion2(t *testing.T) {
	var req writev2.Request
	if err := req.Unmarshal(Version(2).Encode(nil, example(), "salt")); err != nil {
		t.Fatal(err)
	}
	builder := labels.NewScratchBuilder(0)
	var got []*series.Series
	for _, ts := range req.Timeseries {
		name, err := ts.ToLabels(&builder, req.Symbols)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 || !labels.Equal(got[len(got)-1].Name, name) {
			got = append(got, &series.Series{Name: name})
		}
		s := got[len(got)-1]
		for _, sample := range ts.Samples {
			s.Column.T, s.Column.V = append(s.Column.T, sample.Timestamp), append(s.Column.V, sample.Value)
			if name.Get("b") == "c" {
				s.Column.ST = append(s.Column.ST, sample.StartTimestamp)
			}
		}
		for _, h := range ts.Histograms {
			s.Histograms = append(s.Histograms, series.Histogram{T: h.Timestamp, ST: h.StartTimestamp, H: h.ToFloatHistogram()})
		}
	}
	if diff := cmp.Diff(example(), got, cmp.Comparer(same), cmp.Comparer(labels.Equal)); diff != "" {
		t.Error(diff)
	}
	if last := req.Symbols[len(req.Symbols)-1]; last != "salt" || len(req.Timeseries) != 3 {
		t.Errorf("the last symbol is %q, %d series", last, len(req.Timeseries))
	}
}

func TestVersion1(t *testing.T) {
	var req prompb.WriteRequest
	if err := req.Unmarshal(Version(1).Encode(nil, example(), "")); err != nil {
		t.Fatal(err)
	}
	builder := labels.NewScratchBuilder(0)
	var got []*series.Series
	want := example()
	for i, ts := range req.Timeseries {
		s := &series.Series{Name: ts.ToLabels(&builder, nil)}
		for _, sample := range ts.Samples {
			s.Column.T, s.Column.V = append(s.Column.T, sample.Timestamp), append(s.Column.V, sample.Value)
		}
		for _, h := range ts.Histograms {
			s.Histograms = append(s.Histograms, series.Histogram{T: h.Timestamp, H: h.ToFloatHistogram()})
		}
		got = append(got, s)
		want[i].Column.ST = nil
		for j := range want[i].Histograms {
			want[i].Histograms[j].ST = 0
		}
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(same), cmp.Comparer(labels.Equal)); diff != "" {
		t.Error(diff)
	}
}

// same tells 0 and -0 apart.
func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func TestSend(t *testing.T) {
	f := func(v Version, status int, wantType, wantError string) {
		t.Helper()
		var body []byte
		var contentType string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			compressed, _ := io.ReadAll(r.Body)
			body, _ = snappy.Decode(nil, compressed)
			contentType = r.Header.Get("Content-Type")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "because\n")
		}))
		defer server.Close()
		err := v.Send(context.Background(), server.Client(), server.URL, []byte("request"))
		if (err == nil) != (wantError == "") || err != nil && !strings.Contains(err.Error(), wantError) {
			t.Errorf("error %v, want %q", err, wantError)
		}
		if string(body) != "request" || contentType != wantType {
			t.Errorf("body %q, type %q", body, contentType)
		}
	}
	f(1, 204, "application/x-protobuf", "")
	f(2, 200, "application/x-protobuf;proto=io.prometheus.write.v2.Request", "")
	f(2, 400, "application/x-protobuf;proto=io.prometheus.write.v2.Request", `status 400: "because"`)
}
