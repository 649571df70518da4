// Package spec is the one model of service level objectives that all definitions become, in which nothing is left to be
// resolved, with what can be wrong with them and what they promise. Below it, package definition reads and writes files:
// Loadline's short form (native), OpenSLO v1 (openslo), Sloth and Pyrra (foreign), and rules of Prometheus (rules).
package spec

import (
	"loadline/internal/sli"
	"loadline/slo/budget"
)

// SLO is a definition with everything resolved. Its Name is unique in an installation.
type SLO struct {
	Name        string // RFC 1123 label
	DisplayName string
	Description string
	Service     string // that the promise is about
	Owner       string
	Runbook     string // URL
	Labels      map[string][]string
	Annotations map[string]string
	Notify      []string // receivers of its alerts; empty means routing decides
	Objectives  []Objective
}

// Title is the name for people.
func (s *SLO) Title() string {
	if s.DisplayName != "" {
		return s.DisplayName
	}
	return s.Name
}

// Objective is one promise of an SLO. Its Name is unique in the SLO; the only objective of an SLO is called "default"
// unless it has a name.
type Objective struct {
	Name        string
	DisplayName string
	Indicator   Indicator
	Target      budget.Target
	Window      budget.Window
	Method      budget.Method
	Slices      budget.Slices // of the methods that count slices
	Policy      budget.Policy
	Preset      string // the name of the policy it came from; empty when its tiers were written out
}

// Indicator is where an objective's events come from: exactly one field is set.
type Indicator struct {
	Spans     *sli.Indicator
	Ratio     *Ratio
	Threshold *Threshold
	Composite *Composite
}

// Ratio counts events by PromQL expressions that are evaluated every minute; each gives the increase over that minute,
// so that $window in it stands for 1m. Total and one of Good and Bad are set.
type Ratio struct {
	Good, Bad, Total string
}

// Threshold makes one event of every series of a PromQL expression each minute; the event is good when the comparison
// holds.
type Threshold struct {
	Query string
	Op    string // <, <=, > or >=
	Value float64
}

// Composite counts slices of time of other objectives.
type Composite struct {
	Method  string // any, weighted or worst
	Members []Member
}

// Member is an objective that a composite is made of.
type Member struct {
	SLO       string
	Objective string // empty for the only one
	Weight    budget.Ratio
}
