package block

import (
	"context"
	"fmt"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
)

type row struct {
	n    int
	text string
}

func columns(rows []row) []Column {
	at := time.Date(2026, 1, 2, 3, 4, 5, int(678*time.Millisecond), time.UTC)
	return []Column{
		UInt64("u", rows, func(r *row) uint64 { return 1<<63 + uint64(r.n) }),
		Int64("i", rows, func(r *row) int64 { return int64(-r.n) }),
		Float64("f", rows, func(r *row) float64 { return float64(r.n) / 2 }),
		Millis("m", rows, func(r *row) time.Time { return at.Add(time.Duration(r.n) * time.Millisecond) }),
		Seconds("s", rows, func(r *row) int64 { return at.Unix() + int64(r.n) }),
		Bool("b", rows, func(r *row) bool { return r.n%2 == 1 }),
		String("t", rows, func(r *row) string { return r.text }),
		LowCardinality("l", rows, func(r *row) string { return r.text }),
	}
}

func table(t *testing.T) *clickhouse.DB {
	t.Helper()
	db := chtest.Empty(t)
	err := db.Exec(context.Background(), `CREATE TABLE x
(u UInt64, i Int64, f Float64, m DateTime64(3, 'UTC'), s DateTime('UTC'), b Bool, t String, l LowCardinality(String), a Array(UInt64), c Array(String))
ENGINE = MergeTree
ORDER BY i
SETTINGS non_replicated_deduplication_window = 100`)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// content is what x has in a column that is made of all.
func content(t *testing.T, db *clickhouse.DB, expr string) string {
	t.Helper()
	var s string
	if err := db.QueryRow(context.Background(), "SELECT toString(groupArray("+expr+")) FROM (SELECT * FROM x ORDER BY i DESC)").Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInsert(t *testing.T) {
	ctx, db := context.Background(), table(t)
	rows := []row{{0, ""}, {1, "ü\x00'"}, {2, "x"}, {3, ""}}
	if err := Insert(ctx, db, "x", "a", len(rows), columns(rows)...); err != nil {
		t.Fatal(err)
	}
	f := func(expr, want string) {
		t.Helper()
		if got := content(t, db, expr); got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
	f("u - 9223372036854775808", "[0,1,2,3]")
	f("i", "[0,-1,-2,-3]")
	f("f", "[0,0.5,1,1.5]")
	f("toUnixTimestamp64Milli(m) - 1767323045678", "[0,1,2,3]")
	f("toUnixTimestamp(s) - 1767323045", "[0,1,2,3]")
	f("toUInt8(b)", "[0,1,0,1]")
	f("hex(t)", "['','C3BC0027','78','']")
	f("hex(l)", "['','C3BC0027','78','']")

	// The same token, then another one, then none, twice.
	for i, token := range []string{"a", "b", "", ""} {
		if err := Insert(ctx, db, "x", token, len(rows), columns(rows)...); err != nil {
			t.Fatal(err)
		}
		f("1", fmt.Sprint("[", "1,1,1,1", map[int]string{1: ",1,1,1,1", 2: ",1,1,1,1,1,1,1,1", 3: ",1,1,1,1,1,1,1,1,1,1,1,1"}[i], "]"))
	}
	if err := Insert(ctx, db, "x", "", 0, columns(nil)...); err != nil {
		t.Error(err)
	}
}

func TestManyKeys(t *testing.T) {
	ctx, db := context.Background(), table(t)
	var rows []row
	for n := range 70_000 {
		rows = append(rows, row{n, fmt.Sprint(n % 66_000)})
	}
	if err := Insert(ctx, db, "x", "", len(rows), columns(rows)...); err != nil {
		t.Fatal(err)
	}
	var wrong uint64
	if err := db.QueryRow(ctx, "SELECT countIf(l != t OR t != toString(-i % 66000)) FROM x").Scan(&wrong); err != nil || wrong > 0 {
		t.Errorf("%d rows are wrong, %v", wrong, err)
	}
}

func TestArray(t *testing.T) {
	ctx, db := context.Background(), table(t)
	rows := []row{{1, "a"}, {2, ""}, {3, "c"}}
	err := Insert(ctx, db, "x", "", 1, Array(3, UInt64("a", rows, func(r *row) uint64 { return uint64(r.n) })),
		Array(3, String("c", rows, func(r *row) string { return r.text })))
	if err != nil {
		t.Fatal(err)
	}
	if err := Insert(ctx, db, "x", "", 1, Array(0, UInt64[row]("a", nil, nil)), Array(0, String[row]("c", nil, nil))); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, db, "length(a)"), "[3,0]"; got != want && got != "[0,3]" {
		t.Errorf("lengths %s, want %s", got, want)
	}
	var text string
	if err := db.QueryRow(ctx, "SELECT toString(a) || toString(c) FROM x WHERE length(a) = 3").Scan(&text); err != nil || text != "[1,2,3]['a','','c']" {
		t.Errorf("%s, %v", text, err)
	}
}
