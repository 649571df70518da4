// Package targets makes the metric target_info of the resources that telemetry came from: a series for each, whose
// labels are its attributes and whose value is 1.
//
// The table resources knows when a resource was seen last, to the hour. When it was seen first is taken from its
// version's deployment, or else from the first series of its service. Of resources with the same job and instance each
// begins where the one before ends, so that info() finds one at any time.
package targets

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"loadline/internal/clickhouse"
	"loadline/query/promql/series"
	"loadline/query/promql/store/index"
	"loadline/query/promql/store/memo"
	"loadline/query/sql"
)

// Metric is the name of the metric.
const Metric = "target_info"

const (
	// step is between two samples: half of the time for which an instant query looks back.
	step = 150_000
	// refresh is how much longer than its row says a resource may have been alive.
	refresh = time.Hour
	age     = 15 * time.Second
)

// Targets is the resources of a database. It is safe for concurrent use.
type Targets struct {
	db    *clickhouse.DB
	now   func() time.Time
	known memo.Of[[]target]
}

// New returns the targets of a database.
func New(db *clickhouse.DB, now func() time.Time) *Targets { return &Targets{db: db, now: now} }

// target is a resource and when it was alive, in Unix milliseconds.
type target struct {
	labels      labels.Labels
	first, last int64
}

// Select returns the series that match and have samples in [mint, maxt], in Unix milliseconds, sorted by labels.
func (t *Targets) Select(ctx context.Context, mint, maxt int64, matchers []*labels.Matcher) ([]series.Floats, error) {
	now := t.now()
	all, err := t.known.Get(now, age, 0, func() ([]target, error) { return t.read(ctx) })
	if err != nil {
		return nil, err
	}
	var out []series.Floats
	for _, x := range all {
		s := &constant{labels: x.labels, first: x.first, from: mint, to: min(x.last, maxt, now.UnixMilli())}
		if !s.empty() && index.Matches(x.labels, matchers) {
			out = append(out, s)
		}
	}
	return out, nil
}

// read returns all targets, sorted by labels.
func (t *Targets) read(ctx context.Context) ([]target, error) {
	first, err := t.firstOfService(ctx)
	if err != nil {
		return nil, err
	}
	var all []target
	b := labels.NewBuilder(labels.EmptyLabels())
	err = sql.Scan(ctx, t.db, "resources", `
SELECT r.service, r.attributes, r.last, if(d.first > 0, d.first, r.last) AS first, d.first > 0 AS deployed
FROM
(
    SELECT resource_id, any(service) AS service, any(env) AS env, any(version) AS version,
        formatRow('RowBinary', any(attributes)) AS attributes, toInt64(toUnixTimestamp(max(last_seen))) AS last
    FROM resources
    GROUP BY resource_id
) AS r
LEFT JOIN
(
    SELECT service, env, version, toInt64(toUnixTimestamp(min(first_seen))) AS first
    FROM deployments
    GROUP BY service, env, version
) AS d ON r.service = d.service AND r.env = d.env AND r.version = d.version
ORDER BY r.last, r.resource_id
LIMIT 100000`, nil, func(rows driver.Rows) error {
		var service, attributes string
		var from, to int64
		var deployed uint8
		if err := rows.Scan(&service, &attributes, &to, &from, &deployed); err != nil {
			return err
		}
		job, informs, err := build(b, service, attributes)
		if err != nil || !informs {
			return err
		}
		if since, ok := first[job]; ok && deployed == 0 {
			from = min(from, since)
		}
		all = append(all, target{b.Labels(), from * 1000, to*1000 + refresh.Milliseconds()})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return arrange(all), nil
}

// firstOfService returns since when, in Unix seconds, each job has metrics.
func (t *Targets) firstOfService(ctx context.Context) (map[string]int64, error) {
	first := map[string]int64{}
	err := sql.Scan(ctx, t.db, "services", `
SELECT toString(service), toInt64(toUnixTimestamp(min(first)))
FROM series
GROUP BY service
LIMIT 100000`, nil, func(rows driver.Rows) error {
		var service string
		var at int64
		err := rows.Scan(&service, &at)
		first[service] = at
		return err
	})
	return first, err
}

// build makes the labels of a resource's attributes. It informs if there are more of them than those that job and
// instance are made of.
func build(b *labels.Builder, service, attributes string) (job string, informs bool, err error) {
	b.Reset(labels.EmptyLabels())
	r := sql.NewBinary(attributes)
	namer := otlptranslator.LabelNamer{}
	var namespace, instance string
	for range r.Size(2) {
		key, text := r.Text(), strings.ToValidUTF8(r.Text(), "\ufffd")
		switch key {
		case "service.name":
			continue
		case "service.namespace":
			namespace = text
			continue
		case "service.instance.id":
			instance = text
			continue
		}
		name, err := namer.Build(key)
		if err != nil || text == "" {
			continue
		}
		if strings.HasPrefix(name, "__") {
			name = "key" + name
		}
		if old := b.Get(name); old != "" {
			text = old + ";" + text
		}
		b.Set(name, text)
		informs = true
	}
	job = service
	if namespace != "" {
		job = namespace + "/" + service
	}
	b.Set(model.MetricNameLabel, Metric)
	b.Set("job", job)
	b.Set("instance", instance)
	return job, informs, r.Err()
}

// arrange lets a target with the job and instance of an earlier one begin where that ended, and unites and sorts those
// with equal labels. The targets come in the order in which they were seen last.
func arrange(all []target) []target {
	before := map[[2]string]*target{}
	for i := range all {
		x := &all[i]
		key := [2]string{x.labels.Get("job"), x.labels.Get("instance")}
		if y := before[key]; y != nil && key[1] != "" && !labels.Equal(x.labels, y.labels) {
			x.first = max(x.first, y.last-refresh.Milliseconds()+1)
			y.last = min(y.last, max(y.first, x.first-1))
		}
		before[key] = x
	}
	slices.SortStableFunc(all, func(a, b target) int {
		return cmp.Or(labels.Compare(a.labels, b.labels), cmp.Compare(a.first, b.first))
	})
	out := all[:0]
	for _, x := range all {
		if n := len(out); n > 0 && labels.Equal(out[n-1].labels, x.labels) {
			out[n-1].last = max(out[n-1].last, x.last)
			continue
		}
		out = append(out, x)
	}
	return out
}

// constant is a series that is 1 at every step in [from, to], in Unix milliseconds, and at first if that is in it.
type constant struct {
	labels          labels.Labels
	first, from, to int64
}

// empty reports whether there are no samples.
func (s *constant) empty() bool { return s.start() > s.to }

// start is the time of the first sample.
func (s *constant) start() int64 {
	if s.first >= s.from {
		return s.first
	}
	return next(s.from - 1)
}

// next is the step after t.
func next(t int64) int64 {
	t = max(t, -1) + 1
	return t + (step-t%step)%step
}

// Labels implements storage.Series.
func (s *constant) Labels() labels.Labels { return s.labels }

// Floats implements series.Floats.
func (s *constant) Floats(c *series.Column) (bool, error) {
	c.Reset()
	for t := s.start(); t <= s.to; t = next(t) {
		c.T, c.V = append(c.T, t), append(c.V, 1)
	}
	return true, nil
}

// Iterator implements storage.Series.
func (s *constant) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	i, ok := it.(*series.Iterator)
	if !ok {
		i = new(series.Iterator)
	}
	var c series.Column
	_, _ = s.Floats(&c)
	i.Reset(&c, nil)
	return i
}
