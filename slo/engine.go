package slo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/slo/counting"
	"loadline/slo/history"
	"loadline/slo/registry"
	"loadline/slo/rule"
	"loadline/slo/store"
	"loadline/slo/store/counts"
	"loadline/slo/tracker"
)

var (
	evaluateSeconds = metrics.NewHistogram(`loadline_slo_evaluate_seconds`)
	evaluateErrors  = metrics.NewCounter(`loadline_slo_evaluate_errors_total`)
)

// Config is what an [Engine] needs. Functions that are nil are not needed where nothing is ingested.
type Config struct {
	DB       *clickhouse.DB
	Registry *registry.Registry
	// Install, Query and SoleWriter are those of [counting.Config].
	Install    func([]sli.Counted) error
	Query      func(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([][]float64, error)
	SoleWriter bool
	// Settled runs a function while the write path inserts no counts, see ingest.Pipeline.Settled.
	Settled func(context.Context, func() error) error
	// Behind is for how long the oldest of what was received waits to be counted [0].
	Behind func() time.Duration
	// Snapshot is the file in which the engine keeps its memory for the next start; empty for none.
	Snapshot string
	Logger   *slog.Logger // [slog.Default()]
}

// Engine evaluates all objectives. Its methods may be called concurrently while Run runs.
type Engine struct {
	*history.History
	cfg     Config
	log     *slog.Logger
	store   *store.Store
	counts  *counts.Store
	counter *counting.Counter

	news      chan struct{} // counts have come in
	corrected chan struct{} // there are other corrections
	past      chan struct{} // there may be more past to count

	// of the goroutine of Run
	clock   counts.Clock
	delay   tracker.Delay
	saved   map[Ref]saved // states as they are stored
	unsaved []Event       // that could not be stored yet

	mu          sync.RWMutex
	tracker     *tracker.Tracker
	corrections []Correction
	waits       time.Duration // the measured delay
	firings     map[firing]int
	problem     string // why evaluation does not go on
	viewers     map[chan struct{}]bool
}

// saved is the states of the rules of an objective as they were stored last.
type saved struct {
	rule   uint64
	states []rule.State
}

// firing is a tier of an objective, or of a group of it.
type firing struct {
	Ref
	tier string
}

// New returns an engine that knows nothing until Load.
func New(cfg Config) *Engine {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Settled == nil {
		cfg.Settled = func(_ context.Context, fn func() error) error { return fn() }
	}
	if cfg.Behind == nil {
		cfg.Behind = func() time.Duration { return 0 }
	}
	if cfg.Install == nil {
		cfg.Install = func([]sli.Counted) error { return nil }
	}
	e := &Engine{
		cfg: cfg, log: cfg.Logger.With("component", "slo"), store: store.New(cfg.DB), counts: counts.New(cfg.DB),
		news: make(chan struct{}, 1), corrected: make(chan struct{}, 1), past: make(chan struct{}, 1),
		clock: counts.Clock{}, saved: map[Ref]saved{}, firings: map[firing]int{}, viewers: map[chan struct{}]bool{},
		waits: tracker.DefaultDelay, tracker: tracker.New(0),
	}
	e.counter = counting.New(counting.Config{
		DB: cfg.DB, Store: e.store, Counts: e.counts, Install: cfg.Install, Query: cfg.Query, SoleWriter: cfg.SoleWriter,
		Counted: e.Counted, From: func(indicator uint64, from int64) { e.now().SetFrom(indicator, from) },
	})
	e.History = history.New(cfg.DB, e.counts, e.counter, e.now)
	return e
}

// Counted tells the engine that the write path has stored counts.
func (e *Engine) Counted() { e.wake(e.news) }

// wake puts a value into a channel unless one is waiting there.
func (e *Engine) wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Registry holds the definitions.
func (e *Engine) Registry() *registry.Registry { return e.cfg.Registry }

// Delay is for how long after its end a slot is waited for: nearly all events were counted by then of late.
func (e *Engine) Delay() time.Duration {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.waits
}

// Subscribe returns a channel that gets a value after each evaluation, unless one is waiting there. Call cancel when it is
// not read any more.
func (e *Engine) Subscribe() (news <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.viewers[c] = true
	return c, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.viewers, c)
	}
}

// How often the engine does what.
const (
	tickEvery     = time.Second
	recountEvery  = 10 * time.Second
	computeEvery  = 10 * time.Second
	trendEvery    = time.Minute
	minutelyEvery = time.Minute
	retryEvery    = 10 * time.Second
	lastWords     = 5 * time.Second // for what is not stored when the engine stops
)

// sampleDelay is waited for before PromQL is asked about a minute: senders of samples keep them for some seconds, and what
// comes later is not seen.
const sampleDelay = 30 * time.Second

// Run evaluates until ctx is done. Load must have been called.
func (e *Engine) Run(ctx context.Context) error {
	for {
		err := e.open(ctx, time.Now())
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		e.failed("begin to evaluate", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryEvery):
		}
	}
	var work sync.WaitGroup
	work.Go(func() { e.every(ctx, recountEvery, e.past, e.counter.Recount) })
	work.Go(func() { e.every(ctx, trendEvery, nil, e.RefreshTrends) })
	work.Go(func() {
		e.every(ctx, computeEvery, nil, func(ctx context.Context, now time.Time) error {
			return e.counter.Compute(ctx, now.Add(-max(e.Delay(), sampleDelay)))
		})
	})
	e.loop(ctx)
	work.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := e.record(last, nil); err != nil {
		e.log.Warn("events of objectives are told by the next process", "error", err)
	}
	e.saveSnapshot()
	return nil
}

// loop follows the counts, evaluates when a slot is complete, and takes in new definitions.
func (e *Engine) loop(ctx context.Context) {
	tick, minutely, check := time.NewTicker(tickEvery), time.NewTicker(minutelyEvery), time.NewTicker(checkEvery)
	defer tick.Stop()
	defer minutely.Stop()
	defer check.Stop()
	changed := e.cfg.Registry.Changed()
	pending := true // something may have changed since Load
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-e.news:
			err = e.tick(ctx, time.Now())
		case <-tick.C:
			err = e.tick(ctx, time.Now())
		case <-changed:
			changed, pending = e.cfg.Registry.Changed(), true
		case <-e.corrected:
			pending = true
		case <-minutely.C:
			err = e.minutely(ctx)
		case <-check.C:
			err = e.check(ctx)
		}
		if pending && err == nil {
			err = e.reconcile(ctx, time.Now())
			pending = err != nil
		}
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, counts.ErrBehind):
			err = e.reload(ctx, time.Now())
			fallthrough
		default:
			e.failed("evaluate", err)
		}
	}
}

// failed notes how it went: the pages say why objectives are not evaluated.
func (e *Engine) failed(what string, err error) {
	problem := ""
	if err != nil {
		problem = fmt.Sprintf("%s: %v", what, err)
		evaluateErrors.Inc()
	}
	e.mu.Lock()
	was := e.problem
	e.problem = problem
	e.mu.Unlock()
	if problem != "" && problem != was {
		e.log.Error("objectives are not evaluated", "error", problem)
	}
}

// every calls fn now and then, and when it is woken, until ctx is done.
func (e *Engine) every(ctx context.Context, interval time.Duration, woken <-chan struct{}, fn func(context.Context, time.Time) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := fn(ctx, time.Now()); err != nil && ctx.Err() == nil {
			e.log.Warn("counts of objectives are not up to date", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-woken:
		}
	}
}

// minutely is what needs no hurry.
func (e *Engine) minutely(ctx context.Context) error {
	if err := e.counts.Finish(ctx); err != nil {
		return err
	}
	if err := e.countFirings(ctx, time.Now()); err != nil {
		return err
	}
	if err := e.load(ctx, e.now().Stale()); err != nil {
		return err
	}
	e.saveSnapshot()
	return nil
}

// now is the tracker, which is another one after everything was loaded again.
func (e *Engine) now() *tracker.Tracker {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.tracker
}
