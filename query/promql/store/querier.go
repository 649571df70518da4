package store

import (
	"context"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/query/promql/series"
	"loadline/query/promql/store/index"
)

// querier answers questions about a range of time.
type querier struct {
	*Store
	mint, maxt int64 // Unix milliseconds
}

// Querier implements storage.Queryable.
func (s *Store) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{s, mint, maxt}, nil
}

// Close implements storage.Querier.
func (*querier) Close() error { return nil }

// Select implements storage.Querier. The series are sorted by labels, whether that was asked for or not, and every one is
// a [series.Floats]. Samples are read when the first of them is asked for; a failure then shows in Floats, or as the
// error of the iterator. Of hints.Func "series" only the labels are wanted.
func (q *querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	mint, maxt := q.mint, q.maxt
	if hints != nil {
		mint, maxt = hints.Start, hints.End
	}
	found, err := q.find(ctx, mint, maxt, matchers)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	onlyLabels := hints != nil && hints.Func == "series"
	all := q.stored(ctx, found.entries, mint, maxt, onlyLabels)
	var warnings annotations.Annotations
	for _, more := range found.sources {
		computed, w, err := more(ctx, mint, maxt, hints)
		if err != nil {
			return storage.ErrSeriesSet(err)
		}
		warnings.Merge(w)
		all = append(all, computed...)
	}
	if len(found.sources) > 0 {
		all = unite(all)
	}
	if hints != nil && hints.Limit > 0 && len(all) > hints.Limit {
		all = all[:hints.Limit]
	}
	return series.NewSet(all, warnings)
}

// found is what a selector selects.
type found struct {
	entries []*index.Entry // stored series, sorted by labels
	sources []source       // of other series
}

// source gives series that are not stored as they are asked for.
type source func(ctx context.Context, mint, maxt int64, hints *storage.SelectHints) ([]storage.Series, annotations.Annotations, error)

// find looks up what matchers select.
func (q *querier) find(ctx context.Context, mint, maxt int64, matchers []*labels.Matcher) (found, error) {
	name, ok := exactName(matchers)
	if !ok {
		entries, err := q.index.Any(ctx, matchers)
		return found{entries: entries}, err
	}
	entries, err := q.index.Metric(ctx, name, matchers)
	if err != nil {
		return found{}, err
	}
	return found{entries: entries}, nil
}

// exactName returns the metric that matchers ask for, if they ask for one. It is "" if they contradict each other.
func exactName(matchers []*labels.Matcher) (string, bool) {
	i := slices.IndexFunc(matchers, func(m *labels.Matcher) bool { return m.Name == labels.MetricName && m.Type == labels.MatchEqual })
	if i < 0 {
		return "", false
	}
	name := matchers[i].Value
	for _, m := range matchers {
		if m.Name == labels.MetricName && !m.Matches(name) {
			return "", true
		}
	}
	return name, true
}

// unite sorts series and makes one of those with equal labels.
func unite(all []storage.Series) []storage.Series {
	slices.SortStableFunc(all, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && labels.Equal(out[n-1].Labels(), s.Labels()) {
			out[n-1] = &union{out[n-1].(series.Floats), s.(series.Floats)}
			continue
		}
		out = append(out, s)
	}
	return out
}

// forever is the range of all times that are stored.
const forever = math.MaxInt64
