// Package grid chooses the points in time at which a metric that is computed has samples, so that what the engine makes
// of them is as exact as can be, with as few as possible. It knows nothing of what is counted.
package grid

import (
	"time"

	"github.com/prometheus/prometheus/storage"
)

// Times and durations here are in milliseconds, as in the engine.
const (
	Second = int64(time.Second / time.Millisecond)
	Minute = 60 * Second
	Hour   = 60 * Minute

	// Lookback is how long a sample speaks for the time after it, Prometheus's default.
	Lookback = 5 * Minute
)

// Question is what a Select has to answer: the samples in [Start, End] that are looked at in windows of that width at
// every step.
type Question struct {
	Start, End   int64
	Step, Window int64  // 0 when there is one step, and for instant selectors
	Function     string // that is applied to the samples
}

// Ask reads the hints of the engine. Without them a reader that wants all samples is assumed.
func Ask(mint, maxt int64, hints *storage.SelectHints) Question {
	if hints == nil {
		return Question{Start: mint, End: maxt, Window: Lookback}
	}
	return Question{Start: hints.Start, End: hints.End, Step: hints.Step, Window: hints.Range, Function: hints.Func}
}

// Grid is the points in time at which series have samples: Base, Base+Cell, … Base+Cells*Cell. What happened in a cell
// shows in the sample at its end. The cells are numbered from 1.
type Grid struct {
	Base, Cell int64
	Cells      int
	Start, End int64 // bounds of the samples
	Window     int64

	// Twins says that windows begin and end at points of the grid. A window excludes its begin, so that counters have a
	// second sample a millisecond after the point: the first sample in the window is then the value at its begin, the
	// last one that at its end, and increase() is the exact count.
	Twins bool
	// Step is the distance of windows when the samples at their begins and ends suffice, else 0.
	Step int64

	// High says that counters begin with what they will count, so that the engine does not take a small value for the
	// begin of a counter and leaves the time before it out: every window has samples from its begin on.
	High bool
}

// New returns the coarsest grid that answers a question well. The rows behind it are slices of unit.
func New(q Question, unit, now int64) Grid {
	g := Grid{Start: q.Start, End: min(q.End, now), Window: q.Window}
	rate := q.Window > 0 && (q.Function == "rate" || q.Function == "increase")
	switch {
	case rate && g.align(q, unit):
		g.Twins = true
	case q.Window > 0:
		g.Cell = nice(q.Window/30, unit)
		g.Base = Floor(q.Start-1, g.Cell)
		g.Step, g.High = 0, rate
	case q.Step == 0:
		g.Base = Floor(q.Start-1, unit)
		g.Cell = max(Floor(g.End, unit)-g.Base, unit)
	case (q.Start-1)%unit == 0 && GCD(q.Step, Lookback)%unit == 0:
		g.Base, g.Cell = q.Start-1, GCD(q.Step, Lookback)
	default:
		g.Cell = nice(min(q.Step, Lookback)/5, unit)
		g.Base = Floor(q.Start-1, g.Cell)
	}
	g.Cells = int(max(g.End-g.Base, 0) / g.Cell)
	return g
}

// align makes the begins and ends of windows points of the grid, if they are slices'.
func (g *Grid) align(q Question, unit int64) bool {
	g.Base = q.Start - 1
	if g.Base%unit != 0 || q.Window%unit != 0 || q.Step%unit != 0 {
		return false
	}
	if q.Step == 0 {
		g.Cell, g.Step = q.Window, q.Window
		return g.End == g.Base+q.Window
	}
	// The steps of a subquery are multiples of step, and need not include the first possible one.
	g.Cell = GCD(q.Window, q.Step)
	if phase := (g.Base + q.Window) % q.Step; phase != 0 {
		g.Cell = GCD(g.Cell, phase)
		return true
	}
	g.Step = q.Step
	return true
}

// niceCells are the widths of cells that are chosen freely.
var niceCells = [...]int64{
	10 * Second, 20 * Second, 30 * Second, Minute, 2 * Minute, 5 * Minute, 10 * Minute, 20 * Minute, 30 * Minute,
	Hour, 2 * Hour, 6 * Hour, 12 * Hour, 24 * Hour,
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

// GCD is the greatest common divisor.
func GCD(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Floor cuts t to a multiple of width.
func Floor(t, width int64) int64 {
	rest := t % width
	if rest < 0 {
		rest += width
	}
	return t - rest
}

// Point is the time of point i.
func (g *Grid) Point(i int) int64 { return g.Base + int64(i)*g.Cell }

// begins and ends say whether a window may begin or end at a point.
func (g *Grid) begins(t int64) bool { return g.Twins && (g.Step == 0 || (t-g.Base)%g.Step == 0) }

func (g *Grid) ends(t int64) bool { return g.Step == 0 || (t-g.Base-g.Window)%g.Step == 0 }

// Gaps says that windows are narrower than their distance, so that most of the time is in none.
func (g *Grid) Gaps() bool { return g.Step > g.Window }

// Each calls fn for the samples of a series with something in the given cells, numbered from 1 in ascending order: for
// their times and for how many of the cells are counted in them. A counter has samples from a window before something
// happens until a window and the lookback after it, so that every window that sees what happens sees where the counter
// stood before, and rates go to 0 before they end. Who looks at single samples finds them where something happened.
func (g *Grid) Each(active []int, fn func(t int64, counted int)) {
	counted := 0
	for i := range g.Cells + 1 {
		t := g.Point(i)
		for counted < len(active) && active[counted] <= i {
			counted++
		}
		after := counted > 0 && t <= g.Point(active[counted-1])+g.tail()
		before := counted < len(active) && g.Window > 0 && t >= g.Point(active[counted]-1)-g.Window
		if !after && !before {
			continue
		}
		if t >= g.Start && t <= g.End && g.ends(t) {
			fn(t, counted)
		}
		if t+1 >= g.Start && t+1 <= g.End && g.begins(t) {
			fn(t+1, counted)
		}
	}
}

// tail is for how long a series has samples after something happened.
func (g *Grid) tail() int64 {
	if g.Window == 0 {
		return 0
	}
	return g.Window + Lookback
}
