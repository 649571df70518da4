package indicator

import (
	"context"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// block is a stretch of time with what the rollups know of its spans.
type block struct {
	start  int64   // Unix seconds
	spans  float64 // stored ones, of all services
	own    float64 // of the indicator's service
	events float64 // as far as the rollups know the conditions
	bad    float64 // of these, alike
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

// surveyRange is a range in steps that are the blocks of a survey: five minutes, or beyond three days an hour.
func surveyRange(from, to time.Time) rollup.Range {
	r := rollup.Range{From: rollup.Floor(from, sli.Slot), To: rollup.Floor(to.Add(sli.Slot-1), sli.Slot), Step: rollup.Tier5m.Slice}
	if to.Sub(from) > 3*24*time.Hour {
		r.Step = rollup.Tier1h.Slice
	}
	return r
}

// survey returns the blocks of a range that have spans, the newest first, without what is known of events.
func survey(ctx context.Context, db *clickhouse.DB, service string, r rollup.Range) ([]block, error) {
	var w sql.Where
	w.SliceRange(r.From, r.To)
	own := "service = " + w.Text(service)
	width := strconv.Itoa(int(r.Step / time.Second))
	statement := `
SELECT toInt64(intDiv(toUnixTimestamp(slice), ` + width + `) * ` + width + `) AS at, toFloat64(sum(spans)), toFloat64(sumIf(spans, ` + own + `))
FROM ` + rollup.Rows(&w, r, r.Tier()) + `
GROUP BY at
ORDER BY at DESC
LIMIT 20000`
	var list []block
	err := sql.Scan(ctx, db, "survey of spans", statement, w.Args, func(rows driver.Rows) error {
		var b block
		err := rows.Scan(&b.start, &b.spans, &b.own)
		list = append(list, b)
		return err
	})
	return list, err
}

// surveyEvents is survey with what the rollups know of the events of an indicator.
func surveyEvents(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, r rollup.Range) ([]block, error) {
	blocks, err := survey(ctx, db, ind.Service, r)
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
