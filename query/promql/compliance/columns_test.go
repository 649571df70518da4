package compliance

import (
	"context"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/teststorage"

	"loadline/query/promql/series"
)

// columns is Prometheus's own database whose series are columns, like those of Loadline's storage. It is the fastest way
// to run a script, and what differs from Prometheus then comes from the engine alone.
type columns struct{ *teststorage.TestStorage }

func newColumns(t testing.TB) storage.Storage {
	return columns{promqltest.NewBuiltinTestStorage(t)}
}

// Querier implements storage.Queryable.
func (c columns) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := c.TestStorage.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return columnsQuerier{q}, nil
}

type columnsQuerier struct{ storage.Querier }

// Select implements storage.Querier.
func (q columnsQuerier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := q.Querier.Select(ctx, true, hints, matchers...)
	var all []storage.Series
	var it chunkenc.Iterator
	for set.Next() {
		it = set.At().Iterator(it)
		s, err := column(set.At().Labels(), it)
		if err != nil {
			return storage.ErrSeriesSet(err)
		}
		all = append(all, s)
	}
	if set.Err() != nil {
		return set
	}
	return series.NewSet(all, set.Warnings())
}

// column reads a series to its end.
func column(name labels.Labels, it chunkenc.Iterator) (*series.Series, error) {
	s := &series.Series{Name: name}
	var starts bool
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		if kind != chunkenc.ValFloat {
			t, h := it.AtFloatHistogram(nil)
			s.Histograms = append(s.Histograms, series.Histogram{T: t, ST: it.AtST(), H: h})
			continue
		}
		t, v := it.At()
		s.Column.T, s.Column.V, s.Column.ST = append(s.Column.T, t), append(s.Column.V, v), append(s.Column.ST, it.AtST())
		starts = starts || it.AtST() != 0
	}
	if !starts {
		s.Column.ST = nil
	}
	return s, it.Err()
}
