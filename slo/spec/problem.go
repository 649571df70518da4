package spec

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Severity says whether a definition can be used in spite of a problem.
type Severity string

// The severities: a definition with an error is refused, one with a warning means something else than it seems to.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is what is wrong with a definition, where, and what to write instead. Line and Column count from 1; they are 0
// where a problem belongs to no place in a file.
type Problem struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Field    string   `json:"field,omitempty"`  // path such as spec.objectives[0].target
	Object   string   `json:"object,omitempty"` // kind and name of the object it is in, such as SLO "checkout"
	Message  string   `json:"message"`
	Remedy   string   `json:"remedy,omitempty"`
}

// Error is the problem in one line, the way compilers write theirs: file:line:column: field: message; remedy.
func (p Problem) Error() string {
	text := p.Message
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if p.Object != "" && p.Field == "" {
		text = p.Object + ": " + text
	}
	if p.Remedy != "" {
		text += "; " + p.Remedy
	}
	if p.Severity == Warning {
		text = "warning: " + text
	}
	switch {
	case p.File != "" && p.Line > 0:
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, text)
	case p.File != "":
		return p.File + ": " + text
	case p.Line > 0:
		return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, text)
	}
	return text
}

// Failed reports whether one of the problems is an error.
func Failed(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}

// SortProblems puts problems into the order of a reader: by file, line and column.
func SortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

var remedies = regexp.MustCompile(`[:;,] ((?:write|use|leave|give|make|name) .*)$`)

// Explain splits what an error says into what is wrong and what to write instead, which may be empty.
func Explain(err error) (message, remedy string) {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	if at := remedies.FindStringSubmatchIndex(text); at != nil {
		return text[:at[0]], text[at[2]:]
	}
	return text, ""
}
