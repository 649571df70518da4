// Package wire has the JSON documents of the API of service level objectives, for the server that writes them and the
// command line that reads them.
//
// Times are RFC 3339, lengths of time numbers of seconds in fields whose names say so, windows text such as 5m or 30d.
// Shares are numbers, 1 for all. What is not known is null.
package wire

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"loadline/slo/registry"
	"loadline/slo/spec"
)

// Answer is what every request is answered with.
type Answer struct {
	Status    string          `json:"status"` // success or error
	Data      json.RawMessage `json:"data,omitempty"`
	Warnings  []string        `json:"warnings,omitempty"` // what is wrong with files of definitions
	ErrorType string          `json:"errorType,omitempty"`
	Error     string          `json:"error,omitempty"`
	Problems  []spec.Problem  `json:"problems,omitempty"` // of definitions that are refused
}

// Number is a number that may be unknown: NaN and infinite ones are null, and null is NaN.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return strconv.AppendFloat(nil, v, 'g', -1, 64), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	v, err := strconv.ParseFloat(string(data), 64)
	*n = Number(v)
	return err
}

// Numbers converts numbers.
func Numbers(values []float64) []Number {
	out := make([]Number, len(values))
	for i, v := range values {
		out[i] = Number(v)
	}
	return out
}

// Objective is an objective, or a group of one, at its last evaluation.
type Objective struct {
	SLO         string              `json:"slo"`
	Objective   string              `json:"objective"`
	Group       string              `json:"group,omitempty"`
	Title       string              `json:"title"`
	Description string              `json:"description,omitempty"`
	Promise     string              `json:"promise"`
	Service     string              `json:"service"`
	Owner       string              `json:"owner,omitempty"`
	Runbook     string              `json:"runbook,omitempty"`
	Labels      map[string][]string `json:"labels,omitempty"`

	Target      string `json:"target"`       // in percent, exact: 99.9%
	TargetRatio Number `json:"target_ratio"` // 0.999
	Window      string `json:"window"`       // 30 days, or calendar month (Europe/Berlin)
	Rolling     bool   `json:"rolling"`
	Method      string `json:"method"` // Occurrences, Timeslices or RatioTimeslices

	Health    string    `json:"health"`    // ok, at_risk, breached, no_data or counting
	Evaluated time.Time `json:"evaluated"` // end of the newest events in the numbers
	From      time.Time `json:"from"`      // of the period
	To        time.Time `json:"to"`
	Coverage  Number    `json:"coverage"` // share of the period in which events were counted
	Bad       uint64    `json:"bad"`
	Total     uint64    `json:"total"`
	Attained  Number    `json:"attained"`
	Low       Number    `json:"attained_low"` // bounds of attained with 95 % confidence
	High      Number    `json:"attained_high"`
	Left      Number    `json:"budget_left"`      // below 0 when overspent
	Projected Number    `json:"budget_projected"` // of a whole period, if the rest of it has as much traffic and no bad events
	OneBad    Number    `json:"one_bad"`          // share of the budget that one bad event takes
	Burn1h    Number    `json:"burn_1h"`
	Exhausted *Number   `json:"exhausted_in_seconds"` // at the burn rate of the last hour; null if never, 0 if it is gone

	Rules    []Rule    `json:"rules"`
	Trend    []Number  `json:"trend,omitempty"` // budget left at 30 moments of the window, the newest last
	Backfill *Backfill `json:"backfill,omitempty"`
	Problems []string  `json:"problems,omitempty"` // what keeps it from being measured as meant
}

// Rule is a tier of an objective's policy at its last evaluation.
type Rule struct {
	Name       string    `json:"name"`
	Severity   string    `json:"severity"` // page or ticket
	State      string    `json:"state"`    // ok, rising, firing or recovering
	Since      time.Time `json:"since,omitzero"`
	Long       string    `json:"long"` // windows
	Short      string    `json:"short"`
	Threshold  Number    `json:"threshold"` // burn rate
	Clamped    bool      `json:"clamped,omitempty"`
	BurnLong   Number    `json:"burn_long"`
	BurnShort  Number    `json:"burn_short"`
	BadLong    uint64    `json:"bad_long"`
	TotalLong  uint64    `json:"total_long"`
	BadShort   uint64    `json:"bad_short"`
	TotalShort uint64    `json:"total_short"`
	Exhausted  Number    `json:"exhausted_in_seconds"` // of a full budget at the threshold
	Reason     string    `json:"reason"`
	Alerts     int       `json:"alerts"` // fired in the window of the objective
}

// Backfill is how far the past of an objective is counted.
type Backfill struct {
	From    time.Time `json:"from"`
	Done    time.Time `json:"done"` // counted from here on
	To      time.Time `json:"to"`
	Events  uint64    `json:"events"`
	Share   Number    `json:"share"`
	Problem string    `json:"problem,omitempty"`
}

// Status is an SLO with its objectives and their groups, the worst groups first.
type Status struct {
	Objectives []Objective `json:"objectives"`
	Groups     []Objective `json:"groups,omitempty"`
}

// Definition is an SLO as it is defined, and how it does.
type Definition struct {
	Name       string      `json:"name"`
	Revision   uint64      `json:"revision"` // for If-Match
	At         time.Time   `json:"at"`
	Author     string      `json:"author"`
	Source     string      `json:"source"` // file:PATH, api or ui
	Text       string      `json:"text"`   // YAML as it was written
	Objectives []Objective `json:"objectives"`
}

// Revision is a revision of a definition.
type Revision struct {
	Revision uint64          `json:"revision"`
	At       time.Time       `json:"at"`
	Author   string          `json:"author"`
	Source   string          `json:"source"`
	Deleted  bool            `json:"deleted,omitempty"`
	Text     string          `json:"text"`
	Diff     []registry.Line `json:"diff,omitempty"` // to the revision before
}

// Checked is what is wrong with definitions that were sent to be looked at.
type Checked struct {
	Valid    bool           `json:"valid"`
	SLOs     []string       `json:"slos"`     // names of those that are valid in themselves
	Promises []string       `json:"promises"` // sentences, one for each objective
	Problems []spec.Problem `json:"problems"`
}

// Event is what a rule did.
type Event struct {
	SLO        string    `json:"slo"`
	Objective  string    `json:"objective"`
	Group      string    `json:"group,omitempty"`
	Rule       string    `json:"rule"`
	Severity   string    `json:"severity"`
	State      string    `json:"state"` // pending, lapsed, firing, resolved, held, guarded, no_data, data or budget
	At         time.Time `json:"at"`    // event time
	Seen       time.Time `json:"seen"`
	BurnLong   Number    `json:"burn_long"`
	BurnShort  Number    `json:"burn_short"`
	Threshold  Number    `json:"threshold"`
	BadLong    uint64    `json:"bad_long"`
	TotalLong  uint64    `json:"total_long"`
	BadShort   uint64    `json:"bad_short"`
	TotalShort uint64    `json:"total_short"`
	Left       Number    `json:"budget_left"`
	Coverage   Number    `json:"coverage"`
	Reason     string    `json:"reason"`
}

// Applied is what a change of definitions did, or would do.
type Applied struct {
	registry.Report
	Promises []string `json:"promises"` // sentences, one for each objective
}

// Correct asks that a stretch of time not count for an SLO. From and To are times as parameters have them.
type Correct struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Reason string `json:"reason"`
}

// Correction is a stretch of time that does not count for an SLO.
type Correction struct {
	ID        uint64    `json:"id,string"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Reason    string    `json:"reason"`
	Author    string    `json:"author"`
	At        time.Time `json:"at"`
	Withdrawn bool      `json:"withdrawn,omitempty"`
}
