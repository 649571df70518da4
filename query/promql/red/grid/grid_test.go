package grid

import (
	"math/rand/v2"
	"testing"
)

// sample is a sample of a series.
type sample struct {
	t int64
	v float64
}

func samples(g Grid, events []int64) []sample {
	counts := map[int]float64{}
	for _, e := range events {
		if e >= g.Base && e < g.Point(g.Cells) {
			counts[int((e-g.Base)/g.Cell)+1]++
		}
	}
	var active []int
	sums := []float64{0}
	for i := 1; i <= g.Cells; i++ {
		if counts[i] > 0 {
			active = append(active, i)
			sums = append(sums, sums[len(sums)-1]+counts[i])
		}
	}
	var out []sample
	g.Each(active, func(t int64, counted int) { out = append(out, sample{t, sums[counted]}) })
	return out
}

// increase is the difference of the last and the first sample in a window.
func increase(all []sample, from, to int64) float64 {
	var first, last float64
	n := 0
	for _, s := range all {
		if s.t > from && s.t <= to {
			if n == 0 {
				first = s.v
			}
			last = s.v
			n++
		}
	}
	return last - first
}

// TestAlignedWindowsAreExact compares with counting events one by one, for every way that windows can lie on slices.
func TestAlignedWindowsAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		step := []int64{0, 10, 20, 60, 70, 300, 3600}[random.IntN(7)] * Second
		window := []int64{10, 20, 60, 90, 300, 3600}[random.IntN(6)] * Second
		steps := int64(random.IntN(20))
		if step == 0 {
			steps = 0
		}
		last := 1_000_000*Second + int64(random.IntN(1000))*10*Second
		if random.IntN(2) == 0 && step > 0 {
			last = Floor(last, step)
		}
		first := last - steps*step
		q := Question{Start: first - window + 1, End: last, Step: step, Window: window, Function: "rate"}
		g := New(q, 10*Second, last+Minute)
		if !g.Twins {
			t.Fatalf("%+v: not exact", q)
		}
		var events []int64
		for range random.IntN(30) {
			events = append(events, first-window-Hour+int64(random.IntN(int(last-first+window+2*Hour))))
		}
		all := samples(g, events)
		for i, s := range all {
			if s.t < q.Start || s.t > q.End || i > 0 && (s.t <= all[i-1].t || s.v < all[i-1].v) {
				t.Fatalf("%+v: sample %d of %v", q, i, all)
			}
		}
		for at := first; at <= last; at += max(step, 1) {
			var want float64
			for _, e := range events {
				if e >= at-window && e < at {
					want++
				}
			}
			if got := increase(all, at-window, at); got != want {
				t.Fatalf("%+v at %d: %v, want %v", q, at, got, want)
			}
		}
	}
}

func TestNewGrid(t *testing.T) {
	const now = 2_000_000 * Hour
	f := func(q Question, unit, wantBase, wantCell int64, wantCells int, wantTwins bool) {
		t.Helper()
		if g := New(q, unit, now); g.Base != wantBase || g.Cell != wantCell || g.Cells != wantCells || g.Twins != wantTwins {
			t.Errorf("%+v: %+v", q, g)
		}
	}
	const day = 24 * Hour
	const base = 1_000_000 * Hour
	// A chart whose steps are multiples of the step.
	f(Question{base - 5*Minute + 1, base + 6*Hour, Minute, 5 * Minute, "rate"}, 10*Second, base-5*Minute, Minute, 365, true)
	f(Question{base - Hour + 1, base + 30*day, Hour, Hour, "increase"}, 5*Minute, base-Hour, Hour, 721, true)
	f(Question{base - 5*Minute + 1, base + day, Hour, 5 * Minute, "rate"}, 10*Second, base-5*Minute, 5*Minute, 289, true)
	// Steps that are whole slices, but not multiples of the step.
	f(Question{base + 20*Second - 5*Minute + 1, base + 20*Second + Hour, Minute, 5 * Minute, "rate"}, 10*Second, base+20*Second-5*Minute, 20*Second, 195, true)
	// A rule at any time, and at a whole slice.
	f(Question{base + 7 - 5*Minute + 1, base + 7, 0, 5 * Minute, "rate"}, 10*Second, base-5*Minute, 10*Second, 30, false)
	f(Question{base + 7 - day + 1, base + 7, 0, day, "rate"}, 10*Second, base-day, 30*Minute, 48, false)
	f(Question{base - 5*Minute + 1, base, 0, 5 * Minute, "rate"}, 10*Second, base-5*Minute, 5*Minute, 1, true)
	// Other functions see ordinary samples.
	f(Question{base - 5*Minute + 1, base, 0, 5 * Minute, "irate"}, 10*Second, base-5*Minute, 10*Second, 30, false)
	// Single samples.
	f(Question{base - 5*Minute + 1, base, 0, 0, ""}, 10*Second, base-5*Minute, 5*Minute, 1, false)
	f(Question{base - 5*Minute + 1, base + Hour, Minute, 0, ""}, 10*Second, base-5*Minute, Minute, 65, false)
	f(Question{base - 5*Minute + 8, base + Hour + 7, 15 * Second, 0, ""}, 10*Second, base-5*Minute, 10*Second, 390, false)
	// Nothing is known of the future.
	f(Question{now - 5*Minute + 1, now + Hour, Minute, 5 * Minute, "rate"}, 10*Second, now-5*Minute, Minute, 5, true)
	f(Question{now + 1, now + Hour, Minute, Minute, "rate"}, 10*Second, now, Minute, 0, true)
}

func TestSamplesEnd(t *testing.T) {
	const base = 1_000_000 * Hour
	g := New(Question{Start: base - 5*Minute + 1, End: base + 10*Hour, Step: Minute, Window: 5 * Minute, Function: "irate"}, 10*Second, base+20*Hour)
	all := samples(g, []int64{base + 2*Hour, base + 8*Hour})
	if first := all[0].t; first < base+2*Hour-6*Minute || first > base+2*Hour-4*Minute {
		t.Errorf("first sample at %d", (first-base)/Second)
	}
	gap := int64(0)
	for i := range all[1:] {
		gap = max(gap, all[i+1].t-all[i].t)
	}
	if gap < 5*Hour {
		t.Errorf("samples in the gap")
	}
	if last := all[len(all)-1]; last.t < base+8*Hour+10*Minute || last.t > base+8*Hour+11*Minute || last.v != 2 {
		t.Errorf("last sample %v at %d", last.v, (last.t-base)/Second)
	}
}
