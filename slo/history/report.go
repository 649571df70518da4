package history

import (
	"context"
	"time"

	"loadline/slo/budget"
	"loadline/slo/store/counts"
	"loadline/slo/tracker"
)

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
	for i, d := range days {
		bad, total := uint64(max(d[0], 0)), uint64(max(d[1], 0))
		row := Day{Day: from.AddDate(0, 0, i), Bad: bad, Total: total, Attained: budget.Attained(bad, total)}
		if m.Total > 0 {
			row.Spent = float64(bad) * budget.OneBad(m.Total, target)
		}
		m.Days = append(m.Days, row)
	}
	return m, nil
}
