package schema_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	driverapi "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/internal/schema"
)

var ctx = context.Background()

// created lists the definitions of all tables, not of views.
func created(t *testing.T, db *clickhouse.DB) map[string]string {
	t.Helper()
	rows, err := db.Query(ctx, "SELECT name, concat(create_table_query, ' ', toString(uuid)) FROM system.tables WHERE database = currentDatabase() AND engine != 'View'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name, sql string
		if err := rows.Scan(&name, &sql); err != nil {
			t.Fatal(err)
		}
		out[name] = sql
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func number[T any](t *testing.T, db *clickhouse.DB, sql string) (n T) {
	t.Helper()
	if err := db.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func exec(t *testing.T, db *clickhouse.DB, sql string) {
	t.Helper()
	if err := db.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestMigrateTwice(t *testing.T) {
	db := chtest.New(t)
	before := created(t, db)
	versions := number[uint64](t, db, "SELECT count() FROM schema_migrations")
	if len(before) < 15 || versions < 3 {
		t.Fatalf("%d tables after %d migrations", len(before), versions)
	}
	if err := schema.Migrate(ctx, db); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, created(t, db)); d != "" {
		t.Error(d)
	}
	if n := number[uint64](t, db, "SELECT count() FROM schema_migrations"); n != versions {
		t.Errorf("%d migrations recorded, then %d", versions, n)
	}
}

// TestMigrateGoesOn: a migration that was cut short is completed.
func TestMigrateGoesOn(t *testing.T) {
	db := chtest.New(t)
	want := len(created(t, db))
	exec(t, db, "TRUNCATE TABLE schema_migrations")
	exec(t, db, "DROP TABLE postings_mv")
	exec(t, db, "DROP TABLE exemplars")
	if err := schema.Migrate(ctx, db); err != nil {
		t.Fatal(err)
	}
	if got := len(created(t, db)); got != want {
		t.Errorf("%d tables, want %d", got, want)
	}
}

func TestMigrateRefusesNewerDatabase(t *testing.T) {
	db := chtest.New(t)
	exec(t, db, "INSERT INTO schema_migrations (version, name) VALUES (9999, 'future')")
	err := schema.Migrate(ctx, db)
	if err == nil || !strings.Contains(err.Error(), "9999") || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("error %v", err)
	}
}

func TestMergeTreeSettings(t *testing.T) {
	for name, sql := range created(t, chtest.New(t)) {
		if name == "schema_migrations" || strings.HasSuffix(name, "_mv") {
			continue
		}
		for _, want := range []string{
			"old_parts_lifetime = 480", "non_replicated_deduplication_window = 1000", "fsync_after_insert = 1", "fsync_part_directory = 1",
			"vertical_merge_algorithm_min_rows_to_activate = 1", "vertical_merge_algorithm_min_columns_to_activate = 1",
		} {
			if !strings.Contains(sql, want) {
				t.Errorf("table %s has no %q", name, want)
			}
		}
	}
}

// raw is the driver itself on the database of db.
func raw(t *testing.T, db *clickhouse.DB) driver.Conn {
	t.Helper()
	e := chtest.Engine(t)
	c, err := driverapi.Open(&driverapi.Options{
		Protocol: driverapi.HTTP, Addr: []string{"engine"}, Auth: driverapi.Auth{Database: db.Database()},
		TransportFunc: func(*http.Transport) (http.RoundTripper, error) { return e.RoundTripper(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// value makes a value for a column type; different n give different values.
func value(t *testing.T, typ string, n int) any {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 10*n, 0, time.UTC)
	text := fmt.Sprintf("%d\n\n;\x00'`\\ü", n)
	switch name, arg, _ := strings.Cut(strings.TrimSuffix(typ, ")"), "("); name {
	case "UInt8":
		return uint8(n)
	case "UInt16":
		return uint16(n)
	case "UInt64":
		return uint64(1<<63) + uint64(n)
	case "Int8":
		return int8(-n)
	case "Int64":
		return int64(-1 - n) // a SummingMergeTree leaves out rows of zeros
	case "Float64":
		return float64(n) + 0.1
	case "Bool":
		return n%2 == 0
	case "String":
		return text
	case "LowCardinality":
		return value(t, arg, n)
	case "FixedString":
		var size int
		if _, err := fmt.Sscan(arg, &size); err != nil {
			t.Fatal(err)
		}
		return strings.Repeat(string(rune('a'+n)), size)
	case "DateTime":
		return at
	case "DateTime64":
		return at.Add(123 * time.Millisecond)
	case "Enum8":
		return strings.Split(arg, "'")[1]
	case "Map":
		return map[string]string{"k\n" + text: text, "": ""}
	case "SimpleAggregateFunction":
		_, arg, _ = strings.Cut(arg, ", ")
		return value(t, arg, n)
	case "Array":
		switch arg {
		case "Float64":
			return []float64{0, float64(n)}
		case "UInt32":
			return []uint32{uint32(n), 7}
		case "UInt64":
			return []uint64{uint64(n)}
		case "Int32":
			return []int32{int32(-n), 1, 2}
		case "Int64":
			return []int64{int64(-n), 1}
		case "String":
			return []string{text, ""}
		case "DateTime('UTC')":
			return []time.Time{at, at}
		}
	case "Tuple":
		if arg == "UInt64, FixedString(16)" {
			return []any{uint64(n), strings.Repeat("z", 16)}
		}
		return []any{[]int16{-1, int16(n)}, []float64{0.5, 1.5}}
	}
	t.Fatalf("no value for type %q; add one", typ)
	return nil
}

type columnOf struct {
	Name string `ch:"name"`
	Type string `ch:"type"`
}

// TestEveryColumn writes and reads every column of every table: rows through the driver's batch, and whole blocks
// through InsertNative.
func TestEveryColumn(t *testing.T) {
	db := chtest.New(t)
	conn := raw(t, db)
	for table := range created(t, db) {
		if strings.HasSuffix(table, "_mv") {
			continue
		}
		t.Run(table, func(t *testing.T) {
			var columns []columnOf
			if err := db.Select(ctx, &columns, "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {t:String} ORDER BY position",
				clickhouse.Named("t", table)); err != nil {
				t.Fatal(err)
			}
			exec(t, db, "TRUNCATE TABLE "+table)
			appendRows(t, conn, table, columns, 3)
			readRows(t, conn, table, columns, 3)
			insertBlock(t, db, conn, table, columns)
		})
	}
}

func appendRows(t *testing.T, conn driver.Conn, table string, columns []columnOf, n int) {
	t.Helper()
	b, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		var row []any
		for _, c := range columns {
			if c.Type == "UInt32" {
				row = append(row, uint32(i))
				continue
			}
			row = append(row, value(t, c.Type, i))
		}
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Send(); err != nil {
		t.Fatal(err)
	}
}

func readRows(t *testing.T, conn driver.Conn, table string, columns []columnOf, n int) {
	t.Helper()
	rows, err := conn.Query(ctx, "SELECT * FROM "+table+" ORDER BY ALL")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []map[string]any
	for rows.Next() {
		var dest []any
		for _, c := range rows.ColumnTypes() {
			dest = append(dest, reflect.New(c.ScanType()).Interface())
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for i, c := range columns {
			row[c.Name] = reflect.ValueOf(dest[i]).Elem().Interface()
		}
		got = append(got, row)
	}
	if err := rows.Err(); err != nil || len(got) != n {
		t.Fatalf("%d rows, %v, want %d", len(got), err, n)
	}
	for i := range got {
		found := false
		for j := range n {
			want := map[string]any{}
			for _, c := range columns {
				want[c.Name] = any(uint32(j))
				if c.Type != "UInt32" {
					want[c.Name] = value(t, c.Type, j)
				}
			}
			found = found || cmp.Equal(want, got[i])
			if j == n-1 && !found {
				t.Errorf("row %d: %s", i, cmp.Diff(want, got[i]))
			}
		}
	}
}

// insertBlock copies a table as one Native block, and the same block a second time with the same token.
func insertBlock(t *testing.T, db *clickhouse.DB, conn driver.Conn, table string, columns []columnOf) {
	t.Helper()
	native := func(table string) []byte {
		r, err := conn.QueryFormat(ctx, "Native", "SELECT * FROM "+table+" ORDER BY ALL")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	block := native(table)
	exec(t, db, "CREATE TABLE copy_"+table+" AS "+table)
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	for range 2 {
		if err := db.InsertNative(ctx, "copy_"+table, names, "token of "+table, block); err != nil {
			t.Fatal(err)
		}
	}
	if table != "schema_migrations" && !bytes.Equal(block, native("copy_"+table)) {
		t.Error("the copy differs")
	}
}

// TestTokenReachesRollups: a repeated block counts once, also in a table that a materialized view fills from it.
func TestTokenReachesRollups(t *testing.T) {
	db := chtest.New(t)
	conn := raw(t, db)
	exec(t, db, `CREATE MATERIALIZED VIEW to_5m TO red_5m AS
SELECT toStartOfFiveMinutes(slice) AS slice, service, operation, status, sum(spans) AS spans, sumMap(latency) AS latency
FROM red_10s GROUP BY slice, service, operation, status`)
	exec(t, db, "CREATE TABLE source AS red_10s")
	exec(t, db, `INSERT INTO source (slice, service, operation, status, spans, requests, duration, latency)
SELECT toDateTime('2026-01-02 03:00:00', 'UTC') + 10 * number, 'shop', 'GET /', '2xx', 2, 2.5, 1e6, ([8, 16], [1., 1.]) FROM numbers(1000)`)
	r, err := conn.QueryFormat(ctx, "Native", "SELECT slice, service, operation, status, spans, requests, duration, latency FROM source")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	block, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	columns := []string{"slice", "service", "operation", "status", "spans", "requests", "duration", "latency"}
	for _, token := range []string{"a", "a", "b", "a", "b"} {
		if err := db.InsertNative(ctx, "red_10s", columns, token, block); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"red_10s", "red_5m"} {
		if n := number[uint64](t, db, "SELECT sum(spans) FROM "+table); n != 4000 {
			t.Errorf("%s counts %d spans, want 4000", table, n)
		}
		if n := number[float64](t, db, "SELECT arraySum(sumMap(latency).2) FROM "+table); n != 4000 {
			t.Errorf("%s has %v in its histograms, want 4000", table, n)
		}
	}
}

func TestEnforceRetention(t *testing.T) {
	db := chtest.New(t)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, table := range []string{"spans", "logs", "trace_index", "red_10s"} {
		exec(t, db, fmt.Sprintf("INSERT INTO %s (slice) SELECT toDateTime('2026-11-15 00:00:00', 'UTC') + INTERVAL number HOUR FROM numbers(24 * 8)", table))
	}
	exec(t, db, "INSERT INTO exemplars (metric, ts) SELECT 'm', toDateTime64('2026-11-15 00:00:00', 3, 'UTC') + INTERVAL number DAY FROM numbers(8)")
	exec(t, db, "INSERT INTO series (metric, series_id) SELECT 'm', 1")
	exec(t, db, `INSERT INTO samples (metric, bucket) SELECT 'm', toDateTime('2026-11-20 00:00:00', 'UTC') + INTERVAL 2 * number HOUR FROM numbers(12)`)
	exec(t, db, "INSERT INTO chunks (metric, bucket) SELECT 'm', toDateTime('2026-11-15 00:00:00', 'UTC') + INTERVAL number DAY FROM numbers(8)")
	const day = 24 * time.Hour
	r := schema.Retention{
		Traces: schema.Limit{Age: 3 * day}, TraceIndex: schema.Limit{Age: 5 * day}, Logs: schema.Limit{Bytes: 1}, Metrics: schema.Limit{Age: 2 * day},
		Rollups: schema.Limit{Age: 400 * day},
	}
	preview, err := schema.PreviewRetention(ctx, db, now, r)
	if err != nil {
		t.Fatal(err)
	}
	dropped, err := schema.EnforceRetention(ctx, db, now, r)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(preview, dropped); d != "" {
		t.Errorf("preview and deed differ: %s", d)
	}
	counts := map[string]int{}
	for _, d := range dropped {
		counts[d.Table+" "+d.Reason]++
		if d.Rows == 0 || d.Bytes == 0 {
			t.Errorf("dropped %+v", d)
		}
	}
	if d := cmp.Diff(map[string]int{"spans age": 4, "trace_index age": 2, "logs size": 7, "exemplars age": 5, "samples age": 6, "chunks age": 5}, counts); d != "" {
		t.Error(d)
	}
	for table, want := range map[string]uint64{"spans": 24 * 4, "trace_index": 24 * 6, "logs": 24, "red_10s": 24 * 8, "exemplars": 3, "series": 1, "samples": 6, "chunks": 3} {
		if n := number[uint64](t, db, "SELECT count() FROM "+table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
	again, err := schema.EnforceRetention(ctx, db, now, r)
	if err != nil || len(again) != 0 {
		t.Errorf("the second time: %v, %v", again, err)
	}
}
