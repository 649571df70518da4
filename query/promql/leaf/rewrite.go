package leaf

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"

	"loadline/query/promql/kernel"
)

// Options says which leaves there may be.
type Options struct {
	// DelayedNameRemoval is the engine's option of that name. Names that are to be removed later cannot be marked in a
	// series, so it takes some leaves away.
	DelayedNameRemoval bool
	// Skip tells whether the Subject of a selector is known to have series that kernels cannot compute. It may be nil.
	Skip func(subject string) bool
}

// Parser is a parser that rewrites the expressions it parses.
type Parser struct {
	parser.Parser
	Options Options
}

// ParseExpr implements parser.Parser.
func (p Parser) ParseExpr(input string) (parser.Expr, error) {
	e, err := p.Parser.ParseExpr(input)
	if err != nil {
		return e, err
	}
	return Rewrite(e, p.Options), nil
}

// Rewrite puts selectors in the place of leaves. It changes the expression, which must come from the parser.
func Rewrite(e parser.Expr, o Options) parser.Expr {
	if Count(e, o) == 0 {
		return e
	}
	r := rewriter{Options: o}
	return r.expr(e)
}

// Count returns how many leaves Rewrite would put into the expression, which it does not change.
func Count(e parser.Expr, o Options) int {
	if reserved(e, o) {
		return 0
	}
	r := rewriter{Options: o, dry: true}
	r.expr(e)
	return r.leaves
}

// reserved tells whether an expression makes use of names that leaves do not carry.
func reserved(e parser.Expr, o Options) bool {
	found := false
	parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			found = found || slices.ContainsFunc(n.LabelMatchers, isLeaf)
		case *parser.BinaryExpr:
			if m := n.VectorMatching; m != nil && o.DelayedNameRemoval {
				found = found || slices.ContainsFunc(m.MatchingLabels, schema.IsMetadataLabel) || slices.ContainsFunc(m.Include, schema.IsMetadataLabel)
			}
		}
		return nil
	})
	return found
}

type rewriter struct {
	Options
	dry      bool // count only
	leaves   int
	subquery bool // inside of one
	classic  bool // inside of histogram_quantile and its like
}

// expr returns the expression with its leaves replaced.
func (r *rewriter) expr(e parser.Expr) parser.Expr {
	l, selector := r.recognise(e)
	if l == nil {
		r.children(e)
		return e
	}
	r.leaves++
	if r.dry {
		return e
	}
	return l.selector(selector, e.PositionRange())
}

// replace replaces the leaves of a part of an expression in place.
func (r *rewriter) replace(e *parser.Expr) {
	if *e != nil {
		*e = r.expr(*e)
	}
}

// children replaces the leaves below an expression that is none itself.
func (r *rewriter) children(e parser.Expr) {
	switch n := e.(type) {
	case *parser.AggregateExpr:
		if !r.native(n) {
			r.replace(&n.Expr)
		}
	case *parser.BinaryExpr:
		r.replace(&n.LHS)
		r.replace(&n.RHS)
	case *parser.ParenExpr:
		r.replace(&n.Expr)
	case *parser.UnaryExpr:
		r.replace(&n.Expr)
	case *parser.SubqueryExpr:
		before := r.subquery
		r.subquery = true
		r.replace(&n.Expr)
		r.subquery = before
	case *parser.Call:
		r.arguments(n)
	}
}

// arguments replaces the leaves in the arguments of a function.
func (r *rewriter) arguments(n *parser.Call) {
	switch n.Func.Name {
	case "info", "histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar":
		// info looks into its arguments, and the others are about native histograms.
		return
	case "timestamp", "start_timestamp", "absent", "absent_over_time":
		// These look at their argument itself, not at its value alone.
		for _, a := range n.Args {
			r.children(unwrap(a))
		}
		return
	case "label_replace", "label_join":
		if r.DelayedNameRemoval {
			return
		}
	case "histogram_quantile", "histogram_quantiles", "histogram_fraction":
		before := r.classic
		r.classic = true
		defer func() { r.classic = before }()
	}
	for i := range n.Args {
		r.replace(&n.Args[i])
	}
}

func unwrap(e parser.Expr) parser.Expr {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}

// recognise returns the leaf that an expression is, and its selector.
func (r *rewriter) recognise(e parser.Expr) (*Leaf, *parser.VectorSelector) {
	switch n := e.(type) {
	case *parser.AggregateExpr:
		return r.aggregate(n)
	case *parser.Call:
		l, s := r.call(n)
		if l != nil && r.DelayedNameRemoval && l.DropsName() {
			return nil, nil
		}
		return l, s
	case *parser.VectorSelector:
		l := new(Leaf)
		if s := r.selector(n, l); s != nil {
			return l, s
		}
	}
	return nil, nil
}

// aggregate recognises an aggregation of an instant selector or of a function.
func (r *rewriter) aggregate(n *parser.AggregateExpr) (*Leaf, *parser.VectorSelector) {
	if !kernel.Aggregates(n.Op) || r.native(n) {
		return nil, nil
	}
	l, s := new(Leaf), (*parser.VectorSelector)(nil)
	switch in := unwrap(n.Expr).(type) {
	case *parser.VectorSelector:
		s = r.selector(in, l)
	case *parser.Call:
		l, s = r.call(in)
	}
	if l == nil || s == nil {
		return nil, nil
	}
	if r.DelayedNameRemoval && l.DropsName() && slices.ContainsFunc(n.Grouping, schema.IsMetadataLabel) {
		return nil, nil
	}
	l.Agg, l.Without, l.Grouping = n.Op, n.Without, n.Grouping
	return l, s
}

// native tells whether an aggregation must be of native histograms, because a quantile is taken of it without buckets.
func (r *rewriter) native(n *parser.AggregateExpr) bool {
	return r.classic && n.Without == slices.Contains(n.Grouping, labels.BucketLabel)
}

// call recognises a function of a range.
func (r *rewriter) call(n *parser.Call) (*Leaf, *parser.VectorSelector) {
	if len(n.Args) != 1 || !kernel.Known(n.Func.Name) {
		return nil, nil
	}
	m, ok := unwrap(n.Args[0]).(*parser.MatrixSelector)
	if !ok || m.RangeExpr != nil {
		return nil, nil
	}
	l := &Leaf{Func: n.Func.Name, Range: m.Range, Arg: m.PositionRange()}
	s := r.selector(m.VectorSelector.(*parser.VectorSelector), l)
	if s == nil {
		return nil, nil
	}
	return l, s
}

// selector completes the leaf with what a selector says, and returns nil when it is not one for kernels.
func (r *rewriter) selector(s *parser.VectorSelector, l *Leaf) *parser.VectorSelector {
	l.Fixed = s.Timestamp != nil || s.StartOrEnd != 0
	l.Subquery, l.Offset = r.subquery, s.OriginalOffset
	switch {
	case s.Anchored, s.Smoothed, s.BypassEmptyMatcherCheck:
		return nil
	case r.subquery && (l.Fixed || s.OriginalOffsetExpr != nil):
		// Where such steps are is known in the engine alone.
		return nil
	case r.Skip != nil && r.Skip(Subject(s.LabelMatchers)):
		return nil
	}
	return s
}
