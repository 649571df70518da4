package query

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// A ServiceRED is a row of the services table: inbound requests of one service.
type ServiceRED struct {
	Service  string
	Language string // telemetry.sdk.language of its resources, "" when unknown
	Env      string // its environments, separated by commas
	rollup.Totals

	// Sparklines: evenly spaced over the range, at most 40 points. P99s are seconds, NaN without requests.
	Rates, ErrorRates, P99s []float64

	Instances  int           // processes that sent spans in the last minute of the range
	Endpoints  int           // inbound operations seen in the range
	Versions   []string      // versions seen in the range, newest first
	LastDeploy Deploy        // zero when no version is known
	Previous   rollup.Totals // the same range one hour earlier
	Inbound    bool          // false: the service sends only client or internal spans, and the numbers are of those
}

// A Deploy is the first time that a version of a service was seen.
type Deploy struct {
	Version string
	At      time.Time
}

// maxSparkPoints is the most points of a sparkline.
const maxSparkPoints = 40

// Services returns every service that had spans in the range, the one with the most requests first. One query answers
// each question for all services at once.
func (s *Store) Services(ctx context.Context, sel filter.Selector, r rollup.Range) ([]ServiceRED, error) {
	services, err := s.serviceRows(ctx, sel, r)
	if err != nil || len(services) == 0 {
		return nil, err
	}
	var silent []string // services without inbound spans
	for name, row := range services {
		if !row.Inbound {
			silent = append(silent, name)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.serviceSparks(ctx, sel, r, silent, services) })
	now, before := map[string]rollup.Measure{}, map[string]rollup.Measure{}
	g.Go(func() error { return s.serviceMeasures(ctx, sel, r, silent, now) })
	g.Go(func() error { return s.serviceMeasures(ctx, sel, r.Shift(previousShift), silent, before) })
	var languages map[string]string
	g.Go(func() (err error) { languages, err = s.languages(ctx); return err })
	var instances map[string]uint64
	g.Go(func() (err error) { instances, err = s.liveInstances(ctx, sel, r); return err })
	deploys := map[string][]Deployment{}
	g.Go(func() error {
		return s.deployments(ctx, filter.Selector{Env: sel.Env, Service: sel.Service}, time.Time{}, r.To, func(d Deployment) { deploys[d.Service] = append(deploys[d.Service], d) })
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	list := make([]ServiceRED, 0, len(services))
	for name, row := range services {
		row.Language, row.Instances = languages[name], int(instances[name])
		row.Totals, row.Previous = now[name].Totals(r.Covered()), before[name].Totals(r.Shift(previousShift).Covered())
		row.setDeploys(deploys[name])
		list = append(list, *row)
	}
	slices.SortFunc(list, func(a, b ServiceRED) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Service, b.Service))
	})
	return list, nil
}

// setDeploys takes deployments, newest first, and orders the versions by them.
func (s *ServiceRED) setDeploys(list []Deployment) {
	age := map[string]int{}
	for i, d := range list {
		if _, ok := age[d.Version]; !ok {
			age[d.Version] = i
		}
	}
	slices.SortFunc(s.Versions, func(a, b string) int {
		i, seenA := age[a]
		j, seenB := age[b]
		if !seenA || !seenB {
			return cmp.Or(-cmp.Compare(boolInt(seenA), boolInt(seenB)), cmp.Compare(b, a))
		}
		return cmp.Compare(i, j)
	})
	for _, d := range list {
		if slices.Contains(s.Versions, d.Version) {
			s.LastDeploy = Deploy{d.Version, d.First}
			return
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// newServiceQuery is for inbound spans, and for all spans of the services that have no inbound ones.
func newServiceQuery(sel filter.Selector, r rollup.Range, silent []string) (*rollup.Query, error) {
	q, err := rollup.AllKinds(sel, r)
	if err != nil {
		return nil, err
	}
	q.Keys = []string{"service"}
	switch {
	case sel.NamesKind():
	case len(silent) > 0:
		q.Where.Add("(" + filter.RollupInbound + " OR service IN " + q.Where.Texts(silent) + ")")
	default:
		q.Where.Add(filter.RollupInbound)
	}
	return q, nil
}

// serviceRows finds out which services there are, and what is cheap to know about them.
func (s *Store) serviceRows(ctx context.Context, sel filter.Selector, r rollup.Range) (map[string]*ServiceRED, error) {
	q, err := rollup.AllKinds(sel, r)
	if err != nil {
		return nil, err
	}
	q.Keys = []string{"service"}
	inbound := filter.RollupInbound
	if sel.NamesKind() {
		inbound = "1"
	}
	statement := q.Sums("toBool(max("+inbound+"))", "uniqExactIf(operation, "+inbound+")", "arraySort(groupUniqArray(version))", "arraySort(groupUniqArray(env))")
	services := map[string]*ServiceRED{}
	err = sql.Scan(ctx, s.db, "services", statement, q.Where.Args, func(rows driver.Rows) error {
		var row ServiceRED
		var endpoints uint64
		var envs []string
		if err := rows.Scan(&row.Service, &row.Inbound, &endpoints, &row.Versions, &envs); err != nil {
			return err
		}
		notEmpty := func(s string) bool { return s == "" }
		row.Versions = slices.DeleteFunc(row.Versions, notEmpty)
		row.Env = strings.Join(slices.DeleteFunc(envs, notEmpty), ", ")
		row.Endpoints = int(endpoints)
		services[row.Service] = &row
		return nil
	})
	return services, err
}

// serviceMeasures reads the RED numbers of services over the whole range.
func (s *Store) serviceMeasures(ctx context.Context, sel filter.Selector, r rollup.Range, silent []string, out map[string]rollup.Measure) error {
	q, err := newServiceQuery(sel, r, silent)
	if err != nil {
		return err
	}
	var service string
	return q.Scan(ctx, s.db, "totals of services", []any{&service}, func(m rollup.Measure) { out[service] = m })
}

// serviceSparks fills the sparklines.
func (s *Store) serviceSparks(ctx context.Context, sel filter.Selector, r rollup.Range, silent []string, services map[string]*ServiceRED) error {
	spark := r.Spark(maxSparkPoints)
	q, err := newServiceQuery(sel, spark, silent)
	if err != nil {
		return err
	}
	n := int((spark.To.Sub(spark.From) + spark.Step - 1) / spark.Step)
	for _, row := range services {
		row.Rates, row.ErrorRates = make([]float64, n), make([]float64, n)
		row.P99s = slices.Repeat([]float64{math.NaN()}, n)
	}
	q.PerStep(spark.Step)
	var service string
	var step int32
	return q.Scan(ctx, s.db, "services over time", []any{&step, &service}, func(m rollup.Measure) {
		row := services[service]
		if row == nil || step < 0 || int(step) >= n {
			return
		}
		row.Rates[step] = m.Requests / spark.StepCovered(int(step)).Seconds()
		if m.Requests > 0 {
			row.ErrorRates[step] = m.Errors / m.Requests
			row.P99s[step] = m.Latency.Seconds(0.99, m.Latency.Total())
		}
	})
}

// languages returns the language of each service. Resources are as many as processes in their retention.
func (s *Store) languages(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := sql.Scan(ctx, s.db, "languages", `
SELECT service, argMax(language, last_seen)
FROM resources
WHERE language != ''
GROUP BY service
LIMIT 10000`, nil, func(rows driver.Rows) error {
		var service, language string
		err := rows.Scan(&service, &language)
		out[service] = language
		return err
	})
	return out, err
}

// liveInstances counts the processes of each service that sent spans in the last minute. It reads two narrow columns
// of spans, because resources are only marked as seen once an hour.
func (s *Store) liveInstances(ctx context.Context, sel filter.Selector, r rollup.Range) (map[string]uint64, error) {
	var w sql.Where
	w.SliceRange(r.LastMinute().From, r.LastMinute().To)
	if err := (filter.Selector{Env: sel.Env, Service: sel.Service}).AddTo(&w, filter.OnSpans); err != nil {
		return nil, err
	}
	out := map[string]uint64{}
	err := sql.Scan(ctx, s.db, "instances", `
SELECT service, uniqExact(resource_id)
FROM spans
WHERE `+w.String()+`
GROUP BY service`, w.Args, func(rows driver.Rows) error {
		var service string
		var n uint64
		err := rows.Scan(&service, &n)
		out[service] = n
		return err
	})
	return out, err
}
