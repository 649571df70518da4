package objectives

import (
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/promql/red/grid"
	"loadline/query/promql/series"
	"loadline/query/sql"
)

// change is what a rule became at a time, in Unix milliseconds.
type change struct {
	at    int64
	state State
}

// place names a rule.
type place struct{ slo, objective, group, tier, severity string }

// states makes the series of rules.
func (m *Metrics) states(ctx context.Context, list []one, g grid.Grid, evaluated int64) ([]*series.Series, error) {
	first, last := shown(g)
	var changes map[place][]change
	if g.Point(first) < evaluated {
		var err error
		if changes, err = m.changes(ctx, list, g.Point(first), g.Point(last)); err != nil {
			return nil, err
		}
	}
	out := make([]*series.Series, 0, len(list))
	for _, o := range list {
		s := &series.Series{Name: o.name}
		rest := changes[place{o.SLO, o.Name, o.Group, o.rule.Tier, o.rule.Severity}]
		state := Inactive
		for i := first; i <= last; i++ {
			t := g.Point(i)
			for len(rest) > 0 && rest[0].at <= t {
				state, rest = rest[0].state, rest[1:]
			}
			if t >= evaluated {
				state = o.rule.State
			}
			if t <= g.End {
				s.Column.Append(t, float64(state))
			}
		}
		if len(s.Column.T) > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

// changes reads what the rules of objectives became in a range of time, in its order, and last before it.
func (m *Metrics) changes(ctx context.Context, list []one, from, to int64) (map[place][]change, error) {
	var names []string
	for _, o := range list {
		names = append(names, o.SLO)
	}
	slices.Sort(names)
	var w sql.Where
	w.Add("slo IN (" + w.Texts(slices.Compact(names)) + ")")
	w.Add("state IN ('pending', 'lapsed', 'firing', 'resolved')")
	w.Add("at <= " + w.Seconds(time.UnixMilli(to)))
	begin := w.Seconds(time.UnixMilli(from))
	out := map[place][]change{}
	values := 0
	err := sql.Scan(ctx, m.db, AlertState, `
SELECT slo, objective, grp, tier, severity, groupArray(moment), groupArray(became)
FROM
(
  SELECT slo, objective, grp, tier, severity, toInt64(toUnixTimestamp(greatest(at, `+begin+`))) AS moment,
    argMax(state, (at, state != 'pending')) AS became
  FROM slo_events
  WHERE `+w.String()+`
  GROUP BY slo, objective, grp, tier, severity, moment
  ORDER BY moment
)
GROUP BY slo, objective, grp, tier, severity`, w.Args, func(rows driver.Rows) error {
		var p place
		var at []int64
		var states []string
		if err := rows.Scan(&p.slo, &p.objective, &p.group, &p.tier, &p.severity, &at, &states); err != nil {
			return err
		}
		if values += len(at); values > maxValues {
			return errTooMany
		}
		list := make([]change, len(at))
		for i := range at {
			list[i] = change{at[i] * grid.Second, stateOf(states[i])}
		}
		out[p] = list
		return nil
	})
	return out, err
}

// stateOf is the state of a rule after an event.
func stateOf(event string) State {
	switch event {
	case "pending":
		return Pending
	case "firing":
		return Firing
	}
	return Inactive
}
