// Package series has the samples of PromQL series as arrays, and gives them to the upstream engine through its own
// interfaces. It knows neither where samples are stored nor what is computed from them.
package series

import (
	"cmp"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// Column is the float samples of one series in the order of time: strictly ascending Unix milliseconds, and the values
// at those times. ST has the start timestamps, or is empty when no sample has one.
type Column struct {
	T, ST []int64
	V     []float64
}

// Reset empties the column and keeps its memory.
func (c *Column) Reset() { c.T, c.ST, c.V = c.T[:0], c.ST[:0], c.V[:0] }

// Append adds a sample without start timestamp.
func (c *Column) Append(t int64, v float64) {
	if len(c.ST) > 0 {
		c.ST = append(c.ST, 0)
	}
	c.T, c.V = append(c.T, t), append(c.V, v)
}

// Start returns the start timestamp of sample i, 0 when it has none.
func (c *Column) Start(i int) int64 {
	if len(c.ST) == 0 {
		return 0
	}
	return c.ST[i]
}

// Histogram is a sample of a native histogram at a time in Unix milliseconds.
type Histogram struct {
	T, ST int64
	H     *histogram.FloatHistogram
}

// Floats is a series whose samples can be had as a column. Every series of this project is one.
type Floats interface {
	storage.Series
	// Floats fills c, whose memory it may use, with the samples in the time range of the Select that returned the
	// series. The column is valid until c is used again. It returns false when the series has histograms too; then c is
	// undefined and the samples are to be read with Iterator.
	Floats(c *Column) (bool, error)
}

// Series is a series in memory. Histograms is in the order of time, and no float has the time of a histogram. Series is
// safe for concurrent use once made.
type Series struct {
	Name       labels.Labels
	Column     Column
	Histograms []Histogram
}

// Labels returns the labels of the series.
func (s *Series) Labels() labels.Labels { return s.Name }

// Floats implements the interface of that name.
func (s *Series) Floats(c *Column) (bool, error) {
	if len(s.Histograms) > 0 {
		return false, nil
	}
	c.T, c.V = append(c.T[:0], s.Column.T...), append(c.V[:0], s.Column.V...)
	c.ST = append(c.ST[:0], s.Column.ST...)
	return true, nil
}

// Iterator returns an iterator over floats and histograms. It reuses it if that came from here.
func (s *Series) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	i, ok := it.(*Iterator)
	if !ok {
		i = new(Iterator)
	}
	i.Reset(&s.Column, s.Histograms)
	return i
}

// Iterator walks over a column and histograms in the order of time.
type Iterator struct {
	column     *Column
	histograms []Histogram
	f, h       int // the next float and histogram
	kind       chunkenc.ValueType
	t          int64
}

// Reset starts over a column and histograms.
func (i *Iterator) Reset(c *Column, h []Histogram) { *i = Iterator{column: c, histograms: h} }

// Next implements chunkenc.Iterator.
func (i *Iterator) Next() chunkenc.ValueType {
	floats, histograms := i.f < len(i.column.T), i.h < len(i.histograms)
	switch {
	case floats && (!histograms || i.column.T[i.f] < i.histograms[i.h].T):
		i.t, i.kind = i.column.T[i.f], chunkenc.ValFloat
		i.f++
	case histograms:
		i.t, i.kind = i.histograms[i.h].T, chunkenc.ValFloatHistogram
		i.h++
	default:
		i.kind = chunkenc.ValNone
	}
	return i.kind
}

// Seek implements chunkenc.Iterator.
func (i *Iterator) Seek(t int64) chunkenc.ValueType {
	if i.kind != chunkenc.ValNone && i.t >= t {
		return i.kind
	}
	n, _ := slices.BinarySearch(i.column.T[i.f:], t)
	i.f += n
	n, _ = slices.BinarySearchFunc(i.histograms[i.h:], t, func(h Histogram, t int64) int { return cmp.Compare(h.T, t) })
	i.h += n
	return i.Next()
}

// At implements chunkenc.Iterator.
func (i *Iterator) At() (int64, float64) { return i.t, i.column.V[i.f-1] }

// AtHistogram implements chunkenc.Iterator. Histograms here have float counts, so that nobody asks for it.
func (i *Iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	panic("BUG: integer histogram asked of a float histogram")
}

// AtFloatHistogram implements chunkenc.Iterator. The engine may change what it gets, so it gets a copy.
func (i *Iterator) AtFloatHistogram(into *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	h := i.histograms[i.h-1].H
	if into == nil {
		return i.t, h.Copy()
	}
	h.CopyTo(into)
	return i.t, into
}

// AtT implements chunkenc.Iterator.
func (i *Iterator) AtT() int64 { return i.t }

// AtST implements chunkenc.Iterator.
func (i *Iterator) AtST() int64 {
	if i.kind == chunkenc.ValFloat {
		return i.column.Start(i.f - 1)
	}
	return i.histograms[i.h-1].ST
}

// Err implements chunkenc.Iterator.
func (i *Iterator) Err() error { return nil }

// Set is a storage.SeriesSet of series that are at hand.
type Set struct {
	series   []storage.Series
	at       int
	warnings annotations.Annotations
}

// NewSet returns a set of series, which should be sorted by labels.
func NewSet(all []storage.Series, warnings annotations.Annotations) *Set {
	return &Set{series: all, at: -1, warnings: warnings}
}

// Next implements storage.SeriesSet.
func (s *Set) Next() bool {
	s.at++
	return s.at < len(s.series)
}

// At implements storage.SeriesSet.
func (s *Set) At() storage.Series { return s.series[s.at] }

// Err implements storage.SeriesSet.
func (s *Set) Err() error { return nil }

// Warnings implements storage.SeriesSet.
func (s *Set) Warnings() annotations.Annotations { return s.warnings }
