package explorer

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"loadline/web/view"
)

// Bounds of what is shown. More lines than that cannot be told from each other.
const (
	maxPoints = 240
	maxLines  = 20
	maxAll    = 500
	maxRows   = 1000
)

// steps are the resolutions that a graph may have.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
	5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour,
}

// stepOf is the finest resolution that keeps a range within the points of a graph.
func stepOf(length time.Duration) time.Duration {
	for _, s := range steps {
		if length <= s*maxPoints {
			return s
		}
	}
	return steps[len(steps)-1]
}

// evaluate runs the expression at the end of the page's range, or over all of it. Steps are multiples of their length,
// so that a range that moves on asks for the same moments again.
func (e *Explorer) evaluate(ctx context.Context, p view.Page, expr string, instant bool) (*promql.Result, error) {
	var (
		q   promql.Query
		err error
	)
	if instant {
		q, err = e.config.Engine.NewInstantQuery(ctx, e.config.Source, nil, expr, p.Range.To)
	} else {
		step := stepOf(p.Range.To.Sub(p.Range.From))
		q, err = e.config.Engine.NewRangeQuery(ctx, e.config.Source, nil, expr, p.Range.From.Truncate(step), p.Range.To.Truncate(step), step)
	}
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return nil, result.Err
	}
	copied, err := detach(result)
	if err != nil {
		return nil, err
	}
	return copied, nil
}

// detach copies a result, whose memory the engine takes back when the query is closed.
func detach(r *promql.Result) (*promql.Result, error) {
	out := &promql.Result{Warnings: r.Warnings}
	switch v := r.Value.(type) {
	case promql.Matrix:
		m := make(promql.Matrix, 0, len(v))
		for _, s := range v {
			m = append(m, promql.Series{Metric: s.Metric, Floats: slices.Clone(s.Floats), Histograms: slices.Clone(s.Histograms), DropName: s.DropName})
		}
		out.Value = m
	case promql.Vector:
		out.Value = slices.Clone(v)
	case promql.Scalar, promql.String:
		out.Value = v
	default:
		return nil, fmt.Errorf("result of unknown type %T", v)
	}
	return out, nil
}

func size(r *promql.Result) int {
	switch v := r.Value.(type) {
	case promql.Matrix:
		return len(v)
	case promql.Vector:
		return len(v)
	}
	return 1
}

func onlyHistograms(r *promql.Result) bool {
	m, ok := r.Value.(promql.Matrix)
	if !ok || len(m) == 0 {
		return false
	}
	return !slices.ContainsFunc(m, func(s promql.Series) bool { return len(s.Floats) > 0 || len(s.Histograms) == 0 })
}

// lines draws the series with the largest last values. The second result leads to the rest.
func lines(p view.Page, r *promql.Result, u unit, stacked bool) (*view.Chart, view.Choice) {
	length := p.Range.To.Sub(p.Range.From)
	step := stepOf(length)
	t0, t1 := p.Range.From.Truncate(step), p.Range.To.Truncate(step)
	n := int(t1.Sub(t0)/step) + 1
	c := &view.Chart{
		ID: "result", Title: "Result", Unit: u.id, Stack: stacked, Size: "lg",
		Columns: view.Columns{T0: t0.Unix(), Step: int64(step / time.Second), Y: []view.Numbers{}}, Series: []view.Series{}, Empty: "No series in this range",
	}
	if onlyHistograms(r) {
		c.Empty = "Histograms are no lines: look at the heatmap, or take histogram_quantile() of them"
	}
	matrix, _ := r.Value.(promql.Matrix)
	matrix = slices.DeleteFunc(slices.Clone(matrix), func(s promql.Series) bool { return len(s.Floats) == 0 })
	slices.SortStableFunc(matrix, func(a, b promql.Series) int {
		return cmp.Compare(b.Floats[len(b.Floats)-1].F, a.Floats[len(a.Floats)-1].F)
	})
	limit, more := maxLines, view.Choice{}
	if p.Query.Get("all") != "" {
		limit = maxAll
	}
	if len(matrix) > limit {
		more = view.Choice{Label: fmt.Sprintf("%d of %d series: show more", limit, len(matrix)), Href: p.With("all", "1")}
		if limit == maxAll {
			more = view.Choice{Label: fmt.Sprintf("%d of %d series; aggregate to see the rest", limit, len(matrix))}
		}
		matrix = matrix[:limit]
	}
	common := shared(matrix)
	for i, s := range matrix {
		y := make(view.Numbers, n)
		for j := range y {
			y[j] = math.NaN()
			if stacked {
				y[j] = 0
			}
		}
		for _, f := range s.Floats {
			if j := int((f.T - t0.UnixMilli()) / step.Milliseconds()); j >= 0 && j < n {
				y[j] = f.F * u.scale
			}
		}
		c.Y = append(c.Y, y)
		c.Series = append(c.Series, view.Series{Label: legend(s.Metric, common, u.title), Color: fmt.Sprintf("c%d", i%8+1)})
	}
	return c, more
}

// shared are the names of labels that all series have with one value. They tell no series from another.
func shared(m promql.Matrix) map[string]bool {
	out := map[string]bool{}
	if len(m) < 2 {
		return out
	}
	m[0].Metric.Range(func(l labels.Label) {
		out[l.Name] = !slices.ContainsFunc(m[1:], func(s promql.Series) bool { return s.Metric.Get(l.Name) != l.Value })
	})
	return out
}

// legend is a series' name in a legend.
func legend(l labels.Labels, without map[string]bool, fallback string) string {
	var parts []string
	name := ""
	l.Range(func(l labels.Label) {
		switch {
		case without[l.Name]:
		case l.Name == model.MetricNameLabel:
			name = l.Value
		default:
			parts = append(parts, l.Name+"="+l.Value)
		}
	})
	switch {
	case len(parts) == 0 && name == "":
		return cmp.Or(fallback, "value")
	case len(parts) == 0:
		return name
	}
	return strings.TrimSpace(name + " " + strings.Join(parts, ", "))
}

// table shows the values at one moment, a column for each label.
func table(r *promql.Result, u unit) *view.Plain {
	t := &view.Plain{Title: "Result", Sub: "at the end of the range", Empty: "No series at this moment"}
	row := func(l labels.Labels, value string) []view.Cell {
		var cells []view.Cell
		for _, h := range t.Heads {
			cells = append(cells, view.Cell{Text: l.Get(h.Label), Mono: true})
		}
		return append(cells, view.Cell{Text: value})
	}
	switch v := r.Value.(type) {
	case promql.Scalar:
		t.Rows = append(t.Rows, row(labels.EmptyLabels(), exact(v.V)))
	case promql.String:
		t.Rows = append(t.Rows, row(labels.EmptyLabels(), v.V))
	case promql.Vector:
		t.Heads = heads(func(yield func(labels.Labels)) {
			for _, s := range v {
				yield(s.Metric)
			}
		})
		for _, s := range v[:min(len(v), maxRows)] {
			value := exact(s.F)
			if s.H != nil {
				value = s.H.String()
			}
			t.Rows = append(t.Rows, row(s.Metric, value))
		}
	case promql.Matrix:
		t.Heads = heads(func(yield func(labels.Labels)) {
			for _, s := range v {
				yield(s.Metric)
			}
		})
		for _, s := range v[:min(len(v), maxRows)] {
			t.Rows = append(t.Rows, row(s.Metric, samples(s)))
		}
	}
	t.Heads = append(t.Heads, view.Column{Label: "Value" + u.suffix, Numeric: true})
	return t
}

// heads are the label names of all series, sorted.
func heads(all func(func(labels.Labels))) []view.Column {
	names := map[string]bool{}
	all(func(l labels.Labels) { l.Range(func(l labels.Label) { names[l.Name] = true }) })
	var out []view.Column
	for name := range names {
		out = append(out, view.Column{Label: name})
	}
	slices.SortFunc(out, func(a, b view.Column) int { return strings.Compare(a.Label, b.Label) })
	return out
}

// samples writes the samples of a range vector, the newest first.
func samples(s promql.Series) string {
	const most = 20
	var parts []string
	for i := len(s.Floats) - 1; i >= 0 && len(parts) < most; i-- {
		parts = append(parts, fmt.Sprintf("%s @%.3f", exact(s.Floats[i].F), float64(s.Floats[i].T)/1000))
	}
	for i := len(s.Histograms) - 1; i >= 0 && len(parts) < most; i-- {
		parts = append(parts, fmt.Sprintf("%s @%.3f", s.Histograms[i].H, float64(s.Histograms[i].T)/1000))
	}
	return strings.Join(parts, "  ")
}
