package slos

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"loadline/slo"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/slos/sheet"
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
	table := p.Query.Get("format") == "csv"
	now := p.Now.UTC() // months are of UTC, so that everybody reports the same
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	if text := p.Query.Get("month"); text != "" {
		chosen, err := time.Parse("2006-01", text)
		if err != nil && table {
			http.Error(w, "there is no month "+strconv.Quote(text)+": write it as 2026-11", http.StatusBadRequest)
			return
		}
		if err != nil {
			p.Notices = append(p.Notices, "There is no month "+strconv.Quote(text)+": write it as 2026-11. This is the current one.")
		} else {
			month = chosen
		}
	}
	report, err := s.config.Engine.Report(r.Context(), name, month)
	failure := s.config.Board.Failure("The report", err)
	switch {
	case table && err != nil:
		http.Error(w, "the report could not be computed: "+err.Error(), http.StatusInternalServerError)
		return
	case table:
		s.table(w, month, &report)
		return
	}
	out := screen.Report(p, &report, month)
	out.Title = definition.Title()
	out.Back = p.Link(screen.Path(name))
	out.Error = failure
	s.config.Render(w, r, http.StatusOK, page.ReportPage(p, out))
}

// table answers the report as a table for spreadsheets.
func (s *Pages) table(w http.ResponseWriter, month time.Time, report *slo.Report) {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="slo-%s-%s.csv"`, report.SLO, month.Format("2006-01")))
	if err := sheet.Write(w, report); err != nil { // the browser went away
		s.config.Logger.Debug("report not sent", "slo", report.SLO, "err", err)
	}
}
