package web

import (
	"context"
	"net/http"
	"strconv"

	"loadline/query"
	"loadline/query/facet"
	"loadline/query/search"
	"loadline/web/panel"
	"loadline/web/screen"
	"loadline/web/view"
)

// answers are what the page of a service is made from. Only what its tab shows is asked.
type answers struct {
	row       *query.ServiceRED
	red       *query.REDSeries
	heat      *query.HeatmapSeries
	endpoints []query.Endpoint
	edges     []query.Edge
	deploys   []query.Deployment
	instances []query.Instance
	facets    *facet.Facets
	failed    *search.List

	rowErr, redErr, heatErr, endpointErr, edgeErr, deployErr, instanceErr, facetErr, failedErr error
}

// service answers the page of one service.
func (s *Server) service(w http.ResponseWriter, r *http.Request) {
	if s.redirected(w, r) {
		return
	}
	name := r.PathValue("name")
	p := s.page(r, "services", name)
	p.Crumbs = []view.Crumb{{Label: "Services", Href: p.Link("/services")}, {Label: name}}
	sc := panel.ScopeOf(p)
	sc.Service, sc.Sort = name, ""
	tab := p.Query.Get("tab")
	a := s.askService(r.Context(), p, sc, tab)
	p.Topics["red"] = sc.Key("red")
	v := view.Service{Name: name, Tab: tab, TracesAt: p.Link("/traces", "q", screen.Filter("service", name)), Health: view.Health{State: "idle", Label: "No data"}}
	screen.ServiceHead(p, &v, a.row, a.instances)
	v.Tabs = serviceTabs(p, &a, name, tab)
	if a.rowErr == nil && a.row == nil {
		v.Missing = &view.Empty{
			Text:   "No span of " + name + " in this range. It may be idle, or its name may be spelled differently.",
			Action: view.Choice{Label: "Show the last 7 days", Href: p.With("range", "7d", "from", "", "to", "")},
		}
	} else {
		s.fillService(p, &v, &a, sc)
	}
	s.render(w, r, http.StatusOK, view.ServicePage(p, v))
}

func (s *Server) askService(ctx context.Context, p view.Page, sc panel.Scope, tab string) answers {
	var a answers
	patience := s.config.Patience
	all := sc
	all.Service = ""
	ask := []func(){
		func() {
			var list []query.ServiceRED
			list, a.rowErr = s.board.Services(ctx, all, patience)
			for i := range list {
				if list[i].Service == sc.Service {
					a.row = &list[i]
				}
			}
		},
		func() { a.endpoints, a.endpointErr = s.board.Endpoints(ctx, sc, patience) },
		func() { a.edges, a.edgeErr = s.board.Edges(ctx, sc, patience) },
	}
	more := map[string][]func(){
		"": {
			func() { a.red, a.redErr = s.board.RED(ctx, sc, patience) },
			func() { a.heat, a.heatErr = s.board.Heat(ctx, sc, patience) },
			func() { a.deploys, a.deployErr = s.board.Deployments(ctx, sc, patience) },
		},
		"instances": {func() { a.instances, a.instanceErr = s.config.Store.Instances(ctx, sc.Service, sc.Range(p.Now)) }},
		"deployments": {func() {
			// Versions are rare: all of the last weeks, not only of the range.
			wide := panel.Scope{Env: sc.Env, Service: sc.Service, Length: "30d"}
			a.deploys, a.deployErr = s.board.Deployments(ctx, wide, patience)
		}},
		"errors": {
			func() {
				q := search.Query{Selector: sc.Selector(), Range: sc.Range(p.Now), ErrorsOnly: true}
				a.facets, a.facetErr = s.config.Store.Facets(ctx, q, []string{"error.type", "operation", "http.response.status_code"})
			},
			func() {
				q := search.Query{Selector: sc.Selector(), Range: sc.Range(p.Now), ErrorsOnly: true, Limit: 20}
				a.failed, a.failedErr = s.config.Store.SearchTraces(ctx, q)
			},
		},
	}
	parallel(append(ask, more[tab]...)...)
	return a
}

// serviceTabs are the tabs of a service that have something to show.
func serviceTabs(p view.Page, a *answers, name, current string) []view.Choice {
	var calls int
	for _, e := range a.edges {
		if e.Client == name || e.Server == name {
			calls++
		}
	}
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	var instances int
	var failing float64
	if a.row != nil {
		instances, failing = a.row.Instances, a.row.Errors
	}
	tabs := []struct{ id, label, count string }{
		{"", "Overview", ""},
		{"endpoints", "Endpoints", number(len(a.endpoints))},
		{"errors", "Errors", view.Positive(failing)},
		{"dependencies", "Dependencies", number(calls)},
		{"instances", "Instances", number(instances)},
		{"deployments", "Deployments", ""},
	}
	var out []view.Choice
	for _, t := range tabs {
		out = append(out, view.Choice{Label: t.label, Count: t.count, Current: t.id == current, Href: p.Service(name, "tab", t.id)})
	}
	return out
}

func (s *Server) fillService(p view.Page, v *view.Service, a *answers, sc panel.Scope) {
	name := sc.Service
	var requests float64
	if a.row != nil {
		requests = a.row.Requests
		if !a.row.Inbound {
			v.Notice = "Only client and internal spans arrive from " + name + ". Add instrumentation for its HTTP, RPC or message server to see the requests that it answers."
		}
	}
	switch v.Tab {
	case "endpoints":
		sc.Wide = true
		v.Endpoints = s.board.EndpointsTable(p, a.endpoints, sc)
		v.Endpoints.Error = s.board.Failure("The endpoints", a.endpointErr)
	case "errors":
		v.ErrorsFailed = s.board.Failure("The errors", a.facetErr)
		if a.facets != nil {
			v.ErrorGroups = screen.ErrorGroups(p, a.facets, name)
		}
		if a.failed != nil {
			v.Failed = screen.Traces(p, a.failed)
		}
		v.Failed.Error = s.board.Failure("The failed requests", a.failedErr)
		v.Failed.Empty = view.Empty{Text: "No request of " + name + " failed in this range."}
	case "dependencies":
		v.Calls = screen.Dependencies(p, a.edges, name, false, requests, false)
		v.Callers = screen.Dependencies(p, a.edges, name, true, requests, false)
		v.Calls.Error = s.board.Failure("The dependencies", a.edgeErr)
	case "instances":
		v.Instances = screen.Instances(p, a.instances)
		v.Instances.Error = s.board.Failure("The instances", a.instanceErr)
	case "deployments":
		v.Deployments = screen.Versions(p, a.deploys)
		v.Deployments.Error = s.board.Failure("The deployments", a.deployErr)
	default:
		s.fillServiceOverview(p, v, a, sc, requests)
	}
}

func (s *Server) fillServiceOverview(p view.Page, v *view.Service, a *answers, sc panel.Scope, requests float64) {
	v.KPIs, v.Latency, v.Rates = s.redPanels(p, sc, a.red, a.redErr)
	v.Latency.Marks = screen.Marks(a.deploys, false)
	v.Rates.Marks = v.Latency.Marks
	red := a.red
	if red == nil {
		red = s.noRED(p, sc)
	}
	v.Errors = screen.Errors(red)
	v.Errors.Topic, v.Errors.Marks = sc.Key("red"), v.Latency.Marks
	v.Errors.Error = s.board.Failure("The error rate", a.redErr)
	v.Rates.Size, v.Errors.Size = "sm", "sm"
	heat := a.heat
	if heat == nil {
		heat = &query.HeatmapSeries{}
	}
	v.Heat = screen.Heat(heat, "heat", p.Link("/traces", "q", screen.Filter("service", sc.Service)))
	v.Heat.Topic, v.Heat.Sub = sc.Key("heat"), "drag a box to see its traces"
	v.Heat.Error = s.board.Failure("The latency distribution", a.heatErr)
	v.Endpoints = s.board.EndpointsTable(p, a.endpoints, sc)
	v.Endpoints.Error = s.board.Failure("The endpoints", a.endpointErr)
	if len(a.endpoints) > panel.FewEndpoints {
		v.Endpoints.More = view.Choice{Label: "All " + strconv.Itoa(len(a.endpoints)), Href: p.Service(sc.Service, "tab", "endpoints")}
	}
	v.Calls = screen.Dependencies(p, a.edges, sc.Service, false, requests, true)
	v.Calls.Error = s.board.Failure("The dependencies", a.edgeErr)
	v.Calls.More = view.Choice{Label: "All", Href: p.Service(sc.Service, "tab", "dependencies")}
	v.Callers = screen.Dependencies(p, a.edges, sc.Service, true, requests, true)
	v.Callers.Error = v.Calls.Error
	v.Slow = screen.Slowest(p, a.endpoints, nil)
	v.Slow.More.Href = v.TracesAt
}
