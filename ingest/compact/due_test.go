package compact

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	const hour = 3600
	end := time.Unix(10*hour, 0) // of the bucket that begins at 8h
	waiting := map[int64]time.Time{}
	one := func(bucket int64, name string, modified time.Time) part {
		return part{bucket: bucket, name: name, modified: modified}
	}
	f := func(name string, now time.Time, want string, parts ...part) {
		t.Helper()
		var got []string
		for _, p := range due(parts, waiting, 15*time.Minute, now) {
			got = append(got, fmt.Sprintf("%dh:%s", p.bucket/hour, strings.Join(p.parts, "+")))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", name, s, want)
		}
	}
	f("nothing", end, "")
	f("open", end.Add(-time.Hour), "", one(8*hour, "a", end.Add(-2*time.Hour)))
	f("just closed", end.Add(15*time.Minute), "", one(8*hour, "a", end))
	f("closed", end.Add(16*time.Minute), "8h:a+b", one(8*hour, "a", end), one(8*hour, "b", end.Add(time.Minute)))
	f("one of two", end.Add(16*time.Minute), "8h:a", one(8*hour, "a", end), one(10*hour, "b", end))
	f("two of two", end.Add(3*time.Hour), "8h:a 10h:b", one(8*hour, "a", end), one(10*hour, "b", end))
	f("gone", end.Add(3*time.Hour), "")
	if len(waiting) > 0 {
		t.Errorf("waits for %v, which are gone", waiting)
	}
	// A backfill writes every few seconds.
	start := end.Add(24 * time.Hour)
	for passed := time.Duration(0); passed <= 30*time.Minute; passed += time.Minute {
		now := start.Add(passed)
		f("being written to", now, "", one(8*hour, "a", start), one(8*hour, "b", now.Add(-10*time.Second)))
	}
	now := start.Add(31 * time.Minute)
	f("out of patience", now, "8h:a+b", one(8*hour, "a", start), one(8*hour, "b", now))
	f("settled", start.Add(62*time.Second), "8h:a", one(8*hour, "a", start))
}
