package definition

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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

func TestReadAmongKnown(t *testing.T) {
	known := read(t, "slo: a\nservice: a\ngood: no errors\nobjective: 99.9%\n---\nslo: b\nservice: b\ngood: no errors\nobjective: 99.9%\n")
	const text = "slo: both\nservice: shop\ncombine: all of a, b\nobjective: 99%\n"
	slos, problems := Read("", []byte(text), known...)
	if len(problems) > 0 || len(slos) != 1 || slos[0].Name != "both" {
		t.Errorf("%+v, %v", slos, problems)
	}
	slos, problems = Read("", []byte(text), known[:1]...)
	if len(slos) != 0 || !spec.Failed(problems) {
		t.Errorf("%+v, %v", slos, problems)
	}
	// What the text defines is in the place of what is known.
	_, problems = Read("", []byte(text+"---\nslo: a\nservice: a\ncombine: all of b, both\nobjective: 99%\n"), known...)
	if !spec.Failed(problems) {
		t.Error("a composite is made of a composite")
	}
}

// TestObjectsKeep resolves objects whose parsed form is lost, as those from a table.
func TestObjectsKeep(t *testing.T) {
	for _, file := range []string{"short.yaml", "openslo.yaml", "sloth.yaml", "pyrra.yaml"} {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		objects, _ := Parse(file, text)
		want, _ := Resolve(objects)
		var stored []Object
		for _, o := range objects {
			stored = append(stored, Object{Kind: o.Kind, Name: o.Name, Format: o.Format, Text: o.Text})
		}
		got, _ := Resolve(stored)
		if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

// TestLines finds problems at their lines in the file, whatever document they are in.
func TestLines(t *testing.T) {
	_, problems := Parse("f.yaml", []byte("# head\nslo: a\nservice: a\ngood: no errors\nobjective: 99%\n--- # next\n\nslo: b\nservice: b\ngood: bad\nobjective: 99%\n"))
	if len(problems) != 1 || problems[0].Line != 10 || problems[0].Column != 7 || problems[0].File != "f.yaml" || problems[0].Object != `SLO "b"` {
		t.Errorf("%+v", problems)
	}
}

// TestReservedNames refuses SLOs whose pages or API nobody could reach, in every format; objectives may be called so.
func TestReservedNames(t *testing.T) {
	const (
		short = "slo: %s\nservice: a\ngood: no errors\nobjective: 99%%\n"
		open  = "apiVersion: openslo/v1\nkind: SLO\nmetadata:\n  name: %s\nspec:\n  service: a\n  budgetingMethod: Occurrences\n  indicator:\n    metadata: {name: i}\n" +
			"    spec: {ratioMetric: {counter: true, bad: {metricSource: {type: prometheus, spec: {query: 'sum(increase(b[$window]))'}}}, total: {metricSource: {type: prometheus, spec: {query: 'sum(increase(t[$window]))'}}}}}\n" +
			"  timeWindow: [{duration: 30d, isRolling: true}]\n  objectives: [{target: 0.99}]\n"
		pyrra = "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: %s}\nspec:\n  target: \"99\"\n  window: 4w\n" +
			"  indicator: {ratio: {errors: {metric: 'e{job=\"a\"}'}, total: {metric: 't{job=\"a\"}'}}}\n"
	)
	for format, text := range map[string]string{"short": short, "openslo": open, "pyrra": pyrra} {
		for name, refused := range map[string]bool{"new": true, "suggestions": true, "newer": false} {
			objects, problems := Parse("f.yaml", fmt.Appendf(nil, text, name))
			if spec.Failed(problems) != refused || (len(objects) == 0) != refused {
				t.Errorf("%s form, %s: %d objects, %v", format, name, len(objects), problems)
			}
			if refused && !strings.Contains(fmt.Sprint(problems), "no SLO can be called \""+name+"\"") {
				t.Errorf("%s form, %s: %v", format, name, problems)
			}
		}
	}
	const objective = "slo: a\nservice: a\nobjectives:\n- {name: new, good: no errors, objective: 99%}\n"
	if _, problems := Parse("", []byte(objective)); spec.Failed(problems) {
		t.Error(problems)
	}
}

// TestLongTranslation bounds what becomes of a definition in another format, which has to be read again.
func TestLongTranslation(t *testing.T) {
	var labels strings.Builder
	for i := range 10 {
		fmt.Fprintf(&labels, "    pyrra.dev/l%d: %s\n", i, strings.Repeat("x", 8000))
	}
	const text = "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata:\n  name: a\n  labels:\n%sspec:\n  target: \"99\"\n  window: 4w\n" +
		"  indicator: {ratio: {errors: {metric: 'e{job=\"a\"}'}, total: {metric: 't{job=\"a\"}'}}}\n"
	objects, problems := Parse("f.yaml", fmt.Appendf(nil, text, labels.String()))
	if len(objects) > 0 || !strings.Contains(fmt.Sprint(problems), "more than 65536") {
		t.Errorf("%d objects, %v", len(objects), problems)
	}
	if objects, problems = Parse("f.yaml", fmt.Appendf(nil, text, "    pyrra.dev/l: x\n")); len(objects) != 1 {
		t.Errorf("%d objects, %v", len(objects), problems)
	}
}

// TestLongObject bounds the text of an object, of which every revision is kept and compared; a file may have many.
func TestLongObject(t *testing.T) {
	const text = "slo: a\nservice: a\ngood: no errors\nobjective: 99%\n"
	padded := func(n int) string { return text + "#" + strings.Repeat("x", n-len(text)-2) + "\n" }
	objects, problems := Parse("f.yaml", []byte(padded(maxObject)+"---\n"+padded(maxObject)))
	if len(objects) != 2 || len(problems) > 0 {
		t.Errorf("%d objects, %v", len(objects), problems)
	}
	objects, problems = Parse("f.yaml", []byte(text+"---\n"+padded(maxObject+1)))
	if len(objects) != 1 || len(problems) != 1 || problems[0].Line != 6 || !strings.Contains(problems[0].Error(), "65537 bytes, more than 65536") || problems[0].Remedy == "" {
		t.Errorf("%d objects, %v", len(objects), problems)
	}
}

func TestExportRefuses(t *testing.T) {
	if _, err := Export(spec.SLO{Name: "a"}, "toml"); err == nil {
		t.Error("exported in an unknown format")
	}
	if text, err := Export(spec.SLO{Name: "a"}, OpenSLO); err == nil {
		t.Errorf("%s", text)
	}
}

// TestHostile refuses files that are made to keep a reader busy; without its bounds some of these take minutes.
func TestHostile(t *testing.T) {
	f := func(text string) {
		t.Helper()
		objects, problems := Parse("f.yaml", []byte(text))
		if len(objects) > 0 || !spec.Failed(problems) || len(problems) > 100 {
			t.Errorf("%.60q: %d objects, %d problems", text, len(objects), len(problems))
		}
	}
	f("slo: a\ngauge: " + strings.Repeat("a+", 500_000) + "a")
	f("slo: a\ngauge: " + strings.Repeat("(", 500_000))
	f("slo: a\ncombine: all of " + strings.Repeat("a,", 500_000))
	f("slo: a\ngood: within " + strings.Repeat("1h", 500_000))
	f("slo: a\nwhere: " + strings.Repeat("a = b ", 150_000))
	f("slo: a\nobjective: 99% " + strings.Repeat("of ", 300_000))
	f(strings.Repeat("{a: ", 200_000))
	f("a: &a x\n" + strings.Repeat("b: *a\n", 100_000))
	f("slo: a\n" + strings.Repeat("unknown: 1\n", 9_000))
}

// FuzzParse reads whatever there is without a panic; what is read without an error is written and read as the same.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		for part := range strings.SplitSeq(string(text), "\n---\n") {
			f.Add([]byte(part))
		}
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("slo: x\nservice: &s [*s]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		slos, problems := Read("fuzz.yaml", text)
		for _, p := range problems {
			if p.Message == "" || p.Line < 0 || p.Error() == "" {
				t.Fatalf("%+v", p)
			}
		}
		for _, s := range slos {
			for i := range s.Objectives {
				if spec.Promise(&s, &s.Objectives[i]) == "" {
					t.Fatalf("no promise of %+v", s)
				}
			}
			written, err := Export(s, Native)
			if err != nil {
				t.Fatal(err)
			}
			again, problems := Read("", written, slos...)
			if spec.Failed(problems) || len(again) != 1 {
				t.Fatalf("%s\n%v", written, problems)
			}
			if diff := cmp.Diff(s, again[0], cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s\n%s", written, diff)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte("slo: checkout-availability\nservice: checkout-api\noperations: [POST /v1/checkout]\ngood: no errors and within 400ms\nobjective: 99.9% over 30 days\nowner: payments\nlabels: {team: payments}\n")
	b.ReportAllocs()
	for b.Loop() {
		if objects, _ := Parse("slo.yaml", text); len(objects) != 1 {
			b.Fatal("not read")
		}
	}
}
