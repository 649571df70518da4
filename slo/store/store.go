// Package store keeps what service level objectives are made of and what became of them: definitions with every revision,
// indicators, progress of backfills, corrections, events and states. The counts themselves are in [loadline/slo/store/counts].
package store

import (
	"context"
	"time"

	"loadline/internal/clickhouse"
)

// Store reads and writes one database. It is safe for concurrent use, also by several processes on one database.
type Store struct {
	db *clickhouse.DB
}

// New returns a store of a migrated database.
func New(db *clickhouse.DB) *Store { return &Store{db: db} }

// Object is a revision of a definition as it was written. Revisions are numbered through the whole installation: those that
// were applied together share a number, and a higher one is newer.
type Object struct {
	Kind     string // SLO, SLI, Service, DataSource, AlertPolicy, AlertCondition or AlertNotificationTarget
	Name     string
	Revision uint64
	At       time.Time // to the millisecond
	Author   string
	Source   string // file:PATH, api or ui
	Text     string // YAML
	Deleted  bool
}

// Append stores objects as revision base+1, all or none of them, and returns that number. base is the newest revision that
// the caller has seen. If there is a newer one by now, it fails with [ErrConflict] and stores nothing. Revision of the
// objects is ignored.
func (s *Store) Append(ctx context.Context, base uint64, objects []Object) (uint64, error) {
	return 0, nil
}

// Newest returns the newest revision of each object, deleted ones too, by kind and name, and the newest revision of all.
func (s *Store) Newest(ctx context.Context) ([]Object, uint64, error) { return nil, 0, nil }

// Revision returns the newest revision of all, 0 without any.
func (s *Store) Revision(ctx context.Context) (uint64, error) { return 0, nil }

// History returns up to limit revisions of an object, the newest first.
func (s *Store) History(ctx context.Context, kind, name string, limit int) ([]Object, error) {
	return nil, nil
}

// Indicator is something that is counted. One that nothing needs any more is retired, and never comes back.
type Indicator struct {
	ID         uint64
	Definition string // JSON of sli.Indicator, or of a computed one
	Since      int64  // Unix seconds of the first slot that the write path counts
	Retired    bool
}

// SaveIndicators stores indicators; those that exist are replaced.
func (s *Store) SaveIndicators(ctx context.Context, now time.Time, indicators []Indicator) error {
	return nil
}

// Indicators returns all indicators that are not retired, by id.
func (s *Store) Indicators(ctx context.Context) ([]Indicator, error) { return nil, nil }

// Backfill is how far the time before an indicator's first slot is counted: from Done on, downward to Wanted.
type Backfill struct {
	Indicator uint64
	Wanted    int64 // Unix seconds, as Done
	Done      int64
	Events    uint64
	Finished  bool
	Error     string // why it does not go on; empty while it does
}

// SaveBackfill stores the progress of a backfill.
func (s *Store) SaveBackfill(ctx context.Context, now time.Time, b Backfill) error { return nil }

// Backfills returns the progress of every backfill, by indicator.
func (s *Store) Backfills(ctx context.Context) ([]Backfill, error) { return nil, nil }

// Correction is a stretch of time that does not count for an SLO. It converts to and from slo.Correction.
type Correction struct {
	ID        uint64
	SLO       string
	From      time.Time // to the second, as To
	To        time.Time
	Reason    string
	Author    string
	At        time.Time
	Withdrawn bool
}

// SaveCorrection stores a correction; one with the same SLO and ID and an older At is replaced.
func (s *Store) SaveCorrection(ctx context.Context, c Correction) error { return nil }

// Corrections returns the corrections of an SLO, or of all with an empty name, the latest From first; withdrawn ones too.
func (s *Store) Corrections(ctx context.Context, slo string) ([]Correction, error) { return nil, nil }

// Event is what a rule did at an evaluation. Events that agree in everything up to State are one.
type Event struct {
	SLO, Objective, Group string
	Tier                  string
	At                    time.Time // event time, to the second
	State                 string    // pending, firing, resolved, held, guarded, no_data, data or budget
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
	States                []string
	From, To              time.Time // From <= At < To
	Limit                 int       // 0 means 1000
}

// AddEvents stores events. To repeat it does nothing.
func (s *Store) AddEvents(ctx context.Context, events []Event) error { return nil }

// Events returns events, the newest first.
func (s *Store) Events(ctx context.Context, q EventQuery) ([]Event, error) { return nil, nil }

// Firings is how often a tier of an objective, or of a group of it, fired.
type Firings struct {
	SLO, Objective, Group, Tier string
	Count                       uint64
}

// Firings counts the firing events since a time.
func (s *Store) Firings(ctx context.Context, from time.Time) ([]Firings, error) { return nil, nil }

// State is the state of a rule after its last change.
type State struct {
	SLO, Objective, Group, Tier string
	Phase                       string // inactive, pending or firing
	Since                       int64  // Unix seconds, as Keep and At
	Keep                        int64  // since when the condition of a firing tier does not hold; 0 while it does
	At                          int64  // evaluation of the change; the newer of two states holds
	Rule                        uint64 // of the definition that the state belongs to
}

// SaveStates stores states.
func (s *Store) SaveStates(ctx context.Context, states []State) error { return nil }

// States returns the newest state of each rule.
func (s *Store) States(ctx context.Context) ([]State, error) { return nil, nil }
