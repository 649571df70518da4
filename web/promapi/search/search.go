// Package search answers the search requests of the Prometheus HTTP API, which editors ask while one types: metric
// names, label names and label values that are like the terms given. An answer is a line of JSON for each batch of
// results and one at the end that says how it went.
package search

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/query/promql/store"
	"loadline/web/promapi/failure"
)

// Config says what is searched. All of it has to be there.
type Config struct {
	Store    storage.Queryable
	Metadata func(ctx context.Context) (map[string][]store.Metadata, error) // of all metric families
	Parser   parser.Parser
	MaxLimit int // of results
	Now      func() time.Time
}

// Search answers requests whose form is parsed. It is safe for concurrent use.
type Search struct {
	cfg Config
}

// New returns a search.
func New(cfg Config) *Search { return &Search{cfg} }

// result is one line's worth of one thing found.
type result struct {
	Name  string   `json:"name,omitempty"`
	Value *string  `json:"value,omitempty"`
	Score *float64 `json:"score,omitempty"`
	Type  string   `json:"type,omitempty"`
	Help  string   `json:"help,omitempty"`
	Unit  string   `json:"unit,omitempty"`
}

// batch is a line with results.
type batch struct {
	Results  []result `json:"results"`
	Warnings []string `json:"warnings,omitempty"`
}

// trailer is the last line.
type trailer struct {
	Status  string `json:"status"`
	HasMore bool   `json:"has_more"`
}

// list returns what there is in the range for a selector, which may be nil.
type list func(context.Context, storage.Querier, *storage.LabelHints, []*labels.Matcher) ([]string, annotations.Annotations, error)

func valuesOf(name string) list {
	return func(ctx context.Context, q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, h, m...)
	}
}

// MetricNames answers search/metric_names.
func (s *Search) MetricNames(w http.ResponseWriter, r *http.Request) *failure.Error {
	p, f := parse(r.Form, s.cfg.Parser, s.cfg.Now(), s.cfg.MaxLimit, "metric_names")
	if f != nil {
		return f
	}
	withMetadata, f := boolean(r.Form, "include_metadata", false)
	if f != nil {
		return f
	}
	found, warnings, f := s.find(r.Context(), &p, valuesOf(model.MetricNameLabel))
	if f != nil {
		return f
	}
	var families map[string][]store.Metadata
	if withMetadata && len(found) > 0 {
		var err error
		if families, err = s.cfg.Metadata(r.Context()); err != nil {
			return failure.In(r.Context(), err)
		}
	}
	return write(w, &p, found, warnings, func(v string) result {
		out := result{Name: v}
		if m, ok := family(families, v); ok {
			out.Type, out.Help, out.Unit = m.Type, m.Help, m.Unit
		}
		return out
	})
}

// LabelNames answers search/label_names.
func (s *Search) LabelNames(w http.ResponseWriter, r *http.Request) *failure.Error {
	names := func(ctx context.Context, q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, h, m...)
	}
	return s.answer(w, r, "label_names", names, func(v string) result { return result{Name: v} })
}

// LabelValues answers search/label_values.
func (s *Search) LabelValues(w http.ResponseWriter, r *http.Request) *failure.Error {
	name := r.Form.Get("label")
	if name == "" {
		return bad("missing required parameter \"label\"")
	}
	return s.answer(w, r, "label_values", valuesOf(name), func(v string) result { return result{Value: &v} })
}

func (s *Search) answer(w http.ResponseWriter, r *http.Request, endpoint string, list list, as func(string) result) *failure.Error {
	p, f := parse(r.Form, s.cfg.Parser, s.cfg.Now(), s.cfg.MaxLimit, endpoint)
	if f != nil {
		return f
	}
	found, warnings, f := s.find(r.Context(), &p, list)
	if f != nil {
		return f
	}
	return write(w, &p, found, warnings, as)
}

// find returns what the parameters ask for, up to one more than their limit.
func (s *Search) find(ctx context.Context, p *params, list list) ([]storage.SearchResult, annotations.Annotations, *failure.Error) {
	q, err := s.cfg.Store.Querier(timestamp.FromTime(p.start), timestamp.FromTime(p.end))
	if err != nil {
		return nil, nil, failure.In(ctx, err)
	}
	defer q.Close()
	selectors := p.selectors
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{nil}
	}
	hints := &storage.SearchHints{Filter: newFilter(p), Limit: p.probe(), OrderBy: p.order}
	var most storage.LabelHints
	if hints.Filter == nil && p.order == storage.OrderByValueAsc {
		most.Limit = hints.Limit
	}
	seen := map[string]struct{}{}
	var warnings annotations.Annotations
	for _, matchers := range selectors {
		values, w, err := list(ctx, q, &most, matchers)
		if err != nil {
			return nil, nil, failure.In(ctx, err)
		}
		warnings.Merge(w)
		for _, v := range values {
			seen[v] = struct{}{}
		}
	}
	return storage.ApplySearchHints(slices.Sorted(maps.Keys(seen)), hints), warnings, nil
}

// write writes results in batches. The first is written even when it is empty.
func write(w http.ResponseWriter, p *params, found []storage.SearchResult, warnings annotations.Annotations, as func(string) result) *failure.Error {
	w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
	out := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	more := len(found) > p.limit
	found = found[:min(len(found), p.limit)]
	warned, infos := warnings.AsStrings("", 0, 0)
	line := batch{Warnings: append(warned, infos...)}
	slices.Sort(line.Warnings)
	for first := true; first || len(found) > 0; first = false {
		n := min(p.batch, len(found))
		line.Results = make([]result, 0, n)
		for _, f := range found[:n] {
			r := as(f.Value)
			if p.withScore {
				r.Score = &f.Score
			}
			line.Results = append(line.Results, r)
		}
		if out.Encode(line) != nil {
			return nil // the client went away
		}
		_ = flush.Flush() // not every writer can
		found, line.Warnings = found[n:], nil
	}
	_ = out.Encode(trailer{"success", more}) // the client went away
	return nil
}

// family returns what describes the family that a metric is of: the one of its name, or the one of its name without a
// suffix that series of the family's type have.
func family(families map[string][]store.Metadata, name string) (store.Metadata, bool) {
	if all := families[name]; len(all) > 0 {
		return all[0], true
	}
	i := strings.LastIndexByte(name, '_')
	if i < 0 {
		return store.Metadata{}, false
	}
	base, suffix := name[:i], name[i:]
	if (suffix == "_total" || suffix == "_info") && strings.HasSuffix(base, suffix) {
		return store.Metadata{}, false
	}
	for _, m := range families[base] {
		if slices.Contains(suffixes[m.Type], suffix) {
			return m, true
		}
	}
	return store.Metadata{}, false
}

// suffixes are the endings of the names of series by the type of their family.
var suffixes = map[string][]string{
	"counter":        {"_total"},
	"histogram":      {"_bucket", "_sum", "_count"},
	"gaugehistogram": {"_bucket", "_sum", "_count", "_gsum", "_gcount"},
	"summary":        {"_sum", "_count"},
	"info":           {"_info"},
}
