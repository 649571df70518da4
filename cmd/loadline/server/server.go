// Package server is a running Loadline: it opens storage, the write path and the listeners, keeps an eye on them, and
// stops them in the order in which nothing is lost.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/pprof"
	"path/filepath"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/cmd/loadline/config"
	"loadline/cmd/loadline/fault"
	"loadline/ingest"
	"loadline/ingest/compact"
	"loadline/ingest/head"
	"loadline/ingest/otlp"
	"loadline/internal/schema"
	"loadline/internal/selfmon"
	"loadline/query"
	"loadline/query/promql/results"
	"loadline/slo"
	"loadline/web"
	"loadline/web/sloapi"
)

// Server is a running Loadline: storage, the write path, and the listeners.
type Server struct {
	cfg    config.Config
	log    *slog.Logger
	health *selfmon.Health

	pages     net.Listener
	debug     net.Listener // nil when pprof is off
	receivers *otlp.Server
	storage   *storage
	pipeline  *ingest.Pipeline
	store     *query.Store
	metrics   *prometheus
	late      results.Changes // float samples that came late
	compactor *compact.Compactor

	indicators    indicators
	objectives    *slo.Engine
	objectivesAPI *sloapi.API

	web  *web.Server
	rate rate // of accepted spans
}

// Open opens everything in the order in which mistakes are likely and cheap to report: ports, the data directory,
// storage. Nothing is answered before Run. Its errors are those of package fault.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *Server, err error) {
	s := &Server{cfg: cfg, log: log, health: new(selfmon.Health)}
	var opened []func()
	defer func() {
		if err != nil {
			for i := len(opened) - 1; i >= 0; i-- {
				opened[i]()
			}
		}
	}()
	if s.pages, err = listen(ctx, "http.addr", cfg.HTTP.Addr); err != nil {
		return nil, err
	}
	opened = append(opened, func() { _ = s.pages.Close() })
	if cfg.DebugAddr != "" {
		if s.debug, err = listen(ctx, "debug.addr", cfg.DebugAddr); err != nil {
			return nil, err
		}
		opened = append(opened, func() { _ = s.debug.Close() })
	}
	if s.receivers, err = s.openReceivers(); err != nil {
		return nil, err
	}
	opened = append(opened, s.closeReceivers)
	if err = prepareDir(cfg.Storage.Path); err != nil {
		return nil, err
	}
	if s.storage, err = openStorage(ctx, cfg.Storage, log); err != nil {
		return nil, err
	}
	opened = append(opened, func() { s.storage.close(context.WithoutCancel(ctx)) })
	s.pipeline, err = ingest.New(s.storage.db, ingest.Config{
		Dir:         filepath.Join(cfg.Storage.Path, "wal"),
		MaxLogBytes: cfg.WAL.MaxSize,
		MaxAge:      anyAge(cfg.Ingest.MaxAge),
		Head:        head.Config{Late: s.late.Changed},
		Indicators:  s.indicators.set.Load,
		Tallied:     func() { s.objectives.Counted() },
		Logger:      log,
	})
	if err != nil {
		return nil, &fault.Error{Code: fault.Storage, Err: err, Hint: "free the disk, fix its permissions, or choose another directory with --storage.path"}
	}
	s.store = query.New(s.storage.db)
	if err = s.openObjectives(ctx); err != nil {
		return nil, err
	}
	s.compactor = compact.New(s.storage.db, compact.Config{Logger: log.With("component", "compact")})
	if s.metrics, err = s.openPrometheus(); err != nil {
		return nil, err
	}
	if s.web, err = s.openPages(); err != nil {
		return nil, err
	}
	return s, nil
}

// openReceivers opens the OTLP ports. Requests wait in the sockets until the pipeline is there.
func (s *Server) openReceivers() (*otlp.Server, error) {
	cfg := otlp.Config{
		GRPCAddress:     s.cfg.OTLP.GRPCAddr,
		HTTPAddress:     s.cfg.OTLP.HTTPAddr,
		MaxRequestBytes: int(s.cfg.OTLP.MaxBody),
		Log:             s.log.With("component", "otlp"),
	}
	if files := s.cfg.OTLP.TLS; files.CertFile != "" {
		cfg.TLS = &otlp.TLS{CertFile: files.CertFile, KeyFile: files.KeyFile, ClientCAFile: files.ClientCAFile}
	}
	for origin := range strings.SplitSeq(s.cfg.OTLP.AllowedOrigins, ",") {
		if origin = strings.TrimSpace(origin); origin != "" {
			cfg.AllowedOrigins = append(cfg.AllowedOrigins, origin)
		}
	}
	receivers, err := otlp.New(cfg, func(ctx context.Context, signal ingest.Signal, body []byte) (ingest.Result, error) {
		return s.pipeline.Export(ctx, signal, body)
	})
	var op *net.OpError
	switch {
	case err == nil:
		return receivers, nil
	case errors.As(err, &op) && op.Op == "listen":
		key, addr := "otlp.grpc.addr", s.cfg.OTLP.GRPCAddr
		if op.Addr != nil && sameAddr(op.Addr.String(), s.cfg.OTLP.HTTPAddr) {
			key, addr = "otlp.http.addr", s.cfg.OTLP.HTTPAddr
		}
		return nil, listenFault(key, addr, err)
	}
	return nil, &fault.Error{Code: fault.Config, Err: err, Hint: "correct the otlp section of the configuration"}
}

// anyAge turns the setting's 0 into what the write path calls no limit.
func anyAge(limit time.Duration) time.Duration {
	if limit == 0 {
		return -1
	}
	return limit
}

// closeReceivers frees the OTLP ports of a server that never ran.
func (s *Server) closeReceivers() {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.receivers.Run(done)
}

// stage is one part of a running server with a life of its own.
type stage struct {
	name string
	stop context.CancelFunc
	done chan struct{}
}

// Run serves until ctx is done or a part fails, then drains: no new telemetry, then the write path, then the pages, and
// storage last. It calls ready when everything answers.
func (s *Server) Run(ctx context.Context, ready func()) error {
	failed := make(chan error, 8)
	start := func(name string, run func(context.Context) error) *stage {
		stageCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		st := &stage{name: name, stop: stop, done: make(chan struct{})}
		go func() {
			defer close(st.done)
			if err := run(stageCtx); err != nil {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		}()
		return st
	}
	stages := []*stage{
		start("receivers", s.receivers.Run),
		start("write path", s.pipeline.Run),
		start("service graph", s.pipeline.RunEdges),
		start("compaction", s.compactor.Run),
		start("objectives", s.objectives.Run),
		start("definitions", s.objectives.Registry().Run),
		start("pages", func(ctx context.Context) error { return s.serveHTTP(ctx, s.pages, s.handler()) }),
		start("live updates", s.web.Run),
		start("watch", s.watch),
		start("retention", s.retain),
	}
	if s.debug != nil {
		stages = append(stages, start("pprof", func(ctx context.Context) error { return s.serveHTTP(ctx, s.debug, pprofHandler()) }))
	}
	s.checkHealth(ctx)
	ready()

	var err error
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
	case err = <-failed:
		s.log.Error("stopping because a part failed", "error", err)
	}
	s.health.Set("server", selfmon.Down, "stopping")
	for _, st := range stages {
		st.stop()
		<-st.done
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	s.storage.close(stop)
	for len(failed) > 0 {
		err = errors.Join(err, <-failed)
	}
	return err
}

// drainTime is how long pages that are being sent, and then queries at work, may take when the server stops.
const drainTime = 10 * time.Second

// handler routes the pages and the management endpoints.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	management := selfmon.Handler(s.health)
	for _, path := range []string{"/metrics", "/version", "/-/healthy", "/-/ready"} {
		mux.Handle(path, management)
	}
	s.metrics.api.Register(mux)
	s.objectivesAPI.Register(mux)
	mux.Handle("/", s.web.Handler())
	return mux
}

// watchEvery is how often the health of the parts is looked at.
const watchEvery = 2 * time.Second

// watch keeps the health of the parts up to date.
func (s *Server) watch(ctx context.Context) error {
	s.exposeMetrics()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.checkHealth(ctx)
		}
	}
}

func (s *Server) checkHealth(ctx context.Context) {
	s.rate.observe(time.Now(), spans(s.receivers.Stats()))
	if err := s.storage.check(ctx); err != nil {
		s.health.Set("storage", selfmon.Down, err.Error())
	} else {
		s.health.Set("storage", selfmon.OK, s.storage.String())
	}
	status := s.pipeline.Status()
	state, message := ingestHealth(status)
	s.health.Set("ingest", state, message)
	if evaluated, problem := s.objectives.Progress(); problem != "" {
		s.health.Set("objectives", selfmon.Degraded, problem)
	} else {
		s.health.Set("objectives", selfmon.OK, "judged up to "+evaluated.Format(time.RFC3339))
	}
}

// retainEvery is how often retention is applied and storage measured.
const retainEvery = 10 * time.Minute

// retain drops what is past its retention, now and then.
func (s *Server) retain(ctx context.Context) error {
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		dropped, err := schema.EnforceRetention(ctx, s.storage.db, time.Now(), retention(s.cfg.Retention))
		for _, d := range dropped {
			if d.Table == "samples" || d.Table == "chunks" {
				s.late.Changed(math.MinInt64, math.MaxInt64)
			}
			s.log.Info("dropped a partition", "table", d.Table, "partition", d.Partition, "rows", d.Rows, "bytes", d.Bytes, "reason", d.Reason)
		}
		if err != nil {
			s.late.Changed(math.MinInt64, math.MaxInt64) // the partition may be gone all the same
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("retention cannot be applied", "error", err)
		}
		if err := measureStorage(ctx, s.store); err != nil && ctx.Err() == nil {
			s.log.Error("storage cannot be measured", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func retention(r config.Retention) schema.Retention {
	return schema.Retention{
		Traces:     schema.Limit{Age: r.Traces, Bytes: r.TracesSize},
		TraceIndex: schema.Limit{Age: r.TraceIndex},
		Rollups:    schema.Limit{Age: r.Rollups, Bytes: r.RollupsSize},
		Logs:       schema.Limit{Age: r.Logs, Bytes: r.LogsSize},
		Metrics:    schema.Limit{Age: r.Metrics, Bytes: r.MetricsSize},
	}
}

// ingestHealth judges the write path: a log that takes nothing more makes the process unready, so that load balancers
// send telemetry elsewhere; a log that grows because inserts fail is for people to see.
func ingestHealth(status ingest.Status) (selfmon.Status, string) {
	waiting := fmt.Sprintf("%d items in %s of write-ahead log wait to be stored, the oldest for %s",
		status.Log.Items, config.FormatSize(status.Log.Bytes), config.FormatDuration(status.Log.OldestAge.Truncate(time.Second)))
	switch {
	case status.Log.Failing:
		return selfmon.Down, "the disk refuses the write-ahead log; free space in the data directory"
	case status.Log.Full:
		return selfmon.Down, "the write-ahead log is full and refuses data: " + waiting
	case status.Err != nil:
		return selfmon.Degraded, fmt.Sprintf("%s: %v", waiting, status.Err)
	case status.Log.OldestAge > time.Minute:
		return selfmon.Degraded, waiting
	}
	return selfmon.OK, ""
}

// exposeMetrics registers the gauges that are read when someone asks. A process has one server.
func (s *Server) exposeMetrics() {
	metrics.NewGauge(`loadline_ingest_log_bytes`, func() float64 { return float64(s.pipeline.Status().Log.Bytes) })
	metrics.NewGauge(`loadline_ingest_log_items`, func() float64 { return float64(s.pipeline.Status().Log.Items) })
	metrics.NewGauge(`loadline_ingest_log_age_seconds`, func() float64 { return s.pipeline.Status().Log.OldestAge.Seconds() })
	metrics.NewGauge(`loadline_slo_instances`, func() float64 { n, _ := s.objectives.Size(); return float64(n) })
	metrics.NewGauge(`loadline_slo_ring_bytes`, func() float64 { _, n := s.objectives.Size(); return float64(n) })
	metrics.NewGauge(`loadline_slo_delay_seconds`, func() float64 { return s.objectives.Delay().Seconds() })
	metrics.NewGauge(`loadline_slo_evaluated_timestamp_seconds`, func() float64 {
		evaluated, _ := s.objectives.Progress()
		return float64(evaluated.Unix())
	})
	if s.storage.engine != nil {
		metrics.NewGauge(`loadline_engine_restarts`, func() float64 { return float64(s.storage.engine.Restarts()) })
	}
}

// serveHTTP answers requests on l until ctx is done, then lets those at work finish.
func (s *Server) serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.With("component", "http").Handler(), slog.LevelError),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := srv.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-served
	return err
}

// pprofHandler serves profiles, which are off unless debug.addr asks for them.
func pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// Greet prints the five lines that a person needs after a start.
func (s *Server) Greet(w io.Writer) {
	url := s.URL()
	fmt.Fprintf(w, "%s\n", selfmon.BuildInfo())
	fmt.Fprintf(w, "  dashboard    %s\n", url)
	fmt.Fprintf(w, "  OTLP         gRPC %s, HTTP http://%s\n", s.receivers.GRPCAddr(), s.receivers.HTTPAddr())
	fmt.Fprintf(w, "  storage      %s\n", s.storage)
	fmt.Fprintf(w, "  first steps  %s/welcome\n", url)
}

// GRPCAddr is where the server takes OTLP over gRPC.
func (s *Server) GRPCAddr() string { return s.receivers.GRPCAddr().String() }

// URL is where a browser on this machine reaches the pages, or the configured external URL.
func (s *Server) URL() string {
	if s.cfg.HTTP.ExternalURL != "" {
		return s.cfg.HTTP.ExternalURL
	}
	host, port, err := net.SplitHostPort(s.pages.Addr().String())
	if err != nil {
		return "http://" + s.pages.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// sameAddr reports whether a and b are the same port of the same host, however the host is written.
func sameAddr(a, b string) bool {
	x, errX := net.ResolveTCPAddr("tcp", a)
	y, errY := net.ResolveTCPAddr("tcp", b)
	return errX == nil && errY == nil && x.String() == y.String()
}
