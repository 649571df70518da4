package counts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/sql"
)

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

// attempts is how often a change is tried while other nodes make theirs.
const attempts = 20

// ErrOvertaken says that other nodes were faster each time. What was to be changed is as it was, or changed in part; call again.
var ErrOvertaken = errors.New("other nodes were faster")

// Replace makes the stored counts equal to the recounts: it stores the differences in all tiers and the journal, and
// returns how many slots were different. It may be repeated, stopped in the middle, and called by several nodes at once;
// what one of them has begun the next one ends. Slots that the write path counts must not be in it. Slots older than 34
// days are told apart by 5 minutes only: From and To of these are whole ones.
func (s *Store) Replace(ctx context.Context, now time.Time, recounts []Recount) (int, error) {
	if err := check(now, recounts); err != nil {
		return 0, fmt.Errorf("recount: %w", err)
	}
	s.plans.Lock()
	defer s.plans.Unlock()
	changed := 0
	for range attempts {
		last, err := s.settle(ctx, Recounted)
		if err != nil {
			return changed, fmt.Errorf("recount: %w", err)
		}
		deltas, err := s.difference(ctx, now, recounts)
		if err != nil || len(deltas) == 0 {
			return changed, wrap("recount", err)
		}
		p := newPlan(Recounted, max(last.batch+1, uint64(now.UnixMilli())), now, deltas)
		mine, err := s.change(ctx, p, last.batch)
		if mine {
			changed += len(deltas)
		}
		if err != nil || mine && len(deltas) < planDeltas {
			return changed, wrap("recount", err)
		}
		// It was another node's plan, after which the difference is another one.
	}
	return changed, fmt.Errorf("recount: %w %d times; it goes on when it is called again", ErrOvertaken, attempts)
}

// change proposes a plan, applies what is the newest one then, and reports whether it is this one.
func (s *Store) change(ctx context.Context, p plan, after uint64) (bool, error) {
	newest, err := s.propose(ctx, p, after)
	if err != nil {
		return false, err
	}
	if !slices.Equal(newest.deltas, p.deltas) {
		return false, nil
	}
	return true, s.apply(ctx, newest)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// check refuses recounts that would not be idempotent.
func check(now time.Time, recounts []Recount) error {
	sorted := slices.SortedFunc(slices.Values(recounts), func(a, b Recount) int {
		return cmp.Or(cmp.Compare(a.Indicator, b.Indicator), cmp.Compare(a.From, b.From))
	})
	for i, r := range sorted {
		if i > 0 && sorted[i-1].Indicator == r.Indicator && sorted[i-1].To > r.From {
			return fmt.Errorf("slots from %d on of indicator %d are there twice", r.From, r.Indicator)
		}
		for _, edge := range []int64{r.From, r.To} {
			unit := Tier10s
			if edge < coarse(now) {
				unit = Tier5m
			}
			if edge < 0 || unit.floor(edge) != edge {
				return fmt.Errorf("edge %d is no multiple of %d", edge, unit)
			}
		}
		for _, c := range r.Counts {
			if c.Slot < r.From || c.Slot >= r.To || Tier10s.floor(c.Slot) != c.Slot {
				return fmt.Errorf("slot %d is not one of %d to %d", c.Slot, r.From, r.To)
			}
		}
	}
	return nil
}

// Recounts of one query, and in all the slots that one plan holds; more would be slow to read back.
const (
	rangesPerQuery = 200
	planDeltas     = 500_000
)

// difference returns what has to be added to the stored counts to make them equal to the recounts.
func (s *Store) difference(ctx context.Context, now time.Time, recounts []Recount) ([]Delta, error) {
	edge := coarse(now)
	var all []Delta
	for _, r := range recounts {
		for _, c := range r.Counts {
			if c.Slot < edge {
				c.Slot = Tier5m.floor(c.Slot)
			}
			all = append(all, Delta{Indicator: r.Indicator, Group: c.Group, Slot: c.Slot, Bad: c.Bad, Total: c.Total})
		}
	}
	for part := range slices.Chunk(recounts, rangesPerQuery) {
		for _, t := range []Tier{Tier10s, Tier5m} {
			var err error
			if all, err = s.subtract(ctx, t, edge, part, all); err != nil {
				return nil, err
			}
		}
	}
	all = merge(all)
	// The first part of a large difference is a change like any other: the rest is the next difference.
	return all[:min(len(all), planDeltas)], nil
}

// subtract appends what a tier has of the recounts, with the opposite sign: the slots before the edge are those of 5
// minutes, those after it are of 10 seconds.
func (s *Store) subtract(ctx context.Context, t Tier, edge int64, recounts []Recount, to []Delta) ([]Delta, error) {
	var w sql.Where
	ranges := ""
	for _, r := range recounts {
		from, until := max(r.From, edge), r.To
		if t == Tier5m {
			from, until = r.From, min(r.To, edge)
		}
		if from < until {
			ranges += "\n    OR (indicator = " + w.Bind("UInt64", r.Indicator) + " AND slice >= " + w.Seconds(time.Unix(from, 0)) +
				" AND slice < " + w.Seconds(time.Unix(until, 0)) + ")"
		}
	}
	if ranges == "" {
		return to, nil
	}
	err := sql.Scan(ctx, s.db, "counts before a recount", `SELECT indicator, grp, slice, sum(bad) AS b, sum(total) AS t
FROM `+t.table()+`
WHERE 0`+ranges+`
GROUP BY indicator, grp, slice
HAVING b != 0 OR t != 0`, w.Args, func(row driver.Rows) error {
		var d Delta
		var slot time.Time
		err := row.Scan(&d.Indicator, &d.Group, &slot, &d.Bad, &d.Total)
		d.Slot, d.Bad, d.Total = slot.Unix(), -d.Bad, -d.Total
		to = append(to, d)
		return err
	})
	return to, err
}

// Insert stores computed counts as a batch of node [Computed], in all tiers and the journal. It does nothing if there is
// that batch or a later one, so that of several nodes one wins.
func (s *Store) Insert(ctx context.Context, now time.Time, batch uint64, deltas []Delta) error {
	s.plans.Lock()
	defer s.plans.Unlock()
	deltas = merge(slices.Clone(deltas))
	for range attempts {
		last, err := s.settle(ctx, Computed)
		if err != nil || last.batch >= batch || len(deltas) == 0 {
			return wrap("insert computed counts", err)
		}
		mine, err := s.change(ctx, newPlan(Computed, batch, now, deltas), last.batch)
		if err != nil || mine {
			return wrap("insert computed counts", err)
		}
	}
	return fmt.Errorf("insert computed counts: %w %d times; call it again", ErrOvertaken, attempts)
}
