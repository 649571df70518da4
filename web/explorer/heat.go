package explorer

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"loadline/web/view"
)

// maxHeatRows is how many rows of a heatmap can be told apart.
const maxHeatRows = 48

// bucket is a count between two positive bounds.
type bucket struct{ low, high, n float64 }

// heat draws histograms over time: native ones, or classic ones as series with the label le.
func heat(p view.Page, r *promql.Result, u unit) *view.Heatmap {
	step := stepOf(p.Range.To.Sub(p.Range.From))
	t0 := p.Range.From.Truncate(step)
	columns := make([][]bucket, int(p.Range.To.Truncate(step).Sub(t0)/step)+1)
	at := func(t int64) int { return int((t - t0.UnixMilli()) / step.Milliseconds()) }
	matrix, _ := r.Value.(promql.Matrix)
	for _, s := range matrix {
		for _, h := range s.Histograms {
			if i := at(h.T); i >= 0 && i < len(columns) {
				columns[i] = append(columns[i], native(h.H)...)
			}
		}
	}
	classic(matrix, func(t int64, b bucket) {
		if i := at(t); i >= 0 && i < len(columns) {
			columns[i] = append(columns[i], b)
		}
	})
	out := &view.Heatmap{
		ID: "result", Title: "Distribution", Sub: "a column every " + view.Span(step), Size: "lg", Columns: len(columns),
		T0: t0.Unix(), Step: int64(step / time.Second), Empty: "No histogram in the result",
	}
	paint(out, columns, u)
	return out
}

// native are the buckets of a native histogram above zero.
func native(h *histogram.FloatHistogram) []bucket {
	var out []bucket
	for it := h.PositiveBucketIterator(); it.Next(); {
		b := it.At()
		out = append(out, bucket{b.Lower, b.Upper, b.Count})
	}
	return out
}

// classic finds series that differ in le alone and hands out what lies between each two of them.
func classic(m promql.Matrix, emit func(t int64, b bucket)) {
	type bound struct {
		le     float64
		floats []promql.FPoint
	}
	groups := map[uint64][]bound{}
	var order []uint64
	for _, s := range m {
		le, err := strconv.ParseFloat(s.Metric.Get(labels.BucketLabel), 64)
		if err != nil {
			continue
		}
		key := labels.NewBuilder(s.Metric).Del(labels.BucketLabel).Labels().Hash()
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], bound{le, s.Floats})
	}
	for _, key := range order {
		g := groups[key]
		slices.SortFunc(g, func(a, b bound) int {
			if a.le < b.le {
				return -1
			}
			return 1
		})
		below := map[int64]float64{}
		for i, b := range g {
			low := 0.0
			if i > 0 {
				low = g[i-1].le
			}
			for _, f := range b.floats {
				if n := f.F - below[f.T]; n > 0 {
					emit(f.T, bucket{low, b.le, n})
				}
				below[f.T] = max(below[f.T], f.F)
			}
		}
	}
}

// paint spreads the buckets over rows of equal ratio.
func paint(out *view.Heatmap, columns [][]bucket, u unit) {
	low, high := math.Inf(1), 0.0
	for _, c := range columns {
		for _, b := range c {
			if b.n > 0 && b.high > 0 {
				if b.low > 0 {
					low = min(low, b.low)
				} else if !math.IsInf(b.high, 0) {
					low = min(low, b.high/2)
				}
				if !math.IsInf(b.high, 0) {
					high = max(high, b.high)
				} else {
					high = max(high, b.low*2)
				}
			}
		}
	}
	if high == 0 || math.IsInf(low, 0) {
		return
	}
	bottom, ratio, rows := logRows(low, high, maxHeatRows)
	cells := make([]float64, rows*len(columns))
	rowOf := func(v float64) float64 { return math.Log(v/bottom) / math.Log(ratio) }
	type bounds struct{ low, high float64 }
	type span struct{ from, to float64 }
	places := map[bounds]span{} // most columns have the same buckets
	for i, c := range columns {
		for _, b := range c {
			at, known := places[bounds{b.low, b.high}]
			if !known {
				at = span{max(rowOf(max(b.low, bottom)), 0), min(rowOf(b.high), float64(rows))}
				places[bounds{b.low, b.high}] = at
			}
			for row := int(at.from + 1e-9); row < rows && float64(row) < at.to-1e-9; row++ {
				share := (min(at.to, float64(row)+1) - max(at.from, float64(row))) / (at.to - at.from)
				cells[row*len(columns)+i] += b.n * share
				out.Max = max(out.Max, cells[row*len(columns)+i])
			}
		}
	}
	for _, v := range cells {
		if out.Max > 0 {
			v = math.Ceil(v / out.Max * 99)
		}
		out.Cells = append(out.Cells, v)
	}
	out.Rows, out.Low, out.Ratio = rows, bottom*u.scale, ratio
	const ticks = 4
	chart := view.Chart{Unit: u.id}
	for i := range ticks {
		row := (rows - 1) * i / (ticks - 1)
		at := (1 - float64(row+1)/float64(rows)) * 100
		out.Labels = append(out.Labels, view.Tick{At: view.Position(at), Label: chart.Value(bottom * math.Pow(ratio, float64(row+1)) * u.scale)})
	}
}
