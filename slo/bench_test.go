package slo

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/internal/sli"
	"loadline/query/querytest"
	"loadline/slo/registry"
	"loadline/slo/store"
	"loadline/slo/store/block"
)

// cpu is the CPU time of this process, in which ClickHouse runs too.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkObjectives evaluates LOADLINE_BENCH_SLOS objectives (default 10,000) over 30 days: a tick is a slot in which each
// of them had events. It tells CPU of the insert of the counts, of following and judging them, and of a restart.
func BenchmarkObjectives(b *testing.B) {
	n, _ := strconv.Atoi(os.Getenv("LOADLINE_BENCH_SLOS"))
	if n == 0 {
		n = 10_000
	}
	db := chtest.New(b)
	ctx, dir := b.Context(), b.TempDir()
	now := time.Now().UTC().Truncate(10 * time.Second)
	open := func(snapshot string) *Engine {
		e := New(Config{DB: db, Registry: registry.New(store.New(db), registry.Config{}), SoleWriter: true, Snapshot: snapshot})
		if err := e.Load(ctx, now); err != nil {
			b.Fatal(err)
		}
		return e
	}
	e := open("")
	defineMany(b, e, n, now.AddDate(0, 0, -31))
	fillMany(b, db, now)

	measure := func(name string, e *Engine) {
		began := cpu()
		if err := e.open(ctx, now); err != nil {
			b.Fatal(err)
		}
		if err := e.tick(ctx, now); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric((cpu() - began).Seconds(), name)
	}
	e = open(filepath.Join(dir, "snapshot"))
	measure("cold-cpu-s", e)
	instances, bytes := e.now().Sizes()
	b.ReportMetric(float64(bytes)/(1<<20), "ring-MiB")
	if instances != n {
		b.Fatalf("%d instances", instances)
	}
	e.saveSnapshot()
	e = open(filepath.Join(dir, "snapshot"))
	measure("warm-cpu-s", e)

	var insert, judge time.Duration
	var indicators []uint64
	for _, v := range e.now().Views() {
		indicators = append(indicators, v.Of.Indicator)
	}
	slices.Sort(indicators)
	tick := e.now().Now()
	for i := range b.N {
		tick += slot
		at := time.Unix(tick, 0)
		began := cpu()
		insertTick(b, db, indicators, uint64(i+1), at)
		between := cpu()
		if err := e.tick(ctx, at.Add(sli.Slot+e.Delay())); err != nil {
			b.Fatal(err)
		}
		insert, judge = insert+between-began, judge+cpu()-between
	}
	b.ReportMetric(insert.Seconds()*1e3/float64(b.N), "insert-cpu-ms/tick")
	b.ReportMetric(judge.Seconds()*1e3/float64(b.N), "judge-cpu-ms/tick")
}

// defineMany puts n objectives of n services in force.
func defineMany(b *testing.B, e *Engine, n int, now time.Time) {
	for first := 0; first < n; first += 1000 {
		var text strings.Builder
		for i := first; i < min(first+1000, n); i++ {
			fmt.Fprintf(&text, "---\nslo: s%d\nservice: service-%d\ngood: no errors\nobjective: 99.9%% over 30 days\n", i, i)
		}
		report, err := e.Registry().Apply(b.Context(), now, registry.Change{Author: "bench", Source: "api", Text: text.String()})
		if err != nil || report.Refused {
			b.Fatal(err, report.Problems)
		}
	}
	if err := e.activate(b.Context(), now); err != nil {
		b.Fatal(err)
	}
}

// fillMany stores events for every slot of the last six hours and for every stretch of the coarser tiers, with one bad in a
// thousand here and there.
func fillMany(b *testing.B, db *clickhouse.DB, now time.Time) {
	for _, t := range []struct {
		table  string
		length int
		reach  time.Duration
	}{{"slo_slots_10s", 10, 8 * time.Hour}, {"slo_slots_5m", 300, 4 * 24 * time.Hour}, {"slo_slots_1h", 3600, 31 * 24 * time.Hour}} {
		first := now.Add(-t.reach).Unix() / int64(t.length) * int64(t.length)
		querytest.Exec(b, db, fmt.Sprintf(`
			INSERT INTO %s (indicator, grp, slice, bad, total)
			SELECT indicator, '', toDateTime(%d + n * %d, 'UTC'), cityHash64(indicator, n) %% 20 = 0, %d
			FROM (SELECT indicator FROM slo_indicators) AS i
			CROSS JOIN (SELECT number AS n FROM numbers(%d)) AS s
			SETTINGS max_partitions_per_insert_block = 0`,
			t.table, first, t.length, 10*t.length, int(t.reach.Seconds())/t.length))
		querytest.Exec(b, db, "OPTIMIZE TABLE "+t.table+" FINAL") // merging this is no part of what is measured
	}
}

// insertTick stores what the write path stores of a slot, in the same form.
func insertTick(b *testing.B, db *clickhouse.DB, indicators []uint64, batch uint64, at time.Time) {
	insert := func(table string, length int64, first ...block.Column) {
		columns := append(slices.Clone(first),
			block.UInt64("indicator", indicators, func(i *uint64) uint64 { return *i }),
			block.LowCardinality("grp", indicators, func(*uint64) string { return "" }),
			block.Seconds("slice", indicators, func(*uint64) int64 { return at.Unix() / length * length }),
			block.Int64("bad", indicators, func(i *uint64) int64 { return int64(*i % 1000 / 999) }),
			block.Int64("total", indicators, func(*uint64) int64 { return 100 }))
		if err := block.Insert(b.Context(), db, table, fmt.Sprint("bench-", batch), len(indicators), columns...); err != nil {
			b.Fatal(err)
		}
	}
	insert("slo_slots_10s", 10)
	insert("slo_slots_5m", 300)
	insert("slo_slots_1h", 3600)
	insert("slo_journal", 10,
		block.UInt64("node", indicators, func(*uint64) uint64 { return 77777777777 }),
		block.UInt64("batch", indicators, func(*uint64) uint64 { return batch }),
		block.Seconds("at", indicators, func(*uint64) int64 { return at.Unix() }))
}
