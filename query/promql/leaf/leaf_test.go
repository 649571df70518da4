package leaf

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/storage"
)

func parse(t *testing.T, text string) parser.Expr {
	t.Helper()
	e, err := parser.NewParser(parser.Options{EnableExperimentalFunctions: true}).ParseExpr(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// leaves returns the texts that the rewriter puts selectors in place of.
func leaves(t *testing.T, text string, o Options) []string {
	t.Helper()
	if n := Count(parse(t, text), o); n == 0 {
		return nil
	}
	e := Rewrite(parse(t, text), o)
	var found []string
	parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			if l, matchers, ok := Of(s.LabelMatchers); ok {
				found = append(found, text[s.PosRange.Start:s.PosRange.End])
				if l == nil || len(matchers) != len(s.LabelMatchers)-1 {
					t.Errorf("%s: leaf %v with matchers %v", text, l, matchers)
				}
			}
		}
		return nil
	})
	if n := Count(parse(t, text), o); n != len(found) {
		t.Errorf("%s: %d leaves are counted, %d found", text, n, len(found))
	}
	return found
}

func TestRewriteFindsLeaves(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, leaves(t, text, Options{})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	f(`a`, `a`)
	f(`rate(a[5m])`, `rate(a[5m])`)
	f(`sum by (x) ((rate(a[5m])))`, `sum by (x) ((rate(a[5m])))`)
	f(`quantile(0.9, rate(a[5m] offset 1m))`, `rate(a[5m] offset 1m)`)
	f(`sum(a) / -avg without (x) (b @ start())`, `sum(a)`, `avg without (x) (b @ start())`)
	f(`max_over_time(sum(rate(a[5m]))[1h:1m])`, `sum(rate(a[5m]))`)
	f(`max_over_time((sum(a) + rate(b[1m] @ 5))[1h:1m])`, `sum(a)`)
	f(`clamp_max(a, scalar(sum(b)))`, `a`, `sum(b)`)
	f(`stddev(rate(a[5m]))`, `rate(a[5m])`)
	f(`stddev_over_time(a[5m])`)
	f(`rate(a[5m] anchored)`)
	f(`timestamp(a)`)
	f(`timestamp(sum(rate(a[5m])))`, `rate(a[5m])`)
	f(`absent((rate(a[5m])))`)
	f(`absent(rate(a[5m]) > sum(b))`, `rate(a[5m])`, `sum(b)`)
	f(`info(rate(a[5m]))`)
	f(`histogram_avg(rate(a[5m]))`)
	f(`histogram_quantile(0.9, sum by (le) (rate(a[5m])))`, `sum by (le) (rate(a[5m]))`)
	f(`histogram_quantile(0.9, sum by (job) (rate(a[5m])))`)
	f(`histogram_quantile(0.9, sum without (job) (rate(a[5m])))`, `sum without (job) (rate(a[5m]))`)
	f(`histogram_fraction(0, 1, sum(rate(a[5m]))) + sum(b)`, `sum(b)`)
	f(`a + {"__loadline_leaf__"="x"}`)
	f(`1`)
}

func TestDelayedNamesTakeLeavesAway(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, leaves(t, text, Options{DelayedNameRemoval: true})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	f(`rate(a[5m])`)
	f(`last_over_time(a[5m])`, `last_over_time(a[5m])`)
	f(`sum by (x) (rate(a[5m]))`, `sum by (x) (rate(a[5m]))`)
	f(`sum by (__name__) (rate(a[5m]))`)
	f(`sum by (__name__) (a)`, `sum by (__name__) (a)`)
	f(`label_replace(sum(a), "x", "y", "", "")`)
	f(`sum(a) * on (__name__) sum(b)`)
}

func TestSkippedMetricsStay(t *testing.T) {
	o := Options{Skip: func(metric string) bool { return metric == "native" }}
	if diff := cmp.Diff([]string{"sum(b)"}, leaves(t, `sum(rate(native[5m])) + sum(b)`, o)); diff != "" {
		t.Error(diff)
	}
}

func TestLeafSurvivesTheMatcher(t *testing.T) {
	text := `avg without ("x y", z) (rate({__name__=~"a.*", b!~"c"}[90s] offset -1m))`
	e := Rewrite(parse(t, text), Options{}).(*parser.VectorSelector)
	l, matchers, ok := Of(e.LabelMatchers)
	want := &Leaf{
		Func: "rate", Range: 90 * time.Second, Agg: parser.AVG, Without: true, Grouping: []string{"x y", "z"}, Offset: -time.Minute,
		Arg: posrange.PositionRange{Start: posrange.Pos(strings.Index(text, "{")), End: posrange.Pos(strings.Index(text, "))"))},
	}
	if diff := cmp.Diff(want, l); !ok || diff != "" {
		t.Error(diff)
	}
	if len(matchers) != 2 || !matchers[0].Matches("aa") || matchers[1].Matches("c") || Metric(matchers) != "" {
		t.Errorf("matchers %v", matchers)
	}
	if _, same, ok := Of(matchers); ok || len(same) != 2 {
		t.Error("a selector without leaf has one")
	}
}

func TestHintsAreThoseOfTheOriginal(t *testing.T) {
	given := &storage.SelectHints{Start: 1_000_000 - 300_000 + 1, End: 2_000_000, Step: 5, Func: "topk"}
	f := func(l Leaf, want storage.SelectHints) {
		t.Helper()
		if diff := cmp.Diff(&want, l.Hints(given, 5*time.Minute)); diff != "" {
			t.Error(diff)
		}
	}
	f(Leaf{}, *given)
	f(Leaf{Func: "rate", Range: time.Minute, Agg: parser.SUM, Grouping: []string{"a"}}, storage.SelectHints{Start: 940_001, End: 2_000_000, Step: 5, Func: "rate", Range: 60_000})
	f(Leaf{Agg: parser.SUM, Grouping: []string{"a"}}, storage.SelectHints{Start: 700_001, End: 2_000_000, Step: 5, Func: "sum", By: true, Grouping: []string{"a"}})
}

func TestSubject(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := Subject(parse(t, text).(*parser.VectorSelector).LabelMatchers); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	f(`m{a="b"}`, "m")
	f(`{a="b",c!~"d"}`, `a="b",c!~"d",`)
}

func TestMetricIsSelectedByName(t *testing.T) {
	name := labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "m")
	if got := Metric([]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "a", "b"), name}); got != "m" {
		t.Errorf("metric %q", got)
	}
}
