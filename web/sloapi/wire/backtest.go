package wire

import "time"

// Backtest is what an objective would have done.
type Backtest struct {
	SLO       string    `json:"slo"`
	Objective string    `json:"objective"`
	Promise   string    `json:"promise"`
	Target    string    `json:"target"` // in percent
	From      time.Time `json:"from"`   // of the evaluations
	To        time.Time `json:"to"`

	Bad            uint64 `json:"bad"` // of the period at its end, as the next four
	Total          uint64 `json:"total"`
	Attained       Number `json:"attained"`
	Left           Number `json:"budget_left"`
	Coverage       Number `json:"coverage"`
	Pages          int    `json:"pages"`
	Tickets        int    `json:"tickets"`
	PagesPerWeek   Number `json:"pages_per_week"`
	TicketsPerWeek Number `json:"tickets_per_week"`
	Alerting       Number `json:"alerting_seconds"` // for which any rule was firing
	Caught         int    `json:"incidents_caught"`
	Delay          Number `json:"delay_seconds"` // median from the begin of an incident to its page
	False          int    `json:"false_pages"`   // outside of incidents
	Tightest       Number `json:"tightest_target"`

	Events    []Event    `json:"events"`
	Incidents []Incident `json:"incidents"`
	Points    []Point    `json:"points"`
	Grid      []Cell     `json:"grid,omitempty"` // other targets and policies on the same history
	Quality   *Quality   `json:"quality,omitempty"`
}

// Incident is a stretch of time in which unusually many events were bad.
type Incident struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Bad    uint64    `json:"bad"`
	Total  uint64    `json:"total"`
	Caught bool      `json:"caught"` // a page fired
	Delay  Number    `json:"delay_seconds"`
}

// Point is an objective at a moment.
type Point struct {
	At        time.Time `json:"at"`
	Left      Number    `json:"budget_left"`
	BurnLong  Number    `json:"burn_long"` // of the first rule
	BurnShort Number    `json:"burn_short"`
}

// Cell is the outcome of another target and policy.
type Cell struct {
	Target         string `json:"target"`           // in percent
	Policy         string `json:"policy,omitempty"` // name of a preset; none for that of the objective
	PagesPerWeek   Number `json:"pages_per_week"`
	TicketsPerWeek Number `json:"tickets_per_week"`
	Caught         int    `json:"incidents_caught"`
	Delay          Number `json:"delay_seconds"`
	False          int    `json:"false_pages"`
	Left           Number `json:"budget_left"`
}

// Quality says how far numbers of the past can be trusted.
type Quality struct {
	Source      string    `json:"source"` // rollups or spans
	From        time.Time `json:"from"`   // how far back they reach
	Resolution  Number    `json:"resolution_seconds"`
	Approximate bool      `json:"approximate"` // durations were compared by buckets; bad events are between the next two
	BadLow      int64     `json:"bad_low"`
	BadHigh     int64     `json:"bad_high"`
	Spans       uint64    `json:"spans"`
}
