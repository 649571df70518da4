package explorer

import (
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// unit is how values are written: the chart's unit, the factor to it, what stands behind a table's heading, and the name
// of a series without labels.
type unit struct {
	id            string
	scale         float64
	suffix, title string
}

var (
	plain   = unit{id: "num", scale: 1}
	seconds = unit{id: "ms", scale: 1000, suffix: ", seconds"}
	bytes   = unit{id: "bytes", scale: 1, suffix: ", bytes"}
	ratio   = unit{id: "pct", scale: 100, suffix: ", ratio"}
)

// exact writes a value with all its digits.
func exact(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// unitOf guesses the unit of an expression: that of the metric where an operation keeps it, none otherwise. Observations
// says that what histograms have counted is shown, not how often.
func (e *Explorer) unitOf(ctx context.Context, expr parser.Expr, observations bool) unit {
	metric, quantile := kept(expr, observations)
	if metric == "" {
		return plain
	}
	base := strings.TrimSuffix(metric, "_bucket")
	known := ""
	if all, err := e.config.Source.Metadata(ctx, base, 1, 1); err == nil && len(all[base]) > 0 {
		known = all[base][0].Unit
		if all[base][0].Type == "histogram" && !quantile {
			return plain
		}
	}
	u := named(known, base)
	u.title = metric
	return u
}

// named is the unit that metadata or the metric's name tells.
func named(known, metric string) unit {
	switch {
	case known == "s" || known == "seconds" || strings.HasSuffix(metric, "_seconds"):
		return seconds
	case known == "By" || known == "bytes" || strings.HasSuffix(metric, "_bytes"):
		return bytes
	case strings.HasSuffix(metric, "_ratio") || strings.HasSuffix(metric, "_utilization"):
		return ratio
	}
	return plain
}

// kept finds the metric whose unit an expression's values have, "" when operations change it.
func kept(expr parser.Expr, quantile bool) (metric string, isQuantile bool) {
	switch n := expr.(type) {
	case *parser.ParenExpr:
		return kept(n.Expr, quantile)
	case *parser.StepInvariantExpr:
		return kept(n.Expr, quantile)
	case *parser.UnaryExpr:
		return kept(n.Expr, quantile)
	case *parser.AggregateExpr:
		switch n.Op {
		case parser.SUM, parser.AVG, parser.MIN, parser.MAX, parser.QUANTILE, parser.TOPK, parser.BOTTOMK, parser.STDDEV:
			return kept(n.Expr, quantile)
		}
	case *parser.Call:
		switch n.Func.Name {
		case "histogram_quantile":
			return kept(n.Args[1], true)
		case "histogram_avg":
			return kept(n.Args[0], true)
		case "rate", "increase":
			if quantile {
				return kept(n.Args[0], true)
			}
		case "avg_over_time", "min_over_time", "max_over_time", "last_over_time", "quantile_over_time", "delta", "abs", "sort", "sort_desc":
			return kept(n.Args[len(n.Args)-1], quantile)
		}
	case *parser.MatrixSelector:
		return kept(n.VectorSelector, quantile)
	case *parser.VectorSelector:
		for _, m := range n.LabelMatchers {
			if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
				return m.Value, quantile
			}
		}
	}
	return "", false
}

// logRows are the rows of a heatmap between two values: where the first begins, and from one bound to the next a power of
// two or a part of it.
func logRows(low, high float64, most int) (bottom, ratio float64, rows int) {
	for _, part := range []float64{8, 4, 2, 1, 0.5, 0.25} {
		a, b := math.Floor(math.Log2(low)*part), math.Ceil(math.Log2(high)*part)
		if rows = int(b - a); rows <= most {
			return math.Exp2(a / part), math.Exp2(1 / part), max(rows, 1)
		}
	}
	return math.Exp2(math.Floor(math.Log2(low))), math.Exp2(16), most
}
