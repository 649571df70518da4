// Package chdb runs ClickHouse inside the process: it loads libchdb without cgo and serves ClickHouse's HTTP interface in
// front of it, so that clickhouse-go and every other HTTP client talk to it as they do to a server.
//
// The library has one engine per process and crashes take the process along, which is why the program runs this package
// in a child (see package clickhouse). Tests and one-shot commands may use it in process.
package chdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"loadline/internal/chdb/libchdb"
	"loadline/internal/chdb/statement"
)

// Config says which library to load, where the data is and what the engine may use.
type Config struct {
	Library     string // path of libchdb; empty means Find
	DataDir     string // created when missing; one process at a time
	Database    string // the database of requests that name none; "default" when empty
	MaxMemory   int64  // bytes the engine may allocate; 0 means a quarter of the machine's memory, at most 4 GiB
	Threads     int    // threads of one query and of all merges; 0 means one per CPU
	Connections int    // queries that run at once, inserts not counted; 0 means 6
	ReadOnly    bool   // refuse everything but queries on tables
}

// Engine is the running engine. Handler and RoundTripper are its two doors.
type Engine struct {
	cfg      Config
	lib      *libchdb.Library
	args     []string
	readers  *pool
	writers  *pool
	version  string
	timezone string
	lock     *os.File        // held while the engine runs
	rules    statement.Rules // of a read-only engine

	control   *libchdb.Conn // runs KILL QUERY only
	controlMu sync.Mutex
	closing   sync.Once
}

// Find returns the path of the libchdb to load; see libchdb.Find.
func Find(explicit string) (string, error) { return libchdb.Find(explicit) }

// EnvLibrary names the environment variable that points at libchdb.
const EnvLibrary = libchdb.EnvLibrary

// writers is the number of inserts that run at once; more only make smaller parts.
const writers = 2

// inProcess guards the one engine of the process.
var inProcess atomic.Bool

// Open starts the engine on a data directory. There can be one open engine in a process.
func Open(cfg Config) (*Engine, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	path, err := Find(cfg.Library)
	if err != nil {
		return nil, err
	}
	if err := prepareDir(cfg.DataDir); err != nil {
		return nil, err
	}
	lib, err := libchdb.Load(path)
	if err != nil {
		return nil, err
	}
	if !inProcess.CompareAndSwap(false, true) {
		return nil, errors.New("an engine is already open in this process; close it first")
	}
	e := &Engine{cfg: cfg, lib: lib}
	if err := e.start(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func (c *Config) setDefaults() error {
	if c.DataDir == "" {
		return errors.New("data directory of the engine is empty")
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return fmt.Errorf("data directory %q: %w", c.DataDir, err)
	}
	c.DataDir = dir
	if c.Database == "" {
		c.Database = "default"
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = min(machineMemory()/4, 4<<30)
	}
	if c.MaxMemory < 256<<20 {
		return fmt.Errorf("memory limit of %d bytes is too low for the engine; give it at least 256 MiB", c.MaxMemory)
	}
	if c.Threads <= 0 {
		c.Threads = runtime.NumCPU()
	}
	if c.Connections <= 0 {
		c.Connections = 6
	}
	return nil
}

// start opens the first connection, which boots the engine, and prepares the pools.
func (e *Engine) start() error {
	config, err := writeConfig(e.cfg)
	if err != nil {
		return err
	}
	e.args = []string{"--path=" + e.cfg.DataDir, "--config-file=" + config}
	if e.lock, err = lockDir(e.cfg.DataDir); err != nil {
		return err
	}
	if e.control, err = e.lib.Connect(e.args...); err != nil {
		return fmt.Errorf("open data directory %q: %w; the engine's own message is on standard error", e.cfg.DataDir, err)
	}
	r := e.control.Query("SELECT version(), timezone()", "TSV", nil)
	defer r.Free()
	if err := r.Err(); err != nil {
		return fmt.Errorf("first query: %w", err)
	}
	e.version, e.timezone, _ = strings.Cut(strings.TrimSpace(string(r.Bytes())), "\t")
	f := e.control.Query("SELECT name FROM system.table_functions", "TSV", nil)
	defer f.Free()
	if err := f.Err(); err != nil {
		return fmt.Errorf("list table functions: %w", err)
	}
	e.rules = statement.NewRules(strings.Fields(string(f.Bytes())))
	if e.cfg.Database != "default" && !e.cfg.ReadOnly {
		if err := e.control.Exec("CREATE DATABASE IF NOT EXISTS " + quoteName(e.cfg.Database)); err != nil {
			return fmt.Errorf("create database %q: %w", e.cfg.Database, err)
		}
	}
	e.readers = newPool(e, e.cfg.Connections)
	e.writers = newPool(e, writers)
	return nil
}

// Version is the ClickHouse version of the engine.
func (e *Engine) Version() string { return e.version }

// Close waits for running queries and stops the engine; its last merges are finished or dropped, no data is lost.
func (e *Engine) Close() error {
	e.closing.Do(e.close)
	return nil
}

func (e *Engine) close() {
	if e.readers != nil {
		e.readers.close()
		e.writers.close()
	}
	if e.control != nil {
		e.controlMu.Lock()
		e.control.Close()
		e.control = nil
		e.controlMu.Unlock()
	}
	if e.lock != nil {
		e.lock.Close()
	}
	inProcess.Store(false)
}

// kill stops the query that runs on the connection with this tag.
func (e *Engine) kill(tag string) {
	e.controlMu.Lock()
	defer e.controlMu.Unlock()
	if e.control != nil {
		_ = e.control.Exec("KILL QUERY WHERE Settings['log_comment'] = " + quoteString(tag) + " ASYNC")
	}
}

// statements asks the engine's own parser how many statements there are: a second opinion for what strangers may send.
func (e *Engine) statements(sql string) (int, bool) {
	e.controlMu.Lock()
	defer e.controlMu.Unlock()
	if e.control == nil {
		return 0, false
	}
	return e.control.Statements(sql)
}

// watch kills the lease's query when ctx ends. The returned func stops the watching and returns after it: a late kill
// must not hit the next query of the connection. A query that is not yet registered cannot be killed, hence the repeats.
func (e *Engine) watch(ctx context.Context, tag string) func() {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			default:
				e.kill(tag)
			}
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done); <-stopped }
}

func quoteString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}

// prepareDir creates the data directory and proves that it can be written.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create data directory %q: %w; choose another with --data-dir or fix its permissions", dir, err)
	}
	probe, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return fmt.Errorf("write into data directory %q: %w; choose another with --data-dir, free space or fix its permissions", dir, err)
	}
	_, werr := probe.Write(make([]byte, 4096))
	cerr := probe.Close()
	_ = os.Remove(probe.Name())
	if err := errors.Join(werr, cerr); err != nil {
		return fmt.Errorf("write into data directory %q: %w; choose another with --data-dir, free space or fix its permissions", dir, err)
	}
	return nil
}
