// Package sloapi is the HTTP API of service level objectives, below /api/v1/slos: definitions, how they do, what their
// rules did, who spent their budgets, and what definitions would have done.
//
//	GET    /api/v1/slos                          every objective; ?service= ?owner= ?health= ?format= (all definitions)
//	POST   /api/v1/slos                          put definitions (YAML) in force; ?dry_run=true ?create=true
//	GET    /api/v1/slos/suggestions              objectives for busy endpoints
//	POST   /api/v1/slos/validate                 look at definitions only
//	POST   /api/v1/slos/backtest                 what definitions would have done; ?from= ?to= ?slo= ?objective=
//	GET    /api/v1/slos/{name}                   definition and state; ?format=native, openslo or prometheus for YAML
//	PUT    /api/v1/slos/{name}                   replace it; If-Match: the revision that was edited; ?dry_run=true
//	DELETE /api/v1/slos/{name}                   If-Match as above; ?dry_run=true
//	GET    /api/v1/slos/{name}/status            objectives and groups
//	GET    /api/v1/slos/{name}/history           revisions, the newest first; ?limit=
//	GET    /api/v1/slos/{name}/events            what its rules did; ?objective= ?group= ?from= ?to= ?limit=; - for the events of all
//	GET    /api/v1/slos/{name}/budget            budget over time; ?objective= ?group= ?from= ?to= ?points=
//	GET    /api/v1/slos/{name}/burn              burn rates over time
//	GET    /api/v1/slos/{name}/forecast          how the budget goes on
//	GET    /api/v1/slos/{name}/spenders          what bad events have in common
//	GET    /api/v1/slos/{name}/examples          bad events with their traces; ?limit=
//	GET    /api/v1/slos/{name}/corrections       stretches of time that do not count
//	POST   /api/v1/slos/{name}/corrections       JSON with from, to and reason
//	DELETE /api/v1/slos/{name}/corrections/{id}  withdraw one
//	GET    /api/v1/slos/{name}/report            ?month=2026-11 ?format=csv
//
// Answers are JSON in an envelope like that of the Prometheus API, see package wire. The parameter objective may be left
// out where there is only one. Times are RFC 3339, Unix seconds, or so long ago: -7d; a range lasts at most 400 days and ends by
// now. Who changes something says so in the header X-Loadline-User or the parameter author.
package sloapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/slo"
	"loadline/slo/spec"
	"loadline/web/compress"
	"loadline/web/sloapi/wire"
)

// Config says what an API serves. Engine has to be there; zero values of the rest mean what the brackets say.
type Config struct {
	Engine  *slo.Engine
	Timeout time.Duration    // of a request [1m]
	Now     func() time.Time // [time.Now]
	Logger  *slog.Logger     // [none]
}

// API is the HTTP API of service level objectives. It is safe for concurrent use.
type API struct {
	cfg     Config
	handler http.Handler
}

// New returns an API over an engine.
func New(cfg Config) (*API, error) {
	if cfg.Engine == nil {
		return nil, errors.New("the API of objectives needs an engine")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &API{cfg: cfg}
	// What a page of another origin sends is refused: nobody has to log in here.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, "cross origin", &failure{kind: forbidden, err: errors.New("a page of another origin may not change objectives")})
	}))
	a.handler = compress.Handler(guard.Handler(a.routes()))
	return a, nil
}

const prefix = "/api/v1/slos"

// Register makes mux serve the API at /api/v1/slos and below.
func (a *API) Register(mux *http.ServeMux) {
	mux.Handle(prefix, a.handler)
	mux.Handle(prefix+"/", a.handler)
}

// handler answers a request with a value that becomes JSON, or with nil when it has answered itself.
type handler func(w http.ResponseWriter, r *http.Request) (any, error)

func (a *API) routes() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	add := func(method, path, name string, h handler) {
		methods[path] = append(methods[path], method)
		mux.HandleFunc(method+" "+prefix+path, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, name, h) })
	}
	add(http.MethodGet, "", "list", a.list)
	add(http.MethodPost, "", "apply", a.apply)
	add(http.MethodGet, "/suggestions", "suggestions", a.suggestions)
	add(http.MethodPost, "/validate", "validate", a.validate)
	add(http.MethodPost, "/backtest", "backtest", a.backtest)
	add(http.MethodGet, "/{name}", "get", a.get)
	add(http.MethodPut, "/{name}", "put", a.put)
	add(http.MethodDelete, "/{name}", "delete", a.remove)
	add(http.MethodGet, "/{name}/status", "status", a.status)
	add(http.MethodGet, "/{name}/history", "history", a.history)
	add(http.MethodGet, "/{name}/events", "events", a.events)
	add(http.MethodGet, "/{name}/budget", "budget", a.budget)
	add(http.MethodGet, "/{name}/burn", "burn", a.burn)
	add(http.MethodGet, "/{name}/forecast", "forecast", a.forecast)
	add(http.MethodGet, "/{name}/report", "report", a.report)
	add(http.MethodGet, "/{name}/spenders", "spenders", a.spenders)
	add(http.MethodGet, "/{name}/examples", "examples", a.examples)
	add(http.MethodGet, "/{name}/corrections", "corrections", a.corrections)
	add(http.MethodPost, "/{name}/corrections", "correct", a.correct)
	add(http.MethodDelete, "/{name}/corrections/{id}", "withdraw", a.withdraw)
	for path, allowed := range methods {
		if path != "" && !strings.HasPrefix(path, "/{name}") {
			continue // the path may be that of an SLO
		}
		allow := strings.Join(allowed, ", ")
		mux.HandleFunc(prefix+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			a.fail(w, r, "unknown", &failure{kind: badMethod, err: fmt.Errorf("%s is asked with %s", r.URL.Path, allow)})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, "unknown", &failure{kind: notFound, err: fmt.Errorf("there is no %s %s", r.Method, r.URL.Path)})
	})
	return mux
}

// serve answers a request.
func (a *API) serve(w http.ResponseWriter, r *http.Request, name string, h handler) {
	began := a.cfg.Now()
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
	defer cancel()
	r = r.WithContext(ctx)
	data, err := h(w, r)
	metrics.GetOrCreateHistogram(fmt.Sprintf(`loadline_sloapi_request_seconds{endpoint=%q}`, name)).Update(a.cfg.Now().Sub(began).Seconds())
	if err != nil {
		a.fail(w, r, name, failureOf(r.Context(), err))
		return
	}
	if data == nil {
		return
	}
	text, err := json.Marshal(data)
	if err != nil {
		a.fail(w, r, name, failureOf(r.Context(), fmt.Errorf("encode the answer: %w", err)))
		return
	}
	a.write(w, name, http.StatusOK, wire.Answer{Status: "success", Data: text, Warnings: a.warnings()})
}

// warnings are what is wrong with definitions that were not sent here. Whoever asks for anything gets to know.
func (a *API) warnings() []string {
	var out []string
	for _, p := range a.cfg.Engine.Registry().Problems() {
		out = append(out, p.Error())
	}
	return out[:min(len(out), maxWarnings)]
}

// maxWarnings is how many problems of files an answer tells.
const maxWarnings = 20

// fail answers with an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, name string, f *failure) {
	if f.kind == internal {
		a.cfg.Logger.Warn("request failed", "method", r.Method, "path", r.URL.Path, "err", f.err)
	}
	a.write(w, name, codes[f.kind], wire.Answer{Status: "error", ErrorType: string(f.kind), Error: f.err.Error(), Problems: f.problems})
}

func (a *API) write(w http.ResponseWriter, name string, code int, answer wire.Answer) {
	metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_sloapi_requests_total{endpoint=%q,code="%d"}`, name, code)).Inc()
	text, err := json.Marshal(answer)
	if err != nil {
		panic("BUG: an answer is no JSON: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the client went away
}

// document answers with text that is not JSON, as a file of that name.
func document(w http.ResponseWriter, contentType, file string, text []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", fmt.Sprintf("inline; filename=%q", file))
	_, _ = w.Write(text) // the client went away
}

// find returns the SLO in the path.
func (a *API) find(r *http.Request) (spec.SLO, error) {
	name := r.PathValue("name")
	s, ok := a.cfg.Engine.SLO(name)
	if !ok {
		return s, unknown(name)
	}
	return s, nil
}

func unknown(name string) error {
	return &failure{kind: notFound, err: fmt.Errorf("there is no SLO %q: GET %s lists them", name, prefix)}
}
