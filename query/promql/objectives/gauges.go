package objectives

import (
	"context"
	"math"
	"time"

	"loadline/query/promql/red/grid"
	"loadline/query/promql/series"
)

// gauges makes the series of what an objective is at a time.
func (m *Metrics) gauges(ctx context.Context, metric string, list []one, g grid.Grid, evaluated int64) ([]*series.Series, error) {
	first, last := shown(g)
	past := last - first + 1
	if g.Point(last) >= evaluated {
		past--
	}
	asks := metric != Target && past > 0
	if asks && (len(list) > maxHistories || past > maxPoints) {
		return nil, errTooMany
	}
	out := make([]*series.Series, 0, len(list))
	for _, o := range list {
		var values []float64
		if asks {
			var err error
			if values, err = m.history(ctx, metric, o, Moments{time.UnixMilli(g.Point(first)).UTC(), time.Duration(g.Cell) * time.Millisecond, past}); err != nil {
				return nil, err
			}
		}
		s := &series.Series{Name: o.name}
		for i := first; i <= last; i++ {
			v := o.now(metric)
			if i-first < len(values) {
				v = values[i-first]
			}
			if t := g.Point(i); t <= g.End && !math.IsNaN(v) {
				s.Column.Append(t, v)
			}
		}
		if len(s.Column.T) > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

// history is what a metric was at moments before the last evaluation.
func (m *Metrics) history(ctx context.Context, metric string, o one, at Moments) ([]float64, error) {
	if metric == BurnRate {
		return m.cfg.Burn(ctx, o.Objective, o.burn.Window, at)
	}
	return m.cfg.Left(ctx, o.Objective, at)
}

// now is what a metric is at the last evaluation.
func (o *one) now(metric string) float64 {
	switch metric {
	case Target:
		return o.Target
	case BurnRate:
		return o.burn.Rate
	}
	return o.Left
}
