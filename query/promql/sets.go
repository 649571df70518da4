package promql

import (
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/schema"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"loadline/query/promql/kernel"
	"loadline/query/promql/series"
)

// each is the storage.SeriesSet of a leaf without aggregation. The values of a series are computed when it is iterated
// over, so that they are not held for all series at a time.
type each struct {
	*evaluation
	at series.Floats
}

// Next implements storage.SeriesSet.
func (e *each) Next() bool {
	if e.at = e.next(); e.at == nil {
		return false
	}
	e.made++
	return true
}

// At implements storage.SeriesSet.
func (e *each) At() storage.Series {
	ls := e.at.Labels()
	if e.leaf.DropsName() {
		ls = ls.DropReserved(schema.IsMetadataLabel)
	}
	return &computed{set: e, labels: ls, of: e.at}
}

// computed is a series of a leaf without aggregation.
type computed struct {
	set    *each
	labels labels.Labels
	of     series.Floats
}

// Labels implements storage.Series.
func (c *computed) Labels() labels.Labels { return c.labels }

// Iterator implements storage.Series.
func (c *computed) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	s, ok := it.(*steps)
	if !ok {
		s = new(steps)
	}
	grid := c.set.grid
	s.memory = slices.Grow(s.memory[:0], grid.Steps)[:grid.Steps]
	ok, err := c.set.compute(c.of, s.memory)
	s.reset(grid, s.memory)
	if ok {
		c.set.give(s.values)
	} else {
		s.at, s.err = grid.Steps, err
	}
	return s
}

// aggregated is the storage.SeriesSet of a leaf with an aggregation. It is computed when the first series is asked for.
type aggregated struct {
	*evaluation
	done   bool
	groups []*group
	at     int
}

// group is a series of the result.
type group struct {
	*kernel.Group
	labels labels.Labels
	values []float64
	grid   kernel.Grid
}

// Next implements storage.SeriesSet.
func (a *aggregated) Next() bool {
	if !a.done {
		a.done = true
		a.err = a.evaluate()
		a.at = -1
	}
	a.at++
	return a.err == nil && a.at < len(a.groups)
}

// At implements storage.SeriesSet.
func (a *aggregated) At() storage.Series { return a.groups[a.at] }

// evaluate computes all series. Groups stand in the order in which the first series of each has a value, as in the
// upstream engine.
func (a *aggregated) evaluate() error {
	grouping := newGrouping(a.leaf)
	index := map[uint64]*group{}
	values := make([]float64, a.grid.Steps)
	for s := a.next(); s != nil; s = a.next() {
		ok, err := a.compute(s, values)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		key := grouping.key(s.Labels())
		g := index[key]
		if g == nil {
			g = &group{Group: kernel.NewGroup(a.leaf.Agg, a.grid.Steps), labels: grouping.labels(s.Labels()), grid: a.grid}
			index[key] = g
			a.groups = append(a.groups, g)
		}
		g.Add(values)
	}
	for _, g := range a.groups {
		g.values = g.Finish()
		a.give(g.values)
	}
	a.made = len(a.groups)
	return a.err
}

// Labels implements storage.Series.
func (g *group) Labels() labels.Labels { return g.labels }

// Iterator implements storage.Series.
func (g *group) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	s, ok := it.(*steps)
	if !ok {
		s = new(steps)
	}
	s.reset(g.grid, g.values)
	return s
}

// steps iterates over a value or a stale marker for each step, so that no value is taken for one of a later step.
type steps struct {
	grid   kernel.Grid
	values []float64
	at     int
	err    error
	memory []float64 // for values that are computed here
}

func (s *steps) reset(grid kernel.Grid, values []float64) {
	*s = steps{grid: grid, values: values, at: -1, memory: s.memory}
}

func (s *steps) kind() chunkenc.ValueType {
	if s.at >= s.grid.Steps {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

// Next implements chunkenc.Iterator.
func (s *steps) Next() chunkenc.ValueType {
	s.at++
	return s.kind()
}

// Seek implements chunkenc.Iterator.
func (s *steps) Seek(t int64) chunkenc.ValueType {
	s.at = max(s.at, 0)
	if behind := t - s.AtT(); behind > 0 {
		s.at += int((behind + s.grid.Step - 1) / s.grid.Step)
	}
	return s.kind()
}

// At implements chunkenc.Iterator.
func (s *steps) At() (int64, float64) { return s.AtT(), s.values[s.at] }

// AtHistogram implements chunkenc.Iterator.
func (s *steps) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	panic("BUG: histogram asked of a leaf")
}

// AtFloatHistogram implements chunkenc.Iterator.
func (s *steps) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	panic("BUG: histogram asked of a leaf")
}

// AtT implements chunkenc.Iterator.
func (s *steps) AtT() int64 { return s.grid.Start + int64(s.at)*s.grid.Step }

// AtST implements chunkenc.Iterator.
func (s *steps) AtST() int64 { return 0 }

// Err implements chunkenc.Iterator.
func (s *steps) Err() error { return s.err }
