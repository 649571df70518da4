package chdb_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"loadline/internal/chdb"
)

// readOnly gives a read-only engine on a directory with the table kept.t (one row) in it.
func readOnly(t *testing.T) *chdb.Engine {
	t.Helper()
	dir := t.TempDir()
	e := open(t, chdb.Config{DataDir: dir})
	c := connect(t, e)
	exec(t, c, "CREATE DATABASE kept")
	exec(t, c, "CREATE TABLE kept.t (a UInt8) ENGINE = MergeTree ORDER BY a AS SELECT 5")
	e.Close()
	return open(t, chdb.Config{DataDir: dir, Database: "kept", ReadOnly: true})
}

func TestReadOnlyRefuses(t *testing.T) {
	e := readOnly(t)
	c := connect(t, e)
	out := filepath.Join(t.TempDir(), "out")
	for _, sql := range []string{
		"INSERT INTO t VALUES (6)",
		"INSERT INTO t SELECT 6",
		"WITH 6 AS x INSERT INTO t SELECT x",
		"CREATE TABLE u (a UInt8) ENGINE = MergeTree ORDER BY a",
		"CREATE TEMPORARY TABLE u (a UInt8)",
		"DROP TABLE t", "TRUNCATE TABLE t", "ALTER TABLE t DELETE WHERE 1", "OPTIMIZE TABLE t FINAL", "RENAME TABLE t TO u",
		"SET max_threads = 1", "SET readonly = 0", "USE default", "SYSTEM STOP MERGES", "KILL QUERY WHERE 1",
		"SELECT 1 SETTINGS readonly = 0", "SELECT 1 SETTINGS max_memory_usage = 0", "SELECT * FROM t SETTINGS max_execution_time = 0",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT file('/etc/passwd')", "SELECT * FROM `fi\\x6ce`('/etc/passwd', 'LineAsString')",
		"SELECT * FROM default.`/etc/passwd`", "DESCRIBE default.`/etc/passwd`", "SELECT * FROM `/etc/passwd`", "SELECT * FROM '/etc/passwd'",
		"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "SELECT * FROM remote('127.0.0.1', system.one)", "SELECT * FROM s3('http://x/y')",
		"SELECT * FROM mysql('127.0.0.1', 'a', 'b', 'c', 'd')", "SELECT * FROM postgresql('127.0.0.1', 'a', 'b', 'c', 'd')", "SELECT * FROM hdfs('hdfs://x/y')",
		"SELECT * FROM executable('id', 'LineAsString', 's String')", "SELECT * FROM input('a UInt8')", "SELECT * FROM filesystem('/etc')",
		"SELECT * FROM cluster('default', system.one)", "SELECT * FROM sqlite('x', 'y')", "SELECT * FROM merge('default', '.*')",
		"SELECT 1 INTO OUTFILE '" + out + "'", "SELECT 1 INTO OUTFILE '" + out + "' FORMAT CSV",
		"SELECT 1; DROP TABLE t", "SELECT 1; SELECT 2", "EXPLAIN SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
	} {
		if err := c.Exec(context.Background(), sql); err == nil {
			t.Errorf("%q is allowed", sql)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was written")
	}
	if err := c.InsertFormat(context.Background(), "CSV", "INSERT INTO t", strings.NewReader("6\n")); err == nil {
		t.Error("InsertFormat is allowed")
	}
	var n uint64
	if err := c.QueryRow(context.Background(), "SELECT sum(a) FROM t").Scan(&n); err != nil || n != 5 {
		t.Errorf("table holds %d, %v, want 5", n, err)
	}
}

func TestReadOnlyAnswers(t *testing.T) {
	e := readOnly(t)
	// Settings of the request are applied before the session is sealed, and other ones on another connection.
	for _, threads := range []int{1, 2, 1} {
		c := connect(t, e, func(o *clickhouse.Options) { o.Settings = clickhouse.Settings{"max_threads": threads} })
		for range 3 {
			var a uint8
			var n uint64
			err := c.QueryRow(context.Background(), "SELECT a, toUInt64(getSetting('max_threads')) FROM t WHERE a = {a:UInt8}", clickhouse.Named("a", 5)).Scan(&a, &n)
			if err != nil || a != 5 || n != uint64(threads) {
				t.Errorf("got %d with %d threads, %v", a, n, err)
			}
		}
	}
	for _, sql := range []string{"SHOW TABLES", "DESCRIBE t", "EXISTS t", "EXPLAIN SELECT * FROM t", "SHOW CREATE TABLE t", "WITH 1 AS x SELECT x", "SELECT count() FROM numbers(10);"} {
		rows, err := connect(t, e).Query(context.Background(), sql)
		if err != nil {
			t.Errorf("%q: %v", sql, err)
			continue
		}
		if !rows.Next() {
			t.Errorf("%q: no rows", sql)
		}
		rows.Close()
	}
}

// TestPlainHTTP is what curl and other clients without a driver see.
func TestPlainHTTP(t *testing.T) {
	e := open(t, chdb.Config{})
	f := func(method, target, body string, status int, want string) {
		t.Helper()
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Accept-Encoding", "gzip, deflate")
		w := httptest.NewRecorder()
		e.Handler().ServeHTTP(w, r)
		if w.Code != status || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s %s %q: %d %q, want %d %q", method, target, body, w.Code, w.Body, status, want)
		}
	}
	f("GET", "/ping", "", 200, "Ok.\n")
	f("GET", "/", "", 200, "Ok.\n")
	f("GET", "/?query=SELECT+1", "", 200, "1\n")
	f("POST", "/", "SELECT 1, 'x' FORMAT CSV", 200, "1,\"x\"\n")
	f("POST", "/?default_format=JSONEachRow", "SELECT 1 AS a", 200, "{\"a\":1}\n")
	f("POST", "/?session_id=x&user=a&password=b", "SELECT 1", 200, "1\n")
	f("POST", "/", "CREATE TABLE p (a UInt8, b String) ENGINE = Memory", 200, "")
	f("POST", "/", "INSERT INTO p FORMAT CSV\n1,\"\n\nDROP TABLE p\"\n", 200, "")
	f("POST", "/?query=INSERT+INTO+p+FORMAT+TSV", "2\tx\n", 200, "")
	f("POST", "/?query=INSERT+INTO+p+VALUES", "(3, 'y;')", 200, "")
	f("POST", "/?query=INSERT+INTO+p+FORMAT+TSV", "", 200, "")
	f("POST", "/", "SELECT count(), sum(a) FROM p", 200, "3\t6\n")
	f("POST", "/?param_x=2", "SELECT b FROM p WHERE a = {x:UInt8}", 200, "x\n")
	f("POST", "/?wait_end_of_query=1", "SELECT number FROM numbers(200000)", 200, "0\n1\n")
	f("POST", "/?wait_end_of_query=1", "SELECT number, throwIf(number = 300000) FROM numbers(400000)", 500, "Code: 395.")
	f("POST", "/", "SELECT nothing", 404, "Code: 47. DB::Exception: ")
	f("POST", "/", "", 400, "Code: 62. ")
	f("POST", "/?database=nowhere", "SELECT 1", 404, "Code: 81. ")
	f("POST", "/?no%20such=1", "SELECT 1", 400, "Code: 115. ")
	f("POST", "/?decompress=1&query=INSERT+INTO+p+FORMAT+TSV", "garbage, not a compressed block", 500, "Code: 33. ")
	r := httptest.NewRequest("POST", "/", strings.NewReader("x"))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	w := httptest.NewRecorder()
	e.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusNotImplemented {
		t.Errorf("external table: %d %s", w.Code, w.Body)
	}
}
