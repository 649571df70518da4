package counts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/sql"
	"loadline/slo/store/block"
)

// plan is a change of counts. Plans of a node are numbered upward and applied one after the other: the next one is made
// only when the one before is in all tables.
//
// To store a plan is to be the first: its token names the plan before it, so of several nodes that make the next plan at
// the same time one succeeds, the others' blocks are dropped, and they find the plan that won when they look. All that is
// inserted when it is applied has tokens made of its number, so that it does not matter how often and by whom that is
// done.
type plan struct {
	node, batch uint64
	done        bool
	at          time.Time // to the second
	deltas      []Delta   // of slots of 10 seconds, or of 5 minutes if they are older than the horizon
}

// newPlan makes a plan of deltas, whose node and batch become its.
func newPlan(node, batch uint64, now time.Time, deltas []Delta) plan {
	for i := range deltas {
		deltas[i].Node, deltas[i].Batch = node, batch
	}
	return plan{node: node, batch: batch, at: now, deltas: deltas}
}

// planVersions is how many versions of a row of slo_plans a plan has: as it was made, and done.
const planVersions = 2

// horizon is the age from which counts are told apart by 5 minutes only: the finest tier may have lost them.
const horizon = 34 * 24 * time.Hour

// coarse is the second before which slots are of 5 minutes.
func coarse(at time.Time) int64 { return Tier1h.floor(at.Add(-horizon).Unix()) }

// newest returns the newest plan of a node, whose batch is 0 if there is none.
func (s *Store) newest(ctx context.Context, node uint64) (plan, error) {
	p := plan{node: node}
	err := sql.Scan(ctx, s.db, "newest plan of counts", `SELECT batch, done, at, indicator, grp, slice, bad, total
FROM slo_plans
WHERE node = {node:UInt64}
ORDER BY version DESC
LIMIT 1`, []any{clickhouse.Named("node", node)}, func(row driver.Rows) error {
		var indicators []uint64
		var groups []string
		var slots []time.Time
		var bad, total []int64
		if err := row.Scan(&p.batch, &p.done, &p.at, &indicators, &groups, &slots, &bad, &total); err != nil {
			return err
		}
		p.deltas = make([]Delta, len(indicators))
		for i := range p.deltas {
			p.deltas[i] = Delta{node, p.batch, indicators[i], groups[i], slots[i].Unix(), bad[i], total[i]}
		}
		return nil
	})
	return p, err
}

// propose stores p as the plan after the given one and returns what is the newest plan then: p, or what another node has
// proposed.
func (s *Store) propose(ctx context.Context, p plan, after uint64) (plan, error) {
	// A node that dies while it stores a plan may leave the token without the plan. All that see this go on to the same next
	// token.
	for try := range 5 {
		if err := s.insertPlan(ctx, p, fmt.Sprintf("plan %d after %d, %d", p.node, after, try)); err != nil {
			return plan{}, err
		}
		newest, err := s.newest(ctx, p.node)
		if err != nil || newest.batch > after {
			return newest, err
		}
	}
	return plan{}, fmt.Errorf("store plan %d of counts: it does not appear", p.batch)
}

func (s *Store) insertPlan(ctx context.Context, p plan, token string) error {
	one, n := []plan{p}, len(p.deltas)
	version := p.batch * planVersions
	if p.done {
		version++
	}
	return block.Insert(ctx, s.db, "slo_plans", token, 1,
		block.UInt64("node", one, func(p *plan) uint64 { return p.node }),
		block.UInt64("version", one, func(*plan) uint64 { return version }),
		block.UInt64("batch", one, func(p *plan) uint64 { return p.batch }),
		block.Bool("done", one, func(p *plan) bool { return p.done }),
		block.Seconds("at", one, func(p *plan) int64 { return p.at.Unix() }),
		block.Array(n, block.UInt64("indicator", p.deltas, func(d *Delta) uint64 { return d.Indicator })),
		block.Array(n, block.String("grp", p.deltas, func(d *Delta) string { return d.Group })),
		block.Array(n, block.Seconds("slice", p.deltas, func(d *Delta) int64 { return d.Slot })),
		block.Array(n, block.Int64("bad", p.deltas, func(d *Delta) int64 { return d.Bad })),
		block.Array(n, block.Int64("total", p.deltas, func(d *Delta) int64 { return d.Total })),
	)
}

// settle applies what is left of the newest plan of a node and returns it.
func (s *Store) settle(ctx context.Context, node uint64) (plan, error) {
	p, err := s.newest(ctx, node)
	if err != nil {
		return p, err
	}
	done := p.done || p.batch == s.settled[node]
	if !done {
		// The tokens would do, if they were kept for ever.
		done, err = s.applied(ctx, p.node, p.batch)
	}
	if err == nil && !done {
		err = s.apply(ctx, p)
	}
	if err == nil {
		s.settled[node] = p.batch
	}
	return p, err
}

// apply inserts a plan into the tiers, then into the journal.
func (s *Store) apply(ctx context.Context, p plan) error {
	for _, t := range tiers {
		if err := s.insertTier(ctx, t, p); err != nil {
			return err
		}
	}
	if err := s.insertJournal(ctx, p); err != nil {
		return err
	}
	s.settled[p.node] = p.batch
	return nil
}

func (p *plan) token(part string) string { return fmt.Sprintf("plan %d-%d %s", p.node, p.batch, part) }

// insertTier inserts a plan's deltas into a tier, added up to its slots.
func (s *Store) insertTier(ctx context.Context, t Tier, p plan) error {
	from := int64(0)
	if t == Tier10s {
		from = coarse(p.at)
	}
	var rows []Delta
	for _, d := range p.deltas {
		if d.Slot >= from {
			d.Slot = t.floor(d.Slot)
			rows = append(rows, d)
		}
	}
	rows = merge(rows)
	return block.Insert(ctx, s.db, t.table(), p.token(t.table()), len(rows), columns(rows)...)
}

// merge puts deltas into the order of the tiers' primary key and adds up those of one slot.
func merge(deltas []Delta) []Delta {
	slices.SortFunc(deltas, func(a, b Delta) int {
		return cmp.Or(cmp.Compare(a.Indicator, b.Indicator), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Slot, b.Slot))
	})
	out := deltas[:0]
	for _, d := range deltas {
		if n := len(out) - 1; n >= 0 && out[n].Indicator == d.Indicator && out[n].Group == d.Group && out[n].Slot == d.Slot {
			out[n].Bad += d.Bad
			out[n].Total += d.Total
			continue
		}
		out = append(out, d)
	}
	return slices.DeleteFunc(out, func(d Delta) bool { return d.Bad == 0 && d.Total == 0 })
}

func columns(rows []Delta) []block.Column {
	return []block.Column{
		block.UInt64("indicator", rows, func(d *Delta) uint64 { return d.Indicator }),
		block.LowCardinality("grp", rows, func(d *Delta) string { return d.Group }),
		block.Seconds("slice", rows, func(d *Delta) int64 { return d.Slot }),
		block.Int64("bad", rows, func(d *Delta) int64 { return d.Bad }),
		block.Int64("total", rows, func(d *Delta) int64 { return d.Total }),
	}
}

// insertJournal inserts a plan's deltas into the journal. The time is the plan's, so that a repetition falls into the same
// partition.
func (s *Store) insertJournal(ctx context.Context, p plan) error {
	return block.Insert(ctx, s.db, "slo_journal", p.token("journal"), len(p.deltas), append(columns(p.deltas),
		block.UInt64("node", p.deltas, func(*Delta) uint64 { return p.node }),
		block.UInt64("batch", p.deltas, func(*Delta) uint64 { return p.batch }),
		block.Seconds("at", p.deltas, func(*Delta) int64 { return p.at.Unix() }),
	)...)
}

// Finish applies what a node that has ended left of Replace and Insert. Call it at start and about once a minute.
func (s *Store) Finish(ctx context.Context) error {
	s.plans.Lock()
	defer s.plans.Unlock()
	for node := range s.settled {
		p, err := s.settle(ctx, uint64(node))
		if err == nil && !p.done && p.batch > 0 {
			// From now on that need not be asked of the journal, which forgets.
			p.done, p.deltas = true, nil
			err = s.insertPlan(ctx, p, p.token("done"))
		}
		if err != nil {
			return fmt.Errorf("finish a change of counts: %w", err)
		}
	}
	return nil
}

// Quiet calls fn while no change by Replace and Insert is under way, so that what fn reads of the tiers is what the journal
// says. It reports false if another node has made one meanwhile: fn has to be repeated then. Changes of this store wait.
func (s *Store) Quiet(ctx context.Context, fn func() error) (bool, error) {
	s.plans.Lock()
	defer s.plans.Unlock()
	for node := range s.settled {
		if _, err := s.settle(ctx, uint64(node)); err != nil {
			return false, fmt.Errorf("finish a change of counts: %w", err)
		}
	}
	before := s.settled
	if err := fn(); err != nil {
		return false, err
	}
	for node, batch := range before {
		after, err := s.newest(ctx, uint64(node))
		if err != nil || after.batch != batch {
			return false, err
		}
	}
	return true, nil
}
