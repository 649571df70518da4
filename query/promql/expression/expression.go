// Package expression checks and completes the PromQL texts that definitions are made of, in which $window stands for the
// time that an evaluation covers.
package expression

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// MaxBytes bounds a text: the parser's time grows with its square.
const MaxBytes = 16 << 10

// Window stands for the range of an evaluation.
const Window = "$window"

// At returns the text with its window filled in, to the second.
func At(text string, window time.Duration) string {
	return strings.ReplaceAll(text, Window, fmt.Sprintf("%ds", int64(window/time.Second)))
}

// Check refuses texts that do not evaluate to a vector or a number.
func Check(text string) error {
	expr, err := parse(text)
	if err != nil {
		return err
	}
	if t := expr.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		return fmt.Errorf("the expression gives a %s, and an instant vector or a number is needed", parser.DocumentedType(t))
	}
	return nil
}

// Selector reports whether the text is nothing but a selector of series, such as http_requests_total{code="500"}.
func Selector(text string) bool {
	expr, err := parse(text)
	if err != nil {
		return false
	}
	_, ok := expr.(*parser.VectorSelector)
	return ok
}

// Ranged reports whether the text selects samples of a range, as rate and increase do.
func Ranged(text string) bool {
	expr, err := parse(text)
	if err != nil {
		return false
	}
	found := false
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch node.(type) {
		case *parser.MatrixSelector, *parser.SubqueryExpr:
			found = true
		}
		return nil
	})
	return found
}

// Increase makes a selector of counters, or the sum of one, an expression of how much they grew in the window. It reports
// false for anything else.
func Increase(text string) (string, bool) {
	expr, err := parse(text)
	if err != nil {
		return "", false
	}
	if p, ok := expr.(*parser.ParenExpr); ok {
		expr = p.Expr
	}
	switch e := expr.(type) {
	case *parser.VectorSelector:
		return "sum(increase(" + e.String() + "[" + Window + "]))", true
	case *parser.AggregateExpr:
		if s, ok := e.Expr.(*parser.VectorSelector); ok && e.Op == parser.SUM && len(e.Grouping) == 0 && !e.Without {
			return "sum(increase(" + s.String() + "[" + Window + "]))", true
		}
	}
	return "", false
}

// parse reads the text with a window of a minute. Errors carry line and column within the text, not the text itself.
func parse(text string) (parser.Expr, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the expression has %d bytes, more than %d", len(text), MaxBytes)
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(text, Window, "1m"))
	if err == nil {
		return expr, nil
	}
	var list parser.ParseErrors
	if errors.As(err, &list) && len(list) > 0 {
		return nil, errors.New(list[0].Err.Error())
	}
	return nil, err
}
