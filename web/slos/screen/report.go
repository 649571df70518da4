package screen

import (
	"strconv"
	"strings"
	"time"

	"loadline/slo"
	"loadline/slo/budget"
	"loadline/web/slos/page"
	"loadline/web/view"
)

// Report is the report of a month.
func Report(p view.Page, report *slo.Report, month time.Time) page.Report {
	out := page.Report{
		Month: month.Format("January 2006"), Earlier: p.With("month", month.AddDate(0, -1, 0).Format("2006-01")),
		CSV:     p.With("format", "csv", "month", month.Format("2006-01")),
		Printed: "Made on " + p.Moment(p.Now) + ". Days are of UTC. Corrections are left out of all numbers.",
	}
	if next := month.AddDate(0, 1, 0); next.Before(p.Now) {
		out.Later = p.With("month", next.Format("2006-01"))
	} else {
		out.Month += ", so far"
	}
	for i := range report.Objectives {
		o := &report.Objectives[i]
		if i == 0 {
			out.Promise = o.Promise
		}
		shown := reportObjective(p, o)
		if len(report.Objectives) == 1 {
			shown.Name = "The objective"
		}
		out.Objectives = append(out.Objectives, shown)
	}
	for i := range report.Corrections {
		out.Corrections = append(out.Corrections, Correction(p, &report.Corrections[i]))
	}
	return out
}

func reportObjective(p view.Page, o *slo.ReportObjective) page.ReportObjective {
	out := page.ReportObjective{Name: o.Objective, Verdict: view.Health{State: "ok", Label: "Kept"}}
	switch {
	case o.Total == 0:
		out.Verdict = view.Health{State: "idle", Label: "No data"}
	case !o.Met:
		out.Verdict = view.Health{State: "crit", Label: "Not kept"}
	}
	out.Figures = []page.Figure{
		{ID: "r.a", Label: "Attained", Value: Attained(o.Attained), Unit: " %", Note: "objective " + o.Target.String()},
		{ID: "r.l", Label: "Budget left", Value: Left(o.Left), Note: "of the month"},
		{ID: "r.n", Label: "Bad events", Value: view.Count(float64(o.Bad)), Note: "of " + view.Count(float64(o.Total))},
		{ID: "r.d", Label: "Worst day", Value: worst(o.Days), Note: "by share of bad events"},
		{ID: "r.c", Label: "Measured", Value: view.Whole(o.Coverage), Note: "of the month so far"},
	}
	out.Days = view.Plain{Title: "Day by day", Sub: "share of the month's budget that each spent", Empty: "Nothing was counted.", Heads: []view.Column{
		{Label: "Day"}, {Label: "Attained", Numeric: true}, {Label: "Bad", Numeric: true}, {Label: "Events", Numeric: true}, {Label: "Budget spent", Numeric: true},
	}}
	for _, d := range o.Days {
		if d.Total == 0 {
			out.Days.Rows = append(out.Days.Rows, []view.Cell{{Text: d.Day.Format("2 Jan")}, {Text: view.None}, {Text: view.None}, {Text: "no events", Dim: true}, {Text: view.None}})
			continue
		}
		out.Days.Rows = append(out.Days.Rows, []view.Cell{
			{Text: d.Day.Format("2 Jan")}, {Text: Percent(d.Attained)}, {Text: view.Count(float64(d.Bad))}, {Text: view.Count(float64(d.Total))}, {Text: Left(d.Spent)},
		})
	}
	out.Alerts = view.Plain{Title: "Alerts", Empty: "Nobody had to be told anything.", Heads: []view.Column{{Label: "Time"}, {Label: "What"}, {Label: "Rule"}, {Label: "Why"}}}
	for i := range o.Events {
		if e := &o.Events[i]; e.State == "firing" || e.State == "resolved" {
			out.Alerts.Rows = append(out.Alerts.Rows, []view.Cell{{Text: p.Moment(e.At)}, {Text: Severity(e.Severity) + " " + strings.ToLower(EventWord(e.State))}, {Text: e.Tier}, {Text: e.Reason, Dim: true}})
		}
	}
	return out
}

// worst is the day with the greatest share of bad events.
func worst(days []slo.ReportDay) string {
	text, share := view.None, 0.0
	for _, d := range days {
		if v := budget.Attained(d.Bad, d.Total); d.Total > 0 && 1-v > share {
			text, share = d.Day.Format("2 Jan"), 1-v
		}
	}
	return text
}

// Correction is a stretch of time that does not count.
func Correction(p view.Page, c *slo.Correction) page.Correction {
	return page.Correction{
		ID: strconv.FormatUint(c.ID, 10), From: p.Moment(c.From), To: p.Moment(c.To), Long: view.Span(c.To.Sub(c.From)),
		Reason: c.Reason, Author: c.Author, At: p.Moment(c.At), Withdrawn: c.Withdrawn,
	}
}
