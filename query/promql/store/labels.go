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
	"loadline/query/promql/store/index"
)

// LabelNames implements storage.LabelQuerier. Without matchers, or with mere equalities of labels, it tells of series
// whatever their times.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	pushed, ok := index.Pushed(matchers)
	if len(matchers) > 0 && !ok {
		names := map[string]bool{}
		err := q.each(ctx, matchers, func(l labels.Labels) {
			l.Range(func(l labels.Label) { names[l.Name] = true })
		})
		return limited(slices.Collect(maps.Keys(names)), hints), nil, err
	}
	names, err := q.allNames(ctx, pushed)
	if err != nil {
		return nil, nil, err
	}
	err = q.notStored(ctx, matchers, func(l labels.Labels) {
		l.Range(func(l labels.Label) { names = append(names, l.Name) })
	})
	return limited(names, hints), nil, err
}

// LabelValues implements storage.LabelQuerier. Without matchers, or with mere equalities of labels, it tells of series
// whatever their times; and so it does with matchers on the name when names are asked for, which then include those of
// classic series.
func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	pushed, ok := index.Pushed(matchers)
	ofNames := name == model.MetricNameLabel && !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name != name })
	if len(matchers) > 0 && !ok && !ofNames {
		values := map[string]bool{}
		err := q.each(ctx, matchers, func(l labels.Labels) { values[l.Get(name)] = true })
		delete(values, "")
		return limited(slices.Collect(maps.Keys(values)), hints), nil, err
	}
	values, err := q.allValues(ctx, name, pushed)
	if err != nil {
		return nil, nil, err
	}
	if ofNames {
		values = slices.DeleteFunc(values, func(metric string) bool { return !nameMatches(metric, matchers) })
	}
	err = q.notStored(ctx, matchers, func(l labels.Labels) {
		if v := l.Get(name); v != "" {
			values = append(values, v)
		}
	})
	return limited(values, hints), nil, err
}

// allNames returns the names of the labels of all stored series, and of the classic series that histograms are shown as;
// or of those stored series that equalities select.
func (q *querier) allNames(ctx context.Context, pushed []*labels.Matcher) ([]string, error) {
	if len(pushed) > 0 {
		return q.index.LabelNamesOf(ctx, pushed)
	}
	names, err := q.index.LabelNames(ctx)
	if err != nil {
		return nil, err
	}
	shown, err := q.index.Classic(ctx)
	names = slices.Clone(names)
	if len(shown) > 0 {
		names = append(names, labels.BucketLabel)
	}
	return names, err
}

// allValues returns the values of a label in the series that allNames speaks of.
func (q *querier) allValues(ctx context.Context, name string, pushed []*labels.Matcher) ([]string, error) {
	if name == model.MetricNameLabel && len(pushed) == 0 {
		return q.metricNames(ctx)
	}
	values, err := q.index.LabelValuesOf(ctx, name, pushed)
	if err != nil || name != labels.BucketLabel || len(pushed) > 0 {
		return values, err
	}
	bounds, err := q.index.Bounds(ctx)
	if len(bounds) > 0 {
		bounds = append(bounds, math.Inf(1))
	}
	for _, bound := range bounds {
		values = append(values, histograms.FormatBound(bound))
	}
	return values, err
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

// notStored calls fn with the labels of the series that match of target_info, in the querier's range, and of virtual
// metrics, in the last hour.
func (q *querier) notStored(ctx context.Context, matchers []*labels.Matcher, fn func(labels.Labels)) error {
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
		if index.Matches(l, matchers) {
			fn(l)
		}
	}
	all, err := q.targets.Select(ctx, q.mint, q.maxt, matchers)
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

// limited sorts a list and returns as much of it as hints allow.
func limited(list []string, hints *storage.LabelHints) []string {
	slices.Sort(list)
	list = slices.Compact(list)
	if hints != nil && hints.Limit > 0 && len(list) > hints.Limit {
		return list[:hints.Limit]
	}
	return list
}
