package indicator

import (
	"context"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// block is a stretch of time with what the rollups know of its spans.
type block struct {
	start  int64         // Unix seconds
	spans  float64       // stored ones, of all services
	cost   time.Duration // of reading the events
	events float64       // as far as the rollups know the conditions
	bad    float64       // of these, alike
}

// What reading costs per span, measured: of all services for columns by which spans are passed over, and of what stands
// together with the service's for the other columns and for attributes.
const (
	passedCost     = 8 * time.Nanosecond
	readCost       = 25 * time.Nanosecond
	attributesCost = 200 * time.Nanosecond
)

// granule is how many spans the engine reads at once.
const granule = 8192

// costOf estimates what reading events of a service costs where there are so many spans, and so many of the service, in
// some slots. In each slot the service's spans stand together, but granules begin before and end behind them.
func costOf(spans, own float64, slots int, attributes bool) time.Duration {
	each := readCost
	if attributes {
		each = attributesCost
	}
	read := min(spans, own+2*granule*float64(slots))
	return time.Duration(spans*float64(passedCost) + read*float64(each))
}

// affordable is how many of the blocks, at least one, can be read in that time.
func affordable(blocks []block, budget time.Duration) int {
	for i, b := range blocks {
		if budget -= b.cost; budget < 0 && i > 0 {
			return i
		}
	}
	return len(blocks)
}

// surveyRange is a range in steps that are the blocks of a survey: five minutes, or beyond three days an hour.
func surveyRange(from, to time.Time) rollup.Range {
	r := rollup.Range{From: rollup.Floor(from, sli.Slot), To: rollup.Floor(to.Add(sli.Slot-1), sli.Slot), Step: rollup.Tier5m.Slice}
	if to.Sub(from) > 3*24*time.Hour {
		r.Step = rollup.Tier1h.Slice
	}
	return r
}

// survey returns the blocks of a range that have spans, the newest first, without what is known of events.
func survey(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, r rollup.Range) ([]block, error) {
	c, err := newConditions(ind, filter.OnSpans)
	if err != nil {
		return nil, err
	}
	var w sql.Where
	w.SliceRange(r.From, r.To)
	own := "service = " + w.Text(ind.Service)
	width := strconv.Itoa(int(r.Step / time.Second))
	statement := `
SELECT toInt64(intDiv(toUnixTimestamp(slice), ` + width + `) * ` + width + `) AS at, toFloat64(sum(spans)), toFloat64(sumIf(spans, ` + own + `))
FROM ` + rollup.Rows(&w, r, r.Tier()) + `
GROUP BY at
ORDER BY at DESC
LIMIT 20000`
	var list []block
	err = sql.Scan(ctx, db, "survey of spans", statement, w.Args, func(rows driver.Rows) error {
		var b block
		var own float64
		err := rows.Scan(&b.start, &b.spans, &own)
		b.cost = costOf(b.spans, own, int(r.Step/sli.Slot), c.attributes)
		list = append(list, b)
		return err
	})
	return list, err
}

// surveyEvents is survey with what the rollups know of the events of an indicator.
func surveyEvents(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, r rollup.Range) ([]block, error) {
	blocks, err := survey(ctx, db, ind, r)
	if err != nil {
		return nil, err
	}
	list, err := measures(ctx, db, ind, r, nil)
	if err != nil {
		return nil, err
	}
	limit := newBound(ind.Bad.Slower)
	byStart := make(map[int64]measure, len(list))
	for _, m := range list {
		byStart[m.start] = m
	}
	for i := range blocks {
		m := byStart[blocks[i].start]
		blocks[i].events, blocks[i].bad = m.total, m.likely(limit)
	}
	return blocks, nil
}
