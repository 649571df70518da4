package store

import (
	"context"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// LabelNames implements storage.LabelQuerier. Without matchers it tells of all stored series, whatever their times.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	if len(matchers) == 0 {
		names, err := q.index.LabelNames(ctx)
		return limited(names, hints), nil, err
	}
	names := map[string]bool{}
	err := q.each(ctx, matchers, func(l labels.Labels) {
		l.Range(func(l labels.Label) { names[l.Name] = true })
	})
	return limited(slices.Sorted(maps.Keys(names)), hints), nil, err
}

// LabelValues implements storage.LabelQuerier. Without matchers it tells of all stored series, whatever their times.
func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	if len(matchers) == 0 {
		values, err := q.allValues(ctx, name)
		return limited(values, hints), nil, err
	}
	values := map[string]bool{}
	err := q.each(ctx, matchers, func(l labels.Labels) {
		if v := l.Get(name); v != "" {
			values[v] = true
		}
	})
	return limited(slices.Sorted(maps.Keys(values)), hints), nil, err
}

func (q *querier) allValues(ctx context.Context, name string) ([]string, error) {
	if name == labels.MetricName {
		return q.index.Names(ctx)
	}
	return q.index.LabelValues(ctx, name)
}

// each calls fn with the labels of every series that matches in the querier's range.
func (q *querier) each(ctx context.Context, matchers []*labels.Matcher, fn func(labels.Labels)) error {
	set := q.Select(ctx, true, &storage.SelectHints{Start: q.mint, End: q.maxt, Func: "series"}, matchers...)
	for set.Next() {
		fn(set.At().Labels())
	}
	return set.Err()
}

// limited is the first of a list, as many as hints allow.
func limited(list []string, hints *storage.LabelHints) []string {
	if hints != nil && hints.Limit > 0 && len(list) > hints.Limit {
		return list[:hints.Limit]
	}
	return list
}
