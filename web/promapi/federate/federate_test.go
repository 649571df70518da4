package federate

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"loadline/query/promql/series"
	"loadline/web/promapi/failure"
)

// fixed is a store that selects by name.
type fixed struct {
	storage.LabelQuerier
	series []*series.Series
	err    error
}

func (f *fixed) Querier(int64, int64) (storage.Querier, error) { return f, f.err }

func (f *fixed) Close() error { return nil }

func (f *fixed) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var out []storage.Series
	for _, s := range f.series {
		if matchers[0].Matches(s.Name.Get("__name__")) {
			out = append(out, s)
		}
	}
	return series.NewSet(out, nil)
}

const now = 1_800_000_000

func floats(v []float64, pairs ...string) *series.Series {
	s := &series.Series{Name: labels.FromStrings(pairs...)}
	for i, v := range v {
		s.Column.Append(now*1000-int64(len(pairs)-i), v)
	}
	return s
}

func sample() *fixed {
	exponential := &histogram.FloatHistogram{Count: 5, Sum: 2, ZeroCount: 1, ZeroThreshold: 0.5, PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}}, PositiveBuckets: []float64{4}, CounterResetHint: histogram.GaugeType}
	custom := &histogram.FloatHistogram{Schema: histogram.CustomBucketsSchema, Count: 7, Sum: 3, CustomValues: []float64{0.1, 1, 10}, PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}, {Offset: 1, Length: 1}}, PositiveBuckets: []float64{4, 3}}
	return &fixed{series: []*series.Series{
		floats([]float64{7}, "__name__", "a", "instance", "host:1"),
		floats([]float64{1, 2}, "__name__", "b_total", "job", "shop \"1\""),
		floats([]float64{1, math.Float64frombits(value.StaleNaN)}, "__name__", "gone"),
		{Name: labels.FromStrings("__name__", "native"), Histograms: []series.Histogram{{T: now * 1000, H: exponential}}},
		{Name: labels.FromStrings("__name__", "own"), Histograms: []series.Histogram{{T: now * 1000, H: custom}}},
	}}
}

func newHandler(s storage.Queryable) *Handler {
	return New(Config{
		Store: s, Parser: parser.NewParser(parser.Options{}), Lookback: 5 * time.Minute, Now: func() time.Time { return time.Unix(now, 0) },
		Acquire: func(context.Context) *failure.Error { return nil }, Release: func() {},
	})
}

func ask(h *Handler, accept string, selectors ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, (&http.Request{Form: url.Values{"match[]": selectors}, Header: http.Header{"Accept": {accept}}}).WithContext(context.Background()))
	return w
}

func TestText(t *testing.T) {
	w := ask(newHandler(sample()), "", `{__name__=~"a|b_total|gone"}`, `{__name__=~"native|own|a"}`)
	want := `# TYPE a untyped
a{instance="host:1"} 7 1799999999996
# TYPE b_total untyped
b_total{job="shop \"1\"",instance=""} 2 1799999999997
# TYPE own histogram
own_bucket{instance="",le="0.1"} 0 1800000000000
own_bucket{instance="",le="1"} 4 1800000000000
own_bucket{instance="",le="10"} 4 1800000000000
own_bucket{instance="",le="+Inf"} 7 1800000000000
own_sum{instance=""} 3 1800000000000
own_count{instance=""} 7 1800000000000
`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if ct := w.Header().Get("Content-Type"); !strings.HasPrefix(ct, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", ct)
	}
}

func TestProtobufHasNativeHistograms(t *testing.T) {
	w := ask(newHandler(sample()), "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "native")
	var family dto.MetricFamily
	if err := expfmt.NewDecoder(w.Body, expfmt.NewFormat(expfmt.TypeProtoDelim)).Decode(&family); err != nil {
		t.Fatal(err)
	}
	h := family.GetMetric()[0].GetHistogram()
	if family.GetType() != dto.MetricType_GAUGE_HISTOGRAM || h.GetSampleCountFloat() != 5 || h.GetZeroCountFloat() != 1 || h.GetPositiveSpan()[0].GetOffset() != 1 || h.GetPositiveCount()[0] != 4 {
		t.Errorf("got %v", &family)
	}
}

func TestRefused(t *testing.T) {
	f := func(h *Handler, selector string, code int, want string) {
		t.Helper()
		if w := ask(h, "", selector); w.Code != code || !strings.Contains(w.Body.String(), want) {
			t.Errorf("status %d: %s, want %d: %s", w.Code, w.Body, code, want)
		}
	}
	f(newHandler(sample()), "up{", 400, "parse error")
	if w := ask(newHandler(sample()), "", make([]string, 1001)...); w.Code != 400 {
		t.Errorf("1001 selectors: status %d", w.Code)
	}
	if w := ask(newHandler(sample()), ""); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("no selector: status %d: %s", w.Code, w.Body)
	}
	f(newHandler(&fixed{err: errors.New("gone")}), "up", 500, "gone")
	f(newHandler(&fixed{err: context.DeadlineExceeded}), "up", 503, "deadline")
	full := newHandler(sample())
	full.cfg.Acquire = func(context.Context) *failure.Error { return failure.New(failure.Timeout, "full") }
	f(full, "up", 503, "full")
}
