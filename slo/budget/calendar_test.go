package budget

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

func calendar(t testing.TB, start, zone, duration string) *Calendar {
	t.Helper()
	at, err := time.Parse(time.DateTime, start)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(duration[:len(duration)-1])
	if err != nil {
		t.Fatal(err)
	}
	unit, err := ParseUnit(duration[len(duration)-1:])
	if err != nil {
		t.Fatal(err)
	}
	c := &Calendar{Start: at, Zone: zone, N: n, Unit: unit}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVectorCalendar(t *testing.T) {
	var v struct {
		Cases []struct {
			Start      string  `json:"start"`
			Zone       string  `json:"tz"`
			Duration   string  `json:"duration"`
			Boundaries []int64 `json:"boundaries"`
		} `json:"cases"`
		Budget struct {
			SLO struct {
				Target   string `json:"target"`
				Calendar struct {
					Start string `json:"startTime"`
					Zone  string `json:"timeZone"`
				} `json:"calendar"`
				Duration string `json:"duration"`
			} `json:"slo"`
			T0       time.Time   `json:"t0"`
			Segments [][3]uint64 `json:"segments"`
			Checks   []struct {
				T         time.Time `json:"t"`
				Start     int64     `json:"period_start"`
				End       int64     `json:"period_end"`
				Good      uint64    `json:"good"`
				Bad       uint64    `json:"bad"`
				SoFar     float64   `json:"remaining_so_far"`
				Projected float64   `json:"remaining_projected"`
				Elapsed   float64   `json:"elapsed"`
			} `json:"checks"`
		} `json:"budget"`
	}
	readVector(t, "V16-calendar", &v)
	for _, tc := range v.Cases {
		c := calendar(t, tc.Start, tc.Zone, tc.Duration)
		for i, from := range tc.Boundaries[:len(tc.Boundaries)-1] {
			to := tc.Boundaries[i+1]
			for _, at := range []int64{from + 1, from + 10, (from + to) / 2, to - 1, to} {
				if f, e := c.Period(at); f != from || e != to {
					t.Errorf("%s %s %s: period of %d is (%d, %d], want (%d, %d]", tc.Start, tc.Zone, tc.Duration, at, f, e, from, to)
				}
			}
		}
	}
	if len(v.Cases) != 8 || len(v.Budget.Checks) != 5 {
		t.Errorf("%d cases, %d checks", len(v.Cases), len(v.Budget.Checks))
	}
	b := v.Budget
	window := Window{Calendar: calendar(t, b.SLO.Calendar.Start, b.SLO.Calendar.Zone, b.SLO.Duration)}
	target, s := percent(t, b.SLO.Target), stream{from: b.T0.Unix(), segments: b.Segments}
	for _, c := range b.Checks {
		at := c.T.Unix()
		from, to := window.Period(at)
		if from != c.Start || to != c.End {
			t.Errorf("%s: period is (%d, %d]", c.T, from, to)
		}
		bad, total := s.sum(from, at)
		if bad != c.Bad || total-bad != c.Good {
			t.Errorf("%s: %d bad of %d", c.T, bad, total)
		}
		elapsed, period := time.Duration(at-from)*time.Second, time.Duration(to-from)*time.Second
		near(t, "elapsed", elapsed.Seconds()/period.Seconds(), c.Elapsed)
		near(t, "left", Left(bad, total, target), c.SoFar)
		near(t, "projected", Projected(bad, total, target, elapsed, period), c.Projected)
	}
}

func TestPeriodChangesOfTime(t *testing.T) {
	f := func(start, zone, duration, at, from, to string) {
		t.Helper()
		second := func(text string) int64 {
			t.Helper()
			u, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			return u.Unix()
		}
		f, e := calendar(t, start, zone, duration).Period(second(at))
		if f != second(from) || e != second(to) {
			t.Errorf("period of %s is (%s, %s], want (%s, %s]", at, time.Unix(f, 0).UTC().Format(time.RFC3339),
				time.Unix(e, 0).UTC().Format(time.RFC3339), from, to)
		}
	}
	// 02:30 is there twice: the first one counts, which still has the offset of summer.
	f("2026-10-24 02:30:00", "Europe/Berlin", "1d", "2026-10-25T00:30:10Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z")
	// 02:30 is not there: it is reckoned with the offset of winter.
	f("2026-03-28 02:30:00", "Europe/Berlin", "1d", "2026-03-29T01:30:00Z", "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z")
	f("2026-03-07 02:30:00", "America/New_York", "1d", "2026-03-08T07:30:00Z", "2026-03-07T07:30:00Z", "2026-03-08T07:30:00Z")
	// A change of half an hour, in the southern summer.
	f("2026-04-04 01:45:00", "Australia/Lord_Howe", "1d", "2026-04-05T00:00:00Z", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z")
	// Apia had no December 30, 2011: what begins on it and on the 31st begins at once.
	f("2011-12-01 00:00:00", "Pacific/Apia", "1d", "2011-12-30T10:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z")
	f("2011-12-01 00:00:00", "Pacific/Apia", "1d", "2011-12-30T10:00:10Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z")
	// Hours go on through a change of time.
	f("2026-03-28 00:00:00", "Europe/Berlin", "6h", "2026-03-29T01:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T05:00:00Z")
	f("2026-03-28 00:00:00", "Europe/Berlin", "90m", "2026-03-29T01:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T02:00:00Z")
	// Before the start.
	f("2026-01-31 00:00:00", "UTC", "1M", "2026-01-30T00:00:00Z", "2025-12-31T00:00:00Z", "2026-01-31T00:00:00Z")
	f("2026-01-31 00:00:00", "UTC", "1M", "2026-01-31T00:00:00Z", "2025-12-31T00:00:00Z", "2026-01-31T00:00:00Z")
	f("2024-02-29 00:00:00", "UTC", "1Y", "2023-06-01T00:00:00Z", "2023-02-28T00:00:00Z", "2024-02-29T00:00:00Z")
	f("2026-01-01 00:00:00", "UTC", "2Q", "2031-07-01T00:00:00Z", "2031-01-01T00:00:00Z", "2031-07-01T00:00:00Z")
}

// TestPeriodsCoverTime walks over the periods of random calendars: each begins where the one before it ends, holds its own
// seconds, and its bounds read on the clock of the zone as they should, unless the zone has no such time.
func TestPeriodsCoverTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	zones := []string{
		"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham",
		"America/Sao_Paulo", "Africa/Casablanca", "Europe/Dublin",
	}
	durations := []string{"1d", "3d", "1w", "2w", "1M", "2M", "1Q", "1Y", "90m", "7h"}
	for range 300 {
		start := time.Unix(1_600_000_000+random.Int64N(40_000_000)*10, 0).UTC()
		c := calendar(t, start.Format(time.DateTime), zones[random.IntN(len(zones))], durations[random.IntN(len(durations))])
		zone, err := time.LoadLocation(c.Zone)
		if err != nil {
			t.Fatal(err)
		}
		at := 1_500_000_000 + random.Int64N(500_000_000)
		for range 12 {
			from, to := c.Period(at)
			if from >= at || to < at || to <= from {
				t.Fatalf("%s: period of %d is (%d, %d]", c, at, from, to)
			}
			if f, e := c.Period(from + 1); f != from || e != to {
				t.Fatalf("%s: period (%d, %d] begins as (%d, %d]", c, from, to, f, e)
			}
			if !strings.ContainsRune("mh", rune(c.Unit)) {
				clock := time.Unix(to, 0).In(zone).Format(time.TimeOnly)
				if want := start.Format(time.TimeOnly); clock != want && !skipped(to, zone) {
					t.Fatalf("%s from %s: a period ends at %s", c, want, clock)
				}
			}
			at = to + 1
			if f, _ := c.Period(at); f != to {
				t.Fatalf("%s: the period after %d begins at %d", c, to, f)
			}
		}
	}
}

// skipped reports whether the zone sets its clocks forward within three hours of a second.
func skipped(at int64, zone *time.Location) bool {
	offset := func(at int64) int {
		_, seconds := time.Unix(at, 0).In(zone).Zone()
		return seconds
	}
	return offset(at+10_800) > offset(at-10_800)
}

func TestCalendarValidate(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := func(c Calendar, want string) {
		t.Helper()
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", c, err, want)
		}
	}
	f(Calendar{Start: start, Zone: "UTC", N: 1, Unit: 'x'}, "none of m, h")
	f(Calendar{Start: start, Zone: "UTC", N: 1}, "none of m, h")
	f(Calendar{Start: start, Zone: "UTC", N: 0, Unit: 'M'}, "between 1 hour and 366 days")
	f(Calendar{Start: start, Zone: "UTC", N: 59, Unit: 'm'}, "between 1 hour and 366 days")
	f(Calendar{Start: start, Zone: "UTC", N: 13, Unit: 'M'}, "between 1 hour and 366 days")
	f(Calendar{Start: start, Zone: "UTC", N: 1 << 40, Unit: 'M'}, "between 1 hour and 366 days")
	f(Calendar{Zone: "UTC", N: 1, Unit: 'M'}, "not after 1971")
	f(Calendar{Start: start.Add(time.Second), Zone: "UTC", N: 1, Unit: 'M'}, "multiple of 10 s")
	f(Calendar{Start: start.In(time.FixedZone("x", 3600)), Zone: "UTC", N: 1, Unit: 'M'}, "is not in UTC")
	f(Calendar{Start: start, N: 1, Unit: 'M'}, "write one such as Europe/Berlin")
	f(Calendar{Start: start, Zone: "Local", N: 1, Unit: 'M'}, "write one such as Europe/Berlin")
	f(Calendar{Start: start, Zone: "Europe/Bielefeld", N: 1, Unit: 'M'}, `zone "Europe/Bielefeld" is not known`)
	if _, err := ParseUnit("y"); err == nil {
		t.Error("unit y is read")
	}
	if _, err := ParseUnit("MM"); err == nil {
		t.Error("unit MM is read")
	}
}

func BenchmarkPeriod(b *testing.B) {
	c := calendar(b, "2026-01-01 00:00:00", "Europe/Berlin", "1M")
	for b.Loop() {
		c.Period(1_790_000_000)
	}
}
