package promapi

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/query/promql/series"
	"loadline/query/promql/store"
)

// memory is a Store in memory. When stuck is not nil, what it is asked waits until the request is given up.
type memory struct {
	series    []*series.Series
	exemplars []exemplar.QueryResult
	metadata  map[string][]store.Metadata
	stats     store.Stats
	warnings  annotations.Annotations
	err       error
	stuck     chan struct{}
}

func (m *memory) Querier(mint, maxt int64) (storage.Querier, error) {
	return &memoryQuerier{m, mint, maxt}, nil
}

func (m *memory) ExemplarQuerier(context.Context) (storage.ExemplarQuerier, error) { return m, nil }

func (m *memory) Select(start, end int64, selectors ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	if m.err != nil {
		return nil, m.err
	}
	var out []exemplar.QueryResult
	for _, r := range m.exemplars {
		if !slices.ContainsFunc(selectors, func(s []*labels.Matcher) bool { return matches(r.SeriesLabels, s) }) {
			continue
		}
		kept := exemplar.QueryResult{SeriesLabels: r.SeriesLabels}
		for _, e := range r.Exemplars {
			if e.Ts >= start && e.Ts <= end {
				kept.Exemplars = append(kept.Exemplars, e)
			}
		}
		out = append(out, kept)
	}
	return out, nil
}

func (m *memory) Metadata(_ context.Context, metric string, _, _ int) (map[string][]store.Metadata, error) {
	if m.err != nil {
		return nil, m.err
	}
	if metric == "" {
		return m.metadata, nil
	}
	if found, ok := m.metadata[metric]; ok {
		return map[string][]store.Metadata{metric: found}, nil
	}
	return map[string][]store.Metadata{}, nil
}

func (m *memory) Describe(context.Context, int) (Cardinality, error) { return m.stats, m.err }

func matches(ls labels.Labels, matchers []*labels.Matcher) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}

type memoryQuerier struct {
	m          *memory
	mint, maxt int64
}

func (q *memoryQuerier) Close() error { return nil }

// wait waits while the store is stuck.
func (q *memoryQuerier) wait(ctx context.Context) error {
	if q.m.stuck != nil {
		select {
		case <-q.m.stuck:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return q.m.err
}

func (q *memoryQuerier) find(matchers []*labels.Matcher) []storage.Series {
	var out []storage.Series
	for _, s := range q.m.series {
		if !matches(s.Name, matchers) {
			continue
		}
		part := &series.Series{Name: s.Name}
		for i, t := range s.Column.T {
			if t >= q.mint && t <= q.maxt {
				part.Column.Append(t, s.Column.V[i])
			}
		}
		for _, h := range s.Histograms {
			if h.T >= q.mint && h.T <= q.maxt {
				part.Histograms = append(part.Histograms, h)
			}
		}
		if len(part.Column.T)+len(part.Histograms) > 0 {
			out = append(out, part)
		}
	}
	slices.SortFunc(out, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return out
}

func (q *memoryQuerier) Select(ctx context.Context, _ bool, h *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	if err := q.wait(ctx); err != nil {
		return storage.ErrSeriesSet(err)
	}
	found := q.find(matchers)
	if h != nil && h.Limit > 0 && len(found) > h.Limit {
		found = found[:h.Limit]
	}
	return series.NewSet(found, q.m.warnings)
}

func (q *memoryQuerier) LabelNames(ctx context.Context, h *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.distinct(ctx, h, matchers, func(l labels.Label) (string, bool) { return l.Name, true })
}

func (q *memoryQuerier) LabelValues(ctx context.Context, name string, h *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.distinct(ctx, h, matchers, func(l labels.Label) (string, bool) { return l.Value, l.Name == name })
}

func (q *memoryQuerier) distinct(ctx context.Context, h *storage.LabelHints, matchers []*labels.Matcher, of func(labels.Label) (string, bool)) ([]string, annotations.Annotations, error) {
	if err := q.wait(ctx); err != nil {
		return nil, nil, err
	}
	set := map[string]bool{}
	for _, s := range q.find(matchers) {
		s.Labels().Range(func(l labels.Label) {
			if v, ok := of(l); ok {
				set[v] = true
			}
		})
	}
	out := slices.Sorted(maps.Keys(set))
	if h != nil && h.Limit > 0 && len(out) > h.Limit {
		out = out[:h.Limit]
	}
	return out, q.m.warnings, nil
}

// epoch is when the samples of the fixture begin, in seconds.
const epoch = 1_800_000_000

// metric is a series with a sample every 15 s from epoch on.
func metric(values []float64, pairs ...string) *series.Series {
	s := &series.Series{Name: labels.FromStrings(pairs...)}
	for i, v := range values {
		s.Column.Append((epoch+int64(i)*15)*1000, v)
	}
	return s
}

// sample is what the tests ask about.
func sample() *memory {
	hist := &series.Series{Name: labels.FromStrings("__name__", "latency_seconds", "job", "shop")}
	for i := range 5 {
		hist.Histograms = append(hist.Histograms, series.Histogram{T: (epoch + int64(i)*15) * 1000, H: &histogram.FloatHistogram{
			Schema: 0, ZeroThreshold: 0.001, ZeroCount: 1, Count: float64(4 + i), Sum: 7.5,
			PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{1, float64(2 + i)},
		}})
	}
	return &memory{
		series: []*series.Series{
			metric([]float64{0, 15, 30, 45, 60}, "__name__", "requests_total", "instance", "a", "job", "shop"),
			metric([]float64{0, 30, 60, 90, 120}, "__name__", "requests_total", "instance", "b", "job", "shop"),
			metric([]float64{1, 1, 1, 1, 0.5}, "__name__", "up", "job", "shop"),
			metric([]float64{1, 2}, "__name__", "http.server.duration", "service.name", "<shop> & \"co\""),
			hist,
		},
		exemplars: []exemplar.QueryResult{{
			SeriesLabels: labels.FromStrings("__name__", "requests_total", "instance", "a", "job", "shop"),
			Exemplars:    []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"), Value: 15, Ts: (epoch+15)*1000 + 250, HasTs: true}},
		}},
		metadata: map[string][]store.Metadata{
			"requests_total": {{Type: "counter", Unit: "", Help: "Requests <served>.", OTelName: "requests"}},
			"up":             {{Type: "gauge", Help: "One when there."}, {Type: "gauge", Help: "Another text."}},
		},
	}
}

// testParser is the parser of the tests, with everything that is experimental.
func testParser() parser.Parser {
	return parser.NewParser(parser.Options{EnableExperimentalFunctions: true, EnableBinopFillModifiers: true})
}

// newAPI returns an API over m with upstream's engine.
func newAPI(t testing.TB, m *memory, change func(*Config)) *API {
	t.Helper()
	cfg := Config{
		Engine: promql.NewEngine(promql.EngineOpts{
			MaxSamples: 1_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
			EnablePerStepStats: true, NoStepSubqueryIntervalFn: func(int64) int64 { return 15_000 }, Parser: testParser(),
		}),
		Store: m, Describe: m.Describe, Parser: testParser(), Version: "0.3.0", Revision: "abc",
		Now: func() time.Time { return time.Unix(epoch+60, 0).UTC() },
	}
	if change != nil {
		change(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve answers one request through a mux, as the server does.
func serve(a *API, r *http.Request) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	a.Register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

// form returns parameters: f("query", "up", "time", "4").
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func getRequest(path string, v url.Values) *http.Request {
	return httptest.NewRequest(http.MethodGet, path+"?"+v.Encode(), nil)
}

func postRequest(path string, v url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// want compares an answer with a status and a JSON document, whose order of keys is that of the answer.
func want(t *testing.T, a *API, r *http.Request, code int, document string) {
	t.Helper()
	w := serve(a, r)
	if w.Code != code {
		t.Errorf("%s %s: status %d, want %d: %s", r.Method, r.URL, w.Code, code, w.Body)
		return
	}
	if diff := gocmp.Diff(indent(t, document), indent(t, w.Body.String())); diff != "" {
		t.Errorf("%s %s: -want +got:\n%s", r.Method, r.URL, diff)
	}
	if ct := w.Header().Get("Content-Type"); document != "" && ct != "application/json" {
		t.Errorf("%s: content type %q", r.URL, ct)
	}
}

// indent makes JSON readable and keeps its order.
func indent(t *testing.T, s string) string {
	t.Helper()
	if s == "" {
		return ""
	}
	var b strings.Builder
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	depth := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatalf("%q is not JSON: %v", s, err)
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			depth--
		}
		text, _ := json.Marshal(token)
		if d, ok := token.(json.Delim); ok {
			text = []byte(d.String())
			if d == '{' || d == '[' {
				depth++
			}
		}
		b.WriteString(strings.Repeat(" ", cmp.Or(depth, 0)) + string(text) + "\n")
	}
}
