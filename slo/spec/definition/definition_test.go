package definition

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
	"loadline/slo/budget"
	"loadline/slo/spec"
)

// read reads text that has no problems.
func read(t *testing.T, text string) []spec.SLO {
	t.Helper()
	slos, problems := Read("slo.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatalf("%s\n%v", text, problems)
	}
	return slos
}

// TestRandomSLOs writes SLOs of every shape in both formats and reads them back as the same.
func TestRandomSLOs(t *testing.T) {
	written := map[Format]int{}
	for seed := range uint64(800) {
		s := random(rand.New(rand.NewPCG(seed, 1)))
		for _, format := range []Format{Native, OpenSLO} {
			text, err := Export(s, format)
			if err != nil {
				if format == Native {
					t.Fatal(err)
				}
				continue
			}
			written[format]++
			objects, problems := Parse("slo.yaml", text)
			if spec.Failed(problems) || len(objects) != 1 {
				t.Fatalf("seed %d\n%s\n%v", seed, text, problems)
			}
			again, problems := Resolve(append(objects, parts(t)...))
			if spec.Failed(problems) {
				t.Fatalf("seed %d\n%s\n%v", seed, text, problems)
			}
			i := slices.IndexFunc(again, func(o spec.SLO) bool { return o.Name == s.Name })
			if diff := cmp.Diff(s, again[i]); diff != "" {
				t.Fatalf("seed %d\n%s\n%s", seed, text, diff)
			}
		}
	}
	if written[OpenSLO] < 300 {
		t.Errorf("only %d of %d could be written as OpenSLO", written[OpenSLO], written[Native])
	}
}

// parts are SLOs that random composites are made of.
func parts(t *testing.T) []Object {
	t.Helper()
	objects, problems := Parse("parts.yaml", []byte(`
slo: part-a
service: a
good: no errors
objective: 99.9%
---
slo: part-b
service: b
objectives:
  - {name: fast, good: within 1s, objective: 99%}
  - {name: slow, good: within 2s, objective: 99.9%}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return objects
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func some[T any](r *rand.Rand, list ...T) []T {
	var out []T
	for _, x := range list {
		if r.IntN(3) == 0 {
			out = append(out, x)
		}
	}
	return out
}

func random(r *rand.Rand) spec.SLO {
	s := spec.SLO{
		Name: "slo-" + strconv.Itoa(r.IntN(100)), DisplayName: pick(r, "", "Checkout: pays", "yes", "1.5"),
		Description: pick(r, "", "Two lines,\nof text # with signs", "null"), Service: pick(r, "checkout-api", "a b", "7"),
		Owner: pick(r, "", "payments"), Runbook: pick(r, "", "https://example.org/run?x=1#y"), Notify: some(r, "slack", "mail"),
	}
	if r.IntN(2) == 0 {
		s.Labels = map[string][]string{"team": {"a"}, "tier": {"1", "true"}}
		s.Annotations = map[string]string{"example.org/x": "y: z", "n": "1"}
	}
	base := objective(r, "default")
	s.Objectives = []spec.Objective{base}
	if r.IntN(3) > 0 {
		return s
	}
	s.Objectives[0].Name = "fast"
	for _, name := range some(r, "b", "c", "d") {
		o := objective(r, name)
		if r.IntN(2) == 0 {
			o = base
			o.Name = name
		}
		o.DisplayName = pick(r, "", "Title "+name)
		s.Objectives = append(s.Objectives, o)
	}
	return s
}

func objective(r *rand.Rand, name string) spec.Objective {
	target, err := budget.ParsePercent(pick(r, "99.9", "99", "99.95", "90", "50", "99.999"))
	if err != nil {
		panic(err)
	}
	o := spec.Objective{Name: name, Target: target, Window: window(r), Indicator: measured(r)}
	if r.IntN(3) == 0 {
		o.Method = pick(r, budget.Timeslices, budget.RatioTimeslices)
		o.Slices = budget.Slices{Length: pick(r, time.Minute, 5*time.Minute, time.Hour, 30*time.Second), Empty: budget.Empty(r.IntN(3))}
		if o.Method == budget.Timeslices {
			o.Slices.Target = budget.Target{Good: pick(r, budget.Ratio{Num: 1, Den: 1}, budget.Ratio{Num: 19, Den: 20})}
		}
	}
	if c := o.Indicator.Composite; c != nil {
		o.Method, o.Slices = budget.RatioTimeslices, budget.Slices{Length: pick(r, time.Minute, 5*time.Minute), Empty: o.Slices.Empty}
		if c.Method == budget.Any {
			o.Method = budget.Timeslices
		}
	}
	o.Preset = pick(r, budget.Presets()...)
	o.Policy, _ = budget.Preset(o.Preset, o.Window)
	if r.IntN(2) == 0 {
		knobs(r, &o)
	}
	if o.Policy.Validate(o.Window) != nil {
		o.Preset, o.Policy = "default", budget.DefaultPolicy(o.Window)
	}
	return o
}

func knobs(r *rand.Rand, o *spec.Objective) {
	if r.IntN(2) == 0 {
		o.Preset = ""
		o.Policy.Tiers = []budget.Tier{
			{Name: "page-15m", Severity: budget.Page, Long: 15 * time.Minute, Short: time.Minute, Burn: budget.NewRatio(144, 10)},
			{Name: pick(r, "ticket-1h", "slow"), Severity: budget.Ticket, Long: time.Hour, Short: 5 * time.Minute, Burn: budget.NewRatio(1, 1), For: pick(r, 0, time.Minute)},
		}
	}
	p := &o.Policy
	p.For = pick(r, 0, time.Minute)
	p.KeepFiring = pick(r, 0, 5*time.Minute, 90*time.Second)
	p.MinBad = uint64(r.IntN(3))
	p.Guard, p.HoldNoData, p.Clamp = r.IntN(2) == 0, r.IntN(2) == 0, true
	p.Mode = budget.Mode(r.IntN(2))
	p.NoDataAlert = pick(r, "", budget.Page, budget.Ticket)
}

func window(r *rand.Rand) budget.Window {
	if r.IntN(2) == 0 {
		return budget.Window{Length: pick(r, 30*budget.Day, 7*budget.Day, 28*budget.Day, 90*budget.Day, 36*time.Hour)}
	}
	return budget.Window{Calendar: &budget.Calendar{
		Start: pick(r, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC), time.Date(2020, 1, 31, 0, 0, 0, 0, time.UTC)),
		Zone:  pick(r, "UTC", "Europe/Berlin"), N: 1 + r.IntN(2), Unit: pick(r, budget.Unit('d'), 'w', 'M', 'Q'),
	}}
}

func measured(r *rand.Rand) spec.Indicator {
	switch r.IntN(6) {
	case 0:
		return spec.Indicator{Ratio: &spec.Ratio{Bad: `sum(increase(x_total{code=~"5.."}[$window]))`, Total: "sum(increase(x_total[$window]))"}}
	case 1:
		return spec.Indicator{Threshold: &spec.Threshold{Query: "max by (queue) (age_seconds)", Op: pick(r, "<", "<=", ">", ">="), Value: pick(r, 30, 0.5, -1, 1e9)}}
	case 2:
		one := budget.Ratio{Num: 1, Den: 1}
		c := &spec.Composite{Method: pick(r, budget.Any, budget.Weighted, budget.Worst), Members: []spec.Member{{SLO: "part-a", Weight: one}, {SLO: "part-b", Objective: "fast", Weight: one}}}
		if c.Method == budget.Weighted {
			c.Members[1].Weight = budget.NewRatio(25, 10)
		}
		return spec.Indicator{Composite: c}
	}
	i := &sli.Indicator{
		Service: pick(r, "checkout-api", "gateway"), Env: pick(r, "", "production"), GroupBy: pick(r, "", "version", "tenant.id"),
		Operations: some(r, "GET /v1/orders/{id}", "POST *", "[odd]: #1"), Kinds: some(r, "server", "consumer"),
		Bad: sli.Bad{
			Errors: r.IntN(2) == 0, HTTP: some(r, "429", "5xx"), GRPC: some(r, "UNAVAILABLE", "INTERNAL"),
			Slower: pick(r, 0, 400*time.Millisecond, 1500*time.Millisecond, time.Nanosecond, 2*time.Minute),
		},
	}
	if i.GroupBy != "" {
		i.MaxGroups = pick(r, 0, 7)
	}
	matchers := []sli.Matcher{{Key: "http.route", Op: "!=", Value: `a "b" c`}, {Key: "version", Op: "=~", Value: "v1.*"}, {Key: "tenant", Op: "=", Value: ""}}
	i.Matchers, i.Bad.Matchers = some(r, matchers...), some(r, matchers...)
	if b := i.Bad; !b.Errors && len(b.HTTP) == 0 && len(b.GRPC) == 0 && b.Slower == 0 && len(b.Matchers) == 0 {
		i.Bad.Errors = true
	}
	return spec.Indicator{Spans: i}
}
