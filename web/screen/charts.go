package screen

import (
	"math"
	"time"

	"loadline/query"
	"loadline/query/rollup"
	"loadline/web/view"
)

// columns starts a chart's numbers with the times of a series.
func columns(red *query.REDSeries) view.Columns {
	r := red.Range
	return view.Columns{T0: r.From.Unix(), Step: int64(r.Step / time.Second), Open: r.Until.Before(r.To) && !r.Until.IsZero()}
}

// Latency draws the percentiles and the requests behind them.
func Latency(red *query.REDSeries) view.Chart {
	c := view.Chart{
		ID: "lat", Title: "Latency percentiles", Unit: "ms", Columns: columns(red), Link: "/traces/ID",
		Series: []view.Series{{Label: "p50", Color: "p50"}, {Label: "p90", Color: "p90"}, {Label: "p95", Color: "p95"}, {Label: "p99", Color: "p99"}},
		Empty:  "No requests in this range",
	}
	for _, y := range [][]float64{red.P50, red.P90, red.P95, red.P99} {
		c.Y = append(c.Y, scaled(y, 1000))
	}
	c.Ex = exemplars(red)
	return c
}

// Bounds on how many exemplars a chart shows. More hide the line.
const (
	exemplarGroups = 24
	maxFailed      = 10
)

// exemplars chooses the slowest request of each part of the range, and the slowest failed ones.
func exemplars(red *query.REDSeries) []view.Exemplar {
	group := max(int64(red.Range.Len()/exemplarGroups), 1) * int64(max(red.Range.Step/time.Second, 1))
	slow, failed := map[int64]rollup.Exemplar{}, map[int64]rollup.Exemplar{}
	for _, e := range red.Exemplars {
		k, into := e.Time.Unix()/group, slow
		if e.Error {
			k, into = e.Time.Unix()/(group*exemplarGroups/maxFailed), failed
		}
		if old, ok := into[k]; !ok || e.Duration > old.Duration {
			into[k] = e
		}
	}
	out := make([]view.Exemplar, 0, len(slow)+len(failed))
	for _, e := range red.Exemplars { // in order of time
		k, into := e.Time.Unix()/group, slow
		if e.Error {
			k, into = e.Time.Unix()/(group*exemplarGroups/maxFailed), failed
		}
		if into[k] == e {
			out = append(out, view.Exemplar{T: e.Time.Unix(), V: Milliseconds(e.Duration), ID: e.TraceID.String(), Error: e.Error})
		}
	}
	return out
}

// classes are the series of the rate chart. All are always there, so that a live chart can gain one; the page hides
// those without requests.
var classes = []view.Series{
	{Label: "2xx", Color: "rate"},
	{Label: "ok", Color: "c2"},
	{Label: "3xx", Color: "c7"},
	{Label: "4xx", Color: "c3"},
	{Label: "5xx", Color: "err"},
	{Label: "error", Color: "crit"},
}

// maxBars is how many bars a chart has at most.
const maxBars = 60

// Rates draws requests per second by outcome as bars, each over several steps when there are many.
func Rates(red *query.REDSeries) view.Chart {
	c := view.Chart{
		ID: "rate", Title: "Requests", Sub: "per second, by status class", Unit: "rps", Stack: true,
		Series: classes, Columns: columns(red), Empty: "No requests in this range",
	}
	n := red.Range.Len()
	width := max((n+maxBars-1)/maxBars, 1)
	// Bars end at multiples of their width, so that they stay the same while the range moves on.
	first := 0
	for width > 1 && first < n && (c.T0/c.Step+int64(first))%int64(width) != 0 {
		first++
	}
	bars := (n - first + width - 1) / width
	c.T0, c.Step = c.T0+int64(first)*c.Step, c.Step*int64(width)
	index := map[string]int{"1xx": 0}
	for i, s := range classes {
		index[s.Label] = i
		c.Y = append(c.Y, make(view.Numbers, bars))
	}
	for _, class := range red.Classes {
		i, ok := index[class.Class]
		if !ok {
			continue
		}
		for j, v := range class.Rates[min(first, len(class.Rates)):] {
			c.Y[i][j/width] += v / float64(min(width, n-first-j/width*width))
		}
	}
	c.Open = c.Open || (n-first)%width != 0
	return c
}

// Errors draws the share of failed requests.
func Errors(red *query.REDSeries) view.Chart {
	c := view.Chart{
		ID: "err", Title: "Error rate", Sub: "share of requests", Unit: "pct", Floor: 1, Columns: columns(red),
		Series: []view.Series{{Label: "errors", Color: "err", Area: true}},
	}
	y := make(view.Numbers, len(red.Requests))
	for i := range y {
		y[i] = math.NaN()
		if red.Requests[i] > 0 {
			y[i] = red.Errors[i] / red.Requests[i] * 100
		}
	}
	c.Y = []view.Numbers{y}
	return c
}

func scaled(y []float64, by float64) view.Numbers {
	out := make(view.Numbers, len(y))
	for i, v := range y {
		out[i] = v * by
	}
	return out
}

// Milliseconds is a duration as charts draw it.
func Milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

// thinned averages neighbours until at most 40 values are left, for a sparkline.
func thinned(y []float64) []float64 {
	const limit = 40
	width := (len(y) + limit - 1) / limit
	if width <= 1 {
		return y
	}
	out := make([]float64, 0, limit)
	for i := 0; i < len(y); i += width {
		var sum, n float64
		for _, v := range y[i:min(i+width, len(y))] {
			if !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
		out = append(out, sum/n) // NaN when all are
	}
	return out
}

// Heat draws how many requests had which duration when.
func Heat(h *query.HeatmapSeries, id, link string) view.Heatmap {
	out := view.Heatmap{ID: id, Title: "Latency distribution", Columns: len(h.Times), Rows: len(h.Bounds), Max: h.Max, Link: link, Empty: "No requests in this range"}
	if len(h.Times) > 1 {
		out.T0, out.Step = h.Times[0].Unix(), int64(h.Times[1].Sub(h.Times[0])/time.Second)
	}
	if len(h.Bounds) == 0 {
		return out
	}
	out.Low = Milliseconds(h.Lowest)
	out.Ratio = float64(h.Bounds[0]) / float64(max(h.Lowest, 1))
	out.Cells = make(view.Numbers, 0, len(h.Times)*len(h.Bounds))
	for row := range h.Bounds {
		for column := range h.Times {
			v := 0.0
			if column < len(h.Counts) && row < len(h.Counts[column]) && h.Max > 0 {
				v = math.Ceil(h.Counts[column][row] / h.Max * 99)
			}
			out.Cells = append(out.Cells, v)
		}
	}
	const labels = 4
	for i := range labels {
		row := (len(h.Bounds) - 1) * i / (labels - 1)
		at := (1 - (float64(row)+1)/float64(len(h.Bounds))) * 100
		out.Labels = append(out.Labels, view.Tick{At: view.Position(at), Label: view.Duration(h.Bounds[row])})
	}
	return out
}

// Marks are the deployments that a chart shows. With too many they would hide it.
func Marks(deploys []query.Deployment, withService bool) []view.Mark {
	const limit = 8
	var out []view.Mark
	for _, d := range deploys[:min(len(deploys), limit)] {
		label := view.Version(d.Version)
		if withService {
			label = d.Service + " " + label
		}
		out = append(out, view.Mark{T: d.First.Unix(), Label: view.Short(label, 28)})
	}
	return out
}
