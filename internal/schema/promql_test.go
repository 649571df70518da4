package schema_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/internal/schema"
)

// list is the lines that a query gives.
func list(t *testing.T, db *clickhouse.DB, sql string) []string {
	t.Helper()
	rows, err := db.Query(ctx, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// before0004 brings the metric tables back to what they were before migration 4, and fills them.
func before0004(t *testing.T, db *clickhouse.DB) {
	t.Helper()
	for _, sql := range []string{
		"DROP TABLE samples_flat", "DROP TABLE chunks", "DROP TABLE samples",
		"ALTER TABLE schema_migrations DELETE WHERE version >= 4 SETTINGS mutations_sync = 2",
		`CREATE TABLE samples
(
    metric    LowCardinality(String),
    service   LowCardinality(String),
    bucket    DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series_id UInt64 CODEC(ZSTD(1)),
    st        Int64 CODEC(ZSTD(1)),
    t1        SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    off       SimpleAggregateFunction(groupArrayArray, Array(UInt32)) CODEC(Delta, ZSTD(1)),
    value     SimpleAggregateFunction(groupArrayArray, Array(Float64)) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(bucket)
ORDER BY (metric, service, bucket, series_id, st)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000`,
		`ALTER TABLE histograms DROP COLUMN hint, MODIFY COLUMN zero_count UInt64, MODIFY COLUMN count UInt64 CODEC(Delta, ZSTD(1)),
			MODIFY COLUMN pos_count Array(UInt64), MODIFY COLUMN neg_count Array(UInt64)`,
		`INSERT INTO samples
			SELECT 'm', 's', toDateTime('2026-11-01 00:00:00', 'UTC') + 7200 * number, 7, 0, toDateTime64(0, 3), [1, 2], [number, 0.5]
			FROM numbers(400) SETTINGS max_partitions_per_insert_block = 0`,
		`INSERT INTO histograms (metric, ts, count, zero_count, pos_count, neg_count) VALUES ('h', '2026-11-01 00:00:00', 6, 1, [2, 2], [1])`,
	} {
		exec(t, db, sql)
	}
}

// TestMigratePromQL: the rows of metrics outlive migration 4, wherever its first try ended.
func TestMigratePromQL(t *testing.T) {
	f := func(name string, interrupted ...string) {
		t.Run(name, func(t *testing.T) {
			db := chtest.New(t)
			before0004(t, db)
			for _, sql := range interrupted {
				exec(t, db, sql)
			}
			for range 2 {
				if err := schema.Migrate(ctx, db); err != nil {
					t.Fatal(err)
				}
				exec(t, db, "ALTER TABLE schema_migrations DELETE WHERE version >= 4 SETTINGS mutations_sync = 2")
			}
			got := list(t, db, `
				SELECT toString(tuple(count(), sum(length(off)), sum(arraySum(value)), uniqExact(_partition_id), (SELECT count() FROM samples_flat)))
				FROM samples`)
			if d := cmp.Diff([]string{"(400,800,80000,400,800)"}, got); d != "" {
				t.Error(d)
			}
			got = list(t, db, "SELECT toString(tuple(count / 4, zero_count, pos_count, neg_count, toString(hint))) FROM histograms")
			if d := cmp.Diff([]string{"(1.5,1,[2,2],[1],'unknown')"}, got); d != "" {
				t.Error(d)
			}
			if n := number[uint64](t, db, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'samples_by_day'"); n != 0 {
				t.Error("the old table is still there")
			}
		})
	}
	f("as a whole")
	rename, create := "RENAME TABLE samples TO samples_by_day", "CREATE TABLE samples AS samples_by_day PARTITION BY bucket"
	f("after the rename", rename)
	f("after the new table", rename, create)
	f("in the copy", rename, create, "INSERT INTO samples SELECT * FROM samples_by_day LIMIT 50 SETTINGS max_partitions_per_insert_block = 0")
	f("after the copy", rename, create, "INSERT INTO samples SELECT * FROM samples_by_day SETTINGS max_partitions_per_insert_block = 0, insert_deduplicate = 0")
}

// TestSamplesFlat: the view shows every sample of both tables.
func TestSamplesFlat(t *testing.T) {
	db := chtest.New(t)
	exec(t, db, `INSERT INTO samples (metric, service, bucket, series_id, off, value)
		VALUES ('m', 's', '2026-11-22 10:00:00', 1, [0, 7199999], [0.5, -0.])`)
	chunk := func(id int, sql string) {
		t.Helper()
		exec(t, db, fmt.Sprintf(`INSERT INTO chunks (metric, service, bucket, series_id, n, t0, dt, t, scale, v0, v)
			SELECT 'm', 's', '2026-11-22 10:00:00', %d, %s`, id, sql))
	}
	chunk(2, `1, 1500, 0, '', 1, 15, ''`)
	chunk(3, `3, 0, 1000, '', 2, 150, ''`)
	// Delta of deltas 1 and -2; mantissa differences -1, 300 and -150.
	chunk(4, `4, 10, 1000, unhex('0203'), 1, 1000, unhex('01582B000201')`)
	// 1/3, twice again, and NaN.
	chunk(5, `3, 0, 15000, unhex('00'), -1, reinterpretAsInt64(1 / 3),
		arrayStringConcat(arrayMap(p -> concat(char(0), char(bitAnd(bitShiftRight(bitXor(reinterpretAsUInt64(1 / 3), 0x7ff0000000000002), 8 * p), 255))), range(8)))`)
	got := list(t, db, `
		SELECT concat(toString(series_id), ' ', substring(toString(ts), 12), ' ', if(isNaN(value), hex(reinterpretAsUInt64(value)), toString(value)))
		FROM samples_flat
		WHERE metric = 'm'
		ORDER BY series_id, ts`)
	want := []string{
		"1 10:00:00.000 0.5", "1 11:59:59.999 -0",
		"2 10:00:01.500 1.5",
		"3 10:00:00.000 1.5", "3 10:00:01.000 1.5", "3 10:00:02.000 1.5",
		"4 10:00:00.010 100", "4 10:00:01.010 99.9", "4 10:00:02.011 129.9", "4 10:00:03.010 114.9",
		"5 10:00:00.000 0.3333333333333333", "5 10:00:15.000 0.3333333333333333", "5 10:00:30.000 7FF0000000000002",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
