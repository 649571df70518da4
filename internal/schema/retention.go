package schema

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"loadline/internal/clickhouse"
)

// Limit bounds what is kept of a signal. A zero Age or Bytes does not limit.
type Limit struct {
	Age   time.Duration
	Bytes int64
}

// Retention says what is kept of each signal. Data goes by whole partitions, two hours, a day or a month of a table, which
// costs nothing, so up to one partition more than asked for is kept. The newest partition of a table is never dropped for its
// size.
type Retention struct {
	Traces     Limit
	TraceIndex Limit // the way from a trace id to its time; zero means the age of traces
	Rollups    Limit // counts and latencies; the finer tiers are kept for at most Keep10s and Keep5m
	Logs       Limit
	Metrics    Limit
}

// How long the finer tiers of the rollups are kept at most, however long rollups are kept.
const (
	Keep10s = 15 * 24 * time.Hour
	Keep5m  = 100 * 24 * time.Hour
)

// How long the counts of service level objectives are kept, and what their rules did. They take little room, and an
// objective over a quarter has to outlive its spans. KeepLate is of slots that spans came late for.
const (
	KeepSlots   = 400 * 24 * time.Hour // of 5 minutes and an hour
	KeepSlots10 = 35 * 24 * time.Hour  // of 10 seconds
	KeepJournal = 2 * 24 * time.Hour
	KeepLate    = 35 * 24 * time.Hour
	KeepEvents  = 400 * 24 * time.Hour
)

// Dropped is a partition that retention has dropped or would drop.
type Dropped struct {
	Table     string
	Partition string // 2026-11-22 10:00:00, 2026-11-22 or 202611
	Rows      uint64
	Bytes     uint64
	Reason    string // "age" or "size"
}

// table is a table with its share of a signal's limit.
type table struct {
	name string
	age  time.Duration
	rank int // the tables of a signal lose partitions for size in this order, those of one rank the oldest first
}

// signal is a set of tables under one limit on bytes.
type signal struct {
	bytes  int64
	tables []table
}

func (r Retention) signals() []signal {
	atMost := func(limit time.Duration) time.Duration {
		if r.Rollups.Age == 0 {
			return limit
		}
		return min(limit, r.Rollups.Age)
	}
	if r.TraceIndex.Age == 0 {
		r.TraceIndex.Age = r.Traces.Age
	}
	return []signal{
		{r.Traces.Bytes, []table{{"spans", r.Traces.Age, 0}}},
		{r.TraceIndex.Bytes, []table{{"trace_index", r.TraceIndex.Age, 0}}},
		{r.Rollups.Bytes, []table{{"red_10s", atMost(Keep10s), 0}, {"red_5m", atMost(Keep5m), 1}, {"edges", r.Rollups.Age, 2}, {"red_1h", r.Rollups.Age, 3}}},
		{r.Logs.Bytes, []table{{"logs", r.Logs.Age, 0}}},
		{r.Metrics.Bytes, []table{{"samples", r.Metrics.Age, 0}, {"chunks", r.Metrics.Age, 0}, {"histograms", r.Metrics.Age, 0}, {"exemplars", r.Metrics.Age, 0}}},
		{0, []table{
			{"slo_slots_10s", KeepSlots10, 0},
			{"slo_slots_5m", KeepSlots, 0},
			{"slo_slots_1h", KeepSlots, 0},
			{"slo_journal", KeepJournal, 0},
			{"slo_late", KeepLate, 0},
			{"slo_events", KeepEvents, 0},
		}},
	}
}

// partition is what system.parts says about one.
type partition struct {
	Table     string `ch:"table"`
	Partition string `ch:"partition"`
	ID        string `ch:"partition_id"`
	Rows      uint64 `ch:"rows"`
	Bytes     uint64 `ch:"bytes"`
}

// bucketLength is the stretch of time of a partition of samples.
const bucketLength = 2 * time.Hour

// end is when the stretch of time of a partition ends.
func (p partition) end() (time.Time, error) {
	if bucket, err := time.Parse(time.DateTime, p.Partition); err == nil {
		return bucket.Add(bucketLength), nil
	}
	if day, err := time.Parse("2006-01-02", p.Partition); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	month, err := time.Parse("200601", p.Partition)
	if err != nil {
		return time.Time{}, fmt.Errorf("partition %q of %q is no stretch of time", p.Partition, p.Table)
	}
	return month.AddDate(0, 1, 0), nil
}

// PreviewRetention says what EnforceRetention would drop, without dropping it.
func PreviewRetention(ctx context.Context, db *clickhouse.DB, now time.Time, r Retention) ([]Dropped, error) {
	partitions, err := listPartitions(ctx, db)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(partitions, now, r)
	var out []Dropped
	for _, c := range chosen {
		out = append(out, c.dropped())
	}
	return out, err
}

// EnforceRetention drops what is older or larger than r allows and returns what it has dropped, also with an error. Call
// it now and then; it is cheap when there is nothing to do.
func EnforceRetention(ctx context.Context, db *clickhouse.DB, now time.Time, r Retention) ([]Dropped, error) {
	partitions, err := listPartitions(ctx, db)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(partitions, now, r)
	if err != nil {
		return nil, err
	}
	var out []Dropped
	for _, c := range chosen {
		// Without the setting ClickHouse refuses to drop more than 50 GB at once.
		sql := fmt.Sprintf("ALTER TABLE %s DROP PARTITION ID '%s' SETTINGS max_partition_size_to_drop = 0", c.Table, strings.ReplaceAll(c.ID, "'", ""))
		if err := db.Exec(ctx, sql); err != nil {
			return out, fmt.Errorf("retention: drop partition %q of %q: %w", c.Partition, c.Table, err)
		}
		out = append(out, c.dropped())
	}
	return out, nil
}

func listPartitions(ctx context.Context, db *clickhouse.DB) ([]partition, error) {
	var out []partition
	err := db.Select(ctx, &out, `SELECT table, partition, partition_id, sum(rows) AS rows, sum(bytes_on_disk) AS bytes
FROM system.parts
WHERE database = currentDatabase() AND active AND partition != 'tuple()'
GROUP BY table, partition, partition_id
ORDER BY table, partition`)
	if err != nil {
		return nil, fmt.Errorf("retention: list partitions: %w", err)
	}
	return out, nil
}

// candidate is a partition under a limit.
type candidate struct {
	partition
	end    time.Time
	rank   int
	reason string
}

func (c candidate) dropped() Dropped {
	return Dropped{Table: c.Table, Partition: c.Partition, Rows: c.Rows, Bytes: c.Bytes, Reason: c.reason}
}

// choose decides which partitions go.
func choose(partitions []partition, now time.Time, r Retention) ([]candidate, error) {
	var out []candidate
	for _, s := range r.signals() {
		var kept []candidate
		for _, t := range s.tables {
			for _, p := range partitions {
				if p.Table != t.name {
					continue
				}
				end, err := p.end()
				if err != nil {
					return nil, fmt.Errorf("retention: %w", err)
				}
				c := candidate{partition: p, end: end, rank: t.rank}
				if t.age > 0 && !end.After(now.Add(-t.age)) {
					c.reason = "age"
					out = append(out, c)
				} else {
					kept = append(kept, c)
				}
			}
		}
		out = append(out, tooMuch(kept, s.bytes)...)
	}
	return out, nil
}

// tooMuch chooses what has to go for the rest to fit into limit bytes.
func tooMuch(kept []candidate, limit int64) []candidate {
	if limit <= 0 {
		return nil
	}
	total, newest := int64(0), map[string]time.Time{}
	for _, c := range kept {
		total += int64(c.Bytes)
		if c.end.After(newest[c.Table]) {
			newest[c.Table] = c.end
		}
	}
	slices.SortStableFunc(kept, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), a.end.Compare(b.end))
	})
	var out []candidate
	for _, c := range kept {
		if total <= limit {
			break
		}
		if c.end.Equal(newest[c.Table]) {
			continue
		}
		total -= int64(c.Bytes)
		c.reason = "size"
		out = append(out, c)
	}
	return out
}
