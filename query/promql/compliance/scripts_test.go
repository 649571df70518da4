package compliance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	loadline "loadline/query/promql"
)

// counted is an engine that counts what it is asked.
type counted struct {
	newEngine       func() promql.QueryEngine
	engines         sync.Map // by storage
	instant, ranges atomic.Int64
}

// engine returns the engine of a storage. Each has its own, which has not learned yet which metrics are not for kernels.
func (c *counted) engine(q storage.Queryable) promql.QueryEngine {
	engine, ok := c.engines.Load(q)
	if !ok {
		engine, _ = c.engines.LoadOrStore(q, c.newEngine())
	}
	return engine.(promql.QueryEngine)
}

// NewInstantQuery implements promql.QueryEngine.
func (c *counted) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	c.instant.Add(1)
	return c.engine(q).NewInstantQuery(ctx, q, opts, qs, ts)
}

// NewRangeQuery implements promql.QueryEngine.
func (c *counted) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	c.ranges.Add(1)
	return c.engine(q).NewRangeQuery(ctx, q, opts, qs, start, end, interval)
}

// TestScriptsColumns runs Prometheus's scripts on the engine over columns in memory.
func TestScriptsColumns(t *testing.T) {
	runScripts(t, t, newEngine, newColumns)
}

// options are those of Prometheus's engine for its own tests.
var options = loadline.Config{MaxSamples: promqltest.DefaultMaxSamplesPerQuery, DelayedNameRemoval: true, StartTimestamps: true}

func newEngine() promql.QueryEngine { return loadline.NewEngine(options) }

// runScripts runs every script as a subtest of run and reports how much there was to run.
func runScripts(t *testing.T, run promqltest.TBRun, newEngine func() promql.QueryEngine, newStorage func(testing.TB) storage.Storage) {
	t.Helper()
	exprs, err := promqltest.GetBuiltInExprs()
	if err != nil {
		t.Fatal(err)
	}
	before := paths()
	engine := &counted{newEngine: newEngine}
	t.Cleanup(func() { // when all have ended
		t.Logf("%d cases, %d instant and %d range queries%s", len(exprs), engine.instant.Load(), engine.ranges.Load(), since(before))
	})
	promqltest.RunBuiltinTestsWithStorage(run, engine, newStorage)
}

// paths are how many queries of this process went which way through the engine.
func paths() map[string]uint64 {
	counts := map[string]uint64{}
	for _, path := range []string{"plain", "leaves", "fallback"} {
		counts[path] = metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_promql_queries_total{path=%q}`, path)).Get()
	}
	return counts
}

// since says how many queries there were after before was taken, if they were in this process.
func since(before map[string]uint64) string {
	now := paths()
	if maps.Equal(before, now) {
		return ""
	}
	var text string
	for _, path := range slices.Sorted(maps.Keys(now)) {
		text += fmt.Sprintf(", %d %s", now[path]-before[path], path)
	}
	return text
}
