// Package memory is a storage of PromQL series in memory, for tests of what is evaluated over series.
package memory

import (
	"context"
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/query/promql/series"
)

// Storage is series sorted by labels. It implements storage.Queryable and is safe for concurrent use.
type Storage []*series.Series

// New returns a storage of series.
func New(all ...*series.Series) Storage {
	s := slices.Clone(all)
	slices.SortFunc(s, func(a, b *series.Series) int { return labels.Compare(a.Name, b.Name) })
	return s
}

// Querier implements storage.Queryable.
func (s Storage) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{all: s, mint: mint, maxt: maxt}, nil
}

type querier struct {
	all        Storage
	mint, maxt int64
}

// Select returns the series that match, with their samples in the range of the hints, or of the querier without hints.
func (q *querier) Select(_ context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	mint, maxt := q.mint, q.maxt
	if hints != nil {
		mint, maxt = hints.Start, hints.End
	}
	var found []storage.Series
	for _, s := range q.all {
		if !matches(s.Name, matchers) {
			continue
		}
		if c := cut(s, mint, maxt); len(c.Column.T)+len(c.Histograms) > 0 {
			found = append(found, c)
		}
	}
	return series.NewSet(found, nil)
}

func matches(ls labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// cut returns the series with its samples in a range of time.
func cut(s *series.Series, mint, maxt int64) *series.Series {
	t := s.Column.T
	i := sort.Search(len(t), func(i int) bool { return t[i] >= mint })
	j := max(i, sort.Search(len(t), func(i int) bool { return t[i] > maxt }))
	c := &series.Series{Name: s.Name, Column: series.Column{T: t[i:j], V: s.Column.V[i:j]}}
	if len(s.Column.ST) > 0 {
		c.Column.ST = s.Column.ST[i:j]
	}
	for _, h := range s.Histograms {
		if h.T >= mint && h.T <= maxt {
			c.Histograms = append(c.Histograms, h)
		}
	}
	return c
}

// LabelValues implements storage.LabelQuerier. Nothing that is evaluated asks for it.
func (q *querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// LabelNames implements storage.LabelQuerier. Nothing that is evaluated asks for it.
func (q *querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Close implements storage.LabelQuerier.
func (q *querier) Close() error { return nil }
