package rule

import (
	"time"

	"loadline/slo/budget"
)

// Step evaluates the rule at second at and returns what changed, tiers in the order of the policy. It updates states, also
// where nothing is to be told; they are those of [Rule.States]. Evaluations follow one another in time.
func (r *Rule) Step(at int64, in Input, states []State) []Change {
	var changes []Change
	e := evaluation{Rule: r, Input: in, at: at}
	for i := range r.tiers {
		if state := e.step(&r.tiers[i], &states[i]); state != "" {
			changes = append(changes, e.change(&r.tiers[i], state, states[i]))
		}
	}
	rest := states[len(r.tiers):]
	if m := e.stepMarks(rest); m != nil {
		changes = append(changes, e.beside(m.name, budget.Ticket, ChangeBudget, e.passed(m)))
	}
	if r.absent > 0 {
		if state := e.stepNoData(&rest[len(r.marks)]); state != "" {
			changes = append(changes, e.beside(NoData, r.policy.NoDataAlert, state, e.absence(state)))
		}
	}
	return changes
}

// evaluation is a rule with what it goes by.
type evaluation struct {
	*Rule
	Input
	at int64
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// period is how long the current period is as a whole, elapsed how much of it is past, and counted in how much of that
// events were counted. Of a rolling window, what was never counted is to come.
func (e *evaluation) period() (whole, elapsed, counted time.Duration) {
	covered := max(seconds(e.Covered), 0)
	if e.window.Rolling() {
		covered = min(covered, e.window.Length)
		return e.window.Length, covered, covered
	}
	elapsed = seconds(e.at - e.From)
	return seconds(e.To - e.From), elapsed, min(covered, elapsed)
}

// Idle reports that no tier remembers anything.
func (r *Rule) Idle(states []State) bool {
	for i := range r.tiers {
		if states[i].Phase != Inactive || states[i].Guarded {
			return false
		}
	}
	return true
}

// Calm reports that no tier is above its burn rate in its short window: an evaluation changes no tier if all are idle. What
// is calm at a target is calm at lower ones.
func (r *Rule) Calm(at int64, in Input) bool {
	e := evaluation{Rule: r, Input: in, at: at}
	for i := range r.tiers {
		t := &r.tiers[i]
		if bad, total := e.Sum(t.Short); bad > 0 && e.exceeds(t, t.Short, bad, total) {
			return false
		}
	}
	return true
}

// step returns what changed, or nothing.
func (e *evaluation) step(t *tier, s *State) string {
	bad, total := e.Sum(t.Short)
	if total == 0 && s.Phase != Inactive && e.policy.HoldNoData {
		told := s.Held
		s.Held = true
		return unless(told, ChangeHeld)
	}
	s.Held = false
	long := false
	if short := bad > 0 && e.exceeds(t, t.Short, bad, total); short || s.Guarded {
		badLong, totalLong := e.Sum(t.Long)
		long = e.exceeds(t, t.Long, badLong, totalLong)
		if short && long {
			if !t.condition.Significant(badLong, totalLong, e.unit) {
				return e.stepGuarded(s)
			}
			return e.stepTrue(t, s)
		}
	}
	s.Guarded = s.Guarded && long
	return e.stepFalse(s)
}

// stepGuarded is a step at which the burn rates are exceeded by too few events. It is told once for as long as the long
// window is above the threshold, and not at all of a tier that fires anyway.
func (e *evaluation) stepGuarded(s *State) string {
	told := s.Guarded || s.Phase == Firing
	s.Guarded = true
	if changed := e.stepFalse(s); changed != "" {
		return changed
	}
	return unless(told, ChangeGuarded)
}

func (e *evaluation) stepTrue(t *tier, s *State) string {
	s.Keep = 0
	if s.Phase == Firing {
		return ""
	}
	began := s.Phase == Inactive
	if began {
		s.Phase, s.Since = Pending, e.at
	}
	if e.at-s.Since >= int64(t.wait/time.Second) {
		s.Phase, s.Since, s.Guarded = Firing, e.at, false
		return ChangeFiring
	}
	return unless(!began, ChangePending)
}

func (e *evaluation) stepFalse(s *State) string {
	switch s.Phase {
	case Pending:
		s.Phase, s.Since = Inactive, 0
		return ChangeLapsed
	case Firing:
		if s.Keep == 0 {
			s.Keep = e.at
		}
		if e.at-s.Keep >= int64(e.policy.KeepFiring/time.Second) {
			s.Phase, s.Since, s.Keep = Inactive, 0, 0
			return ChangeResolved
		}
	}
	return ""
}

func unless(told bool, change string) string {
	if told {
		return ""
	}
	return change
}

// exceeds reports whether a window's burn rate is above the tier's.
func (e *evaluation) exceeds(t *tier, window time.Duration, bad, total uint64) bool {
	if e.policy.Mode == budget.ByBudget {
		total, counted := e.traffic()
		return total > 0 && t.condition.Exceeds(bad, total, counted, window)
	}
	// Where numbers of 53 bits leave no doubt they are enough. A window that is not covered burns slower.
	if float64(bad) < t.limit*float64(total)*(1-1e-9) {
		return false
	}
	return t.condition.Exceeds(bad, total, seconds(e.Covered), window)
}

// traffic is how many events there were in how much time, which says what the budget of a whole period is. A period of a
// calendar that is shorter than the longest window says less about that than this window.
func (e *evaluation) traffic() (total uint64, counted time.Duration) {
	_, elapsed, counted := e.period()
	if n := len(e.windows); !e.window.Rolling() && n > 0 && elapsed < e.windows[n-1] {
		_, total = e.Sum(e.windows[n-1])
		return total, min(max(seconds(e.Covered), 0), e.windows[n-1])
	}
	return e.Total, counted
}

// stepMarks returns the last mark that the budget has passed since the evaluation before. A mark speaks once: of a rolling
// window until some of the budget is back, of a calendar until the next period.
//
// What counts is the budget of the whole period: a young objective, and a period of a calendar that has just begun, have
// not spent much of it with the first bad event.
func (e *evaluation) stepMarks(states []State) *mark {
	// Mostly nothing is near.
	if len(states) == 0 || states[0].Phase != Firing && float64(e.Bad) < 0.49*e.spare*float64(e.Total) {
		return nil
	}
	var passed *mark
	for i := range e.marks {
		m, s := &e.marks[i], &states[i]
		switch {
		case s.Phase == Firing && e.window.Rolling() && e.cmpLeft(m.back) >= 0,
			s.Phase == Firing && !e.window.Rolling() && s.Since <= e.From:
			s.Phase, s.Since = Inactive, 0
		}
		if s.Phase != Firing && e.Bad > 0 && e.cmpLeft(m.left) <= 0 {
			s.Phase, s.Since = Firing, e.at
			passed = m
		}
	}
	return passed
}

// cmpLeft compares what is left of the budget with a share of it.
func (e *evaluation) cmpLeft(share budget.Ratio) int {
	whole, elapsed, _ := e.period()
	if e.Total > 0 && elapsed > 0 && elapsed <= whole {
		spent := float64(e.Bad) / float64(e.Total) / e.spare * (float64(elapsed) / float64(whole))
		// Where numbers of 53 bits leave no doubt they are enough.
		switch difference := 1 - spent - share.Float(); {
		case difference > 1e-9*(1+spent):
			return 1
		case difference < -1e-9*(1+spent):
			return -1
		}
	}
	return budget.CmpProjected(e.Bad, e.Total, e.target, share, elapsed, whole)
}

// stepNoData returns whether it has to be told that there are no events, or that there are some again.
func (e *evaluation) stepNoData(s *State) string {
	silent := e.at - e.Last
	switch {
	case s.Phase == Firing && silent < e.absent:
		s.Phase, s.Since = Inactive, 0
		return ChangeData
	case s.Phase != Firing && min(silent, e.Covered) >= e.absent && e.missed(silent):
		s.Phase, s.Since = Firing, e.at
		return ChangeNoData
	}
	return ""
}

// missed reports whether so long without events is no coincidence. With a guard, at the usual rate that must be as improbable
// as [budget.Alpha]: exp(-9.21). An objective of 40 requests an hour is quiet for three minutes every hour. Where there is no
// usual rate, it takes a day.
func (e *evaluation) missed(silent int64) bool {
	const enough, day = 9.21, 86_400
	total, counted := e.traffic()
	silent = min(silent, e.Covered)
	if total == 0 {
		return !e.policy.Guard || silent >= day
	}
	return !e.policy.Guard || float64(total/e.unit)*float64(silent) >= enough*counted.Seconds()
}
