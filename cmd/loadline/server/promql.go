package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"loadline/cmd/loadline/config"
	"loadline/cmd/loadline/fault"
	"loadline/ingest/remotewrite"
	"loadline/internal/selfmon"
	"loadline/query/promql"
	"loadline/query/promql/red"
	"loadline/query/promql/results"
	"loadline/query/promql/store"
	"loadline/web/explorer"
	"loadline/web/promapi"
)

// prometheus is what Loadline is to Prometheus's users: the API, the remote write receiver, and the page over both.
type prometheus struct {
	api      *promapi.API
	write    *remotewrite.Handler
	explorer *explorer.Explorer
	engine   upstream.QueryEngine
	store    *store.Store
}

// openPrometheus makes the PromQL side of a server whose storage and write path are open.
func (s *Server) openPrometheus() (*prometheus, error) {
	cfg, err := engineConfig(s.cfg.Query)
	if err != nil {
		return nil, &fault.Error{Code: fault.Config, Err: err, Hint: "the names are those of Prometheus's --enable-feature"}
	}
	cfg.Logger = s.log.With("component", "promql")
	read := promql.Parser()
	metrics := store.New(s.storage.db, store.Config{
		Recent:     s.pipeline.Head(),
		SoleWriter: s.storage.engine != nil,
		Virtual:    []store.Virtual{red.New(s.storage.db, red.Config{}), s.objectiveMetrics()},
	})
	engine := s.keepResults(promql.NewEngine(cfg), read, metrics)
	p := &prometheus{
		engine: engine, store: metrics,
		write: remotewrite.New(remotewrite.Config{
			Export: s.pipeline.Export, MaxRequestBytes: int(s.cfg.OTLP.MaxBody), Log: s.log.With("component", "remote write"),
		}),
		explorer: explorer.New(explorer.Config{Engine: engine, Source: metrics, Parser: read, Logger: s.log.With("component", "explorer")}),
	}
	build := selfmon.BuildInfo()
	p.api, err = promapi.New(promapi.Config{
		Engine: engine, Store: metrics, Parser: read, Write: p.write, OTLP: http.StripPrefix("/api/v1/otlp", s.receivers),
		Describe: metrics.Describe,
		Features: map[string]map[string]bool{"promql": {
			"delayed_name_removal": cfg.DelayedNameRemoval, "use_start_timestamps": cfg.StartTimestamps, "type_and_unit_labels": cfg.TypeAndUnitLabels,
		}},
		Flags: s.flags(), MaxConcurrency: s.cfg.Query.MaxConcurrent, Timeout: s.cfg.Query.Timeout,
		Version: build.Version, Revision: build.Commit, Retention: config.FormatDuration(s.cfg.Retention.Metrics),
		Logger: s.log.With("component", "prometheus api"),
	})
	return p, err
}

// unstableTime bounds the question what a selector selects, whose answer the query itself needs too.
const unstableTime = 10 * time.Second

// keepResults lets the steps of range queries be kept where late samples are heard of: where this process is the only
// one that writes.
func (s *Server) keepResults(engine upstream.QueryEngine, read parser.Parser, metrics *store.Store) upstream.QueryEngine {
	if s.storage.engine == nil {
		return engine
	}
	return results.New(engine, read, results.Config{
		Version: s.late.Version,
		Unstable: func(selector *parser.VectorSelector) bool {
			ctx, cancel := context.WithTimeout(context.Background(), unstableTime)
			defer cancel()
			return metrics.Unstable(ctx, selector.LabelMatchers)
		},
	})
}

// engineConfig is how PromQL is evaluated.
func engineConfig(q config.Query) (promql.Config, error) {
	cfg := promql.Config{MaxSamples: q.MaxSamples, Timeout: q.Timeout}
	flags := map[string]*bool{
		"promql-delayed-name-removal": &cfg.DelayedNameRemoval,
		"use-start-timestamps":        &cfg.StartTimestamps,
		"type-and-unit-labels":        &cfg.TypeAndUnitLabels,
	}
	for name := range strings.SplitSeq(q.Features, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		flag := flags[name]
		if flag == nil {
			return cfg, fmt.Errorf("query.features: unknown feature %q", name)
		}
		*flag = true
	}
	return cfg, nil
}

// flags are the settings of the process, as status/flags shows them.
func (s *Server) flags() map[string]string {
	out := map[string]string{}
	for _, setting := range s.cfg.Settings() {
		out[setting.Key] = setting.Value
	}
	return out
}
