package store

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"loadline/query/promql/series"
	"loadline/query/promql/store/histograms"
	"loadline/query/promql/store/samples"
)

// iterator walks over samples that it holds itself, or fails.
type iterator struct {
	series.Iterator
	column series.Column
	err    error
}

// Err implements chunkenc.Iterator.
func (i *iterator) Err() error { return i.err }

// reuse returns an iterator with the memory of it, if that came from here.
func reuse(it chunkenc.Iterator) *iterator {
	if i, ok := it.(*iterator); ok {
		i.err = nil
		return i
	}
	return &iterator{}
}

// failed returns an iterator without samples.
func failed(it chunkenc.Iterator, err error) *iterator {
	i := reuse(it)
	i.column.Reset()
	i.err = err
	i.Reset(&i.column, nil)
	return i
}

// start begins with the first of the samples in the column and of histograms. A float at the time of a histogram goes.
func (i *iterator) start(all []series.Histogram) {
	if len(all) > 0 {
		histograms.Without(&i.column, all)
	}
	i.Reset(&i.column, all)
}

// union is two series with the same labels.
type union struct{ a, b series.Floats }

// Labels implements storage.Series.
func (u *union) Labels() labels.Labels { return u.a.Labels() }

// Floats implements series.Floats. Where both have a sample of one time, that of the first counts.
func (u *union) Floats(c *series.Column) (bool, error) {
	if ok, err := u.a.Floats(c); !ok || err != nil {
		return ok, err
	}
	var other series.Column
	if ok, err := u.b.Floats(&other); !ok || err != nil {
		return ok, err
	}
	samples.Merge(c, &other)
	return true, nil
}

// Iterator implements storage.Series.
func (u *union) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	i := reuse(it)
	i.column.Reset()
	var all []series.Histogram
	for _, s := range []series.Floats{u.a, u.b} {
		var c series.Column
		var found []series.Histogram
		more := s.Iterator(nil)
		for kind := more.Next(); kind != chunkenc.ValNone; kind = more.Next() {
			if kind == chunkenc.ValFloat {
				t, v := more.At()
				c.T, c.V, c.ST = append(c.T, t), append(c.V, v), append(c.ST, more.AtST())
				continue
			}
			t, h := more.AtFloatHistogram(nil)
			found = append(found, series.Histogram{T: t, ST: more.AtST(), H: h})
		}
		if err := more.Err(); err != nil {
			return failed(it, err)
		}
		samples.Merge(&i.column, &c)
		all = histograms.Merge(all, found)
	}
	i.start(all)
	return i
}
