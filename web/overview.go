package web

import (
	"encoding/csv"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"loadline/query"
	"loadline/web/panel"
	"loadline/web/screen"
	"loadline/web/view"
)

// overview answers the first page. As long as nothing was ever stored that is the welcome page.
func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	if s.redirected(w, r) {
		return
	}
	p := s.page(r, "overview", "Overview")
	p.Crumbs = []view.Crumb{{Label: "Overview"}}
	sc := panel.ScopeOf(p)
	var (
		counts                       *query.Overview
		red                          *query.REDSeries
		services                     []query.ServiceRED
		endpoints                    []query.Endpoint
		deploys                      []query.Deployment
		cErr, rErr, sErr, eErr, dErr error
	)
	ctx, patience := r.Context(), s.config.Patience
	parallel(
		func() { counts, cErr = s.board.Counts(ctx, sc, patience) },
		func() { red, rErr = s.board.RED(ctx, sc, patience) },
		func() { services, sErr = s.board.Services(ctx, sc, patience) },
		func() { endpoints, eErr = s.board.Endpoints(ctx, sc, patience) },
		func() { deploys, dErr = s.board.Deployments(ctx, sc, patience) },
	)
	if cErr == nil && counts.LastEvent.IsZero() {
		http.Redirect(w, r, p.Link("/welcome"), http.StatusFound)
		return
	}
	p.Topics["red"], p.Topics["headline"] = sc.Key("red"), sc.Key("headline")
	fill(&p, counts)
	o := view.Overview{KPIError: s.board.Failure("The key figures", rErr)}
	o.Meta = overviewMeta(p, counts)
	o.Headline = screen.Headline(p, services)
	o.KPIs, o.Latency, o.Rates = s.redPanels(p, sc, red, rErr)
	o.Latency.Sub, o.Latency.Size, o.Rates.Size = "all entry points", "lg", "lg"
	o.Latency.Marks = screen.Marks(deploys, true)
	o.Rates.Title, o.Rates.Sub = "Requests/s", "" // the legend needs the room
	o.Services = s.board.ServicesTable(p, services, sc)
	o.Services.Error = s.board.Failure("The services", sErr)
	o.Endpoints = s.board.EndpointsTable(p, endpoints, sc)
	o.Endpoints.Error, o.Endpoints.Title = s.board.Failure("The endpoints", eErr), "Endpoints"
	o.Slow = screen.Slowest(p, endpoints, s.board.Failure("The slowest requests", eErr))
	o.Deploys = screen.Deployments(p, deploys, s.board.Failure("The deployments", dErr))
	s.render(w, r, http.StatusOK, view.OverviewPage(p, o))
}

// parallel runs functions at the same time and waits for all of them.
func parallel(fns ...func()) {
	var wg sync.WaitGroup
	for _, fn := range fns {
		wg.Go(fn)
	}
	wg.Wait()
}

// fill completes a page with what the counts say.
func fill(p *view.Page, counts *query.Overview) {
	if counts == nil {
		return
	}
	p.Services = counts.Services
}

func overviewMeta(p view.Page, counts *query.Overview) []string {
	if counts == nil {
		return []string{"counting…"}
	}
	meta := []string{
		view.Plural(counts.Services, "service", "services"),
		view.Plural(counts.Endpoints, "endpoint", "endpoints"),
		view.Plural(counts.Instances, "instance", "instances"),
	}
	if !counts.LastEvent.IsZero() {
		meta = append(meta, "last event "+view.Ago(counts.Lag))
	}
	return meta
}

// redPanels are the key figures and charts that every page about requests has.
func (s *Server) redPanels(p view.Page, sc panel.Scope, red *query.REDSeries, err error) (figures []view.KPI, latency, rates view.Chart) {
	if red == nil {
		red = s.noRED(p, sc)
	}
	latency, rates = screen.Latency(red), screen.Rates(red)
	latency.Topic, rates.Topic = sc.Key("red"), sc.Key("red")
	latency.Link = p.Trace("ID")
	latency.Error, rates.Error = s.board.Failure("The latency", err), s.board.Failure("The request rate", err)
	return screen.KPIs(p, red), latency, rates
}

// services answers the table of services at full width.
func (s *Server) services(w http.ResponseWriter, r *http.Request) {
	if s.redirected(w, r) {
		return
	}
	p := s.page(r, "services", "Services")
	p.Crumbs = []view.Crumb{{Label: "Services"}}
	sc := panel.ScopeOf(p)
	sc.Wide = true
	var counts *query.Overview
	var services []query.ServiceRED
	var cErr, sErr error
	parallel(
		func() { counts, cErr = s.board.Counts(r.Context(), sc, s.config.Patience) },
		func() { services, sErr = s.board.Services(r.Context(), sc, s.config.Patience) },
	)
	if cErr != nil {
		counts = nil
	}
	fill(&p, counts)
	o := view.Overview{Meta: overviewMeta(p, counts), Services: s.board.ServicesTable(p, services, sc)}
	o.Services.Error = s.board.Failure("The services", sErr)
	s.render(w, r, http.StatusOK, view.ServicesPage(p, o))
}

// servicesCSV answers the services as a table for spreadsheets.
func (s *Server) servicesCSV(w http.ResponseWriter, r *http.Request) {
	sc := panel.ScopeOf(s.page(r, "", ""))
	services, err := s.board.Services(r.Context(), sc, 0)
	if err != nil {
		s.config.Logger.Warn("services as CSV", "err", err)
		http.Error(w, "the services could not be computed: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="services.csv"`)
	out := csv.NewWriter(w)
	_ = out.Write([]string{"service", "requests", "requests_per_second", "error_ratio", "p50_ms", "p95_ms", "p99_ms", "instances", "version"})
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	for _, row := range services {
		name := row.Service
		if strings.ContainsAny(name[:min(len(name), 1)], "=+-@\t\r") {
			name = "'" + name // a spreadsheet would run it
		}
		_ = out.Write([]string{
			name, number(row.Requests), number(row.RequestRate), number(row.ErrorRate),
			number(screen.Milliseconds(row.P50)), number(screen.Milliseconds(row.P95)), number(screen.Milliseconds(row.P99)),
			fmt.Sprint(row.Instances), row.LastDeploy.Version,
		})
	}
	out.Flush() // an error means that the browser went away
}

// noRED is a series without values, for a page that is sent before its numbers are there.
func (s *Server) noRED(p view.Page, sc panel.Scope) *query.REDSeries {
	r := sc.Range(p.Now)
	none := make([]float64, r.Len())
	for i := range none {
		none[i] = math.NaN()
	}
	zero := make([]float64, r.Len())
	return &query.REDSeries{Range: r, Requests: zero, Errors: zero, P50: none, P90: none, P95: none, P99: none}
}
