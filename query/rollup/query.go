package rollup

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/filter"
	"loadline/query/sql"
)

// A Query is a question to the RED rollups.
type Query struct {
	Where sql.Where
	Keys  []string // what the answer has a row for each combination of; expressions of the product, never input

	r Range

	// coarsest is the widest slices that may be read: those of the range's own tier when the answer has a value per
	// step, any when it is one for the whole range.
	coarsest Tier
}

// Inbound returns a query bounded by the range and by sel, to inbound requests unless sel names others.
func Inbound(sel filter.Selector, r Range) (*Query, error) {
	q, err := AllKinds(sel, r)
	if err == nil && !sel.NamesKind() {
		q.Where.Add(filter.RollupInbound)
	}
	return q, err
}

// AllKinds is [Inbound] for spans of all kinds.
func AllKinds(sel filter.Selector, r Range) (*Query, error) {
	q := &Query{r: r, coarsest: Tier1h}
	q.Where.SliceRange(r.From, r.To)
	return q, sel.AddTo(&q.Where, filter.OnRollup)
}

// PerStep makes the number of the step the first key.
func (q *Query) PerStep(step time.Duration) {
	q.coarsest = q.r.Tier()
	q.Keys = append([]string{"toInt32(intDiv(toUnixTimestamp(slice) - " + q.Where.Bind("UInt32", uint32(q.r.From.Unix())) + ", " + q.Where.Bind("UInt32", uint32(step/time.Second)) + "))"}, q.Keys...)
}

// Rows is the SQL for the rows of the rollups that the question is about.
func (q *Query) Rows() string { return Rows(&q.Where, q.r, q.coarsest) }

// histograms is the SQL that returns, for each combination of keys, spans, requests, errors, duration and the latency
// histogram as RowBinary. The buckets are added up as rows (ARRAY JOIN), which costs half of what sumMap costs; the
// other columns count at the first bucket of their row only.
func (q *Query) histograms() string {
	var inner, outer []string
	for i, key := range q.Keys {
		name := "k" + strconv.Itoa(i)
		inner, outer = append(inner, key+" AS "+name), append(outer, name)
	}
	group := strings.Join(append(outer[:len(outer):len(outer)], "i"), ", ")
	inner = append(inner, "bucket AS i", "sum(count) AS n", "sumIf(spans, nth = 1) AS s", "sumIf(count, error) AS e", "sumIf(duration, nth = 1) AS d")
	byKeys := ""
	if len(outer) > 0 {
		byKeys = "\nGROUP BY " + strings.Join(outer, ", ")
	}
	columns := strings.Join(append(outer, "sum(s)", "sum(n)", "sum(e)", "sum(d)", "formatRow('RowBinary', groupArray((i, n)))"), ", ")
	return "SELECT " + columns + `
FROM
(
  SELECT ` + strings.Join(inner, ", ") + `
  FROM ` + q.Rows() + `
  ARRAY JOIN latency.1 AS bucket, latency.2 AS count, arrayEnumerate(latency.1) AS nth
  GROUP BY ` + group + `
)` + byKeys
}

// Sums is the SQL that returns aggregates without latency, which is the expensive column, for each combination of keys.
func (q *Query) Sums(aggregates ...string) string {
	columns := strings.Join(append(q.Keys[:len(q.Keys):len(q.Keys)], aggregates...), ", ")
	byKeys := ""
	if len(q.Keys) > 0 {
		byKeys = "\nGROUP BY " + strings.Join(q.Keys, ", ")
	}
	return "SELECT " + columns + `
FROM ` + q.Rows() + byKeys
}

// coarseLag is how far the coarse tiers may be behind red_10s: they are filled in steps of half a minute.
const coarseLag = 2 * time.Minute

// Rows is the SQL for rows of the rollups under the conditions of w, which bound the time to r. Whole slices of
// the coarser tiers, up to coarsest, stand for the time within r that they cover; the ends of r, and what the coarser
// tiers do not have yet, come from finer ones.
func Rows(w *sql.Where, r Range, coarsest Tier) string {
	type level struct{ table, inside string }
	levels := []level{{"red_10s", ""}}
	for _, t := range []Tier{Tier5m, Tier1h} {
		own := t == r.Tier()
		if t.Slice > coarsest.Slice || t.Slice < r.Tier().Slice || !own && r.To.Sub(r.From) < 4*t.Slice {
			continue
		}
		width := w.Bind("UInt32", uint32(t.Slice/time.Second))
		from := w.Bind("UInt32", uint32(Floor(r.From.Add(t.Slice-1), t.Slice).Unix()))
		to := w.Bind("UInt32", uint32(Floor(r.To, t.Slice).Unix()))
		complete := "intDiv(toUnixTimestamp(now()) - " + strconv.Itoa(int(coarseLag/time.Second)) + ", " + width + ") * " + width
		levels = append(levels, level{t.Table, "slice >= toDateTime(" + from + ", 'UTC') AND slice < toDateTime(least(" + to + ", " + complete + "), 'UTC')"})
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

// Scan runs the query and calls row for each of its rows after the keys are scanned.
func (q *Query) Scan(ctx context.Context, db *clickhouse.DB, what string, keys []any, row func(Measure)) error {
	var m Measure
	var blob string
	dest := slices.Concat(keys, []any{&m.Spans, &m.Requests, &m.Errors, &m.Duration, &blob})
	return sql.Scan(ctx, db, what, q.histograms(), q.Where.Args, func(rows driver.Rows) error {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		b := sql.NewBinary(blob)
		m.Latency = ReadHistogram(b)
		row(m)
		return b.Err()
	})
}
