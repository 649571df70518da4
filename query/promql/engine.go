// Package promql evaluates PromQL over what is stored, with the upstream engine. The parts of an expression that read
// samples are computed by kernels where that gives the same to the last bit. DESIGN.md has the reasons.
package promql

import (
	"context"
	"log/slog"
	"time"

	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"loadline/query/promql/leaf"
)

// What Prometheus does unless it is told otherwise.
const (
	defaultMaxSamples   = 50_000_000
	defaultTimeout      = 2 * time.Minute
	defaultLookback     = 5 * time.Minute
	defaultSubqueryStep = time.Minute
)

// Config says how an engine evaluates. The zero value is Prometheus with its defaults.
type Config struct {
	MaxSamples   int           // held in memory by one query [50,000,000]
	Timeout      time.Duration // of one query [2m]
	Lookback     time.Duration // how old a sample an instant selector takes [5m]
	SubqueryStep time.Duration // of subqueries that name none [1m]

	// DelayedNameRemoval, StartTimestamps and TypeAndUnitLabels are Prometheus's feature flags promql-delayed-name-removal,
	// use-start-timestamps and type-and-unit-labels.
	DelayedNameRemoval, StartTimestamps, TypeAndUnitLabels bool

	// Tracker limits how many queries run at a time. It may be nil.
	Tracker upstream.QueryTracker
	// Logger gets what goes wrong inside the upstream engine. It may be nil.
	Logger *slog.Logger
}

func (c *Config) setDefaults() {
	if c.MaxSamples <= 0 {
		c.MaxSamples = defaultMaxSamples
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Lookback <= 0 {
		c.Lookback = defaultLookback
	}
	if c.SubqueryStep <= 0 {
		c.SubqueryStep = defaultSubqueryStep
	}
}

// Parser returns the parser of PromQL with all that is experimental: functions, duration expressions, fill modifiers and
// UTF-8 names without quotes.
func Parser() parser.Parser {
	return parser.NewParser(parser.Options{EnableExperimentalFunctions: true, EnableBinopFillModifiers: true, EnableUnquotedUTF8Names: true})
}

// Engine evaluates PromQL as the upstream engine does, of which it makes use. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	parser  parser.Parser
	options leaf.Options
	fast    *upstream.Engine // evaluates expressions with leaves
	plain   *upstream.Engine
	unfit   *unfit
}

var _ upstream.QueryEngine = (*Engine)(nil)

// NewEngine returns an engine.
func NewEngine(cfg Config) *Engine {
	cfg.setDefaults()
	e := &Engine{cfg: cfg, parser: Parser(), unfit: newUnfit()}
	e.options = leaf.Options{DelayedNameRemoval: cfg.DelayedNameRemoval, Skip: e.unfit.has}
	opts := upstream.EngineOpts{
		Logger:                   cfg.Logger,
		MaxSamples:               cfg.MaxSamples,
		Timeout:                  cfg.Timeout,
		ActiveQueryTracker:       cfg.Tracker,
		LookbackDelta:            cfg.Lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return cfg.SubqueryStep.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnablePerStepStats:       true,
		EnableDelayedNameRemoval: cfg.DelayedNameRemoval,
		EnableTypeAndUnitLabels:  cfg.TypeAndUnitLabels,
		UseStartTimestamps:       cfg.StartTimestamps,
		Parser:                   e.parser,
	}
	e.plain = upstream.NewEngine(opts)
	opts.Parser = leaf.Parser{Parser: e.parser, Options: e.options}
	e.fast = upstream.NewEngine(opts)
	return e
}

// NewInstantQuery implements the upstream QueryEngine.
func (e *Engine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts upstream.QueryOpts, text string, at time.Time) (upstream.Query, error) {
	return e.newQuery(q, opts, text, parser.EvalStmt{Start: at, End: at}, func(engine *upstream.Engine, q storage.Queryable) (upstream.Query, error) {
		return engine.NewInstantQuery(ctx, q, opts, text, at)
	})
}

// NewRangeQuery implements the upstream QueryEngine.
func (e *Engine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts upstream.QueryOpts, text string, start, end time.Time, step time.Duration) (upstream.Query, error) {
	return e.newQuery(q, opts, text, parser.EvalStmt{Start: start, End: end, Interval: step}, func(engine *upstream.Engine, q storage.Queryable) (upstream.Query, error) {
		return engine.NewRangeQuery(ctx, q, opts, text, start, end, step)
	})
}

// newQuery makes a query with leaves if there are any to be found in the text, and a plain one otherwise.
func (e *Engine) newQuery(q storage.Queryable, opts upstream.QueryOpts, text string, stmt parser.EvalStmt, on func(*upstream.Engine, storage.Queryable) (upstream.Query, error)) (upstream.Query, error) {
	if opts == nil {
		opts = upstream.NewPrometheusQueryOpts(false, 0, nil)
	}
	if stmt.LookbackDelta = opts.LookbackDelta(); stmt.LookbackDelta <= 0 {
		stmt.LookbackDelta = e.cfg.Lookback
	}
	if !e.prepare(text, &stmt) {
		queriesPlain.Inc()
		return on(e.plain, q)
	}
	r := newRun(e, q, opts, &stmt)
	fast, err := on(e.fast, r)
	if err != nil {
		return nil, err
	}
	return &query{Query: fast, stmt: &stmt, run: r, plain: func() (upstream.Query, error) { return on(e.plain, q) }}, nil
}

// prepare sets the expression of a statement, as the upstream engine prepares it, and tells whether there are leaves in
// it. An expression with errors has none.
func (e *Engine) prepare(text string, stmt *parser.EvalStmt) bool {
	expr, err := e.parser.ParseExpr(text)
	if err != nil || leaf.Count(expr, e.options) == 0 {
		return false
	}
	stmt.Expr, err = upstream.PreprocessExpr(expr, stmt.Start, stmt.End, stmt.Interval)
	return err == nil
}
