package spec

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
	"loadline/slo/budget"
)

func target(text string) budget.Target {
	t, err := budget.ParsePercent(text)
	if err != nil {
		panic(err)
	}
	return t
}

// month is an objective without an indicator.
func month(percent string) Objective {
	window := budget.Window{Length: 30 * budget.Day}
	return Objective{Name: "default", Target: target(percent), Window: window, Policy: budget.DefaultPolicy(window), Preset: "default"}
}

func TestPromise(t *testing.T) {
	f := func(want string, change func(o *Objective)) {
		t.Helper()
		o := month("99.9")
		change(&o)
		if got := Promise(&SLO{Name: "x", Service: "shop"}, &o); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	spans := func(want string, i sli.Indicator) {
		t.Helper()
		i.Service = "checkout"
		f(want, func(o *Objective) { o.Indicator.Spans = &i })
	}
	errs := sli.Bad{Errors: true}
	spans("99.9% of requests to checkout succeed, over 30 days", sli.Indicator{Bad: errs})
	spans("99.9% of requests to checkout succeed within 400 ms, over 30 days", sli.Indicator{Bad: sli.Bad{Errors: true, Slower: 400 * time.Millisecond}})
	spans("99.9% of requests to checkout finish within 1.5 s, over 30 days", sli.Indicator{Bad: sli.Bad{Slower: 1500 * time.Millisecond}})
	spans("99.9% of requests to checkout finish within 90 s, over 30 days", sli.Indicator{Bad: sli.Bad{Slower: 90 * time.Second}})
	spans("99.9% of requests to checkout finish within 2 min, over 30 days", sli.Indicator{Bad: sli.Bad{Slower: 2 * time.Minute}})
	spans("99.9% of requests to checkout succeed and get no 429 or 4xx, over 30 days", sli.Indicator{Bad: sli.Bad{Errors: true, HTTP: []string{"429", "4xx"}}})
	spans("99.9% of requests to checkout get no UNAVAILABLE, over 30 days", sli.Indicator{Bad: sli.Bad{GRPC: []string{"UNAVAILABLE"}}})
	spans(`99.9% of requests to checkout are not error.type = "timeout", over 30 days`, sli.Indicator{Bad: sli.Bad{Matchers: []sli.Matcher{{Key: "error.type", Op: "=", Value: "timeout"}}}})
	spans("99.9% of POST /pay requests to checkout in production succeed, over 30 days", sli.Indicator{Bad: errs, Env: "production", Operations: []string{"POST /pay"}})
	spans("99.9% of POST /pay and GET /x requests to checkout succeed, over 30 days", sli.Indicator{Bad: errs, Operations: []string{"POST /pay", "GET /x"}})
	spans("99.9% of requests to 3 operations of checkout succeed, over 30 days", sli.Indicator{Bad: errs, Operations: []string{"a", "b", "c"}})
	spans(`99.9% of requests to checkout where version != "canary" succeed, over 30 days`, sli.Indicator{Bad: errs, Matchers: []sli.Matcher{{Key: "version", Op: "!=", Value: "canary"}}})
	spans("99.9% of messages consumed by checkout succeed, over 30 days", sli.Indicator{Bad: errs, Kinds: []string{"consumer"}})
	spans("99.9% of calls made by checkout succeed, over 30 days", sli.Indicator{Bad: errs, Kinds: []string{"client"}})
	spans("99.9% of requests to checkout succeed, over 30 days", sli.Indicator{Bad: errs, Kinds: []string{"client", "server"}})

	f("99.9% of events of shop are good, over 30 days", func(o *Objective) { o.Indicator.Ratio = &Ratio{Bad: "b", Total: "t"} })
	f("99.9% of the time, max(age) is at most 30, over 30 days", func(o *Objective) {
		o.Indicator.Threshold = &Threshold{Query: "max(age)", Op: "<=", Value: 30}
	})
	f("99.9% of the time, "+strings.Repeat("x", 79)+"… is above 0.5, over 30 days", func(o *Objective) {
		o.Indicator.Threshold = &Threshold{Query: strings.Repeat("x", 100), Op: ">", Value: 0.5}
	})
	f("in 99.9% of minutes, 95% of requests to a succeed, over 30 days", func(o *Objective) {
		o.Indicator.Spans = &sli.Indicator{Service: "a", Bad: errs}
		o.Method, o.Slices = budget.Timeslices, budget.Slices{Length: time.Minute, Target: target("95")}
	})
	f("in 99.9% of 5-minute slices, all requests to a succeed, each calendar month (Europe/Berlin)", func(o *Objective) {
		o.Indicator.Spans = &sli.Indicator{Service: "a", Bad: errs}
		o.Method, o.Slices = budget.Timeslices, budget.Slices{Length: 5 * time.Minute, Target: budget.Target{Good: budget.Ratio{Num: 1, Den: 1}}}
		o.Window = budget.Window{Calendar: &budget.Calendar{Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Zone: "Europe/Berlin", N: 1, Unit: 'M'}}
	})
	f("on average of hours, 99.9% of requests to a succeed, over 30 days", func(o *Objective) {
		o.Indicator.Spans = &sli.Indicator{Service: "a", Bad: errs}
		o.Method, o.Slices = budget.RatioTimeslices, budget.Slices{Length: time.Hour}
	})
	members := []Member{{SLO: "a"}, {SLO: "b", Objective: "fast"}}
	f("a and b/fast are all good in 99.9% of minutes, over 30 days", func(o *Objective) {
		o.Indicator.Composite = &Composite{Method: budget.Any, Members: members}
	})
	f("the worst of a and b/fast is on average 99.9% good, over 30 days", func(o *Objective) {
		o.Indicator.Composite = &Composite{Method: budget.Worst, Members: members}
	})
	f("a and b/fast are on average 99.9% good, over 30 days", func(o *Objective) {
		o.Indicator.Composite = &Composite{Method: budget.Weighted, Members: members}
	})
}

func TestCheck(t *testing.T) {
	f := func(name string, change func(o *Objective), want ...Finding) {
		t.Helper()
		o := month("99.9")
		o.Indicator.Spans = &sli.Indicator{Service: "a", Bad: sli.Bad{Errors: true}}
		change(&o)
		if diff := cmp.Diff(want, o.Check()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	ratio := func(good, bad, total string) func(*Objective) {
		return func(o *Objective) { o.Indicator = Indicator{Ratio: &Ratio{Good: good, Bad: bad, Total: total}} }
	}
	f("good", func(*Objective) {})
	f("window", func(o *Objective) { o.Window.Length = time.Minute },
		Finding{OfGoal, Error, "window 1 min is not between 1 hour and 366 days", ""})
	f("slices", func(o *Objective) { o.Slices.Length = time.Minute },
		Finding{OfSlices, Error, "occurrences are not counted in slices", "leave the slices out"})
	f("policy", func(o *Objective) { o.Policy.Tiers[0].Severity, o.Policy.NoDataAlert = "mail", "call" },
		Finding{OfPolicy, Error, `tier "page-fast": severity "mail" is neither page nor ticket; no-data severity "call" is neither page nor ticket`, ""})
	f("nothing", func(o *Objective) { o.Indicator = Indicator{} },
		Finding{OfIndicator, Error, "nothing is measured", "say which events are counted"})
	f("never bad", func(o *Objective) { o.Indicator.Spans.Bad = sli.Bad{} },
		Finding{OfIndicator, Error, "nothing makes an event bad, so that the promise cannot be broken", "say what makes one good or bad"})
	f("kind", func(o *Objective) { o.Indicator.Spans.Kinds = []string{"x"} },
		Finding{OfIndicator, Error, `kind "x"`, "use server, consumer, client, producer or internal"})
	f("ratio", ratio("", "sum(increase(x[$window]))", "sum(increase(y[$window]))"))
	f("ratio of nothing", ratio("", "", "vector(1)"),
		Finding{OfIndicator, Error, "a ratio needs total, and one of good and bad", "write the queries that count them"})
	f("ratio of both", ratio("vector(1)", "vector(1)", "vector(1)"),
		Finding{OfIndicator, Error, "a ratio needs total, and one of good and bad", "write the queries that count them"})
	f("counter", ratio("", "vector(1)", "x_total"),
		Finding{OfIndicator, Warning, "PromQL of total is a counter's value, not its increase", "write sum(increase(x_total[$window]))"})
	f("syntax", ratio("", "vector(1", "x_total[5m]"),
		Finding{OfIndicator, Error, "PromQL of bad: unclosed left parenthesis", ""},
		Finding{OfIndicator, Error, "PromQL of total: the expression gives a range vector, and an instant vector or a number is needed", ""})
	f("threshold", func(o *Objective) { o.Indicator = Indicator{Threshold: &Threshold{Query: "a b", Op: "<"}} },
		Finding{OfIndicator, Error, `PromQL: unexpected identifier "b"`, ""})
	f("composite", func(o *Objective) { o.Indicator = Indicator{Composite: &Composite{Method: "sum"}} },
		Finding{OfIndicator, Error, `composite method "sum" is none of any, weighted and worst`, ""})
	f("promises nothing", func(o *Objective) { o.Target = budget.Target{Good: budget.Ratio{Den: 1}} },
		Finding{OfGoal, Warning, "a target of 0% promises nothing", "write a percentage such as 99.9%"})
	f("clamped", func(o *Objective) { o.Target = target("90") })
	f("unreachable", func(o *Objective) { o.Target, o.Policy.Clamp = target("80"), false },
		Finding{OfPolicy, Warning, `rule "page-fast" never fires: at a target of 80% not even a total outage burns 14.4x`, "lower its burn rate, or leave clamp on"},
		Finding{OfPolicy, Warning, `rule "page-slow" never fires: at a target of 80% not even a total outage burns 6x`, "lower its burn rate, or leave clamp on"})
}

func TestProblem(t *testing.T) {
	f := func(p Problem, want string) {
		t.Helper()
		if got := p.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(Problem{File: "a.yaml", Line: 3, Column: 7, Field: "good", Object: `SLO "x"`, Message: "is missing", Remedy: "write it"}, "a.yaml:3:7: good: is missing; write it")
	f(Problem{File: "a.yaml", Message: "is large"}, "a.yaml: is large")
	f(Problem{Line: 3, Column: 7, Object: `SLO "x"`, Message: "is there twice"}, `line 3, column 7: SLO "x": is there twice`)
	f(Problem{Severity: Warning, Message: "is odd", Remedy: "leave it out"}, "warning: is odd; leave it out")

	list := []Problem{{File: "b", Line: 1}, {File: "a", Line: 2, Column: 5}, {File: "a", Line: 2, Column: 1, Severity: Warning}}
	SortProblems(list)
	if list[0].Column != 1 || list[1].Column != 5 || list[2].File != "b" {
		t.Errorf("%v", list)
	}
	if Failed(list) || !Failed([]Problem{{Severity: Warning}, {Severity: Error}}) {
		t.Error("only errors make a definition unusable")
	}
}

func TestExplain(t *testing.T) {
	f := func(text, message, remedy string) {
		t.Helper()
		gotMessage, gotRemedy := Explain(errors.New(text))
		if gotMessage != message || gotRemedy != remedy {
			t.Errorf("%q: %q, %q", text, gotMessage, gotRemedy)
		}
	}
	f("it is wrong", "it is wrong", "")
	f("kind \"x\": use server", `kind "x"`, "use server")
	f("a: b: write c: d", "a: b", "write c: d")
	f("first\nsecond", "first; second", "")
}

func TestReserved(t *testing.T) {
	for name, want := range map[string]bool{"new": true, "suggestions": true, "news": false, "": false, "validate": false} {
		if Reserved(name) != want {
			t.Errorf("%q", name)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "checkout-2": true, strings.Repeat("a", 63): true,
		"": false, "A": false, "-a": false, "a-": false, "a b": false, "a.b": false, strings.Repeat("a", 64): false,
	} {
		if ValidName(name) != want {
			t.Errorf("%q", name)
		}
	}
}

func TestRatioOfShare(t *testing.T) {
	got := RatioOfShare(" 1 - x ", true)
	if diff := cmp.Diff(&Ratio{Bad: "1000000 * (1 - x)", Total: "1000000 + 0 * (1 - x)"}, got); diff != "" {
		t.Error(diff)
	}
	if got := RatioOfShare("x", false); got.Good != "1000000 * (x)" || got.Bad != "" {
		t.Errorf("%+v", got)
	}
	o := month("99")
	o.Indicator.Ratio = got
	if found := o.Check(); found != nil {
		t.Error(found)
	}
}
