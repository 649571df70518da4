package explorer

import (
	"strings"
	"unicode/utf16"

	"github.com/prometheus/prometheus/promql/parser"
)

// Checked is what the editor is told about an expression: what is wrong with it and where, or how it looks well
// formatted. From and To count UTF-16 code units, as scripts do.
type Checked struct {
	Problem string `json:"problem,omitempty"`
	From    int    `json:"from"`
	To      int    `json:"to"`
	Pretty  string `json:"pretty,omitempty"`
}

// Check reads an expression without evaluating it.
func (e *Explorer) Check(expr string) Checked {
	parsed, err := e.config.Parser.ParseExpr(expr)
	if err != nil {
		p := problem(expr, err)
		from := units(p.Before)
		return Checked{Problem: p.Text, From: from, To: from + units(p.Wrong)}
	}
	return Checked{Pretty: strings.TrimSpace(parser.Prettify(parsed))}
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }
