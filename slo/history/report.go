package history

import (
	"context"
	"time"

	"loadline/slo/budget"
	"loadline/slo/rule"
	"loadline/slo/spec"
	"loadline/slo/store/counts"
	"loadline/slo/tracker"
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
	Month
	Events []Event `json:"events"` // that fired or resolved
}

// Report makes the report of the month that a moment is in.
func (h *History) Report(ctx context.Context, name string, month time.Time) (Report, error) {
	first, err := h.view(tracker.Ref{SLO: name})
	if err != nil {
		return Report{}, &NotFoundError{tracker.Ref{SLO: name}}
	}
	s := first.Of.SLO
	month = month.UTC()
	r := Report{SLO: name, Title: s.Title(), From: time.Date(month.Year(), month.Month(), 1, 0, 0, 0, 0, time.UTC)}
	r.To = moment(min(r.From.AddDate(0, 1, 0).Unix(), max(h.tracker().Now(), r.From.Unix())))
	all, err := h.Corrections(ctx, name)
	if err != nil {
		return r, err
	}
	for _, c := range all {
		if !c.Withdrawn && c.From.Before(r.To) && c.To.After(r.From) {
			r.Corrections = append(r.Corrections, c)
		}
	}
	for i := range s.Objectives {
		ref := tracker.Ref{SLO: name, Objective: s.Objectives[i].Name}
		o := ReportObjective{Objective: ref.Objective, Promise: spec.Promise(s, &s.Objectives[i]), Target: s.Objectives[i].Target}
		if o.Month, err = h.Month(ctx, ref, r.From, r.To); err != nil {
			return r, err
		}
		events, err := h.Events(ctx, EventFilter{Ref: ref, Whole: true, From: r.From, To: r.To})
		if err != nil {
			return r, err
		}
		for _, ev := range events {
			if ev.State == rule.ChangeFiring || ev.State == rule.ChangeResolved {
				o.Events = append(o.Events, ev)
			}
		}
		r.Objectives = append(r.Objectives, o)
	}
	return r, nil
}

// Month is how an objective did in a month, or in as much of it as is past.
type Month struct {
	Bad      uint64  `json:"bad"`
	Total    uint64  `json:"total"`
	Attained float64 `json:"attained"`
	Left     float64 `json:"budget_left"` // if the month were the period
	Coverage float64 `json:"coverage"`
	Met      bool    `json:"met"`
	Days     []Day   `json:"days"`
}

// Day is how an objective did on a day, in UTC.
type Day struct {
	Day      time.Time `json:"day"`
	Bad      uint64    `json:"bad"`
	Total    uint64    `json:"total"`
	Attained float64   `json:"attained"`
	Spent    float64   `json:"spent"` // share of the month's budget
}

// Month adds up what an objective counted in [from, to), which begins with a day of UTC.
func (h *History) Month(ctx context.Context, ref tracker.Ref, from, to time.Time) (Month, error) {
	v, err := h.view(ref)
	if err != nil {
		return Month{}, err
	}
	slots, err := h.slots(ctx, v, from.Unix(), to.Unix(), counts.Tier1h)
	if err != nil {
		return Month{}, err
	}
	const day = int64(budget.Day / time.Second)
	days := make([][2]int64, (to.Unix()-from.Unix()+day-1)/day)
	for _, s := range slots {
		d := &days[(s.Start-from.Unix())/day]
		d[0], d[1] = d[0]+s.Bad, d[1]+s.Total
	}
	var m Month
	for _, d := range days {
		m.Bad, m.Total = m.Bad+uint64(max(d[0], 0)), m.Total+uint64(max(d[1], 0))
	}
	target := v.Of.Objective.Target
	m.Attained, m.Left = budget.Attained(m.Bad, m.Total), budget.Left(m.Bad, m.Total, target)
	m.Met = m.Total > 0 && m.Left >= 0
	if to.After(from) {
		m.Coverage = float64(max(to.Unix()-max(v.Of.From, from.Unix()), 0)) / float64(to.Unix()-from.Unix())
	}
	unit := budget.PerEvent(v.Of.Objective.Method) // what counts slices by their ratios counts in fractions of one
	for i, d := range days {
		bad, total := uint64(max(d[0], 0)), uint64(max(d[1], 0))
		row := Day{Day: from.AddDate(0, 0, i), Attained: budget.Attained(bad, total)}
		if m.Total > 0 {
			row.Spent = float64(bad) * budget.OneBad(m.Total, target)
		}
		row.Bad, row.Total = bad/unit, total/unit
		m.Days = append(m.Days, row)
	}
	m.Bad, m.Total = m.Bad/unit, m.Total/unit
	return m, nil
}
