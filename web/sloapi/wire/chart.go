package wire

import "time"

// Budget is how much of a budget was left at moments that are Step apart, the first at From.
type Budget struct {
	From      time.Time  `json:"from"`
	Step      Number     `json:"step_seconds"`
	Left      []Number   `json:"budget_left"` // of the whole period's budget, also where only a part of it is counted
	Even      []Number   `json:"even"`        // what would be left if it were spent evenly
	Incidents []Incident `json:"incidents"`
}

// Burn is burn rates at moments that are Step apart, the first at From.
type Burn struct {
	From  time.Time `json:"from"`
	Step  Number    `json:"step_seconds"`
	Lines []Line    `json:"lines"`
}

// Line is the burn rate over a window.
type Line struct {
	Window string   `json:"window"`
	Values []Number `json:"values"`
}

// Forecast says how a budget is likely to go on. Times beyond the forecast are absent.
type Forecast struct {
	Points    []Future  `json:"points"`
	Exhausted time.Time `json:"exhausted,omitzero"` // no budget is left; between the next two in four of five cases
	Earliest  time.Time `json:"earliest,omitzero"`
	Latest    time.Time `json:"latest,omitzero"`
	Reason    string    `json:"reason"` // what it is made from, or why there is none
}

// Future is the share of the budget that is left at a time, between Low and High in four of five cases.
type Future struct {
	At   time.Time `json:"at"`
	Left Number    `json:"budget_left"`
	Low  Number    `json:"low"`
	High Number    `json:"high"`
}

// Report says how an SLO did in a month, in UTC.
type Report struct {
	SLO         string            `json:"slo"`
	Title       string            `json:"title"`
	From        time.Time         `json:"from"`
	To          time.Time         `json:"to"` // now in a month that is not over
	Objectives  []ReportObjective `json:"objectives"`
	Corrections []Correction      `json:"corrections"`
}

// ReportObjective is an objective in a Report.
type ReportObjective struct {
	Objective string      `json:"objective"`
	Promise   string      `json:"promise"`
	Target    string      `json:"target"`
	Bad       uint64      `json:"bad"`
	Total     uint64      `json:"total"`
	Attained  Number      `json:"attained"`
	Left      Number      `json:"budget_left"` // if the month were the period
	Coverage  Number      `json:"coverage"`
	Met       bool        `json:"met"`
	Days      []ReportDay `json:"days"`
	Events    []Event     `json:"events"` // that fired or resolved
}

// ReportDay is a day in a Report.
type ReportDay struct {
	Day      string `json:"day"` // 2026-11-22
	Bad      uint64 `json:"bad"`
	Total    uint64 `json:"total"`
	Attained Number `json:"attained"`
	Spent    Number `json:"budget_spent"` // share of the month's budget
}
