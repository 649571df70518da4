package red

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"loadline/internal/schema"
	"loadline/query/promql/red/grid"
	"loadline/query/promql/series"
	"loadline/query/promql/store/index"
	"loadline/query/sql"
)

// selectFamily reads the series of a family and makes samples of them.
func (v *Metrics) selectFamily(ctx context.Context, metric string, f *family, q grid.Question, matchers []*labels.Matcher) ([]*series.Series, error) {
	now := v.now()
	g := grid.New(q, f.unitAt(q, now), now.UnixMilli())
	if g.Cells == 0 {
		return nil, nil
	}
	jobs, err := v.jobsFor(ctx, f)
	if err != nil {
		return nil, err
	}
	all, err := v.read(ctx, metric, f, g, jobs, matchers)
	if err != nil {
		return nil, err
	}
	var out []*series.Series
	values := 0
	total := newCumulative(v.bounds)
	for _, r := range all {
		s := &series.Series{Name: r.name}
		values += f.fill(s, g, r.ordered(), total)
		if values > maxValues || len(out) >= maxSeries {
			return nil, errTooMany
		}
		if len(s.Column.T)+len(s.Histograms) > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

// unitAt is the width of the finest slices that are kept since the start of the question, unless windows are too narrow
// for it.
func (f *family) unitAt(q grid.Question, now time.Time) int64 {
	unit := f.unit
	if unit != 10*grid.Second {
		return unit
	}
	for _, tier := range []struct{ kept, unit int64 }{{schema.Keep10s.Milliseconds(), 5 * grid.Minute}, {schema.Keep5m.Milliseconds(), grid.Hour}} {
		if q.Start < now.UnixMilli()-tier.kept && (q.Window == 0 || q.Window >= 2*tier.unit) {
			unit = tier.unit
		}
	}
	return unit
}

// where adds to w what rows of a time have to meet, and returns how far their slices are from the base of the grid.
func (f *family) where(w *sql.Where, g grid.Grid, from, to time.Time, jobs map[resource]string, matchers []*labels.Matcher) string {
	w.SliceRange(from, to)
	f.pushAll(w, jobs, matchers)
	position := "(toInt64(toUnixTimestamp(slice)) - " + w.Bind("Int64", g.Base/grid.Second) + ")"
	if g.Gaps() {
		w.Add("modulo(" + position + ", " + w.Bind("Int64", g.Step/grid.Second) + ") < " + w.Bind("Int64", g.Window/grid.Second))
	}
	return position
}

// statement is the SQL that returns the columns of every series with the cells from first up to last as RowBinary.
// Counts are added up by cell. Histograms come as they are stored, one after the other: adding them up costs the engine
// five times as much as [adder.add].
func (f *family) statement(w *sql.Where, g grid.Grid, first, last int, jobs map[resource]string, matchers []*labels.Matcher) string {
	from, to := time.UnixMilli(g.Point(first)), time.UnixMilli(g.Point(last))
	position := f.where(w, g, from, to, jobs, matchers)
	cell := "toUInt32(intDiv(" + position + ", " + w.Bind("Int64", g.Cell/grid.Second) + ") + 1) AS cell"
	slice := time.Duration(grid.GCD(g.Cell, grid.GCD(g.Base, grid.Hour))) * time.Millisecond
	rows := f.rows(w, from, to, slice)
	if f.duration == "" {
		return "SELECT " + expressions(f.columns) + `, formatRow('RowBinary', (groupArray(cell), groupArray(n)))
FROM
(
  SELECT ` + f.group + ", " + cell + ", sum(" + f.count + `) AS n
  FROM ` + rows + `
  GROUP BY ` + f.group + `, cell
)
GROUP BY ` + f.group
	}
	return "SELECT " + expressions(f.columns) + `, formatRow('RowBinary', (groupArray(cell), groupArray(n), groupArray(d), groupArray(size), groupArrayArray(indexes), groupArrayArray(counts)))
FROM
(
  SELECT ` + f.group + ", " + cell + ", " + f.count + " AS n, " + f.duration + ` AS d,
    toUInt16(length(latency.1)) AS size, latency.1 AS indexes, latency.2 AS counts
  FROM ` + rows + `
)
GROUP BY ` + f.group
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

// fill makes the samples of a series and returns how many values it took.
func (f *family) fill(s *series.Series, g grid.Grid, entries []entry, total *cumulative) int {
	active := make([]int, len(entries))
	for i, e := range entries {
		active[i] = e.cell
	}
	if f.duration != "" {
		all := total.histograms(entries, g.High)
		g.Each(active, func(t int64, counted int) {
			s.Histograms = append(s.Histograms, series.Histogram{T: t, H: all[counted]})
		})
		return len(s.Histograms) + len(entries)*(len(total.buckets)+1)
	}
	sums := make([]float64, len(entries)+1)
	if g.High {
		for _, e := range entries {
			sums[0] += e.count
		}
	}
	for i, e := range entries {
		sums[i+1] = sums[i] + e.count
	}
	g.Each(active, func(t int64, counted int) { s.Column.Append(t, sums[counted]) })
	return len(s.Column.T)
}

// labelsOf lists the series of a family, from the coarsest rows that cover the range.
func (v *Metrics) labelsOf(ctx context.Context, metric string, f *family, mint, maxt int64, matchers []*labels.Matcher) ([]labels.Labels, error) {
	jobs, err := v.jobsFor(ctx, f)
	if err != nil {
		return nil, err
	}
	var w sql.Where
	from := time.UnixMilli(grid.Floor(max(mint, 0)-1, f.unit))
	to := time.UnixMilli(grid.Floor(min(max(maxt, 0), v.now().UnixMilli()), f.unit))
	if !from.Before(to) {
		return nil, nil
	}
	w.SliceRange(from, to)
	f.pushAll(&w, jobs, matchers)
	rows := f.rows(&w, from, to, labelSlice(from, to))
	statement := "SELECT " + expressions(f.columns) + ", '' AS nothing\nFROM " + rows + "\nGROUP BY " + keys(f.columns)
	var out []labels.Labels
	err = f.scan(ctx, v, metric, statement, w.Args, jobs, func(_ string, name labels.Labels, _ string) error {
		if index.Matches(name, matchers) {
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
