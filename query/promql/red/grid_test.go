package red

import (
	"math/rand/v2"
	"testing"
)

// counts answers rate and increase questions the way the engine does, from the samples of a grid.
type sample struct {
	t int64
	v float64
}

func samples(g grid, events []int64) []sample {
	counts := map[int]float64{}
	for _, e := range events {
		if e >= g.base && e < g.point(g.cells) {
			counts[int((e-g.base)/g.cell)+1]++
		}
	}
	var active []int
	sums := []float64{0}
	for i := 1; i <= g.cells; i++ {
		if counts[i] > 0 {
			active = append(active, i)
			sums = append(sums, sums[len(sums)-1]+counts[i])
		}
	}
	var out []sample
	g.each(active, func(t int64, counted int) { out = append(out, sample{t, sums[counted]}) })
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
		step := []int64{0, 10, 20, 60, 70, 300, 3600}[random.IntN(7)] * second
		window := []int64{10, 20, 60, 90, 300, 3600}[random.IntN(6)] * second
		steps := int64(random.IntN(20))
		if step == 0 {
			steps = 0
		}
		last := 1_000_000*second + int64(random.IntN(1000))*10*second
		if random.IntN(2) == 0 && step > 0 {
			last = floor(last, step)
		}
		first := last - steps*step
		q := question{start: first - window + 1, end: last, step: step, window: window, function: "rate"}
		g := newGrid(q, 10*second, last+minute)
		if !g.twins {
			t.Fatalf("%+v: not exact", q)
		}
		var events []int64
		for range random.IntN(30) {
			events = append(events, first-window-hour+int64(random.IntN(int(last-first+window+2*hour))))
		}
		all := samples(g, events)
		for i, s := range all {
			if s.t < q.start || s.t > q.end || i > 0 && (s.t <= all[i-1].t || s.v < all[i-1].v) {
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
	const now = 2_000_000 * hour
	f := func(q question, unit, wantBase, wantCell int64, wantCells int, wantTwins bool) {
		t.Helper()
		if g := newGrid(q, unit, now); g.base != wantBase || g.cell != wantCell || g.cells != wantCells || g.twins != wantTwins {
			t.Errorf("%+v: %+v", q, g)
		}
	}
	const day = 24 * hour
	const base = 1_000_000 * hour
	// A chart whose steps are multiples of the step.
	f(question{base - 5*minute + 1, base + 6*hour, minute, 5 * minute, "rate"}, 10*second, base-5*minute, minute, 365, true)
	f(question{base - hour + 1, base + 30*day, hour, hour, "increase"}, 5*minute, base-hour, hour, 721, true)
	f(question{base - 5*minute + 1, base + day, hour, 5 * minute, "rate"}, 10*second, base-5*minute, 5*minute, 289, true)
	// Steps that are whole slices, but not multiples of the step.
	f(question{base + 20*second - 5*minute + 1, base + 20*second + hour, minute, 5 * minute, "rate"}, 10*second, base+20*second-5*minute, 20*second, 195, true)
	// A rule at any time, and at a whole slice.
	f(question{base + 7 - 5*minute + 1, base + 7, 0, 5 * minute, "rate"}, 10*second, base-5*minute, 10*second, 30, false)
	f(question{base + 7 - day + 1, base + 7, 0, day, "rate"}, 10*second, base-day, 30*minute, 48, false)
	f(question{base - 5*minute + 1, base, 0, 5 * minute, "rate"}, 10*second, base-5*minute, 5*minute, 1, true)
	// Other functions see ordinary samples.
	f(question{base - 5*minute + 1, base, 0, 5 * minute, "irate"}, 10*second, base-5*minute, 10*second, 30, false)
	// Single samples.
	f(question{base - 5*minute + 1, base, 0, 0, ""}, 10*second, base-5*minute, 5*minute, 1, false)
	f(question{base - 5*minute + 1, base + hour, minute, 0, ""}, 10*second, base-5*minute, minute, 65, false)
	f(question{base - 5*minute + 8, base + hour + 7, 15 * second, 0, ""}, 10*second, base-5*minute, 10*second, 390, false)
	// Nothing is known of the future.
	f(question{now - 5*minute + 1, now + hour, minute, 5 * minute, "rate"}, 10*second, now-5*minute, minute, 5, true)
	f(question{now + 1, now + hour, minute, minute, "rate"}, 10*second, now, minute, 0, true)
}

func TestSamplesEnd(t *testing.T) {
	const base = 1_000_000 * hour
	g := newGrid(question{start: base - 5*minute + 1, end: base + 10*hour, step: minute, window: 5 * minute, function: "irate"}, 10*second, base+20*hour)
	all := samples(g, []int64{base + 2*hour, base + 8*hour})
	if first := all[0].t; first < base+2*hour-6*minute || first > base+2*hour-4*minute {
		t.Errorf("first sample at %d", (first-base)/second)
	}
	gap := int64(0)
	for i := range all[1:] {
		gap = max(gap, all[i+1].t-all[i].t)
	}
	if gap < 5*hour {
		t.Errorf("samples in the gap")
	}
	if last := all[len(all)-1]; last.t < base+8*hour+10*minute || last.t > base+8*hour+11*minute || last.v != 2 {
		t.Errorf("last sample %v at %d", last.v, (last.t-base)/second)
	}
}
