package series

import (
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

func mixed() *Series {
	return &Series{
		Name:       labels.FromStrings("__name__", "m"),
		Column:     Column{T: []int64{10, 30, 50}, V: []float64{1, 3, 5}},
		Histograms: []Histogram{{T: 20, ST: 7, H: &histogram.FloatHistogram{Count: 2}}, {T: 40, H: &histogram.FloatHistogram{Count: 4}}},
	}
}

func TestIteratorMergesFloatsAndHistograms(t *testing.T) {
	it := mixed().Iterator(nil)
	var times, starts []int64
	var values []float64
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		times, starts = append(times, it.AtT()), append(starts, it.AtST())
		if kind == chunkenc.ValFloat {
			_, v := it.At()
			values = append(values, v)
		} else {
			_, h := it.AtFloatHistogram(nil)
			values = append(values, h.Count)
		}
	}
	if !slices.Equal(times, []int64{10, 20, 30, 40, 50}) || !slices.Equal(values, []float64{1, 2, 3, 4, 5}) || !slices.Equal(starts, []int64{0, 7, 0, 0, 0}) {
		t.Errorf("times %v, values %v, starts %v", times, values, starts)
	}
}

func TestIteratorSeeks(t *testing.T) {
	f := func(want int64, seeks ...int64) {
		t.Helper()
		it := mixed().Iterator(nil)
		for _, s := range seeks {
			it.Seek(s)
		}
		if it.AtT() != want {
			t.Errorf("%v: at %d, want %d", seeks, it.AtT(), want)
		}
	}
	f(10, 0)
	f(10, 10)
	f(20, 11)
	f(40, 31)
	f(50, 31, 20, 41)
	it := mixed().Iterator(nil)
	if it.Seek(51) != chunkenc.ValNone || it.Next() != chunkenc.ValNone {
		t.Error("there is something after the end")
	}
}

func TestHistogramsAreCopied(t *testing.T) {
	s := mixed()
	it := s.Iterator(nil)
	it.Seek(20)
	_, h := it.AtFloatHistogram(nil)
	h.Count = 99
	if s.Histograms[0].H.Count != 2 {
		t.Error("a reader changed the series")
	}
}
