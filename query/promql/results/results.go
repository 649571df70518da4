// Package results keeps the results of range queries, so that a dashboard that is refreshed evaluates the steps that are
// new alone. It wraps a query engine. A result that is put together is, to the last bit, what the engine would return
// for the whole range.
package results

import (
	"context"
	"time"

	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

const (
	defaultBytes = 64 << 20
	defaultLag   = 10 * time.Minute
	// maxSteps is how many steps of one query are kept. It is what the HTTP API returns at most.
	maxSteps = 11_000
	// maxShare is the part of all memory that one result may take.
	maxShare = 4
)

// Config tunes an Engine. Zero values mean the defaults in brackets.
type Config struct {
	Bytes    int64         // of results kept [64 MiB]
	Lag      time.Duration // how old samples are until no more are expected, so that steps computed from them are kept [10m]
	Lookback time.Duration // of the engine [5m]

	// Version returns a number that is another one when samples in a range of time (Unix ms) are others than before, but
	// for samples that are younger than Lag when they arrive. Changes has one. Nil means that samples never change.
	Version func(mint, maxt int64) uint64
	// Unstable tells whether the values of some metric that a selector selects depend on the range it is selected in, as
	// those of deltas do that are added up. Results with such selectors are not kept. Nil means none.
	Unstable func(*parser.VectorSelector) bool
	Now      func() time.Time // [time.Now]
}

func (c *Config) setDefaults() {
	if c.Bytes <= 0 {
		c.Bytes = defaultBytes
	}
	if c.Lag <= 0 {
		c.Lag = defaultLag
	}
	if c.Lookback <= 0 {
		c.Lookback = 5 * time.Minute
	}
	if c.Version == nil {
		c.Version = func(int64, int64) uint64 { return 0 }
	}
	if c.Unstable == nil {
		c.Unstable = func(*parser.VectorSelector) bool { return false }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Engine evaluates with another engine and keeps results of range queries. All queries must be of the same storage. It
// is safe for concurrent use.
type Engine struct {
	engine upstream.QueryEngine
	parser parser.Parser
	cfg    Config
	cache  *cache
}

var _ upstream.QueryEngine = (*Engine)(nil)

// New returns an engine over another one, whose expressions the parser parses.
func New(engine upstream.QueryEngine, p parser.Parser, cfg Config) *Engine {
	cfg.setDefaults()
	return &Engine{engine: engine, parser: p, cfg: cfg, cache: newCache(cfg.Bytes)}
}

// bypass marks options of queries that are to be evaluated.
type bypass struct{ upstream.QueryOpts }

// Bypass returns options for a query that makes no use of results that are kept. The options may be nil.
func Bypass(opts upstream.QueryOpts) upstream.QueryOpts {
	if opts == nil {
		opts = upstream.NewPrometheusQueryOpts(false, 0, nil)
	}
	return bypass{opts}
}

// NewInstantQuery implements the upstream QueryEngine. Results of instant queries are not kept.
func (e *Engine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts upstream.QueryOpts, text string, at time.Time) (upstream.Query, error) {
	return e.engine.NewInstantQuery(ctx, q, opts, text, at)
}

// NewRangeQuery implements the upstream QueryEngine.
func (e *Engine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts upstream.QueryOpts, text string, start, end time.Time, step time.Duration) (upstream.Query, error) {
	on := func(start, end time.Time) (upstream.Query, error) {
		return e.engine.NewRangeQuery(ctx, q, opts, text, start, end, step)
	}
	k, ok := keyOf(opts, text, start, step)
	if !ok || end.Before(start) {
		return on(start, end)
	}
	if k.lookback <= 0 {
		k.lookback = e.cfg.Lookback
	}
	p, ok := e.plan(&parser.EvalStmt{Start: start, End: end, Interval: step, LookbackDelta: k.lookback}, text)
	if !ok {
		return on(start, end)
	}
	return &query{engine: e, text: text, key: k, plan: p, on: on, known: e.cache.get(k)}, nil
}

// key is what results are kept under.
type key struct {
	text        string
	step, phase int64 // milliseconds
	lookback    time.Duration
	startTimes  string // whether start timestamps are used, when the query says so
}

// keyOf returns the key of a query. Queries that want more than the result, or are not at whole milliseconds, have none.
func keyOf(opts upstream.QueryOpts, text string, start time.Time, step time.Duration) (key, bool) {
	if step <= 0 || step%time.Millisecond != 0 || start.Nanosecond()%int(time.Millisecond) != 0 {
		return key{}, false
	}
	k := key{text: text, step: step.Milliseconds(), phase: start.UnixMilli() % step.Milliseconds()}
	if opts == nil {
		return k, true
	}
	if _, ok := opts.(bypass); ok || opts.EnablePerStepStats() {
		return key{}, false
	}
	if _, ok := opts.(upstream.QueryCostOpts); ok && costs(opts.(upstream.QueryCostOpts)) {
		return key{}, false
	}
	if use := opts.UseStartTimestamps(); use != nil {
		k.startTimes = map[bool]string{true: "yes", false: "no"}[*use]
	}
	k.lookback = opts.LookbackDelta()
	return k, true
}

// costs tells whether a query has limits of its own.
func costs(o upstream.QueryCostOpts) bool {
	return o.MaxSeries() > 0 || o.MaxSamplesRead() > 0 || o.MaxQueryDuration() > 0
}
