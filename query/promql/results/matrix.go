package results

import (
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
)

// between returns the part of a matrix from the step first to the step last, in memory of its own if it is to be kept.
func between(m upstream.Matrix, first, last int64, own bool) upstream.Matrix {
	part := make(upstream.Matrix, 0, len(m))
	for _, s := range m {
		f := s.Floats
		f = f[sort.Search(len(f), func(i int) bool { return f[i].T >= first }):sort.Search(len(f), func(i int) bool { return f[i].T > last })]
		h := s.Histograms
		h = h[sort.Search(len(h), func(i int) bool { return h[i].T >= first }):sort.Search(len(h), func(i int) bool { return h[i].T > last })]
		if len(f)+len(h) == 0 {
			continue
		}
		if own {
			f, h = slices.Clone(f), slices.Clone(h)
		}
		part = append(part, upstream.Series{Metric: s.Metric, Floats: slices.Clip(f), Histograms: slices.Clip(h), DropName: s.DropName})
	}
	return part
}

// join returns a matrix with the points of a before those of b. Both are sorted by labels, and neither is changed.
func join(a, b upstream.Matrix) upstream.Matrix {
	all := make(upstream.Matrix, 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch c := labels.Compare(a[0].Metric, b[0].Metric); {
		case c < 0:
			all, a = append(all, a[0]), a[1:]
		case c > 0:
			all, b = append(all, b[0]), b[1:]
		default:
			all = append(all, upstream.Series{
				Metric:     b[0].Metric,
				Floats:     slices.Concat(a[0].Floats, b[0].Floats),
				Histograms: slices.Concat(a[0].Histograms, b[0].Histograms),
				DropName:   b[0].DropName,
			})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}
