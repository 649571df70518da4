// Package store keeps what service level objectives are made of and what became of them: definitions with every revision,
// indicators, progress of backfills, corrections, events and states. The counts themselves are in [loadline/slo/store/counts].
package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/sql"
	"loadline/slo/store/block"
)

// Store reads and writes one database. It is safe for concurrent use, also by several processes on one database.
type Store struct {
	db *clickhouse.DB
}

// New returns a store of a migrated database.
func New(db *clickhouse.DB) *Store { return &Store{db: db} }

// maxRows bounds answers that are about everything there is.
const maxRows = 1_000_000

// Indicator is something that is counted. One that nothing needs any more is retired, and never comes back.
type Indicator struct {
	ID         uint64
	Definition string // JSON of sli.Indicator, or of a computed one
	Since      int64  // Unix seconds of the first slot that the write path counts
	Retired    bool
}

// SaveIndicators stores indicators; those that exist are replaced.
func (s *Store) SaveIndicators(ctx context.Context, now time.Time, indicators []Indicator) error {
	return block.Insert(ctx, s.db, "slo_indicators", "", len(indicators),
		block.UInt64("indicator", indicators, func(i *Indicator) uint64 { return i.ID }),
		block.String("definition", indicators, func(i *Indicator) string { return i.Definition }),
		block.Seconds("since", indicators, func(i *Indicator) int64 { return i.Since }),
		block.Bool("retired", indicators, func(i *Indicator) bool { return i.Retired }),
		block.Millis("updated", indicators, func(*Indicator) time.Time { return now }),
	)
}

// Indicators returns all indicators that are not retired, by id.
func (s *Store) Indicators(ctx context.Context) ([]Indicator, error) {
	var out []Indicator
	var w sql.Where
	err := sql.Scan(ctx, s.db, "SLO indicators", `SELECT indicator, definition, since, retired
FROM slo_indicators FINAL
WHERE NOT retired
ORDER BY indicator
LIMIT `+w.Bind("UInt64", uint64(maxRows)), w.Args, func(row driver.Rows) error {
		var i Indicator
		var since time.Time
		err := row.Scan(&i.ID, &i.Definition, &since, &i.Retired)
		i.Since = since.Unix()
		out = append(out, i)
		return err
	})
	return out, err
}

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
func (s *Store) SaveBackfill(ctx context.Context, now time.Time, b Backfill) error {
	one := []Backfill{b}
	return block.Insert(ctx, s.db, "slo_backfills", "", 1,
		block.UInt64("indicator", one, func(b *Backfill) uint64 { return b.Indicator }),
		block.Seconds("wanted", one, func(b *Backfill) int64 { return b.Wanted }),
		block.Seconds("done", one, func(b *Backfill) int64 { return b.Done }),
		block.UInt64("events", one, func(b *Backfill) uint64 { return b.Events }),
		block.Bool("finished", one, func(b *Backfill) bool { return b.Finished }),
		block.String("error", one, func(b *Backfill) string { return b.Error }),
		block.Millis("updated", one, func(*Backfill) time.Time { return now }),
	)
}

// Backfills returns the progress of every backfill, by indicator.
func (s *Store) Backfills(ctx context.Context) ([]Backfill, error) {
	var out []Backfill
	var w sql.Where
	err := sql.Scan(ctx, s.db, "SLO backfills", `SELECT indicator, wanted, done, events, finished, error
FROM slo_backfills FINAL
ORDER BY indicator
LIMIT `+w.Bind("UInt64", uint64(maxRows)), w.Args, func(row driver.Rows) error {
		var b Backfill
		var wanted, done time.Time
		err := row.Scan(&b.Indicator, &wanted, &done, &b.Events, &b.Finished, &b.Error)
		b.Wanted, b.Done = wanted.Unix(), done.Unix()
		out = append(out, b)
		return err
	})
	return out, err
}

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
func (s *Store) SaveCorrection(ctx context.Context, c Correction) error {
	one := []Correction{c}
	return block.Insert(ctx, s.db, "slo_corrections", "", 1,
		block.UInt64("id", one, func(c *Correction) uint64 { return c.ID }),
		block.String("slo", one, func(c *Correction) string { return c.SLO }),
		block.Seconds("start", one, func(c *Correction) int64 { return c.From.Unix() }),
		block.Seconds("end", one, func(c *Correction) int64 { return c.To.Unix() }),
		block.String("reason", one, func(c *Correction) string { return c.Reason }),
		block.String("author", one, func(c *Correction) string { return c.Author }),
		block.Millis("at", one, func(c *Correction) time.Time { return c.At }),
		block.Bool("withdrawn", one, func(c *Correction) bool { return c.Withdrawn }),
	)
}

// Corrections returns the corrections of an SLO, or of all with an empty name, the latest From first; withdrawn ones too.
func (s *Store) Corrections(ctx context.Context, slo string) ([]Correction, error) {
	var w sql.Where
	if slo != "" {
		w.Add("slo = " + w.Text(slo))
	}
	var out []Correction
	err := sql.Scan(ctx, s.db, "SLO corrections", `SELECT id, slo, start, "end", reason, author, at, withdrawn
FROM slo_corrections FINAL
WHERE `+w.String()+`
ORDER BY start DESC, slo, id
LIMIT `+w.Bind("UInt64", uint64(maxRows)), w.Args, func(row driver.Rows) error {
		var c Correction
		err := row.Scan(&c.ID, &c.SLO, &c.From, &c.To, &c.Reason, &c.Author, &c.At, &c.Withdrawn)
		out = append(out, c)
		return err
	})
	return out, err
}
