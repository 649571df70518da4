package red

import (
	"time"

	"github.com/prometheus/prometheus/storage"
)

// Times here are Unix milliseconds, as in the engine.
const (
	second = int64(time.Second / time.Millisecond)
	minute = 60 * second
	hour   = 60 * minute

	// lookback is how long a sample speaks for the time after it, Prometheus's default.
	lookback = 5 * minute
)

// question is what a Select has to answer: the samples in [start, end] that are looked at in windows of that width at
// every step.
type question struct {
	start, end   int64
	step, window int64  // 0 when there is one step, and for instant selectors
	function     string // that is applied to the samples
}

// ask reads the hints of the engine. Without them a reader that wants all samples is assumed.
func ask(mint, maxt int64, hints *storage.SelectHints) question {
	if hints == nil {
		return question{start: mint, end: maxt, window: lookback}
	}
	return question{start: hints.Start, end: hints.End, step: hints.Step, window: hints.Range, function: hints.Func}
}

// grid is the points in time at which series have samples: base, base+cell, … base+cells*cell. What happened in a cell
// shows in the sample at its end. The value at base is 0.
type grid struct {
	base, cell int64
	cells      int
	start, end int64 // bounds of the samples
	window     int64

	// twins says that windows begin and end at points of the grid. A window excludes its begin, so that counters have a
	// second sample a millisecond after the point: the first sample in the window is then the value at its begin, the
	// last one that at its end, and increase() is the exact count.
	twins bool
	// step is the distance of windows when the samples at their begins and ends suffice, else 0.
	step int64

	// high says that counters begin with what they will count, so that the engine does not take a small value for the
	// begin of a counter and leaves the time before it out: every window has samples from its begin on.
	high bool
}

// newGrid returns the coarsest grid that answers a question well. The rows behind it are slices of unit.
func newGrid(q question, unit, now int64) grid {
	g := grid{start: q.start, end: min(q.end, now), window: q.window}
	rate := q.window > 0 && (q.function == "rate" || q.function == "increase")
	switch {
	case rate && g.align(q, unit):
		g.twins = true
	case q.window > 0:
		g.cell = nice(q.window/30, unit)
		g.base = floor(q.start-1, g.cell)
		g.step, g.high = 0, rate
	case q.step == 0:
		g.base = floor(q.start-1, unit)
		g.cell = max(floor(g.end, unit)-g.base, unit)
	case (q.start-1)%unit == 0 && gcd(q.step, lookback)%unit == 0:
		g.base, g.cell = q.start-1, gcd(q.step, lookback)
	default:
		g.cell = nice(min(q.step, lookback)/5, unit)
		g.base = floor(q.start-1, g.cell)
	}
	g.cells = int(max(g.end-g.base, 0) / g.cell)
	return g
}

// align makes the begins and ends of windows points of the grid, if they are slices'.
func (g *grid) align(q question, unit int64) bool {
	g.base = q.start - 1
	if g.base%unit != 0 || q.window%unit != 0 || q.step%unit != 0 {
		return false
	}
	if q.step == 0 {
		g.cell, g.step = q.window, q.window
		return g.end == g.base+q.window
	}
	// The steps of a subquery are multiples of step, and need not include the first possible one.
	g.cell = gcd(q.window, q.step)
	if phase := (g.base + q.window) % q.step; phase != 0 {
		g.cell = gcd(g.cell, phase)
		return true
	}
	g.step = q.step
	return true
}

// niceCells are the widths of cells that are chosen freely.
var niceCells = [...]int64{
	10 * second, 20 * second, 30 * second, minute, 2 * minute, 5 * minute, 10 * minute, 20 * minute, 30 * minute,
	hour, 2 * hour, 6 * hour, 12 * hour, 24 * hour,
}

// nice returns the widest nice cell up to most that unit divides, or unit.
func nice(most, unit int64) int64 {
	best := unit
	for _, c := range niceCells {
		if c <= most && c%unit == 0 {
			best = max(best, c)
		}
	}
	return best
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func floor(t, width int64) int64 {
	rest := t % width
	if rest < 0 {
		rest += width
	}
	return t - rest
}

// point is the time of point i.
func (g *grid) point(i int) int64 { return g.base + int64(i)*g.cell }

// begins and ends say whether a window may begin or end at a point.
func (g *grid) begins(t int64) bool { return g.twins && (g.step == 0 || (t-g.base)%g.step == 0) }

func (g *grid) ends(t int64) bool { return g.step == 0 || (t-g.base-g.window)%g.step == 0 }

// gaps says that windows are narrower than their distance, so that most of the time is in none.
func (g *grid) gaps() bool { return g.step > g.window }

// each calls fn for the samples of a series with something in the given cells, numbered from 1 in ascending order: for
// their times and for how many of the cells are counted in them. A counter has samples from a window before something
// happens until a window and the lookback after it, so that every window that sees what happens sees where the counter
// stood before, and rates go to 0 before they end. Who looks at single samples finds them where something happened.
func (g *grid) each(active []int, fn func(t int64, counted int)) {
	counted := 0
	for i := range g.cells + 1 {
		t := g.point(i)
		for counted < len(active) && active[counted] <= i {
			counted++
		}
		after := counted > 0 && t <= g.point(active[counted-1])+g.tail()
		before := counted < len(active) && g.window > 0 && t >= g.point(active[counted]-1)-g.window
		if !after && !before {
			continue
		}
		if t >= g.start && t <= g.end && g.ends(t) {
			fn(t, counted)
		}
		if t+1 >= g.start && t+1 <= g.end && g.begins(t) {
			fn(t+1, counted)
		}
	}
}

// tail is for how long a series has samples after something happened.
func (g *grid) tail() int64 {
	if g.window == 0 {
		return 0
	}
	return g.window + lookback
}
