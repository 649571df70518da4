package screen

import (
	"math"
	"strconv"
	"time"

	"loadline/slo"
	"loadline/slo/budget"
	"loadline/slo/budget/forecast"
	"loadline/web/slos/page"
	"loadline/web/view"
)

// Rules is the table of the rules of an objective.
func Rules(st *slo.Status) page.Rules {
	out := page.Rules{Sub: "both windows must exceed the threshold", Period: window(st.Window)}
	for i := range st.Rules {
		out.Rows = append(out.Rows, ruleRow(st, &st.Rules[i], i))
	}
	return out
}

func ruleRow(st *slo.Status, r *slo.RuleStatus, i int) page.Rule {
	out := page.Rule{
		Key: "rule" + strconv.Itoa(i), Class: "ok", Icon: "circle-check", State: "OK",
		Severity: Severity(r.Severity), Threshold: threshold(r.Threshold),
		Short: BurnRate(r.BurnShort), ShortWindow: view.Span(r.Tier.Short), ShortBad: r.BurnShort > r.Threshold,
		Long: BurnRate(r.BurnLong), LongWindow: view.Span(r.Tier.Long), LongBad: r.BurnLong > r.Threshold,
		Gone: view.Span(r.Exhausted), Before: Left(spentBefore(st, r)), Alerts: alerts(r.Alerts),
	}
	if r.Clamped {
		out.ThresholdNote = "lowered from " + threshold(r.Tier.Burn.Float()) + ", which no outage could reach with this objective"
	}
	switch r.State {
	case slo.RuleFiring:
		out.Class, out.Icon, out.State, out.Reason = "crit", "flame", "Firing", r.Reason
		if r.Severity != string(budget.Page) {
			out.Class = "warn"
		}
		if !r.Since.IsZero() {
			out.State += " " + firedFor(st.Evaluated.Sub(r.Since))
		}
	case slo.RuleRising:
		out.Class, out.Icon, out.State, out.Reason = "warn", "triangle-alert", "Rising", r.Reason
	case slo.RuleRecovering:
		out.Class, out.Icon, out.State, out.Reason = "warn", "history", "Recovering", r.Reason
	default:
		if out.ShortBad && out.LongBad { // both windows burn, and yet nobody is told: say why
			out.Class, out.Icon, out.State, out.Reason = "", "minus", "Held back", r.Reason
		}
	}
	return out
}

// firedFor is how long a rule has fired, in minutes once there are some.
func firedFor(d time.Duration) string {
	if d >= time.Minute {
		d = d.Truncate(time.Minute)
	}
	return view.Span(max(d, 0))
}

// spentBefore is the share of the budget that a burn at the threshold has spent when the rule fires.
func spentBefore(st *slo.Status, r *slo.RuleStatus) float64 {
	period := st.Window.Nominal()
	if period <= 0 {
		return math.NaN()
	}
	return r.Threshold * r.Tier.Long.Seconds() / period.Seconds()
}

// Severity is how loudly a rule speaks, as people say it.
func Severity(name string) string {
	switch budget.Severity(name) {
	case budget.Page:
		return "Page"
	case budget.Ticket:
		return "Ticket"
	}
	return name
}

func alerts(n int) string {
	if n == 0 {
		return "0"
	}
	return view.Plural(n, "alert", "alerts")
}

// EventRow is a line of the history of alerts.
func EventRow(p view.Page, e *slo.Event) []view.Cell {
	return []view.Cell{
		{Text: Moment(p, e.At), Title: p.Moment(e.At)},
		{Text: EventWord(e.State)},
		{Text: e.Tier},
		{Text: BurnRate(e.BurnLong)},
		{Text: view.Count(float64(e.BadLong)) + " of " + view.Count(float64(e.TotalLong))},
		{Text: Left(e.Left)},
		{Text: e.Reason, Dim: true},
	}
}

// EventWord is the state of an event as people say it.
func EventWord(state string) string {
	words := map[string]string{
		"pending": "Pending", "firing": "Fired", "resolved": "Resolved", "held": "Held: no data", "guarded": "Held back", "no_data": "No data",
		"data": "Data again", "budget": "Budget passed a mark",
	}
	if w, ok := words[state]; ok {
		return w
	}
	return state
}

// Outlook says how the budget goes on.
func Outlook(p view.Page, st *slo.Status, f forecast.Forecast) view.List {
	l := view.List{Title: "Outlook", Sub: "if things go on like in the last weeks", Empty: "There is not enough history for a forecast."}
	switch {
	case st.Left <= 0:
		item := view.Item{State: "crit", Text: "No budget is left", Right: Left(st.Left), Sub: "and it does not come back as far as the forecast reaches"}
		for _, pt := range f.Points {
			if pt.Left > 0 {
				item.Sub = "there is some again from " + Moment(p, time.Unix(pt.At, 0)) + " on"
				break
			}
		}
		l.Items = append(l.Items, item)
	case !f.Exhausted.IsZero():
		item := view.Item{State: "crit", Text: "No budget left on " + Moment(p, f.Exhausted), Right: "in " + view.Span(f.Exhausted.Sub(p.Now).Round(time.Hour))}
		if !f.Earliest.IsZero() {
			item.Sub = "in four of five cases from " + Moment(p, f.Earliest) + " on"
			if !f.Latest.IsZero() {
				item.Sub += " and before " + Moment(p, f.Latest)
			}
		}
		l.Items = append(l.Items, item)
	case len(f.Points) > 0:
		last := f.Points[len(f.Points)-1]
		l.Items = append(l.Items, view.Item{State: "ok", Text: "The budget lasts", Right: Left(last.Left) + " left", Sub: "on " + Moment(p, time.Unix(last.At, 0)) + "; between " + Left(last.Low) + " and " + Left(last.High) + " in four of five cases"})
	}
	if f.Reason != "" {
		l.Items = append(l.Items, view.Item{Text: "How it is reckoned", Sub: f.Reason})
	}
	if !st.Window.Rolling() && !math.IsNaN(st.Projected) {
		l.Items = append(l.Items, view.Item{State: "ok", Text: "Without another bad event", Right: Left(st.Projected) + " left", Sub: "at the end of the period, with as much traffic as so far"})
	}
	return l
}
