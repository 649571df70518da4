// Package explorer is the page of metrics: it evaluates a PromQL expression over the page's range and shows the result
// as lines, stacked areas, a table or a heatmap, and it lists the metrics that there are with what is known about them.
package explorer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"loadline/query/promql/store"
	"loadline/web/promapi/param"
	"loadline/web/view"
)

// Source is where metrics are read from.
type Source interface {
	storage.Queryable
	Metadata(ctx context.Context, metric string, limit, limitPerMetric int) (map[string][]store.Metadata, error)
}

// Config is what an [Explorer] needs.
type Config struct {
	Engine promql.QueryEngine
	Source Source
	Parser parser.Parser
	Logger *slog.Logger // slog.Default() when nil
}

// Explorer makes the content of the page. It may be used concurrently.
type Explorer struct {
	config    Config
	functions []view.PromFunction
}

// New returns an explorer.
func New(config Config) *Explorer {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	return &Explorer{config: config, functions: functions()}
}

// functions are the signatures that completion offers.
func functions() []view.PromFunction {
	var out []view.PromFunction
	for _, f := range parser.Functions {
		var args []string
		for _, a := range f.ArgTypes {
			args = append(args, string(a))
		}
		if f.Variadic != 0 {
			args = append(args, "…")
		}
		note := ""
		if f.Experimental {
			note = "experimental"
		}
		out = append(out, view.PromFunction{Name: f.Name, Signature: fmt.Sprintf("(%s) %s", strings.Join(args, ", "), f.ReturnType), Note: note})
	}
	for item, name := range parser.ItemTypeStr {
		if item.IsAggregator() {
			out = append(out, view.PromFunction{Name: name, Signature: "by (…) (instant-vector)", Note: "aggregation"})
		}
	}
	slices.SortFunc(out, func(a, b view.PromFunction) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Page makes the content for a request: parameter q is the expression, view how its result is shown, all lifts the
// bound on the number of series, metrics filters the list of metrics.
func (e *Explorer) Page(ctx context.Context, p view.Page) view.Explorer {
	out := view.Explorer{Expr: strings.TrimSpace(p.Query.Get("q")), Functions: e.functions}
	if out.Expr != "" {
		e.answer(ctx, p, &out)
	}
	e.browse(ctx, p, &out)
	return out
}

// answer evaluates the expression and fills in what is to be seen of it.
func (e *Explorer) answer(ctx context.Context, p view.Page, out *view.Explorer) {
	if err := param.Readable(out.Expr); err != nil {
		out.Problem = problem(out.Expr, err)
		return
	}
	expr, err := e.config.Parser.ParseExpr(out.Expr)
	if err != nil {
		out.Problem = problem(out.Expr, err)
		return
	}
	shown := p.Query.Get("view")
	if expr.Type() == parser.ValueTypeMatrix || expr.Type() == parser.ValueTypeString {
		shown = "table"
	}
	began := time.Now()
	result, err := e.evaluate(ctx, p, out.Expr, shown == "table")
	if err != nil {
		if ctx.Err() == nil {
			e.config.Logger.Info("expression failed", "expr", out.Expr, "error", err)
		}
		out.Error = &view.Failure{What: "The expression could not be evaluated", Detail: err.Error()}
		return
	}
	if shown == "" && onlyHistograms(result) {
		shown = "heatmap"
	}
	out.Views = views(p, shown)
	warnings, infos := result.Warnings.AsStrings(out.Expr, 10, 10)
	out.Warnings = slices.Concat(warnings, infos)
	unit := e.unitOf(ctx, expr, shown == "heatmap")
	switch shown {
	case "table":
		out.Table = table(result, unit)
		if n := size(result); n > maxRows {
			out.More = view.Choice{Label: fmt.Sprintf("%d of %d series; aggregate to see the rest", maxRows, n)}
		}
	case "heatmap":
		out.Heat = heat(p, result, unit)
	default:
		out.Chart, out.More = lines(p, result, unit, shown == "stacked")
	}
	out.Meta = append(out.Meta, view.Duration(time.Since(began)), view.Plural(size(result), "series", "series"))
	if shown != "table" {
		out.Meta = append(out.Meta, "a point every "+view.Span(stepOf(p.Range.To.Sub(p.Range.From))))
	}
}

func views(p view.Page, shown string) []view.Choice {
	var out []view.Choice
	for _, v := range []struct{ id, label string }{{"graph", "Graph"}, {"stacked", "Stacked"}, {"table", "Table"}, {"heatmap", "Heatmap"}} {
		out = append(out, view.Choice{Label: v.label, Href: p.With("view", v.id, "all", ""), Current: v.id == shown || shown == "" && v.id == "graph"})
	}
	return out
}

// problem says where an expression cannot be read.
func problem(expr string, err error) *view.ExprProblem {
	var all parser.ParseErrors
	var one *parser.ParseErr
	switch {
	case errors.As(err, &all) && len(all) > 0:
		one = &all[0]
	case !errors.As(err, &one):
		return &view.ExprProblem{Text: err.Error(), Before: expr}
	}
	from := min(max(int(one.PositionRange.Start), 0), len(expr))
	if from == len(expr) && from > 0 {
		from-- // at the end there is nothing to mark
	}
	to := min(max(int(one.PositionRange.End), from+1), len(expr))
	return &view.ExprProblem{Text: one.Err.Error(), Before: expr[:from], Wrong: expr[from:to], After: expr[to:]}
}
