package promapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/web/promapi/failure"
	"loadline/web/promapi/federate"
	"loadline/web/promapi/param"
	"loadline/web/promapi/remoteread"
	"loadline/web/promapi/render"
	"loadline/web/promapi/search"
)

var waiting = metrics.NewGauge(`loadline_promapi_waiting_queries`, nil)

const (
	prefix     = "/api/v1/"
	federation = "/federate"
)

// answer is what a handler has to say. The zero value is an answer without content.
type answer struct {
	data     any
	err      *failure.Error
	warnings annotations.Annotations
	query    string // to which warnings refer by position
	done     func() // called when the data is written; may be nil
}

func failed(f *failure.Error) answer { return answer{err: f} }

// handler answers a request whose form is parsed.
type handler func(r *http.Request) answer

// direct answers a request whose form is parsed, unless it returns an error.
type direct func(w http.ResponseWriter, r *http.Request) *failure.Error

// route is a path of the API and who serves it: one of handler, direct and raw.
type route struct {
	name    string // of the endpoint in metrics
	methods []string
	handler handler
	direct  direct
	raw     http.Handler // gets the request as it is
}

var (
	get     = []string{http.MethodGet}
	post    = []string{http.MethodPost}
	getPost = []string{http.MethodGet, http.MethodPost}
	postPut = []string{http.MethodPost, http.MethodPut}
)

// table returns the routes of the API by path.
func (a *API) table() map[string]route {
	routes := map[string]route{}
	add := func(name string, methods []string, h handler) {
		routes[name] = route{name: name, methods: methods, handler: h}
	}
	add("query", getPost, a.query)
	add("query_range", getPost, a.queryRange)
	add("query_exemplars", getPost, a.queryExemplars)
	add("format_query", getPost, a.formatQuery)
	add("parse_query", getPost, a.parseQuery)
	add("labels", getPost, a.labelNames)
	add("series", getPost, a.series)
	add("metadata", get, a.metadata)
	add("rules", get, a.rules)
	add("alerts", get, a.alerts)
	add("alertmanagers", get, a.alertmanagers)
	add("targets", get, a.targets)
	add("targets/metadata", get, a.targetMetadata)
	add("scrape_pools", get, a.scrapePools)
	add("features", get, a.features)
	add("notifications", get, a.notifications)
	add("status/buildinfo", get, a.buildInfo)
	add("status/runtimeinfo", get, a.runtimeInfo)
	add("status/config", get, a.config)
	add("status/flags", get, a.flags)
	add("status/tsdb", get, a.cardinality)
	add("status/tsdb/blocks", get, a.blocks)
	add("status/walreplay", get, a.walReplay)
	for _, name := range []string{"delete_series", "clean_tombstones", "snapshot"} {
		add("admin/tsdb/"+name, postPut, a.admin)
	}
	fed := federate.New(federate.Config{
		Store: a.cfg.Store, Parser: a.cfg.Parser, Lookback: a.cfg.Lookback, Now: a.cfg.Now, Acquire: a.slots.acquire, Release: a.slots.release,
	})
	routes[federation] = route{name: "federate", methods: get, direct: plain(fed)}
	reads := make(gate, maxReads)
	read := remoteread.New(remoteread.Config{Store: a.cfg.Store, MaxSamples: a.cfg.MaxReadSamples, Acquire: reads.acquire, Release: reads.release})
	routes["read"] = route{name: "read", methods: post, raw: read}
	find := search.New(search.Config{Store: a.cfg.Store, Metadata: a.allMetadata, Parser: a.cfg.Parser, MaxLimit: maxSearch, Now: a.cfg.Now})
	routes["search/metric_names"] = route{name: "search/metric_names", methods: getPost, direct: find.MetricNames}
	routes["search/label_names"] = route{name: "search/label_names", methods: getPost, direct: find.LabelNames}
	routes["search/label_values"] = route{name: "search/label_values", methods: getPost, direct: find.LabelValues}
	if a.cfg.Write != nil {
		routes["write"] = route{name: "write", methods: post, raw: a.cfg.Write}
	}
	if a.cfg.OTLP != nil {
		routes["otlp/v1/metrics"] = route{name: "otlp/v1/metrics", methods: post, raw: a.cfg.OTLP}
	}
	return routes
}

// plain returns a handler that answers in a form of its own as a direct one.
func plain(h http.Handler) direct {
	return func(w http.ResponseWriter, r *http.Request) *failure.Error {
		h.ServeHTTP(w, r)
		return nil
	}
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
		a.respondFailure(w, failure.New(failure.NotFound, "there is no %s", r.URL.Path))
		return "unknown"
	}
	if !slices.Contains(found.methods, r.Method) && (r.Method != http.MethodHead || found.methods[0] != http.MethodGet) {
		w.Header().Set("Allow", strings.Join(found.methods, ", "))
		failure.New(failure.BadData, "%s is asked with %s", r.URL.Path, strings.Join(found.methods, " or ")).WriteStatus(w, http.StatusMethodNotAllowed)
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
	if f := param.Form(w, r, a.cfg.MaxFormBytes); f != nil {
		a.respondFailure(w, f)
		return
	}
	if found.direct != nil {
		ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
		defer cancel()
		if f := found.direct(w, r.WithContext(ctx)); f != nil {
			a.respondFailure(w, f)
		}
		return
	}
	ans := found.handler(r)
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
		a.respondFailure(w, &failure.Error{Kind: failure.Internal, Err: err})
		return
	}
	// The client went away, which is no news to anybody here.
	a.cfg.Logger.Debug("answer was cut short", "endpoint", found.name, "bytes", n, "err", err)
}

// respondFailure answers with an error.
func (a *API) respondFailure(w http.ResponseWriter, f *failure.Error) {
	if f.Kind == failure.Internal {
		a.cfg.Logger.Warn("request failed", "err", f.Err)
	}
	f.Write(w)
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
