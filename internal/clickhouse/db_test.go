package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"loadline/internal/chdb"
	"loadline/internal/clickhouse"
)

// openEngine starts an engine in the test process.
func openEngine(t *testing.T) *chdb.Engine {
	t.Helper()
	e, err := chdb.Open(chdb.Config{DataDir: t.TempDir(), MaxMemory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func openDB(t *testing.T, cfg clickhouse.Config) *clickhouse.DB {
	t.Helper()
	db, err := clickhouse.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestDSN reaches the engine as a server over TCP.
func TestDSN(t *testing.T) {
	e := openEngine(t)
	server := httptest.NewServer(e.Handler())
	defer server.Close()
	for _, query := range []string{"", "?compress=lz4", "?compress=zstd", "?compress=gzip"} {
		t.Run(query, func(t *testing.T) {
			db := openDB(t, clickhouse.Config{DSN: strings.Replace(server.URL, "http://", "http://user:secret@", 1) + "/shop" + query})
			if db.Database() != "shop" {
				t.Errorf("database %q", db.Database())
			}
			run(t, db, "CREATE OR REPLACE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
			for _, token := range []string{"it's", "b", "it's"} {
				if err := db.InsertNative(context.Background(), "t", []string{"id"}, token, idBlock(0, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			if n := count(t, db, "t"); n != 2000 {
				t.Errorf("%d rows, want 2000", n)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	f := func(dsn string, want ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := clickhouse.Open(ctx, clickhouse.Config{DSN: dsn})
		if err == nil {
			t.Errorf("%q: no error", dsn)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: error %q does not say %q", dsn, err, w)
			}
		}
	}
	f("nonsense", "DSN", "clickhouse://user:password@host:9000/database")
	f("http://127.0.0.1:1", "connect to ClickHouse", "refused")
	f("clickhouse://127.0.0.1:1", "connect to ClickHouse", "refused")
}

func TestLimits(t *testing.T) {
	e := openEngine(t)
	db := openDB(t, clickhouse.Config{Transport: e.RoundTripper(), QueryMemory: 50 << 20, QueryTime: time.Second, QueryThreads: 1})
	ctx := context.Background()
	query := func(ctx context.Context, sql string) error {
		var n uint64
		return db.QueryRow(ctx, sql).Scan(&n)
	}
	if err := query(ctx, "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"); !clickhouse.IsCode(err, clickhouse.CodeTimeout) {
		t.Errorf("long query: %v", err)
	}
	if err := query(ctx, "SELECT length(groupArray(number)) FROM numbers(100000000)"); !clickhouse.IsCode(err, clickhouse.CodeMemoryLimit) {
		t.Errorf("large query: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := query(short, "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 900*time.Millisecond {
		t.Errorf("query with a deadline: %v after %v", err, time.Since(began))
	}
	if clickhouse.IsCode(errors.New("x"), 60) || !clickhouse.IsCode(query(ctx, "SELECT * FROM nowhere"), 1, clickhouse.CodeUnknownTable) {
		t.Error("IsCode")
	}
}

// TestGroupByGoesToDisk: a GROUP BY that does not fit into the memory of a query is slower, not an error.
func TestGroupByGoesToDisk(t *testing.T) {
	e := openEngine(t)
	const sql = "SELECT count() FROM (SELECT number, count() FROM numbers(5000000) GROUP BY number)"
	var n uint64
	db := openDB(t, clickhouse.Config{Transport: e.RoundTripper(), QueryMemory: 200 << 20, Settings: map[string]any{"max_bytes_before_external_group_by": 0, "max_bytes_ratio_before_external_group_by": 0}})
	if err := db.QueryRow(context.Background(), sql).Scan(&n); !clickhouse.IsCode(err, clickhouse.CodeMemoryLimit) {
		t.Fatalf("the query fits into memory (%v): the test proves nothing", err)
	}
	db = openDB(t, clickhouse.Config{Transport: e.RoundTripper(), QueryMemory: 200 << 20})
	if err := db.QueryRow(context.Background(), sql).Scan(&n); err != nil || n != 5_000_000 {
		t.Errorf("%d groups, %v", n, err)
	}
}

func TestInsertNativeErrors(t *testing.T) {
	e := openEngine(t)
	db := openDB(t, clickhouse.Config{Transport: e.RoundTripper()})
	run(t, db, "CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id")
	f := func(name, table string, columns []string, token string, block []byte, want string) {
		t.Helper()
		err := db.InsertNative(context.Background(), table, columns, token, block)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	f("no token", "t", []string{"id"}, "", idBlock(0, 1), "no deduplication token")
	f("no rows", "t", []string{"id"}, "x", nil, "no rows")
	f("no table", "nowhere", []string{"id"}, "x", idBlock(0, 1), "nowhere")
	f("no column", "t", []string{"x"}, "x", idBlock(0, 1), "x")
	f("cut block", "t", []string{"id"}, "x", idBlock(0, 100)[:50], "insert into \"t\"")
	if n := count(t, db, "t"); n != 0 {
		t.Errorf("%d rows after errors", n)
	}
}

// TestOneBlockIsOnePart: merges cost more than inserts, so a block must not be split.
func TestOneBlockIsOnePart(t *testing.T) {
	e := openEngine(t)
	db := openDB(t, clickhouse.Config{Transport: e.RoundTripper()})
	run(t, db, "CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id")
	for i := range 3 {
		if err := db.InsertNative(context.Background(), "t", []string{"id"}, fmt.Sprint(i), idBlock(uint64(i), 300_000)); err != nil {
			t.Fatal(err)
		}
	}
	var parts uint64
	if err := db.QueryRow(context.Background(), "SELECT count() FROM system.parts WHERE table = 't' AND level = 0").Scan(&parts); err != nil || parts != 3 {
		t.Errorf("%d parts, %v, want 3", parts, err)
	}
}

func BenchmarkSelect1(b *testing.B) {
	e, err := chdb.Open(chdb.Config{DataDir: b.TempDir(), MaxMemory: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	child, err := clickhouse.StartEngine(context.Background(), clickhouse.EngineConfig{DataDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer child.Stop(context.Background())
	inProcess, err := clickhouse.Open(context.Background(), clickhouse.Config{Transport: e.RoundTripper()})
	if err != nil {
		b.Fatal(err)
	}
	defer inProcess.Close()
	for name, db := range map[string]*clickhouse.DB{"in process": inProcess, "child": child.DB()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var n uint8
				if err := db.QueryRow(context.Background(), "SELECT 1").Scan(&n); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" 100k rows", func(b *testing.B) {
			for b.Loop() {
				rows, err := db.Query(context.Background(), "SELECT number, toString(number) AS s FROM numbers(100000)")
				if err != nil {
					b.Fatal(err)
				}
				for rows.Next() {
				}
				if err := rows.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" insert 50 MB", func(b *testing.B) {
			if err := db.Exec(context.Background(), "CREATE OR REPLACE TABLE nothing (id UInt64) ENGINE = Null"); err != nil {
				b.Fatal(err)
			}
			block := idBlock(0, 50<<17)
			b.SetBytes(int64(len(block)))
			for i := 0; b.Loop(); i++ {
				if err := db.InsertNative(context.Background(), "nothing", []string{"id"}, fmt.Sprint(i), block); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
