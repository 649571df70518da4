// Package screen shapes what the engine of objectives says like the pages that show it.
package screen

import (
	"math"
	"net/url"
	"strconv"
	"time"

	"loadline/slo"
	"loadline/slo/budget"
	"loadline/web/view"
)

// Attained writes a share that is close to 1 with enough digits to tell it from 1, rounded down: 99.931.
func Attained(share float64) string {
	switch {
	case math.IsNaN(share):
		return view.None
	case share >= 1:
		return "100"
	case share <= 0:
		return "0"
	}
	digits := min(max(int(math.Ceil(-math.Log10(1-share)))-1, 2), 6)
	scale := math.Pow10(digits)
	return strconv.FormatFloat(math.Floor(share*100*scale+1e-9)/scale, 'f', digits, 64)
}

// Percent is attained with its unit.
func Percent(share float64) string {
	if text := Attained(share); text != view.None {
		return text + "%"
	}
	return view.None
}

// Left writes what is left of a budget, which may be less than nothing.
func Left(share float64) string {
	v := share * 100
	switch {
	case math.IsNaN(v):
		return view.None
	case v < 0:
		return "−" + Left(-share)
	case v >= 99.95 || v == 0 || v >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64) + "%"
	case v < 0.05:
		return "<0.1%"
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + "%"
}

// BurnRate writes how many times too fast a budget is spent.
func BurnRate(v float64) string {
	switch {
	case math.IsNaN(v):
		return view.None
	case v == 0:
		return "0×"
	case v < 0.05:
		return "<0.1×"
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64) + "×"
	}
	return view.Count(v) + "×"
}

// threshold writes a burn rate as it is configured.
func threshold(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + "×" }

// window writes a window in a few letters: 30 d, 1 month.
func window(w budget.Window) string {
	if w.Calendar == nil {
		return view.Span(w.Length)
	}
	return w.String()
}

// exhausted writes when no budget is left.
func exhausted(s *slo.Status) string {
	switch {
	case math.IsNaN(s.Left):
		return view.None
	case s.Left <= 0:
		return "gone"
	case s.Exhausted == nil:
		return "never"
	case *s.Exhausted > 365*budget.Day:
		return "over a year"
	}
	return view.Span(*s.Exhausted)
}

// soon reports whether the budget ends within its period.
func soon(s *slo.Status) bool {
	return s.Left <= 0 || s.Exhausted != nil && *s.Exhausted < s.Window.Nominal()
}

// firing is the rule that fires, the loudest one; nil without one.
func firing(s *slo.Status) *slo.RuleStatus {
	var out *slo.RuleStatus
	for i := range s.Rules {
		r := &s.Rules[i]
		if r.State == slo.RuleFiring && (out == nil || out.Severity != string(budget.Page) && r.Severity == string(budget.Page)) {
			out = r
		}
	}
	return out
}

// Health is an objective in a word, with the reason behind it.
func Health(s *slo.Status) view.Health {
	if r := firing(s); r != nil {
		if r.Severity == string(budget.Page) {
			return view.Health{State: "crit", Label: "Fast burn", Why: r.Reason}
		}
		if s.Health != slo.Breached {
			return view.Health{State: "warn", Label: "Slow burn", Why: r.Reason}
		}
	}
	switch s.Health {
	case slo.Breached:
		return view.Health{State: "crit", Label: "Breached", Why: "No error budget is left"}
	case slo.AtRisk:
		return view.Health{State: "warn", Label: "At risk", Why: "The budget will be gone before its period ends"}
	case slo.Healthy:
		return view.Health{State: "ok", Label: "Met", Why: "The objective is met and its budget lasts"}
	case slo.Counting:
		return view.Health{State: "idle", Label: "Counting", Why: "Its past is still being counted"}
	}
	return view.Health{State: "idle", Label: "No data", Why: "Nothing was measured in its window"}
}

// meterClass colours what is left of a budget.
func meterClass(share float64) string {
	switch {
	case math.IsNaN(share):
		return "acc"
	case share <= 0.05:
		return "crit"
	case share < 0.25:
		return "warn"
	}
	return ""
}

// Moment writes a time for a person, short when it is recent.
func Moment(p view.Page, t time.Time) string {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	if t = t.In(zone); p.Now.Sub(t) < 20*time.Hour && p.Now.After(t) {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 15:04")
}

// Path is the address of an SLO's page or of one below it.
func Path(name string, below ...string) string {
	out := "/slos/" + url.PathEscape(name)
	for _, b := range below {
		out += "/" + b
	}
	return out
}

// RefPairs name an objective in an address. What goes without saying is left out.
func RefPairs(ref slo.Ref, only bool) []string {
	objective := ref.Objective
	if only {
		objective = ""
	}
	return []string{"objective", objective, "group", ref.Group}
}
