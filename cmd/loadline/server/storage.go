package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"loadline/cmd/loadline/config"
	"loadline/cmd/loadline/fault"
	"loadline/internal/chdb"
	"loadline/internal/clickhouse"
	"loadline/internal/schema"
)

// storage is the ClickHouse of the process: the embedded engine or a server.
type storage struct {
	db     *clickhouse.DB
	engine *clickhouse.Engine // nil with a server
	name   string             // for people: which ClickHouse
	where  string             // data directory, or server and database
	schema int
}

// String is what people and the doctor read.
func (s *storage) String() string {
	return fmt.Sprintf("%s %s, schema %d", s.name, s.where, s.schema)
}

// openStorage starts or reaches the ClickHouse and brings its tables up to date. Its errors are faults.
func openStorage(ctx context.Context, cfg config.Storage, log *slog.Logger) (*storage, error) {
	s := &storage{}
	var err error
	if cfg.DSN == "" {
		err = s.startEngine(ctx, cfg, log)
	} else {
		err = s.openServer(ctx, cfg)
	}
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		s.close(ctx)
		return nil, &fault.Error{Code: fault.Storage, Err: err, Hint: "the message above is ClickHouse's; nothing was started"}
	}
	return s, nil
}

// migrate brings the tables up to date.
func (s *storage) migrate(ctx context.Context) error {
	if err := schema.Migrate(ctx, s.db); err != nil {
		return err
	}
	var err error
	s.schema, err = schema.Version(ctx, s.db)
	return err
}

// startTime bounds the start of the engine. Loading half a gigabyte of library from a cold disk takes seconds; opening
// thousands of parts does too.
const startTime = 2 * time.Minute

func (s *storage) startEngine(ctx context.Context, cfg config.Storage, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	library, err := chdb.Find(cfg.Libchdb)
	if err != nil {
		return &fault.Error{Code: fault.Storage, Err: err, Hint: "or use your own ClickHouse server with --storage.dsn"}
	}
	s.engine, err = clickhouse.StartEngine(ctx, clickhouse.EngineConfig{
		DataDir:   filepath.Join(cfg.Path, "engine"),
		Library:   library,
		MaxMemory: cfg.MaxMemory,
		Threads:   cfg.Threads,
		Logger:    log.With("component", "engine"),
	})
	if err != nil {
		hint := "`loadline doctor` checks the library, the directory and this machine"
		if chdb.InUse(filepath.Join(cfg.Path, "engine")) {
			hint = "one Loadline at a time can use a data directory; choose another with --storage.path"
		}
		return &fault.Error{Code: fault.Storage, Err: fmt.Errorf("storage.path %q: %w", cfg.Path, err), Hint: hint}
	}
	s.db = s.engine.DB()
	version, err := s.db.Version(ctx)
	if err != nil {
		s.close(ctx)
		return &fault.Error{Code: fault.Storage, Err: err}
	}
	s.name, s.where = "embedded ClickHouse "+version, "in "+cfg.Path
	return nil
}

func (s *storage) openServer(ctx context.Context, cfg config.Storage) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	hint := "check that the server runs and that the DSN looks like clickhouse://user:password@host:9000/database"
	var err error
	if s.db, err = clickhouse.Open(ctx, clickhouse.Config{DSN: cfg.DSN}); err != nil {
		return &fault.Error{Code: fault.Storage, Err: fmt.Errorf("storage.dsn: %w", err), Hint: hint}
	}
	version, err := s.db.Version(ctx)
	if err != nil {
		s.close(ctx)
		return &fault.Error{Code: fault.Storage, Err: fmt.Errorf("storage.dsn: %w", err), Hint: hint}
	}
	s.name, s.where = "ClickHouse "+version, fmt.Sprintf("at %s, database %s", dsnHost(cfg.DSN), s.db.Database())
	return nil
}

// dsnHost returns the part of a DSN that may be shown.
func dsnHost(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "the configured server"
	}
	return u.Host
}

// check returns why the ClickHouse cannot be used now, or nil.
func (s *storage) check(ctx context.Context) error {
	if s.engine != nil {
		if err := s.engine.Err(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return s.db.Ping(ctx)
}

func (s *storage) close(ctx context.Context) {
	if s.engine != nil {
		s.engine.Stop(ctx)
		return
	}
	_ = s.db.Close()
}

// prepareDir makes the data directory and proves that it can be written. Its errors are faults.
func prepareDir(path string) error {
	hint := "make the directory writable for this user, or choose another with --storage.path"
	if err := os.MkdirAll(path, 0o700); err != nil {
		return &fault.Error{Code: fault.Storage, Err: fmt.Errorf("storage.path: create data directory: %w", err), Hint: hint}
	}
	probe, err := os.CreateTemp(path, ".write-test-*")
	if err != nil {
		return &fault.Error{Code: fault.Storage, Err: fmt.Errorf("storage.path: write to data directory: %w", err), Hint: hint}
	}
	_, err = probe.Write(make([]byte, 64<<10)) // on a full disk an empty file can be made
	if err = errors.Join(err, probe.Close(), os.Remove(probe.Name())); err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			hint = "free the disk, or choose another directory with --storage.path"
		}
		return &fault.Error{Code: fault.Storage, Err: fmt.Errorf("storage.path: write to data directory: %w", err), Hint: hint}
	}
	return nil
}
