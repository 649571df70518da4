package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/query"
	"loadline/query/facet"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/search"
	"loadline/query/trace"
	"loadline/web/panel"
	"loadline/web/screen"
	"loadline/web/view"
)

// searchOf reads a search for traces from a page's address. What cannot be read is told and left out.
func searchOf(p view.Page) (q search.Query, matchers []filter.Matcher, problem string) {
	matchers, err := filter.Parse(p.Query.Get("q"))
	if err != nil {
		matchers, problem = nil, capital(err.Error())
	}
	q = search.Query{Selector: filter.Selector{Env: p.Env}, AnySpan: p.Query.Get("spans") == "any", Cursor: p.Query.Get("cursor")}
	for _, m := range matchers {
		switch {
		case m.Op == filter.Equal && (m.Key == "service" || m.Key == "service.name") && q.Service == "":
			q.Service = m.Value
		case m.Op == filter.Equal && m.Key == "operation" && q.Operation == "":
			q.Operation = m.Value
		default:
			q.Matchers = append(q.Matchers, m)
		}
	}
	return q, matchers, problem
}

// traces answers the search for traces.
func (s *Server) traces(w http.ResponseWriter, r *http.Request) {
	if s.redirected(w, r) || s.added(w, r) {
		return
	}
	p := s.page(r, "traces", "Traces")
	p.Crumbs = []view.Crumb{{Label: "Traces"}}
	q, matchers, problem := searchOf(p)
	sc := panel.ScopeOf(p)
	q.Range = sc.Range(p.Now)
	if p.Query.Get("part") == "rows" {
		s.moreTraces(w, r, p, q)
		return
	}
	ctx := r.Context()
	var (
		list       *search.List
		facets     *facet.Facets
		heat       *view.Heatmap
		lErr, fErr error
	)
	keys := screen.FacetKeys(q)
	parallel(
		func() {
			list, lErr = panel.Cached(ctx, s.board, searchKey(sc, "search", q), searchKeep, 0, func(ctx context.Context) (*search.List, error) {
				return s.config.Store.SearchTraces(ctx, q)
			})
		},
		func() {
			facets, fErr = panel.Cached(ctx, s.board, searchKey(sc, "facets", q), sc.Keep(), 0, func(ctx context.Context) (*facet.Facets, error) {
				return s.config.Store.Facets(ctx, q, keys)
			})
		},
		func() { heat = s.searchHeat(ctx, p, q, sc) },
	)
	if lErr != nil && isBadSearch(lErr) {
		problem, lErr, fErr = capital(lErr.Error()), nil, nil
	}
	t := view.Traces{}
	if list != nil {
		t = screen.Traces(p, list)
	}
	t.Problem, t.Error, t.FacetsErr = problem, s.board.Failure("The search", lErr), s.board.Failure("The facets", fErr)
	t.Heat = heat
	t.Query = filter.Format(matchers)
	t.Chips = screen.Chips(p, matchers)
	t.Scope = []view.Choice{
		{Label: "Requests", Href: p.With("spans", ""), Current: !q.AnySpan},
		{Label: "Any span", Href: p.With("spans", "any"), Current: q.AnySpan},
	}
	t.Facets = screen.Facets(p, facets, matchers)
	if len(t.Rows) == 0 && t.Error == nil {
		s.explainEmpty(ctx, p, q, matchers, &t)
	}
	s.render(w, r, http.StatusOK, view.TracesPage(p, t))
}

// searchKeep is how long a list of traces is shared. A trace is to be seen two seconds after it was acknowledged.
const searchKeep = 500 * time.Millisecond

// searchKey names what a search asks in a scope.
func searchKey(sc panel.Scope, what string, q search.Query) string {
	return fmt.Sprintf("%s %q %q %q %t %q", sc.Key(what), q.Service, q.Operation, filter.Format(q.Matchers), q.AnySpan, q.Cursor)
}

// isBadSearch tells mistakes of who searches from failures of who answers.
func isBadSearch(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "filter") || strings.HasPrefix(text, "cursor") || strings.Contains(text, "matcher")
}

// added moves what was typed into the filter field into the search, so that the address names the search alone.
func (s *Server) added(w http.ResponseWriter, r *http.Request) bool {
	values := r.URL.Query()
	text := strings.TrimSpace(values.Get("add"))
	if !values.Has("add") {
		return false
	}
	values.Del("add")
	p := view.Page{Path: "/traces", Query: values}
	if id, err := trace.ParseID(text); err == nil && len(text) >= 16 {
		http.Redirect(w, r, p.Link("/traces/"+id.String()), http.StatusFound)
		return true
	}
	if text != "" {
		if old := values.Get("q"); old != "" {
			text = old + " AND " + text
		}
		values.Set("q", text)
	}
	http.Redirect(w, r, p.With(), http.StatusFound)
	return true
}

// moreTraces answers the next lines of a list, for the script.
func (s *Server) moreTraces(w http.ResponseWriter, r *http.Request, p view.Page, q search.Query) {
	list, err := s.config.Store.SearchTraces(r.Context(), q)
	if err != nil {
		s.config.Logger.Warn("more traces", "err", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	t := screen.Traces(p, list)
	html, err := panel.Markup(r.Context(), view.TraceRows(t.Rows))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.writeJSON(w, r, map[string]string{"html": html, "more": t.More, "text": t.MoreText})
}

// searchHeat draws the durations of what matches when the rollup knows them.
func (s *Server) searchHeat(ctx context.Context, p view.Page, q search.Query, sc panel.Scope) *view.Heatmap {
	sel := q.Selector
	sel.Matchers = slices.DeleteFunc(slices.Clone(sel.Matchers), func(m filter.Matcher) bool { return m.Key == "duration" || m.Key == "latency" })
	if sel.Service == "" {
		sel = sel.With("root", filter.Equal, "true")
	}
	if _, all := sel.RolledUp(); !all || q.AnySpan {
		return nil
	}
	key := sc.Key("heat") + " " + sel.Service + " " + sel.Operation + " " + filter.Format(sel.Matchers)
	h, err := panel.Cached(ctx, s.board, key, sc.Keep(), s.config.Patience, func(ctx context.Context) (*query.HeatmapSeries, error) {
		return s.config.Store.Heatmap(ctx, sel, rollup.NewRange(q.Range.From, q.Range.Until, 90))
	})
	if err != nil {
		h = &query.HeatmapSeries{}
	}
	out := screen.Heat(h, "heat", p.With("cursor", ""))
	out.Title, out.Sub, out.Size, out.Error = "Duration", "drag a box to see its traces", "sm", s.board.Failure("The durations", err)
	return &out
}

// explainEmpty says why nothing matches, and what would without each condition.
func (s *Server) explainEmpty(ctx context.Context, p view.Page, q search.Query, matchers []filter.Matcher, t *view.Traces) {
	week := view.Choice{Label: "Search the last 7 days", Href: p.With("range", "7d", "from", "", "to", "")}
	switch {
	case len(matchers) == 0 && t.Problem != "":
		t.Empty = view.Empty{Text: "The filter could not be read.", Action: view.Choice{Label: "Clear filters", Href: p.With("q", "")}}
		return
	case len(matchers) == 0:
		t.Empty = view.Empty{Text: "No trace in this range.", Action: week}
		return
	case t.MoreText != "":
		t.Empty = view.Empty{Text: "Nothing found yet.", Action: view.Choice{Label: "Search further back", Href: t.More}}
		return
	}
	t.Empty = view.Empty{Text: "No trace matches all filters in this range.", Action: view.Choice{Label: "Clear filters", Href: p.With("q", "")}}
	const most = 5
	var hints []view.Choice
	for i, m := range matchers[:min(len(matchers), most)] {
		without := slices.Delete(slices.Clone(matchers), i, i+1)
		sub := p
		sub.Query = map[string][]string{"q": {filter.Format(without)}}
		wider, _, _ := searchOf(sub)
		wider.AnySpan, wider.Range = q.AnySpan, q.Range
		if h := s.hint(ctx, wider, m); h.Count != "0" {
			h.Href = p.With("q", filter.Format(without))
			hints = append(hints, h)
		}
	}
	t.Hints = hints
	if !q.AnySpan {
		t.Hints = append(t.Hints, view.Choice{Label: "also look at spans inside of traces", Href: p.With("spans", "any")})
	}
}

// hint counts what would match without one condition.
func (s *Server) hint(ctx context.Context, wider search.Query, m filter.Matcher) view.Choice {
	out := view.Choice{Label: "without " + filter.Format([]filter.Matcher{m})}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if facets, err := s.config.Store.Facets(ctx, wider, []string{"status"}); err == nil {
		out.Count = view.Count(facets.Total)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		s.config.Logger.Debug("hint", "err", err)
	}
	return out
}

// suggest completes keys and values of the filter field.
func (s *Server) suggest(w http.ResponseWriter, r *http.Request) {
	p := s.page(r, "", "")
	q, _, _ := searchOf(p)
	text := p.Query.Get("text")
	span := panel.ScopeOf(p).Range(p.Now)
	type answer struct {
		Text string `json:"text"` // what the field holds when it is chosen
		Show string `json:"show"`
		Note string `json:"note,omitempty"`
		Done bool   `json:"done,omitempty"` // nothing has to follow
	}
	out := []answer{}
	key, op, value := screen.SplitFilter(text)
	if op == "" {
		keys, err := s.config.Store.SuggestKeys(r.Context(), q.Selector, span, key)
		if err != nil {
			s.config.Logger.Warn("suggest keys", "err", err)
		}
		for _, k := range keys[:min(len(keys), 12)] {
			out = append(out, answer{Text: k.Text + " = ", Show: k.Text, Note: note(k.Count)})
		}
	} else {
		values, err := s.config.Store.SuggestValues(r.Context(), q.Selector, span, key, value)
		if err != nil {
			s.config.Logger.Warn("suggest values", "err", err)
		}
		for _, v := range values[:min(len(values), 12)] {
			m := filter.Format([]filter.Matcher{{Key: key, Op: filter.Op(op), Value: v.Text}})
			out = append(out, answer{Text: m, Show: v.Text, Note: note(v.Count), Done: true})
		}
	}
	s.writeJSON(w, r, out)
}

func note(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// palette answers what the palette offers: pages, services and their endpoints.
func (s *Server) palette(w http.ResponseWriter, r *http.Request) {
	p := s.page(r, "", "")
	sc := panel.ScopeOf(p)
	type entry struct {
		Text  string `json:"t"`
		Href  string `json:"h"`
		Group string `json:"g"`
	}
	out := []entry{}
	if services, err := s.board.Services(r.Context(), sc, s.config.Patience); err == nil {
		for _, row := range services[:min(len(services), 500)] {
			out = append(out, entry{row.Service, p.Service(row.Service), "Service"})
		}
	}
	for _, page := range [][2]string{{"Overview", "/"}, {"Services", "/services"}, {"Traces", "/traces"}, {"Metrics", "/metrics-explorer"}, {"SLOs", "/slos"}, {"Send data", "/welcome"}, {"Settings", "/settings"}} {
		out = append(out, entry{page[0], p.Link(page[1]), "Page"})
	}
	out = append(out,
		entry{"Failed requests", p.Link("/traces", "q", "status = error"), "Search"},
		entry{"Requests slower than 1 s", p.Link("/traces", "q", "duration > 1s"), "Search"})
	if endpoints, err := s.board.Endpoints(r.Context(), sc, s.config.Patience); err == nil {
		for _, e := range endpoints[:min(len(endpoints), 300)] {
			out = append(out, entry{e.Operation + " · " + e.Service, p.Link("/traces", "q", screen.Filter("service", e.Service, "operation", e.Operation)), "Endpoint"})
		}
	}
	for _, c := range s.slos.Choices(p) {
		out = append(out, entry{c.Label, c.Href, "SLO"})
	}
	s.writeJSON(w, r, out)
}
