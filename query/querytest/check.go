package querytest

import (
	"context"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/clickhouse"
)

// update makes [Golden] write instead of compare.
var update = flag.Bool("update", false, "write golden files")

// Golden compares text with a file in testdata.
func Golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// Granules fills the table spans with half a million of them from [Base] on, 1,000 per slice, and returns a check that
// the engine finds what a condition selects by the primary key.
func Granules(t testing.TB, db *clickhouse.DB) func(name, condition string, args []any) {
	t.Helper()
	Exec(t, db, `
INSERT INTO spans (slice, ts, trace_id, span_id, service)
SELECT toDateTime({base:Int64}, 'UTC') + intDiv(number, 1000) * 10 AS at, toDateTime64(at, 9, 'UTC'), sipHash128(number), reinterpretAsFixedString(number), 'web' FROM numbers(500000)`, clickhouse.Named("base", Base.Unix()))
	return func(name, condition string, args []any) {
		t.Helper()
		var plan []string
		rows, err := db.Query(context.Background(), "EXPLAIN indexes = 1 SELECT count() FROM spans WHERE "+condition, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "\n")
		if !strings.Contains(text, "Granules: 1\n") && !strings.Contains(text, "Granules: 2\n") {
			t.Errorf("%s reads many granules:\n%s", name, text)
		}
	}
}

// Near reports whether two numbers are the same but for rounding.
func Near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// Within reports whether got is at most a share of want away from it.
func Within(got, want time.Duration, share float64) bool {
	return math.Abs(float64(got-want)) <= share*float64(want)
}
