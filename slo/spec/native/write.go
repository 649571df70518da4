package native

import (
	"slices"
	"strconv"

	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/phrase"
)

// Write writes an SLO in the short form. [Read] reads it back as the same.
func Write(s spec.SLO) ([]byte, error) {
	b := document.NewBuilder()
	b.Text("slo", s.Name)
	b.Text("title", s.DisplayName)
	b.Text("description", s.Description)
	b.Text("service", s.Service)
	objectives := make([]*document.Builder, len(s.Objectives))
	for i := range s.Objectives {
		objectives[i] = objective(&s.Objectives[i], s.Service)
	}
	switch o := s.Objectives; {
	case len(o) == 1 && o[0].Name == "default" && o[0].DisplayName == "":
		b.Add(objectives[0])
	case len(o) == 1:
		b.Maps("objectives", []*document.Builder{named(&o[0], objectives[0])})
	case len(o) > 1:
		b.Share(objectives, "objective")
		for i := range objectives {
			objectives[i] = named(&o[i], objectives[i])
		}
		b.Maps("objectives", objectives)
	}
	b.Text("owner", s.Owner)
	b.Text("runbook", s.Runbook)
	b.Texts("notify", s.Notify)
	b.Labels("labels", s.Labels)
	b.Sorted("annotations", s.Annotations)
	return b.YAML()
}

func named(o *spec.Objective, fields *document.Builder) *document.Builder {
	b := document.NewBuilder()
	b.Text("name", o.Name)
	b.Text("title", o.DisplayName)
	b.Add(fields)
	return b
}

func objective(o *spec.Objective, service string) *document.Builder {
	b := document.NewBuilder()
	indicator(b, &o.Indicator, service)
	goal := phrase.Goal{Target: o.Target, Method: o.Method, Slice: o.Slices.Length, Window: o.Window}
	b.Text("objective", goal.String())
	b.Text("slices", phrase.FormatSlices(o.Slices.Target, o.Slices.Empty))
	writePolicy(b, o)
	return b
}

func indicator(b *document.Builder, i *spec.Indicator, service string) {
	switch {
	case i.Spans != nil:
		s := i.Spans
		if s.Service != service {
			b.Text("spans_of", s.Service)
		}
		b.Text("env", s.Env)
		b.Texts("operations", s.Operations)
		b.Texts("kinds", s.Kinds)
		b.Text("where", phrase.FormatWhere(s.Matchers))
		b.Text("good", phrase.FormatGood(s.Bad))
		b.Text("bad", phrase.FormatWhere(s.Bad.Matchers))
		b.Text("group_by", s.GroupBy)
		if s.MaxGroups > 0 {
			b.Number("max_groups", strconv.Itoa(s.MaxGroups))
		}
	case i.Ratio != nil:
		m := document.NewBuilder()
		m.Text("good", i.Ratio.Good)
		m.Text("bad", i.Ratio.Bad)
		m.Text("total", i.Ratio.Total)
		b.Map("ratio", m)
	case i.Threshold != nil:
		b.Text("gauge", i.Threshold.Query)
		b.Text("good", phrase.FormatComparison(i.Threshold.Op, i.Threshold.Value))
	case i.Composite != nil:
		b.Text("combine", phrase.FormatComposite(i.Composite))
	}
}

// writePolicy writes when an objective alerts: nothing for the default, a name where that says it all, else fields.
func writePolicy(b *document.Builder, o *spec.Objective) {
	base, ok := budget.Preset(o.Preset, o.Window)
	m := document.NewBuilder()
	if ok && slices.Equal(base.Tiers, o.Policy.Tiers) {
		fields := document.NewBuilder()
		Knobs(fields, o.Policy, base)
		if yaml, err := fields.YAML(); err == nil && string(yaml) == "{}\n" {
			if o.Preset != "default" {
				b.Text("alert", phrase.FormatPreset(o.Preset))
			}
			return
		}
		m.Text("policy", phrase.FormatPreset(o.Preset))
		m.Add(fields)
	} else {
		writeRules(m, o.Policy.Tiers)
		Knobs(m, o.Policy, budget.DefaultPolicy(o.Window))
	}
	b.Map("alert", m)
}

// FormatAlert is when an objective alerts as a text that [Policy] reads: empty for the default, the name of a policy, or
// YAML with fields.
func FormatAlert(o *spec.Objective) string {
	b := document.NewBuilder()
	writePolicy(b, o)
	return b.Single()
}

func writeRules(b *document.Builder, tiers []budget.Tier) {
	if !slices.ContainsFunc(tiers, func(t budget.Tier) bool { return t.Name != phrase.RuleName(t) }) && len(tiers) > 0 {
		list := make([]string, len(tiers))
		for i, t := range tiers {
			list[i] = phrase.FormatRule(t)
		}
		b.List("rules", list)
		return
	}
	list := make([]*document.Builder, len(tiers))
	for i, t := range tiers {
		list[i] = document.NewBuilder()
		list[i].Text(t.Name, phrase.FormatRule(t))
	}
	b.Maps("rules", list)
}

// Knobs writes what a policy has otherwise than another, but for its rules.
func Knobs(b *document.Builder, p, base budget.Policy) {
	if p.For != base.For {
		b.Text("for", phrase.FormatDuration(p.For))
	}
	if p.KeepFiring != base.KeepFiring {
		b.Text("keep_firing", phrase.FormatDuration(p.KeepFiring))
	}
	if p.MinBad != base.MinBad {
		b.Number("min_bad", strconv.FormatUint(p.MinBad, 10))
	}
	if p.Guard != base.Guard {
		b.Bool("guard", p.Guard)
	}
	if p.HoldNoData != base.HoldNoData {
		b.Bool("hold_no_data", p.HoldNoData)
	}
	if p.Clamp != base.Clamp {
		b.Bool("clamp", p.Clamp)
	}
	if p.Mode != base.Mode {
		b.Text("count", []string{"rate", "budget"}[p.Mode])
	}
	if p.NoDataAlert != base.NoDataAlert {
		severity := string(p.NoDataAlert)
		if severity == "" {
			severity = "none"
		}
		b.Text("no_data", severity)
	}
}
