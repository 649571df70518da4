package indicator

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/indicator/events"
	"loadline/query/rollup"
)

// level is a tier that a preview reads of a range: all of it of the first, of the others the times with the most bad
// events.
type level struct {
	tier  rollup.Tier
	worst int // blocks of the level before
}

// levelsOf are chosen for an answer in some 300 ms. The histograms of a month are too much in steps of five minutes. The
// first level is one that is kept for the whole range; all of a day is read of the others too, where they are kept.
func levelsOf(r rollup.Range, since10s, since5m, since1h time.Time, durations bool) []level {
	length := r.To.Sub(r.From)
	kept := func(since time.Time) bool {
		return !since.IsZero() && (!r.From.Before(since) || since.Before(since1h.Add(rollup.Tier1h.Slice)))
	}
	fine := level{rollup.Tier10s, 288}
	if durations && length > 7*24*time.Hour {
		fine.worst = 72
	}
	switch {
	case length <= 2*time.Hour && kept(since10s):
		return []level{{tier: rollup.Tier10s}}
	case fine.worst == 288 && length <= 35*24*time.Hour && kept(since5m):
		return []level{{tier: rollup.Tier5m}, fine}
	}
	return []level{{tier: rollup.Tier1h}, {rollup.Tier5m, 72}, fine}
}

// previewRollups reads a coarse tier, and finer ones where the most bad events are.
func previewRollups(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) ([]Slot, Quality, error) {
	asked := rollup.Range{From: rollup.Floor(from, sli.Slot), To: rollup.Floor(to.Add(sli.Slot-1), sli.Slot)}
	limit := events.NewBound(ind.Bad.Slower)
	q := Quality{Source: FromRollups, From: asked.From, Approximate: limit.Share > 0}
	var since [3]time.Time
	for i, tier := range []rollup.Tier{rollup.Tier10s, rollup.Tier5m, rollup.Tier1h} {
		var err error
		if since[i], err = events.Oldest(ctx, db, tier.Table); err != nil {
			return nil, q, err
		}
	}
	levels := levelsOf(asked, since[0], since[1], since[2], ind.Bad.Slower > 0)
	// Blocks are read as a whole, also those that the range cuts: perhaps nothing finer is kept of them.
	block := levels[0].tier.Slice
	r := rollup.Range{From: rollup.Floor(asked.From, block), To: rollup.Floor(asked.To.Add(block-1), block), Step: block}
	list, err := events.Measures(ctx, db, ind, r, nil)
	if err != nil {
		return nil, q, err
	}
	for _, l := range levels[1:] {
		blocks := worst(list, r.Step, limit, l.worst)
		if len(blocks) == 0 {
			break
		}
		r.Step = l.tier.Slice
		fine, err := events.Measures(ctx, db, ind, r, blocks)
		if err != nil {
			return nil, q, err
		}
		list = refine(list, fine)
	}
	q.BadLow, q.BadHigh = badBetween(asked, list, limit)
	slots, resolution := spread(asked, list, limit)
	q.Resolution = resolution
	return slots, q, nil
}

// inside is how much of a measure is inside of a range, from 0 to 1.
func inside(r rollup.Range, m events.Measure) float64 {
	first, last := max(m.Start, r.From.Unix()), min(m.Start+m.Length, r.To.Unix())
	return float64(max(last-first, 0)) / float64(m.Length)
}

// badBetween returns how many events of a range are bad for sure, and how many may be.
func badBetween(r rollup.Range, list []events.Measure, limit events.Bound) (low, high int64) {
	var sure, perhaps float64
	for _, m := range list {
		share := inside(r, m)
		sure += share * (m.Bad + m.Above)
		if limit.Share > 0 {
			perhaps += share * m.Cut
		}
	}
	return int64(math.Floor(sure + 0.5)), int64(math.Ceil(sure + perhaps - 0.5))
}

// worst returns, of the blocks of a length, the n with the most bad events, and before them the first and the last one,
// which the range may cut.
func worst(list []events.Measure, length time.Duration, limit events.Bound, n int) []events.Measure {
	list = slices.DeleteFunc(slices.Clone(list), func(m events.Measure) bool { return m.Length != int64(length/time.Second) })
	if len(list) <= n {
		return list
	}
	first, last := list[0].Start, list[len(list)-1].Start
	badness := func(m events.Measure) float64 {
		if m.Start == first || m.Start == last {
			return math.Inf(1)
		}
		return m.Likely(limit)
	}
	slices.SortFunc(list, func(a, b events.Measure) int {
		return cmp.Or(cmp.Compare(badness(b), badness(a)), cmp.Compare(b.Start, a.Start))
	})
	return list[:min(len(list), n+2)]
}

// refine puts what finer tiers have of blocks in their place. What they do not have any more stays as it is.
func refine(coarse, fine []events.Measure) []events.Measure {
	var out []events.Measure
	for _, m := range coarse {
		n, sum := 0, 0.0
		for ; n < len(fine) && fine[n].Start < m.Start+m.Length; n++ {
			sum += fine[n].Total
		}
		if n > 0 && sum >= 0.99*m.Total {
			out = append(out, fine[:n]...)
		} else {
			out = append(out, m)
		}
		fine = fine[n:]
	}
	return out
}

// spread makes slots of measures, longer ones evenly, and keeps those of the range. It also returns how fine bad events
// are known. Five minutes, and what is longer, make the same slots whatever range asks.
func spread(r rollup.Range, list []events.Measure, limit events.Bound) ([]Slot, time.Duration) {
	const width, block = int64(sli.Slot / time.Second), int64(5 * time.Minute / time.Second)
	resolution := width
	var out []Slot
	var bad, total rounder
	current := int64(-1)
	for _, m := range list {
		if start := m.Start / block; start != current {
			current = start
			bad, total = newRounder(start), newRounder(start)
		}
		if m.Likely(limit) > 0 && inside(r, m) > 0 {
			resolution = max(resolution, m.Length)
		}
		n := float64(m.Length / width)
		for at := m.Start; at < m.Start+m.Length; at += width {
			s := Slot{Start: at, Total: total.next(m.Total/n, math.MaxInt64)}
			s.Bad = bad.next(m.Likely(limit)/n, s.Total)
			if s.Total > 0 && at >= r.From.Unix() && at < r.To.Unix() {
				out = append(out, s)
			}
		}
	}
	return out, time.Duration(resolution) * time.Second
}

// rounder makes whole numbers whose sums follow those of what they are made from. It begins with a rest that does not
// favour rounding up or down.
type rounder struct{ rest float64 }

func newRounder(seed int64) rounder { return rounder{uniform(seed)} }

func (r *rounder) next(x float64, most int64) int64 {
	r.rest += x
	n := min(math.Floor(r.rest+1e-9), float64(most))
	r.rest -= n
	return int64(n)
}
