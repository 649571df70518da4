package indicator

import (
	"cmp"
	"context"
	"slices"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/rollup"
)

// finder hands out the time of a range in parts that are worth reading: what has the most bad events first, as far as the
// rollups know, and of equals the newest.
type finder struct {
	r       rollup.Range // its steps are the blocks
	blocks  []block      // not handed out yet
	total   float64      // weight of all
	started bool
}

// find asks the rollups where bad events are. Time of which no spans are kept any more is left out.
func find(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) (*finder, error) {
	first, err := oldest(ctx, db, "spans")
	if from = later(from, first); err != nil || first.IsZero() || !from.Before(to) {
		return &finder{}, err
	}
	r := surveyRange(from, to)
	blocks, err := surveyEvents(ctx, db, ind, r)
	return newFinder(r, blocks), err
}

func newFinder(r rollup.Range, blocks []block) *finder {
	f := &finder{r: r, blocks: blocks}
	slices.SortFunc(f.blocks, func(a, b block) int {
		return cmp.Or(cmp.Compare(b.bad, a.bad), cmp.Compare(b.start, a.start))
	})
	for _, b := range f.blocks {
		f.total += b.bad
	}
	return f
}

// part is some of the time of a range.
type part struct {
	from, to time.Time
	slots    []uint32 // nil for all
	covered  float64  // share of the range's bad events, as far as the rollups know of any
}

// next returns the next part, of what can be read in about that time; ok is false after the last.
func (f *finder) next(from, to time.Time, budget time.Duration) (p part, ok bool) {
	if len(f.blocks) == 0 {
		return part{}, false
	}
	p = part{from: from, to: to, covered: 1}
	n := affordable(f.blocks, budget)
	if f.started || n < len(f.blocks) {
		var starts []int64
		var bad float64
		for _, b := range f.blocks[:n] {
			starts, bad = append(starts, b.start), bad+b.bad
		}
		p.slots = slotsOf(starts, f.r.Step)
		if p.covered = float64(n) / float64(len(f.blocks)); f.total > 0 {
			p.covered = bad / f.total
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

// conditions are those of the indicator's events in the part.
func (p part) conditions(ind sli.Indicator) (*conditions, error) {
	c, err := newConditions(ind, filter.OnSpans)
	if err != nil {
		return nil, err
	}
	c.between(p.from, p.to)
	if p.slots != nil {
		c.Add("slice IN " + c.Slices(p.slots))
	}
	return c, nil
}
