package screen

import (
	"slices"
	"strings"

	"loadline/query"
	"loadline/query/facet"
	"loadline/query/trace"
	"loadline/web/view"
)

// ServiceHead fills the head of a service's page from its row of the services table.
func ServiceHead(p view.Page, v *view.Service, row *query.ServiceRED, instances []query.Instance) {
	if row == nil {
		return
	}
	v.Language, v.Health = Language(row.Language), Judge(row.Totals, row.Previous)
	if n := len(row.Versions); n > 0 {
		const few = 3
		var names []string
		for _, name := range row.Versions[:min(n, few)] {
			names = append(names, view.Version(name))
		}
		text := strings.Join(names, ", ")
		if n > few {
			text += " and " + view.Plural(n-few, "more version", "more versions")
		}
		v.Meta = append(v.Meta, text)
	}
	if row.Instances > 0 {
		v.Meta = append(v.Meta, view.Plural(row.Instances, "instance", "instances"))
	}
	if row.LastDeploy.Version != "" {
		v.Meta = append(v.Meta, "deployed "+p.Ago(row.LastDeploy.At))
	}
	if row.Env != "" {
		v.Meta = append(v.Meta, row.Env)
	}
	if i := slices.IndexFunc(instances, func(i query.Instance) bool { return Attribute(i.Attributes, "service.namespace") != "" }); i >= 0 {
		v.Meta = append(v.Meta, Attribute(instances[i].Attributes, "service.namespace"))
	}
}

// Attribute returns the first of some attributes that is there.
func Attribute(list []trace.Attribute, keys ...string) string {
	for _, key := range keys {
		for _, a := range list {
			if a.Key == key && a.Value != "" {
				return a.Value
			}
		}
	}
	return ""
}

// Instances shapes the table of a service's processes.
func Instances(p view.Page, instances []query.Instance) view.Plain {
	t := view.Plain{
		Title: "Instances", Sub: "processes that sent spans in this range, latest first", Empty: "No instance in this range.",
		Heads: []view.Column{{Label: "Instance"}, {Label: "Version"}, {Label: "Environment"}, {Label: "Host"}, {Label: "Runtime"}, {Label: "Last seen", Numeric: true}},
	}
	for _, i := range instances {
		name := i.Instance
		if name == "" {
			name = Attribute(i.Attributes, "k8s.pod.name", "container.id", "host.name", "process.pid")
		}
		runtime := strings.TrimSpace(Attribute(i.Attributes, "process.runtime.name", "telemetry.sdk.language") + " " + Attribute(i.Attributes, "process.runtime.version"))
		t.Rows = append(t.Rows, []view.Cell{
			{Text: view.Short(OrNone(name), 48), Title: name, Mono: true, Href: p.Link("/traces", "q", Filter("service", i.Service, "service.instance.id", i.Instance))},
			{Text: OrNone(view.Version(i.Version))},
			{Text: OrNone(i.Env), Dim: true},
			{Text: OrNone(Attribute(i.Attributes, "k8s.node.name", "host.name")), Dim: true},
			{Text: OrNone(runtime), Dim: true},
			{Text: p.Ago(i.LastSeen), Title: p.Moment(i.LastSeen)},
		})
		if i.Instance == "" {
			t.Rows[len(t.Rows)-1][0].Href = ""
		}
	}
	return t
}

// Versions shapes the table of a service's versions.
func Versions(p view.Page, deploys []query.Deployment) view.Plain {
	t := view.Plain{
		Title: "Deployments", Sub: "versions first seen in the last 30 days, newest first", Empty: "No version was first seen in the last 30 days. Set service.version in the resource to see deployments.",
		Heads: []view.Column{{Label: "Version"}, {Label: "Environment"}, {Label: "First seen", Numeric: true}, {Label: "Last seen", Numeric: true}, {Label: "Ran for", Numeric: true}, {Label: ""}},
	}
	for _, d := range deploys {
		t.Rows = append(t.Rows, []view.Cell{
			{Text: view.Version(d.Version), Mono: true},
			{Text: OrNone(d.Env), Dim: true},
			{Text: p.Ago(d.First), Title: p.Moment(d.First)},
			{Text: p.Ago(d.Last), Title: p.Moment(d.Last)},
			{Text: view.Span(d.Last.Sub(d.First))},
			{Text: "Traces", Href: p.Link("/traces", "q", Filter("service", d.Service, "version", d.Version))},
		})
	}
	return t
}

// OrNone is a text, or the sign for nothing.
func OrNone(text string) string {
	if text == "" {
		return view.None
	}
	return text
}

// ErrorGroups shapes how the failed requests of a service divide.
func ErrorGroups(p view.Page, facets *facet.Facets, service string) []view.Facet {
	titles := map[string]string{"error.type": "Error type", "operation": "Endpoint", "http.response.status_code": "Status code"}
	var out []view.Facet
	for _, f := range facets.Facets {
		g := view.Facet{Title: titles[f.Key]}
		for _, v := range f.Values {
			if v.Value == "" {
				continue
			}
			g.Values = append(g.Values, view.FacetValue{
				Value: v.Value, Count: view.Count(v.Count), Share: v.Share * 100,
				Href: p.Link("/traces", "q", Filter("service", service, "status", "error", f.Key, v.Value)),
			})
		}
		out = append(out, g)
	}
	return out
}
