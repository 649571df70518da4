package expression

import (
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got := ""
		if err := Check(text); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, not %q", text, got, want)
		}
	}
	f("sum(increase(x[$window]))", "")
	f("1", "")
	f("up == 1", "")
	f("x[$window]", "the expression gives a range vector, and an instant vector or a number is needed")
	f(`"text"`, "the expression gives a string, and an instant vector or a number is needed")
	f("sum(x", "unclosed left parenthesis")
	f("", "no expression found in input")
	f(strings.Repeat("a+", 10_000)+"a", "the expression has 20001 bytes, more than 16384")
}

func TestAt(t *testing.T) {
	if got := At("rate(x[$window]) / increase(y[$window])", 5*time.Minute); got != "rate(x[300s]) / increase(y[300s])" {
		t.Error(got)
	}
}

func TestKind(t *testing.T) {
	f := func(text string, selector, ranged bool) {
		t.Helper()
		if Selector(text) != selector || Ranged(text) != ranged {
			t.Errorf("%s: %v, %v", text, Selector(text), Ranged(text))
		}
	}
	f(`x{a="b"}`, true, false)
	f("sum(x)", false, false)
	f("rate(x[$window])", false, true)
	f("max_over_time(sum(x)[1h:1m])", false, true)
	f("x[", false, false)
}

func TestIncrease(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got, ok := Increase(text)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", text, got, ok)
		}
		if ok && Check(got) != nil {
			t.Errorf("%s: %v", got, Check(got))
		}
	}
	f("x_total", "sum(increase(x_total[$window]))")
	f(`{__name__="x", a=~"b|c"}`, `sum(increase({__name__="x",a=~"b|c"}[$window]))`)
	f("sum(x_total)", "sum(increase(x_total[$window]))")
	f("(sum(x_total))", "sum(increase(x_total[$window]))")
	f("sum by (a) (x_total)", "")
	f("sum without () (x_total)", "")
	f("avg(x_total)", "")
	f("rate(x[1m])", "")
	f("x[", "")
}
