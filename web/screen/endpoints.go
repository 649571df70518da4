package screen

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/query"
	"loadline/query/filter"
	"loadline/web/view"
)

// Endpoints shapes the table of endpoints, those with the greatest impact first, at most limit.
func Endpoints(p view.Page, endpoints []query.Endpoint, withService bool, limit int) view.Endpoints {
	t := view.Endpoints{Title: "Endpoints", Sub: "impact = share of total time spent", WithService: withService}
	for _, c := range []string{"Endpoint", "Impact", "Requests/s", "Errors", "p50", "p95", "p99", "vs 1 h ago"} {
		t.Columns = append(t.Columns, view.Column{Label: c, Numeric: c != "Endpoint" && c != "Impact"})
	}
	t.Columns[1].Sorted = "descending"
	t.Empty = view.Empty{Text: "No inbound request in this range.", Action: view.Choice{Label: "Show the last 7 days", Href: p.With("range", "7d", "from", "", "to", "")}}
	for _, e := range endpoints[:min(len(endpoints), limit)] {
		row := view.EndpointRow{
			Key: e.Service + " " + e.Kind + " " + e.Operation, Service: e.Service, Method: e.Method, Route: e.Route,
			Href:   p.Link("/traces", "q", Filter("service", e.Service, "operation", e.Operation)),
			Impact: e.Impact * 100, ImpactText: view.Whole(e.Impact), Rate: view.Rate(e.RequestRate), Errors: view.ErrorShare(e.ErrorRate, e.Requests),
			P50: view.Latency(e.P50, e.Requests), P95: view.Latency(e.P95, e.Requests), P99: view.Latency(e.P99, e.Requests),
			ErrorsBad: e.ErrorRate >= someErrors && e.Requests >= fewRequests, Change: "new", ChangeClass: "dim",
		}
		if row.Route == "" {
			row.Route = e.Operation
		}
		if !e.Slowest.TraceID.IsZero() {
			row.SlowHref = p.Trace(e.Slowest.TraceID.String())
		}
		switch {
		case p.Range.To.Sub(p.Range.From) > comparable:
			row.Change = view.None
		case e.Previous.Requests > 0:
			row.Change, row.ChangeClass = drift(e.P95, e.Previous.P95)
			row.P99Bad = e.Requests >= fewRequests && row.ChangeClass == "bad"
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// drift compares a p95 with the one before.
func drift(now, before time.Duration) (text, class string) {
	if before <= 0 || now <= 0 {
		return view.None, "dim"
	}
	class = "dim"
	if now-before >= slowerAtLeast && float64(now) >= slower*float64(before) {
		class = "bad"
	}
	return view.Change(float64(now), float64(before)), class
}

// Filter writes the text of a search for equal values, given as pairs of key and value.
func Filter(pairs ...string) string {
	var list []filter.Matcher
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, filter.Matcher{Key: pairs[i], Op: filter.Equal, Value: pairs[i+1]})
	}
	return filter.Format(list)
}

// Dependencies shapes what a service calls, or with callers who calls it.
func Dependencies(p view.Page, edges []query.Edge, service string, callers bool, requests float64, short bool) view.Dependencies {
	t := view.Dependencies{Title: "Calls to others", Sub: "as this service sees them", Short: short}
	t.Empty.Text = "This service has called nothing in this range."
	first := "Calls"
	if callers {
		t.Title, t.Sub, first = "Called by", "as the callers see it", "Caller"
		t.Empty.Text = "No other service has called this one in this range."
	}
	for _, c := range []string{first, "Share of time", "Calls/s", "Errors", "p50", "p95"} {
		if !short || c != "p50" {
			t.Columns = append(t.Columns, view.Column{Label: c, Numeric: c != first && c != "Share of time"})
		}
	}
	var all float64
	var mine []query.Edge
	for _, e := range edges {
		if (callers && e.Server == service) || (!callers && e.Client == service) {
			all += float64(e.Duration)
			mine = append(mine, e)
		}
	}
	sortByTime(mine)
	const fewRows = 6
	if short && len(mine) > fewRows {
		mine = mine[:fewRows]
	}
	for _, e := range mine {
		row := view.DependencyRow{
			Name: e.Server, Type: e.ServerType, Icon: peerIcon(e.ServerType), Rate: view.Rate(e.CallRate),
			Errors: view.ErrorShare(e.ErrorRate, e.Calls), P50: view.Latency(e.P50, e.Calls), P95: view.Latency(e.P95, e.Calls),
			ErrorsBad: e.ErrorRate >= someErrors && e.Calls >= fewRequests,
		}
		if callers {
			row.Name, row.Icon = e.Client, "server"
		}
		if callers || e.ServerType == "service" {
			row.Href = p.Service(row.Name)
		}
		if all > 0 {
			row.Share, row.ShareText = float64(e.Duration)/all*100, view.Whole(float64(e.Duration)/all)
		}
		if n := e.Calls / max(requests, 1); !callers && requests >= fewRequests && n >= 1.5 {
			row.PerRequest = "×" + strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0")
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func peerIcon(kind string) string {
	switch kind {
	case "database":
		return "database"
	case "cache":
		return "zap"
	case "queue":
		return "inbox"
	case "external":
		return "globe"
	}
	return "server"
}

// sortByTime puts the edges first on which most time is spent.
func sortByTime(edges []query.Edge) {
	slices.SortStableFunc(edges, func(a, b query.Edge) int { return cmp.Compare(b.Duration, a.Duration) })
}
