// Package rules writes SLOs as recording and alerting rules of Prometheus, for those who evaluate them elsewhere. Spans
// are counted by the metric traces_span_duration_seconds that Loadline computes from them.
package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"loadline/query/promql/expression"
	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/phrase"
)

const head = `# Rules of SLO %q for Prometheus. They say less than Loadline's own evaluation: they extrapolate counters, see latencies
# by the bucket, know nothing of corrections and late events, and neither guard against low traffic nor correct for the
# age of an SLO.
`

// Write writes the rules of an SLO: the share of bad events over each window of its policy and over its period if that is
// rolling, and an alert for each rule. It fails where Prometheus cannot count what the SLO counts.
func Write(s spec.SLO) ([]byte, error) {
	recording, alerting := []*document.Builder{}, []*document.Builder{}
	for i := range s.Objectives {
		o := &s.Objectives[i]
		if err := expressible(o); err != nil {
			return nil, fmt.Errorf("SLO %q, objective %q: %w", s.Name, o.Name, err)
		}
		for _, window := range windows(o) {
			text, err := share(o, window)
			if err != nil {
				return nil, fmt.Errorf("SLO %q, objective %q: %w", s.Name, o.Name, err)
			}
			recording = append(recording, record(&s, o, window, text))
		}
		for _, t := range o.Policy.Tiers {
			alerting = append(alerting, alert(&s, o, t))
		}
	}
	var groups []*document.Builder
	for _, g := range []struct {
		suffix string
		rules  []*document.Builder
	}{{"share", recording}, {"alerts", alerting}} {
		if len(g.rules) > 0 {
			b := document.NewBuilder()
			b.Text("name", "slo-"+s.Name+"-"+g.suffix)
			b.Maps("rules", g.rules)
			groups = append(groups, b)
		}
	}
	b := document.NewBuilder()
	b.Maps("groups", groups)
	text, err := b.YAML()
	return append(fmt.Appendf(nil, head, s.Name), text...), err
}

// expressible refuses what rules cannot do.
func expressible(o *spec.Objective) error {
	switch {
	case o.Indicator.Composite != nil:
		return fmt.Errorf("composites have no Prometheus rules: export their parts")
	case o.Method != budget.Occurrences:
		return fmt.Errorf("slices of time have no Prometheus rules: make it an objective of events")
	case o.Policy.Mode != budget.ByRate:
		return fmt.Errorf("policies that count by budget have no Prometheus rules: count by rate")
	}
	return nil
}

// windows are those of the policy and the rolling one of the objective, the shortest first.
func windows(o *spec.Objective) []time.Duration {
	var list []time.Duration
	for _, t := range o.Policy.Tiers {
		list = append(list, t.Long, t.Short)
	}
	if o.Window.Calendar == nil {
		list = append(list, o.Window.Length)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// share is the expression for the share of bad events in a window.
func share(o *spec.Objective, window time.Duration) (string, error) {
	// No series of good events, or of bad ones, means that there was none.
	of := func(part, total string) string {
		text := "((" + part + ") or vector(0)) / (" + total + ")"
		return strings.ReplaceAll(text, expression.Window, phrase.FormatDuration(window))
	}
	switch i := &o.Indicator; {
	case i.Ratio != nil && i.Ratio.Bad != "":
		return of(i.Ratio.Bad, i.Ratio.Total), nil
	case i.Ratio != nil:
		return "1 - " + of(i.Ratio.Good, i.Ratio.Total), nil
	case i.Threshold != nil:
		t := i.Threshold
		query := "(" + expression.At(t.Query, time.Minute) + ")"
		each := "[" + phrase.FormatDuration(window) + ":1m]"
		return fmt.Sprintf("1 - sum(sum_over_time((%s %s bool %v)%s)) / sum(count_over_time(%s%s))", query, t.Op, t.Value, each, query, each), nil
	}
	good, total, err := spans(o.Indicator.Spans)
	if err != nil {
		return "", err
	}
	return "1 - " + of(good, total), nil
}

func name(window time.Duration) string { return "slo:bad_events:ratio" + phrase.FormatDuration(window) }

func labels(s *spec.SLO, o *spec.Objective) *document.Builder {
	b := document.NewBuilder()
	b.Text("slo", s.Name)
	b.Text("objective", o.Name)
	b.Text("service", s.Service)
	return b
}

func record(s *spec.SLO, o *spec.Objective, window time.Duration, text string) *document.Builder {
	b := document.NewBuilder()
	b.Text("record", name(window))
	b.Text("expr", text)
	b.Map("labels", labels(s, o))
	return b
}

func alert(s *spec.SLO, o *spec.Objective, t budget.Tier) *document.Builder {
	limit := budget.Compile(o.Target, t, o.Policy, o.Window.Nominal()).Limit()
	above := func(window time.Duration) string {
		return fmt.Sprintf("%s{slo=%q, objective=%q} > %s", name(window), s.Name, o.Name, limit)
	}
	b, marks, notes := document.NewBuilder(), labels(s, o), document.NewBuilder()
	b.Text("alert", "SLOBurnRate")
	b.Text("expr", above(t.Long)+"\nand\n"+above(t.Short))
	if wait := max(t.For, o.Policy.For); wait > 0 {
		b.Text("for", phrase.FormatDuration(wait))
	}
	if o.Policy.KeepFiring > 0 {
		b.Text("keep_firing_for", phrase.FormatDuration(o.Policy.KeepFiring))
	}
	marks.Text("severity", string(t.Severity))
	marks.Text("tier", t.Name)
	b.Map("labels", marks)
	notes.Text("summary", s.Title()+" burns its error budget "+t.Burn.String()+" times too fast")
	notes.Text("promise", spec.Promise(s, o))
	notes.Text("runbook_url", s.Runbook)
	b.Map("annotations", notes)
	return b
}
