package slos

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"loadline/slo"
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
	out := screen.Report(p, &report, month)
	out.Title = definition.Title()
	out.Back = p.Link(screen.Path(name))
	out.Error = s.config.Board.Failure("The report", err)
	s.config.Render(w, r, http.StatusOK, page.ReportPage(p, out))
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
