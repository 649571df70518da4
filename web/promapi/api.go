// Package promapi is the Prometheus HTTP API, version 1, over the stored metrics: what Grafana's Prometheus data source,
// promtool, and other tools ask. Parameters, answers, error types and messages are Prometheus's own.
//
// A request with the header "X-Loadline-Exact: 1" gets native histograms as base64 of the protobuf message
// prometheus.Histogram with float counts, which loses nothing, and all warnings and infos instead of ten each.
package promapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"loadline/query/promql/store"
	"loadline/web/compress"
	"loadline/web/promapi/failure"
	"loadline/web/promapi/rules"
)

// Store is what the API reads metrics from. It is safe for concurrent use, and gives up when the context of a request
// is done.
type Store interface {
	storage.Queryable
	storage.ExemplarQueryable
	// Metadata describes metric families by name: one when metric is not empty, otherwise up to limit, with up to
	// limitPerMetric descriptions each. A limit that is not positive is none.
	Metadata(ctx context.Context, metric string, limit, limitPerMetric int) (map[string][]store.Metadata, error)
}

// Config says what an API serves. Engine, Store and Parser have to be there; zero values of the rest mean what the
// brackets say.
type Config struct {
	Engine promql.QueryEngine
	Store  Store
	Parser parser.Parser

	Describe   func(ctx context.Context, limit int) (Cardinality, error) // for status/tsdb; Store.Describe of package store [nothing is stored]
	Rules      func(context.Context) ([]rules.Group, error)              // in the order of evaluation [none]
	Write      http.Handler                                              // for POST write [not found]
	OTLP       http.Handler                                              // for POST otlp/v1/metrics [not found]
	ConfigYAML func() string                                             // for status/config [empty]
	Flags      map[string]string                                         // for status/flags [none]
	Features   map[string]map[string]bool                                // more features by category [none]

	MaxConcurrency int            // queries at work at a time; others wait [20]
	Timeout        time.Duration  // of a query, waiting included [2m]
	Lookback       time.Duration  // of /federate [5m]
	MaxFormBytes   int64          // of the body of a request [10 MiB]
	MaxReadSamples int            // of the answer to a remote read [50,000,000]
	CORSOrigin     *regexp.Regexp // origins whose pages may read answers, anchored [none]

	Version   string // of Loadline
	Revision  string // of Loadline
	Retention string // as status/runtimeinfo says it
	Logger    *slog.Logger
	Now       func() time.Time // [time.Now]
}

func (c *Config) complete() error {
	switch {
	case c.Engine == nil:
		return errors.New("the Prometheus API needs an engine")
	case c.Store == nil:
		return errors.New("the Prometheus API needs a store")
	case c.Parser == nil:
		return errors.New("the Prometheus API needs a parser")
	case c.MaxConcurrency < 0 || c.Timeout < 0 || c.Lookback < 0 || c.MaxFormBytes < 0 || c.MaxReadSamples < 0:
		return errors.New("a limit of the Prometheus API is negative")
	}
	if c.MaxConcurrency == 0 {
		c.MaxConcurrency = 20
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Minute
	}
	if c.Lookback == 0 {
		c.Lookback = 5 * time.Minute
	}
	if c.MaxFormBytes == 0 {
		c.MaxFormBytes = 10 << 20
	}
	if c.MaxReadSamples == 0 {
		c.MaxReadSamples = 50_000_000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// API is the Prometheus HTTP API. It is safe for concurrent use.
type API struct {
	cfg     Config
	started time.Time
	slots   gate // for queries
	routes  map[string]route
	values  route // label/{name}/values
}

// New returns an API over what cfg has.
func New(cfg Config) (*API, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	a := &API{cfg: cfg, started: cfg.Now(), slots: make(gate, cfg.MaxConcurrency)}
	a.routes = a.table()
	a.values = route{name: "label_values", methods: get, handler: a.labelValues}
	return a, nil
}

// Register makes mux serve the API below /api/v1/, and /federate.
func (a *API) Register(mux *http.ServeMux) {
	h := compress.Handler(a)
	mux.Handle(prefix, h)
	mux.Handle(federation, h)
}

// maxReads is how many remote reads are at work at a time. They may take long, so that they have slots of their own.
const maxReads = 10

// gate has a slot for each of those who are at work.
type gate chan struct{}

// acquire waits for a slot. The caller gives it back with release.
func (g gate) acquire(ctx context.Context) *failure.Error {
	select {
	case g <- struct{}{}:
		return nil
	default:
	}
	waiting.Add(1)
	defer waiting.Add(-1)
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &failure.Error{Kind: failure.Timeout, Err: promql.ErrQueryTimeout("query queue")}
		}
		return &failure.Error{Kind: failure.Canceled, Err: promql.ErrQueryCanceled("query queue")}
	}
}

func (g gate) release() { <-g }
