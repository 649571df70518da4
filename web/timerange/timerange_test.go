package timerange

import (
	"net/url"
	"testing"
	"time"
)

var (
	zone = time.FixedZone("test", 2*3600)
	now  = time.Date(2026, 11, 22, 1, 30, 0, 0, zone)
)

func TestRead(t *testing.T) {
	f := func(text, from, to string, relative time.Duration) {
		t.Helper()
		s, err := Read(text, now, zone)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		const layout = "2006-01-02 15:04:05"
		if got := s.From.In(zone).Format(layout); got != from {
			t.Errorf("%q: from %s, want %s", text, got, from)
		}
		if got := s.To.In(zone).Format(layout); got != to {
			t.Errorf("%q: to %s, want %s", text, got, to)
		}
		if s.Relative != relative {
			t.Errorf("%q: relative %s, want %s", text, s.Relative, relative)
		}
	}
	f("90m", "2026-11-22 00:00:00", "2026-11-22 01:30:00", 90*time.Minute)
	f("1h30m", "2026-11-22 00:00:00", "2026-11-22 01:30:00", 90*time.Minute)
	f("last 2 hours", "2026-11-21 23:30:00", "2026-11-22 01:30:00", 2*time.Hour)
	f("now-90m", "2026-11-22 00:00:00", "2026-11-22 01:30:00", 90*time.Minute)
	f("now-2h to now-1h", "2026-11-21 23:30:00", "2026-11-22 00:30:00", 0)
	f("yesterday", "2026-11-21 00:00:00", "2026-11-22 00:00:00", 0)
	f("today", "2026-11-22 00:00:00", "2026-11-22 01:30:00", 0)
	f("yesterday 14:00", "2026-11-21 14:00:00", "2026-11-22 01:30:00", 0)
	f("yesterday 14:00 – 15:30", "2026-11-21 14:00:00", "2026-11-21 15:30:00", 0)
	f("2026-11-20 10:00 – 11:00", "2026-11-20 10:00:00", "2026-11-20 11:00:00", 0)
	f("2026-11-20 10:00 - 2026-11-21 09:00", "2026-11-20 10:00:00", "2026-11-21 09:00:00", 0)
	f("2026-11-20", "2026-11-20 00:00:00", "2026-11-21 00:00:00", 0)
	f("2026-11-20T10:00:00Z..2026-11-20T11:00:00Z", "2026-11-20 12:00:00", "2026-11-20 13:00:00", 0)
	f("1763600000 to 1763603600", "2025-11-20 02:53:20", "2025-11-20 03:53:20", 0)
	f("1763600000000 to 1763603600000", "2025-11-20 02:53:20", "2025-11-20 03:53:20", 0)
	f("10s", "2026-11-22 01:29:00", "2026-11-22 01:30:00", time.Minute)
}

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{"", "x", "5 parsecs", "now+5m", "11:00 – 10:00", "tomorrow", "9999d", "-5m", "2026-13-40"} {
		if s, err := Read(text, now, zone); err == nil {
			t.Errorf("%q: read as %v", text, s)
		}
	}
}

func TestParseAlwaysShowsSomething(t *testing.T) {
	f := func(query string, ok bool, length time.Duration, past bool) {
		t.Helper()
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(values, now, zone)
		if (err == nil) != ok {
			t.Errorf("%q: err %v", query, err)
		}
		if s.Length() != length || s.Past() != past {
			t.Errorf("%q: length %s, past %t", query, s.Length(), s.Past())
		}
	}
	f("", true, Default, false)
	f("range=1h", true, time.Hour, false)
	f("range=nonsense", false, Default, false)
	f("from=1763600000&to=1763603600", true, time.Hour, true)
	f("from=x&to=y", false, Default, false)
	f("from=1763603600&to=1763600000", false, Default, false)
}

func TestMoves(t *testing.T) {
	s, err := Read("1h", now, zone)
	if err != nil {
		t.Fatal(err)
	}
	back := s.Shift(-0.5, now)
	if !back.Past() || !back.To.Equal(now.Add(-30*time.Minute)) {
		t.Errorf("half an hour back: %v", back)
	}
	if again := back.Shift(0.5, now); again.Past() || again.Relative != time.Hour {
		t.Errorf("back to now: %v", again)
	}
	if wide := s.Widen(now); wide.Relative != 2*time.Hour {
		t.Errorf("wider: %v", wide)
	}
	if wide := back.Widen(now); wide.Length() != 2*time.Hour || wide.To.After(now) {
		t.Errorf("wider in the past: %v", wide)
	}
}

func TestCanonical(t *testing.T) {
	for text, want := range map[string]bool{"30m": true, "1h": true, "7d": true, "60m": false, "1 h": false, "yesterday": false, "": false} {
		if Canonical(text) != want {
			t.Errorf("Canonical(%q) is %t", text, !want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{"90m", "now-2h", "yesterday 14:00", "2026-11-20 10:00 – 11:00", "1763600000"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Read(text, now, zone)
		if err == nil && (!s.From.Before(s.To) || s.To.After(now) || s.Length() > longest) {
			t.Errorf("%q: %v", text, s)
		}
	})
}
