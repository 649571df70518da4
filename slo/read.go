package slo

import (
	"cmp"
	"math"
	"slices"
	"time"

	"loadline/slo/budget"
	"loadline/slo/rule"
	"loadline/slo/spec"
	"loadline/slo/tracker"
)

// Statuses returns the status of every objective, without groups, by name.
func (e *Engine) Statuses() []Status {
	views := e.now().Views()
	out := make([]Status, len(views))
	for i, v := range views {
		out[i] = e.status(v)
	}
	return out
}

// Status returns the status of an objective, or of a group of it. An empty objective is the first one of the SLO.
func (e *Engine) Status(ref Ref) (Status, bool) {
	v, ok := e.now().View(ref)
	if !ok {
		return Status{}, false
	}
	return e.status(v), true
}

// Groups returns the status of each group of an objective, those with the least budget first.
func (e *Engine) Groups(slo, objective string) []Status {
	var out []Status
	for _, v := range e.now().Groups(Ref{SLO: slo, Objective: objective}) {
		out = append(out, e.status(v))
	}
	slices.SortStableFunc(out, func(a, b Status) int {
		switch aNaN, bNaN := math.IsNaN(a.Left), math.IsNaN(b.Left); {
		case aNaN && bNaN:
			return 0
		case aNaN:
			return 1
		case bNaN:
			return -1
		}
		return cmp.Compare(a.Left, b.Left)
	})
	return out
}

// SLO returns a definition in force.
func (e *Engine) SLO(name string) (spec.SLO, bool) { return e.cfg.Registry.SLO(name) }

// status makes the status of what the tracker has of an objective.
func (e *Engine) status(v tracker.View) Status {
	s, o := v.Of.SLO, v.Of.Objective
	// What counts slices by their ratios counts in fractions of one.
	unit := budget.PerEvent(o.Method)
	bad, total := v.Bad/unit, v.Total/unit
	out := Status{
		Ref: v.Ref, Title: s.Title(), Description: s.Description, Promise: spec.Promise(s, o), Service: s.Service,
		Owner: s.Owner, Runbook: s.Runbook, Labels: s.Labels,
		Target: o.Target, Window: o.Window, Method: o.Method,
		Evaluated: moment(v.Now), From: moment(v.From), To: moment(v.To),
		Bad: bad, Total: total, Attained: budget.Attained(v.Bad, v.Total), Left: budget.Left(v.Bad, v.Total, o.Target),
		Burn1h: budget.Burn(v.BadHour, v.TotalHour, o.Target), OneBad: budget.OneBad(total, o.Target),
		Problems: e.problems(v),
	}
	if past := min(v.Now, v.To) - v.From; past > 0 {
		out.Coverage = float64(v.Covered) / float64(past)
	}
	out.Low, out.High = budget.Wilson(bad, total)
	// The budget is that of the whole period, also where it is measured in part or not yet over. A rolling window is never
	// over: what it holds now is gone after its length.
	period, rest := seconds(v.To-v.From), seconds(v.To-v.From)
	if !o.Window.Rolling() {
		rest = seconds(v.To - v.Now)
	}
	out.Projected = budget.Projected(v.Bad, v.Total, o.Target, seconds(v.Covered), period)
	if in, ok := budget.Exhausted(out.Projected, out.Burn1h, period, rest); ok {
		out.Exhausted = &in
	}
	out.Rules = e.rules(v)
	out.Backfill = e.progress(v)
	out.Trend = e.Trend(v.Ref)
	out.Health = health(out, v.Loading)
	return out
}

func moment(t int64) time.Time      { return time.Unix(t, 0).UTC() }
func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// rules are the tiers of an objective for people.
func (e *Engine) rules(v tracker.View) []RuleStatus {
	e.mu.RLock()
	defer e.mu.RUnlock()
	out := make([]RuleStatus, len(v.Rules))
	for i, r := range v.Rules {
		out[i] = RuleStatus{
			Tier: r.Tier, Name: r.Tier.Name, Severity: string(r.Tier.Severity), State: RuleState(r.State),
			Threshold: r.Threshold, Clamped: r.Clamped, BurnLong: r.BurnLong, BurnShort: r.BurnShort,
			BadLong: r.BadLong, TotalLong: r.TotalLong, BadShort: r.BadShort, TotalShort: r.TotalShort,
			Exhausted: r.Exhausted, Reason: r.Reason, Alerts: e.firings[firing{v.Ref, r.Tier.Name}],
		}
		if r.Since > 0 {
			out[i].Since = moment(r.Since)
		}
	}
	return out
}

// soon is how near the end of a budget is a risk.
const soon = 3 * 24 * time.Hour

// health is an objective in one word.
func health(s Status, loading bool) Health {
	firing := slices.ContainsFunc(s.Rules, func(r RuleStatus) bool { return r.State == RuleFiring })
	switch {
	case loading || s.Backfill != nil && s.Total == 0:
		return Counting
	case s.Total == 0:
		return NoData
	case s.Projected <= 0:
		return Breached
	case firing || s.Left <= 0 || s.Exhausted != nil && *s.Exhausted < soon:
		return AtRisk
	}
	return Healthy
}

// progress is how far the past of an objective is counted; nil when it is.
func (e *Engine) progress(v tracker.View) *Progress {
	b, ok := e.counter.Past(v.Of.Indicator)
	if !ok || b.Finished {
		return nil
	}
	p := &Progress{From: moment(b.Wanted), Done: moment(b.Done), To: moment(b.Since), Events: b.Events, Problem: b.Error}
	if whole := b.Since - b.Wanted; whole > 0 {
		p.Share = float64(b.Since-b.Done) / float64(whole)
	}
	return p
}

// problems are what keeps an objective from being measured as it is meant.
func (e *Engine) problems(v tracker.View) []string {
	var out []string
	e.mu.RLock()
	if e.problem != "" {
		out = append(out, e.problem)
	}
	e.mu.RUnlock()
	for _, s := range v.States {
		if s.Tier == rule.NoData && s.Phase == rule.Firing {
			out = append(out, "no events arrive; its alerts stay as they are until some do")
		}
	}
	return out
}

// Views returns all objectives and their groups as they are in memory.
func (e *Engine) Views() []tracker.View {
	t := e.now()
	var out []tracker.View
	for _, v := range t.Views() {
		out = append(out, v)
		out = append(out, t.Groups(v.Ref)...)
	}
	return out
}

// Progress says how the engine is: the end of the newest slot that was judged, and why it does not go on; the latter is empty
// while it does.
func (e *Engine) Progress() (evaluated time.Time, problem string) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return moment(e.tracker.Now()), e.problem
}

// Size is how many objectives and groups of them there are, and the memory that their counts take.
func (e *Engine) Size() (instances int, bytes int64) { return e.now().Sizes() }
