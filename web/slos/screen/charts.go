package screen

import (
	"cmp"
	"math"
	"slices"
	"time"

	"loadline/query"
	"loadline/slo"
	"loadline/slo/backtest"
	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/web/screen"
	"loadline/web/slos/page"
	"loadline/web/view"
)

// columnsOf are a chart's times.
func columnsOf(from time.Time, step time.Duration) view.Columns {
	return view.Columns{T0: from.Unix(), Step: max(int64(step/time.Second), 1)}
}

// hundredfold writes shares as percent.
func hundredfold(values []float64) view.Numbers {
	out := make(view.Numbers, len(values))
	for i, v := range values {
		out[i] = v * 100
	}
	return out
}

// Budget draws what is left of the budget beside an even spend, with incidents, corrections and deployments.
func Budget(st *slo.Status, b slo.BudgetChart, marks []view.Mark, corrected []slo.Correction) page.Chart {
	c := page.Chart{Chart: view.Chart{
		ID: "budget", Title: "Error budget left", Sub: window(st.Window), Unit: "pct", Floor: 100, Size: "lg", Marks: marks,
		Series: []view.Series{{Label: "Even spend", Color: "idle"}, {Label: "Left", Color: "c1", Area: true}},
		Empty:  "Nothing was counted yet", Columns: columnsOf(b.From, b.Step),
	}, Dash: []int{0}}
	c.Y = []view.Numbers{hundredfold(b.Even), hundredfold(b.Left)}
	c.Zones = append(incidentZones(b.Incidents), correctionZones(corrected)...)
	if st.Coverage > 0 && st.Coverage < 0.995 { // what is left now is of the events so far, and the chart is not
		c.Sub += ", of a whole window's budget"
	}
	c.Least = least(b.Left)
	if shown := time.Duration(max(len(b.Left)-1, 0)) * b.Step; shown > 0 && shown < st.Window.Nominal()/2 {
		c.Sub = "the " + view.Span(shown.Round(time.Minute)) + " that were counted"
	}
	return c
}

// least is how far down the chart of a budget reaches: to where it is now, or once the budget below nothing. In the
// beginning of a history a few bad events may be many times the budget of the few events so far.
func least(values []float64) float64 {
	out := -100.0
	for _, v := range values[max(len(values)-max(len(values)/4, 2), 0):] {
		if v*125 < out {
			out = v * 125
		}
	}
	return out
}

// maxZones is how many stretches of a chart are tinted. More hide it.
const maxZones = 12

// incidentZones are the incidents with the most bad events.
func incidentZones(list []backtest.Incident) []page.Zone {
	worst := slices.SortedFunc(slices.Values(list), func(a, b backtest.Incident) int { return cmp.Compare(b.Bad, a.Bad) })
	var out []page.Zone
	for _, i := range worst[:min(len(worst), maxZones)] {
		out = append(out, page.Zone{From: i.From, To: i.To, Color: "crit"})
	}
	return out
}

func correctionZones(list []slo.Correction) []page.Zone {
	var out []page.Zone
	for _, c := range list {
		if !c.Withdrawn {
			out = append(out, page.Zone{From: c.From.Unix(), To: c.To.Unix(), Color: "idle"})
		}
	}
	return out
}

// Burn draws the burn rates of the windows of the fastest page with the thresholds of all rules.
func Burn(st *slo.Status, b slo.BurnChart, marks []view.Mark) page.Chart {
	c := page.Chart{Chart: view.Chart{
		ID: "burn", Title: "Burn rate", Sub: "1× spends the budget exactly", Unit: "burn", Size: "lg", Marks: marks, Empty: "Nothing was counted in this range",
		Columns: columnsOf(b.From, b.Step),
	}}
	colors := []string{"c1", "err", "c3", "c2"}
	for i, line := range b.Lines {
		c.Series = append(c.Series, view.Series{Label: view.Span(line.Window), Color: colors[min(i, len(colors)-1)]})
		c.Y = append(c.Y, view.Numbers(line.Values))
	}
	var levels []Level
	for i := range st.Rules {
		levels = append(levels, Level{budget.Severity(st.Rules[i].Severity), st.Rules[i].Threshold})
	}
	c.Lines, c.Floor = Lines(levels)
	Bound(&c)
	return c
}

// Bound cuts a chart of burn rates off far above its highest threshold, which would not be seen otherwise: a total outage
// burns a thousand times too fast.
func Bound(c *page.Chart) {
	var highest, top float64
	for _, l := range c.Lines {
		highest = max(highest, l.Value)
	}
	for _, y := range c.Y {
		for _, v := range y {
			if v > top { // not NaN
				top = v
			}
		}
	}
	c.Most = 4 * highest
	if highest > 0 && top > c.Most {
		c.Sub = "cut off at " + BurnRate(c.Most)
	}
}

// A Level is the burn rate above which a rule speaks, which is less than what was asked for where a total outage would not
// reach that.
type Level struct {
	Severity budget.Severity
	Burn     float64
}

// Levels are those of a policy's tiers.
func Levels(target budget.Target, window budget.Window, policy budget.Policy) []Level {
	var out []Level
	for _, t := range policy.Tiers {
		burn, _ := budget.Compile(target, t, policy, window.Nominal()).Threshold()
		out = append(out, Level{t.Severity, burn})
	}
	return out
}

// Lines are the thresholds of rules as lines of a chart, and how high the chart has to be for the lowest page.
func Lines(levels []Level) (lines []page.Line, floor float64) {
	floor = math.Inf(1)
	for _, t := range levels {
		l := page.Line{Value: t.Burn, Label: string(t.Severity) + " " + threshold(t.Burn), Color: "warn"}
		if t.Severity == budget.Page {
			l.Color = "crit"
		}
		lines = append(lines, l)
		if t.Severity == budget.Page || math.IsInf(floor, 1) {
			floor = min(floor, l.Value*1.15)
		}
	}
	if math.IsInf(floor, 1) {
		floor = 2
	}
	return lines, floor
}

// Unevaluated is the status of an objective that the engine has not evaluated yet.
func Unevaluated(s *spec.SLO, o *spec.Objective) slo.Status {
	none := math.NaN()
	return slo.Status{
		Ref: slo.Ref{SLO: s.Name, Objective: o.Name}, Title: s.Title(), Promise: spec.Promise(s, o), Service: s.Service, Owner: s.Owner, Runbook: s.Runbook,
		Target: o.Target, Window: o.Window, Method: o.Method, Health: slo.Counting,
		Attained: none, Left: none, Projected: none, Burn1h: none, Low: none, High: none, OneBad: none,
	}
}

// Deploys are the deployments of an objective's service as charts mark them.
func Deploys(st *slo.Status, list []query.Deployment) []view.Mark {
	if st.Service == "" {
		return nil
	}
	return screen.Marks(list, false)
}
