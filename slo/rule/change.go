package rule

import (
	"time"

	"loadline/slo/budget"
)

// What changes are. A tier that is held has no events to go by and keeps its phase. One that is guarded is above its burn
// rates by so few bad events that it does not speak. One that lapses was pending and did not come to fire.
const (
	ChangePending  = "pending"
	ChangeLapsed   = "lapsed"
	ChangeFiring   = "firing"
	ChangeResolved = "resolved"
	ChangeHeld     = "held"
	ChangeGuarded  = "guarded"
	ChangeNoData   = "no_data"
	ChangeData     = "data"
	ChangeBudget   = "budget"
)

// Change is what happened to a tier, or beside them, at an evaluation, and the numbers that decided.
type Change struct {
	Tier     string
	Severity budget.Severity
	State    string // one of the constants above
	At       int64  // Unix seconds of event time
	// Burn rates are what was compared with the threshold. While an objective is younger than a window, that is less than
	// bad and total say.
	BurnLong, BurnShort  float64
	Threshold            float64
	BadLong, TotalLong   uint64
	BadShort, TotalShort uint64
	Left                 float64 // share of the budget of what was counted in the period
	Coverage             float64 // share of the period, as far as it is past, in which events were counted
	Reason               string  // one sentence
}

// View is a tier at an evaluation, for people.
type View struct {
	Tier                 budget.Tier
	State                string // one of the constants below
	Since                int64  // of the firing, 0 while it does not
	Threshold            float64
	Clamped              bool
	BurnLong, BurnShort  float64
	BadLong, TotalLong   uint64
	BadShort, TotalShort uint64
	Exhausted            time.Duration // of a full budget at the threshold
	Reason               string        // one sentence: why it is in this state
}

// The states of a view. Rising is above the burn rate in the short window, recovering in the long one only.
const (
	ViewOK         = "ok"
	ViewRising     = "rising"
	ViewFiring     = "firing"
	ViewRecovering = "recovering"
)

// View tells the tiers after the evaluation at second at, in the order of the policy. states are as [Rule.Step] left them.
func (r *Rule) View(at int64, in Input, states []State) []View {
	e := evaluation{Rule: r, Input: in, at: at}
	views := make([]View, len(r.tiers))
	for i := range r.tiers {
		views[i] = e.view(&r.tiers[i], states[i])
	}
	return views
}

func (e *evaluation) view(t *tier, s State) View {
	n := e.numbers(t)
	_, clamped := t.condition.Threshold()
	v := View{
		Tier: t.Tier, State: ViewOK, Threshold: t.threshold, Clamped: clamped,
		BurnLong: n.burnLong, BurnShort: n.burnShort,
		BadLong: n.badLong, TotalLong: n.totalLong, BadShort: n.badShort, TotalShort: n.totalShort,
		Exhausted: t.condition.Exhausts(),
	}
	switch {
	case s.Phase == Firing:
		v.State, v.Since = ViewFiring, s.Since
	case n.overShort:
		v.State = ViewRising
	case n.overLong:
		v.State = ViewRecovering
	}
	v.Reason = e.standing(t, n, s)
	return v
}

// numbers are those of a tier at an evaluation.
type numbers struct {
	burnLong, burnShort  float64
	badLong, totalLong   uint64
	badShort, totalShort uint64
	overLong, overShort  bool
	significant          bool // asked only where both are over
}

func (e *evaluation) numbers(t *tier) numbers {
	var n numbers
	n.badLong, n.totalLong = e.Sum(t.Long)
	n.badShort, n.totalShort = e.Sum(t.Short)
	n.burnLong = e.burn(n.badLong, n.totalLong, t.Long)
	n.burnShort = e.burn(n.badShort, n.totalShort, t.Short)
	n.overLong = e.exceeds(t, t.Long, n.badLong, n.totalLong)
	n.overShort = e.exceeds(t, t.Short, n.badShort, n.totalShort)
	n.significant = n.overLong && n.overShort && t.condition.Significant(n.badLong, n.totalLong, e.unit)
	return n
}

// burn is a window's burn rate as [budget.Condition.Exceeds] sees it.
func (e *evaluation) burn(bad, total uint64, window time.Duration) float64 {
	covered := seconds(e.Covered)
	if e.policy.Mode == budget.ByBudget {
		total, covered = e.traffic()
	}
	if total == 0 {
		return 0
	}
	burn := float64(bad) / float64(total) / e.spare
	if e.policy.Mode == budget.ByBudget || covered < window {
		burn *= float64(max(covered, 0)) / float64(window)
	}
	return burn
}

// Burn returns the burn rates of the windows of the first tier, 0 without one.
func (r *Rule) Burn(at int64, in Input) (long, short float64) {
	if len(r.tiers) == 0 {
		return 0, 0
	}
	e, t := evaluation{Rule: r, Input: in, at: at}, &r.tiers[0]
	badLong, totalLong := in.Sum(t.Long)
	badShort, totalShort := in.Sum(t.Short)
	return e.burn(badLong, totalLong, t.Long), e.burn(badShort, totalShort, t.Short)
}

func (e *evaluation) coverage() float64 {
	whole, elapsed, counted := e.period()
	if e.window.Rolling() {
		elapsed = whole
	}
	if elapsed <= 0 {
		return 0
	}
	return counted.Seconds() / elapsed.Seconds()
}

func (e *evaluation) change(t *tier, state string, s State) Change {
	n := e.numbers(t)
	c := e.beside(t.Name, t.Severity, state, e.told(t, n, state, s))
	c.Threshold = t.threshold
	c.BurnLong, c.BadLong, c.TotalLong = n.burnLong, n.badLong, n.totalLong
	c.BurnShort, c.BadShort, c.TotalShort = n.burnShort, n.badShort, n.totalShort
	return c
}

// beside is a change without windows.
func (e *evaluation) beside(tier string, severity budget.Severity, state, reason string) Change {
	return Change{
		Tier: tier, Severity: severity, State: state, At: e.at, Reason: reason,
		Left: budget.Left(e.Bad, e.Total, e.target), Coverage: e.coverage(),
	}
}
