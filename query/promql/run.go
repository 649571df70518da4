package promql

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/stats"

	"loadline/query/promql/kernel"
	"loadline/query/promql/leaf"
)

// errUnfit stops a query whose series are not for kernels.
var errUnfit = errors.New("series is not for kernels")

// where names the place in the upstream engine's errors.
const where = "query execution"

// run is the storage that a query with leaves reads from: it computes the leaves, and passes on what else is asked. It
// is for one query, which the upstream engine evaluates in one goroutine.
type run struct {
	engine     *Engine
	queryable  storage.Queryable
	stmt       *parser.EvalStmt
	startTimes bool // the query makes use of start timestamps
	perStep    bool // the query counts samples for each step

	err    error // what stopped a leaf
	leaves []*evaluation
}

func newRun(e *Engine, q storage.Queryable, opts upstream.QueryOpts, stmt *parser.EvalStmt) *run {
	r := &run{engine: e, queryable: q, stmt: stmt, startTimes: e.cfg.StartTimestamps, perStep: opts.EnablePerStepStats()}
	if use := opts.UseStartTimestamps(); use != nil {
		r.startTimes = *use
	}
	return r
}

// Querier implements storage.Queryable. The times are those of the original expression.
func (r *run) Querier(int64, int64) (storage.Querier, error) {
	mint, maxt := upstream.FindMinMaxTime(r.stmt)
	q, err := r.queryable.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return &querier{Querier: q, run: r}, nil
}

// querier computes leaves.
type querier struct {
	storage.Querier
	run *run
}

// Select implements storage.Querier.
func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	l, matchers, ok := leaf.Of(matchers)
	if !ok {
		return q.Querier.Select(ctx, sorted, hints, matchers...)
	}
	v := q.run.newEvaluation(ctx, l, matchers, hints)
	v.input = q.Querier.Select(ctx, sorted, l.Hints(hints, q.run.stmt.LookbackDelta), matchers...)
	if l.Agg != 0 {
		return &aggregated{evaluation: v}
	}
	return &each{evaluation: v}
}

// gridOf returns the steps of a leaf, in the time of its samples, given the hints for its selector.
func (r *run) gridOf(l *leaf.Leaf, hints *storage.SelectHints) kernel.Grid {
	start := hints.Start + r.stmt.LookbackDelta.Milliseconds() - 1
	if l.Subquery {
		// A subquery is evaluated at multiples of its step after the start of its range.
		after := start + l.Offset.Milliseconds()
		if start = after / hints.Step * hints.Step; start <= after {
			start += hints.Step
		}
		start -= l.Offset.Milliseconds()
	}
	return kernel.NewGrid(start, hints.End, hints.Step)
}

// stop notes why a leaf cannot be computed, and returns that.
func (r *run) stop(err error) error {
	if r.err == nil {
		r.err = err
	}
	return err
}

// unfit stops the query because of a series that is not for kernels.
func (r *run) unfit(subject string) error {
	r.engine.unfit.add(subject)
	return r.stop(errUnfit)
}

// check returns an error when the query is over.
func (r *run) check(ctx context.Context) error {
	switch err := ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return r.stop(upstream.ErrQueryTimeout("expression evaluation"))
	default:
		return r.stop(upstream.ErrQueryCanceled("expression evaluation"))
	}
}

// finish completes the result with what the upstream engine cannot know of leaves.
func (r *run) finish(result *upstream.Result, samples *stats.QuerySamples) {
	if result.Err != nil && r.err != nil {
		result.Err = r.err // the upstream engine says that it was while expanding series
	}
	for _, v := range r.leaves {
		v.count(samples)
	}
}

// errorOf says of which series an error is.
func errorOf(ls labels.Labels, err error) error {
	return fmt.Errorf("read series %s: %w", ls.String(), err)
}
