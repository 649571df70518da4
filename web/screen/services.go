package screen

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"loadline/query"
	"loadline/query/trace"
	"loadline/web/view"
)

// serviceColumns are the columns of the services table, with how to sort by them.
var serviceColumns = []struct {
	label, key string
	numeric    bool
	wide       bool
	less       func(a, b query.ServiceRED) int
}{
	{"Service", "name", false, false, func(a, b query.ServiceRED) int { return cmp.Compare(a.Service, b.Service) }},
	{"Health", "", false, false, nil},
	{"Requests/s", "rate", true, false, func(a, b query.ServiceRED) int { return cmp.Compare(a.RequestRate, b.RequestRate) }},
	{"Errors", "err", true, false, func(a, b query.ServiceRED) int { return cmp.Compare(a.ErrorRate, b.ErrorRate) }},
	{"p50", "p50", true, false, func(a, b query.ServiceRED) int { return cmp.Compare(a.P50, b.P50) }},
	{"p95", "p95", true, false, func(a, b query.ServiceRED) int { return cmp.Compare(a.P95, b.P95) }},
	{"p99", "p99", true, false, func(a, b query.ServiceRED) int { return cmp.Compare(a.P99, b.P99) }},
	{"Share of requests", "share", false, true, func(a, b query.ServiceRED) int { return cmp.Compare(a.Requests, b.Requests) }},
	{"Endpoints", "endpoints", true, true, func(a, b query.ServiceRED) int { return cmp.Compare(a.Endpoints, b.Endpoints) }},
	{"Instances", "instances", true, true, func(a, b query.ServiceRED) int { return cmp.Compare(a.Instances, b.Instances) }},
	{"Last deploy", "deploy", false, false, func(a, b query.ServiceRED) int { return a.LastDeploy.At.Compare(b.LastDeploy.At) }},
}

// Services shapes the services table, sorted as sort says: by what needs attention unless a column is chosen.
func Services(p view.Page, services []query.ServiceRED, sort string, wide bool) view.Services {
	t := view.Services{Wide: wide, Sub: "sorted by what needs attention"}
	t.Empty = view.Empty{Text: "No service has sent spans in this range.", Action: view.Choice{Label: "Show the last 7 days", Href: p.With("range", "7d", "from", "", "to", "")}}
	if p.Env != "" {
		t.Empty = view.Empty{Text: "No service has sent spans from environment " + p.Env + " in this range.", Action: view.Choice{Label: "All environments", Href: p.With("env", "")}}
	}
	services = slices.Clone(services)
	slices.SortStableFunc(services, func(a, b query.ServiceRED) int {
		return cmp.Or(cmp.Compare(rank(Judge(a.Totals, a.Previous).State), rank(Judge(b.Totals, b.Previous).State)), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Service, b.Service))
	})
	key, descending := strings.CutPrefix(sort, "-")
	for _, c := range serviceColumns {
		if c.wide && !wide {
			continue
		}
		column := view.Column{Label: c.label, Numeric: c.numeric}
		if c.less != nil {
			column.Href = p.With("sort", map[bool]string{true: c.key, false: "-" + c.key}[key == c.key && descending])
		}
		if c.less != nil && key == c.key {
			t.Sub, column.Sorted = "sorted by "+strings.ToLower(c.label), "ascending"
			slices.SortStableFunc(services, c.less)
			if descending {
				slices.Reverse(services)
				column.Sorted = "descending"
			}
		}
		t.Columns = append(t.Columns, column)
	}
	var all float64
	for _, s := range services {
		all += s.Requests
	}
	for _, s := range services {
		t.Rows = append(t.Rows, serviceRow(p, s, all))
	}
	return t
}

func serviceRow(p view.Page, s query.ServiceRED, all float64) view.ServiceRow {
	h := Judge(s.Totals, s.Previous)
	row := view.ServiceRow{
		Name: s.Service, Language: Language(s.Language), Href: p.Service(s.Service), Health: h,
		Rate: view.Rate(s.RequestRate), Errors: view.ErrorShare(s.ErrorRate, s.Requests),
		P50: view.Latency(s.P50, s.Requests), P95: view.Latency(s.P95, s.Requests), P99: view.Latency(s.P99, s.Requests),
		ErrorsBad: s.ErrorRate >= someErrors, P99Bad: h.State == "crit",
		RateSpark: view.Spark(head(s.Rates)), P99Spark: view.Spark(head(s.P99s)),
		Endpoints: strconv.Itoa(s.Endpoints), Instances: strconv.Itoa(s.Instances), Deploy: view.None,
	}
	if s.Instances == 0 {
		row.Instances = view.None
	}
	if s.Requests <= 0 {
		row.Rate = view.None
	}
	if all > 0 {
		row.Share, row.ShareText = s.Requests/all*100, view.Whole(s.Requests/all)
	}
	if !s.Inbound {
		row.Note = "this service sends no server spans: the numbers are of its client and internal spans"
	}
	if d := s.LastDeploy; d.Version != "" {
		row.Deploy = view.Short(view.Version(d.Version), 18) + " · " + p.Ago(d.At)
		row.DeployTitle = view.Version(d.Version) + ", first seen " + p.Moment(d.At)
	}
	return row
}

// head drops the newest point of a sparkline, whose time has not ended.
func head(y []float64) []float64 {
	if len(y) > 2 {
		return y[:len(y)-1]
	}
	return y
}

// Language is the short name of an SDK's language.
func Language(name string) string {
	switch name {
	case "nodejs":
		return "node"
	case "unknown":
		return ""
	}
	return name
}

// Slowest lists the slowest request of each endpoint, the slowest first. Of endpoints that are part of one request
// only the outermost is listed.
func Slowest(p view.Page, endpoints []query.Endpoint, failed *view.Failure) view.List {
	l := view.List{Title: "Slowest requests", Sub: "of each endpoint", Error: failed, Empty: "No requests in this range", More: view.Choice{Label: "Traces", Href: p.Link("/traces")}}
	list := slices.Clone(endpoints)
	slices.SortFunc(list, func(a, b query.Endpoint) int { return cmp.Compare(b.Slowest.Duration, a.Slowest.Duration) })
	seen := map[trace.ID]bool{}
	const most = 5
	for _, e := range list {
		if e.Slowest.TraceID.IsZero() || seen[e.Slowest.TraceID] || len(l.Items) == most {
			continue
		}
		seen[e.Slowest.TraceID] = true
		it := view.Item{Text: e.Operation, Right: view.Duration(e.Slowest.Duration), Sub: e.Service + " · " + p.Ago(e.Slowest.Time), Href: p.Trace(e.Slowest.TraceID.String())}
		if e.Slowest.Error {
			it.State, it.Sub = "crit", it.Sub+" · failed"
		}
		l.Items = append(l.Items, it)
	}
	return l
}

// Deployments lists the versions that appeared in the range.
func Deployments(p view.Page, deploys []query.Deployment, failed *view.Failure) view.List {
	l := view.List{Title: "Deployments", Error: failed, Empty: "No new version in this range"}
	for _, d := range deploys[:min(len(deploys), 5)] {
		l.Items = append(l.Items, view.Item{Text: d.Service, Right: p.Ago(d.First), Sub: view.Version(d.Version), Href: p.Service(d.Service, "tab", "deployments"), Title: "first seen " + p.Moment(d.First)})
	}
	return l
}
