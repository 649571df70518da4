package rule

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"loadline/slo/budget"
)

// told is the sentence of a change.
func (e *evaluation) told(t *tier, n numbers, state string, s State) string {
	switch state {
	case ChangePending:
		return fmt.Sprintf("%s; it fires if that lasts %s.", e.both(t, n), budget.FormatDuration(t.wait))
	case ChangeFiring:
		return e.both(t, n) + "."
	case ChangeGuarded:
		return e.guarded(t, n)
	case ChangeHeld:
		return fmt.Sprintf("There were no events for %s: it stays %s until there are some.", budget.FormatDuration(t.Short), s.Phase)
	}
	return e.over(t, n) // lapsed and resolved
}

// standing is the sentence of a view.
func (e *evaluation) standing(t *tier, n numbers, s State) string {
	limit := number(t.threshold)
	switch {
	case s.Held && s.Phase != Inactive:
		return e.told(t, n, ChangeHeld, s)
	case n.significant && s.Phase == Pending:
		left := t.wait - seconds(e.at-s.Since)
		return fmt.Sprintf("%s; it fires in %s.", e.both(t, n), budget.FormatDuration(left))
	case n.significant:
		return e.both(t, n) + "."
	case s.Phase == Firing:
		left := e.policy.KeepFiring - seconds(e.at-s.Keep)
		return fmt.Sprintf("%s It resolves in %s if that lasts.", e.over(t, n), budget.FormatDuration(left))
	case n.overLong && n.overShort:
		return e.guarded(t, n)
	case n.overShort:
		return fmt.Sprintf("%s is above %s, %s not yet.", capital(e.long(t.Short, n.burnShort, n.badShort, n.totalShort)), limit, e.long(t.Long, n.burnLong, n.badLong, n.totalLong))
	case n.overLong:
		return fmt.Sprintf("%s is above %s, %s no longer.", capital(e.long(t.Long, n.burnLong, n.badLong, n.totalLong)), limit, e.long(t.Short, n.burnShort, n.badShort, n.totalShort))
	case n.totalLong == 0:
		return fmt.Sprintf("There were no events for %s.", budget.FormatDuration(t.Long))
	}
	return fmt.Sprintf("%s and %s are not above %s.", capital(e.long(t.Long, n.burnLong, n.badLong, n.totalLong)), e.short(t, n), limit)
}

// both says that both windows are above the threshold.
func (e *evaluation) both(t *tier, n numbers) string {
	text := fmt.Sprintf("%s and %s are above %s", capital(e.long(t.Long, n.burnLong, n.badLong, n.totalLong)), e.short(t, n), number(t.threshold))
	if _, clamped := t.condition.Threshold(); clamped {
		text += fmt.Sprintf(", lowered from %s because a target of %s cannot burn that fast", number(t.Burn.Float()), e.target)
	}
	return text
}

// over says which of the windows is not above the threshold.
func (e *evaluation) over(t *tier, n numbers) string {
	limit := number(t.threshold)
	switch {
	case !n.overShort:
		return fmt.Sprintf("%s is not above %s any more.", capital(e.long(t.Short, n.burnShort, n.badShort, n.totalShort)), limit)
	case !n.overLong:
		return fmt.Sprintf("%s is not above %s any more.", capital(e.long(t.Long, n.burnLong, n.badLong, n.totalLong)), limit)
	}
	return e.guarded(t, n)
}

// guarded says why so few bad events are not told.
func (e *evaluation) guarded(t *tier, n numbers) string {
	text := fmt.Sprintf("%s is above %s", capital(e.long(t.Long, n.burnLong, n.badLong, n.totalLong)), number(t.threshold))
	bad, total := n.badLong/e.unit, n.totalLong/e.unit
	if bad < e.policy.MinBad {
		return fmt.Sprintf("%s, but the policy asks for %d bad %s.", text, e.policy.MinBad, e.noun(e.policy.MinBad))
	}
	burn, guard := t.condition.Needs(total)
	return fmt.Sprintf("%s, but so few bad %s may be chance: of %s it takes %s.", text, e.noun(2), integer(total), integer(max(burn, guard)))
}

// long is a window with everything: "burn rate 16.7 over 1 h (600 of 36,000 events bad)".
func (e *evaluation) long(window time.Duration, burn float64, bad, total uint64) string {
	if total == 0 {
		return fmt.Sprintf("burn rate 0 over %s (no %s)", budget.FormatDuration(window), e.noun(0))
	}
	return fmt.Sprintf("burn rate %s over %s (%s of %s %s bad)", number(burn), budget.FormatDuration(window),
		e.count(bad), e.count(total), e.noun(total/e.unit))
}

func (e *evaluation) short(t *tier, n numbers) string {
	return fmt.Sprintf("%s over %s", number(n.burnShort), budget.FormatDuration(t.Short))
}

func (e *evaluation) noun(n uint64) string {
	noun := "event"
	if e.method != budget.Occurrences {
		noun = "slice"
	}
	if n != 1 {
		noun += "s"
	}
	return noun
}

// count writes counts, also those of parts of slices.
func (e *evaluation) count(n uint64) string {
	if n%e.unit == 0 {
		return integer(n / e.unit)
	}
	return number(float64(n) / float64(e.unit))
}

// number writes a number with three digits or more.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 999.5:
		return integer(uint64(math.Round(a)))
	case a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// integer writes a whole number with commas between thousands.
func integer(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func capital(text string) string { return "B" + text[1:] }

// passed is the sentence of a mark of the budget.
func (e *evaluation) passed(m *mark) string {
	whole, elapsed, _ := e.period()
	left := budget.Projected(e.Bad, e.Total, e.target, elapsed, whole)
	spent := fmt.Sprintf("%s of %s %s were bad", e.count(e.Bad), e.count(e.Total), e.noun(2))
	if left <= 0 {
		return fmt.Sprintf("No budget is left: %s.", spent)
	}
	return fmt.Sprintf("%s%% of the budget is left, not more than %s%%: %s.", number(100*left), number(100*m.left.Float()), spent)
}

func (e *evaluation) absence(state string) string {
	if state == ChangeData {
		return "There are events again."
	}
	if e.Last == 0 {
		return fmt.Sprintf("There was no event in %s.", budget.FormatDuration(seconds(e.Covered)))
	}
	return fmt.Sprintf("There was no event for %s: nothing can be said.", budget.FormatDuration(seconds(e.at-e.Last)))
}
