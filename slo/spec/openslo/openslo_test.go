package openslo

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
)

// read reads and resolves a file; problems are those of documents and of references.
func read(t *testing.T, text string) ([]spec.SLO, []string) {
	t.Helper()
	documents, problems := document.Split("", []byte(text))
	var objects []*Object
	for _, d := range documents {
		if !Is(d) {
			t.Fatalf("not of OpenSLO: %s", d.Text)
		}
		o := Read(d)
		if problems = append(problems, d.Problems()...); !d.Failed() {
			objects = append(objects, o)
		}
	}
	slos, more := Resolve(objects)
	var list []string
	for _, p := range append(problems, more...) {
		list = append(list, p.Error())
	}
	return slos, list
}

// sloText is an SLO of one objective with the given lines of its spec, which replace those of the same field.
func sloText(lines ...string) string {
	fields := []string{
		"service: shop",
		"indicatorRef: errors",
		"timeWindow: [{duration: 30d, isRolling: true}]",
		"budgetingMethod: Occurrences",
		"objectives: [{target: 0.99}]",
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		kept := fields[:0]
		for _, f := range fields {
			if !strings.HasPrefix(f, name+":") {
				kept = append(kept, f)
			}
		}
		if fields = kept; strings.TrimSpace(value) != "" {
			fields = append(fields, line)
		}
	}
	return "---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {name: shop}\nspec:\n  " + strings.Join(fields, "\n  ") + "\n"
}

const errorsSLI = `---
apiVersion: openslo/v1
kind: SLI
metadata: {name: errors}
spec:
  ratioMetric:
    counter: true
    bad: {metricSource: {type: prometheus, spec: {query: 'b_total{code="500"}'}}}
    total: {metricSource: {type: Prometheus, spec: {query: sum(t_total)}}}
`

func TestReferences(t *testing.T) {
	slos, problems := read(t, errorsSLI+sloText())
	if len(problems) > 0 || len(slos) != 1 {
		t.Fatal(slos, problems)
	}
	window := budget.Window{Length: 30 * budget.Day}
	want := spec.SLO{Name: "shop", Service: "shop", Objectives: []spec.Objective{{
		Name: "default", Target: budget.Target{Good: budget.Ratio{Num: 99, Den: 100}}, Window: window,
		Indicator: spec.Indicator{Ratio: &spec.Ratio{
			Bad: `sum(increase(b_total{code="500"}[$window]))`, Total: "sum(increase(t_total[$window]))",
		}},
		Policy: budget.DefaultPolicy(window), Preset: "default",
	}}}
	if diff := cmp.Diff(want, slos[0]); diff != "" {
		t.Error(diff)
	}
}

// TestQueries leaves queries alone that are not counters, or that have ranges.
func TestQueries(t *testing.T) {
	f := func(counter, query, want string) {
		t.Helper()
		text := "indicator: {spec: {ratioMetric: {counter: " + counter + ", good: {metricSource: {type: thanos, spec: {query: '" + query +
			"'}}}, total: {metricSource: {type: mimir, spec: {query: vector(1)}}}}}}"
		slos, problems := read(t, sloText("indicatorRef:", text))
		if len(slos) != 1 {
			t.Fatal(problems)
		}
		if got := slos[0].Objectives[0].Indicator.Ratio.Good; got != want {
			t.Errorf("%s: %s, not %s", query, got, want)
		}
	}
	f("true", "x_total", "sum(increase(x_total[$window]))")
	f("true", "(sum(x_total))", "sum(increase(x_total[$window]))")
	f("true", "sum by (a) (x_total)", "sum by (a) (x_total)")
	f("true", "sum(increase(x_total[$window]))", "sum(increase(x_total[$window]))")
	f("false", "x", "x")
}

func TestRaw(t *testing.T) {
	f := func(kind string, want spec.Ratio) {
		t.Helper()
		slos, problems := read(t, sloText("indicatorRef:", "indicator: {spec: {ratioMetric: {rawType: "+kind+", raw: {metricSource: {type: prometheus, spec: {query: x}}}}}}"))
		if len(slos) != 1 || len(problems) > 0 {
			t.Fatal(problems)
		}
		if diff := cmp.Diff(&want, slos[0].Objectives[0].Indicator.Ratio); diff != "" {
			t.Error(diff)
		}
	}
	f("success", spec.Ratio{Good: "1000000 * (x)", Total: "1000000 + 0 * (x)"})
	f("failure", spec.Ratio{Bad: "1000000 * (x)", Total: "1000000 + 0 * (x)"})
}

const alertObjects = `---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec: {severity: critical, condition: {kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h, alertAfter: 2m}}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: chat}
spec: {target: slack}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: page}
spec:
  alertWhenBreaching: true
  alertWhenNoData: true
  conditions: [{conditionRef: fast}]
  notificationTargets: [{targetRef: chat}, {kind: AlertNotificationTarget, metadata: {name: mail}, spec: {target: email}}]
`

func TestAlertPolicies(t *testing.T) {
	slos, problems := read(t, errorsSLI+alertObjects+sloText(`alertPolicies:
    - alertPolicyRef: page
    - spec:
        alertWhenBreaching: true
        conditions: [{spec: {severity: low, condition: {op: gte, threshold: 1, lookbackWindow: 3d}}}]
        notificationTargets: [{targetRef: chat}]`))
	if len(slos) != 1 || len(problems) != 1 || !strings.Contains(problems[0], "gte alerts when") {
		t.Fatal(slos, problems)
	}
	o := slos[0].Objectives[0]
	want := budget.DefaultPolicy(o.Window)
	want.NoDataAlert = budget.Page
	want.Tiers = []budget.Tier{
		{Name: "fast", Severity: budget.Page, Long: time.Hour, Short: 5 * time.Minute, Burn: budget.NewRatio(72, 5), For: 2 * time.Minute},
		{Name: "ticket-2", Severity: budget.Ticket, Long: 3 * budget.Day, Short: 6 * time.Hour, Burn: budget.NewRatio(1, 1)},
	}
	if diff := cmp.Diff(want, o.Policy); diff != "" || o.Preset != "" {
		t.Error(o.Preset, diff)
	}
	if diff := cmp.Diff([]string{"chat", "mail"}, slos[0].Notify); diff != "" {
		t.Error(diff)
	}
}

func TestSilentPolicy(t *testing.T) {
	slos, problems := read(t, errorsSLI+sloText("alertPolicies: [{spec: {conditions: [{spec: {severity: page, condition: {op: gt, threshold: 1, lookbackWindow: 1h}}}]}}]"))
	if len(slos) != 1 || len(problems) != 1 || !strings.Contains(problems[0], "alerts neither when breaching nor without data") {
		t.Fatal(slos, problems)
	}
	if o := slos[0].Objectives[0]; o.Preset != "none" || len(o.Policy.Tiers) != 0 {
		t.Errorf("%+v", o)
	}
}

func TestShortWindow(t *testing.T) {
	f := func(long, want time.Duration) {
		t.Helper()
		if got := short(long); got != want {
			t.Errorf("%s: %s, not %s", long, got, want)
		}
	}
	f(time.Hour, 5*time.Minute)
	f(5*time.Minute, time.Minute)
	f(time.Minute, time.Minute)
	f(7*time.Minute, time.Minute)
	f(25*time.Minute, 130*time.Second)
	f(3*budget.Day, 6*time.Hour)
}

func TestNames(t *testing.T) {
	slos, problems := read(t, errorsSLI+sloText("objectives: [{displayName: Good enough!, target: 0.9}, {displayName: '---', target: 0.95}, {displayName: good enough, target: 0.99}]"))
	if len(slos) != 1 || len(problems) > 0 {
		t.Fatal(problems)
	}
	var names []string
	for _, o := range slos[0].Objectives {
		names = append(names, o.Name)
	}
	if diff := cmp.Diff([]string{"good-enough", "objective-2", "objective-3"}, names); diff != "" {
		t.Error(diff)
	}
}

// TestProblems looks at what is refused; more are kept with the files of package definition.
func TestProblems(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, got := read(t, text)
		for i := range got {
			_, got[i], _ = strings.Cut(got[i], ": ")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
	f(sloText(), `spec.indicatorRef: SLI "errors" does not exist; define it, or correct the name`)
	f(errorsSLI+sloText("alertPolicies: [{alertPolicyRef: page}]"), `spec.alertPolicies[0].alertPolicyRef: AlertPolicy "page" does not exist; define it, or correct the name`)
	f(errorsSLI+strings.ReplaceAll(alertObjects, "name: fast", "name: slow")+sloText("alertPolicies: [{alertPolicyRef: page}]"),
		`spec.conditions[0].conditionRef: AlertCondition "fast" does not exist; define it, or correct the name`)
	f(errorsSLI+strings.ReplaceAll(alertObjects, "name: chat", "name: talk")+sloText("alertPolicies: [{alertPolicyRef: page}]"),
		`spec.notificationTargets[0].targetRef: AlertNotificationTarget "chat" does not exist; define it, or correct the name`)
	f(errorsSLI+sloText("objectives: [{target: 0.9, op: lt, value: 3}]"),
		"spec.objectives[0]: op and value are for a thresholdMetric; leave them out")
	f(errorsSLI+sloText("timeWindow: [{duration: 10m}]"), "spec.timeWindow: window 10 min is not between 1 hour and 366 days")
	f(errorsSLI+sloText("timeWindow: [{duration: 1d, isRolling: false}]"), "spec.timeWindow[0].isRolling: is false without a calendar; write isRolling: true, or a calendar")
	f(errorsSLI+sloText("budgetingMethod: Timeslices", "objectives: [{target: 0.9, timeSliceWindow: 7m, timeSliceTarget: 0.5}]"),
		"spec.objectives[0]: slice of 7 min is not a multiple of 10 s that divides an hour")
	f(errorsSLI+sloText("budgetingMethod: Timeslices", "objectives: [{target: 0.9, timeSliceWindow: 1m}]"),
		"spec.objectives[0]: timeSliceTarget is missing; write the share of good events at which a slice is good, as in timeSliceTarget: 0.95")
	f(sloText("indicatorRef:"), "spec: has no indicator; write indicator or indicatorRef")
	f(errorsSLI+sloText("objectives: [{target: 0.9, indicatorRef: errors}]"), "spec: has indicators of objectives beside one of the SLO; write one, or one for each objective")
	f(errorsSLI+sloText("indicatorRef:", "objectives: [{target: 0.9, indicatorRef: errors}, {target: 0.8}]"), "spec: has objectives with and without indicators; write one for each objective, or one for all")
	f(errorsSLI+sloText("indicatorRef:", "objectives: [{displayName: Composite, target: 0.9, indicatorRef: errors}, {target: 0.8, indicatorRef: errors}]"),
		`spec: an objective has the name of the composite, "composite"; name it otherwise in annotation loadline.dev/objectives`)
	const threshold = "indicator: {spec: {thresholdMetric: {metricSource: {type: prometheus, spec: {query: up}}}}}"
	f(sloText("indicatorRef:", threshold), "spec.objectives[0]: a thresholdMetric needs op and value; write op: lte and the value that is good")
	f(sloText("indicatorRef:", threshold, "objectives: [{target: 0.9, op: gt, value: 0}, {target: 0.8, op: gt, value: 1}]"),
		"spec.objectives[0]: a thresholdMetric allows one objective; make another SLO for each",
		"spec.objectives[1]: a thresholdMetric allows one objective; make another SLO for each")
	f(sloText("indicatorRef:", "indicator: {spec: {thresholdMetric: {metricSource: {type: loadline, spec: {service: a}}}}}", "objectives: [{target: 0.9, op: gt, value: 0}]"),
		"spec.indicator.spec: thresholdMetric of type loadline: spans are counted by ratioMetric, with good: within 400ms")
	f(sloText("indicatorRef:", "indicator: {spec: {ratioMetric: {good: {metricSource: {type: prometheus, spec: {query: up}}}, total: {metricSource: {type: loadline, spec: {}}}}}}"),
		"spec.indicator.spec: total counts spans and the other does not; use type loadline for both")
	f(sloText("indicatorRef:", "indicator: {spec: {ratioMetric: {good: {metricSource: {spec: {query: up}}}, total: {metricSource: {type: loadline, spec: {good: fine}}}}}}"),
		"spec.indicator.spec.ratioMetric.good.metricSource: has neither a type nor a metricSourceRef; write type: prometheus or type: loadline",
		`spec.indicator.spec.ratioMetric.total.metricSource.spec.good: "fine" is not understood; write "no errors", "within 400ms", "no errors and within 400ms", or "no errors, 429 or UNAVAILABLE"`)
}
