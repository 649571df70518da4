package store

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"loadline/query/promql/store/exemplars"
	"loadline/query/promql/store/histograms"
	"loadline/query/promql/store/index"
)

// exemplarQuerier reads exemplars for one request.
type exemplarQuerier struct {
	*Store
	ctx context.Context
}

// ExemplarQuerier implements storage.ExemplarQueryable.
func (s *Store) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	return &exemplarQuerier{s, ctx}, nil
}

// Select implements storage.ExemplarQuerier. A histogram with explicit bounds has its exemplars under its own name, and
// each of them also under the name of the classic bucket that it fell into.
func (q *exemplarQuerier) Select(start, end int64, lists ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	results := map[string]*exemplar.QueryResult{} // by labels
	add := func(l labels.Labels, e []exemplar.Exemplar) {
		key := l.String()
		if results[key] == nil {
			results[key] = &exemplar.QueryResult{SeriesLabels: l}
		}
		results[key].Exemplars = append(results[key].Exemplars, e...)
	}
	seen := map[string]bool{}
	for _, matchers := range lists {
		part := map[string]bool{}
		err := q.each(start, end, matchers, func(l labels.Labels, e []exemplar.Exemplar) {
			key := l.String()
			part[key] = true
			if !seen[key] {
				add(l, e)
			}
		})
		if err != nil {
			return nil, err
		}
		for key := range part {
			seen[key] = true
		}
	}
	out := make([]exemplar.QueryResult, 0, len(results))
	for _, r := range results {
		slices.SortStableFunc(r.Exemplars, exemplar.Compare)
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b exemplar.QueryResult) int { return labels.Compare(a.SeriesLabels, b.SeriesLabels) })
	return out, nil
}

// each calls fn for the series that match, perhaps several times for one of them.
func (q *exemplarQuerier) each(start, end int64, matchers []*labels.Matcher, fn func(labels.Labels, []exemplar.Exemplar)) error {
	f, err := q.find(q.ctx, matchers)
	if err != nil {
		return err
	}
	entries := f.entries
	var view *histograms.View
	if f.classic != nil {
		view = f.classic.view
		entries = append(slices.Clone(entries), f.classic.entries...)
	}
	var rows []*index.Row
	for _, e := range entries {
		for i := range e.Rows {
			rows = append(rows, &e.Rows[i])
		}
	}
	found, err := exemplars.Read(q.ctx, q.db, rows, start, end)
	if err != nil {
		return err
	}
	for i, e := range entries {
		for j := range e.Rows {
			all := found[&e.Rows[j]]
			switch {
			case len(all) == 0:
			case i < len(f.entries):
				fn(e.Labels, all)
			default:
				for _, x := range all {
					if l, ok := view.Of(e.Labels, e.Rows[j].Bounds, x.Value); ok {
						fn(l, []exemplar.Exemplar{x})
					}
				}
			}
		}
	}
	return nil
}
