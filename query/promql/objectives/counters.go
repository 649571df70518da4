package objectives

import (
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/promql/red/grid"
	"loadline/query/promql/series"
	"loadline/query/sql"
)

// key names counts in the tables of slots.
type key struct {
	indicator uint64
	group     string
}

// counted is what was counted in the cells of a grid that have events, in the order of time.
type counted struct {
	cells []int
	sums  []float64 // before each of the cells, and after the last
}

// counters makes the series of events, or of the bad ones.
func (m *Metrics) counters(ctx context.Context, metric string, list []one, g grid.Grid) ([]*series.Series, error) {
	var keys []key
	for _, o := range list {
		keys = append(keys, key{o.Indicator, o.Group})
	}
	slices.SortFunc(keys, byKey)
	column := "total"
	if metric == BadEvents {
		column = "bad"
	}
	all, err := m.count(ctx, metric, column, slices.Compact(keys), g)
	if err != nil {
		return nil, err
	}
	var out []*series.Series
	for _, o := range list {
		c := all[key{o.Indicator, o.Group}]
		if c == nil {
			continue
		}
		s := &series.Series{Name: o.name}
		g.Each(c.cells, func(t int64, n int) { s.Column.Append(t, c.sums[n]) })
		if len(s.Column.T) > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

// count reads a column of the counts in the cells of a grid. A cell with events counts as one even when none is bad, so
// that both counters have samples at the same times.
func (m *Metrics) count(ctx context.Context, metric, column string, keys []key, g grid.Grid) (map[key]*counted, error) {
	var w sql.Where
	w.SliceRange(time.UnixMilli(g.Base), time.UnixMilli(g.Point(g.Cells)))
	indicators, groups := make([]uint64, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		indicators[i], groups[i] = k.indicator, k.group
	}
	w.Add("indicator IN (" + w.Bind("Array(UInt64)", indicators) + ")")
	slices.Sort(groups)
	w.Add("grp IN (" + w.Texts(slices.Compact(groups)) + ")")
	position := "(toInt64(toUnixTimestamp(slice)) - " + w.Bind("Int64", g.Base/grid.Second) + ")"
	if g.Gaps() {
		w.Add("modulo(" + position + ", " + w.Bind("Int64", g.Step/grid.Second) + ") < " + w.Bind("Int64", g.Window/grid.Second))
	}
	statement := `
SELECT indicator, grp, groupArray(cell), groupArray(n)
FROM
(
  SELECT indicator, grp, toUInt32(intDiv(` + position + ", " + w.Bind("Int64", g.Cell/grid.Second) + `) + 1) AS cell, sum(` + column + `) AS n
  FROM ` + table(g) + `
  WHERE ` + w.String() + `
  GROUP BY indicator, grp, cell
  HAVING sum(total) > 0
  ORDER BY cell
)
GROUP BY indicator, grp`
	out := map[key]*counted{}
	values := 0
	err := sql.Scan(ctx, m.db, metric, statement, w.Args, func(rows driver.Rows) error {
		var k key
		var cells []uint32
		var counts []int64
		if err := rows.Scan(&k.indicator, &k.group, &cells, &counts); err != nil {
			return err
		}
		if values += len(cells); values > maxValues {
			return errTooMany
		}
		out[k] = newCounted(cells, counts, g.High)
		return nil
	})
	return out, err
}

// newCounted adds up counts. With high the counter begins with all of them, see [grid.Grid].
func newCounted(cells []uint32, counts []int64, high bool) *counted {
	c := &counted{cells: make([]int, len(cells)), sums: make([]float64, len(cells)+1)}
	if high {
		for _, n := range counts {
			c.sums[0] += float64(n)
		}
	}
	for i, cell := range cells {
		c.cells[i] = int(cell)
		c.sums[i+1] = c.sums[i] + float64(counts[i])
	}
	return c
}

// table is the coarsest table of slots that has the cells of a grid.
func table(g grid.Grid) string {
	switch width := grid.GCD(g.Cell, grid.GCD(g.Base, g.Step)); {
	case g.Gaps() && grid.GCD(width, g.Window) != width:
	case width%grid.Hour == 0:
		return "slo_slots_1h"
	case width%(5*grid.Minute) == 0:
		return "slo_slots_5m"
	}
	return "slo_slots_10s"
}
