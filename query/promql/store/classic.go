package store

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"loadline/query/promql/series"
	"loadline/query/promql/store/histograms"
	"loadline/query/promql/store/index"
	"loadline/query/promql/store/samples"
)

// classic are the classic series of the histograms of a selection that a view shows.
func (sel *selection) classic(view *histograms.View) []storage.Series {
	var all []storage.Series
	for i, e := range sel.entries {
		// A histogram without bounds may be one with exponential buckets, which only its samples tell.
		if sel.onlyLabels && !slices.ContainsFunc(e.Rows, func(r index.Row) bool { return len(r.Bounds) > 0 }) {
			continue
		}
		for _, s := range view.Series(e) {
			all = append(all, &classicSeries{sel, view, s, i})
		}
	}
	return all
}

// classicSeries is one of the series that a histogram with explicit bounds is shown as.
type classicSeries struct {
	*selection
	view *histograms.View
	of   histograms.Series
	i    int // of the entry
}

// Labels implements storage.Series.
func (s *classicSeries) Labels() labels.Labels { return s.of.Labels }

// Floats implements series.Floats.
func (s *classicSeries) Floats(c *series.Column) (bool, error) {
	b, err := s.load(s.i)
	if err != nil {
		return false, err
	}
	c.Reset()
	e := s.entries[s.i]
	for i := range e.Rows {
		r := &e.Rows[i]
		if len(b.histograms[r]) == 0 {
			continue
		}
		one := c
		if len(c.T) > 0 {
			one = &series.Column{}
		}
		if err := s.view.Fill(one, s.of, b.histograms[r], r); err != nil {
			return false, err
		}
		if one != c {
			samples.Merge(c, one)
		}
	}
	return true, nil
}

// Iterator implements storage.Series.
func (s *classicSeries) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	i := reuse(it)
	if _, err := s.Floats(&i.column); err != nil {
		return failed(it, err)
	}
	i.start(nil)
	return i
}
