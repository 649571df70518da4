package rule

import (
	"fmt"
	"strconv"
	"time"

	"loadline/slo/budget"
)

// numbers are those of a tier at an evaluation.
type numbers struct {
	burnLong, burnShort  float64
	badLong, totalLong   uint64
	badShort, totalShort uint64
	overLong, overShort  bool
	significant          bool
}

func (e *evaluation) numbers(t *tier) numbers {
	var n numbers
	n.badLong, n.totalLong = e.Sum(t.Long)
	n.badShort, n.totalShort = e.Sum(t.Short)
	n.burnLong = e.burn(n.badLong, n.totalLong, t.Long)
	n.burnShort = e.burn(n.badShort, n.totalShort, t.Short)
	n.overLong = e.exceeds(t, t.Long, n.badLong, n.totalLong)
	n.overShort = e.exceeds(t, t.Short, n.badShort, n.totalShort)
	n.significant = t.condition.Significant(n.badLong, n.totalLong, e.unit)
	return n
}

// burn is a window's burn rate as [budget.Condition.Exceeds] sees it.
func (e *evaluation) burn(bad, total uint64, window time.Duration) float64 {
	if e.policy.Mode == budget.ByBudget {
		_, _, counted := e.period()
		return budget.BurnOfBudget(bad, e.Total, e.target, counted, window)
	}
	return budget.BurnCovered(bad, total, e.target, seconds(e.Covered), window)
}

// left is the share of the budget that is left of what was counted.
func (e *evaluation) left() float64 { return budget.Left(e.Bad, e.Total, e.target) }

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
	return Change{
		Tier: t.Name, Severity: t.Severity, State: state, At: e.at,
		BurnLong: n.burnLong, BurnShort: n.burnShort, Threshold: t.threshold,
		BadLong: n.badLong, TotalLong: n.totalLong, BadShort: n.badShort, TotalShort: n.totalShort,
		Left: e.left(), Coverage: e.coverage(),
		Reason: e.reason(t, n, state, s),
	}
}

func (e *evaluation) budgetChange(m *mark) Change {
	return Change{Tier: m.name, Severity: budget.Ticket, State: ChangeBudget, At: e.at, Left: e.left(), Coverage: e.coverage()}
}

func (e *evaluation) noDataChange(state string) Change {
	return Change{Tier: NoData, Severity: e.policy.NoDataAlert, State: state, At: e.at, Left: e.left(), Coverage: e.coverage()}
}

func (e *evaluation) reason(t *tier, n numbers, state string, s State) string {
	return fmt.Sprintf("%s %s", state, strconv.FormatFloat(n.burnLong, 'g', 3, 64))
}

// View is a tier at an evaluation, for people.
type View struct {
	Tier                 budget.Tier
	State                string // ok, rising, firing, recovering
	Since                int64  // of the firing, 0 while it does not
	Threshold            float64
	Clamped              bool
	BurnLong, BurnShort  float64
	BadLong, TotalLong   uint64
	BadShort, TotalShort uint64
	Exhausted            time.Duration // of a full budget at the threshold
	Reason               string        // one sentence: why it is in this state
}

// The states of a view. Rising is above the threshold in the short window, recovering in the long one only.
const (
	OK         = "ok"
	Rising     = "rising"
	IsFiring   = "firing"
	Recovering = "recovering"
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
		Tier: t.Tier, State: OK, Threshold: t.threshold, Clamped: clamped,
		BurnLong: n.burnLong, BurnShort: n.burnShort,
		BadLong: n.badLong, TotalLong: n.totalLong, BadShort: n.badShort, TotalShort: n.totalShort,
		Exhausted: t.condition.Exhausts(),
	}
	switch {
	case s.Phase == Firing:
		v.State, v.Since = IsFiring, s.Since
	case n.overShort:
		v.State = Rising
	case n.overLong:
		v.State = Recovering
	}
	v.Reason = e.reason(t, n, v.State, s)
	return v
}
