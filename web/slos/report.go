package slos

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"loadline/slo"
	"loadline/slo/budget"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/view"
)

// report answers the report of a month, as a page or as a table for spreadsheets.
func (s *Pages) report(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	definition, ok := s.config.Engine.SLO(name)
	if !ok {
		s.missing(w, r, name)
		return
	}
	p := s.config.Page(r, "slos", definition.Title()+", report")
	p.Crumbs = crumbs(p, view.Crumb{Label: definition.Title(), Href: p.Link(screen.Path(name))}, view.Crumb{Label: "Report"})
	p.Live = false
	now := p.Now.UTC() // months are of UTC, so that everybody reports the same
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	if text := p.Query.Get("month"); text != "" {
		chosen, err := time.Parse("2006-01", text)
		if err != nil {
			p.Notices = append(p.Notices, "There is no month "+strconv.Quote(text)+": write it as 2026-11. This is the current one.")
		} else {
			month = chosen
		}
	}
	report, err := s.config.Engine.Report(r.Context(), name, month)
	if err == nil && p.Query.Get("format") == "csv" {
		writeCSV(w, name, month, &report)
		return
	}
	out := reportPage(p, &report, month)
	out.Title = definition.Title()
	out.Back = p.Link(screen.Path(name))
	out.Error = s.config.Board.Failure("The report", err)
	s.config.Render(w, r, http.StatusOK, page.ReportPage(p, out))
}

func reportPage(p view.Page, report *slo.Report, month time.Time) page.Report {
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
		out.Objectives = append(out.Objectives, reportObjective(p, o))
	}
	for i := range report.Corrections {
		out.Corrections = append(out.Corrections, correction(p, &report.Corrections[i]))
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
		{ID: "r.a", Label: "Attained", Value: screen.Attained(o.Attained), Unit: " %", Note: "objective " + o.Target.String()},
		{ID: "r.l", Label: "Budget left", Value: screen.Left(o.Left), Note: "of the month"},
		{ID: "r.n", Label: "Bad events", Value: view.Count(float64(o.Bad)), Note: "of " + view.Count(float64(o.Total))},
		{ID: "r.d", Label: "Worst day", Value: worst(p, o.Days), Note: "by share of bad events"},
		{ID: "r.c", Label: "Measured", Value: view.Whole(o.Coverage), Note: "of the month so far"},
	}
	out.Days = view.Plain{Title: "Day by day", Sub: "share of the month's budget that each spent", Empty: "Nothing was counted.", Heads: []view.Column{
		{Label: "Day"}, {Label: "Attained", Numeric: true}, {Label: "Bad", Numeric: true}, {Label: "Events", Numeric: true}, {Label: "Budget spent", Numeric: true},
	}}
	for _, d := range o.Days {
		out.Days.Rows = append(out.Days.Rows, []view.Cell{
			{Text: d.Day.Format("2 Jan")}, {Text: screen.Percent(d.Attained)}, {Text: view.Count(float64(d.Bad))}, {Text: view.Count(float64(d.Total))}, {Text: screen.Left(d.Spent)},
		})
	}
	out.Alerts = view.Plain{Title: "Alerts", Empty: "Nobody had to be told anything.", Heads: []view.Column{{Label: "Time"}, {Label: "What"}, {Label: "Rule"}, {Label: "Why"}}}
	for i := range o.Events {
		if e := &o.Events[i]; e.State == "firing" || e.State == "resolved" {
			out.Alerts.Rows = append(out.Alerts.Rows, []view.Cell{{Text: p.Moment(e.At)}, {Text: screen.Severity(e.Severity) + " " + strings.ToLower(screen.EventWord(e.State))}, {Text: e.Tier}, {Text: e.Reason, Dim: true}})
		}
	}
	return out
}

// worst is the day with the greatest share of bad events.
func worst(p view.Page, days []slo.ReportDay) string {
	text, share := view.None, 0.0
	for _, d := range days {
		if v := budget.Attained(d.Bad, d.Total); d.Total > 0 && 1-v > share {
			text, share = d.Day.Format("2 Jan"), 1-v
		}
	}
	return text
}

// writeCSV answers with a line for each day and objective.
func writeCSV(w http.ResponseWriter, name string, month time.Time, report *slo.Report) {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="slo-%s-%s.csv"`, name, month.Format("2006-01")))
	out := csv.NewWriter(w)
	_ = out.Write([]string{"slo", "objective", "target", "day", "bad", "total", "attained", "budget_spent"})
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }
	for i := range report.Objectives {
		o := &report.Objectives[i]
		for _, d := range o.Days {
			_ = out.Write([]string{
				name, o.Objective, o.Target.Text(), d.Day.Format("2006-01-02"), strconv.FormatUint(d.Bad, 10), strconv.FormatUint(d.Total, 10),
				number(d.Attained), number(d.Spent),
			})
		}
	}
	out.Flush() // an error means that the browser went away
}
