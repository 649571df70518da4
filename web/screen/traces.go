package screen

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/query/facet"
	"loadline/query/filter"
	"loadline/query/search"
	"loadline/web/view"
)

// slowTrace is the duration from which a trace is shown as slow in a list.
const slowTrace = time.Second

// Traces shapes a page of a list of traces.
func Traces(p view.Page, list *search.List) view.Traces {
	var t view.Traces
	colors := map[string]bool{}
	for _, tr := range list.Traces {
		row := traceRow(p, tr)
		for _, part := range tr.Services[:min(len(tr.Services), maxMix)] {
			if !colors[part.Service] && len(t.Legend) < 10 {
				colors[part.Service] = true
				t.Legend = append(t.Legend, view.Swatch{Color: view.Color(part.Service), Label: part.Service})
			}
		}
		t.Rows = append(t.Rows, row)
	}
	about := ""
	if !list.Matching.Exact {
		about = "about "
	}
	t.Meta = append(t.Meta, about+view.Count(math.Round(list.Matching.Count))+" matching, "+strconv.Itoa(len(t.Rows))+" shown")
	t.Meta = append(t.Meta, "scanned "+view.Count(float64(list.Scanned.Rows))+" spans in "+view.Duration(list.Scanned.Elapsed.Round(time.Millisecond)))
	if list.Cursor != "" {
		t.More = p.With("cursor", list.Cursor)
		if !list.SearchedTo.IsZero() {
			t.MoreText = "searched back to " + p.Clock(list.SearchedTo)[:8]
		}
	}
	return t
}

// maxMix is how many services a bar shows.
const maxMix = 6

func traceRow(p view.Page, tr search.Summary) view.TraceRow {
	row := view.TraceRow{
		ID: tr.TraceID.String(), Time: p.Clock(tr.Start), Title: p.Moment(tr.Start), Stamp: tr.Start.UTC().Format(time.RFC3339Nano),
		Service: tr.Service, Duration: view.Duration(tr.Duration), Slow: tr.Duration >= slowTrace,
		Spans: strconv.Itoa(tr.Spans), Errors: strconv.Itoa(tr.Errors), Version: view.Version(tr.Version),
		Href: p.Trace(tr.TraceID.String()),
	}
	row.Method, row.Operation = splitOperation(tr.Operation)
	row.Status, row.StatusClass = Outcome(tr.HTTPStatus, tr.Error)
	if tr.Rootless {
		row.Operation += " (root not stored)"
	}
	if tr.MatchService != tr.Service || tr.MatchOperation != tr.Operation {
		row.Match = "→ " + tr.MatchService
		if tr.MatchOperation != tr.Operation {
			row.Match += " · " + tr.MatchOperation
		}
		row.Match += " · " + view.Duration(tr.MatchDuration)
		row.Href = p.Trace(row.ID, "span", tr.MatchSpan.String())
	}
	var text []string
	x := 0.0
	for _, part := range tr.Services[:min(len(tr.Services), maxMix)] {
		w := part.Share * 100
		row.Mix = append(row.Mix, view.MixPart{Color: view.Color(part.Service), X: view.Decimal(x), W: view.Decimal(w)})
		x += w
		text = append(text, part.Service+" "+view.Whole(part.Share))
	}
	row.MixText = strings.Join(text, ", ")
	return row
}

// splitOperation takes the method off an HTTP operation.
func splitOperation(operation string) (method, rest string) {
	method, rest, ok := strings.Cut(operation, " ")
	if ok && len(method) >= 3 && len(method) <= 7 && method == strings.ToUpper(method) && strings.HasPrefix(rest, "/") {
		return method, rest
	}
	return "", operation
}

// Outcome is the badge of a request.
func Outcome(status int, failed bool) (text, class string) {
	switch {
	case status >= 500 || (failed && status > 0):
		return strconv.Itoa(status), "crit"
	case status >= 400:
		return strconv.Itoa(status), "warn"
	case status > 0:
		return strconv.Itoa(status), "ok"
	case failed:
		return "error", "crit"
	}
	return "ok", "ok"
}

// Chips shapes the conditions of a search, each with the address of the search without it.
func Chips(p view.Page, matchers []filter.Matcher) []view.Chip {
	var out []view.Chip
	for i, m := range matchers {
		rest := slices.Delete(slices.Clone(matchers), i, i+1)
		c := view.Chip{Key: m.Key, Op: string(m.Op), Value: m.Value, Without: p.With("q", filter.Format(rest))}
		if m.Op == filter.Exists || m.Op == filter.NotExists {
			c.Value = ""
		}
		out = append(out, c)
	}
	return out
}

var facetTitles = map[string]string{"status": "Status", "service": "Service", "operation": "Endpoint", "version": "Version", "http.response.status_code": "Status code", "error.type": "Error type", "k8s.pod.name": "Pod", "peer": "Calls to"}

// FacetKeys are the divisions that a search shows.
func FacetKeys(q search.Query) []string {
	keys := []string{"status", "service", "operation", "version", "http.response.status_code"}
	if q.AnySpan {
		keys = append(keys, "peer", "error.type")
	}
	return keys
}

// Facets shapes the divisions of a search. A value is a link that adds it to the search or takes it off.
func Facets(p view.Page, facets *facet.Facets, matchers []filter.Matcher) []view.Facet {
	if facets == nil {
		return nil
	}
	const most = 6
	var out []view.Facet
	for _, f := range facets.Facets {
		g := view.Facet{Title: facetTitles[f.Key]}
		if g.Title == "" {
			g.Title = f.Key
		}
		for _, v := range f.Values {
			if v.Value == "" || len(g.Values) == most {
				continue
			}
			m := filter.Matcher{Key: f.Key, Op: filter.Equal, Value: v.Value}
			changed, on := toggled(matchers, m)
			g.Values = append(g.Values, view.FacetValue{Value: v.Value, Count: view.Count(math.Round(v.Count)), Share: v.Share * 100, On: on, Href: p.With("q", filter.Format(changed))})
		}
		if len(g.Values) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// toggled adds a condition, replacing one for another value of the same key, or takes it off.
func toggled(matchers []filter.Matcher, m filter.Matcher) (changed []filter.Matcher, on bool) {
	for _, old := range matchers {
		if old == m {
			on = true
		} else if old.Key != m.Key || old.Op != m.Op {
			changed = append(changed, old)
		}
	}
	if !on {
		changed = append(changed, m)
	}
	return changed, on
}

// SplitFilter takes apart what is being typed into the filter field. Without an operator the text is a key.
func SplitFilter(text string) (key, op, value string) {
	text = strings.TrimLeft(text, " ")
	at := strings.IndexAny(text, "=!<>")
	if at < 0 {
		return strings.TrimSpace(text), "", ""
	}
	key, rest := strings.TrimSpace(text[:at]), text[at:]
	for _, o := range []filter.Op{filter.Match, filter.NotMatch, filter.NotEqual, filter.GreaterEqual, filter.LessEqual, filter.Equal, filter.Greater, filter.Less} {
		if v, ok := strings.CutPrefix(rest, string(o)); ok {
			return key, string(o), strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return key, "", ""
}
