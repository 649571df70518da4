// Package backtest says what an objective would have done: it runs the live engine's rings and rules over stored counts.
package backtest

import (
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
	"loadline/slo/rule"
)

// Objective is what is tried.
type Objective struct {
	Target budget.Target
	Window budget.Window
	Method budget.Method
	Slices budget.Slices
	Policy budget.Policy
}

// History is what it is tried on.
type History struct {
	Slots []ring.Slot // of 10 seconds, in order of time, empty ones may be left out
	Since int64       // events are counted from here on
	// From and To bound the evaluations: at each slot end after From and up to To. Earlier slots fill the windows.
	From, To  int64
	Incidents []Incident // that should be noticed; nil to find them, see [Incidents]
}

// Incident is a stretch of time in which unusually many events were bad.
type Incident struct {
	From, To   int64
	Bad, Total uint64
	Caught     bool          // a page fired
	Delay      time.Duration // from its beginning to the page
}

// Result is what would have happened.
type Result struct {
	Events         []rule.Change
	Pages, Tickets int
	PagesPerWeek   float64
	TicketsPerWeek float64
	Alerting       time.Duration // how long any tier was firing
	Bad, Total     uint64        // of the period at To
	Attained       float64
	Left           float64
	Coverage       float64
	Points         []Point // at most 300
	Incidents      []Incident
	Caught         int
	Delay          time.Duration // median of those caught
	False          int           // pages outside of incidents
	// Tightest is the highest share of good events that every full period had, rounded down to six decimals; 1 without bad
	// events.
	Tightest float64
}

// Point is the objective at a moment.
type Point struct {
	At                  int64
	Left                float64 // NaN without events
	BurnLong, BurnShort float64 // of the first tier
}

// Run tries an objective.
func Run(o Objective, h History) Result { return Result{} }

// Cell is the outcome of one combination that [Grid] tries.
type Cell struct {
	Target         budget.Target
	Preset         string
	PagesPerWeek   float64
	TicketsPerWeek float64
	Caught         int
	Delay          time.Duration
	False          int
	Left           float64
}

// Grid tries other targets and presets of policies on the same history.
func Grid(o Objective, h History, targets []budget.Target, presets []string) []Cell { return nil }

// Incidents finds stretches of time with unusually many bad events.
func Incidents(slots []ring.Slot) []Incident { return nil }
