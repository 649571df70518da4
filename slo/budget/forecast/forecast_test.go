package forecast

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"loadline/slo/budget"
)

var (
	target = budget.Target{Good: budget.NewRatio(999, 1000)}
	now    = time.Date(2026, 6, 11, 0, 0, 0, 0, time.UTC) // a Thursday
)

// past are the hours of some days before now; of is asked for each hour how many days ago it was.
func past(days int, of func(ago float64, at time.Time) (bad, total uint64)) []Spend {
	var hours []Spend
	for h := days * 24; h > 0; h-- {
		at := now.Add(-time.Duration(h) * time.Hour)
		bad, total := of(float64(h)/24, at)
		if total > 0 {
			hours = append(hours, Spend{Start: at.Unix(), Bad: bad, Total: total})
		}
	}
	return hours
}

// after is in how many days a time is.
func after(t time.Time) float64 { return t.Sub(now).Hours() / 24 }

func near(t *testing.T, what string, got, want, off float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > off {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestPredictRolling(t *testing.T) {
	window := budget.Window{Length: 30 * budget.Day}
	f := Predict(past(60, func(float64, time.Time) (uint64, uint64) { return 5, 10_000 }), now.Unix(), target, window)
	if !f.Exhausted.IsZero() || len(f.Points) > 300 || f.Points[0].At != now.Unix() {
		t.Errorf("steady: %+v", f)
	}
	last := f.Points[len(f.Points)-1]
	if last.At != now.Add(30*budget.Day).Unix() {
		t.Errorf("steady: ends at %d", last.At)
	}
	for _, p := range f.Points {
		near(t, "steady", p.Left, 0.5, 1e-9)
		near(t, "steady, low", p.Low, 0.5, 1e-9)
		near(t, "steady, high", p.High, 0.5, 1e-9)
	}

	// Three times too many errors for six days: 0.6 of the budget is gone, and it goes on at 0.1 a day, less what the days
	// before say.
	f = Predict(past(60, func(ago float64, _ time.Time) (uint64, uint64) {
		if ago <= 6 {
			return 30, 10_000
		}
		return 0, 10_000
	}), now.Unix(), target, window)
	near(t, "left", f.Points[0].Left, 0.4, 1e-9)
	near(t, "exhausted", after(f.Exhausted), 5.3, 0.2)
	if e := after(f.Earliest); e >= after(f.Exhausted) || e < 2 {
		t.Errorf("earliest after %v days", e)
	}
	if !f.Latest.IsZero() && !f.Latest.After(f.Exhausted) {
		t.Errorf("latest at %v, before %v", f.Latest, f.Exhausted)
	}

	// One bad day 25 days ago: in five days it leaves the window.
	f = Predict(past(60, func(ago float64, _ time.Time) (uint64, uint64) {
		if ago > 24 && ago <= 25 {
			return 180, 10_000
		}
		return 0, 10_000
	}), now.Unix(), target, window)
	near(t, "left before it leaves", f.Points[0].Left, 0.4, 1e-9)
	for _, p := range f.Points {
		if days := after(time.Unix(p.At, 0)); days < 4.5 && p.Left > 0.45 || days > 6.5 && p.Left < 0.9 {
			t.Errorf("after %.1f days %v is left", days, p.Left)
		}
	}

	// Nothing is left: it says so, and when there will be some again is in the points.
	f = Predict(past(60, func(ago float64, _ time.Time) (uint64, uint64) {
		if ago > 24 && ago <= 25 {
			return 400, 10_000
		}
		return 0, 10_000
	}), now.Unix(), target, window)
	if !f.Exhausted.Equal(now) || !f.Latest.Equal(now) || f.Points[len(f.Points)-1].Left < 0.9 {
		t.Errorf("overspent: exhausted %v, at the end %+v", f.Exhausted, f.Points[len(f.Points)-1])
	}
}

func TestPredictCalendar(t *testing.T) {
	window := budget.Window{Calendar: &budget.Calendar{
		Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Zone: "UTC", N: 1, Unit: 'M',
	}}
	// Half as much again as the budget allows: it is gone after 20 of 30 days, ten days from now.
	f := Predict(past(60, func(float64, time.Time) (uint64, uint64) { return 15, 10_000 }), now.Unix(), target, window)
	near(t, "left", f.Points[0].Left, 0.5, 1e-9)
	near(t, "exhausted", after(f.Exhausted), 10, 0.05)
	end := f.Points[len(f.Points)-1]
	near(t, "left at the end", end.Left, -0.5, 1e-9)
	if want := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).Unix(); end.At != want {
		t.Errorf("ends at %d, want %d", end.At, want)
	}

	// No events on Saturdays and Sundays: nothing is spent then.
	f = Predict(past(40, func(_ float64, at time.Time) (uint64, uint64) {
		if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			return 0, 0
		}
		return 8, 10_000
	}), now.Unix(), target, window)
	left := map[string]float64{}
	for _, p := range f.Points {
		left[time.Unix(p.At, 0).UTC().Format("02 15")] = p.Left
	}
	near(t, "on the weekend", left["15 00"]-left["13 00"], 0, 1e-9)
	near(t, "on Friday", left["12 00"]-left["13 00"], 0.8/22, 1e-3)
	near(t, "at the end", f.Points[len(f.Points)-1].Left, 0.2, 1e-9)

	year := budget.Window{Calendar: &budget.Calendar{
		Start: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), Zone: "UTC", N: 1, Unit: 'Y',
	}}
	f = Predict(past(3, func(float64, time.Time) (uint64, uint64) { return 1, 1000 }), now.Unix()+600, target, year)
	if n := len(f.Points); n < 150 || n > 300 {
		t.Errorf("a year has %d points", n)
	}
}

func TestPredictLittle(t *testing.T) {
	window := budget.Window{Length: 30 * budget.Day}
	f := func(hours []Spend, want string) {
		t.Helper()
		got := Predict(hours, now.Unix(), target, window)
		if len(got.Points) > 0 || !strings.Contains(got.Reason, want) {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
	f(nil, "less than a day")
	f(past(1, func(float64, time.Time) (uint64, uint64) { return 0, 100 })[1:], "less than a day")
	f([]Spend{{Start: now.Add(-40 * budget.Day).Unix(), Total: 100}}, "no events in the last four weeks")
}

// TestPredictBounds draws days with different shares of bad events: the bounds hold the truth about as often as they say.
func TestPredictBounds(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	window := budget.Window{Calendar: &budget.Calendar{
		Start: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), Zone: "UTC", N: 1, Unit: 'M',
	}}
	const runs, total = 300, 10_000
	within := 0
	for range runs {
		day := map[int]uint64{}
		hours := past(40, func(ago float64, _ time.Time) (uint64, uint64) {
			d := int(math.Ceil(ago))
			if _, ok := day[d]; !ok {
				day[d] = uint64(random.IntN(20))
			}
			return day[d], total
		})
		f := Predict(hours, now.Unix(), target, window)
		var bad uint64
		for ago := 1; ago <= 10; ago++ {
			bad += day[ago] * 24
		}
		for range 20 {
			bad += uint64(random.IntN(20)) * 24
		}
		end := f.Points[len(f.Points)-1]
		truth := budget.Left(bad, 30*24*total, target)
		if end.Low > end.Left || end.Left > end.High {
			t.Fatalf("point %+v", end)
		}
		if truth >= end.Low && truth <= end.High {
			within++
		}
	}
	if share := float64(within) / runs; share < 0.7 || share > 0.9 {
		t.Errorf("%.2f of the truths are within the bounds", share)
	}
}

func BenchmarkPredict(b *testing.B) {
	hours := past(120, func(float64, time.Time) (uint64, uint64) { return 5, 10_000 })
	for b.Loop() {
		Predict(hours, now.Unix(), target, budget.Window{Length: 90 * budget.Day})
	}
}
