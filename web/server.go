// Package web is the dashboard: pages rendered on the server, the live updates of what is on them, and the few
// addresses that the script asks. Handlers parse, ask package query, map the answer to a value of package view, and
// render. The address bar holds all state, so every page can be shared by its address.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"loadline/query"
	"loadline/slo"
	"loadline/web/compress"
	"loadline/web/explorer"
	"loadline/web/live"
	"loadline/web/panel"
	"loadline/web/slos"
	"loadline/web/static"
)

// Config is what a [Server] needs.
type Config struct {
	Store   *query.Store
	Metrics *explorer.Explorer // the page of metrics; there is none when nil
	SLOs    *slo.Engine        // the pages of objectives; there are none when nil
	Health  func() Health      // how ingest is; a zero Health when nil
	Version string             // shown in the settings
	Now     func() time.Time   // time.Now when nil
	Logger  *slog.Logger       // slog.Default() when nil

	// HTTPAddr and GRPCAddr are the OTLP addresses that the welcome page tells. The host is replaced by the one
	// under which the browser has found the dashboard when it is empty, unspecified or loopback.
	HTTPAddr, GRPCAddr string

	// Patience is how long a page waits for a slow panel before it is sent without, to be filled in later. One
	// second when zero.
	Patience time.Duration
}

// Health is how ingest and storage are, filled in by who runs them.
type Health = panel.Health

// Listener is one of the OTLP receivers.
type Listener = panel.Listener

// Refusal is requests that were answered with an error, counted by reason.
type Refusal = panel.Refusal

// Storage is the ClickHouse behind everything.
type Storage = panel.Storage

// Fact is a line of the settings page.
type Fact = panel.Fact

// Server answers the requests of browsers.
type Server struct {
	config Config
	assets *static.Assets
	board  *panel.Board
	hub    *live.Hub
	slos   *slos.Pages // nil without an engine
}

// New returns a server. Its pages work at once; live updates need Run.
func New(config Config) (*Server, error) {
	if config.Store == nil {
		return nil, errors.New("web: no store to read from")
	}
	if config.Health == nil {
		config.Health = func() Health { return Health{} }
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Patience == 0 {
		config.Patience = time.Second
	}
	assets, err := static.New()
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s := &Server{config: config, assets: assets, board: panel.New(panel.Config{
		Store: config.Store, Health: config.Health, Now: config.Now, Logger: config.Logger,
	})}
	resolve := s.board.Resolve
	if config.SLOs != nil {
		s.slos = slos.New(slos.Config{
			Engine: config.SLOs, Board: s.board, Now: config.Now, Logger: config.Logger,
			Page: s.page, Render: s.render, Message: s.message, Redirected: s.redirected,
		})
		resolve = s.slos.Resolver(resolve)
	}
	s.hub = live.New(live.Config{Resolve: resolve, Logger: config.Logger})
	return s, nil
}

// Run pushes live updates until the context ends.
func (s *Server) Run(ctx context.Context) error { return s.hub.Run(ctx) }

// Handler routes the addresses of the dashboard.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+static.Prefix, s.assets)
	mux.Handle("GET /live", s.hub)
	mux.HandleFunc("GET /{$}", s.overview)
	mux.HandleFunc("GET /services", s.services)
	mux.HandleFunc("GET /services.csv", s.servicesCSV)
	mux.HandleFunc("GET /services/{name}", s.service)
	mux.HandleFunc("GET /traces", s.traces)
	mux.HandleFunc("GET /traces/{id}", s.trace)
	mux.HandleFunc("GET /traces/{id}/columns", s.traceColumns)
	mux.HandleFunc("GET /traces/{id}/spans/{span}", s.spanFragment)
	if s.config.Metrics != nil {
		mux.HandleFunc("GET /metrics-explorer", s.metrics)
		mux.HandleFunc("POST /api/ui/promql", s.checkExpression)
	}
	s.slos.Register(mux)
	mux.HandleFunc("GET /welcome", s.welcome)
	mux.HandleFunc("GET /settings", s.settings)
	mux.HandleFunc("GET /api/ui/suggest", s.suggest)
	mux.HandleFunc("GET /api/ui/palette", s.palette)
	mux.HandleFunc("GET /", s.notFound)
	return compress.Handler(mux)
}
