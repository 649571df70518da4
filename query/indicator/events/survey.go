package events

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

// Block is a stretch of time with what the rollups know of its spans.
type Block struct {
	Start int64         // Unix seconds
	Spans float64       // stored ones, of all services
	Cost  time.Duration // of reading the events

	bad float64 // events, as far as the rollups know the conditions
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

// Affordable is how many of the blocks, at least one, can be read in that time.
func Affordable(blocks []Block, budget time.Duration) int {
	for i, b := range blocks {
		if budget -= b.Cost; budget < 0 && i > 0 {
			return i
		}
	}
	return len(blocks)
}

// SurveyRange is a range in steps that are the blocks of a survey: five minutes, or beyond three days an hour.
func SurveyRange(from, to time.Time) rollup.Range {
	r := rollup.Range{From: rollup.Floor(from, sli.Slot), To: rollup.Floor(to.Add(sli.Slot-1), sli.Slot), Step: rollup.Tier5m.Slice}
	if to.Sub(from) > 3*24*time.Hour {
		r.Step = rollup.Tier1h.Slice
	}
	return r
}

// Survey returns the blocks of a range that have spans, the newest first, without what is known of events.
func Survey(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, r rollup.Range) ([]Block, error) {
	c, err := New(ind, filter.OnSpans)
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
	var list []Block
	err = sql.Scan(ctx, db, "survey of spans", statement, w.Args, func(rows driver.Rows) error {
		var b Block
		var own float64
		err := rows.Scan(&b.Start, &b.Spans, &own)
		b.Cost = costOf(b.Spans, own, int(r.Step/sli.Slot), c.readsAttributes)
		list = append(list, b)
		return err
	})
	return list, err
}

// surveyEvents is Survey with what the rollups know of the events of an indicator.
func surveyEvents(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, r rollup.Range) ([]Block, error) {
	blocks, err := Survey(ctx, db, ind, r)
	if err != nil {
		return nil, err
	}
	list, err := Measures(ctx, db, ind, r, nil)
	if err != nil {
		return nil, err
	}
	limit := NewBound(ind.Bad.Slower)
	byStart := make(map[int64]Measure, len(list))
	for _, m := range list {
		byStart[m.Start] = m
	}
	for i := range blocks {
		blocks[i].bad = byStart[blocks[i].Start].Likely(limit)
	}
	return blocks, nil
}
