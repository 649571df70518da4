package promql

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/stats"
)

var (
	queriesPlain    = metrics.NewCounter(`loadline_promql_queries_total{path="plain"}`)
	queriesLeaves   = metrics.NewCounter(`loadline_promql_queries_total{path="leaves"}`)
	queriesFallback = metrics.NewCounter(`loadline_promql_queries_total{path="fallback"}`)
)

// query is a query with leaves. When its series turn out not to be for kernels, it evaluates the plain expression.
type query struct {
	upstream.Query // with leaves
	stmt           *parser.EvalStmt
	run            *run
	plain          func() (upstream.Query, error)

	mu     sync.Mutex // guards what follows
	second upstream.Query
	cancel context.CancelFunc
}

// Exec implements the upstream Query.
func (q *query) Exec(ctx context.Context) *upstream.Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q.mu.Lock()
	q.cancel = cancel
	q.mu.Unlock()

	result := q.Query.Exec(ctx)
	if result.Err == nil || !errors.Is(q.run.err, errUnfit) {
		queriesLeaves.Inc()
		q.run.finish(result, q.Query.Stats().Samples)
		return result
	}
	queriesFallback.Inc()
	second, err := q.plain()
	if err != nil {
		return &upstream.Result{Err: err}
	}
	q.mu.Lock()
	q.second = second
	q.mu.Unlock()
	return second.Exec(ctx)
}

// latest returns the query that has been executed last.
func (q *query) latest() upstream.Query {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.second != nil {
		return q.second
	}
	return q.Query
}

// Close implements the upstream Query.
func (q *query) Close() {
	q.Query.Close()
	if second := q.latest(); second != q.Query {
		second.Close()
	}
}

// Statement returns the statement as it was written, without leaves.
func (q *query) Statement() parser.Statement { return q.stmt }

// Stats implements the upstream Query.
func (q *query) Stats() *stats.Statistics { return q.latest().Stats() }

// Cancel implements the upstream Query.
func (q *query) Cancel() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cancel != nil {
		q.cancel()
	}
}

const (
	unfitFor   = 10 * time.Minute
	unfitLimit = 1000
)

// unfit remembers the metrics, or selectors of several, that have series kernels cannot compute, histograms mostly, so that
// queries about them are not evaluated twice. It is safe for concurrent use.
type unfit struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func newUnfit() *unfit { return &unfit{until: map[string]time.Time{}} }

func (u *unfit) has(subject string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	until, ok := u.until[subject]
	return ok && time.Now().Before(until)
}

func (u *unfit) add(subject string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.until) >= unfitLimit {
		clear(u.until)
	}
	u.until[subject] = time.Now().Add(unfitFor)
}
