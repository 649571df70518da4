package counts_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/slo/store/counts"
)

// cpu is what the process has used, the engine in it included.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill gives n indicators events in every slot of a month.
func fill(tb testing.TB, db *clickhouse.DB, at int64, n int) {
	tb.Helper()
	ctx := context.Background()
	f := func(table string, step, from int64) {
		if err := db.Exec(ctx, fmt.Sprintf(`INSERT INTO %s
SELECT intHash64(number %% %d) AS indicator, '' AS grp, toDateTime(%d + intDiv(number, %d) * %d) AS slice, number %% 3 AS bad,
  10 + number %% 1000 AS total
FROM numbers(%d)
SETTINGS max_insert_block_size = 4000000, max_block_size = 1000000`, table, n, from, n, step, int64(n)*(at-from)/step)); err != nil {
			tb.Fatal(err)
		}
		// The way it is found after a while.
		if err := db.Exec(ctx, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			tb.Fatal(err)
		}
	}
	f("slo_slots_10s", 10, at-6*3600)
	f("slo_slots_5m", 300, at-3*86400)
	f("slo_slots_1h", 3600, at-30*86400)
}

// BenchmarkLoad reads what fills the rings of 10,000 indicators over 30 days.
func BenchmarkLoad(b *testing.B) {
	db := chtest.New(b)
	at := int64(1795336860)
	at -= at % 3600
	fill(b, db, at, 10_000)
	parts := counts.Span{From: at - 30*86400, Middle: at - 3*86400, Fine: at - 6*3600}.Parts(at)
	s := counts.New(db)
	slots, began := 0, cpu()
	for b.Loop() {
		err := s.Load(context.Background(), nil, parts, func(_ uint64, _ string, _ counts.Part, list []counts.Slot) error {
			slots += len(list)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpu()-began).Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(slots)/float64(b.N), "slots/op")
}
