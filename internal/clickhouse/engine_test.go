package clickhouse_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"loadline/internal/chdb/process"
	"loadline/internal/clickhouse"
)

// TestMain lets the test binary be the engine that it supervises.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		if err := runEngine(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 2 && os.Args[1] == "supervisor" {
		superviseUntilKilled(os.Args[2])
	}
	os.Exit(m.Run())
}

// superviseUntilKilled starts an engine, prints its process id and waits for the end.
func superviseUntilKilled(dir string) {
	e, err := clickhouse.StartEngine(context.Background(), clickhouse.EngineConfig{DataDir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(e.Pid())
	select {}
}

func runEngine(args []string) error {
	var cfg process.Config
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	flags.StringVar(&cfg.Engine.DataDir, "data-dir", "", "")
	flags.StringVar(&cfg.Socket, "socket", "", "")
	flags.StringVar(&cfg.Engine.Library, "libchdb", "", "")
	flags.Int64Var(&cfg.Engine.MaxMemory, "max-memory", 0, "")
	flags.IntVar(&cfg.Engine.Threads, "threads", 0, "")
	flags.IntVar(&cfg.Engine.Connections, "connections", 0, "")
	flags.Bool("read-write", false, "")
	flags.BoolVar(&cfg.Supervised, "supervised", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return process.Run(context.Background(), cfg)
}

// startEngine supervises an engine for the length of a test.
func startEngine(t *testing.T, dir string) *clickhouse.Engine {
	t.Helper()
	e, err := clickhouse.StartEngine(context.Background(), clickhouse.EngineConfig{
		DataDir: dir, MaxMemory: 1 << 30, Logger: testLog(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopEngine(e) })
	return e
}

func stopEngine(e *clickhouse.Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	e.Stop(ctx)
}

// testLog writes to the test's log while the test runs.
func testLog(t *testing.T) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.t = nil
	})
	return slog.New(slog.NewTextHandler(w, nil))
}

type testWriter struct {
	mu sync.Mutex
	t  *testing.T
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

func count(t *testing.T, db *clickhouse.DB, table string) uint64 {
	t.Helper()
	var n uint64
	if err := db.QueryRow(context.Background(), "SELECT count() FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func run(t *testing.T, db *clickhouse.DB, sql string) {
	t.Helper()
	if err := db.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
}

// untilInserted repeats an insert with its token until it succeeds, as ingest does.
func untilInserted(ctx context.Context, db *clickhouse.DB, token string, block []byte) (tries int, err error) {
	for {
		tries++
		err = db.InsertNative(ctx, "base", []string{"id"}, token, block)
		if err == nil || ctx.Err() != nil {
			return tries, err
		}
	}
}

func TestEngineSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	e := startEngine(t, dir)
	db := e.DB()
	const settings = " SETTINGS non_replicated_deduplication_window = 1000"
	run(t, db, "CREATE TABLE base (id UInt64) ENGINE = MergeTree ORDER BY id"+settings)
	run(t, db, "CREATE TABLE rollup (k UInt64, n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY k"+settings)
	run(t, db, "CREATE MATERIALIZED VIEW rollup_mv TO rollup AS SELECT id % 10 AS k, count() AS n FROM base GROUP BY k")

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	const blocks, rows, kills = 60, 20000, 5
	kill := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		for range kill {
			if pid := e.Pid(); pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	retries := 0
	for i := range blocks {
		if i%(blocks/kills) == blocks/kills/2 {
			kill <- struct{}{}
		}
		tries, err := untilInserted(ctx, db, fmt.Sprintf("block-%d", i), idBlock(uint64(i*rows), rows))
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		retries += tries - 1
	}
	close(kill)
	killer.Wait()
	var n, distinct, rolled uint64
	if err := db.QueryRow(ctx, "SELECT count(), uniqExact(id) FROM base").Scan(&n, &distinct); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(ctx, "SELECT sum(n) FROM rollup").Scan(&rolled); err != nil {
		t.Fatal(err)
	}
	if want := uint64(blocks * rows); n != want || distinct != want || rolled != want {
		t.Errorf("after %d restarts and %d retries: %d rows, %d distinct, %d in the rollup, want %d of each", e.Restarts(), retries, n, distinct, rolled, want)
	}
	if e.Restarts() < kills {
		t.Errorf("%d restarts, want at least %d", e.Restarts(), kills)
	}
	t.Logf("%d restarts, %d retries", e.Restarts(), retries)
}

func TestEngineIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	startEngine(t, dir)
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "engine.sock"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %q is %o, want %o", path, got, want)
		}
	}
}

func TestEngineWithLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := startEngine(t, dir).DB().Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestSecondEngineIsRefused(t *testing.T) {
	dir := t.TempDir()
	startEngine(t, dir)
	_, err := clickhouse.StartEngine(context.Background(), clickhouse.EngineConfig{DataDir: dir})
	if err == nil {
		t.Fatal("a second engine started on the same directory")
	}
	for _, want := range []string{dir, "in use by another process", "--data-dir"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestStartErrors(t *testing.T) {
	f := func(name string, cfg clickhouse.EngineConfig, want ...string) {
		t.Helper()
		_, err := clickhouse.StartEngine(context.Background(), cfg)
		if err == nil {
			t.Errorf("%s: no error", name)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %q does not say %q", name, err, w)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f("library missing", clickhouse.EngineConfig{DataDir: t.TempDir(), Library: "/nonexistent/libchdb.so"}, "/nonexistent/libchdb.so", "make libchdb", "@chdb/lib-")
	f("directory is a file", clickhouse.EngineConfig{DataDir: filepath.Join(file, "x")}, file, "--data-dir")
	f("read-only file system", clickhouse.EngineConfig{DataDir: "/proc/loadline"}, "/proc/loadline", "--data-dir")
	f("program missing", clickhouse.EngineConfig{DataDir: t.TempDir(), Command: []string{"/nonexistent/loadline"}}, "/nonexistent/loadline")
	f("program that ends", clickhouse.EngineConfig{DataDir: t.TempDir(), Command: []string{"/bin/true"}}, "ended before it was ready")
	f("little memory", clickhouse.EngineConfig{DataDir: t.TempDir(), MaxMemory: 1 << 20}, "256 MiB")
}

func TestStopEndsTheChild(t *testing.T) {
	e := startEngine(t, t.TempDir())
	pid := e.Pid()
	stopEngine(e)
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("engine %d after Stop: %v, want no such process", pid, err)
	}
	if err := e.DB().Ping(context.Background()); err == nil {
		t.Error("ping after Stop succeeds")
	}
}

// TestEngineDiesWithItsParent: kill -9 of the program leaves no engine behind, and the directory is free at once.
func TestEngineDiesWithItsParent(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "supervisor", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	e := startEngine(t, dir)
	if err := e.DB().Ping(context.Background()); err != nil {
		t.Error(err)
	}
	if e.Pid() == pid {
		t.Errorf("the new engine has the process id of the old one, %d", pid)
	}
}
