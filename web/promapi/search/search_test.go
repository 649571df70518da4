package search

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/query/promql/store"
	"loadline/web/promapi/failure"
)

// names is a store with some metric names, and one label.
type names struct{ selector }

// selector is what a querier has besides; nobody here selects.
type selector struct{}

func (selector) Select(context.Context, bool, *storage.SelectHints, ...*labels.Matcher) storage.SeriesSet {
	return storage.EmptySeriesSet()
}

func (selector) Close() error { return nil }

func (names) Querier(int64, int64) (storage.Querier, error) { return names{}, nil }

func (names) LabelValues(_ context.Context, name string, h *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	all := []string{"<up>", "go_gc_seconds", "http_requests_total", "http_seconds_bucket", "process_cpu_seconds_total"}
	if name != model.MetricNameLabel {
		all = []string{name + "1"}
	}
	for _, m := range matchers {
		all = slices.DeleteFunc(all, func(v string) bool { return m.Name == name && !m.Matches(v) })
	}
	if h.Limit > 0 && len(all) > h.Limit {
		all = all[:h.Limit]
	}
	return all, annotations.New().Add(failure.New(failure.Internal, "partly")), nil
}

func (names) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return []string{"instance", "job"}, nil, nil
}

func newSearch() *Search {
	return New(Config{
		Store: names{}, Parser: parser.NewParser(parser.Options{}), MaxLimit: 50, Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
		Metadata: func(context.Context) (map[string][]store.Metadata, error) {
			return map[string][]store.Metadata{
				"http_requests_total": {{Type: "counter", Help: "All <requests>."}},
				"http_seconds":        {{Type: "gauge", Help: "Not this."}, {Type: "histogram", Unit: "seconds", Help: "How long."}},
				"go_gc":               {{Type: "gauge"}},
			}, nil
		},
	})
}

func ask(t *testing.T, endpoint func(http.ResponseWriter, *http.Request) *failure.Error, query string) (string, *failure.Error) {
	t.Helper()
	form, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	f := endpoint(w, &http.Request{Form: form})
	if f == nil && w.Header().Get("Content-Type") != "application/x-ndjson; charset=utf-8" {
		t.Errorf("content type %q", w.Header().Get("Content-Type"))
	}
	return w.Body.String(), f
}

func TestAnswers(t *testing.T) {
	s := newSearch()
	f := func(endpoint func(http.ResponseWriter, *http.Request) *failure.Error, query, want string) {
		t.Helper()
		got, fail := ask(t, endpoint, query)
		if fail != nil {
			t.Fatal(fail)
		}
		if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", query, diff)
		}
	}
	f(s.MetricNames, "batch_size=2&limit=3", `
{"results":[{"name":"\u003cup\u003e"},{"name":"go_gc_seconds"}],"warnings":["internal: partly"]}
{"results":[{"name":"http_requests_total"}]}
{"status":"success","has_more":true}`)
	f(s.MetricNames, "search[]=http&include_metadata=true&include_score=1", `
{"results":[{"name":"http_requests_total","score":1,"type":"counter","help":"All \u003crequests\u003e."},{"name":"http_seconds_bucket","score":1,"type":"histogram","help":"How long.","unit":"seconds"}],"warnings":["internal: partly"]}
{"status":"success","has_more":false}`)
	f(s.MetricNames, "search[]=GO_GC&case_sensitive=false&match[]={__name__=~\"go.*\"}&match[]={__name__=~\"http.*\"}", `
{"results":[{"name":"go_gc_seconds"}],"warnings":["internal: partly"]}
{"status":"success","has_more":false}`)
	f(s.MetricNames, "search[]=nothing_like_it", `
{"results":[],"warnings":["internal: partly"]}
{"status":"success","has_more":false}`)
	f(s.LabelNames, "sort_by=alpha&sort_dir=dsc", `
{"results":[{"name":"job"},{"name":"instance"}]}
{"status":"success","has_more":false}`)
	f(s.LabelValues, "label=job&include_score=true", `
{"results":[{"value":"job1","score":1}],"warnings":["internal: partly"]}
{"status":"success","has_more":false}`)
}

func TestRefused(t *testing.T) {
	s := newSearch()
	f := func(query, want string) {
		t.Helper()
		if _, fail := ask(t, s.MetricNames, query); fail == nil || fail.Err.Error() != want || fail.Kind != failure.BadData {
			t.Errorf("%.80s: got %v, want %s", query, fail, want)
		}
	}
	f("start=2&end=1", "end timestamp must not be before start timestamp")
	f(strings.Repeat("search[]=a&", 33), "too many search[] terms: got 33, maximum is 32")
	f("fuzz_threshold=101", `invalid fuzz_threshold "101": must be 0-100`)
	f("fuzz_alg=x", `unsupported fuzz_alg "x": must be one of [subsequence jarowinkler]`)
	f("case_sensitive=x", `invalid case_sensitive "x": must be boolean`)
	f("include_score=x", `invalid include_score "x": must be boolean`)
	f("include_metadata=x", `invalid include_metadata "x": must be boolean`)
	f("sort_dir=asc", "sort_dir is only valid when sort_by is set")
	f("sort_by=score&sort_dir=asc", "sort_dir is not supported for sort_by=score")
	f("sort_by=alpha&sort_dir=x", `invalid sort_dir "x": must be "asc" or "dsc"`)
	f("sort_by=score", "sort_by=score requires search[] to be set")
	f("sort_by=x", `invalid sort_by "x" for metric_names: must be "alpha" or "score"`)
	f("limit=0", `invalid limit "0": must be a positive integer`)
	f("limit=51", "limit 51 exceeds the configured maximum (50)")
	f("batch_size=x", `invalid batch_size "x": must be a positive integer`)
	f("match[]={}", "match[] must contain at least one non-empty matcher")
	if _, fail := ask(t, s.LabelValues, ""); fail == nil || fail.Err.Error() != `missing required parameter "label"` {
		t.Errorf("got %v", fail)
	}
}

func TestFilters(t *testing.T) {
	f := func(p params, value string, want bool, least, most float64) {
		t.Helper()
		if p.algorithm == "" {
			p.algorithm = subsequence
		}
		if got, score := newFilter(&p).Accept(value); got != want || score < least || score > most {
			t.Errorf("%+v on %q: %v %v, want %v from %v to %v", p, value, got, score, want, least, most)
		}
	}
	exact := params{terms: []string{"", "req"}, caseSensitive: true}
	f(exact, "requests", true, 1, 1)
	f(exact, "http_requests", true, 0.1, 0.99)
	f(exact, "r_e_q", true, 0.01, 0.99)
	f(exact, "REQ", false, 0, 0)
	f(params{terms: []string{"REQ"}}, "Request", true, 1, 1)
	f(params{terms: []string{"r_q"}, threshold: 0.9, caseSensitive: true}, "requests_quite_far", false, 0, 0.9)
	similar := params{terms: []string{"requests"}, algorithm: jaroWinkler, threshold: 0.8, caseSensitive: true}
	f(similar, "reqeusts", true, 0.8, 1)
	f(similar, "memory", false, 0, 0.8)
	f(similar, "http_requests", true, 0.09, 0.11)
	f(similar, "ü_requests_é", true, 0.5, 0.6)
	similar.threshold = 0
	f(similar, "reqeusts", false, 0, 0)
	if newFilter(&params{terms: []string{""}}) != nil {
		t.Error("nothing is searched with a filter")
	}
}
