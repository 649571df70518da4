package foreign

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
)

func read(t *testing.T, text string) ([]spec.SLO, []string) {
	t.Helper()
	documents, problems := document.Split("", []byte(text))
	if len(documents) != 1 || len(problems) > 0 {
		t.Fatal(len(documents), problems)
	}
	d := documents[0]
	var slos []spec.SLO
	switch sloth, pyrra := IsSloth(d), IsPyrra(d); {
	case sloth == pyrra:
		t.Fatalf("of both or of none: %s", text)
	case sloth:
		slos = Sloth(d)
	default:
		slos = Pyrra(d)
	}
	var list []string
	for _, p := range d.Problems() {
		list = append(list, p.Error())
	}
	return slos, list
}

const slothEvents = "sli: {events: {error_query: 'sum(rate(e{a=\"x\"}[{{.window}}]))', total_query: 'sum( rate (t[{{ .window }}]))'}}"

func sloth(lines ...string) string {
	return "version: prometheus/v1\nservice: My Shop\nlabels: {owner: us, a: b}\nslos:\n  - name: Errors\n    objective: 99.9\n    " + strings.Join(lines, "\n    ") + "\n"
}

func TestSloth(t *testing.T) {
	slos, problems := read(t, sloth(slothEvents, "labels: {a: c}", "alerting: {annotations: {runbook: 'https://r.example.org'}}"))
	if len(slos) != 1 || len(problems) > 0 {
		t.Fatal(problems)
	}
	window := budget.Window{Length: 30 * budget.Day}
	policy, _ := budget.Preset("sloth", window)
	want := spec.SLO{
		Name: "my-shop-errors", Service: "My Shop", Owner: "us", Runbook: "https://r.example.org",
		Labels: map[string][]string{"owner": {"us"}, "a": {"c"}},
		Objectives: []spec.Objective{{
			Name: "default", Target: budget.Target{Good: budget.Ratio{Num: 999, Den: 1000}}, Window: window, Policy: policy, Preset: "sloth",
			Indicator: spec.Indicator{Ratio: &spec.Ratio{Bad: `sum(increase(e{a="x"}[$window]))`, Total: "sum( increase(t[$window]))"}},
		}},
	}
	if diff := cmp.Diff(want, slos[0]); diff != "" {
		t.Error(diff)
	}
}

func TestSlothAlerts(t *testing.T) {
	f := func(alerting, preset string, pages, tickets int) {
		t.Helper()
		slos, problems := read(t, sloth(slothEvents, "alerting: "+alerting))
		if len(slos) != 1 || len(problems) > 0 {
			t.Fatal(problems)
		}
		o := slos[0].Objectives[0]
		count := map[budget.Severity]int{}
		for _, tier := range o.Policy.Tiers {
			count[tier.Severity]++
		}
		if o.Preset != preset || count[budget.Page] != pages || count[budget.Ticket] != tickets {
			t.Errorf("%s: %q, %v", alerting, o.Preset, count)
		}
	}
	f("{}", "sloth", 2, 2)
	f("{page_alert: {disable: true}}", "", 0, 2)
	f("{ticket_alert: {disable: true}}", "", 2, 0)
	f("{page_alert: {disable: true}, ticket_alert: {disable: true}}", "none", 0, 0)
}

func TestSlothRate(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		slos, _ := read(t, sloth("sli: {events: {error_query: '"+in+"', total_query: 'vector(1)'}}"))
		if got := slos[0].Objectives[0].Indicator.Ratio.Bad; got != want {
			t.Errorf("%s: %s, not %s", in, got, want)
		}
	}
	f("sum(rate(x[{{.window}}]))", "sum(increase(x[$window]))")
	f("sum(irate(x[{{- .window -}}]))", "sum(irate(x[$window]))")
	f("rate(rate_total[{{.window}}]) - rate (y[{{.window}}])", "increase(rate_total[$window]) - increase(y[$window])")
}

func pyrra(indicator string, lines ...string) string {
	return "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: api.errors, labels: {pyrra.dev/service: api, pyrra.dev/team: us}}\nspec:\n  target: \"99.5\"\n  window: 4w\n  indicator: " +
		indicator + "\n  " + strings.Join(lines, "\n  ") + "\n"
}

const pyrraRatio = `{ratio: {errors: {metric: 'e{a="x"}'}, total: {metric: t}}}`

func TestPyrra(t *testing.T) {
	slos, problems := read(t, pyrra(pyrraRatio, "description: Answers."))
	if len(slos) != 1 || len(problems) > 0 {
		t.Fatal(problems)
	}
	window := budget.Window{Length: 28 * budget.Day}
	policy, _ := budget.Preset("pyrra", window)
	policy.NoDataAlert = budget.Page
	want := spec.SLO{
		Name: "api-errors", Description: "Answers.", Service: "api", Owner: "us",
		Labels: map[string][]string{"service": {"api"}, "team": {"us"}},
		Objectives: []spec.Objective{{
			Name: "default", Target: budget.Target{Good: budget.Ratio{Num: 199, Den: 200}}, Window: window, Policy: policy, Preset: "pyrra",
			Indicator: spec.Indicator{Ratio: &spec.Ratio{Bad: `sum(increase(e{a="x"}[$window]))`, Total: "sum(increase(t[$window]))"}},
		}},
	}
	if diff := cmp.Diff(want, slos[0]); diff != "" {
		t.Error(diff)
	}
}

func TestPyrraAlerting(t *testing.T) {
	f := func(alerting, preset string, tiers int, noData budget.Severity) {
		t.Helper()
		slos, problems := read(t, pyrra(pyrraRatio, "alerting: "+alerting))
		if len(slos) != 1 || len(problems) > 0 {
			t.Fatal(problems)
		}
		if o := slos[0].Objectives[0]; o.Preset != preset || len(o.Policy.Tiers) != tiers || o.Policy.NoDataAlert != noData {
			t.Errorf("%s: %q %+v", alerting, o.Preset, o.Policy)
		}
	}
	f("{}", "pyrra", 4, budget.Page)
	f("{name: X, absentName: Y, burnrates: true}", "pyrra", 4, budget.Page)
	f("{disabled: true}", "none", 0, budget.Page)
	f("{burnrates: false, absent: false}", "none", 0, "")
	f("{severities: {absent: warning, fastBurn: critical}}", "pyrra", 4, budget.Ticket)
	f("{severities: {fastBurn: warning}}", "", 4, budget.Page)
}

func TestProblems(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, got := read(t, text)
		for i := range got {
			_, got[i], _ = strings.Cut(got[i], ": ")
			got[i] = strings.TrimPrefix(got[i], "warning: ")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
	f(sloth("sli: {}"), "slos[0].sli: has both of events and raw, or none; write one of them")
	f(sloth(slothEvents, "plugins: {chain: []}", "objectve: 1"),
		"slos[0].plugins: is not read: plugins of Sloth are not run; leave it out",
		"slos[0].objectve: unknown field; did you mean \"objective\"?")
	f("apiVersion: sloth.slok.dev/v1\nkind: Rules\nspec: {service: a, slos: []}\n", `kind: kind "Rules" is unknown; write PrometheusServiceLevel`)
	f(pyrra("{}"), "spec.indicator: has 0 of ratio, latency, latencyNative and bool_gauge; write one of them")
	f(pyrra("{bool_gauge: {metric: sum(up)}}"), `spec.indicator.bool_gauge.metric: is no selector of series; write for example probe_success{job="web"}`)
	f(pyrra("{latencyNative: {latency: fast, total: {metric: x}}}"), `spec.indicator.latencyNative.latency: "fast" is no duration; write for example 400ms, 1.5s, 5m, "30 days" or 1h30m`)
	f(strings.Replace(pyrra(pyrraRatio), "window: 4w", "window: 30m", 1),
		"spec.window: window 30 min is not between 1 hour and 366 days")
}
