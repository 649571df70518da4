package sli

import (
	"strings"
	"testing"
)

func TestCheckExpression(t *testing.T) {
	f := func(expr string, ok bool) {
		t.Helper()
		if err := checkExpression(expr); (err == nil) != ok {
			t.Errorf("%.50s: %v", expr, err)
		}
	}
	f("", true)
	f("(", false)
	f("a)(b", false)
	f(`x{1001}`, false)
	f(`.{1000}`, true)
	f(`\pL+|\p{Greek}|\P{^Lu}|\p{Any}`, true)
	f(`\p{Letter}`, false)
	f(`\p{Klingon}`, false)
	f(strings.Repeat(`\w`, 400), true)
	f(`\pL{50}`, true)
	f(`(?i)\pL{1000}`, false)
	f(`(\pL{10}){100}`, false)
	f(`(\pL\pN){300}|(\pL\pN){400}`, false)
}
