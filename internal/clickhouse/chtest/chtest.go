// Package chtest gives tests a real ClickHouse: libchdb in the test process, with its data in a temporary directory.
package chtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"loadline/internal/chdb"
	"loadline/internal/clickhouse"
	"loadline/internal/schema"
)

// engine is the engine of the test process and the number of tests that use it.
var engine struct {
	sync.Mutex
	*chdb.Engine
	dir   string
	users int
}

var databases atomic.Int64

// New returns a fresh database with the schema in it, on the one engine of the test process. It is dropped when the test
// ends. A missing library fails the test.
func New(t testing.TB) *clickhouse.DB {
	t.Helper()
	db := Empty(t)
	if err := schema.Migrate(context.Background(), db); err != nil {
		t.Fatalf("chtest: %v", err)
	}
	return db
}

// Empty returns a fresh database without tables.
func Empty(t testing.TB) *clickhouse.DB {
	t.Helper()
	db, err := clickhouse.Open(context.Background(), clickhouse.Config{
		Transport: Engine(t).RoundTripper(),
		Database:  fmt.Sprintf("test_%d", databases.Add(1)),
	})
	if err != nil {
		t.Fatalf("chtest: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Exec(context.Background(), "DROP DATABASE "+db.Database()); err != nil {
			t.Errorf("chtest: drop database: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("chtest: close: %v", err)
		}
	})
	return db
}

// Engine returns the engine of the test process. It lives as long as the process and leaves its directory behind, among the
// system's temporary files; the next test process removes it. With the race detector it lives as long as some test uses
// it, because the detector's way to end a process runs the library's destructors, and these need a stopped engine.
func Engine(t testing.TB) *chdb.Engine {
	t.Helper()
	engine.Lock()
	defer engine.Unlock()
	if engine.Engine == nil {
		if err := start(); err != nil {
			t.Fatalf("chtest: %v", err)
		}
	}
	engine.users++
	t.Cleanup(func() {
		engine.Lock()
		defer engine.Unlock()
		if engine.users--; engine.users == 0 && raceDetector {
			if err := engine.Close(); err != nil {
				t.Errorf("chtest: %v", err)
			}
			engine.Engine = nil
			_ = os.RemoveAll(engine.dir)
		}
	})
	return engine.Engine
}

func start() (err error) {
	removeLeftovers()
	if engine.dir, err = os.MkdirTemp("", prefix); err != nil {
		return err
	}
	engine.Engine, err = chdb.Open(chdb.Config{Library: library(), DataDir: engine.dir, MaxMemory: 1 << 30})
	return err
}

// prefix is what the directories of test engines begin with.
const prefix = "loadline-test-"

// removeLeftovers removes the directories of test processes that are gone: nobody holds their lock any more. Young ones
// may not have taken it yet.
func removeLeftovers() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err == nil && time.Since(info.ModTime()) > time.Minute && !chdb.InUse(dir) {
			_ = os.RemoveAll(dir)
		}
	}
}

// library is the library that `make libchdb` has put beside go.mod, or "" for the usual search.
func library() string {
	if os.Getenv(chdb.EnvLibrary) != "" {
		return ""
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, ".cache", "libchdb", "libchdb.so")
		if _, err := os.Stat(path); err == nil {
			return path
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
