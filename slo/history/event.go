package history

import (
	"context"
	"fmt"
	"time"

	"loadline/slo/store"
	"loadline/slo/tracker"
)

// Event is what a rule did at an evaluation.
type Event struct {
	tracker.Ref
	Tier       string    `json:"tier"`
	Severity   string    `json:"severity"`
	State      string    `json:"state"` // pending, firing, resolved, held, guarded, no_data, data, budget
	At         time.Time `json:"at"`    // event time
	Seen       time.Time `json:"seen"`
	BurnLong   float64   `json:"burn_long"`
	BurnShort  float64   `json:"burn_short"`
	Threshold  float64   `json:"threshold"`
	BadLong    uint64    `json:"bad_long"`
	TotalLong  uint64    `json:"total_long"`
	BadShort   uint64    `json:"bad_short"`
	TotalShort uint64    `json:"total_short"`
	Left       float64   `json:"budget_left"`
	Coverage   float64   `json:"coverage"`
	Reason     string    `json:"reason"`
}

// EventOf is what a tracker's event becomes.
func EventOf(c tracker.Event, seen time.Time) Event {
	return Event{
		Ref: c.Ref, Tier: c.Tier, Severity: string(c.Severity), State: c.State, At: time.Unix(c.At, 0).UTC(), Seen: seen,
		BurnLong: c.BurnLong, BurnShort: c.BurnShort, Threshold: c.Threshold, BadLong: c.BadLong, TotalLong: c.TotalLong,
		BadShort: c.BadShort, TotalShort: c.TotalShort, Left: c.Left, Coverage: c.Coverage, Reason: c.Reason,
	}
}

// Record stores events. To repeat it does nothing.
func (h *History) Record(ctx context.Context, events []Event) error {
	rows := make([]store.Event, len(events))
	for i, ev := range events {
		rows[i] = store.Event{
			SLO: ev.SLO, Objective: ev.Objective, Group: ev.Group, Tier: ev.Tier, At: ev.At, State: ev.State, Severity: ev.Severity,
			Seen: ev.Seen, BurnLong: ev.BurnLong, BurnShort: ev.BurnShort, Threshold: ev.Threshold, BadLong: ev.BadLong,
			TotalLong: ev.TotalLong, BadShort: ev.BadShort, TotalShort: ev.TotalShort, Left: ev.Left, Coverage: ev.Coverage,
			Reason: ev.Reason,
		}
	}
	if err := h.store.AddEvents(ctx, rows); err != nil {
		return fmt.Errorf("store events: %w", err)
	}
	return nil
}

// EventFilter selects events. Empty texts and zero times select any; a Limit of 0 means 1000.
type EventFilter struct {
	tracker.Ref
	Whole    bool // only those of all events, not those of groups
	From, To time.Time
	Limit    int
}

// Events returns what rules did, the newest first.
func (h *History) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	rows, err := h.store.Events(ctx, store.EventQuery{
		SLO: f.SLO, Objective: f.Objective, Group: f.Group, Whole: f.Whole, From: f.From, To: f.To, Limit: f.Limit,
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	out := make([]Event, len(rows))
	for i, r := range rows {
		out[i] = Event{
			Ref: tracker.Ref{SLO: r.SLO, Objective: r.Objective, Group: r.Group}, Tier: r.Tier, Severity: r.Severity, State: r.State,
			At: r.At, Seen: r.Seen, BurnLong: r.BurnLong, BurnShort: r.BurnShort, Threshold: r.Threshold, BadLong: r.BadLong,
			TotalLong: r.TotalLong, BadShort: r.BadShort, TotalShort: r.TotalShort, Left: r.Left, Coverage: r.Coverage, Reason: r.Reason,
		}
	}
	return out, nil
}
