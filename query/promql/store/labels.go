package store

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/query/promql/store/histograms"
)

// LabelNames implements storage.LabelQuerier. Without matchers it tells of all stored series, whatever their times.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	if len(matchers) == 0 {
		names, err := q.allNames(ctx)
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

// allNames returns the names of the labels of all series, whether stored or not.
func (q *querier) allNames(ctx context.Context) ([]string, error) {
	names, err := q.index.LabelNames(ctx)
	if err != nil {
		return nil, err
	}
	histograms, err := q.index.Classic(ctx)
	if err != nil {
		return nil, err
	}
	names = slices.Clone(names)
	if len(histograms) > 0 {
		names = append(names, labels.BucketLabel)
	}
	err = q.notStored(ctx, func(l labels.Labels) {
		l.Range(func(l labels.Label) { names = append(names, l.Name) })
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// allValues returns the values of a label of all series, whether stored or not.
func (q *querier) allValues(ctx context.Context, name string) (values []string, err error) {
	switch name {
	case model.MetricNameLabel:
		values, err = q.metricNames(ctx)
	case labels.BucketLabel:
		var bounds []float64
		if bounds, err = q.index.Bounds(ctx); err != nil {
			return nil, err
		}
		if len(bounds) > 0 {
			bounds = append(bounds, math.Inf(1))
		}
		values, err = q.index.LabelValues(ctx, name)
		for _, bound := range bounds {
			values = append(values, histograms.FormatBound(bound))
		}
	default:
		values, err = q.index.LabelValues(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	err = q.notStored(ctx, func(l labels.Labels) {
		if v := l.Get(name); v != "" {
			values = append(values, v)
		}
	})
	slices.Sort(values)
	return slices.Compact(values), err
}

// metricNames returns the names of stored metrics, of the classic series that histograms are shown as, and of virtual
// metrics.
func (q *querier) metricNames(ctx context.Context) ([]string, error) {
	stored, err := q.index.Names(ctx)
	if err != nil {
		return nil, err
	}
	shown, err := q.index.Classic(ctx)
	if err != nil {
		return nil, err
	}
	names := append(slices.Collect(maps.Keys(q.virtual)), stored...)
	for _, name := range shown {
		names = append(names, histograms.Classic(name)...)
	}
	return names, nil
}

const (
	computedAge   = 15 * time.Second
	computedRange = time.Hour
)

// notStored calls fn with the labels of the series of target_info in the querier's range, and of virtual metrics in the
// last hour.
func (q *querier) notStored(ctx context.Context, fn func(labels.Labels)) error {
	now := q.cfg.Now()
	computed, err := q.computed.Get(now, computedAge, 0, func() ([]labels.Labels, error) {
		var out []labels.Labels
		for name, v := range q.virtual {
			all, err := v.Labels(ctx, name, now.Add(-computedRange).UnixMilli(), now.UnixMilli(), nil)
			if err != nil {
				return nil, err
			}
			out = append(out, all...)
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	for _, l := range computed {
		fn(l)
	}
	all, err := q.targets.Select(ctx, q.mint, q.maxt, nil)
	for _, s := range all {
		fn(s.Labels())
	}
	return err
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
