package compliance

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

// counted is an engine that counts what it is asked.
type counted struct {
	promql.QueryEngine
	instant, ranges atomic.Int64
}

// NewInstantQuery implements promql.QueryEngine.
func (c *counted) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	c.instant.Add(1)
	return c.QueryEngine.NewInstantQuery(ctx, q, opts, qs, ts)
}

// NewRangeQuery implements promql.QueryEngine.
func (c *counted) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	c.ranges.Add(1)
	return c.QueryEngine.NewRangeQuery(ctx, q, opts, qs, start, end, interval)
}

// TestScriptsColumns runs Prometheus's scripts on the engine over columns in memory.
func TestScriptsColumns(t *testing.T) {
	engine := &counted{QueryEngine: promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)}
	promqltest.RunBuiltinTestsWithStorage(t, engine, newColumns)
	t.Logf("%d instant and %d range queries", engine.instant.Load(), engine.ranges.Load())
}
