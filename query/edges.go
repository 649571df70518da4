package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// An Edge is the calls of one service to another or to an inferred peer. Its latency is what the client sees.
type Edge struct {
	Client, Server string
	ServerType     string // service, database, cache, queue, external
	Calls, Errors  float64
	CallRate       float64       // per second
	ErrorRate      float64       // share of calls, 0 to 1
	Duration       time.Duration // of all calls together

	Mean, P50, P90, P95, P99 time.Duration
}

// maxEdges is the most edges of an answer.
const maxEdges = 2000

// edgeSlice is the resolution of the table edges.
const edgeSlice = time.Minute

// Dependencies returns the edges of the range, busiest first, at most 2,000. A service in sel keeps the edges that
// it is an end of; matchers do not apply. The range is widened to whole minutes.
func (s *Store) Dependencies(ctx context.Context, sel filter.Selector, r rollup.Range) ([]Edge, error) {
	if len(sel.Matchers) > 0 || sel.Operation != "" {
		return nil, fmt.Errorf("dependencies: the service graph knows environment and service only")
	}
	var w sql.Where
	w.SliceRange(rollup.Floor(r.From, edgeSlice), r.To)
	if sel.Env != "" {
		w.Add("env = " + w.Text(sel.Env))
	}
	if sel.Service != "" {
		name := w.Text(sel.Service)
		w.Add("(client = " + name + " OR server = " + name + ")")
	}
	// FINAL, because a minute that is computed again replaces its rows.
	statement := `
SELECT client, server, server_type, sum(calls), sum(errors), sum(duration), formatRow('RowBinary', arrayZip(sumMap(latency).1, sumMap(latency).2))
FROM edges FINAL
WHERE ` + w.String() + `
GROUP BY client, server, server_type`
	var list []Edge
	err := sql.Scan(ctx, s.db, "dependencies", statement, w.Args, func(rows driver.Rows) error {
		var e Edge
		var m rollup.Measure
		var blob string
		if err := rows.Scan(&e.Client, &e.Server, &e.ServerType, &m.Requests, &m.Errors, &m.Duration, &blob); err != nil {
			return err
		}
		b := sql.NewBinary(blob)
		m.Latency = rollup.ReadHistogram(b)
		t := m.Totals(r.Covered())
		e.Calls, e.Errors, e.CallRate, e.ErrorRate, e.Duration = t.Requests, t.Errors, t.RequestRate, t.ErrorRate, time.Duration(m.Duration)
		e.Mean, e.P50, e.P90, e.P95, e.P99 = t.Mean, t.P50, t.P90, t.P95, t.P99
		list = append(list, e)
		return b.Err()
	})
	slices.SortFunc(list, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Client, b.Client), cmp.Compare(a.Server, b.Server), cmp.Compare(a.ServerType, b.ServerType))
	})
	return list[:min(len(list), maxEdges)], err
}
