package counts_test

import (
	"context"
	"testing"
	"time"

	"loadline/internal/clickhouse/chtest"
	"loadline/slo/store/counts"
)

// BenchmarkReplace recounts an hour of one indicator, 360 slots, all of them different from before: the step of a backfill.
func BenchmarkReplace(b *testing.B) {
	s := counts.New(chtest.New(b))
	now := time.Unix(1795336860, 0)
	from := now.Unix() - 3*3600 - now.Unix()%3600
	ctx, n, began := context.Background(), int64(0), cpu()
	for b.Loop() {
		n++
		r := counts.Recount{Indicator: 7, From: from, To: from + 3600}
		for slot := r.From; slot < r.To; slot += 10 {
			r.Counts = append(r.Counts, counts.Count{Slot: slot, Bad: n % 7, Total: 100 + n})
		}
		if _, err := s.Replace(ctx, now, []counts.Recount{r}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-began).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// longJournal has a day of 1,000 indicators, of two nodes.
func longJournal(b *testing.B) *counts.Store {
	b.Helper()
	db := chtest.New(b)
	if err := db.Exec(context.Background(), `INSERT INTO slo_journal (node, batch, at, indicator, grp, slice, bad, total)
SELECT 5 + number % 2, intDiv(number, 1000) AS n, toDateTime(1795336860 + n * 5), intHash64(number % 1000), '', toDateTime(1795336860 + n * 5), 0, 1
FROM numbers(17280000)
SETTINGS max_insert_block_size = 4000000, max_block_size = 1000000, max_partitions_per_insert_block = 0`); err != nil {
		b.Fatal(err)
	}
	return counts.New(db)
}

// BenchmarkFollow asks for what is new when that is one batch.
func BenchmarkFollow(b *testing.B) {
	s, began := longJournal(b), cpu()
	for b.Loop() {
		deltas, err := s.Follow(context.Background(), counts.Clock{5: 17278, 6: 17278})
		if err != nil || len(deltas) != 1000 {
			b.Fatal(len(deltas), err)
		}
	}
	b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}

// BenchmarkClock reads how far the journal is.
func BenchmarkClock(b *testing.B) {
	s, began := longJournal(b), cpu()
	for b.Loop() {
		clock, err := s.Clock(context.Background())
		if err != nil || len(clock) != 2 {
			b.Fatal(clock, err)
		}
	}
	b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}
