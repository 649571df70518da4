package red

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/internal/schema"
	"loadline/query/promql/series"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// entry is what happened in a cell of a series.
type entry struct {
	cell       int
	count, sum float64
	latency    rollup.Histogram
}

// selectFamily reads the series of a family and makes samples of them.
func (v *Metrics) selectFamily(ctx context.Context, metric string, f *family, q question, matchers []*labels.Matcher) ([]*series.Series, error) {
	now := v.now()
	g := newGrid(q, f.unitAt(q, now), now.UnixMilli())
	if g.cells == 0 {
		return nil, nil
	}
	jobs, err := v.jobsFor(ctx, f)
	if err != nil {
		return nil, err
	}
	var w sql.Where
	statement := f.statement(&w, g, jobs, matchers)
	var out []*series.Series
	values := 0
	total := newCumulative(v.bounds)
	err = f.scan(ctx, v, metric, statement, w.Args, jobs, func(name labels.Labels, blob string) error {
		if !matches(name, matchers) {
			return nil
		}
		entries, err := f.entries(blob)
		if err != nil {
			return err
		}
		s := &series.Series{Name: name}
		values += f.fill(s, g, entries, total)
		if values > maxValues || len(out) >= maxSeries {
			return errTooMany
		}
		if len(s.Column.T)+len(s.Histograms) > 0 {
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

// unitAt is the width of the finest slices that are kept since the start of the question, unless windows are too narrow
// for it.
func (f *family) unitAt(q question, now time.Time) int64 {
	unit := f.unit
	if unit != 10*second {
		return unit
	}
	for _, tier := range []struct{ kept, unit int64 }{{schema.Keep10s.Milliseconds(), 5 * minute}, {schema.Keep5m.Milliseconds(), hour}} {
		if q.start < now.UnixMilli()-tier.kept && (q.window == 0 || q.window >= 2*tier.unit) {
			unit = tier.unit
		}
	}
	return unit
}

// statement is the SQL that returns the columns of every series, and its cells as RowBinary.
func (f *family) statement(w *sql.Where, g grid, jobs map[resource]string, matchers []*labels.Matcher) string {
	from, to := time.UnixMilli(g.base), time.UnixMilli(g.point(g.cells))
	w.SliceRange(from, to)
	f.pushAll(w, jobs, matchers)
	position := "(toInt64(toUnixTimestamp(slice)) - " + w.Bind("Int64", g.base/second) + ")"
	if g.gaps() {
		w.Add("modulo(" + position + ", " + w.Bind("Int64", g.step/second) + ") < " + w.Bind("Int64", g.window/second))
	}
	cell := "toUInt64(intDiv(" + position + ", " + w.Bind("Int64", g.cell/second) + ") + 1) AS cell"
	slice := time.Duration(gcd(g.cell, gcd(g.base, hour))) * time.Millisecond
	rows := f.rows(w, from, to, slice)
	values, entry := f.count+" AS n", "cell, n"
	if f.latency != "" {
		values += ", " + f.duration + " AS d, " + f.latency + " AS l"
		entry += ", d, arrayZip(l.1, l.2)"
	}
	return "SELECT " + keys(f.columns) + ", formatRowNoNewline('RowBinary', groupArray((" + entry + `)))
FROM
(
  SELECT ` + expressions(f.columns) + ", " + cell + ", " + values + `
  FROM ` + rows + `
  GROUP BY ` + keys(f.columns) + `, cell
)
GROUP BY ` + keys(f.columns)
}

// pushAll adds the conditions of the matchers that speak of columns.
func (f *family) pushAll(w *sql.Where, jobs map[resource]string, matchers []*labels.Matcher) {
	for _, m := range matchers {
		if f.job && m.Name == "job" {
			pushJob(w, jobs, m)
			continue
		}
		push(w, f.columns, m)
		if f.job && onlyInbound(m) {
			w.Add("inbound")
		}
	}
}

// onlyInbound says whether a matcher selects kinds that are inbound requests all, which stand together.
func onlyInbound(m *labels.Matcher) bool {
	kinds := m.SetMatches()
	if m.Type == labels.MatchEqual {
		kinds = []string{m.Value}
	}
	if m.Name != "kind" && m.Name != "span_kind" || len(kinds) == 0 || m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp {
		return false
	}
	for _, kind := range kinds {
		kind = strings.ToLower(strings.TrimPrefix(kind, "SPAN_KIND_"))
		if kind != "server" && kind != "consumer" {
			return false
		}
	}
	return true
}

// scan calls fn for each row of an answer with the labels of its columns and what is in the last column.
func (f *family) scan(ctx context.Context, v *Metrics, metric, statement string, args []any, jobs map[resource]string, fn func(labels.Labels, string) error) error {
	values := make([]string, len(f.columns)+1)
	dest := make([]any, len(values))
	for i := range values {
		dest[i] = &values[i]
	}
	b := labels.NewScratchBuilder(len(f.columns) + 2)
	return sql.Scan(ctx, v.db, metric, statement, args, func(rows driver.Rows) error {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		b.Reset()
		b.Add(labels.MetricName, metric)
		for i, c := range f.columns {
			if values[i] != "" {
				b.Add(c.label, values[i])
			}
		}
		if f.job {
			b.Add("job", jobOf(jobs, resource{values[0], values[1], values[2]}))
		}
		b.Sort()
		return fn(b.Labels(), values[len(values)-1])
	})
}

// entries reads the cells of a series.
func (f *family) entries(blob string) ([]entry, error) {
	b := sql.NewBinary(blob)
	width := 16
	if f.latency != "" {
		width = bytesOfEmptyEntries
	}
	list := make([]entry, b.Size(width))
	for i := range list {
		e := &list[i]
		e.cell, e.count = int(b.Uint64()), b.Float64()
		if f.latency != "" {
			e.sum, e.latency = b.Float64(), rollup.ReadHistogram(b)
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return cmp.Compare(a.cell, b.cell) })
	return list, b.Err()
}

// fill makes the samples of a series and returns how many values it took.
func (f *family) fill(s *series.Series, g grid, entries []entry, total *cumulative) int {
	active := make([]int, len(entries))
	for i, e := range entries {
		active[i] = e.cell
	}
	if f.latency != "" {
		all := total.histograms(entries)
		g.each(active, func(t int64, counted int) {
			s.Histograms = append(s.Histograms, series.Histogram{T: t, H: all[counted]})
		})
		return len(s.Histograms) + len(entries)*(len(total.buckets)+1)
	}
	sums := make([]float64, len(entries)+1)
	for i, e := range entries {
		sums[i+1] = sums[i] + e.count
	}
	g.each(active, func(t int64, counted int) { s.Column.Append(t, sums[counted]) })
	return len(s.Column.T)
}

// labelsOf lists the series of a family, from the coarsest rows that cover the range.
func (v *Metrics) labelsOf(ctx context.Context, metric string, f *family, mint, maxt int64, matchers []*labels.Matcher) ([]labels.Labels, error) {
	jobs, err := v.jobsFor(ctx, f)
	if err != nil {
		return nil, err
	}
	var w sql.Where
	from := time.UnixMilli(floor(max(mint, 0)-1, f.unit))
	to := time.UnixMilli(floor(min(max(maxt, 0), v.now().UnixMilli()), f.unit))
	if !from.Before(to) {
		return nil, nil
	}
	w.SliceRange(from, to)
	f.pushAll(&w, jobs, matchers)
	rows := f.rows(&w, from, to, labelSlice(from, to))
	statement := "SELECT " + expressions(f.columns) + ", '' AS nothing\nFROM " + rows + "\nGROUP BY " + keys(f.columns)
	var out []labels.Labels
	err = f.scan(ctx, v, metric, statement, w.Args, jobs, func(name labels.Labels, _ string) error {
		if matches(name, matchers) {
			out = append(out, name)
		}
		if len(out) > maxSeries {
			return errTooMany
		}
		return nil
	})
	return out, err
}

// labelSlice is the width of the slices that list the series of a range.
func labelSlice(from, to time.Time) time.Duration {
	switch covered := to.Sub(from); {
	case covered >= 4*time.Hour:
		return time.Hour
	case covered >= 20*time.Minute:
		return 5 * time.Minute
	}
	return 10 * time.Second
}
