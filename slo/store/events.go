package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/sql"
	"loadline/slo/store/block"
)

// Event is what a rule did at an evaluation. Events that agree in everything up to State are one.
type Event struct {
	SLO, Objective, Group string
	Tier                  string
	At                    time.Time // event time, to the second
	State                 string    // pending, lapsed, firing, resolved, held, guarded, no_data, data or budget
	Severity              string
	Seen                  time.Time // when it was made, to the millisecond
	BurnLong, BurnShort   float64
	Threshold             float64
	BadLong, TotalLong    uint64
	BadShort, TotalShort  uint64
	Left                  float64 // share of the budget
	Coverage              float64
	Reason                string
}

// EventQuery selects events. Empty texts and zero times select any.
type EventQuery struct {
	SLO, Objective, Group string
	Whole                 bool // only events of no group
	States                []string
	From, To              time.Time // From <= At < To
	Limit                 int       // 0 means 1000
}

// defaultEvents is the limit of a query that has none.
const defaultEvents = 1000

// AddEvents stores events. To repeat it does nothing.
func (s *Store) AddEvents(ctx context.Context, events []Event) error {
	return block.Insert(ctx, s.db, "slo_events", "", len(events),
		block.String("slo", events, func(e *Event) string { return e.SLO }),
		block.LowCardinality("objective", events, func(e *Event) string { return e.Objective }),
		block.String("grp", events, func(e *Event) string { return e.Group }),
		block.LowCardinality("tier", events, func(e *Event) string { return e.Tier }),
		block.LowCardinality("severity", events, func(e *Event) string { return e.Severity }),
		block.LowCardinality("state", events, func(e *Event) string { return e.State }),
		block.Seconds("at", events, func(e *Event) int64 { return e.At.Unix() }),
		block.Millis("seen", events, func(e *Event) time.Time { return e.Seen }),
		block.Float64("burn_long", events, func(e *Event) float64 { return e.BurnLong }),
		block.Float64("burn_short", events, func(e *Event) float64 { return e.BurnShort }),
		block.Float64("threshold", events, func(e *Event) float64 { return e.Threshold }),
		block.UInt64("bad_long", events, func(e *Event) uint64 { return e.BadLong }),
		block.UInt64("total_long", events, func(e *Event) uint64 { return e.TotalLong }),
		block.UInt64("bad_short", events, func(e *Event) uint64 { return e.BadShort }),
		block.UInt64("total_short", events, func(e *Event) uint64 { return e.TotalShort }),
		block.Float64("budget_left", events, func(e *Event) float64 { return e.Left }),
		block.Float64("coverage", events, func(e *Event) float64 { return e.Coverage }),
		block.String("reason", events, func(e *Event) string { return e.Reason }),
	)
}

// Events returns events, the newest first.
func (s *Store) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	var w sql.Where
	if q.Whole {
		w.Add("grp = ''")
	}
	for column, value := range map[string]string{"slo": q.SLO, "objective": q.Objective, "grp": q.Group} {
		if value != "" {
			w.Add(column + " = " + w.Text(value))
		}
	}
	if len(q.States) > 0 {
		w.Add("state IN " + w.Texts(q.States))
	}
	if !q.From.IsZero() {
		w.Add("at >= " + w.Seconds(q.From))
	}
	if !q.To.IsZero() {
		w.Add("at < " + w.Seconds(q.To))
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultEvents
	}
	var out []Event
	err := sql.Scan(ctx, s.db, "SLO events", `SELECT slo, objective, grp, tier, at, state, severity, seen, burn_long, burn_short, threshold,
  bad_long, total_long, bad_short, total_short, budget_left, coverage, reason
FROM slo_events FINAL
WHERE `+w.String()+`
ORDER BY at DESC, slo, objective, grp, tier, state
LIMIT `+w.Bind("UInt64", uint64(limit)), w.Args, func(row driver.Rows) error {
		var e Event
		err := row.Scan(&e.SLO, &e.Objective, &e.Group, &e.Tier, &e.At, &e.State, &e.Severity, &e.Seen, &e.BurnLong, &e.BurnShort, &e.Threshold,
			&e.BadLong, &e.TotalLong, &e.BadShort, &e.TotalShort, &e.Left, &e.Coverage, &e.Reason)
		out = append(out, e)
		return err
	})
	return out, err
}

// Firings is how often a tier of an objective, or of a group of it, fired.
type Firings struct {
	SLO, Objective, Group, Tier string
	Count                       uint64
}

// Firings counts the firing events since a time.
func (s *Store) Firings(ctx context.Context, from time.Time) ([]Firings, error) {
	var w sql.Where
	w.Add("state = 'firing'")
	w.Add("at >= " + w.Seconds(from))
	var out []Firings
	err := sql.Scan(ctx, s.db, "SLO firings", `SELECT slo, objective, grp, tier, uniqExact(at)
FROM slo_events
WHERE `+w.String()+`
GROUP BY slo, objective, grp, tier
ORDER BY slo, objective, grp, tier
LIMIT `+w.Bind("UInt64", uint64(maxRows)), w.Args, func(row driver.Rows) error {
		var f Firings
		err := row.Scan(&f.SLO, &f.Objective, &f.Group, &f.Tier, &f.Count)
		out = append(out, f)
		return err
	})
	return out, err
}

// State is the state of a rule after its last change.
type State struct {
	SLO, Objective, Group, Tier string
	Phase                       string // inactive, pending or firing
	Since                       int64  // Unix seconds, as Keep and At
	Keep                        int64  // since when the condition of a firing tier does not hold; 0 while it does
	Held, Guarded               bool   // what has been told of the episode that it is in
	At                          int64  // evaluation of the change; the newer of two states holds
	Rule                        uint64 // of the definition that the state belongs to
}

// SaveStates stores states.
func (s *Store) SaveStates(ctx context.Context, states []State) error {
	return block.Insert(ctx, s.db, "slo_states", "", len(states),
		block.String("slo", states, func(s *State) string { return s.SLO }),
		block.String("objective", states, func(s *State) string { return s.Objective }),
		block.String("grp", states, func(s *State) string { return s.Group }),
		block.LowCardinality("tier", states, func(s *State) string { return s.Tier }),
		block.LowCardinality("phase", states, func(s *State) string { return s.Phase }),
		block.Seconds("since", states, func(s *State) int64 { return s.Since }),
		block.Seconds("keep", states, func(s *State) int64 { return s.Keep }),
		block.Bool("held", states, func(s *State) bool { return s.Held }),
		block.Bool("guarded", states, func(s *State) bool { return s.Guarded }),
		block.Seconds("at", states, func(s *State) int64 { return s.At }),
		block.UInt64("rule", states, func(s *State) uint64 { return s.Rule }),
	)
}

// States returns the newest state of each rule.
func (s *Store) States(ctx context.Context) ([]State, error) {
	var out []State
	var w sql.Where
	err := sql.Scan(ctx, s.db, "SLO states", `SELECT slo, objective, grp, tier, phase, since, keep, held, guarded, at, rule
FROM slo_states FINAL
ORDER BY slo, objective, grp, tier
LIMIT `+w.Bind("UInt64", uint64(maxRows)), w.Args, func(row driver.Rows) error {
		var st State
		var since, keep, at time.Time
		err := row.Scan(&st.SLO, &st.Objective, &st.Group, &st.Tier, &st.Phase, &since, &keep, &st.Held, &st.Guarded, &at, &st.Rule)
		st.Since, st.Keep, st.At = since.Unix(), keep.Unix(), at.Unix()
		out = append(out, st)
		return err
	})
	return out, err
}
