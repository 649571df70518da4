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
	start int64 // Unix seconds
	total float64
	bad   float64 // by other rules than duration
	above float64 // slower for sure, of those that are not bad otherwise
	cut   float64 // in the bucket of the histogram that the bound cuts, alike
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

const (
	blockLength = 5 * time.Minute // of what is read of the coarse tier
	maxRefined  = 300             // blocks of which the fine tier is read too
)

// previewRollups reads blocks of five minutes, and of those with the most bad events the slots.
func previewRollups(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) ([]Slot, Quality, error) {
	r := rollup.Range{From: rollup.Floor(from, sli.Slot), To: rollup.Floor(to.Add(sli.Slot-1), sli.Slot), Step: blockLength}
	blocks, err := measures(ctx, db, ind, r, nil)
	if err != nil {
		return nil, Quality{}, err
	}
	limit := newBound(ind.Bad.Slower)
	chosen := worst(blocks, limit, maxRefined)
	fine, err := measures(ctx, db, ind, r, chosen)
	if err != nil {
		return nil, Quality{}, err
	}
	list, resolution := assemble(r, blocks, fine, limit)
	q := Quality{Source: FromRollups, From: r.From, Resolution: resolution, Approximate: limit.share > 0}
	var low, high float64
	for _, m := range blocks {
		low, high = low+m.bad+m.above, high+m.bad+m.above
		if limit.share > 0 {
			high += m.cut
		}
	}
	q.BadLow, q.BadHigh = int64(math.Round(low)), int64(math.Round(high))
	return list, q, nil
}

// measures reads the rollups of a range, in order of time: in steps of its own, or, where blocks are given, the slots of
// those.
func measures(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, r rollup.Range, blocks []int64) ([]measure, error) {
	c, err := newConditions(ind, filter.OnRollup)
	if err != nil {
		return nil, err
	}
	c.SliceRange(r.From, r.To)
	step := int(r.Step / time.Second)
	var rows string
	if blocks == nil {
		rows = rollup.Rows(&c.Where, r, r.Tier())
	} else {
		c.Add("slice IN " + c.Slices(slotsOf(blocks, blockLength)))
		step = int(sli.Slot / time.Second)
		rows = "red_10s WHERE " + c.String()
	}
	above, cut := "toFloat64(0)", "toFloat64(0)"
	if ind.Bad.Slower > 0 {
		bucket := c.Bind("Int16", newBound(ind.Bad.Slower).bucket)
		above = "sumIf(arraySum((i, n) -> if(i > " + bucket + ", n, 0), latency.1, latency.2), NOT " + c.bad + ")"
		cut = "sumIf(arraySum((i, n) -> if(i = " + bucket + ", n, 0), latency.1, latency.2), NOT " + c.bad + ")"
	}
	width := strconv.Itoa(step)
	statement := `
SELECT toInt64(intDiv(toUnixTimestamp(slice), ` + width + `) * ` + width + `) AS at, sum(requests), sumIf(requests, ` + c.bad + `), ` + above + `, ` + cut + `
FROM ` + rows + `
GROUP BY at
ORDER BY at
LIMIT ` + strconv.Itoa(maxRows)
	var list []measure
	err = sql.Scan(ctx, db, "rolled up events", statement, c.Args, func(rows driver.Rows) error {
		var m measure
		err := rows.Scan(&m.start, &m.total, &m.bad, &m.above, &m.cut)
		list = append(list, m)
		return err
	})
	return list, err
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

// worst returns the starts of the n blocks with the most bad events, and of the first and the last ones, which the range
// may cut.
func worst(blocks []measure, limit bound, n int) []int64 {
	order := slices.Clone(blocks)
	slices.SortFunc(order, func(a, b measure) int {
		return cmp.Or(cmp.Compare(b.likely(limit), a.likely(limit)), cmp.Compare(b.start, a.start))
	})
	var list []int64
	for i, m := range order {
		if i < n || m.start == blocks[0].start || m.start == blocks[len(blocks)-1].start {
			list = append(list, m.start)
		}
	}
	return list
}

// assemble makes slots of blocks: those that the fine tier has, or else the block spread evenly. It also returns how fine
// bad events are known.
func assemble(r rollup.Range, blocks, fine []measure, limit bound) ([]Slot, time.Duration) {
	resolution := sli.Slot
	var out []Slot
	var bad, total rounder
	add := func(start int64, b, n float64) {
		s := Slot{Start: start, Total: total.next(n, math.MaxInt64)}
		if s.Bad = bad.next(b, s.Total); s.Total > 0 {
			out = append(out, s)
		}
	}
	for _, b := range blocks {
		end := b.start + int64(blockLength/time.Second)
		var part []measure
		var sum float64
		for len(fine) > 0 && fine[0].start < end {
			part, sum = append(part, fine[0]), sum+fine[0].total
			fine = fine[1:]
		}
		if sum >= 0.99*b.total {
			for _, m := range part {
				add(m.start, m.likely(limit), m.total)
			}
			continue
		}
		if b.likely(limit) > 0 {
			resolution = blockLength
		}
		first, last := max(b.start, r.From.Unix()), min(end, r.To.Unix())
		n := float64(last-first) / sli.Slot.Seconds()
		for at := first; at < last; at += int64(sli.Slot / time.Second) {
			add(at, b.likely(limit)/n, b.total/n)
		}
	}
	return out, resolution
}

// rounder makes whole numbers whose sums follow those of what they are made from.
type rounder struct{ rest float64 }

func (r *rounder) next(x float64, most int64) int64 {
	r.rest += x
	n := min(math.Floor(r.rest+0.5), float64(most))
	r.rest -= n
	return int64(n)
}
