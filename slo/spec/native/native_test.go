package native

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
)

func read(t *testing.T, text string) (spec.SLO, []spec.Problem) {
	t.Helper()
	list, problems := document.Split("slo.yaml", []byte(text))
	if len(list) != 1 || len(problems) > 0 || !Is(list[0]) {
		t.Fatalf("%d documents, %v", len(list), problems)
	}
	s := Read(list[0])
	return s, list[0].Problems()
}

// roundTrip reads a definition without problems, writes it as want, or as it was, and reads that as the same.
func roundTrip(t *testing.T, text, want string) spec.SLO {
	t.Helper()
	s, problems := read(t, text)
	if len(problems) > 0 {
		t.Fatalf("%s\n%v", text, problems)
	}
	written, err := Write(s)
	if err != nil {
		t.Fatal(err)
	}
	if want == "" {
		want = text
	}
	if diff := cmp.Diff(want, string(written)); diff != "" {
		t.Errorf("%s", diff)
	}
	again, problems := read(t, string(written))
	if diff := cmp.Diff(s, again); diff != "" || len(problems) > 0 {
		t.Errorf("%s\n%s\n%v", written, diff, problems)
	}
	return s
}

func TestSimplest(t *testing.T) {
	got := roundTrip(t, `slo: checkout-availability
service: checkout-api
operations: POST /v1/checkout
good: no errors
objective: 99.9% over 30 days
`, "")
	window := budget.Window{Length: 30 * budget.Day}
	want := spec.SLO{Name: "checkout-availability", Service: "checkout-api", Objectives: []spec.Objective{{
		Name: "default",
		Indicator: spec.Indicator{Spans: &sli.Indicator{
			Service: "checkout-api", Operations: []string{"POST /v1/checkout"}, Bad: sli.Bad{Errors: true},
		}},
		Target: budget.Target{Good: budget.Ratio{Num: 999, Den: 1000}}, Window: window,
		Policy: budget.DefaultPolicy(window), Preset: "default",
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestServiceOfSpans(t *testing.T) {
	s := roundTrip(t, "slo: a\nservice: shop\nspans_of: gateway\nkinds:\n  - client\n  - server\nwhere: peer = stripe\nbad: error.type =~ 5..\nobjective: 99% over 7 days\n", "")
	i := s.Objectives[0].Indicator.Spans
	if s.Service != "shop" || i.Service != "gateway" || len(i.Matchers) != 1 || len(i.Bad.Matchers) != 1 || i.Bad.Errors {
		t.Errorf("%+v", i)
	}
}

// TestInheritance gives objectives what stands at the top, unless they have their own.
func TestInheritance(t *testing.T) {
	s := roundTrip(t, `slo: a
service: shop
env: production
good: no errors
alert: page
objectives:
  - name: all
    objective: 99.9%
  - name: pay
    title: Paying
    operations: POST /pay
    good: within 1s
    alert: none
    objective: 99% each week
  - name: queue
    gauge: age
    good: below 5
    objective: 99%
  - name: codes
    ratio: {bad: "sum(increase(b[$window]))", total: "sum(increase(t[$window]))"}
    objective: 99%
`, `slo: a
service: shop
objectives:
  - name: all
    env: production
    good: no errors
    objective: 99.9% over 30 days
    alert: page
  - name: pay
    title: Paying
    env: production
    operations: POST /pay
    good: within 1s
    objective: 99% each week
    alert: none
  - name: queue
    gauge: age
    good: below 5
    objective: 99% over 30 days
    alert: page
  - name: codes
    ratio:
      bad: sum(increase(b[$window]))
      total: sum(increase(t[$window]))
    objective: 99% over 30 days
    alert: page
`)
	if got := s.Objectives[1]; got.Preset != "none" || got.Indicator.Spans.Env != "production" || got.Indicator.Spans.Bad.Errors {
		t.Errorf("%+v", got)
	}
	// One gauge, two promises about it.
	s = roundTrip(t, `slo: a
service: shop
gauge: age
objectives:
  - name: tight
    good: below 5
    objective: 90% over 30 days
  - name: loose
    good: below 60
    objective: 99.9% over 30 days
`, "")
	if s.Objectives[1].Indicator.Threshold.Value != 60 {
		t.Errorf("%+v", s.Objectives[1])
	}
}

func TestPolicy(t *testing.T) {
	const head = "slo: a\nservice: a\ngood: no errors\nobjective: 99.9% over 30 days\n"
	f := func(text, want string, check func(o spec.Objective) bool) {
		t.Helper()
		if want == "" {
			want = text
		}
		if s := roundTrip(t, head+text, head+want); !check(s.Objectives[0]) {
			t.Errorf("%s%+v", text, s.Objectives[0].Policy)
		}
	}
	f("alert: ticket\n", "", func(o spec.Objective) bool { return o.Preset == "ticket" && len(o.Policy.Tiers) == 2 })
	f("alert: off\n", "alert: none\n", func(o spec.Objective) bool { return o.Preset == "none" && len(o.Policy.Tiers) == 0 })
	f("alert:\n  policy: sloth\n  for: 2m\n  keep_firing: 90s\n  min_bad: 3\n  guard: true\n  hold_no_data: true\n  clamp: true\n  count: budget\n  no_data: page\n",
		"alert:\n  policy: sloth\n  for: 2m\n  keep_firing: 1m30s\n  min_bad: 3\n  guard: true\n  hold_no_data: true\n  clamp: true\n  count: budget\n  no_data: page\n",
		func(o spec.Objective) bool {
			p := o.Policy
			return o.Preset == "sloth" && p.For == 2*time.Minute && p.MinBad == 3 && p.Mode == budget.ByBudget && p.NoDataAlert == budget.Page
		})
	f("alert:\n  policy: page and ticket\n  keep_firing: 0\n  guard: false\n", "alert:\n  policy: page and ticket\n  keep_firing: 0s\n  guard: false\n",
		func(o spec.Objective) bool { return o.Policy.KeepFiring == 0 && !o.Policy.Guard && o.Policy.Clamp })
	f("alert:\n  rules:\n    - page at 10x over 1h and 5m\n    - ticket at 1x over 3 days and 6h for 1h\n",
		"alert:\n  rules:\n    - page at 10x over 1h and 5m\n    - ticket at 1x over 3d and 6h for 1h\n",
		func(o spec.Objective) bool {
			return o.Preset == "" && o.Policy.Tiers[1].For == time.Hour && o.Policy.Guard
		})
	f("alert:\n  policy: page\n  no_data: none\n", "", func(o spec.Objective) bool { return o.Policy.NoDataAlert == "" })
	f("alert:\n  rules:\n    - quick: page at 10x over 1h and 5m\n    - ticket at 1x over 1d and 2h\n",
		"alert:\n  rules:\n    - quick: page at 10x over 1h and 5m\n    - ticket-1d: ticket at 1x over 1d and 2h\n",
		func(o spec.Objective) bool { return o.Policy.Tiers[0].Name == "quick" })
	f("alert:\n  rules: []\n  no_data: page\n", "", func(o spec.Objective) bool { return len(o.Policy.Tiers) == 0 && o.Preset == "" })
}

// TestNoPolicy reads an empty mapping as the default policy, which is not written.
func TestNoPolicy(t *testing.T) {
	const text = "slo: a\nservice: a\ngood: no errors\nobjective: 99.9% over 30 days\n"
	s := roundTrip(t, text+"alert: {}\n", text)
	if o := s.Objectives[0]; o.Preset != "default" || len(o.Policy.Tiers) != 4 {
		t.Errorf("%+v", o)
	}
}

func TestMethods(t *testing.T) {
	f := func(lines, want string, check func(o spec.Objective) bool) {
		t.Helper()
		const head = "slo: a\nservice: a\n"
		if want == "" {
			want = lines
		}
		if s := roundTrip(t, head+lines, head+want); !check(s.Objectives[0]) {
			t.Errorf("%s%+v", lines, s.Objectives[0])
		}
	}
	f("good: no errors\nobjective: 99% of minutes over 30 days\nslices: good at 95%, good when empty\n", "", func(o spec.Objective) bool {
		return o.Method == budget.Timeslices && o.Slices.Length == time.Minute && o.Slices.Empty == budget.EmptyGood
	})
	f("good: no errors\nobjective: 99% on average of 5-minute slices over 30 days\n", "", func(o spec.Objective) bool {
		return o.Method == budget.RatioTimeslices && o.Slices == budget.Slices{Length: 5 * time.Minute}
	})
	f("combine: all of x, y\nobjective: 99%\n", "combine: all of x, y\nobjective: 99% of minutes over 30 days\n", func(o spec.Objective) bool {
		return o.Method == budget.Timeslices && o.Slices == budget.Slices{Length: time.Minute}
	})
	f("combine: worst of x, y\nobjective: 99% of 5-minute slices\n", "combine: worst of x, y\nobjective: 99% on average of 5-minute slices over 30 days\n",
		func(o spec.Objective) bool {
			return o.Method == budget.RatioTimeslices && o.Slices == budget.Slices{Length: 5 * time.Minute}
		})
}

// TestProblems looks at where problems are and what they say; more are kept with the files of package definition.
func TestProblems(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, problems := read(t, text)
		var got []string
		for _, p := range problems {
			got = append(got, strings.TrimPrefix(p.Error(), "slo.yaml:"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
	const rest = "service: a\ngood: no errors\nobjective: 99.9%\n"
	f("slo: a\n"+rest+"objectives:\n  - objective: 99%\n",
		"4:12: objective: stands beside objectives; move it into the list, or leave objectives out")
	f("slo: a\nservice: a\ngood: no errors\nobjectives: []\n",
		"4:13: objectives: is empty; list at least one objective, or write objective: 99.9% over 30 days")
	f("slo: a\nservice: a\ngood: no errors\nobjectives:\n  - {name: x, objective: 99%}\n  - {name: x, objective: 9%, window: 7d}\n",
		`6:12: objectives[1].name: objective "x" is there twice; give each its own name`,
		`6:30: objectives[1].window: unknown field; it is part of the objective: "99.9% over 30 days", or "99.9% each month in Europe/Berlin"`)
	f("slo: a\n"+rest+"kinds: servers\noperations: ['']\nmax_groups: 5000\ngroup_by: trace_id\n",
		`5:8: kinds: kind "servers"; use server, consumer, client, producer or internal`,
		`6:14: operations[0]: is empty; leave it out`,
		`7:13: max_groups: 5000 groups; give a number up to 1000, or none for 100`,
		`8:11: group_by: group by: key "trace_id" cannot be matched by; use an attribute`)
	f("slo: a\n"+rest+"alert: {policy: page, rules: [page at 1x over 1h and 5m], no_data: mail, count: twice, min_bad: -1}\n",
		`5:17: alert.policy: stands beside rules; keep one of them`,
		`5:68: alert.no_data: is none of page, ticket and none; say how loudly to tell that nothing can be measured`,
		`5:81: alert.count: is neither rate nor budget; write rate to compare the share of bad events, or budget to compare what they take of the period's budget`,
		`5:97: alert.min_bad: is the number -1 where a whole number is expected; write one from 0 to 2147483647`)
	f("slo: a\n"+rest+"alert: {rules: [{a: x, b: y}]}\n",
		`5:17: alert.rules[0]: is no rule; write "page at 14.4x over 1h and 5m", or with a name "fast: page at 14.4x over 1h and 5m"`)
	f("slo: a\nservice: a\nratio: {good: up, total: up}\nobjective: 99%\n",
		"3:8: warning: ratio: PromQL of good is a counter's value, not its increase; write sum(increase(up[$window]))",
		"3:8: warning: ratio: PromQL of total is a counter's value, not its increase; write sum(increase(up[$window]))")
	f("slo: a\nservice: a\ncombine: everything\ngood: no errors\nobjective: 99%\n",
		`3:10: combine: "everything" is not understood; write "all of checkout, payment", "worst of a, b" or "mean of a (2), b", with slo/objective where an SLO has several`,
		"4:7: good: does not go with combine; keep one way to measure, or make two objectives")
	f("slo: a\n"+rest+"slices: good at 95%\n",
		`5:9: slices: is for slices of time, and the objective counts events; write objective: "99.5% of minutes over 30 days", or leave slices out`)
	f("slo: a\nservice: a\nmetadata: {}\nspec: {}\ntarget: 99\nlatency: 1s\n",
		"1:1: objective: is missing; say what is promised, as in objective: 99.9% over 30 days",
		"1:1: good: is missing; say what makes a request good, as in good: no errors and within 400ms",
		"3:1: metadata: unknown field; the short form has no metadata: slo: NAME, title, labels and annotations stand at the top",
		"4:1: spec: unknown field; the short form has no spec: all fields stand at the top",
		"5:1: target: unknown field; write objective: 99.9% over 30 days",
		"6:1: latency: unknown field; write good: within 400ms")
}
