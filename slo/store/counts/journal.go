package counts

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/sql"
)

// Clock is the newest batch of each node of the journal. Batches of a node come in order.
type Clock map[uint64]uint64

// Clock returns the clock of the journal. Tiers that are read while nothing is inserted have just what it says.
func (s *Store) Clock(ctx context.Context) (Clock, error) {
	clock := Clock{}
	// Two looks into the primary key for each node: to group the journal would read all of it.
	for next := uint64(0); ; next++ {
		node, found, err := s.lookup(ctx, "SELECT node FROM slo_journal WHERE node >= {node:UInt64} ORDER BY node LIMIT 1", next)
		if err != nil || !found {
			return clock, err
		}
		batch, _, err := s.lookup(ctx, "SELECT batch FROM slo_journal WHERE node = {node:UInt64} ORDER BY batch DESC LIMIT 1", node)
		if err != nil {
			return nil, err
		}
		clock[node] = batch
		if next = node; next == math.MaxUint64 {
			return clock, nil
		}
	}
}

// lookup returns the number that a statement about a node gives.
func (s *Store) lookup(ctx context.Context, statement string, node uint64) (number uint64, found bool, err error) {
	err = sql.Scan(ctx, s.db, "clock of the SLO journal", statement, []any{clickhouse.Named("node", node)}, func(row driver.Rows) error {
		found = true
		return row.Scan(&number)
	})
	return number, found, err
}

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
func (s *Store) Follow(ctx context.Context, applied Clock) ([]Delta, error) {
	return s.follow(ctx, applied, MaxDeltas)
}

func (s *Store) follow(ctx context.Context, applied Clock, limit int) ([]Delta, error) {
	var w sql.Where
	// One condition a node finds the new batches in the primary key.
	condition, nodes := "0", []uint64{}
	for node, batch := range applied {
		condition += "\n    OR (node = " + w.Bind("UInt64", node) + " AND batch > " + w.Bind("UInt64", batch) + ")"
		nodes = append(nodes, node)
	}
	w.Add("(" + condition + "\n    OR node NOT IN " + w.Bind("Array(UInt64)", nodes) + ")")
	var out []Delta
	err := sql.Scan(ctx, s.db, "SLO journal", `SELECT node, batch, indicator, grp, slice, bad, total
FROM slo_journal
WHERE `+w.String()+`
ORDER BY node, batch
LIMIT `+w.Bind("UInt64", uint64(limit+1)), w.Args, func(row driver.Rows) error {
		var d Delta
		var slot time.Time
		err := row.Scan(&d.Node, &d.Batch, &d.Indicator, &d.Group, &slot, &d.Bad, &d.Total)
		d.Slot = slot.Unix()
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(out) > limit {
		return nil, ErrBehind
	}
	return out, nil
}

// applied reports whether the journal has a batch.
func (s *Store) applied(ctx context.Context, node, batch uint64) (bool, error) {
	found := false
	err := sql.Scan(ctx, s.db, "batch of the SLO journal", `SELECT 1
FROM slo_journal
WHERE node = {node:UInt64} AND batch = {batch:UInt64}
LIMIT 1`, []any{clickhouse.Named("node", node), clickhouse.Named("batch", batch)}, func(driver.Rows) error {
		found = true
		return nil
	})
	return found, err
}
