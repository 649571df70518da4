package rollup

import (
	"testing"
	"time"

	"loadline/query/querytest"
)

func TestNewRange(t *testing.T) {
	at := func(s string) time.Time {
		t.Helper()
		v, err := time.Parse(time.RFC3339Nano, "2026-11-21T"+s+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	f := func(from, to time.Time, points int, wantFrom, wantTo time.Time, step time.Duration, table string) {
		t.Helper()
		r := NewRange(from, to, points)
		if !r.From.Equal(wantFrom) || !r.To.Equal(wantTo) || r.Step != step || r.Tier().Table != table {
			t.Errorf("%v to %v by %v from %s", r.From, r.To, r.Step, r.Tier().Table)
		}
		if r.Len() > points+1 || len(r.Times()) != r.Len() || r.To.Sub(r.From)%r.Step != 0 {
			t.Errorf("%d steps, at most %d wanted", r.Len(), points)
		}
		if r.Covered() != to.Sub(r.From) && from.Before(to) {
			t.Errorf("covers %v", r.Covered())
		}
		if r.Index(r.From) != 0 || r.Index(r.To) != -1 || r.Index(r.To.Add(-1)) != r.Len()-1 || r.Index(r.From.Add(-1)) != -1 {
			t.Error("index")
		}
	}
	f(at("10:00:00"), at("10:30:00"), 240, at("10:00:00"), at("10:30:00"), 10*time.Second, "red_10s")
	f(at("10:00:07.5"), at("10:30:07.5"), 240, at("10:00:00"), at("10:30:10"), 10*time.Second, "red_10s")
	f(at("10:00:07"), at("13:00:07"), 240, at("10:00:00"), at("13:01:00"), time.Minute, "red_10s")
	f(at("00:00:01"), at("23:59:00"), 240, at("00:00:00"), at("00:00:00").Add(24*time.Hour), 10*time.Minute, "red_5m")
	f(at("10:00:00").Add(-30*24*time.Hour), at("10:00:00"), 240, at("09:00:00").Add(-30*24*time.Hour), at("12:00:00"), 3*time.Hour, "red_1h")
	f(at("10:00:00").Add(-10*365*24*time.Hour), at("10:00:00"), 600, Floor(at("10:00:00").Add(-10*365*24*time.Hour), 7*24*time.Hour), Floor(at("10:00:00"), 7*24*time.Hour).Add(7*24*time.Hour), 7*24*time.Hour, "red_1h")

	if r := NewRange(querytest.Base, querytest.Base, 100); r.Len() != 1 {
		t.Errorf("empty interval: %d steps", r.Len())
	}
	if r := NewRange(querytest.Base, querytest.Base.Add(time.Minute), 100).Shift(-time.Hour); !r.From.Equal(querytest.Base.Add(-time.Hour)) || !r.Until.Equal(querytest.Base.Add(-59*time.Minute)) || r.Len() != 6 {
		t.Errorf("shifted: %+v", r)
	}
}
