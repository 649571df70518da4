package red

import (
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/promql/red/grid"
	"loadline/query/promql/series"
	"loadline/query/promql/store/index"
	"loadline/query/sql"
)

const upHelp = "1 while an instance that sends OTLP was heard of in the last five minutes, 0 for an hour or two after, then absent."

const (
	// seenMargin is how much later than the stored last_seen an instance may have been heard of.
	seenMargin = grid.Hour
	// silence is for how long up is 0.
	silence = grid.Hour
)

// upColumns are the labels that up makes of resources.
func upColumns() []column {
	return []column{
		{"job", "if(attributes['service.namespace'] = '', service, concat(attributes['service.namespace'], '/', service))"},
		{"instance", "instance"},
	}
}

// process is an instance of a service: what resources of one job and instance stand for.
type process struct {
	name  labels.Labels
	seen  int64   // the stored last_seen, at least
	heard []int64 // ends of the slots in which it sent something; in the order of time once complete
}

// selectUp says which instances were heard of. Instances are those in resources; spans and logs name their resource, so
// that one column tells who sent them. Only for instances without any are data points asked.
func (v *Metrics) selectUp(ctx context.Context, q grid.Question, matchers []*labels.Matcher) ([]*series.Series, error) {
	q.Function = ""
	g := grid.New(q, 10*grid.Second, v.now().UnixMilli())
	if g.Cells == 0 {
		return nil, nil
	}
	all, byResource, err := v.processes(ctx, g.Base, matchers)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	slot := 10 * grid.Second
	if g.End-g.Base > grid.Hour {
		slot = grid.Minute
	}
	if err := v.hearResources(ctx, g, slot, all, byResource); err != nil {
		return nil, err
	}
	if err := v.hearPoints(ctx, g, slot, all); err != nil {
		return nil, err
	}
	var out []*series.Series
	values := 0
	for _, p := range all {
		slices.Sort(p.heard)
		s := &series.Series{Name: p.name}
		p.fill(s, g)
		if len(s.Column.T) > 0 {
			out = append(out, s)
		}
		if values += len(s.Column.T); values > maxValues {
			return nil, errTooMany
		}
	}
	return out, nil
}

// fill makes the samples of an instance.
func (p *process) fill(s *series.Series, g grid.Grid) {
	next := 0
	for i := range g.Cells + 1 {
		t := g.Point(i)
		for next < len(p.heard) && p.heard[next] <= t {
			next++
		}
		if t < g.Start || t > g.End {
			continue
		}
		var last int64
		if next > 0 {
			last = p.heard[next-1]
		}
		if value, ok := upAt(t, last, p.seen); ok {
			s.Column.Append(t, value)
		}
	}
}

// upAt is the value at t of an instance that was heard of at last, 0 for never, and whose stored last_seen is seen.
func upAt(t, last, seen int64) (float64, bool) {
	switch {
	case last != 0 && t-last < grid.Lookback:
		return 1, true
	case last != 0 && t-last < silence, seen <= t && t < seen+seenMargin+silence:
		return 0, true
	}
	return 0, false
}

// processes lists the instances that may have a sample from a time on, also by resource.
func (v *Metrics) processes(ctx context.Context, from int64, matchers []*labels.Matcher) ([]*process, map[uint64]*process, error) {
	var w sql.Where
	w.Add("last_seen >= " + w.Seconds(time.UnixMilli(from-grid.Lookback-seenMargin-silence)))
	columns := upColumns()
	for _, m := range matchers {
		push(&w, columns, m)
	}
	var all []*process
	byName, byResource := map[[2]string]*process{}, map[uint64]*process{}
	b := labels.NewScratchBuilder(3)
	err := sql.Scan(ctx, v.db, "instances", `
SELECT resource_id, `+expressions(columns)+`, max(last_seen)
FROM resources
WHERE `+w.String()+`
GROUP BY resource_id, `+keys(columns), w.Args, func(rows driver.Rows) error {
		var id uint64
		var name [2]string
		var seen time.Time
		if err := rows.Scan(&id, &name[0], &name[1], &seen); err != nil {
			return err
		}
		p := byName[name]
		if p == nil {
			b.Reset()
			b.Add(model.MetricNameLabel, Up)
			for i, c := range columns {
				if name[i] != "" {
					b.Add(c.label, name[i])
				}
			}
			b.Sort()
			p = &process{name: b.Labels()}
			if !index.Matches(p.name, matchers) {
				return nil
			}
			byName[name] = p
			all = append(all, p)
		}
		byResource[id] = p
		p.seen = max(p.seen, seen.UnixMilli())
		return nil
	})
	return all, byResource, err
}

// heardFrom bounds what is read about a grid to time slices.
func heardFrom(g grid.Grid) (from, to time.Time) {
	return time.UnixMilli(grid.Floor(g.Base-grid.Lookback, 10*grid.Second)), time.UnixMilli(g.End)
}

// hearResources notes when spans and logs came from the instances.
func (v *Metrics) hearResources(ctx context.Context, g grid.Grid, slot int64, all []*process, byResource map[uint64]*process) error {
	var w sql.Where
	from, to := heardFrom(g)
	w.SliceRange(from, to)
	if len(all) <= 100 {
		ids := make([]uint64, 0, len(byResource))
		for id := range byResource {
			ids = append(ids, id)
		}
		w.Add("resource_id IN (" + w.Bind("Array(UInt64)", ids) + ")")
	}
	ends := "groupUniqArray(intDiv(toInt64(toUnixTimestamp(slice)), " + w.Bind("Int64", slot/grid.Second) + "))"
	rows := "SELECT resource_id, slice FROM spans WHERE " + w.String() + "\n  UNION ALL\n  SELECT resource_id, slice FROM logs WHERE " + w.String()
	return sql.Scan(ctx, v.db, "who sent spans and logs", "SELECT resource_id, "+ends+"\nFROM\n(\n  "+rows+"\n)\nGROUP BY resource_id", w.Args, func(rows driver.Rows) error {
		var id uint64
		var slots []int64
		if err := rows.Scan(&id, &slots); err != nil {
			return err
		}
		if p := byResource[id]; p != nil {
			p.hear(slots, slot)
		}
		return nil
	})
}

func (p *process) hear(slots []int64, slot int64) {
	for _, s := range slots {
		p.heard = append(p.heard, (s+1)*slot)
	}
}

// seriesOfInstance is how many series tell whether an instance sends data points.
const seriesOfInstance = 5

// gap reports whether nothing was heard of an instance for longer than a sample of up counts, in a range of time.
func (p *process) gap(from, to int64) bool {
	slices.Sort(p.heard)
	for _, t := range p.heard {
		if t-from >= grid.Lookback {
			return true
		}
		from = max(from, t)
	}
	return to-from >= grid.Lookback
}

// hearPoints notes when data points came from the instances that sent nothing else for a while: from those of a few of their
// series, which stand together by metric and service. Packed samples are taken to be as regular as their first two.
func (v *Metrics) hearPoints(ctx context.Context, g grid.Grid, slot int64, all []*process) error {
	from, to := heardFrom(g)
	silent := map[[2]string]*process{}
	var jobs []string
	for _, p := range all {
		if p.gap(from.UnixMilli(), to.UnixMilli()) {
			job := p.name.Get("job")
			silent[[2]string{job, p.name.Get("instance")}] = p
			jobs = append(jobs, job)
		}
	}
	if len(silent) == 0 {
		return nil
	}
	var w sql.Where
	few := `
    SELECT metric, service, series_id, labels['instance'] AS instance
    FROM series
    WHERE service IN (` + w.Texts(jobs) + `) AND last >= ` + w.Seconds(from) + ` AND first <= ` + w.Seconds(to) + `
    ORDER BY last DESC
    LIMIT ` + w.Bind("UInt32", uint32(seriesOfInstance)) + ` BY service, instance`
	condition := "(metric, service, series_id) IN (SELECT metric, service, series_id FROM few) AND bucket >= " + w.Seconds(from.Add(-2*time.Hour)) + " AND bucket <= " + w.Seconds(to)
	width := w.Bind("Int64", slot)
	at := "toInt64(toUnixTimestamp(bucket)) * 1000"
	statement := "WITH few AS (" + few + `)
SELECT service, instance, arrayFilter(s -> s >= ` + w.Bind("Int64", from.UnixMilli()/slot) + " AND s <= " + w.Bind("Int64", to.UnixMilli()/slot) + `, groupUniqArrayArray(slots))
FROM
(
  SELECT metric, service, series_id, arrayDistinct(arrayMap(o -> intDiv(` + at + " + o, " + width + `), off)) AS slots
  FROM samples
  WHERE ` + condition + `
  UNION ALL
  SELECT metric, service, series_id, arrayDistinct(arrayMap(i -> intDiv(` + at + " + t0 + i * dt, " + width + `), range(n))) AS slots
  FROM chunks
  WHERE ` + condition + `
  UNION ALL
  SELECT metric, service, series_id, [intDiv(toUnixTimestamp64Milli(ts), ` + width + `)] AS slots
  FROM histograms
  WHERE ` + condition + `
) AS points
INNER JOIN few USING (metric, service, series_id)
GROUP BY service, instance`
	return sql.Scan(ctx, v.db, "who sent data points", statement, w.Args, func(rows driver.Rows) error {
		var name [2]string
		var slots []int64
		if err := rows.Scan(&name[0], &name[1], &slots); err != nil {
			return err
		}
		if p := silent[name]; p != nil {
			p.hear(slots, slot)
		}
		return nil
	})
}
