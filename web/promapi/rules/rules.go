// Package rules has what the Prometheus HTTP API says about rules and alerts.
package rules

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Group is rules that are evaluated together, in order.
type Group struct {
	Name           string
	File           string // where it is declared; with the name it is unique
	Rules          []Rule
	Interval       time.Duration
	Limit          int // of series that a rule may give, 0 for none
	EvaluationTime time.Duration
	LastEvaluation time.Time
}

// Rule is an alerting or a recording rule.
type Rule struct {
	Name           string
	Query          string
	Labels         labels.Labels
	Health         string // ok, err or unknown
	LastError      string
	EvaluationTime time.Duration
	LastEvaluation time.Time
	Alerting       *Alerting // nil for a recording rule
}

// Alerting is what only alerting rules have.
type Alerting struct {
	State         string // inactive, pending or firing
	For           time.Duration
	KeepFiringFor time.Duration
	Annotations   labels.Labels
	Alerts        []Alert // that are pending or firing
}

// Alert is one alert of a rule.
type Alert struct {
	Labels          labels.Labels
	Annotations     labels.Labels
	State           string // pending or firing
	ActiveAt        time.Time
	KeepFiringSince time.Time // zero when it is firing on its own
	Value           float64
}

// alertDoc is an alert in an answer.
type alertDoc struct {
	Labels          labels.Labels `json:"labels"`
	Annotations     labels.Labels `json:"annotations"`
	State           string        `json:"state"`
	ActiveAt        *time.Time    `json:"activeAt,omitempty"`
	KeepFiringSince *time.Time    `json:"keepFiringSince,omitempty"`
	Value           string        `json:"value"`
}

func alertDocs(alerts []Alert) []alertDoc {
	out := make([]alertDoc, len(alerts))
	for i := range alerts {
		a := &alerts[i]
		out[i] = alertDoc{Labels: a.Labels, Annotations: a.Annotations, State: a.State, ActiveAt: &a.ActiveAt, Value: strconv.FormatFloat(a.Value, 'e', -1, 64)}
		if !a.KeepFiringSince.IsZero() {
			out[i].KeepFiringSince = &a.KeepFiringSince
		}
	}
	return out
}

// alertingDoc is an alerting rule in an answer.
type alertingDoc struct {
	State          string        `json:"state"`
	Name           string        `json:"name"`
	Query          string        `json:"query"`
	Duration       float64       `json:"duration"`
	KeepFiringFor  float64       `json:"keepFiringFor"`
	Labels         labels.Labels `json:"labels"`
	Annotations    labels.Labels `json:"annotations"`
	Alerts         []alertDoc    `json:"alerts"`
	Health         string        `json:"health"`
	LastError      string        `json:"lastError,omitempty"`
	EvaluationTime float64       `json:"evaluationTime"`
	LastEvaluation time.Time     `json:"lastEvaluation"`
	Type           string        `json:"type"`
}

// recordingDoc is a recording rule in an answer.
type recordingDoc struct {
	Name           string        `json:"name"`
	Query          string        `json:"query"`
	Labels         labels.Labels `json:"labels"`
	Health         string        `json:"health"`
	LastError      string        `json:"lastError,omitempty"`
	EvaluationTime float64       `json:"evaluationTime"`
	LastEvaluation time.Time     `json:"lastEvaluation"`
	Type           string        `json:"type"`
}

// groupDoc is a group in an answer. The documents of its rules stand in their order.
type groupDoc struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []any     `json:"rules"`
	Interval       float64   `json:"interval"`
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

// groupsDoc is the answer to a request for rules.
type groupsDoc struct {
	Groups []groupDoc `json:"groups"`
	Next   string     `json:"groupNextToken,omitempty"`
}

func ruleDoc(r *Rule, withAlerts bool) any {
	if r.Alerting == nil {
		return recordingDoc{
			Name: r.Name, Query: r.Query, Labels: r.Labels, Health: r.Health, LastError: r.LastError,
			EvaluationTime: r.EvaluationTime.Seconds(), LastEvaluation: r.LastEvaluation, Type: "recording",
		}
	}
	a := r.Alerting
	doc := alertingDoc{
		State: a.State, Name: r.Name, Query: r.Query, Duration: a.For.Seconds(), KeepFiringFor: a.KeepFiringFor.Seconds(),
		Labels: r.Labels, Annotations: a.Annotations, Health: r.Health, LastError: r.LastError,
		EvaluationTime: r.EvaluationTime.Seconds(), LastEvaluation: r.LastEvaluation, Type: "alerting",
	}
	if withAlerts {
		doc.Alerts = alertDocs(a.Alerts)
	}
	return doc
}

// Alerts returns the answer to a request for all alerts, for encoding/json.
func Alerts(groups []Group) any {
	all := []alertDoc{}
	for _, g := range groups {
		for _, r := range g.Rules {
			if r.Alerting != nil {
				all = append(all, alertDocs(r.Alerting.Alerts)...)
			}
		}
	}
	return struct {
		Alerts []alertDoc `json:"alerts"`
	}{all}
}

// wanted reports whether a value is in a list. Everything is in an empty one.
func wanted(list []string, value string) bool {
	return len(list) == 0 || slices.Contains(list, value)
}

// matches reports whether labels match one of the selectors. There is none that they do not match when there is none.
func matches(ls labels.Labels, selectors [][]*labels.Matcher) bool {
	return len(selectors) == 0 || slices.ContainsFunc(selectors, func(matchers []*labels.Matcher) bool {
		return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
	})
}
