package slo

import (
	"context"
	"time"

	"loadline/slo/budget"
	"loadline/slo/history"
	"loadline/slo/rule"
)

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
	Objective string        `json:"objective"`
	Promise   string        `json:"promise"`
	Target    budget.Target `json:"-"`
	history.Month
	Events []Event `json:"events"` // that fired or resolved
}

// ReportDay is a day in a Report.
type ReportDay = history.Day

// Report makes the report of the month that a moment is in.
func (e *Engine) Report(ctx context.Context, name string, month time.Time) (Report, error) {
	s, ok := e.SLO(name)
	if !ok {
		return Report{}, &NotFoundError{Ref: Ref{SLO: name}}
	}
	month = month.UTC()
	r := Report{SLO: name, Title: s.Title(), From: time.Date(month.Year(), month.Month(), 1, 0, 0, 0, 0, time.UTC)}
	r.To = moment(min(r.From.AddDate(0, 1, 0).Unix(), max(e.now().Now(), r.From.Unix())))
	all, err := e.Corrections(ctx, name)
	if err != nil {
		return r, err
	}
	for _, c := range all {
		if !c.Withdrawn && c.From.Before(r.To) && c.To.After(r.From) {
			r.Corrections = append(r.Corrections, c)
		}
	}
	for i := range s.Objectives {
		ref := Ref{SLO: name, Objective: s.Objectives[i].Name}
		status, ok := e.Status(ref)
		if !ok {
			continue // it was defined a moment ago
		}
		o := ReportObjective{Objective: ref.Objective, Promise: status.Promise, Target: status.Target}
		if o.Month, err = e.Month(ctx, ref, r.From, r.To); err != nil {
			return r, err
		}
		events, err := e.Events(ctx, EventFilter{Ref: ref, From: r.From, To: r.To})
		if err != nil {
			return r, err
		}
		for _, ev := range events {
			if ev.Group == "" && (ev.State == rule.ChangeFiring || ev.State == rule.ChangeResolved) {
				o.Events = append(o.Events, ev)
			}
		}
		r.Objectives = append(r.Objectives, o)
	}
	return r, nil
}
