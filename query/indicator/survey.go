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
	start  int64   // Unix seconds
	spans  float64 // stored ones, of all services
	own    float64 // of the indicator's service
	events float64 // of these, as far as the rollups know the conditions
	bad    float64 // events that are bad, alike and without durations
}

// What reading spans costs, measured on the demo: spans of other services are mostly passed over by their column service,
// those of the service are looked at.
const (
	spanPassed = 8 * time.Nanosecond
	spanRead   = 600 * time.Nanosecond
)

func (b block) cost() time.Duration {
	return time.Duration(b.spans*float64(spanPassed) + b.own*float64(spanRead))
}

func costOf(blocks []block) time.Duration {
	var sum time.Duration
	for _, b := range blocks {
		sum += b.cost()
	}
	return sum
}

// affordable is how many of the blocks, at least one, can be read in that time.
func affordable(blocks []block, budget time.Duration) int {
	for i, b := range blocks {
		if budget -= b.cost(); budget < 0 && i > 0 {
			return i
		}
	}
	return len(blocks)
}

// surveyed is the range up to which blocks are of five minutes. They are of an hour beyond.
const surveyed = 3 * 24 * time.Hour

// survey returns the blocks of a range that have spans, the newest first.
func survey(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) ([]block, error) {
	c, err := newConditions(ind, filter.OnRollup)
	if err != nil {
		return nil, err
	}
	tier := rollup.Tier5m
	if to.Sub(from) > surveyed {
		tier = rollup.Tier1h
	}
	service := "service = " + c.Text(ind.Service)
	rows := sql.Where{Args: c.Args}
	r := rollup.Range{From: rollup.Floor(from, sli.Slot), To: rollup.Floor(to.Add(sli.Slot-1), sli.Slot), Step: tier.Slice}
	rows.SliceRange(r.From, r.To)
	source := rollup.Rows(&rows, r, tier)
	width := strconv.Itoa(int(tier.Slice / time.Second))
	matches := "(" + c.String() + ")"
	statement := `
SELECT toInt64(intDiv(toUnixTimestamp(slice), ` + width + `) * ` + width + `) AS at, toFloat64(sum(spans)), toFloat64(sumIf(spans, ` + service + `)),
       sumIf(requests, ` + matches + `), sumIf(requests, ` + matches + ` AND ` + c.bad + `)
FROM ` + source + `
GROUP BY at
ORDER BY at DESC
LIMIT 20000`
	var list []block
	err = sql.Scan(ctx, db, "survey of spans", statement, rows.Args, func(rows driver.Rows) error {
		var b block
		err := rows.Scan(&b.start, &b.spans, &b.own, &b.events, &b.bad)
		list = append(list, b)
		return err
	})
	return list, err
}
