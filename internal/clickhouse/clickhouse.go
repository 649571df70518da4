// Package clickhouse is the program's only door to a ClickHouse: a server or cluster named by a DSN, or the engine that
// the program brings along and runs as a child process. Everything else uses DB and cannot tell which one it talks to.
package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	driverapi "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/VictoriaMetrics/metrics"
)

var (
	querySeconds  = metrics.NewHistogram(`loadline_clickhouse_query_seconds`) // to the first block of the result
	queryErrors   = metrics.NewCounter(`loadline_clickhouse_query_errors_total`)
	insertSeconds = metrics.NewHistogram(`loadline_clickhouse_insert_seconds`)
	insertErrors  = metrics.NewCounter(`loadline_clickhouse_insert_errors_total`)
	insertBytes   = metrics.NewCounter(`loadline_clickhouse_insert_bytes_total`)
)

// Exception is an error that ClickHouse itself reports; errors.As finds it in what DB's methods return.
type Exception = driverapi.Exception

// Codes of exceptions that callers tell apart.
const (
	CodeUnknownTable       = 60
	CodeUnknownDatabase    = 81
	CodeTimeout            = 159
	CodeReadOnly           = 164
	CodeTooManyParts       = 252
	CodeMemoryLimit        = 241
	CodeNotEnoughSpace     = 243
	CodeQueryWasCancelled  = 394
	CodeTooManyRows        = 158
	CodeTooManyBytes       = 307
	CodeTableAlreadyExists = 57
)

// IsCode reports whether err is an exception of ClickHouse with one of these codes.
func IsCode(err error, codes ...int32) bool {
	var e *Exception
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// Config says how to reach a ClickHouse and what one query may use there. Either DSN is set, or Socket, or Transport.
type Config struct {
	DSN       string            // clickhouse://user:password@host:9000/db (native), http:// or https://
	Socket    string            // unix socket of an engine
	Transport http.RoundTripper // an engine in this process
	Database  string            // overrides the DSN's; "loadline" when neither says; created when missing

	QueryMemory    int64          // bytes of one query; 0 means 1 GiB
	QueryTime      time.Duration  // of one query; 0 means a minute
	QueryThreads   int            // of one query; 0 leaves it to ClickHouse
	Settings       map[string]any // more settings of queries
	InsertSettings map[string]any // more settings of inserts
	Logger         *slog.Logger   // of the driver, at debug level; nil means none

	dial func(ctx context.Context) (net.Conn, error)
}

// DB is a pool of connections to one ClickHouse. It is safe for concurrent use. Queries and inserts have connections of
// their own, each kind with constant settings, so that neither waits for the other.
type DB struct {
	queries  driver.Conn
	inserts  driver.Conn
	native   *nativeInserter // inserts over the native protocol, nil over HTTP
	database string
	http     bool
}

// maxConns bounds the connections of each pool. The engine itself queues what exceeds its own limit.
const maxConns = 32

// Open connects and proves it with a query. The database is created when it does not exist.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	opt, err := cfg.options()
	if err != nil {
		return nil, err
	}
	db := &DB{database: opt.Auth.Database, http: opt.Protocol == driverapi.HTTP}
	queries := *opt
	queries.Settings = merge(opt.Settings, cfg.querySettings(db.http), cfg.Settings)
	if db.queries, err = driverapi.Open(&queries); err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	inserts := *opt
	inserts.Settings = merge(opt.Settings, insertSettings(), cfg.InsertSettings)
	if db.inserts, err = driverapi.Open(&inserts); err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	if !db.http {
		db.native = newNativeInserter(&inserts)
	}
	if err := db.ensureDatabase(ctx, opt); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// options turns the config into the driver's options, settings aside.
func (c *Config) options() (*driverapi.Options, error) {
	opt := &driverapi.Options{Protocol: driverapi.HTTP, Addr: []string{"engine"}}
	if c.DSN != "" {
		var err error
		if opt, err = driverapi.ParseDSN(c.DSN); err != nil {
			return nil, fmt.Errorf("clickhouse DSN: %w; it should look like clickhouse://user:password@host:9000/database or http://host:8123", err)
		}
	}
	if c.Database != "" {
		opt.Auth.Database = c.Database
	}
	if opt.Auth.Database == "" {
		opt.Auth.Database = "loadline"
	}
	if opt.MaxOpenConns == 0 {
		opt.MaxOpenConns = maxConns
	}
	if opt.MaxIdleConns == 0 {
		opt.MaxIdleConns = maxConns
	}
	opt.Logger = c.Logger
	c.transport(opt)
	return opt, nil
}

// transport leads the driver to an engine. Bodies are megabytes, so the buffers of net/http are made larger.
func (c *Config) transport(opt *driverapi.Options) {
	dial := c.dial
	if c.Socket != "" {
		dial = func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "unix", c.Socket) }
	}
	if dial != nil {
		opt.DialContext = func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }
	}
	opt.TransportFunc = func(t *http.Transport) (http.RoundTripper, error) {
		if c.Transport != nil {
			return c.Transport, nil
		}
		if dial != nil {
			t.Proxy = nil
		}
		t.ReadBufferSize, t.WriteBufferSize = 64<<10, 64<<10
		return t, nil
	}
}

func (c *Config) querySettings(http bool) map[string]any {
	memory, limit := c.QueryMemory, c.QueryTime
	if memory == 0 {
		memory = 1 << 30
	}
	if limit == 0 {
		limit = time.Minute
	}
	s := map[string]any{
		"max_memory_usage":                   memory,
		"max_bytes_before_external_group_by": memory / 4, // at half of it, some hash tables outgrow the rest
		"max_bytes_before_external_sort":     memory / 4,
		"max_execution_time":                 max(1, int(limit.Seconds())),
	}
	if http {
		s["cancel_http_readonly_queries_on_client_close"] = 1
	}
	if c.QueryThreads > 0 {
		s["max_threads"] = c.QueryThreads
	}
	return s
}

// insertSettings make an insert answer only when its rows are stored, and let a repeated one be recognised in the tables
// of materialized views as well as in its own. A block may reach over any number of partitions, as a backfill does.
func insertSettings() map[string]any {
	return map[string]any{
		"async_insert":       0,
		"insert_deduplicate": 1,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
		"max_partitions_per_insert_block":                    0,
	}
}

func merge(all ...map[string]any) driverapi.Settings {
	out := driverapi.Settings{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

// ensureDatabase creates the database when the server says that it is missing.
func (db *DB) ensureDatabase(ctx context.Context, opt *driverapi.Options) error {
	err := db.Exec(ctx, "SELECT 1")
	if err == nil {
		return nil
	}
	if !IsCode(err, CodeUnknownDatabase) {
		return fmt.Errorf("connect to ClickHouse: %w", err)
	}
	admin := *opt
	admin.Auth.Database = "default"
	conn, err := driverapi.Open(&admin)
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoteName(db.database)); err != nil {
		return fmt.Errorf("create database %q: %w", db.database, err)
	}
	if err := db.Exec(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("connect to database %q: %w", db.database, err)
	}
	return nil
}

// Database is the name of the database that unqualified table names belong to.
func (db *DB) Database() string { return db.database }

// Close closes all connections.
func (db *DB) Close() error {
	var errs []error
	for _, c := range []driver.Conn{db.queries, db.inserts} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if db.native != nil {
		errs = append(errs, db.native.close())
	}
	return errors.Join(errs...)
}

// Named is a query parameter: Named("from", t) fills {from:DateTime}. A time with a fraction of a second needs a
// DateTime64 parameter.
func Named(name string, value any) driver.NamedValue { return driverapi.Named(name, value) }

// Exec runs a statement that returns no rows.
func (db *DB) Exec(ctx context.Context, sql string, args ...any) error {
	defer querySeconds.UpdateDuration(time.Now())
	return counted(db.queries.Exec(db.timeless(ctx), sql, args...))
}

// Query runs a query. The caller closes the rows and looks at their Err.
func (db *DB) Query(ctx context.Context, sql string, args ...any) (driver.Rows, error) {
	defer querySeconds.UpdateDuration(time.Now())
	rows, err := db.queries.Query(db.timeless(ctx), sql, args...)
	return rows, counted(err)
}

// Select scans all rows of a query into dest, a pointer to a slice of structs with `ch` tags.
func (db *DB) Select(ctx context.Context, dest any, sql string, args ...any) error {
	defer querySeconds.UpdateDuration(time.Now())
	return counted(db.queries.Select(db.timeless(ctx), dest, sql, args...))
}

// QueryRow runs a query for its first row.
func (db *DB) QueryRow(ctx context.Context, sql string, args ...any) driver.Row {
	defer querySeconds.UpdateDuration(time.Now())
	row := db.queries.QueryRow(db.timeless(ctx), sql, args...)
	_ = counted(row.Err())
	return row
}

func counted(err error) error {
	if err != nil {
		queryErrors.Inc()
	}
	return err
}

// Ping reports whether ClickHouse answers.
func (db *DB) Ping(ctx context.Context) error { return db.queries.Ping(db.timeless(ctx)) }

// timeless hides the deadline of a context over HTTP, not its end: the driver turns a deadline into another
// max_execution_time for every query, and the engine would need a SET before each. An ended context closes the request,
// and that stops the query.
func (db *DB) timeless(ctx context.Context) context.Context {
	if _, ok := ctx.Deadline(); !ok || !db.http {
		return ctx
	}
	return deadlineless{ctx}
}

type deadlineless struct{ context.Context }

func (deadlineless) Deadline() (time.Time, bool) { return time.Time{}, false }

func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}
