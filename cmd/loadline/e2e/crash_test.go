package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"loadline/internal/clickhouse"
)

// kills is how often TestKill ends something. Every third time it is the engine alone.
const kills = 20

// seed makes a run repeatable as far as processes can be: set E2E_SEED to the one that a failed run has logged.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("E2E_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("E2E_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}

// TestKill ends the whole process and, separately, its engine with SIGKILL at random moments under load, also while a
// process is still starting, and then counts.
func TestKill(t *testing.T) {
	random := seed(t)
	dir := t.TempDir()
	p := serve(t, dir)
	s := startSender(load{id: 0xc4a5, service: "crash"}, 4, 40*time.Millisecond, addresses{p.grpc, p.http})
	defer s.stop()
	m := startSender(load{service: "crash", began: time.Now().Add(-5 * time.Minute).Truncate(time.Millisecond)}, 2, 40*time.Millisecond, addresses{p.grpc, p.http})
	defer m.stop()
	for i := range kills {
		wait(random.IntN(2000))
		if i%3 == 2 {
			pid := p.engine()
			t.Logf("kill %d: engine %d, %v", i, pid, p.killEngine())
			continue
		}
		p = killAndRestart(t, random, p, i)
		s.target.Store(&addresses{p.grpc, p.http})
		m.target.Store(&addresses{p.grpc, p.http})
	}
	if err := errors.Join(s.finish(), m.finish()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d spans of %d traces and %d samples are acknowledged, %d requests were repeated", s.spans, s.traces, 2*m.traces, s.repeats+m.repeats)
	_, db := p.open(t)
	checkLoad(t, db, s)
	// What waits in the other logs is inserted later, and samples at the end of the process, rollups by the next one.
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	_, db = serve(t, dir).open(t)
	checkRollups(t, db, s)
	checkLoad(t, db, s)
	checkSamples(t, db, m)
}

// wait lets the load go on for some milliseconds.
func wait(milliseconds int) { <-time.After(time.Duration(milliseconds) * time.Millisecond) }

// killAndRestart kills the process, proves that its engine is gone with it, and starts another. Now and then that one is
// killed while it is starting, which is while it replays.
func killAndRestart(t *testing.T, random *rand.Rand, p *process, i int) *process {
	t.Helper()
	engine := p.engine()
	t.Logf("kill %d: process %d", i, p.cmd.Process.Pid)
	p.stop(t, syscall.SIGKILL)
	eventually(t, 10*time.Second, func() error {
		if engine != 0 && alive(engine) {
			return fmt.Errorf("engine %d outlives its process", engine)
		}
		return nil
	})
	if random.IntN(4) == 0 {
		early, _ := launch(t, p.dir)
		wait(random.IntN(700))
		t.Logf("kill %d: process %d while it starts", i, early.cmd.Process.Pid)
		early.stop(t, syscall.SIGKILL)
	}
	return serve(t, p.dir)
}

// checkLoad waits until every acknowledged span is stored, and once only.
func checkLoad(t *testing.T, db *clickhouse.DB, s *sender) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		n, err := scalar[uint64](t.Context(), db, "SELECT count() FROM spans WHERE service = {service:String}", clickhouse.Named("service", s.load.service))
		if err == nil && n < uint64(s.spans) {
			err = fmt.Errorf("%d of %d spans are stored", n, s.spans)
		}
		return err
	})
	service := clickhouse.Named("service", s.load.service)
	f := func(what string, want int, sql string) {
		t.Helper()
		// Rows of the tables that follow from spans are inserted after the spans.
		eventually(t, 10*time.Second, func() error {
			got, err := scalar[uint64](t.Context(), db, sql, service)
			if err == nil && got != uint64(want) {
				err = fmt.Errorf("%s: %d, want %d", what, got, want)
			}
			return err
		})
	}
	f("spans", s.spans, "SELECT count() FROM spans WHERE service = {service:String}")
	f("different spans", s.spans, "SELECT uniqExact(trace_id, span_id) FROM spans WHERE service = {service:String}")
	f("traces", s.traces, "SELECT uniqExact(trace_id) FROM spans WHERE service = {service:String}")
	f("spans in red_10s", s.spans, "SELECT sum(spans) FROM red_10s WHERE service = {service:String}")
	f("durations in red_10s", s.spans, "SELECT toUInt64(arraySum(sumMap(latency).2)) FROM red_10s WHERE service = {service:String}")
	f("traces in trace_index", s.traces, "SELECT uniqExact(trace_id) FROM trace_index")
	f("spans outside of what trace_index says", 0, `
		SELECT count()
		FROM spans
		WHERE service = {service:String} AND (trace_id, slice) NOT IN (SELECT trace_id, slice FROM trace_index)`)
	f("sum of the traces' numbers", int(s.numbers), "SELECT sum(toUInt64(attributes['e2e.number'])) FROM spans WHERE service = {service:String}")
}

// checkSamples waits until every acknowledged sample is stored, and once only, each with its value.
func checkSamples(t *testing.T, db *clickhouse.DB, m *sender) {
	t.Helper()
	values := 0
	for n := range int(m.next.Load()) { // all requests that were begun are acknowledged
		values += 2 * m.load.traces(n) * n
	}
	f := func(want, sql string) {
		t.Helper()
		eventually(t, 30*time.Second, func() error {
			got, err := scalar[string](t.Context(), db, sql, clickhouse.Named("service", m.load.service))
			if err == nil && got != want {
				err = fmt.Errorf("%s: %s, want %s", sql, got, want)
			}
			return err
		})
	}
	f(fmt.Sprintf("(%d,%d)", 2*m.traces, values), `
		SELECT toString((count(), toUInt64(sum(value))))
		FROM (SELECT DISTINCT metric, series_id, ts, value FROM samples_flat WHERE service = {service:String})`)
	f(fmt.Sprint(2*m.traces), "SELECT toString(count()) FROM samples_flat WHERE service = {service:String}")
	f("0", `
		SELECT toString(count())
		FROM samples_flat
		WHERE service = {service:String} AND (metric, series_id) NOT IN (SELECT metric, series_id FROM series WHERE service = {service:String})`)
}

// checkRollups waits until the coarse tiers agree with the spans.
func checkRollups(t *testing.T, db *clickhouse.DB, s *sender) {
	t.Helper()
	for _, table := range []string{"red_5m", "red_1h"} {
		eventually(t, time.Minute, func() error {
			n, err := scalar[uint64](t.Context(), db, "SELECT sum(spans) FROM "+table+" WHERE service = {service:String}",
				clickhouse.Named("service", s.load.service))
			if err == nil && n != uint64(s.spans) {
				err = fmt.Errorf("%s has %d of %d spans", table, n, s.spans)
			}
			return err
		})
	}
}
