package results

import (
	"errors"
	"time"

	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// plan is what is to be known of a query to put its result together.
type plan struct {
	stmt          *parser.EvalStmt
	first, last   int64 // steps
	lastKept      int64 // no sample is expected any more that it or a step before depends on
	rates         int   // calls of rate and increase, which annotate
	before, after int64 // samples that a step depends on are from before before it, to after after it
}

// errWhole stops the search for what makes a query one that must be evaluated as a whole.
var errWhole = errors.New("depends on the whole range")

// plan returns the plan of a query, and false when its steps are not worth keeping or not independent of its range.
func (e *Engine) plan(stmt *parser.EvalStmt, text string) (*plan, bool) {
	expr, err := e.parser.ParseExpr(text)
	if err != nil || expr.Type() != parser.ValueTypeVector && expr.Type() != parser.ValueTypeScalar {
		return nil, false
	}
	settled := e.cfg.Now().Add(-e.cfg.Lag).UnixMilli()
	p := &plan{stmt: stmt, first: stmt.Start.UnixMilli()}
	err = parser.Walk(visitor(func(node parser.Node) error {
		if call, ok := node.(*parser.Call); ok && (call.Func.Name == "rate" || call.Func.Name == "increase") {
			p.rates++
		}
		return e.independent(node, settled)
	}), expr, nil)
	if err != nil {
		return nil, false
	}
	if stmt.Expr, err = upstream.PreprocessExpr(expr, stmt.Start, stmt.End, stmt.Interval); err != nil {
		return nil, false
	}
	step := stmt.Interval.Milliseconds()
	p.last = p.first + (stmt.End.UnixMilli()-p.first)/step*step
	mint, maxt := upstream.FindMinMaxTime(stmt)
	p.before, p.after = max(0, p.first-mint), max(0, maxt-stmt.End.UnixMilli())
	p.lastKept = p.last
	if behind := p.last - (settled - p.after); behind > 0 {
		p.lastKept -= (behind + step - 1) / step * step
	}
	return p, mint != 0 || maxt != 0
}

// toKeep returns what is to be kept of a result, known so far or not, but for the result.
func (p *plan) toKeep(k key, known *kept) *kept {
	next := &kept{first: p.first, last: p.lastKept}
	if known != nil {
		next.first = max(known.first, next.last-(maxSteps-1)*k.step)
	}
	next.mint, next.maxt = next.first-p.before, max(next.first, next.last)+p.after
	return next
}

type visitor func(parser.Node) error

// Visit implements parser.Visitor.
func (v visitor) Visit(node parser.Node, _ []parser.Node) (parser.Visitor, error) {
	if node == nil {
		return nil, nil
	}
	return v, v(node)
}

// independent returns errWhole for a part of an expression that makes the value at a step depend on the query's range,
// on the order of series, or on samples that are still to come.
func (e *Engine) independent(node parser.Node, settled int64) error {
	switch n := node.(type) {
	case *parser.VectorSelector:
		if !fixedBefore(n.StartOrEnd, n.Timestamp, n.OriginalOffset, settled) || ofRange(n.OriginalOffsetExpr) || e.cfg.Unstable(n) {
			return errWhole
		}
	case *parser.MatrixSelector:
		if ofRange(n.RangeExpr) {
			return errWhole
		}
	case *parser.SubqueryExpr:
		if !fixedBefore(n.StartOrEnd, n.Timestamp, n.OriginalOffset, settled) || ofRange(n.OriginalOffsetExpr) || ofRange(n.RangeExpr) || ofRange(n.StepExpr) {
			return errWhole
		}
	case *parser.AggregateExpr:
		if n.Op == parser.LIMITK {
			return errWhole
		}
	case *parser.Call:
		switch n.Func.Name {
		case "start", "end", "range", "info":
			return errWhole
		}
	}
	return nil
}

// fixedBefore tells whether a selector is not fixed by an @, or at a time whose samples have settled.
func fixedBefore(startOrEnd parser.ItemType, at *int64, offset time.Duration, settled int64) bool {
	return startOrEnd == 0 && (at == nil || *at <= settled && *at-offset.Milliseconds() <= settled)
}

// ofRange tells whether a duration is computed from the query's range.
func ofRange(d *parser.DurationExpr) bool {
	if d == nil {
		return false
	}
	if d.Op == parser.RANGE {
		return true
	}
	for _, operand := range []parser.Expr{d.LHS, d.RHS} {
		if inner, ok := operand.(*parser.DurationExpr); ok && ofRange(inner) {
			return true
		}
	}
	return false
}
