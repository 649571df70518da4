package chdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"loadline/internal/chdb"
)

// open starts an engine in the test process; there can be one at a time.
func open(t *testing.T, cfg chdb.Config) *chdb.Engine {
	t.Helper()
	if cfg.DataDir == "" {
		cfg.DataDir = t.TempDir()
	}
	cfg.MaxMemory = 1 << 30
	e, err := chdb.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// serve listens on a unix socket and returns the way to dial it.
func serve(t *testing.T, h http.Handler) func(context.Context, string) (net.Conn, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}

type option = func(*clickhouse.Options)

func compressed(m clickhouse.CompressionMethod) option {
	return func(o *clickhouse.Options) { o.Compression = &clickhouse.Compression{Method: m, Level: 3} }
}

// connect gives an unmodified clickhouse-go on the engine's socket.
func connect(t *testing.T, e *chdb.Engine, opts ...option) driver.Conn {
	t.Helper()
	o := &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"engine"}, DialContext: serve(t, e.Handler())}
	for _, f := range opts {
		f(o)
	}
	c, err := clickhouse.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func exec(t *testing.T, c driver.Conn, sql string) {
	t.Helper()
	if err := c.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func wantCode(t *testing.T, err error, code int32) {
	t.Helper()
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		t.Errorf("error %v (%T), want an exception with code %d", err, err, code)
	} else if e.Code != code {
		t.Errorf("code %d (%v), want %d", e.Code, err, code)
	}
}

// doors are the ways to an engine, with every compression.
var doors = map[string]option{
	"unix":   func(*clickhouse.Options) {},
	"lz4":    compressed(clickhouse.CompressionLZ4),
	"zstd":   compressed(clickhouse.CompressionZSTD),
	"gzip":   compressed(clickhouse.CompressionGZIP),
	"brotli": compressed(clickhouse.CompressionBrotli),
}

// rowsFor thins out large tests behind the slow compressions.
func rowsFor(t *testing.T, n int) int {
	if strings.HasSuffix(t.Name(), "/unix") || strings.HasSuffix(t.Name(), "/lz4") {
		return n
	}
	return n / 10
}

func eachDoor(t *testing.T, f func(t *testing.T, e *chdb.Engine, c driver.Conn)) {
	e := open(t, chdb.Config{})
	for name, door := range doors {
		t.Run(name, func(t *testing.T) { f(t, e, connect(t, e, door)) })
	}
	t.Run("in process", func(t *testing.T) {
		f(t, e, connect(t, e, func(o *clickhouse.Options) {
			o.TransportFunc = func(*http.Transport) (http.RoundTripper, error) { return e.RoundTripper(), nil }
		}))
	})
}

func TestConnect(t *testing.T) {
	eachDoor(t, func(t *testing.T, e *chdb.Engine, c driver.Conn) {
		if err := c.Ping(context.Background()); err != nil {
			t.Fatal(err)
		}
		v, err := c.ServerVersion()
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Version.String(); !strings.HasPrefix(e.Version(), got) || v.Timezone.String() != "UTC" {
			t.Errorf("version %q in %v, want %q in UTC", got, v.Timezone, e.Version())
		}
	})
}

func TestParameters(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789012345, time.UTC)
	tricky := "it's \\ `quoted`\n\n\"text\"\t\x00; DROP TABLE x -- ü 漢 \r\n$$"
	eachDoor(t, func(t *testing.T, _ *chdb.Engine, c driver.Conn) {
		f := func(typ string, in, want any) {
			t.Helper()
			rows, err := c.Query(context.Background(), "SELECT {p:"+typ+"} AS x", clickhouse.Named("p", in))
			if err != nil {
				t.Errorf("%s: %v", typ, err)
				return
			}
			defer rows.Close()
			if !rows.Next() {
				t.Errorf("%s: no row: %v", typ, rows.Err())
				return
			}
			got := reflect.New(rows.ColumnTypes()[0].ScanType())
			if err := rows.Scan(got.Interface()); err != nil {
				t.Errorf("%s: %v", typ, err)
				return
			}
			if d := cmp.Diff(want, got.Elem().Interface()); d != "" {
				t.Errorf("%s: %s", typ, d)
			}
		}
		f("String", tricky, tricky)
		f("String", "", "")
		f("UInt64", uint64(1<<63+1), uint64(1<<63+1))
		f("Int8", -7, int8(-7))
		f("Float64", 0.1, 0.1)
		f("Bool", true, true)
		f("DateTime", at.Truncate(time.Second), at.Truncate(time.Second))
		f("DateTime64(9, 'UTC')", at, at)
		f("Array(String)", []string{"a", "b'c", "d\\e"}, []string{"a", "b'c", "d\\e"})
		f("Array(UInt32)", []uint32{1, 2}, []uint32{1, 2})
		f("Map(String, UInt8)", map[string]uint8{"a": 1}, map[string]uint8{"a": 1})
		f("Nullable(String)", nil, (*string)(nil))

		var n int64
		var s string
		if err := c.QueryRow(context.Background(), "SELECT toInt64(?), ?", 42, tricky[:20]).Scan(&n, &s); err != nil || n != 42 || s != tricky[:20] {
			t.Errorf("positional: %d, %q, %v", n, s, err)
		}
	})
}

type batchRow struct {
	ID    uint64
	Text  string
	Maybe *string
	Tags  []string
	Attrs map[string]string
	At    time.Time
	Fixed string
}

func batchRows(n int) []batchRow {
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([]batchRow, n)
	for i := range rows {
		raw := make([]byte, r.IntN(30))
		for j := range raw {
			raw[j] = byte(r.Uint32())
		}
		rows[i] = batchRow{
			ID: uint64(i), Text: "\n\nDROP TABLE batch;\x00" + string(raw), Tags: []string{"a", string(raw)},
			Attrs: map[string]string{"k": string(raw)}, At: time.Unix(1e9+int64(i), int64(i)*1000).UTC(), Fixed: fmt.Sprintf("%08d", i),
		}
		if i%2 == 0 {
			rows[i].Maybe = &rows[i].Text
		}
	}
	return rows
}

func TestBatch(t *testing.T) {
	eachDoor(t, func(t *testing.T, _ *chdb.Engine, c driver.Conn) {
		want := batchRows(rowsFor(t, 50000))
		ctx := context.Background()
		exec(t, c, `CREATE OR REPLACE TABLE batch (ID UInt64, Text String, Maybe Nullable(String), Tags Array(LowCardinality(String)),
			Attrs Map(LowCardinality(String), String), At DateTime64(9, 'UTC'), Fixed FixedString(8)) ENGINE = MergeTree ORDER BY ID`)
		b, err := c.PrepareBatch(ctx, "INSERT INTO batch")
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if err := b.AppendStruct(&want[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Send(); err != nil {
			t.Fatal(err)
		}
		var got []batchRow
		if err := c.Select(ctx, &got, "SELECT * FROM batch ORDER BY ID"); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d[:min(len(d), 2000)])
		}
	})
}

func TestInsertAndQueryFormat(t *testing.T) {
	eachDoor(t, func(t *testing.T, _ *chdb.Engine, c driver.Conn) {
		ctx := context.Background()
		exec(t, c, "CREATE OR REPLACE TABLE f (a UInt64, b String, c UInt8 DEFAULT 7) ENGINE = MergeTree ORDER BY a")
		// A token in the settings, a blank line and a statement in the data: the data is data.
		named := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": "it's"}))
		csv := "1,\"x\n\nDROP TABLE f;\"\n2,y\n"
		if err := c.InsertFormat(named, "CSV", "INSERT INTO f (a, b) SETTINGS input_format_parallel_parsing = 0", strings.NewReader(csv)); err != nil {
			t.Fatal(err)
		}
		stream, err := c.QueryFormat(ctx, "Native", "SELECT a, b, c FROM f ORDER BY a")
		if err != nil {
			t.Fatal(err)
		}
		native, err := io.ReadAll(stream)
		if err != nil {
			t.Fatal(err)
		}
		stream.Close()
		if err := c.InsertFormat(ctx, "Native", "INSERT INTO f", bytes.NewReader(native)); err != nil {
			t.Fatal(err)
		}
		exec(t, c, "INSERT INTO f (a, b) VALUES (3, 'z\n\nDROP TABLE f; --'), (4, 'it''s')")
		var got []string
		if err := c.Select(ctx, &got, "SELECT concat(toString(a), b, toString(c)) AS s FROM f ORDER BY a, b"); err == nil {
			t.Error("scanning into strings should fail")
		}
		var all string
		if err := c.QueryRow(ctx, "SELECT arrayStringConcat(arraySort(groupArray(concat(toString(a), b, toString(c)))), '|') FROM f").Scan(&all); err != nil {
			t.Fatal(err)
		}
		if want := "1x\n\nDROP TABLE f;7|1x\n\nDROP TABLE f;7|2y7|2y7|3z\n\nDROP TABLE f; --7|4it's7"; all != want {
			t.Errorf("got %q, want %q", all, want)
		}
	})
}

func TestErrors(t *testing.T) {
	eachDoor(t, func(t *testing.T, _ *chdb.Engine, c driver.Conn) {
		ctx := context.Background()
		f := func(sql string, code int32) {
			t.Helper()
			rows, err := c.Query(ctx, sql)
			if err == nil {
				for rows.Next() {
				}
				err = rows.Err()
				rows.Close()
			}
			wantCode(t, err, code)
		}
		f("SELECT * FROM nowhere", 60)
		f("SELEC 1", 62)
		f("SELECT x", 47)
		f("SELECT throwIf(number = 0) FROM numbers(10)", 395)
		// In the middle of the stream.
		far := rowsFor(t, 3_000_000)
		f(fmt.Sprintf("SELECT throwIf(number = %d), toString(number) FROM numbers(%d)", far, 2*far), 395)
		f(fmt.Sprintf("SELECT number, throwIf(number = %d) FROM numbers(%d) SETTINGS max_block_size = 1000", far, 2*far), 395)
		f("SELECT count() FROM numbers(1000000000000) SETTINGS max_execution_time = 1", 159)
		f("SELECT groupArray(number) FROM numbers(100000000) SETTINGS max_memory_usage = 10000000", 241)
		f("SELECT 1; SELECT 2", 62)
		f("SELECT 1 SETTINGS no_such_setting = 1", 115)
		wantCode(t, c.Exec(ctx, "DROP TABLE nowhere"), 60)
		wantCode(t, c.Exec(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"no_such_setting": 1})), "SELECT 1"), 115)
		// A connection that has seen an error still answers.
		var one uint8
		if err := c.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil || one != 1 {
			t.Errorf("after errors: %d, %v", one, err)
		}
	})
}

func TestCancel(t *testing.T) {
	e := open(t, chdb.Config{Connections: 2})
	c := connect(t, e)
	running := func() (n uint64) {
		t.Helper()
		if err := c.QueryRow(context.Background(), "SELECT count() FROM system.processes WHERE query LIKE '%1000000000001%' AND query NOT LIKE '%system%' AND is_cancelled = 0").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i := range 10 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i*20)*time.Millisecond)
		began := time.Now()
		var n uint64
		err := c.QueryRow(ctx, "SELECT sum(sipHash64(number)) FROM numbers(1000000000001)").Scan(&n)
		cancel()
		if err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("query ended after %v with %v", time.Since(began), err)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for running() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("cancelled queries still run")
		}
	}
}

func TestCancelInTheMiddleOfAStream(t *testing.T) {
	eachDoor(t, func(t *testing.T, _ *chdb.Engine, c driver.Conn) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		rows, err := c.Query(ctx, "SELECT number FROM numbers(10000000000)")
		if err != nil {
			t.Fatal(err)
		}
		for range 100000 {
			if !rows.Next() {
				t.Fatal(rows.Err())
			}
		}
		cancel()
		for rows.Next() {
		}
		if rows.Err() == nil {
			t.Error("stream ended without an error after its context")
		}
		rows.Close()
		if err := c.Ping(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestStreaming(t *testing.T) {
	eachDoor(t, func(t *testing.T, _ *chdb.Engine, c driver.Conn) {
		n := uint64(rowsFor(t, 3_500_000))
		rows, err := c.Query(context.Background(), "SELECT number, toString(number) AS s FROM numbers({n:UInt64})", clickhouse.Named("n", n))
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got, sum, length uint64
		for rows.Next() {
			var id uint64
			var s string
			if err := rows.Scan(&id, &s); err != nil {
				t.Fatal(err)
			}
			got, sum, length = got+1, sum+id, length+uint64(len(s))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if got != n || sum != n*(n-1)/2 || length != digits(n) {
			t.Errorf("%d rows, sum %d, %d bytes of text", got, sum, length)
		}
	})
}

// digits is the length of all numbers below n, one after the other.
func digits(n uint64) (sum uint64) {
	for width, from := uint64(1), uint64(0); from < n; width++ {
		to := uint64(math.Pow10(int(width)))
		sum += width * (min(to, n) - from)
		from = to
	}
	return sum
}

// TestParallelAnswers guards against parameters, settings or results of one connection appearing on another.
func TestParallelAnswers(t *testing.T) {
	e := open(t, chdb.Config{})
	c := connect(t, e)
	exec(t, c, "CREATE DATABASE a")
	exec(t, c, "CREATE TABLE a.t (x String) ENGINE = Memory AS SELECT 'a'")
	const workers, each = 6, 800
	var wrong atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 7))
			for i := range each {
				v, text := r.Uint64(), fmt.Sprintf("%d/%d'\\", w, i)
				ctx := context.Background()
				threads := uint64(1 + i%3)
				if i%4 == 0 {
					ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": threads}))
				}
				var gotV, gotThreads uint64
				var gotText string
				err := c.QueryRow(ctx, "SELECT {v:UInt64} AS v, {s:String} AS s, toUInt64(getSetting('max_threads')) AS n FROM numbers(1)",
					clickhouse.Named("v", v), clickhouse.Named("s", text)).Scan(&gotV, &gotText, &gotThreads)
				if err != nil || gotV != v || gotText != text || i%4 == 0 && gotThreads != threads {
					wrong.Add(1)
					t.Errorf("worker %d query %d: %v, %d %q %d", w, i, err, gotV, gotText, gotThreads)
				}
			}
		})
	}
	wg.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d wrong answers of %d", n, workers*each)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	e := open(t, chdb.Config{DataDir: dir})
	exec(t, connect(t, e), "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a AS SELECT 5")
	if _, err := chdb.Open(chdb.Config{DataDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "already open") {
		t.Errorf("second engine in the process: %v", err)
	}
	e.Close()
	var got uint8
	if err := connect(t, open(t, chdb.Config{DataDir: dir})).QueryRow(context.Background(), "SELECT a FROM t").Scan(&got); err != nil || got != 5 {
		t.Errorf("after reopening: %d, %v", got, err)
	}
}
