package budget

import "time"

// Ratio is an exact rational number, in lowest terms. The zero value is 0.
type Ratio struct{ Num, Den uint64 }

// Method says what the budget is counted in (OpenSLO v1, budgetingMethod).
type Method uint8

// The methods. Timeslices counts slices of time that are good as a whole; RatioTimeslices takes the mean of the slices'
// ratios.
const (
	Occurrences Method = iota
	Timeslices
	RatioTimeslices
)

// Empty says what a slice of time without events is.
type Empty uint8

// The meanings of an empty slice.
const (
	EmptyIgnored Empty = iota
	EmptyGood
	EmptyBad
)

// Slices are the slices of time of Timeslices and RatioTimeslices.
type Slices struct {
	Length time.Duration // a multiple of the slot
	Target Target        // the share of good events at which a slice is good; Timeslices only
	Empty  Empty
}

// Window is the period over which an objective holds: the last Length, or the calendar's current period.
type Window struct {
	Length   time.Duration // rolling; 0 with a calendar
	Calendar *Calendar
}

// Unit is a unit of calendar periods, spelled as in OpenSLO: m minute, h hour, d day, w week, M month, Q quarter, Y year.
type Unit byte

// Calendar divides time into periods of N units of local time from Start on. Boundary k is Start plus k periods, reckoned
// from Start each time, so that a month after January 31 ends on February 28 and the next on March 31.
type Calendar struct {
	Start time.Time // its fields are local time in Zone, its location is UTC
	Zone  string    // IANA name
	N     int
	Unit  Unit
}

// Severity is how loudly a tier speaks.
type Severity string

// The severities: somebody is woken up, or somebody looks at it at work.
const (
	Page   Severity = "page"
	Ticket Severity = "ticket"
)

// Tier is one rule of a multi-window multi-burn-rate policy: it holds while the burn rate over both windows is above Burn
// (Site Reliability Workbook, chapter 5).
type Tier struct {
	Name        string
	Severity    Severity
	Long, Short time.Duration
	Burn        Ratio
	For         time.Duration // of this tier; 0 means that of its policy
}

// Mode says what a tier compares.
type Mode uint8

// The modes: the ratio of bad events in the window, or the share of the period's budget that they are.
const (
	ByRate Mode = iota
	ByBudget
)

// Policy says when an objective speaks. The zero value never does; [DefaultPolicy] is what most want.
type Policy struct {
	Tiers       []Tier
	For         time.Duration // how long a tier's condition holds before it fires
	KeepFiring  time.Duration // how long it does not hold before it resolves
	MinBad      uint64        // bad events in the long window below which a tier does not hold
	Guard       bool          // ask for significance too, see [Significant]
	Mode        Mode
	HoldNoData  bool     // keep the state while the short window has no events
	Clamp       bool     // lower burn rates that the target makes unreachable
	NoDataAlert Severity // of the alert that nothing can be measured; empty for none
}

// Target is the share of good events, or slices, that is promised: 0 <= target < 1, exact, in at most nine decimals. The
// target of a slice may be 1. The zero value promises nothing.
type Target struct{ Good Ratio }
