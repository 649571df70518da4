package events

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// Measure is what the rollups know of a stretch of time.
type Measure struct {
	Start, Length int64   // in Unix seconds and seconds
	Total         float64 // events
	Bad           float64 // by other rules than duration
	Above         float64 // slower for sure, of those that are not bad otherwise
	Cut           float64 // in the bucket of the histogram that the bound cuts, alike
}

// Bound is a duration on the scale of the histograms: the bucket that it cuts, and how much of that is above it.
type Bound struct {
	Bucket int
	Share  float64
}

// NewBound returns the bound of a duration. It cuts no bucket when it is the end of one.
func NewBound(d time.Duration) Bound {
	if d <= 0 {
		return Bound{}
	}
	b := Bound{Bucket: rollup.BucketOf(d)}
	if b.Bucket > 0 {
		b.Share = min(max(float64(b.Bucket)-math.Log2(float64(d))*rollup.BucketsPerOctave, 0), 1)
	}
	if float64(d) == rollup.BucketBound(b.Bucket) {
		b.Share = 0
	}
	return b
}

// Likely is the number of bad events: in the bucket that is cut, durations are taken to be spread evenly on its scale.
func (m Measure) Likely(b Bound) float64 { return m.Bad + m.Above + m.Cut*b.Share }

// maxMeasures is the most rows of an answer.
const maxMeasures = 1_000_000

// Measures reads the rollups of a range in its steps, in order of time: all of it, or some blocks of one length.
func Measures(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, r rollup.Range, blocks []Measure) ([]Measure, error) {
	c, err := New(ind, filter.OnRollup)
	if err != nil {
		return nil, err
	}
	c.SliceRange(r.From, r.To)
	if len(blocks) > 0 {
		numbers := make([]uint32, len(blocks))
		for i, b := range blocks {
			numbers[i] = uint32(b.Start / b.Length)
		}
		c.Add("intDiv(toUnixTimestamp(slice), " + strconv.FormatInt(blocks[0].Length, 10) + ") IN " + c.Slices(numbers))
	}
	above, cut := "toFloat64(0)", "toFloat64(0)"
	if ind.Bad.Slower > 0 {
		bucket := c.Bind("Int16", NewBound(ind.Bad.Slower).Bucket)
		above = "sumIf(arraySum((i, n) -> if(i > " + bucket + ", n, 0), latency.1, latency.2), NOT " + c.Bad + ")"
		cut = "sumIf(arraySum((i, n) -> if(i = " + bucket + ", n, 0), latency.1, latency.2), NOT " + c.Bad + ")"
	}
	width := strconv.Itoa(int(r.Step / time.Second))
	statement := `
SELECT toInt64(intDiv(toUnixTimestamp(slice), ` + width + `) * ` + width + `) AS at, sum(requests), sumIf(requests, ` + c.Bad + `), ` + above + `, ` + cut + `
FROM ` + rollup.Rows(&c.Where, r, r.Tier()) + `
GROUP BY at
ORDER BY at
LIMIT ` + strconv.Itoa(maxMeasures)
	var list []Measure
	err = sql.Scan(ctx, db, "rolled up events", statement, c.Args, func(rows driver.Rows) error {
		m := Measure{Length: int64(r.Step / time.Second)}
		err := rows.Scan(&m.Start, &m.Total, &m.Bad, &m.Above, &m.Cut)
		list = append(list, m)
		return err
	})
	return list, err
}
