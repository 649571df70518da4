package index

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
)

// fill writes n series of a metric, of which each has labels a, b and job.
func fill(t *testing.T, db *clickhouse.DB, metric string, n int) {
	t.Helper()
	if err := db.Exec(t.Context(), `INSERT INTO series (metric, service, series_id, labels, kind, first, last)
SELECT {m:String}, 'job' || toString(number % 3) AS job, cityHash64({m:String}, number), map('a', toString(number), 'b', toString(number % 10), 'job', job), 'gauge',
	toDateTime(1000), toDateTime(2000)
FROM numbers({n:UInt64})`, clickhouse.Named("m", metric), clickhouse.Named("n", uint64(n))); err != nil {
		t.Fatal(err)
	}
}

func equal(pairs ...string) []*labels.Matcher {
	var out []*labels.Matcher
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, labels.MustNewMatcher(labels.MatchEqual, pairs[i], pairs[i+1]))
	}
	return out
}

func TestLargeMetricsAreReadInPart(t *testing.T) {
	db := chtest.New(t)
	fill(t, db, "small", 100)
	fill(t, db, "large", 3000)
	now := time.Unix(1500, 0)
	x := New(db, Config{Bytes: 1 << 30, MaxSeries: 10_000, Now: func() time.Time { return now }})
	f := func(metric string, want int, whole bool, matchers ...*labels.Matcher) {
		t.Helper()
		got, err := x.Metric(t.Context(), metric, append(matchers, equal("__name__", metric)...))
		if err != nil || len(got) != want {
			t.Fatalf("%d series, %v", len(got), err)
		}
		if !slices.IsSortedFunc(got, func(a, b *Entry) int { return labels.Compare(a.Labels, b.Labels) }) {
			t.Error("not sorted")
		}
		if f := x.families[metric]; (f != nil) != whole {
			t.Errorf("read whole: %v", f != nil)
		}
	}
	f("small", 1, true, equal("a", "7")...)
	f("large", 1, false, equal("a", "7")...)
	f("large", 300, false, equal("b", "7")...)
	f("large", 0, false, equal("b", "7", "a", "8")...)
	f("large", 1, false, equal("b", "7", "a", "7", "job", "job1")...)
	f("large", 1000, false, equal("job", "job0")...)
	f("large", 0, false, equal("job", "none")...)
	misses := cacheMisses.Get()
	f("large", 300, false, equal("b", "7")...)
	if cacheMisses.Get() != misses {
		t.Error("part of a metric is read again")
	}
	f("large", 3000, true)
	f("large", 111, true, append(equal("b", "7"), labels.MustNewMatcher(labels.MatchRegexp, "a", "1.*7"))...)
}

func TestMetricsOftenAskedForAreReadWhole(t *testing.T) {
	db := chtest.New(t)
	fill(t, db, "m", 3000)
	x := New(db, Config{Bytes: 1 << 30, MaxSeries: 10_000, Now: func() time.Time { return time.Unix(1500, 0) }})
	for i := range 20 {
		got, err := x.Metric(t.Context(), "m", equal("a", fmt.Sprint(i)))
		if err != nil || len(got) != 1 {
			t.Fatal(len(got), err)
		}
	}
	if f := x.families["m"]; f == nil || len(f.Entries) != 3000 || f.Entries[0].Rows[0].Rows != 1000 {
		t.Error("the metric was not read whole")
	}
}

func TestSeriesAreForgotten(t *testing.T) {
	db := chtest.New(t)
	fill(t, db, "m", 100)
	fill(t, db, "n", 100)
	now := time.Unix(1500, 0)
	generation := uint64(1)
	x := New(db, Config{Bytes: 20_000, MaxSeries: 10_000, Generation: func(string) uint64 { return generation }, Now: func() time.Time { return now }})
	misses := func(metric string) uint64 {
		before := cacheMisses.Get()
		if got, err := x.Metric(t.Context(), metric, nil); err != nil || len(got) != 100 {
			t.Fatal(len(got), err)
		}
		return cacheMisses.Get() - before
	}
	want := func(metric string, want uint64) {
		t.Helper()
		if got := misses(metric); got != want {
			t.Errorf("%s: %d reads, want %d", metric, got, want)
		}
	}
	want("m", 1)
	want("m", 0)
	now = now.Add(20 * time.Minute)
	want("m", 0)
	now = now.Add(20 * time.Minute)
	want("m", 1)
	generation++
	want("m", 1)
	want("n", 1) // there is not room for both
	want("m", 1)
	if x.bytes > 20_000 || len(x.families) != 1 || x.used.Len() != 1 {
		t.Errorf("%d bytes of %d families", x.bytes, len(x.families))
	}
}

func TestRowsOfOneSeries(t *testing.T) {
	g, other := &Group{Metric: "m"}, &Group{Metric: "m", Service: "s"}
	f := func(want int, rows ...Row) {
		t.Helper()
		var got []Row
		for _, r := range rows {
			got = mergeRow(got, r)
		}
		if len(got) != want {
			t.Errorf("%d rows, want %d", len(got), want)
		}
		for _, r := range got {
			if r.First != 1 || r.Last != 9 {
				t.Errorf("from %d to %d", r.First, r.Last)
			}
		}
	}
	f(1, Row{Group: g, ID: 1, Kind: Unknown, First: 5, Last: 9}, Row{Group: g, ID: 1, Kind: Counter, First: 1, Last: 6})
	f(2, Row{Group: g, ID: 1, First: 1, Last: 9}, Row{Group: other, ID: 1, First: 1, Last: 9})
	f(2, Row{Group: g, ID: 1, First: 1, Last: 9}, Row{Group: g, ID: 2, First: 1, Last: 9})
	f(2, Row{Group: g, ID: 1, First: 1, Last: 9}, Row{Group: g, ID: 1, Kind: Histogram, First: 1, Last: 9})
	f(2, Row{Group: g, ID: 1, First: 1, Last: 9}, Row{Group: g, ID: 1, Kind: Delta, First: 1, Last: 9})
}

func TestAny(t *testing.T) {
	db := chtest.New(t)
	fill(t, db, "m", 30)
	fill(t, db, "n", 30)
	fill(t, db, "other", 1)
	x := New(db, Config{Bytes: 1 << 20, MaxSeries: 50, Now: func() time.Time { return time.Unix(1500, 0) }})
	f := func(want string, matchers ...*labels.Matcher) {
		t.Helper()
		got, err := x.Any(t.Context(), matchers)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range got {
			names = append(names, e.Labels.Get("__name__")+e.Labels.Get("a"))
		}
		if strings.Join(names, " ") != want {
			t.Errorf("got %q, want %q", names, want)
		}
	}
	name := func(typ labels.MatchType, re string) *labels.Matcher {
		return labels.MustNewMatcher(typ, "__name__", re)
	}
	f("m7 n7", equal("a", "7")...)
	f("m7", append(equal("a", "7"), name(labels.MatchNotEqual, "n"))...)
	f("m7 n7", append(equal("a", "7", "job", "job1"), name(labels.MatchRegexp, "m|n|o.*"))...)
	f("other0", name(labels.MatchRegexp, "o.*"))
	f("m0 n0 other0", append(equal("a", "0"), name(labels.MatchRegexp, ".+"))...)
	f("", name(labels.MatchRegexp, "x.*"))
	f("", append(equal("a", "7"), name(labels.MatchEqual, ""))...)
	if _, err := x.Any(t.Context(), []*labels.Matcher{name(labels.MatchRegexp, ".+")}); err == nil || !strings.Contains(err.Error(), "more than 50 series") {
		t.Errorf("error %v", err)
	}
	sizes, err := x.Sizes(t.Context())
	if err != nil || sizes["m"] != 30 || len(sizes) != 3 {
		t.Errorf("%v, %v", sizes, err)
	}
}
