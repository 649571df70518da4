package export

import (
	"strings"
	"testing"
	"time"

	"loadline/slo/budget"
	"loadline/slo/spec"
)

func TestWriteRefuses(t *testing.T) {
	window := budget.Window{Length: 30 * budget.Day}
	f := func(want string, change func(o *spec.Objective)) {
		t.Helper()
		o := spec.Objective{
			Name: "a", Window: window, Policy: budget.DefaultPolicy(window), Preset: "default",
			Indicator: spec.Indicator{Ratio: &spec.Ratio{Good: "x", Total: "y"}},
		}
		other := o
		other.Name = "b"
		change(&other)
		text, err := Write(spec.SLO{Name: "s", Objectives: []spec.Objective{o, other}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\n%s", err, text)
		}
	}
	f("windows", func(o *spec.Objective) { o.Window.Length = budget.Day })
	f("budgeting methods", func(o *spec.Objective) { o.Method = budget.RatioTimeslices })
	f("alert policies", func(o *spec.Objective) { o.Policy.Guard = false })
	f("empty slices", func(o *spec.Objective) { o.Slices.Empty = budget.EmptyBad })
	if _, err := Write(spec.SLO{Name: "s"}); err == nil {
		t.Error("an SLO without objectives was written")
	}
	_, err := Write(spec.SLO{Name: "s", Objectives: []spec.Objective{{
		Name: "a", Window: budget.Window{Length: 90 * time.Second}, Indicator: spec.Indicator{Ratio: &spec.Ratio{Good: "x", Total: "y"}},
	}}})
	if err == nil || !strings.Contains(err.Error(), "1m30s") {
		t.Error(err)
	}
}
