package rules

import (
	"flag"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"loadline/internal/sli"
	"loadline/slo/budget"
	"loadline/slo/spec"
)

var update = flag.Bool("update", false, "write the golden file anew")

// objective is one of 99.9 % over 30 days.
func objective(i spec.Indicator) spec.Objective {
	window := budget.Window{Length: 30 * budget.Day}
	return spec.Objective{
		Name: "default", Indicator: i, Target: budget.Target{Good: budget.Ratio{Num: 999, Den: 1000}}, Window: window,
		Policy: budget.DefaultPolicy(window), Preset: "default",
	}
}

// write writes an SLO of the objectives and checks that Prometheus takes it.
func write(t *testing.T, objectives ...spec.Objective) string {
	t.Helper()
	text, err := Write(spec.SLO{Name: "shop", Service: "shop", Runbook: "https://r.example.org", Objectives: objectives})
	if err != nil {
		t.Fatal(err)
	}
	if _, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler)); len(errs) > 0 {
		t.Fatalf("%v\n%s", errs, text)
	}
	return string(text)
}

func TestGolden(t *testing.T) {
	spans := objective(spec.Indicator{Spans: &sli.Indicator{
		Service: "shop", Env: "production", Operations: []string{"POST /v1/{id}", "GET *"}, Matchers: []sli.Matcher{{Key: "version", Op: "!=", Value: "canary"}},
		Bad: sli.Bad{Errors: true, HTTP: []string{"4xx"}, Slower: 400 * time.Millisecond},
	}})
	spans.Policy.Tiers[0].For = 2 * time.Minute
	text := write(t, spans)
	if *update {
		if err := os.WriteFile("testdata/spans.yaml", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/spans.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Error(diff)
	}
}

func TestShare(t *testing.T) {
	f := func(i spec.Indicator, want string) {
		t.Helper()
		o := objective(i)
		o.Policy.Tiers = nil
		text := write(t, o)
		if !strings.Contains(text, "expr: "+want+"\n") {
			t.Errorf("no %s in %s", want, text)
		}
	}
	f(spec.Indicator{Ratio: &spec.Ratio{Bad: "sum(increase(b[$window]))", Total: "sum(increase(t[$window]))"}},
		"((sum(increase(b[30d]))) or vector(0)) / (sum(increase(t[30d])))")
	f(spec.Indicator{Ratio: &spec.Ratio{Good: "sum(increase(g[$window]))", Total: "sum(increase(t[$window]))"}},
		"1 - ((sum(increase(g[30d]))) or vector(0)) / (sum(increase(t[30d])))")
	f(spec.Indicator{Threshold: &spec.Threshold{Query: "max by (q) (age)", Op: "<=", Value: 0.5}},
		"1 - sum(sum_over_time(((max by (q) (age)) <= bool 0.5)[30d:1m])) / sum(count_over_time((max by (q) (age))[30d:1m]))")
	f(spec.Indicator{Spans: &sli.Indicator{Service: "a", Kinds: []string{"client"}, Bad: sli.Bad{Matchers: []sli.Matcher{{Key: "version", Op: "=~", Value: "v1.*"}}}}},
		`1 - ((histogram_count(sum(increase(traces_span_duration_seconds{service="a", kind="client", version!~"v1.*"}[30d])))) or vector(0)) / (histogram_count(sum(increase(traces_span_duration_seconds{service="a", kind="client"}[30d]))))`)
}

// TestCalendar writes no share of a calendar's period, which has no fixed length.
func TestCalendar(t *testing.T) {
	o := objective(spec.Indicator{Ratio: &spec.Ratio{Bad: "sum(increase(b[$window]))", Total: "sum(increase(t[$window]))"}})
	o.Window = budget.Window{Calendar: &budget.Calendar{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Zone: "UTC", N: 1, Unit: 'M'}}
	text := write(t, o)
	if strings.Contains(text, "ratio30d") || !strings.Contains(text, "ratio3d") {
		t.Error(text)
	}
}

func TestRefused(t *testing.T) {
	f := func(want string, change func(o *spec.Objective)) {
		t.Helper()
		o := objective(spec.Indicator{Spans: &sli.Indicator{Service: "a", Bad: sli.Bad{Errors: true}}})
		change(&o)
		text, err := Write(spec.SLO{Name: "a", Objectives: []spec.Objective{o}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\n%s", err, text)
		}
	}
	f("slices of time", func(o *spec.Objective) { o.Method = budget.Timeslices })
	f("composites", func(o *spec.Objective) { o.Indicator = spec.Indicator{Composite: &spec.Composite{}} })
	f("count by budget", func(o *spec.Objective) { o.Policy.Mode = budget.ByBudget })
	f("HTTP status 429", func(o *spec.Objective) { o.Indicator.Spans.Bad.HTTP = []string{"429"} })
	f("gRPC status UNAVAILABLE", func(o *spec.Objective) { o.Indicator.Spans.Bad.GRPC = []string{"UNAVAILABLE"} })
	f(`"user.id" is not in the metric`, func(o *spec.Objective) {
		o.Indicator.Spans.Matchers = []sli.Matcher{{Key: "user.id", Op: "=", Value: "1"}}
	})
	f("2 conditions", func(o *spec.Objective) {
		m := sli.Matcher{Key: "version", Op: "=", Value: "1"}
		o.Indicator.Spans.Bad.Matchers = []sli.Matcher{m, m}
	})
}
