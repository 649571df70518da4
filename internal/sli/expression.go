package sli

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"unicode"
)

// maxRanges bounds the ranges of characters in an expression, repetitions written out. ClickHouse compiles expressions to
// bytes, in 8 MiB; a letter of any script takes some 650 ranges.
const maxRanges = 50_000

// classNames are the names of classes of characters in an expression.
var classNames = regexp.MustCompile(`\\[pP]\{\^?([^}]*)\}`)

// checkExpression refuses what cannot be counted by, while spans arrive or in SQL: the engine there knows fewer names, and
// has less memory.
func checkExpression(expr string) error {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return err
	}
	for _, m := range classNames.FindAllStringSubmatch(expr, -1) {
		if unicode.Categories[m[1]] == nil && unicode.Scripts[m[1]] == nil && m[1] != "Any" {
			return fmt.Errorf("class %q is unknown: use a category such as \\p{Lu} or a script such as \\p{Greek}", m[0])
		}
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return err
	}
	ranges := 0
	for i := range program.Inst {
		ranges += 1 + len(program.Inst[i].Rune)/2
	}
	if ranges > maxRanges {
		return errors.New("expression is too large: repeat classes of characters less often")
	}
	return nil
}
