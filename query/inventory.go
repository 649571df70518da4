package query

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
	"loadline/query/trace"
)

// A Deployment is a version of a service and when it was seen.
type Deployment struct {
	Service, Env, Version string
	First, Last           time.Time
}

// Deployments returns the versions first seen in the range, newest first, at most 1,000.
func (s *Store) Deployments(ctx context.Context, sel filter.Selector, r rollup.Range) ([]Deployment, error) {
	var list []Deployment
	err := s.deployments(ctx, sel, r.From, r.To, func(d Deployment) { list = append(list, d) })
	return list, err
}

// deployments calls each for the versions first seen in [from, to), newest first.
func (s *Store) deployments(ctx context.Context, sel filter.Selector, from, to time.Time, each func(Deployment)) error {
	var w sql.Where
	w.Add("version != ''")
	if sel.Env != "" {
		w.Add("env = " + w.Text(sel.Env))
	}
	if sel.Service != "" {
		w.Add("service = " + w.Text(sel.Service))
	}
	having := "first >= " + w.Seconds(from) + " AND first < " + w.Seconds(to)
	return sql.Scan(ctx, s.db, "deployments", `
SELECT service, env, version, min(first_seen) AS first, max(last_seen)
FROM deployments
WHERE `+w.String()+`
GROUP BY service, env, version
HAVING `+having+`
ORDER BY first DESC, service, version
LIMIT 1000`, w.Args, func(rows driver.Rows) error {
		var d Deployment
		err := rows.Scan(&d.Service, &d.Env, &d.Version, &d.First, &d.Last)
		d.First, d.Last = d.First.UTC(), d.Last.UTC()
		each(d)
		return err
	})
}

// An Instance is a process of a service.
type Instance struct {
	trace.Resource
	LastSeen time.Time // exact within an hour
	Live     bool      // it sent spans in the last minute of the range

	// Inbound requests of that minute, from raw spans.
	RequestRate float64
	ErrorRate   float64
	P95         time.Duration
}

// Instances returns the instances of a service that were seen in the range, running ones first, at most 1,000.
func (s *Store) Instances(ctx context.Context, service string, r rollup.Range) ([]Instance, error) {
	var list []Instance
	live := map[uint64]Instance{}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { list, err = s.resourcesOf(ctx, service, r); return err })
	g.Go(func() error { return s.liveRED(ctx, service, r, live) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, at := range list {
		if now, ok := live[at.ID]; ok {
			list[i].Live, list[i].RequestRate, list[i].ErrorRate, list[i].P95 = true, now.RequestRate, now.ErrorRate, now.P95
		}
	}
	slices.SortFunc(list, func(a, b Instance) int {
		return cmp.Or(-cmp.Compare(boolInt(a.Live), boolInt(b.Live)), b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// seenMargin is how old last_seen of a running instance can be.
const seenMargin = time.Hour

func (s *Store) resourcesOf(ctx context.Context, service string, r rollup.Range) ([]Instance, error) {
	var w sql.Where
	w.Add("service = " + w.Text(service))
	w.Add("last_seen >= " + w.Seconds(r.From.Add(-seenMargin)))
	var list []Instance
	err := sql.Scan(ctx, s.db, "instances", `
SELECT `+trace.ResourceColumns+`, last_seen
FROM resources
WHERE `+w.String()+`
ORDER BY last_seen DESC, resource_id
LIMIT 1 BY resource_id
LIMIT 1000`, w.Args, func(rows driver.Rows) error {
		var at Instance
		err := trace.ScanResource(rows, &at.Resource, &at.LastSeen)
		at.LastSeen = at.LastSeen.UTC()
		list = append(list, at)
		return err
	})
	return list, err
}

func (s *Store) liveRED(ctx context.Context, service string, r rollup.Range, out map[uint64]Instance) error {
	var w sql.Where
	r = r.LastMinute()
	w.SliceRange(r.From, r.To)
	w.Add("service = " + w.Text(service))
	return sql.Scan(ctx, s.db, "running instances", `
SELECT resource_id, sumIf(weight, inbound), sumIf(weight, inbound AND error), ifNotFinite(quantileIf(0.95)(duration, inbound), 0)
FROM (SELECT resource_id, weight, error, duration, `+filter.SpanInbound+` AS inbound FROM spans WHERE `+w.String()+`)
GROUP BY resource_id`, w.Args, func(rows driver.Rows) error {
		var id uint64
		var requests, failed, p95 float64
		if err := rows.Scan(&id, &requests, &failed, &p95); err != nil {
			return err
		}
		at := Instance{RequestRate: requests / r.Covered().Seconds(), P95: time.Duration(p95)}
		if requests > 0 {
			at.ErrorRate = failed / requests
		}
		out[id] = at
		return nil
	})
}
