package budget

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestGrain(t *testing.T) {
	f := func(window, want time.Duration) {
		t.Helper()
		if got := Grain(window); got != want {
			t.Errorf("grain of %v is %v, want %v", window, got, want)
		}
		if share := float64(want) / float64(window); window >= time.Hour && share > 1.0/60 {
			t.Errorf("grain of %v is %.4f of it", window, share)
		}
	}
	f(10*time.Second, 10*time.Second)
	f(time.Hour, 10*time.Second)
	f(time.Hour+10*time.Second, time.Minute)
	f(6*time.Hour, time.Minute)
	f(Day, 5*time.Minute)
	f(Day+time.Minute, 15*time.Minute)
	f(3*Day, 15*time.Minute)
	f(4*Day, time.Hour)
	f(31*Day, time.Hour)
	f(32*Day, 3*time.Hour)
	f(366*Day, 3*time.Hour)
}

func TestStart(t *testing.T) {
	f := func(at int64, window time.Duration, want int64) {
		t.Helper()
		if got := Start(at, window); got != want {
			t.Errorf("%v before %d starts at %d, want %d", window, at, got, want)
		}
	}
	f(1_000_000, 5*time.Minute, 999_700)
	f(1_000_050, 6*time.Hour, 978_420)
	f(1_000_050, Day, 913_500)
	f(2_592_000, 30*Day, 0)
	f(2_592_010, 30*Day, 0)
	f(2_595_600, 30*Day, 3600)
	f(10, Day, -86_400)
	f(0, Day, -86_400)
}

func TestWindow(t *testing.T) {
	c := calendar(t, "2026-01-01 00:00:00", "Europe/Berlin", "1M")
	bad := func(w Window, want string) {
		t.Helper()
		if err := w.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", w, err, want)
		}
	}
	bad(Window{}, "between 1 hour and 366 days")
	bad(Window{Length: 367 * Day}, "between 1 hour and 366 days")
	bad(Window{Length: math.MinInt64}, "between 1 hour and 366 days")
	bad(Window{Length: time.Hour + time.Second}, "multiple of 10 s")
	bad(Window{Length: Day, Calendar: c}, "both rolling and of a calendar")
	bad(Window{Calendar: &Calendar{}}, "calendar unit")

	good := func(w Window, nominal time.Duration, text string, at, from, to int64) {
		t.Helper()
		if err := w.Validate(); err != nil {
			t.Error(err)
		}
		f, e := w.Period(at)
		if w.Nominal() != nominal || w.String() != text || f != from || e != to || w.Rolling() != (w.Calendar == nil) {
			t.Errorf("window %s of %v, at %d from %d to %d", w, w.Nominal(), at, f, e)
		}
	}
	good(Window{Length: 30 * Day}, 30*Day, "30 days", 1_790_000_000, 1_787_407_200, 1_790_000_000)
	good(Window{Calendar: c}, 30*Day, "calendar month (Europe/Berlin)", 1_772_319_600, 1_769_900_400, 1_772_319_600)
	c2 := calendar(t, "2026-01-01 00:00:00", "UTC", "2Q")
	good(Window{Calendar: c2}, 180*Day, "2 calendar quarters (UTC)", 1_767_225_610, 1_767_225_600, 1_782_864_000)
}

func TestFormatDuration(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := FormatDuration(d); got != want {
			t.Errorf("%d ns: got %q, want %q", d, got, want)
		}
	}
	f(0, "0 s")
	f(time.Nanosecond, "0 s")
	f(500*time.Microsecond, "1 ms")
	f(400*time.Millisecond, "400 ms")
	f(999_900*time.Microsecond, "1 s")
	f(time.Second, "1 s")
	f(5184*time.Millisecond, "5.2 s")
	f(9990*time.Millisecond, "10 s")
	f(51840*time.Millisecond, "52 s")
	f(59_600*time.Millisecond, "1 min")
	f(70*time.Second, "1 min 10 s")
	f(2592*time.Second, "43 min 12 s")
	f(time.Hour, "1 h")
	f(125*time.Minute, "2 h 5 min")
	f(Day-time.Second, "1 day")
	f(33*time.Hour+36*time.Minute, "1 day 10 h")
	f(76*time.Hour, "3 days 4 h")
	f(30*Day, "30 days")
	f(-time.Hour, "-1 h")
	f(math.MinInt64, "-106751 days 23 h")
}
