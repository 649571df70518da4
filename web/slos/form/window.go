package form

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/slo/budget"
	"loadline/slo/spec"
)

// A Choice is a value of a field with what people read.
type Choice struct{ Value, Label string }

// Windows are the windows that the form offers.
func Windows() []Choice {
	return []Choice{
		{"7d", "7 days, rolling"},
		{"28d", "28 days, rolling"},
		{"30d", "30 days, rolling"},
		{"90d", "90 days, rolling"},
		{"week", "calendar week"},
		{"month", "calendar month"},
		{"quarter", "calendar quarter"},
	}
}

// Alerts are the policies that the form offers.
func Alerts() []Choice {
	return []Choice{
		{"default", "Page on fast burn, ticket on slow burn"},
		{"page", "Page on fast burn only"},
		{"ticket", "Ticket on slow burn only"},
		{"none", "Nobody"},
		{"sloth", "As Sloth does"},
		{"pyrra", "As Pyrra does"},
		{"custom", "By rules of my own"},
	}
}

// anchor is where the calendar's periods begin: a Monday that begins a month, a quarter and a year.
func anchor() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }

// units are the calendar windows by their choice.
func units() map[string]budget.Unit {
	return map[string]budget.Unit{"week": 'w', "month": 'M', "quarter": 'Q'}
}

func (v Values) window(m Mistakes) budget.Window {
	var w budget.Window
	if unit, ok := units()[v.Window]; ok {
		zone := v.Zone
		if zone == "" {
			zone = "UTC"
		}
		w.Calendar = &budget.Calendar{Start: anchor(), Zone: zone, N: 1, Unit: unit}
	} else {
		var err error
		if w.Length, err = ParseLength(v.Window); err != nil {
			m.add("window", "Write a length such as 30d.")
			return w
		}
	}
	if err := w.Validate(); err != nil {
		field := "window"
		if w.Calendar != nil {
			field = "zone"
		}
		m.add(field, "%s", sentence(err))
	}
	return w
}

func (v *Values) setWindow(w budget.Window) {
	if w.Calendar == nil {
		v.Window = Length(w.Length)
		return
	}
	v.Zone, v.Window = w.Calendar.Zone, "calendar" // which is none that the form reads
	for name, unit := range units() {
		if unit == w.Calendar.Unit {
			v.Window = name
		}
	}
}

// ParseLength reads a length of time such as 90s, 1h30m or 30d.
func ParseLength(text string) (time.Duration, error) {
	if days, rest, ok := strings.Cut(text, "d"); ok && rest == "" {
		n, err := strconv.ParseUint(strings.TrimSpace(days), 10, 16)
		if err != nil {
			return 0, fmt.Errorf("length %q is no number of days", text)
		}
		return time.Duration(n) * budget.Day, nil
	}
	return time.ParseDuration(strings.ReplaceAll(text, " ", ""))
}

// Length writes a length of time as ParseLength reads it.
func Length(d time.Duration) string {
	switch {
	case d > 0 && d%budget.Day == 0:
		return strconv.FormatInt(int64(d/budget.Day), 10) + "d"
	case d >= time.Minute:
		text := d.String()
		if text, ok := strings.CutSuffix(text, "m0s"); ok {
			if hours, ok := strings.CutSuffix(text, "h0"); ok {
				return hours + "h"
			}
			return text + "m"
		}
		return text
	}
	return d.String()
}

// policy reads the alert policy. Its preset is empty when its rules were written out.
func (v Values) policy(m Mistakes, w budget.Window) (p budget.Policy, preset string) {
	if w.Nominal() <= 0 {
		return p, ""
	}
	if v.Alert == "custom" {
		p = budget.DefaultPolicy(w)
		p.Tiers = v.tiers(m)
	} else {
		var known bool
		if p, known = budget.Preset(v.Alert, w); !known {
			m.add("alert", "%q is no alert policy.", v.Alert)
			return p, ""
		}
		preset = v.Alert
	}
	if len(p.Tiers) > 0 && guarded(preset) {
		p.Guard = v.Guard
	}
	if err := p.Validate(w); err != nil {
		m.add("tiers", "%s", sentence(err))
	}
	return p, preset
}

// guarded reports whether a policy asks whether the guard is wanted. The others are as their models are.
func guarded(preset string) bool { return preset != "sloth" && preset != "pyrra" }

// tiers reads rules, one a line: page 14.4x over 1h and 5m. Words in between may be left out.
func (v Values) tiers(m Mistakes) []budget.Tier {
	var out []budget.Tier
	for i, line := range lines(v.Tiers) {
		words := slices.DeleteFunc(strings.Fields(line), func(w string) bool { return w == "over" || w == "and" })
		if len(words) != 4 {
			m.add("tiers", "Line %d: write a rule such as: page 14.4x over 1h and 5m.", i+1)
			continue
		}
		t := budget.Tier{Severity: budget.Severity(words[0])}
		burn, err := budget.ParseRatio(strings.TrimRight(words[1], "x×"))
		if err == nil {
			t.Burn = burn
			t.Long, err = ParseLength(words[2])
		}
		if err == nil {
			t.Short, err = ParseLength(words[3])
		}
		if err != nil {
			m.add("tiers", "Line %d: %s", i+1, sentence(err))
		}
		t.Name = fmt.Sprintf("%s-%s", t.Severity, Length(t.Long))
		out = append(out, t)
	}
	if len(out) == 0 {
		m.add("tiers", "Write at least one rule such as: page 14.4x over 1h and 5m.")
	}
	return out
}

// Tiers writes rules as the form reads them.
func Tiers(tiers []budget.Tier) string {
	var b strings.Builder
	for _, t := range tiers {
		fmt.Fprintf(&b, "%s %sx over %s and %s\n", t.Severity, t.Burn, Length(t.Long), Length(t.Short))
	}
	return strings.TrimSpace(b.String())
}

func (v *Values) setPolicy(o spec.Objective) {
	v.Guard = o.Policy.Guard || len(o.Policy.Tiers) == 0
	v.Alert = o.Preset
	if v.Alert == "" {
		v.Alert, v.Tiers = "custom", Tiers(o.Policy.Tiers)
	}
}
