package definition

import (
	"strings"
	"testing"
	"time"
)

func TestAdhoc(t *testing.T) {
	f := func(name, text string) {
		println("start", name)
		start := time.Now()
		o, p := Parse("x", []byte(text[:min(len(text), 1<<20)]))
		println("adhoc", name, len(o), len(p), time.Since(start).String())
	}
	f("docs", strings.Repeat("a\n---\n", 170000))
	f("fields", "slo: a\n"+strings.Repeat("", 1)+func() string {
		var b strings.Builder
		for i := range 9000 {
			b.WriteString(strings.Repeat("x", 10) + string(rune('a'+i%26)) + strings.Repeat("y", i%90) + ": 1\n")
		}
		return b.String()
	}())
	f("nest", strings.Repeat("[", 1<<20))
	f("nestmap", strings.Repeat("{a: ", 200000))
	f("good", "slo: a\ngood: no "+strings.Repeat("errors, ", 100000))
	f("goal", "slo: a\nobjective: 99% "+strings.Repeat("of ", 300000))
	f("where", "slo: a\nwhere: "+strings.Repeat("a = b ", 150000))
	f("promql", "slo: a\ngauge: "+strings.Repeat("(", 500000))
	f("promql2", "slo: a\ngauge: "+strings.Repeat("a+", 500000)+"a")
	f("combine", "slo: a\nservice: b\nobjective: 99%\ncombine: all of "+strings.Repeat("a,", 500000))
	var b strings.Builder
	b.WriteString("slo: a\nservice: b\nobjective: 99%\ncombine: all of x")
	for i := range 100000 {
		b.WriteString(", a" + time.Duration(i).String())
	}
	f("combine2", b.String())
	f("alias", "a: &a x\n"+strings.Repeat("b: *a\n", 100000))
	f("indent", strings.Repeat("- ", 500000))
	f("spaces", "slo: a\nx: "+strings.Repeat("a: ", 300000))
	f("quest", strings.Repeat("? ", 500000))
	f("dur", "slo: a\ngood: within "+strings.Repeat("1h", 500000))
}
