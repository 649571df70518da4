// Package kernel computes functions of PromQL over the samples of one series for all steps of a query at once. Each does
// the floating-point operations of the upstream engine in their order, so that results are equal to the last bit.
package kernel

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/value"

	"loadline/query/promql/series"
)

// Grid is the times a query is evaluated at, in Unix milliseconds.
type Grid struct {
	Start, Step int64
	Steps       int
}

// NewGrid returns the steps from start to no later than end. There is none when end is before start, and one when step
// is 0.
func NewGrid(start, end, step int64) Grid {
	switch {
	case end < start:
		return Grid{Start: start, Step: max(step, 1)}
	case step <= 0:
		return Grid{Start: start, Step: 1, Steps: 1}
	}
	return Grid{Start: start, Step: step, Steps: int((end-start)/step) + 1}
}

// Absent returns the value that stands for no value at a step. No function and no aggregation results in it.
func Absent() float64 { return math.Float64frombits(value.StaleNaN) }

// IsAbsent tells whether there is no value at a step.
func IsAbsent(v float64) bool { return math.Float64bits(v) == value.StaleNaN }

// Usage is what the engine counts while it computes a function over one series.
type Usage struct {
	Points int   // values that came out
	Total  int64 // samples in all windows, counted anew in each
	Read   int64 // samples in windows, counted once
	Peak   int   // samples in the largest window
}

// Kernel computes one function over one series after the other. It keeps memory between them and is not safe for
// concurrent use.
type Kernel struct {
	grid     Grid
	window   time.Duration
	function function
	lo, hi   []int32 // the samples in the window of each step are [lo, hi)
	clean    series.Column
	resets   []int32
	queue    []int32
	counts   []int32
	sums     []float64
}

// function writes a value or Absent for each step to out. It finds the windows in the kernel.
type function func(k *Kernel, c *series.Column, out []float64)

// functionOf returns the implementation of a function of PromQL, nil when there is none here.
func functionOf(name string) function {
	switch name {
	case "rate":
		return func(k *Kernel, c *series.Column, out []float64) { k.extrapolate(c, true, true, out) }
	case "increase":
		return func(k *Kernel, c *series.Column, out []float64) { k.extrapolate(c, true, false, out) }
	case "delta":
		return func(k *Kernel, c *series.Column, out []float64) { k.extrapolate(c, false, false, out) }
	case "irate":
		return func(k *Kernel, c *series.Column, out []float64) { k.instant(c, true, out) }
	case "idelta":
		return func(k *Kernel, c *series.Column, out []float64) { k.instant(c, false, out) }
	case "sum_over_time":
		return (*Kernel).sum
	case "avg_over_time":
		return (*Kernel).avg
	case "min_over_time":
		return func(k *Kernel, c *series.Column, out []float64) { k.extreme(c, -1, out) }
	case "max_over_time":
		return func(k *Kernel, c *series.Column, out []float64) { k.extreme(c, 1, out) }
	case "count_over_time":
		return func(k *Kernel, _ *series.Column, out []float64) { k.count(out) }
	case "present_over_time":
		return func(k *Kernel, _ *series.Column, out []float64) { k.present(out) }
	case "last_over_time":
		return func(k *Kernel, c *series.Column, out []float64) { k.last(c, out) }
	case "changes":
		return func(k *Kernel, c *series.Column, out []float64) { k.events(c, changed, out) }
	case "resets":
		return func(k *Kernel, c *series.Column, out []float64) { k.events(c, reset, out) }
	}
	return nil
}

// Known tells whether a function of PromQL over a range of samples is implemented here.
func Known(name string) bool { return functionOf(name) != nil }

// New returns a kernel for a function over the window before each step. The empty name stands for an instant selector;
// the window is the lookback then.
func New(name string, grid Grid, window time.Duration) *Kernel {
	k := &Kernel{grid: grid, window: window, lo: make([]int32, grid.Steps), hi: make([]int32, grid.Steps)}
	if name != "" {
		if k.function = functionOf(name); k.function == nil {
			panic("BUG: no kernel for function " + name)
		}
	}
	return k
}

// Run writes the value of the function at each step to out, which has the length of the grid. It does not change the
// column.
func (k *Kernel) Run(c *series.Column, out []float64) Usage {
	if k.function == nil {
		k.windows(c.T)
		points := k.selected(c, out)
		return Usage{Points: points, Total: int64(points), Read: int64(points)}
	}
	c = k.withoutStale(c)
	usage := k.windows(c.T)
	if usage.Total == 0 {
		for i := range out {
			out[i] = Absent()
		}
		return usage
	}
	k.function(k, c, out)
	for _, v := range out {
		if !IsAbsent(v) {
			usage.Points++
		}
	}
	return usage
}

// AddWindows adds to each step how many samples the last Run, which wrote out, counted in its window, and how many of
// these were not in the window before.
func (k *Kernel) AddWindows(out []float64, total, read []int64) {
	var before int32
	for i := range k.lo {
		n, fresh := k.hi[i]-k.lo[i], k.hi[i]-max(before, k.lo[i])
		before = k.hi[i]
		if k.function == nil {
			if n = 0; !IsAbsent(out[i]) {
				n = 1
			}
			fresh = n
		}
		total[i] += int64(n)
		read[i] += int64(fresh)
	}
}

// withoutStale returns the column without stale markers, which functions over ranges do not see.
func (k *Kernel) withoutStale(c *series.Column) *series.Column {
	first := slices.IndexFunc(c.V, IsAbsent)
	if first < 0 {
		return c
	}
	k.clean.T, k.clean.V = append(k.clean.T[:0], c.T[:first]...), append(k.clean.V[:0], c.V[:first]...)
	for i := first; i < len(c.V); i++ {
		if !IsAbsent(c.V[i]) {
			k.clean.T, k.clean.V = append(k.clean.T, c.T[i]), append(k.clean.V, c.V[i])
		}
	}
	return &k.clean
}

// windows finds the samples in the window of each step, which is open on the left.
func (k *Kernel) windows(t []int64) Usage {
	var u Usage
	var lo, hi, loPace, hiPace int
	end, window := k.grid.Start, k.window.Milliseconds()
	los, his := k.lo, k.hi[:len(k.lo)]
	for i := range los {
		hi, hiPace = advance(t, hi, hiPace, end)
		lo, loPace = advance(t, lo, loPace, end-window)
		los[i], his[i] = int32(lo), int32(hi)
		u.Total += int64(hi - lo)
		u.Peak = max(u.Peak, hi-lo)
		end += k.grid.Step
	}
	switch {
	case len(los) == 0:
	case window < k.grid.Step:
		u.Read = u.Total
	default:
		u.Read = int64(hi) - int64(los[0])
	}
	return u
}

// advance returns the index of the first sample after a time, searching from index i on. Samples mostly come at an even
// pace, as steps do, so it tries the pace of the step before first.
func advance(t []int64, i, pace int, after int64) (at, newPace int) {
	if j := i + pace; pace > 0 && j <= len(t) && t[j-1] <= after && (j == len(t) || t[j] > after) {
		return j, pace
	}
	j := i
	for j < len(t) && t[j] <= after {
		j++
	}
	return j, j - i
}
