package explorer

import (
	"strings"
	"unicode/utf16"

	"github.com/prometheus/prometheus/promql/parser"

	"loadline/web/promapi/param"
)

// Checked is what the editor is told about an expression: what is wrong with it and where, or how it looks well
// formatted, unless it is too large for that. From and To count UTF-16 code units, as scripts do.
type Checked struct {
	Problem string `json:"problem,omitempty"`
	From    int    `json:"from"`
	To      int    `json:"to"`
	Pretty  string `json:"pretty,omitempty"`
}

// Check reads an expression without evaluating it.
func (e *Explorer) Check(expr string) Checked {
	if err := param.Readable(expr); err != nil {
		return Checked{Problem: err.Error()}
	}
	parsed, err := e.config.Parser.ParseExpr(expr)
	if err != nil {
		p := problem(expr, err)
		from := units(p.Before)
		return Checked{Problem: p.Text, From: from, To: from + units(p.Wrong)}
	}
	if param.Formattable(expr) != nil {
		return Checked{}
	}
	return Checked{Pretty: strings.TrimSpace(parser.Prettify(parsed))}
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }
