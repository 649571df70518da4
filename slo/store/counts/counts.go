// Package counts keeps the counts of good and bad events: the journal that evaluating nodes follow, the tiers of slots that
// rings and charts are made from, and marks of spans that came late.
//
// The write path inserts what it counts itself, tiers first and the journal last. What is counted otherwise goes through
// this package: by [Store.Replace] before an indicator's first slot, by [Store.Insert] if it is computed. Each change of
// these is a plan: it is stored as a whole before any of it is applied, and whoever comes next applies what was left.
package counts

import (
	"sync"

	"loadline/internal/clickhouse"
	"loadline/slo/ring"
)

// Store reads and writes the counts of one database. It is safe for concurrent use, also by several processes.
type Store struct {
	db *clickhouse.DB

	plans   sync.Mutex // one change at a time, so that two of one process do not race
	settled [2]uint64  // under plans: the newest plan of each node that is known to be applied
}

// New returns a store of a migrated database.
func New(db *clickhouse.DB) *Store { return &Store{db: db} }

// Nodes of the journal that are not logs of the write path. Those have other numbers.
const (
	Computed  uint64 = 0 // [Store.Insert]
	Recounted uint64 = 1 // [Store.Replace]
)

// Tier is a resolution of stored counts, in seconds.
type Tier int64

// The tiers.
const (
	Tier10s Tier = 10
	Tier5m  Tier = 300
	Tier1h  Tier = 3600
)

// tiers are all tiers, in the order in which they are inserted.
var tiers = [...]Tier{Tier10s, Tier5m, Tier1h}

// table is the tier's table.
func (t Tier) table() string {
	switch t {
	case Tier5m:
		return "slo_slots_5m"
	case Tier1h:
		return "slo_slots_1h"
	}
	return "slo_slots_10s"
}

// floor is the start of the tier's slot that holds a second.
func (t Tier) floor(second int64) int64 { return second - second%int64(t) }

// Slot is the counts of a stretch of time, as rings take them.
type Slot = ring.Slot
