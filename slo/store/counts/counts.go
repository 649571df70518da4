// Package counts keeps the counts of good and bad events: the journal that evaluating nodes follow, the tiers of slots that
// rings and charts are made from, and marks of spans that came late.
//
// The write path inserts what it counts itself, tiers first and the journal last. What is counted otherwise goes through
// this package: by [Store.Replace] before an indicator's first slot, by [Store.Insert] if it is computed. Each change of
// these is a plan: it is stored as a whole before any of it is applied, and whoever comes next applies what was left.
package counts

import (
	"context"
	"errors"
	"time"

	"loadline/internal/clickhouse"
)

// Store reads and writes the counts of one database. It is safe for concurrent use, also by several processes.
type Store struct {
	db *clickhouse.DB
}

// New returns a store of a migrated database.
func New(db *clickhouse.DB) *Store { return &Store{db: db} }

// Nodes of the journal that are not logs of the write path. Those have other numbers.
const (
	Computed  uint64 = 0 // [Store.Insert]
	Recounted uint64 = 1 // [Store.Replace]
)

// Clock is the newest batch of each node of the journal. Batches of a node come in order.
type Clock map[uint64]uint64

// Clock returns the clock of the journal. Tiers that are read while nothing is inserted have just what it says.
func (s *Store) Clock(ctx context.Context) (Clock, error) { return nil, nil }

// Delta is one row of the journal: a change of a slot's counts, negative ones too.
type Delta struct {
	Node, Batch uint64
	Indicator   uint64
	Group       string // empty for all events
	Slot        int64  // Unix seconds of its start
	Bad, Total  int64
}

// ErrBehind says that a follower has missed so much that it does better to read the tiers again.
var ErrBehind = errors.New("journal has too much that was not followed")

// MaxDeltas is how many rows [Store.Follow] returns at most.
const MaxDeltas = 5_000_000

// Follow returns what the journal has above applied, in the order of batches of each node; batches come whole. It changes
// nothing: the caller advances applied. A node that applied does not know is read from its first batch that is kept.
func (s *Store) Follow(ctx context.Context, applied Clock) ([]Delta, error) { return nil, nil }

// Tier is a resolution of stored counts, in seconds.
type Tier int64

// The tiers.
const (
	Tier10s Tier = 10
	Tier5m  Tier = 300
	Tier1h  Tier = 3600
)

// Slot is the counts of a stretch of time of its tier's length.
type Slot struct {
	Start      int64 // Unix seconds
	Bad, Total int64
}

// Span says which stretch of time a ring reads from which tier: hours in [From, Middle), 5 minutes in [Middle, Fine),
// 10 seconds from Fine on. From and Middle are whole hours, Fine whole 5 minutes.
type Span struct{ From, Middle, Fine int64 }

// Load calls fn with the slots of every indicator and group of a tier, of the given indicators or of all with nil, once or
// more for each tier that has any. Slots are in no order, and those with one start add up. They are valid during the call
// only.
func (s *Store) Load(ctx context.Context, indicators []uint64, span Span, fn func(indicator uint64, group string, tier Tier, slots []Slot) error) error {
	return nil
}

// Slots returns the counts of one indicator and group that start in [from, to), in order of time, without empty ones.
func (s *Store) Slots(ctx context.Context, tier Tier, indicator uint64, group string, from, to int64) ([]Slot, error) {
	return nil, nil
}

// GroupSum is the counts of a group over a stretch of time.
type GroupSum struct {
	Indicator  uint64
	Group      string
	Bad, Total int64
}

// Groups returns the groups of the indicators, or of all with nil, that have events in the hours of [from, to), with their
// counts.
func (s *Store) Groups(ctx context.Context, indicators []uint64, from, to int64) ([]GroupSum, error) {
	return nil, nil
}

// Count is what a slot of 10 seconds has.
type Count struct {
	Group      string // empty for all events
	Slot       int64  // Unix seconds
	Bad, Total int64
}

// Recount is what an indicator has in [From, To): what is not in Counts is zero.
type Recount struct {
	Indicator uint64
	From, To  int64
	Counts    []Count
}

// Replace makes the stored counts equal to the recounts: it stores the differences in all tiers and the journal, and
// returns how many slots were different. It may be repeated, stopped in the middle, and called by several nodes at once;
// what one of them has begun the next one ends. Slots that the write path counts must not be in it. Slots older than 34
// days are told apart by 5 minutes only: From and To of these are whole ones.
func (s *Store) Replace(ctx context.Context, now time.Time, recounts []Recount) (int, error) {
	return 0, nil
}

// Insert stores computed counts as a batch of node [Computed], in all tiers and the journal. It does nothing if there is
// that batch or a later one, so that of several nodes one wins.
func (s *Store) Insert(ctx context.Context, now time.Time, batch uint64, deltas []Delta) error {
	return nil
}

// Finish applies what a node that has ended left of Replace and Insert. Call it at start and about once a minute.
func (s *Store) Finish(ctx context.Context) error { return nil }

// Late is a slot before its indicator's first one for which spans came after it was counted.
type Late struct {
	Indicator uint64
	Slot      int64
	Marks     uint64
}

// Late returns the slots from a time on that have to be counted again, by indicator and slot.
func (s *Store) Late(ctx context.Context, from time.Time) ([]Late, error) { return nil, nil }

// Settle says that late slots have been counted again, with all the marks that they had when [Store.Late] returned them.
func (s *Store) Settle(ctx context.Context, now time.Time, late []Late) error { return nil }
