package query

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// An Endpoint is a row of the endpoints table: one operation of one service.
type Endpoint struct {
	Service, Operation string
	Kind               string // server, consumer, internal, ...
	Method, Route      string // of an HTTP operation; Route is the whole operation otherwise
	rollup.Totals
	Impact   float64         // share of the time of all endpoints of the answer, 0 to 1
	Slowest  rollup.Exemplar // the slowest request of the range
	Failed   rollup.Exemplar // the slowest failed one; zero TraceID when none failed
	Previous rollup.Totals   // the same range one hour earlier
}

// maxEndpoints is the most rows of the endpoints table.
const maxEndpoints = 500

// endpointKeys make an endpoint.
var endpointKeys = []string{"service", "operation", "toString(kind)"}

type endpointKey struct{ service, operation, kind string }

// Endpoints returns the inbound operations of what sel selects, those with the greatest impact first, at most 500.
func (s *Store) Endpoints(ctx context.Context, sel filter.Selector, r rollup.Range) ([]Endpoint, error) {
	var now, before map[endpointKey]rollup.Measure
	var slow map[endpointKey][2]rollup.Exemplar
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		now, err = s.endpointMeasures(ctx, sel, r)
		return err
	})
	g.Go(func() (err error) {
		before, err = s.endpointMeasures(ctx, sel, r.Shift(previousShift))
		return err
	})
	g.Go(func() (err error) {
		slow, err = s.endpointExemplars(ctx, sel, r)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var time float64
	list := make([]Endpoint, 0, len(now))
	for key, m := range now {
		e := Endpoint{
			Service: key.service, Operation: key.operation, Kind: key.kind,
			Totals: m.Totals(r.Covered()), Previous: before[key].Totals(r.Shift(previousShift).Covered()),
			Impact: m.Duration, Slowest: slow[key][0], Failed: slow[key][1],
		}
		e.Method, e.Route = SplitOperation(key.operation)
		time += m.Duration
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(b.Impact, a.Impact), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Kind, b.Kind))
	})
	list = list[:min(len(list), maxEndpoints)]
	for i := range list {
		if time > 0 {
			list[i].Impact /= time
		}
	}
	return list, nil
}

func (s *Store) endpointMeasures(ctx context.Context, sel filter.Selector, r rollup.Range) (map[endpointKey]rollup.Measure, error) {
	q, err := rollup.Inbound(sel, r)
	if err != nil {
		return nil, err
	}
	q.Keys = endpointKeys
	out := map[endpointKey]rollup.Measure{}
	var key endpointKey
	err = q.Scan(ctx, s.db, "endpoints", []any{&key.service, &key.operation, &key.kind}, func(m rollup.Measure) { out[key] = m })
	return out, err
}

// endpointExemplars returns the slowest request and the slowest failed one of each endpoint.
func (s *Store) endpointExemplars(ctx context.Context, sel filter.Selector, r rollup.Range) (map[endpointKey][2]rollup.Exemplar, error) {
	q, err := rollup.Inbound(sel, r)
	if err != nil {
		return nil, err
	}
	q.Keys = slices.Concat(endpointKeys, []string{"error"})
	out := map[endpointKey][2]rollup.Exemplar{}
	statement := q.Sums("toUnixTimestamp(argMax(slice, slowest))", "max(slowest).1", "max(slowest).2")
	err = sql.Scan(ctx, s.db, "slowest requests", statement, q.Where.Args, func(rows driver.Rows) error {
		var key endpointKey
		var e rollup.Exemplar
		var at uint32
		var duration uint64
		var id string
		if err := rows.Scan(&key.service, &key.operation, &key.kind, &e.Error, &at, &duration, &id); err != nil {
			return err
		}
		e.Time, e.Duration = time.Unix(int64(at), 0).UTC(), time.Duration(duration)
		copy(e.TraceID[:], id)
		best := out[key]
		if e.Duration >= best[0].Duration {
			best[0] = e
		}
		if e.Error {
			best[1] = e
		}
		out[key] = best
		return nil
	})
	return out, err
}

// SplitOperation divides the operation of an HTTP server, "POST /v1/checkout", into method and route. Any other
// operation has no method and is all route.
func SplitOperation(operation string) (method, route string) {
	method, route, ok := strings.Cut(operation, " ")
	if !ok || method == "" || !strings.HasPrefix(route, "/") {
		return "", operation
	}
	for _, c := range method {
		if c < 'A' || c > 'Z' {
			return "", operation
		}
	}
	return method, route
}

// An Operation is an operation name with how much it is used, for filters and completion.
type Operation struct {
	Name, Kind string
	Requests   float64
}

// Operations returns the operations of a service, of all kinds, the busiest first, at most 1,000.
func (s *Store) Operations(ctx context.Context, service string, r rollup.Range) ([]Operation, error) {
	q, err := rollup.AllKinds(filter.Selector{Service: service}, r)
	if err != nil {
		return nil, err
	}
	q.Keys = []string{"operation", "toString(kind) AS role"}
	var list []Operation
	statement := q.Sums("sum(requests) AS n") + `
ORDER BY n DESC, operation, role
LIMIT 1000`
	err = sql.Scan(ctx, s.db, "operations", statement, q.Where.Args, func(rows driver.Rows) error {
		var o Operation
		err := rows.Scan(&o.Name, &o.Kind, &o.Requests)
		list = append(list, o)
		return err
	})
	return list, err
}
