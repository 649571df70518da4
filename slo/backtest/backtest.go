// Package backtest says what an objective would have done: it runs the live engine's rings and rules over stored counts.
package backtest

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"loadline/internal/sli"
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

// History is what it is tried on. Times are Unix seconds, ends of slots.
type History struct {
	Slots []ring.Slot // of 10 seconds, in order of time; those without events may be left out
	// Sliced says that the slots are slices already, as those of composites.
	Sliced bool
	Since  int64 // events are counted from here on; what is before has no slots
	// From and To bound the evaluations: at each end of a slot after From and up to To. Earlier slots fill the windows.
	From, To  int64
	Incidents []Incident // that should be noticed; nil to find them, see [Incidents]
	Grid      bool       // try other targets and policies too
}

// Result is what would have happened.
type Result struct {
	Events []rule.Change
	// Pages and Tickets are how often somebody would have been told: tiers of one severity that fire at the same time are one
	// alert. That there are no events is an alert too; marks of the budget are none.
	Pages, Tickets int
	PagesPerWeek   float64
	TicketsPerWeek float64
	Alerting       time.Duration // how long any tier was firing
	Bad, Total     uint64        // of the period at To
	Attained       float64       // NaN without events
	Left           float64
	Coverage       float64 // of the period at To
	Points         []Point // at most 300, evenly apart, the last one at To
	Incidents      []Incident
	Caught, Missed int
	Delay          time.Duration // median of the incidents that were caught
	False          int           // pages outside of incidents
	// Tightest is the highest share of good events that would have been met by every full period and by the one at To, rounded
	// down to six decimals; 0 without events.
	Tightest float64
	Grid     []Cell
}

// Point is the objective at a moment. Burn rates are of the windows of the first tier, the highest since the point before.
type Point struct {
	At                  int64
	Left                float64 // NaN where nothing was counted
	BurnLong, BurnShort float64
}

const (
	slot      = int64(sli.Slot / time.Second)
	maxPoints = 300
)

// Run tries an objective.
func Run(o Objective, h History) Result {
	h.From, h.To = h.From-h.From%slot, h.To-h.To%slot
	h = h.sliced(o)
	found := h.incidents()
	r := newReplay(o, h)
	r.run()
	result := r.result(found)
	if h.Grid {
		result.Grid = grid(o, h, found)
	}
	return result
}

// sliced replaces slots by slices where the objective counts these. Slices that began before counting did do not count.
func (h History) sliced(o Objective) History {
	if h.Incidents == nil {
		h.Incidents = Incidents(h.events(o))
	}
	if h.Sliced || o.Method == budget.Occurrences {
		return h
	}
	begin := h.From
	if len(h.Slots) > 0 {
		begin = min(begin, h.Slots[0].Start)
	}
	given := make([]ring.Slot, 0, len(h.Slots)/max(int(o.Slices.Length/sli.Slot), 1)+1)
	slicer := ring.NewSlicer(o.Method, o.Slices, max(h.Since, begin), begin, func(start, bad, total int64) {
		given = append(given, ring.Slot{Start: start, Bad: bad, Total: total})
	})
	for _, s := range h.Slots {
		slicer.Advance(s.Start)
		slicer.Put(s.Start, s.Bad, s.Total)
	}
	slicer.Advance(h.To)
	h.Slots, h.Sliced = given, true
	return h
}

// events are the slots of the evaluated time, with one for each event or slice.
func (h *History) events(o Objective) []ring.Slot {
	begin, _ := slices.BinarySearchFunc(h.Slots, h.From, func(s ring.Slot, at int64) int { return int(s.Start - at) })
	events := h.Slots[begin:]
	unit := int64(budget.PerEvent(o.Method))
	if !h.Sliced || unit == 1 {
		return events
	}
	events = slices.Clone(events)
	for i := range events {
		events[i].Bad /= unit
		events[i].Total /= unit
	}
	return events
}

// incidents are those within the evaluated time, nothing caught.
func (h *History) incidents() []Incident {
	found := make([]Incident, 0, len(h.Incidents))
	for _, n := range h.Incidents {
		if n.To > h.From && n.From < h.To {
			n.Caught, n.Delay = false, 0
			found = append(found, n)
		}
	}
	return found
}

// replay is a history on its way through a set of windows.
type replay struct {
	o      Objective
	h      History
	set    *ring.Set
	rest   []ring.Slot // not yet put
	at     int64
	in     rule.Input
	runner runner
	points []Point
	first  int64 // point
	step   int64 // from point to point
	peak   Point // burn rates since the last point
	spare  float64
	worst  [2]uint64 // bad and total of the worst full period
}

func newReplay(o Objective, h History) *replay {
	compiled := rule.Compile(o.Target, o.Window, o.Method, o.Policy)
	r := &replay{o: o, h: h, at: h.From, runner: newRunner(compiled), spare: o.Target.Budget().Float()}
	r.fill(compiled.Windows())
	r.step = max((h.To-h.From+(maxPoints-1)*slot-1)/((maxPoints-1)*slot)*slot, slot)
	r.first = h.To - (h.To-h.From)/r.step*r.step
	return r
}

// fill makes the set and loads what is before the evaluated time.
func (r *replay) fill(windows []time.Duration) {
	r.set = ring.New(ring.Config{Windows: windows, Calendar: r.o.Window.Calendar, Now: r.h.From})
	i := r.set.Add(r.h.Since)
	begin, _ := slices.BinarySearchFunc(r.h.Slots, r.h.From, func(s ring.Slot, at int64) int { return int(s.Start - at) })
	r.set.Load(i, slot, r.h.Slots[:begin])
	r.rest = r.h.Slots[begin:]
	r.in.Sum = func(w time.Duration) (bad, total uint64) { return r.set.Sum(0, w) }
	r.ask()
}

// advance takes the next slot in.
func (r *replay) advance() {
	r.at += slot
	for ; len(r.rest) > 0 && r.rest[0].Start < r.at; r.rest = r.rest[1:] {
		r.set.Put(0, r.rest[0].Start, r.rest[0].Bad, r.rest[0].Total)
	}
	r.set.Advance(r.at)
	r.ask()
}

// ask makes the input of an evaluation.
func (r *replay) ask() {
	r.in.Covered, r.in.Last = r.set.Covered(0), r.set.Last(0)
	if r.o.Window.Rolling() {
		r.in.Bad, r.in.Total = r.set.Sum(0, r.o.Window.Length)
		r.in.To = r.at
		return
	}
	r.in.From, r.in.To = r.set.Calendar()
	r.in.Bad, r.in.Total = r.set.CalendarSum(0)
}

func (r *replay) run() {
	r.mark()
	for r.at < r.h.To {
		r.advance()
		r.runner.step(r.at, r.in)
		r.mark()
	}
}

// mark keeps the numbers of charts, and the worst full period.
func (r *replay) mark() {
	full := r.in.Covered >= int64(r.o.Window.Length/time.Second)
	if !r.o.Window.Rolling() {
		full = r.at == r.in.To && r.h.Since <= r.in.From
	}
	if (full || r.at == r.h.To) && worse(r.in.Bad, r.in.Total, r.worst) {
		r.worst = [2]uint64{r.in.Bad, r.in.Total}
	}
	long, short := r.runner.rule.Burn(r.at, r.in)
	r.peak.BurnLong, r.peak.BurnShort = max(r.peak.BurnLong, long), max(r.peak.BurnShort, short)
	if r.at < r.first || (r.at-r.first)%r.step != 0 {
		return
	}
	r.peak.At, r.peak.Left = r.at, math.NaN()
	if r.in.Total > 0 {
		r.peak.Left = 1 - float64(r.in.Bad)/float64(r.in.Total)/r.spare
	}
	r.points = append(r.points, r.peak)
	r.peak = Point{}
}

// worse reports whether a share of bad events is above that of a period so far, exactly.
func worse(bad, total uint64, than [2]uint64) bool {
	if than[1] == 0 {
		return total > 0
	}
	high, low := bits.Mul64(bad, than[1])
	thanHigh, thanLow := bits.Mul64(than[0], total)
	return high > thanHigh || high == thanHigh && low > thanLow
}

func (r *replay) result(found []Incident) Result {
	weeks := float64(r.h.To-r.h.From) / (7 * 86400)
	result := Result{
		Events: r.runner.events, Points: r.points,
		Bad: r.in.Bad, Total: r.in.Total,
		Attained: budget.Attained(r.in.Bad, r.in.Total), Left: budget.Left(r.in.Bad, r.in.Total, r.o.Target),
		Coverage: r.coverage(), Tightest: tightest(r.worst),
	}
	r.runner.end(r.h.To)
	result.Pages, result.Tickets = len(r.runner.pages), len(r.runner.tickets)
	if weeks > 0 {
		result.PagesPerWeek, result.TicketsPerWeek = float64(result.Pages)/weeks, float64(result.Tickets)/weeks
	}
	result.Alerting = r.runner.alerting()
	result.Incidents = slices.Clone(found)
	result.Caught, result.Delay, result.False = judge(result.Incidents, r.runner.pages)
	result.Missed = len(found) - result.Caught
	return result
}

// coverage is the share of the period, as far as it is past, in which events were counted.
func (r *replay) coverage() float64 {
	past := int64(r.o.Window.Length / time.Second)
	if !r.o.Window.Rolling() {
		past = r.at - r.in.From
	}
	if past <= 0 {
		return 0
	}
	return float64(max(min(r.in.Covered, past), 0)) / float64(past)
}

// tightest is the share of good events, rounded down.
func tightest(worst [2]uint64) float64 {
	const million = 1_000_000
	if worst[1] == 0 {
		return 0
	}
	high, low := bits.Mul64(worst[1]-worst[0], million)
	quotient, _ := bits.Div64(high, low, worst[1])
	return float64(quotient) / million
}
