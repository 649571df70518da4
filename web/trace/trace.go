package trace

import (
	"fmt"
	"strings"
	"time"

	"loadline/query/trace"
	"loadline/web/screen"
	"loadline/web/view"
)

// Page shapes the head of a trace's page and its waterfall. selected is the id of the span that is opened.
func Page(p view.Page, t *trace.Trace, w *Waterfall, selected string) view.Trace {
	id := t.ID.String()
	root := mainSpan(t, w)
	v := view.Trace{
		ID: id, Title: root.Operation, Errors: t.Errors, Stamp: t.Start.UTC().Format(time.RFC3339Nano),
		Started: p.Moment(t.Start), View: p.Query.Get("view"), JSON: p.Link("/traces/" + id + ".json"),
		DetailAt: p.Link("/traces/" + id + "/spans/ID"), CriticalProblem: w.tree.CriticalProblem,
	}
	if v.View != "table" && v.View != "logs" {
		v.View = "waterfall"
	}
	v.Status, v.StatusClass = screen.Outcome(root.HTTPStatus, root.Error)
	v.Meta = []string{view.Duration(w.tree.Length), view.Plural(len(t.Services), "service", "services"), view.Plural(len(t.Spans), "span", "spans")}
	if root.Version != "" {
		v.Meta = append(v.Meta, root.Service+" "+view.Version(root.Version))
	}
	for _, c := range [][2]string{{"Waterfall", "waterfall"}, {"Table", "table"}, {"Logs", "logs"}} {
		param := c[1]
		if param == "waterfall" {
			param = ""
		}
		v.Views = append(v.Views, view.Choice{Label: c[0], Href: p.With("view", param), Current: v.View == c[1]})
	}
	v.Notices = traceNotices(t, w)
	v.Verdict = w.Verdict(p, id)
	for i := range 4 {
		v.Axis = append(v.Axis, view.Tick{At: view.Position(plotWidth / 4 * float64(i)), Label: view.Duration(w.tree.Length * time.Duration(i) / 4)})
	}
	if v.View == "waterfall" {
		v.Rows, v.Shares = w.Rows(p, id, selected), w.Shares()
		if w.Long() {
			v.Big, v.Count = p.Link("/traces/"+id+"/columns"), w.Len()
		}
	}
	if v.View == "table" {
		v.Table = w.Operations()
	}
	return v
}

// mainSpan is the span that the trace is named after: the longest root.
func mainSpan(t *trace.Trace, w *Waterfall) *trace.Span {
	var best *trace.Span
	for _, r := range w.tree.Roots {
		if s := w.tree.Nodes[r].Span; s != nil && (best == nil || s.Duration > best.Duration) {
			best = s
		}
	}
	if best == nil {
		best = &t.Spans[0]
	}
	return best
}

func traceNotices(t *trace.Trace, w *Waterfall) []string {
	var out []string
	if t.Stored > len(t.Spans) {
		out = append(out, fmt.Sprintf("This trace has %s spans; the earliest %s are shown.", view.Count(float64(t.Stored)), view.Count(float64(len(t.Spans)))))
	}
	if w.tree.CriticalProblem != "" {
		out = append(out, "There is no critical path: "+w.tree.CriticalProblem+".")
	}
	if w.tree.Orphans > 0 {
		out = append(out, view.Plural(w.tree.Orphans, "span has", "spans have")+" a parent that is not stored: it was sampled out, is still on its way, or its service sends nothing. They stand under “missing parent”.")
	}
	if w.tree.Cycles > 0 {
		out = append(out, view.Plural(w.tree.Cycles, "span is", "spans are")+" their own ancestor; the circle was cut at its earliest span.")
	}
	if w.tree.Skewed > 0 {
		out = append(out, view.Plural(w.tree.Skewed, "span lies", "spans lie")+" outside of the time of its caller in another service: the clocks of the two machines differ.")
	}
	if t.RepeatedSpanIDs > 0 {
		out = append(out, view.Plural(t.RepeatedSpanIDs, "span was", "spans were")+" left out because another one has the same id.")
	}
	return out
}

// longValue is how much of a value is shown before "show all".
const longValue = 2000

// Detail shapes the panel of an opened span.
func Detail(p view.Page, w *Waterfall, s *trace.Span, r *trace.Resource, g *trace.Repeat, logs []trace.LogRecord, traceID string) view.SpanDetail {
	d := view.SpanDetail{ID: s.ID.String(), Title: s.Operation, Service: s.Service, Message: s.StatusMessage}
	d.Status, d.StatusClass = screen.Outcome(s.HTTPStatus, s.Error)
	if s.HTTPStatus == 0 && s.Status == "unset" && !s.Error {
		d.Status, d.StatusClass = s.Kind, ""
	}
	d.Facts = facts(w, s, g)
	if g != nil {
		d.Group = len(g.Nodes)
	}
	d.Similar = p.Link("/traces", "q", screen.Filter("service", s.Service, "name", s.Name), "spans", "any")
	d.LogsHref = p.Trace(traceID, "view", "logs")
	d.Self = p.Trace(traceID, "span", d.ID)
	own := []view.Attribute{{Key: "service.name", Value: s.Service, Href: find(p, "service", s.Service)}}
	if s.Version != "" {
		own = append(own, view.Attribute{Key: "service.version", Value: s.Version, Href: find(p, "version", s.Version)})
	}
	if s.Name != s.Operation {
		own = append(own, view.Attribute{Key: "name", Value: s.Name})
	}
	own = append(own, view.Attribute{Key: "kind", Value: s.Kind})
	if s.Peer != "" {
		own = append(own, view.Attribute{Key: "peer", Value: s.Peer, Href: find(p, "peer", s.Peer)})
	}
	d.Groups = append([]view.AttributeGroup{{Values: own}}, grouped(p, s.Attributes)...)
	if r != nil && len(r.Attributes) > 0 {
		d.Groups = append(d.Groups, view.AttributeGroup{Title: "Resource", Values: attributes(p, r.Attributes)})
	}
	d.Groups = append(d.Groups, view.AttributeGroup{Title: "Ids", Values: []view.Attribute{{Key: "span_id", Value: s.ID.String()}, {Key: "scope", Value: screen.OrNone(s.Scope)}}})
	for _, e := range s.Events {
		d.Events = append(d.Events, event(p, s, e))
	}
	for _, l := range s.Links {
		d.Links = append(d.Links, view.SpanLink{Text: l.TraceID.String(), Href: p.Trace(l.TraceID.String(), "span", l.SpanID.String()), Values: attributes(p, l.Attributes)})
	}
	for _, l := range logs {
		if l.SpanID == s.ID && len(d.Logs) < 20 {
			d.Logs = append(d.Logs, LogRow(p, l, ""))
		}
	}
	return d
}

// facts are the figures at the top of the panel.
func facts(w *Waterfall, s *trace.Span, g *trace.Repeat) [][2]string {
	if g != nil {
		return [][2]string{
			{"Total", view.Duration(g.Total)},
			{"Each, mean", view.Duration(g.Total / time.Duration(len(g.Nodes)))},
			{"Critical", view.Whole(w.criticalOf(g.Nodes...))},
		}
	}
	out := [][2]string{{"Duration", view.Duration(s.Duration)}, {"Self", view.None}, {"Critical", view.None}}
	for i := range w.tree.Nodes {
		if n := &w.tree.Nodes[i]; n.ID == s.ID && !n.Missing {
			out[1][1], out[2][1] = view.Duration(n.Self), view.Whole(w.criticalOf(i))
		}
	}
	return out
}

func find(p view.Page, key, value string) string {
	const longest = 200 // longer values make addresses that nobody can read and few servers accept
	if len(value) > longest || strings.ContainsAny(value, "\n\r") {
		return ""
	}
	return p.Link("/traces", "q", screen.Filter(key, value), "spans", "any")
}

func attributes(p view.Page, list []trace.Attribute) []view.Attribute {
	out := make([]view.Attribute, 0, len(list))
	for _, a := range list {
		v := view.Attribute{Key: a.Key, Value: a.Value, Href: find(p, a.Key, a.Value)}
		if cut := cutAt(a.Value, longValue); cut < len(a.Value) {
			v.Value, v.Rest = a.Value[:cut], a.Value[cut:]
		}
		out = append(out, v)
	}
	return out
}

// cutAt returns the last boundary between characters up to a limit.
func cutAt(text string, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	for limit > 0 && text[limit]&0xC0 == 0x80 {
		limit--
	}
	return limit
}

// kinds are the groups into which attributes of a span are put, by how their keys begin.
var kinds = []struct {
	title    string
	prefixes []string
}{
	{"HTTP", []string{"http.", "url.", "user_agent."}},
	{"Database", []string{"db."}},
	{"Messaging", []string{"messaging."}},
	{"RPC", []string{"rpc."}},
	{"Network", []string{"net.", "network.", "server.", "client."}},
	{"Code", []string{"code.", "thread."}},
}

func grouped(p view.Page, list []trace.Attribute) []view.AttributeGroup {
	groups := make([][]trace.Attribute, len(kinds)+1)
	for _, a := range list {
		at := len(kinds)
		for i, k := range kinds {
			for _, prefix := range k.prefixes {
				if strings.HasPrefix(a.Key, prefix) {
					at = i
				}
			}
		}
		groups[at] = append(groups[at], a)
	}
	var out []view.AttributeGroup
	for i, g := range groups {
		if len(g) == 0 {
			continue
		}
		title := "Other"
		if i < len(kinds) {
			title = kinds[i].title
		}
		out = append(out, view.AttributeGroup{Title: title, Values: attributes(p, g)})
	}
	return out
}

func event(p view.Page, s *trace.Span, e trace.Event) view.SpanEvent {
	out := view.SpanEvent{At: "+" + view.Duration(e.Time.Sub(s.Start)), Name: e.Name}
	if e.Time.Before(s.Start) {
		out.At = view.Duration(e.Time.Sub(s.Start))
	}
	var rest []trace.Attribute
	for _, a := range e.Attributes {
		if a.Key == "exception.stacktrace" {
			out.Stack = a.Value
			continue
		}
		rest = append(rest, a)
	}
	if e.Name == "exception" {
		out.Error = true
		if kind := screen.Attribute(e.Attributes, "exception.type"); kind != "" {
			out.Name = kind
		}
	}
	out.Values = attributes(p, rest)
	return out
}

// Logs shapes the log records of a trace.
func Logs(p view.Page, logs []trace.LogRecord, traceID string) []view.LogRow {
	out := make([]view.LogRow, 0, len(logs))
	for _, l := range logs {
		href := ""
		if !l.SpanID.IsZero() {
			href = p.Trace(traceID, "view", "", "span", l.SpanID.String())
		}
		out = append(out, LogRow(p, l, href))
	}
	return out
}

// LogRow shapes one log record.
func LogRow(p view.Page, l trace.LogRecord, href string) view.LogRow {
	row := view.LogRow{Time: p.Clock(l.Time), Severity: l.SeverityText, Service: l.Service, Body: l.Body, SpanHref: href}
	if row.Body == "" {
		row.Body = screen.OrNone(l.EventName)
	}
	names := []string{"trace", "debug", "info", "warn", "error", "fatal"}
	if row.Severity == "" && l.Severity > 0 {
		row.Severity = names[min(int(l.Severity-1)/4, len(names)-1)]
	}
	row.Severity = strings.ToLower(screen.OrNone(row.Severity))
	switch {
	case l.Severity >= 17:
		row.Class = "crit"
	case l.Severity >= 13:
		row.Class = "warn"
	}
	return row
}
