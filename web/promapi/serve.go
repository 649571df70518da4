package promapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/web/promapi/render"
)

var waiting = metrics.NewGauge(`loadline_promapi_waiting_queries`, nil)

const prefix = "/api/v1/"

// answer is what a handler has to say. The zero value is an answer without content.
type answer struct {
	data     any
	err      *failure
	warnings annotations.Annotations
	query    string // to which warnings refer by position
	done     func() // called when the data is written; may be nil
}

func failed(f *failure) answer { return answer{err: f} }

// handler answers a request whose form is parsed.
type handler func(w http.ResponseWriter, r *http.Request) answer

// route is a path of the API and who serves it: handler, or raw for what is not answered in the API's own form.
type route struct {
	name    string // of the endpoint in metrics
	methods []string
	handler handler
	raw     http.Handler
}

var (
	get     = []string{http.MethodGet}
	post    = []string{http.MethodPost}
	getPost = []string{http.MethodGet, http.MethodPost}
)

func (a *API) route() {
	a.routes = map[string]route{}
	add := func(name string, methods []string, h handler) {
		a.routes[name] = route{name: name, methods: methods, handler: h}
	}
	add("query", getPost, a.query)
	add("query_range", getPost, a.queryRange)
	add("labels", getPost, a.labelNames)
	add("series", getPost, a.series)
	add("metadata", get, a.metadata)
	add("status/buildinfo", get, a.buildInfo)
	a.values = route{name: "label_values", methods: get, handler: a.labelValues}
}

// find returns the route of a path of the API.
func (a *API) find(path string) (route, bool) {
	path = strings.TrimPrefix(path, prefix)
	if r, ok := a.routes[path]; ok {
		return r, true
	}
	if _, ok := labelName(path); ok {
		return a.values, true
	}
	return route{}, false
}

// labelName returns the name in label/{name}/values, which is escaped as part of an address.
func labelName(escapedPath string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(escapedPath, prefix), "label/")
	if !ok {
		return "", false
	}
	name, ok := strings.CutSuffix(rest, "/values")
	if !ok || strings.Contains(name, "/") {
		return "", false
	}
	name, err := url.PathUnescape(name)
	return name, err == nil
}

// ServeHTTP answers a request below /api/v1/.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := a.cfg.Now()
	rec := &recorder{ResponseWriter: w}
	name := a.serve(rec, r)
	metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_promapi_requests_total{endpoint=%q,code="%d"}`, name, cmp.Or(rec.code, http.StatusOK))).Inc()
	metrics.GetOrCreateHistogram(fmt.Sprintf(`loadline_promapi_request_seconds{endpoint=%q}`, name)).Update(a.cfg.Now().Sub(began).Seconds())
}

// serve answers a request and returns the name of the endpoint.
func (a *API) serve(w http.ResponseWriter, r *http.Request) string {
	a.allowOrigin(w.Header(), r.Header.Get("Origin"))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return "options"
	}
	found, ok := a.find(r.URL.EscapedPath())
	if !ok {
		a.respondFailure(w, failf(notFound, "there is no %s", r.URL.Path))
		return "unknown"
	}
	if !slices.Contains(found.methods, r.Method) && (r.Method != http.MethodHead || found.methods[0] != http.MethodGet) {
		w.Header().Set("Allow", strings.Join(found.methods, ", "))
		a.respondFailure(w, failf(badMethod, "%s is asked with %s", r.URL.Path, strings.Join(found.methods, " or ")))
		return found.name
	}
	if found.raw != nil {
		found.raw.ServeHTTP(w, r)
		return found.name
	}
	a.respond(w, r, found)
	return found.name
}

func (a *API) respond(w http.ResponseWriter, r *http.Request, found route) {
	if f := parseForm(w, r, a.cfg.MaxFormBytes); f != nil {
		a.respondFailure(w, f)
		return
	}
	ans := found.handler(w, r)
	if ans.done != nil {
		defer ans.done()
	}
	if ans.err != nil {
		a.respondFailure(w, ans.err)
		return
	}
	if ans.data == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	most := maxAnnotations
	if exact(r) {
		most = 0
	}
	warnings, infos := notes(ans.warnings, ans.query, most)
	w.Header().Set("Content-Type", "application/json")
	n, err := render.Write(w, render.Answer{Data: ans.data, Warnings: warnings, Infos: infos})
	if err == nil {
		return
	}
	if n == 0 && r.Context().Err() == nil {
		a.respondFailure(w, &failure{internal, err})
		return
	}
	// The client went away, which is no news to anybody here.
	a.cfg.Logger.Debug("answer was cut short", "endpoint", found.name, "bytes", n, "err", err)
}

// respondFailure answers with an error.
func (a *API) respondFailure(w http.ResponseWriter, f *failure) {
	if f.kind.code == http.StatusInternalServerError {
		a.cfg.Logger.Warn("request failed", "type", f.kind.name, "err", f.err)
	}
	text, err := json.Marshal(struct {
		Status string `json:"status"`
		Type   string `json:"errorType"`
		Error  string `json:"error"`
	}{"error", f.kind.name, f.err.Error()})
	if err != nil {
		panic("BUG: three strings are no JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.kind.code)
	_, _ = w.Write(text) // the client went away
}

// maxAnnotations is how many warnings, and how many infos, an answer has.
const maxAnnotations = 10

// notes returns the warnings and infos of a query in a fixed order, of each at most so many; 0 means all.
func notes(all annotations.Annotations, query string, most int) (warnings, infos []string) {
	if len(all) == 0 {
		return nil, nil
	}
	warnings, infos = all.AsStrings(query, 0, 0)
	return cut(warnings, most, "warning"), cut(infos, most, "info")
}

func cut(notes []string, most int, what string) []string {
	slices.Sort(notes)
	if most == 0 || len(notes) <= most {
		return notes
	}
	return append(notes[:most:most], fmt.Sprintf("%d more %s annotations omitted", len(notes)-most, what))
}

// exact reports whether a request asks for answers that lose nothing.
func exact(r *http.Request) bool { return r.Header.Get("X-Loadline-Exact") == "1" }

// allowOrigin lets pages of the configured origins read the answer.
func (a *API) allowOrigin(h http.Header, origin string) {
	h.Add("Vary", "Origin")
	if origin == "" || a.cfg.CORSOrigin == nil {
		return
	}
	h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin")
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Expose-Headers", "Date")
	if a.cfg.CORSOrigin.String() == "^(?:.*)$" {
		h.Set("Access-Control-Allow-Origin", "*")
	} else if a.cfg.CORSOrigin.MatchString(origin) {
		h.Set("Access-Control-Allow-Origin", origin)
	}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap gives http.ResponseController the real writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
