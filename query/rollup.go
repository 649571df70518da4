package query

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A rollupQuery is a question to one RED rollup. Its keys are expressions of this package, never input.
type rollupQuery struct {
	tier  tier
	where where
	keys  []string
}

// newRollupQuery bounds a question by the range and by sel, to inbound requests unless sel names others.
func newRollupQuery(sel Selector, r Range) (*rollupQuery, error) {
	q := &rollupQuery{tier: r.tier()}
	q.where.sliceRange(r)
	if err := q.where.selector(sel, onRollup); err != nil {
		return nil, err
	}
	q.where.inbound(sel, onRollup)
	return q, nil
}

// stepKey is the number of the step that a slice is in.
func stepKey(r Range, step time.Duration) string {
	return fmt.Sprintf("toInt32(intDiv(toUnixTimestamp(slice) - %d, %d))", r.From.Unix(), int64(step/time.Second))
}

// histograms is the SQL that returns, for each combination of keys, spans, requests, errors, duration and the latency
// histogram as RowBinary. The buckets are added up as rows (ARRAY JOIN), which costs half of what sumMap costs; the
// other columns count at the first bucket of their row only.
func (q *rollupQuery) histograms() string {
	var inner, outer []string
	for i, key := range q.keys {
		name := "k" + strconv.Itoa(i)
		inner, outer = append(inner, key+" AS "+name), append(outer, name)
	}
	group := strings.Join(append(outer[:len(outer):len(outer)], "i"), ", ")
	inner = append(inner, "bucket AS i", "sum(count) AS n", "sumIf(spans, nth = 1) AS s", "sumIf(count, error) AS e", "sumIf(duration, nth = 1) AS d")
	byKeys := ""
	if len(outer) > 0 {
		byKeys = "\nGROUP BY " + strings.Join(outer, ", ")
	}
	columns := strings.Join(append(outer, "sum(s)", "sum(n)", "sum(e)", "sum(d)", "formatRowNoNewline('RowBinary', groupArray((i, n)))"), ", ")
	return "SELECT " + columns + `
FROM
(
  SELECT ` + strings.Join(inner, ", ") + `
  FROM ` + q.tier.rows(&q.where) + `
  ARRAY JOIN latency.1 AS bucket, latency.2 AS count, arrayEnumerate(latency.1) AS nth
  GROUP BY ` + group + `
)` + byKeys
}

// sums is the SQL that returns aggregates without latency, which is the expensive column, for each combination of keys.
func (q *rollupQuery) sums(aggregates ...string) string {
	columns := strings.Join(append(q.keys[:len(q.keys):len(q.keys)], aggregates...), ", ")
	byKeys := ""
	if len(q.keys) > 0 {
		byKeys = "\nGROUP BY " + strings.Join(q.keys, ", ")
	}
	return "SELECT " + columns + `
FROM ` + q.tier.rows(&q.where) + byKeys
}

// rows is the SQL for the rows of a tier under the conditions of w, which bound the time. The coarse tiers are filled
// half a minute behind, so their newest slices come from red_10s; for ranges that ended before, that part is empty.
func (t tier) rows(w *where) string {
	if t == tier10s {
		return "(SELECT * FROM red_10s WHERE " + w.String() + ")"
	}
	newest := fmt.Sprintf("toDateTime(intDiv(toUnixTimestamp(now()) - %d, %d) * %[2]d, 'UTC')", int64(coarseLag/time.Second), int64(t.slice/time.Second))
	return "(SELECT * FROM " + t.table + " WHERE " + w.String() + " AND slice < " + newest +
		" UNION ALL SELECT * FROM red_10s WHERE " + w.String() + " AND slice >= " + newest + ")"
}

// coarseLag is how far the coarse tiers may be behind red_10s.
const coarseLag = 2 * time.Minute

// A measure is what a row of [rollupQuery.histograms] holds besides its keys.
type measure struct {
	spans                      uint64
	requests, errors, duration float64
	latency                    Histogram
}

// scanMeasures runs the query and calls row for each of its rows after the keys are scanned.
func (s *Store) scanMeasures(ctx context.Context, what string, q *rollupQuery, keys []any, row func(measure)) error {
	var m measure
	var blob string
	dest := append(keys[:len(keys):len(keys)], &m.spans, &m.requests, &m.errors, &m.duration, &blob)
	return s.scan(ctx, what, q.histograms(), q.where.args, func(rows driver.Rows) error {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		b := rowBinary{rest: blob}
		m.latency = b.histogram()
		row(m)
		return b.err
	})
}

// totals returns the RED numbers of the whole range.
func (s *Store) totals(ctx context.Context, sel Selector, r Range) (Totals, error) {
	q, err := newRollupQuery(sel, r)
	if err != nil {
		return Totals{}, err
	}
	var sum accumulator
	err = s.scanMeasures(ctx, "totals", q, nil, func(m measure) { sum.add(m) })
	return sum.totals(r.Covered()), err
}

// An accumulator adds up measures. Its buckets are an array, because adding many sparse histograms that way costs a
// few nanoseconds a bucket.
type accumulator struct {
	measure
	counts [buckets]float64
}

// buckets is more than the bucket of the longest duration, 2^63 ns.
const buckets = 64*bucketsPerOctave + 1

func (a *accumulator) add(m measure) {
	a.spans += m.spans
	a.requests += m.requests
	a.errors += m.errors
	a.duration += m.duration
	a.addHistogram(m.latency)
}

func (a *accumulator) addHistogram(h Histogram) {
	for i, index := range h.Index {
		a.counts[min(max(int(index), 0), buckets-1)] += h.Count[i]
	}
}

func (a *accumulator) histogram() Histogram {
	var h Histogram
	for i, n := range a.counts {
		if n != 0 {
			h.Index, h.Count = append(h.Index, int16(i)), append(h.Count, n)
		}
	}
	return h
}

func (a *accumulator) totals(covered time.Duration) Totals {
	a.latency = a.histogram()
	return a.measure.totals(covered)
}

func (m measure) totals(covered time.Duration) Totals {
	t := Totals{Requests: m.requests, Errors: m.errors, Spans: m.spans}
	if m.requests <= 0 {
		return t
	}
	if covered > 0 {
		t.RequestRate = m.requests / covered.Seconds()
	}
	t.ErrorRate = m.errors / m.requests
	t.Mean = time.Duration(m.duration / m.requests)
	t.P50, t.P90 = m.latency.Quantile(0.5), m.latency.Quantile(0.9)
	t.P95, t.P99 = m.latency.Quantile(0.95), m.latency.Quantile(0.99)
	return t
}
