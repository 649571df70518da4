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

// levelsOf are chosen for an answer in some 300 ms. The histograms of a month are too much in steps of five minutes.
func levelsOf(length time.Duration, durations bool) []level {
	switch {
	case length <= 2*time.Hour:
		return []level{{tier: rollup.Tier10s}}
	case length > 7*24*time.Hour && durations:
		return []level{{tier: rollup.Tier1h}, {rollup.Tier5m, 72}, {rollup.Tier10s, 72}}
	}
	return []level{{tier: rollup.Tier5m}, {rollup.Tier10s, 288}}
}

// previewRollups reads a coarse tier, and finer ones where the most bad events are.
func previewRollups(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) ([]Slot, Quality, error) {
	r := rollup.Range{From: rollup.Floor(from, sli.Slot), To: rollup.Floor(to.Add(sli.Slot-1), sli.Slot)}
	limit := events.NewBound(ind.Bad.Slower)
	q := Quality{Source: FromRollups, From: r.From, Approximate: limit.Share > 0}
	var list []events.Measure
	for i, l := range levelsOf(to.Sub(from), ind.Bad.Slower > 0) {
		blocks := worst(list, r.Step, limit, l.worst)
		if i > 0 && len(blocks) == 0 {
			break
		}
		r.Step = l.tier.Slice
		read, err := events.Measures(ctx, db, ind, r, blocks)
		if err != nil {
			return nil, q, err
		}
		if i > 0 {
			list = refine(list, read)
			continue
		}
		list = read
		q.BadLow, q.BadHigh = badBetween(list, limit)
	}
	slots, resolution := spread(r, list, limit)
	q.Resolution = resolution
	return slots, q, nil
}

// badBetween returns how many events are bad for sure, and how many may be.
func badBetween(list []events.Measure, limit events.Bound) (low, high int64) {
	var sure, likely float64
	for _, m := range list {
		sure, likely = sure+m.Bad+m.Above, likely+m.Bad+m.Above
		if limit.Share > 0 {
			likely += m.Cut
		}
	}
	return int64(math.Round(sure)), int64(math.Round(likely))
}

// worst returns, of the blocks of a length, the n with the most bad events, and the first and the last one, which the range
// may cut.
func worst(list []events.Measure, length time.Duration, limit events.Bound, n int) []events.Measure {
	list = slices.DeleteFunc(slices.Clone(list), func(m events.Measure) bool { return m.Length != int64(length/time.Second) })
	if len(list) <= n {
		return list
	}
	first, last := list[0].Start, list[len(list)-1].Start
	slices.SortFunc(list, func(a, b events.Measure) int {
		return cmp.Or(cmp.Compare(b.Likely(limit), a.Likely(limit)), cmp.Compare(b.Start, a.Start))
	})
	for _, m := range list[n:] {
		if m.Start == first || m.Start == last {
			list = append(list[:n], m)
			n++
		}
	}
	return list[:n]
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

// spread makes slots of measures: longer ones evenly. It also returns how fine bad events are known.
func spread(r rollup.Range, list []events.Measure, limit events.Bound) ([]Slot, time.Duration) {
	const width = int64(sli.Slot / time.Second)
	resolution := width
	var out []Slot
	var bad, total rounder
	for _, m := range list {
		if m.Likely(limit) > 0 {
			resolution = max(resolution, m.Length)
		}
		first, last := max(m.Start, r.From.Unix()), min(m.Start+m.Length, r.To.Unix())
		n := float64((last - first) / width)
		for at := first; at < last; at += width {
			s := Slot{Start: at, Total: total.next(m.Total/n, math.MaxInt64)}
			if s.Bad = bad.next(m.Likely(limit)/n, s.Total); s.Total > 0 {
				out = append(out, s)
			}
		}
	}
	return out, time.Duration(resolution) * time.Second
}

// rounder makes whole numbers whose sums follow those of what they are made from.
type rounder struct{ rest float64 }

func (r *rounder) next(x float64, most int64) int64 {
	r.rest += x
	n := min(math.Floor(r.rest+0.5), float64(most))
	r.rest -= n
	return int64(n)
}
