package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/common/model"
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
	found, err := q.find(ctx, matchers)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	onlyLabels := hints != nil && hints.Func == "series"
	sel := q.newSelection(ctx, found.entries, mint, maxt, onlyLabels)
	all := sel.series()
	var warnings annotations.Annotations
	if found.classic != nil {
		all = append(all, q.newSelection(ctx, found.classic.entries, mint, maxt, onlyLabels).classic(found.classic.view)...)
	}
	for _, metric := range found.virtual {
		computed, w, err := q.compute(ctx, metric, mint, maxt, hints, found.matchers)
		if err != nil {
			return storage.ErrSeriesSet(err)
		}
		warnings.Merge(w)
		all = append(all, computed...)
	}
	if found.targets {
		computed, err := q.targets.Select(ctx, mint, maxt, found.matchers)
		if err != nil {
			return storage.ErrSeriesSet(err)
		}
		for _, s := range computed {
			all = append(all, s)
		}
	}
	if len(all) > len(sel.entries) {
		all = unite(all)
	}
	if len(all) > q.cfg.MaxSeries {
		return storage.ErrSeriesSet(fmt.Errorf("the selector matches more than %d series: add label matchers that select fewer", q.cfg.MaxSeries))
	}
	if hints != nil && hints.Limit > 0 && len(all) > hints.Limit {
		all = all[:hints.Limit]
	}
	return series.NewSet(all, warnings)
}

// Unstable reports whether what a selector selects may change although no late floats arrive: histograms and what is
// computed, of which nobody tells when they are late; and whether it depends on the range in which it is selected, as
// deltas do, which are added up. A selector of many metrics may select anything.
func (s *Store) Unstable(ctx context.Context, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if m.Name != model.MetricNameLabel || m.Type != labels.MatchEqual {
			continue
		}
		f, err := s.findMetric(ctx, m.Value, matchers)
		if err != nil || f.classic != nil || f.targets || len(f.virtual) > 0 || len(f.entries) == 0 {
			return true
		}
		return slices.ContainsFunc(f.entries, func(e *index.Entry) bool {
			return slices.ContainsFunc(e.Rows, func(r index.Row) bool { return r.Kind.IsHistogram() || r.Kind.IsDelta() })
		})
	}
	return true
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
