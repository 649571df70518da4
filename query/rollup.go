package query

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A rollupQuery is a question to the RED rollups. Its keys are expressions of this package, never input.
type rollupQuery struct {
	r     Range
	where where
	keys  []string

	// coarsest is the widest slices that may be read: those of the range's own tier when the answer has a value per
	// step, any when it is one for the whole range.
	coarsest tier
}

// newRollupQuery bounds a question by the range and by sel, to inbound requests unless sel names others.
func newRollupQuery(sel Selector, r Range) (*rollupQuery, error) {
	q, err := newAnyRollupQuery(sel, r)
	if err == nil {
		q.where.inbound(sel, onRollup)
	}
	return q, err
}

// newAnyRollupQuery is newRollupQuery for spans of all kinds.
func newAnyRollupQuery(sel Selector, r Range) (*rollupQuery, error) {
	q := &rollupQuery{r: r, coarsest: tier1h}
	q.where.sliceRange(r)
	return q, q.where.selector(sel, onRollup)
}

// perStep makes the number of the step the first key.
func (q *rollupQuery) perStep(step time.Duration) {
	q.coarsest = q.r.tier()
	q.keys = append([]string{"toInt32(intDiv(toUnixTimestamp(slice) - " + q.where.bind("UInt32", uint32(q.r.From.Unix())) + ", " + q.where.bind("UInt32", uint32(step/time.Second)) + "))"}, q.keys...)
}

// rows is the SQL for the rows of the rollups that the question is about.
func (q *rollupQuery) rows() string { return q.where.rollupRows(q.r, q.coarsest) }

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
  FROM ` + q.rows() + `
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
FROM ` + q.rows() + byKeys
}

// coarseLag is how far the coarse tiers may be behind red_10s: they are filled in steps of half a minute.
const coarseLag = 2 * time.Minute

// rollupRows is the SQL for rows of the rollups under the conditions of w, which bound the time to r. Whole slices of
// the coarser tiers, up to coarsest, stand for the time within r that they cover; the ends of r, and what the coarser
// tiers do not have yet, come from finer ones.
func (w *where) rollupRows(r Range, coarsest tier) string {
	type level struct{ table, inside string }
	levels := []level{{"red_10s", ""}}
	for _, t := range []tier{tier5m, tier1h} {
		own := t == r.tier()
		if t.slice > coarsest.slice || t.slice < r.tier().slice || !own && r.To.Sub(r.From) < 4*t.slice {
			continue
		}
		width := w.bind("UInt32", uint32(t.slice/time.Second))
		from := w.bind("UInt32", uint32(floorTime(r.From.Add(t.slice-1), t.slice).Unix()))
		to := w.bind("UInt32", uint32(floorTime(r.To, t.slice).Unix()))
		complete := "intDiv(toUnixTimestamp(now()) - " + strconv.Itoa(int(coarseLag/time.Second)) + ", " + width + ") * " + width
		levels = append(levels, level{t.table, "slice >= toDateTime(" + from + ", 'UTC') AND slice < toDateTime(least(" + to + ", " + complete + "), 'UTC')"})
	}
	var parts []string
	for i, l := range levels {
		condition := w.String()
		if l.inside != "" {
			condition += " AND " + l.inside
		}
		if i+1 < len(levels) {
			condition += " AND NOT (" + levels[i+1].inside + ")"
		}
		parts = append(parts, "SELECT * FROM "+l.table+" WHERE "+condition)
	}
	return "(" + strings.Join(parts, "\n  UNION ALL\n  ") + ")"
}

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
