package events

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/rollup"
)

// Finder hands out the time of a range in parts that are worth reading: what has the most bad events first, as far as the
// rollups know, and of equals the newest.
type Finder struct {
	r       rollup.Range // its steps are the blocks
	blocks  []Block      // not handed out yet
	total   float64      // weight of all
	started bool
}

// Find asks the rollups where bad events are. Time of which no spans are kept any more is left out.
func Find(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) (*Finder, error) {
	first, err := Oldest(ctx, db, "spans")
	if from = later(from, first); err != nil || first.IsZero() || !from.Before(to) {
		return &Finder{}, err
	}
	r := SurveyRange(from, to)
	blocks, err := surveyEvents(ctx, db, ind, r)
	return newFinder(r, blocks), err
}

func newFinder(r rollup.Range, blocks []Block) *Finder {
	f := &Finder{r: r, blocks: blocks}
	slices.SortFunc(f.blocks, func(a, b Block) int {
		return cmp.Or(cmp.Compare(b.bad, a.bad), cmp.Compare(b.Start, a.Start))
	})
	for _, b := range f.blocks {
		f.total += b.bad
	}
	return f
}

// Part is some of the time of a range.
type Part struct {
	from, to time.Time
	Slots    []uint32 // nil for all
	Covered  float64  // share of the range's bad events, as far as the rollups know of any
}

// Next returns the next part, of what can be read in about that time; ok is false after the last.
func (f *Finder) Next(from, to time.Time, budget time.Duration) (p Part, ok bool) {
	if len(f.blocks) == 0 {
		return Part{}, false
	}
	p = Part{from: from, to: to, Covered: 1}
	n := Affordable(f.blocks, budget)
	if f.started || n < len(f.blocks) {
		var starts []int64
		var bad float64
		for _, b := range f.blocks[:n] {
			starts, bad = append(starts, b.Start), bad+b.bad
		}
		p.Slots = slotsOf(starts, f.r.Step)
		if p.Covered = float64(n) / float64(len(f.blocks)); f.total > 0 {
			p.Covered = bad / f.total
		}
	}
	f.started, f.blocks = true, f.blocks[n:]
	return p, true
}

// slotsOf returns the slots of blocks.
func slotsOf(blocks []int64, length time.Duration) []uint32 {
	list := make([]uint32, 0, len(blocks)*int(length/sli.Slot))
	for _, b := range blocks {
		for at := b; at < b+int64(length/time.Second); at += int64(sli.Slot / time.Second) {
			list = append(list, uint32(at))
		}
	}
	return list
}

// Conditions are those of the indicator's events in the part.
func (p Part) Conditions(ind sli.Indicator) (*Conditions, error) {
	c, err := New(ind, filter.OnSpans)
	if err != nil {
		return nil, err
	}
	c.Between(p.from, p.to)
	if p.Slots != nil {
		c.Add("slice IN " + c.Slices(p.Slots))
	}
	return c, nil
}

// Oldest is the start of a table's first slice, the zero time when it is empty.
func Oldest(ctx context.Context, db *clickhouse.DB, table string) (time.Time, error) {
	var n uint64
	var at time.Time
	err := db.QueryRow(ctx, `
SELECT count(), min(slice)
FROM `+table+`
WHERE _partition_id =
(
  SELECT min(partition_id)
  FROM system.parts
  WHERE database = currentDatabase() AND table = {table:String} AND active
)`, clickhouse.Named("table", table)).Scan(&n, &at)
	if err != nil || n == 0 {
		if err != nil {
			err = fmt.Errorf("query oldest slice of %q: %w", table, err)
		}
		return time.Time{}, err
	}
	return at.UTC(), nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
