// Package slo evaluates service level objectives: it follows the counts of good and bad events, keeps the windows of every
// objective in memory, and says of each how much of its budget is left, how fast it burns and which rules hold.
package slo

import (
	"time"

	"loadline/slo/budget"
	"loadline/slo/history"
	"loadline/slo/tracker"
)

type (
	// BudgetChart is how much of a budget was left at some moments.
	BudgetChart = history.BudgetChart
	// BurnChart is burn rates at some moments.
	BurnChart = history.BurnChart
	// BurnLine is the burn rate over one window in a BurnChart.
	BurnLine = history.BurnLine
	// Preview is what an objective would have done.
	Preview = history.Preview
	// Event is what a rule did at an evaluation.
	Event = history.Event
	// EventFilter selects events.
	EventFilter = history.EventFilter
	// Correction is a stretch of time that does not count for an SLO.
	Correction = history.Correction
	// Report says how an SLO did in a month.
	Report = history.Report
	// ReportObjective is an objective in a Report.
	ReportObjective = history.ReportObjective
	// ReportDay is a day in a Report.
	ReportDay = history.Day
	// NotFoundError says that there is no such objective.
	NotFoundError = history.NotFoundError
	// NoSpansError says that an objective does not count spans.
	NoSpansError = history.NoSpansError
)

// Ref names an objective, or one group of it.
type Ref = tracker.Ref

// Health is an objective in one word.
type Health string

// What an objective can be.
const (
	Healthy  Health = "ok"
	AtRisk   Health = "at_risk"  // a rule fires, or the budget will be gone before its period is
	Breached Health = "breached" // no budget is left
	NoData   Health = "no_data"  // nothing was measured in the period
	Counting Health = "counting" // the past is still being counted
)

// Status is an objective at a moment.
type Status struct {
	Ref
	Title       string              `json:"title"`
	Description string              `json:"description,omitempty"`
	Promise     string              `json:"promise"` // "99.9% of requests to checkout succeed within 400 ms, over 30 days"
	Service     string              `json:"service"`
	Owner       string              `json:"owner,omitempty"`
	Runbook     string              `json:"runbook,omitempty"`
	Labels      map[string][]string `json:"labels,omitempty"`

	Target budget.Target `json:"-"`
	Window budget.Window `json:"-"`
	Method budget.Method `json:"-"`

	Health    Health    `json:"health"`
	Evaluated time.Time `json:"evaluated"` // event time: the end of the newest slot that is in the numbers
	From      time.Time `json:"from"`      // of the period
	To        time.Time `json:"to"`        // of the period; Evaluated in a rolling window
	// Coverage is the share of the period, as far as it is past, in which events were counted: 0 to 1.
	Coverage float64 `json:"coverage"`
	Bad      uint64  `json:"bad"`
	Total    uint64  `json:"total"`
	// Attained is the share of good events, NaN without events; Left the share of the budget that is left, below 0 when more
	// than all of it was spent.
	Attained float64 `json:"attained"`
	Left     float64 `json:"budget_left"`
	// Projected is the share of the whole period's budget that is left if the rest of the period, or what of it was not
	// measured, has the traffic of what was measured and no bad events. It is Left where all of the period was measured.
	Projected float64 `json:"budget_projected"`
	// Burn1h is the burn rate of the last hour. Exhausted is after how long no budget is left if that goes on; nil if it never
	// will be.
	Burn1h    float64        `json:"burn_1h"`
	Exhausted *time.Duration `json:"exhausted_in,omitempty"`
	// Low and High bound Attained (Wilson score, 95 %); OneBad is the share of the budget that one more bad event takes.
	Low    float64 `json:"attained_low"`
	High   float64 `json:"attained_high"`
	OneBad float64 `json:"one_bad"`

	Rules    []RuleStatus `json:"rules"`
	Trend    []float64    `json:"trend,omitempty"` // budget left at 30 moments of the window, the newest last; NaN where unknown
	Backfill *Progress    `json:"backfill,omitempty"`
	Problems []string     `json:"problems,omitempty"` // what keeps it from being measured as meant
}

// RuleState is a tier in one word.
type RuleState string

// The states of a tier: Rising is above the burn rate in the short window only, Recovering in the long one only.
const (
	RuleOK         RuleState = "ok"
	RuleRising     RuleState = "rising"
	RuleFiring     RuleState = "firing"
	RuleRecovering RuleState = "recovering"
)

// RuleStatus is a tier of an objective at a moment.
type RuleStatus struct {
	Tier       budget.Tier   `json:"-"`
	Name       string        `json:"name"`
	Severity   string        `json:"severity"`
	State      RuleState     `json:"state"`
	Since      time.Time     `json:"since,omitzero"` // of the firing
	Threshold  float64       `json:"threshold"`      // burn rate, after the clamp
	Clamped    bool          `json:"clamped,omitempty"`
	BurnLong   float64       `json:"burn_long"`
	BurnShort  float64       `json:"burn_short"`
	BadLong    uint64        `json:"bad_long"`
	TotalLong  uint64        `json:"total_long"`
	BadShort   uint64        `json:"bad_short"`
	TotalShort uint64        `json:"total_short"`
	Exhausted  time.Duration `json:"exhausted_in"` // of a full budget at the threshold
	Reason     string        `json:"reason"`       // one sentence: why it is in this state, or why it does not fire
	Alerts     int           `json:"alerts"`       // fired in the window of the objective
}

// Progress is how far the past of an objective is counted.
type Progress struct {
	From    time.Time `json:"from"` // wanted
	Done    time.Time `json:"done"` // counted down to here
	To      time.Time `json:"to"`
	Events  uint64    `json:"events"`
	Share   float64   `json:"share"`
	Problem string    `json:"problem,omitempty"`
}
