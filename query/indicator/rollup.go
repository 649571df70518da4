package indicator

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// measure is what the rollups know of a stretch of time.
type measure struct {
	start, length int64 // in Unix seconds and seconds
	total         float64
	bad           float64 // by other rules than duration
	above         float64 // slower for sure, of those that are not bad otherwise
	cut           float64 // in the bucket of the histogram that the bound cuts, alike
}

// bound is a duration on the scale of the histograms: the bucket that it cuts, and how much of that is above it.
type bound struct {
	bucket int
	share  float64
}

func newBound(d time.Duration) bound {
	if d <= 0 {
		return bound{}
	}
	b := bound{bucket: rollup.BucketOf(d)}
	if b.bucket > 0 {
		b.share = min(max(float64(b.bucket)-math.Log2(float64(d))*rollup.BucketsPerOctave, 0), 1)
	}
	if float64(d) == rollup.BucketBound(b.bucket) {
		b.share = 0
	}
	return b
}

// likely is the number of bad events: in the bucket that is cut, durations are taken to be spread evenly on its scale.
func (m measure) likely(b bound) float64 { return m.bad + m.above + m.cut*b.share }

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
	limit := newBound(ind.Bad.Slower)
	q := Quality{Source: FromRollups, From: r.From, Approximate: limit.share > 0}
	var list []measure
	for i, l := range levelsOf(to.Sub(from), ind.Bad.Slower > 0) {
		blocks := worst(list, r.Step, limit, l.worst)
		if i > 0 && len(blocks) == 0 {
			break
		}
		r.Step = l.tier.Slice
		read, err := measures(ctx, db, ind, r, blocks)
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
func badBetween(list []measure, limit bound) (low, high int64) {
	var sure, likely float64
	for _, m := range list {
		sure, likely = sure+m.bad+m.above, likely+m.bad+m.above
		if limit.share > 0 {
			likely += m.cut
		}
	}
	return int64(math.Round(sure)), int64(math.Round(likely))
}

// measures reads the rollups of a range in its steps, in order of time: all of it, or some blocks of one length.
func measures(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, r rollup.Range, blocks []measure) ([]measure, error) {
	c, err := newConditions(ind, filter.OnRollup)
	if err != nil {
		return nil, err
	}
	c.SliceRange(r.From, r.To)
	if len(blocks) > 0 {
		numbers := make([]uint32, len(blocks))
		for i, b := range blocks {
			numbers[i] = uint32(b.start / b.length)
		}
		c.Add("intDiv(toUnixTimestamp(slice), " + strconv.FormatInt(blocks[0].length, 10) + ") IN " + c.Slices(numbers))
	}
	above, cut := "toFloat64(0)", "toFloat64(0)"
	if ind.Bad.Slower > 0 {
		bucket := c.Bind("Int16", newBound(ind.Bad.Slower).bucket)
		above = "sumIf(arraySum((i, n) -> if(i > " + bucket + ", n, 0), latency.1, latency.2), NOT " + c.bad + ")"
		cut = "sumIf(arraySum((i, n) -> if(i = " + bucket + ", n, 0), latency.1, latency.2), NOT " + c.bad + ")"
	}
	width := strconv.Itoa(int(r.Step / time.Second))
	statement := `
SELECT toInt64(intDiv(toUnixTimestamp(slice), ` + width + `) * ` + width + `) AS at, sum(requests), sumIf(requests, ` + c.bad + `), ` + above + `, ` + cut + `
FROM ` + rollup.Rows(&c.Where, r, r.Tier()) + `
GROUP BY at
ORDER BY at
LIMIT ` + strconv.Itoa(maxRows)
	var list []measure
	err = sql.Scan(ctx, db, "rolled up events", statement, c.Args, func(rows driver.Rows) error {
		m := measure{length: int64(r.Step / time.Second)}
		err := rows.Scan(&m.start, &m.total, &m.bad, &m.above, &m.cut)
		list = append(list, m)
		return err
	})
	return list, err
}

// worst returns, of the blocks of a length, the n with the most bad events, and the first and the last one, which the range
// may cut.
func worst(list []measure, length time.Duration, limit bound, n int) []measure {
	list = slices.DeleteFunc(slices.Clone(list), func(m measure) bool { return m.length != int64(length/time.Second) })
	if len(list) <= n {
		return list
	}
	first, last := list[0].start, list[len(list)-1].start
	slices.SortFunc(list, func(a, b measure) int {
		return cmp.Or(cmp.Compare(b.likely(limit), a.likely(limit)), cmp.Compare(b.start, a.start))
	})
	for _, m := range list[n:] {
		if m.start == first || m.start == last {
			list = append(list[:n], m)
			n++
		}
	}
	return list[:n]
}

// refine puts what finer tiers have of blocks in their place. What they do not have any more stays as it is.
func refine(coarse, fine []measure) []measure {
	var out []measure
	for _, m := range coarse {
		n, sum := 0, 0.0
		for ; n < len(fine) && fine[n].start < m.start+m.length; n++ {
			sum += fine[n].total
		}
		if n > 0 && sum >= 0.99*m.total {
			out = append(out, fine[:n]...)
		} else {
			out = append(out, m)
		}
		fine = fine[n:]
	}
	return out
}

// spread makes slots of measures: longer ones evenly. It also returns how fine bad events are known.
func spread(r rollup.Range, list []measure, limit bound) ([]Slot, time.Duration) {
	const width = int64(sli.Slot / time.Second)
	resolution := width
	var out []Slot
	var bad, total rounder
	for _, m := range list {
		if m.likely(limit) > 0 {
			resolution = max(resolution, m.length)
		}
		first, last := max(m.start, r.From.Unix()), min(m.start+m.length, r.To.Unix())
		n := float64((last - first) / width)
		for at := first; at < last; at += width {
			s := Slot{Start: at, Total: total.next(m.total/n, math.MaxInt64)}
			if s.Bad = bad.next(m.likely(limit)/n, s.Total); s.Total > 0 {
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
