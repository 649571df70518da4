package corpus

import (
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

func TestQueriesCoverTheLanguage(t *testing.T) {
	p := parser.NewParser(parser.Options{EnableExperimentalFunctions: true, EnableBinopFillModifiers: true, EnableUnquotedUTF8Names: true})
	functions := map[string]bool{}
	items := map[parser.ItemType]bool{}
	all := Queries()
	for _, q := range all {
		expr, err := p.ParseExpr(q)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			switch n := n.(type) {
			case *parser.Call:
				functions[n.Func.Name] = true
			case *parser.AggregateExpr:
				items[n.Op] = true
			case *parser.BinaryExpr:
				items[n.Op] = true
			}
			return nil
		})
	}
	if len(all) < 500 {
		t.Errorf("%d queries", len(all))
	}
	for name := range parser.Functions {
		if !functions[name] {
			t.Errorf("no query has the function %s", name)
		}
	}
	unused := map[parser.ItemType]bool{parser.EQL_REGEX: true, parser.NEQ_REGEX: true, parser.AT: true}
	for item, text := range parser.ItemTypeStr {
		if (item.IsOperator() || item.IsAggregator()) && !items[item] && !unused[item] {
			t.Errorf("no query has %s", text)
		}
	}
}

func TestMetricsAreReproducible(t *testing.T) {
	a, b := Metrics(), Metrics()
	samples := 0
	names := map[string]bool{}
	for i := range a {
		if !labels.Equal(a[i].Name, b[i].Name) || names[a[i].Name.String()] {
			t.Fatalf("series %s against %s", a[i].Name, b[i].Name)
		}
		names[a[i].Name.String()] = true
		samples += len(a[i].Column.T) + len(a[i].Histograms)
		for j, at := range a[i].Column.T {
			if math.Float64bits(a[i].Column.V[j]) != math.Float64bits(b[i].Column.V[j]) || j > 0 && at <= a[i].Column.T[j-1] {
				t.Fatalf("%s: sample %d", a[i].Name, j)
			}
		}
		for _, h := range a[i].Histograms {
			if err := h.H.Validate(); err != nil {
				t.Fatalf("%s: %v", a[i].Name, err)
			}
		}
	}
	if len(a) < 150 || samples < 100_000 {
		t.Errorf("%d series, %d samples", len(a), samples)
	}
}
