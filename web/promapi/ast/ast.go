// Package ast describes PromQL expressions as plain values, which the query page of Prometheus and other tools draw
// as a tree.
package ast

import (
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Describe returns a value for encoding/json that describes an expression as Prometheus's parse_query does.
func Describe(expr parser.Expr) any {
	switch n := expr.(type) {
	case nil:
		return nil
	case *parser.AggregateExpr:
		return map[string]any{
			"type": "aggregation", "op": n.Op.String(), "expr": Describe(n.Expr), "param": Describe(n.Param),
			"grouping": list(n.Grouping), "without": n.Without,
		}
	case *parser.BinaryExpr:
		return map[string]any{
			"type": "binaryExpr", "op": n.Op.String(), "lhs": Describe(n.LHS), "rhs": Describe(n.RHS),
			"matching": matching(n.VectorMatching), "bool": n.ReturnBool,
		}
	case *parser.Call:
		return call(n)
	case *parser.MatrixSelector:
		v, ok := n.VectorSelector.(*parser.VectorSelector)
		if !ok {
			panic("BUG: range selector without selector")
		}
		out := selector(v)
		out["type"] = "matrixSelector"
		out["range"], out["rangeExpr"] = n.Range.Milliseconds(), duration(n.RangeExpr)
		return out
	case *parser.SubqueryExpr:
		return subquery(n)
	case *parser.DurationExpr:
		return duration(n)
	case *parser.NumberLiteral:
		return map[string]string{"type": "numberLiteral", "val": number(n.Val)}
	case *parser.ParenExpr:
		return map[string]any{"type": "parenExpr", "expr": Describe(n.Expr)}
	case *parser.StringLiteral:
		return map[string]any{"type": "stringLiteral", "val": n.Val}
	case *parser.UnaryExpr:
		return map[string]any{"type": "unaryExpr", "op": n.Op.String(), "expr": Describe(n.Expr)}
	case *parser.VectorSelector:
		out := selector(n)
		out["type"] = "vectorSelector"
		return out
	}
	panic("BUG: unknown kind of expression")
}

func call(n *parser.Call) any {
	args := []any{}
	for _, arg := range n.Args {
		args = append(args, Describe(arg))
	}
	return map[string]any{
		"type": "call",
		"func": map[string]any{
			"name": n.Func.Name, "argTypes": n.Func.ArgTypes, "variadic": n.Func.Variadic, "returnType": n.Func.ReturnType,
		},
		"args": args,
	}
}

// selector describes what instant and range selectors have in common.
func selector(n *parser.VectorSelector) map[string]any {
	return map[string]any{
		"name":       n.Name,
		"offset":     n.OriginalOffset.Milliseconds(),
		"offsetExpr": duration(n.OriginalOffsetExpr),
		"matchers":   matchers(n.LabelMatchers),
		"timestamp":  n.Timestamp,
		"startOrEnd": startOrEnd(n.StartOrEnd),
		"anchored":   n.Anchored,
		"smoothed":   n.Smoothed,
	}
}

func subquery(n *parser.SubqueryExpr) any {
	return map[string]any{
		"type":       "subquery",
		"expr":       Describe(n.Expr),
		"range":      n.Range.Milliseconds(),
		"rangeExpr":  duration(n.RangeExpr),
		"offset":     n.OriginalOffset.Milliseconds(),
		"offsetExpr": duration(n.OriginalOffsetExpr),
		"step":       n.Step.Milliseconds(),
		"stepExpr":   duration(n.StepExpr),
		"timestamp":  n.Timestamp,
		"startOrEnd": startOrEnd(n.StartOrEnd),
	}
}

func matching(m *parser.VectorMatching) any {
	if m == nil {
		return nil
	}
	return map[string]any{
		"card": m.Card.String(), "labels": list(m.MatchingLabels), "on": m.On, "include": list(m.Include),
		"fillValues": map[string]*float64{"lhs": m.FillValues.LHS, "rhs": m.FillValues.RHS},
	}
}

// duration describes an expression that stands for a duration. The fields of the parser have types, so that nil comes
// in several of them.
func duration(expr parser.Expr) any {
	switch n := expr.(type) {
	case nil:
		return nil
	case *parser.DurationExpr:
		if n == nil {
			return nil
		}
		return map[string]any{"type": "durationExpr", "op": n.Op.String(), "lhs": duration(n.LHS), "rhs": duration(n.RHS), "wrapped": n.Wrapped}
	case *parser.NumberLiteral:
		if n == nil {
			return nil
		}
		return map[string]any{"type": "numberLiteral", "val": number(n.Val), "duration": n.Duration}
	}
	return Describe(expr)
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

func matchers(all []*labels.Matcher) any {
	out := []map[string]any{}
	for _, m := range all {
		out = append(out, map[string]any{"name": m.Name, "value": m.Value, "type": m.Type.String()})
	}
	return out
}

func startOrEnd(t parser.ItemType) any {
	if t == 0 {
		return nil
	}
	return t.String()
}
