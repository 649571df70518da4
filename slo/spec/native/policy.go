package native

import (
	"math"
	"time"

	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/phrase"
)

// Policy reads when an objective alerts: the name of a policy, or fields. A missing value is the default policy of the
// objective's window, which has to be known.
func Policy(v document.Value, o *spec.Objective) {
	o.Preset = "default"
	o.Policy = budget.DefaultPolicy(o.Window)
	if !v.Set() {
		return
	}
	if !v.IsMap() {
		preset(v, o)
		return
	}
	m := v.Map()
	switch rules := m.Get("rules"); {
	case !rules.Set():
		if v := m.Get("policy"); v.Set() {
			preset(v, o)
		}
	case m.Has("policy"):
		m.Get("policy").Error("stands beside rules", "keep one of them")
	default:
		m.Get("policy")
		o.Preset, o.Policy.Tiers = "", Rules(rules)
	}
	p := &o.Policy
	p.For = duration(m.Get("for"), p.For)
	p.KeepFiring = duration(m.Get("keep_firing"), p.KeepFiring)
	p.MinBad = m.Get("min_bad").Uint(math.MaxInt32, p.MinBad)
	p.Guard = m.Get("guard").Bool(p.Guard)
	p.HoldNoData = m.Get("hold_no_data").Bool(p.HoldNoData)
	p.Clamp = m.Get("clamp").Bool(p.Clamp)
	if v := m.Get("count"); v.Set() {
		p.Mode = mode(v)
	}
	if v := m.Get("no_data"); v.Set() {
		p.NoDataAlert = noData(v)
	}
	m.Done()
}

func preset(v document.Value, o *spec.Objective) {
	name, policy, err := phrase.ParsePreset(v.Text(), o.Window)
	if err != nil {
		phrase.Report(v, err)
		return
	}
	o.Preset, o.Policy = name, policy
}

// Rules reads tiers: sentences, or sentences by the name of the tier.
func Rules(v document.Value) []budget.Tier {
	var tiers []budget.Tier
	for _, item := range v.Items() {
		called := ""
		if item.IsMap() {
			m := item.Map()
			if names := m.Names(); len(names) == 1 {
				called, item = names[0], m.Get(names[0])
			} else {
				item.Error("is no rule", `write "page at 14.4x over 1h and 5m", or with a name "fast: page at 14.4x over 1h and 5m"`)
				continue
			}
		}
		t, err := phrase.ParseRule(item.Text())
		if err != nil {
			phrase.Report(item, err)
			continue
		}
		if called != "" {
			t.Name = called
		}
		tiers = append(tiers, t)
	}
	return tiers
}

func duration(v document.Value, otherwise time.Duration) time.Duration {
	if !v.Set() {
		return otherwise
	}
	text := v.Scalar()
	if text == "0" || text == "0s" || text == "0m" {
		return 0
	}
	d, err := phrase.ParseDuration(text)
	phrase.Report(v, err)
	return d
}

func mode(v document.Value) budget.Mode {
	switch v.Text() {
	case "rate":
		return budget.ByRate
	case "budget":
		return budget.ByBudget
	}
	v.Error("is neither rate nor budget", "write rate to compare the share of bad events, or budget to compare what they take of the period's budget")
	return budget.ByRate
}

func noData(v document.Value) budget.Severity {
	switch text := v.Text(); text {
	case "page", "ticket":
		return budget.Severity(text)
	case "none":
		return ""
	}
	v.Error("is none of page, ticket and none", "say how loudly to tell that nothing can be measured")
	return ""
}
