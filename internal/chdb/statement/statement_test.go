package statement_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"loadline/internal/chdb/libchdb"
	"loadline/internal/chdb/statement"
)

func TestParse(t *testing.T) {
	f := func(sql, verb, text, format string) {
		t.Helper()
		st, err := statement.Parse(sql)
		if err != nil {
			t.Errorf("%q: %v", sql, err)
			return
		}
		if st.Verb != verb || st.Text != text || st.Format != format {
			t.Errorf("%q: got %q, %q, %q, want %q, %q, %q", sql, st.Verb, st.Text, st.Format, verb, text, format)
		}
	}
	f("select 1", "SELECT", "select 1", "")
	f("SELECT 1;", "SELECT", "SELECT 1", "")
	f("SELECT 1 ; -- done\n /* really */ ", "SELECT", "SELECT 1 ", "")
	f("-- why\n( (SELECT 1))", "SELECT", "-- why\n( (SELECT 1))", "")
	f("SELECT ';', `;`, \";\", $$;$$, $a$;$$;$a$ -- ;\n", "SELECT", "SELECT ';', `;`, \";\", $$;$$, $a$;$$;$a$ -- ;\n", "")
	f(`SELECT 'a\';', 'it''s;'`, "SELECT", `SELECT 'a\';', 'it''s;'`, "")
	f("SELECT 1 FORMAT JSON", "SELECT", "SELECT 1 FORMAT JSON", "JSON")
	f("SELECT 1 FORMAT JSON SETTINGS max_threads = 1;", "SELECT", "SELECT 1 FORMAT JSON SETTINGS max_threads = 1", "JSON")
	f("SELECT format('{}', x) FROM (SELECT 1 AS x)", "SELECT", "SELECT format('{}', x) FROM (SELECT 1 AS x)", "")
	f("INSERT INTO t SELECT 1; ", "INSERT", "INSERT INTO t SELECT 1", "")
	f("SELECT {a:String} # why\n", "SELECT", "SELECT {a:String} # why\n", "")
}

func TestInsertData(t *testing.T) {
	f := func(sql, text, format, data string) {
		t.Helper()
		st, err := statement.Parse(sql)
		if err != nil {
			t.Errorf("%q: %v", sql, err)
			return
		}
		if !st.Insert || st.Text != text || st.Format != format || sql[st.Data:] != data {
			t.Errorf("%q: got %v, %q, %q, %q", sql, st.Insert, st.Text, st.Format, sql[st.Data:])
		}
	}
	f("INSERT INTO t FORMAT Native\n;\x00'DROP", "INSERT INTO t ", "Native", ";\x00'DROP")
	f("insert into t (a, format) format CSV \r\n1;2", "insert into t (a, format) ", "CSV", "1;2")
	f("INSERT INTO format FORMAT CSV 1;", "INSERT INTO format ", "CSV", "1;")
	f("INSERT INTO t (a) VALUES (1); x", "INSERT INTO t (a) ", "Values", " (1); x")
	f("INSERT INTO t SETTINGS a = 1 FORMAT CSV\n\n\nx", "INSERT INTO t SETTINGS a = 1 ", "CSV", "\n\nx")
	f("INSERT INTO values VALUES (1)", "INSERT INTO values ", "Values", " (1)")
}

func TestRefused(t *testing.T) {
	for _, sql := range []string{
		"", " ", ";", "-- x", "SELECT 1; SELECT 2", "SELECT 1;;", "SELECT 1; x", "SELECT (1;2)", "SELECT 'a", "SELECT `a", "SELECT /* 1",
		"SELECT /* /* */ 1 */", "SELECT $a;b$ ; $a;b$", "SELECT 1a$$;$$", "SELECT a$b", "SELECT $$", "SELECT ‘;’", "SELECT\u00a01", "SELECT 1;\x00",
		"SELECT '\\';DROP TABLE x", "INSERT INTO t SELECT 1 FORMAT CSV\n\nDROP TABLE t", "INSERT INTO t (a) SELECT * FROM input('a Int8') FORMAT CSV 1",
	} {
		if st, err := statement.Parse(sql); err == nil {
			t.Errorf("%q is accepted as %q", sql, st.Text)
		} else if !strings.Contains(err.Error(), "(SYNTAX_ERROR)") {
			t.Errorf("%q: error %q has no code", sql, err)
		}
	}
}

func TestRules(t *testing.T) {
	rules := statement.NewRules([]string{"file", "url", "remote", "s3", "mysql", "numbers", "merge", "brandNew"})
	f := func(sql string, allowed bool) {
		t.Helper()
		st, err := statement.Parse(sql)
		if err != nil {
			t.Fatalf("%q: %v", sql, err)
		}
		if err := rules.Check(st); (err == nil) != allowed {
			t.Errorf("%q: %v, want allowed = %v", sql, err, allowed)
		}
	}
	for _, sql := range []string{
		"SELECT 1", "(SELECT 1)", "WITH 1 AS x SELECT x", "SHOW TABLES", "DESCRIBE t", "DESC t", "EXISTS t", "EXPLAIN SELECT 1",
		"SELECT number FROM numbers(3)", "SELECT file, url FROM t", "SELECT file AS url, 1 FROM t", "SELECT 'file(''x'')', 'INTO OUTFILE', 'default'",
		"SELECT * FROM system.tables WHERE database = 'default'", "SELECT {a:String}",
	} {
		f(sql, true)
	}
	for _, sql := range []string{
		"INSERT INTO t VALUES (1)", "DROP TABLE t", "CREATE TABLE t (a Int8)", "ALTER TABLE t DELETE WHERE 1", "SET readonly = 0", "USE x", "SYSTEM SHUTDOWN",
		"OPTIMIZE TABLE t", "KILL QUERY WHERE 1", "TRUNCATE TABLE t", "GRANT ALL ON *.* TO x", "ATTACH TABLE t", "BACKUP TABLE t TO File('x')",
		"SELECT * FROM file('x')", "SELECT * FROM FILE ('x')", "SELECT * FROM file/**/('x')", "SELECT * FROM `file`('x')", "SELECT * FROM \"file\"('x')",
		"SELECT * FROM `fi\\x6ce`('x')", "SELECT file('x')", "SELECT 1 WHERE 1 IN (SELECT * FROM url('x'))", "DESCRIBE TABLE s3('x')", "EXPLAIN SELECT * FROM remote('x')",
		"SELECT * FROM merge('default', '.*')", "SELECT * FROM brandNew()", "SELECT 1 INTO OUTFILE 'x'", "SELECT 1 INTO /* */ outfile 'x'",
		"SELECT * FROM default.`/etc/passwd`", "SELECT * FROM `default`.`x`", "SHOW TABLES FROM \"default\"", "SELECT * FROM {a:Identifier}", "EXISTS `default.x`",
		"SELECT hasColumnInTable('default', '/etc/passwd', 'x')",
	} {
		f(sql, false)
	}
}

// engine is one connection to the real engine, for its opinion about SQL.
var engine struct {
	once sync.Once
	conn *libchdb.Conn
	err  error
}

func connection(t testing.TB) *libchdb.Conn {
	t.Helper()
	engine.once.Do(func() {
		path, err := libchdb.Find("")
		if err != nil {
			engine.err = err
			return
		}
		lib, err := libchdb.Load(path)
		if err != nil {
			engine.err = err
			return
		}
		dir, err := os.MkdirTemp("", "loadline-statement-")
		if err != nil {
			engine.err = err
			return
		}
		engine.conn, engine.err = lib.Connect("--path=" + dir)
		os.RemoveAll(dir)
	})
	if engine.err != nil {
		t.Fatal(engine.err)
	}
	return engine.conn
}

// FuzzOneStatement compares with the engine's own parser: what is accepted here as one statement is never more there, and
// what is let through as a query on a read-only engine is one statement.
func FuzzOneStatement(f *testing.F) {
	for _, sql := range []string{
		"SELECT 1", "SELECT 1; DROP TABLE t", "SELECT ';'; SELECT 2", "SELECT $$;$$ ; x", "SELECT $a$;$a$", "SELECT 1 /* ; */ -- ;\n; # ;\n",
		"SELECT `a\\`;`", "SELECT \"a\"\";\"", "SELECT x'3b';", "SELECT 1.5e3a$;$", "WITH 1 AS a (SELECT a) UNION ALL SELECT 'b\\\\';", "SELECT ‘;’", "SELECT 1 // ;\n",
		"SELECT {a:String}; ", "EXPLAIN AST SELECT 1;", "INSERT INTO t SELECT 1; SELECT 2", "SELECT 1 --;\r;SELECT 2", "SELECT\t1#!;\n;", "SELECT 0x'3b;", "SELECT b'1';'",
	} {
		f.Add(sql)
	}
	conn := connection(f)
	f.Fuzz(func(t *testing.T, sql string) {
		st, err := statement.Parse(sql)
		if err != nil || st.Insert {
			return
		}
		if n, ok := conn.Statements(st.Text); ok && n > 1 {
			t.Errorf("%q is one statement here and %d in the engine", st.Text, n)
		}
	})
}
