package results

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"
)

// query is a range query that makes use of what is kept.
type query struct {
	engine *Engine
	text   string
	key    key
	plan   *plan
	on     func(start, end time.Time) (upstream.Query, error) // evaluates a part of the range
	known  *kept                                              // or nil

	mu      sync.Mutex // guards what follows
	queries []upstream.Query
	cancel  context.CancelFunc
}

// Exec implements the upstream Query.
func (q *query) Exec(ctx context.Context) *upstream.Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q.mu.Lock()
	q.cancel = cancel
	q.mu.Unlock()

	known, next := q.known, q.plan.toKeep(q.key, q.known)
	next.version = q.engine.cfg.Version(next.mint, next.maxt) // before anything is read, so that a change meanwhile is noticed later
	if known != nil && q.covers(known) {
		if result, ok := q.rest(ctx, known, next); ok {
			hits.Inc()
			return result
		}
	}
	misses.Inc()
	next = q.plan.toKeep(q.key, nil)
	next.version = q.engine.cfg.Version(next.mint, next.maxt)
	result := q.evaluate(ctx, q.plan.first, q.plan.last)
	q.keep(nil, next, result)
	return result
}

// covers tells whether a result that is kept is still right, and of the first steps of the query.
func (q *query) covers(k *kept) bool {
	return k.first <= q.plan.first && k.last >= q.plan.first && q.engine.cfg.Version(k.mint, k.maxt) == k.version
}

// rest evaluates the steps after those that are known, and puts the result together. It returns false when what it is to
// be annotated with cannot be told from the parts.
func (q *query) rest(ctx context.Context, known, next *kept) (*upstream.Result, bool) {
	p, result := q.plan, &upstream.Result{Value: upstream.Matrix{}}
	if from := known.last + q.key.step; from <= p.last {
		result = q.evaluate(ctx, from, p.last)
	}
	if result.Err != nil {
		return result, true
	}
	for _, note := range known.notes {
		// The steps it is about may be before this range.
		if _, ok := result.Warnings[note]; !ok {
			return nil, false
		}
	}
	matrix, ok := result.Value.(upstream.Matrix)
	if !ok || !p.simple(result.Warnings) {
		return nil, false
	}
	q.keep(known, next, result)
	result.Value = join(between(known.matrix, p.first, p.last, false), matrix)
	return result, true
}

// simple tells whether annotations are about metrics alone, and not about the values of a range. Of two with the same text
// the engine takes one, so there must be but one place in the query that they can be from.
func (p *plan) simple(notes annotations.Annotations) bool {
	for _, note := range notes {
		counter := errors.Is(note, annotations.PossibleNonCounterInfo) || errors.Is(note, annotations.PossibleNonCounterLabelInfo)
		if !counter || p.rates > 1 {
			return false
		}
	}
	return true
}

func (q *query) evaluate(ctx context.Context, first, last int64) *upstream.Result {
	inner, err := q.on(time.UnixMilli(first), time.UnixMilli(last))
	if err != nil {
		return &upstream.Result{Err: err}
	}
	q.mu.Lock()
	q.queries = append(q.queries, inner)
	q.mu.Unlock()
	return inner.Exec(ctx)
}

// keep keeps a result that follows on known, which may be nil.
func (q *query) keep(known, next *kept, result *upstream.Result) {
	if next.last < next.first || known != nil && next.last <= known.last || result.Err != nil || !q.plan.simple(result.Warnings) {
		return
	}
	matrix, ok := result.Value.(upstream.Matrix)
	if !ok {
		return
	}
	next.notes = slices.Collect(maps.Keys(result.Warnings))
	next.matrix = between(matrix, next.first, next.last, true)
	if known != nil {
		next.matrix = join(between(known.matrix, next.first, known.last, false), next.matrix)
	}
	next.bytes = sizeOf(q.key, next.matrix)
	q.engine.cache.put(q.key, next)
}

// Close implements the upstream Query.
func (q *query) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, inner := range q.queries {
		inner.Close()
	}
}

// Cancel implements the upstream Query.
func (q *query) Cancel() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cancel != nil {
		q.cancel()
	}
}

// Statement implements the upstream Query.
func (q *query) Statement() parser.Statement { return q.plan.stmt }

// String implements the upstream Query.
func (q *query) String() string { return q.text }

// Stats implements the upstream Query. They are of the steps that were evaluated.
func (q *query) Stats() *stats.Statistics {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queries) == 0 {
		return &stats.Statistics{Timers: stats.NewQueryTimers(), Samples: stats.NewQuerySamples(false)}
	}
	return q.queries[len(q.queries)-1].Stats()
}
