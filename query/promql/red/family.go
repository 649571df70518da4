package red

import (
	"time"

	"loadline/query/promql/red/grid"
	"loadline/query/promql/store"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// family is a metric that sums up rows of a table.
type family struct {
	metadata store.Metadata
	columns  []column
	job      bool   // the series have a label job; then the first columns are service, env and version
	group    string // what the columns are made of
	count    string // the column that is counted
	duration string // the column that sums up durations, which makes the metric a histogram of latency
	unit     int64  // the width of the finest slices
	rows     func(w *sql.Where, from, to time.Time, slice time.Duration) string
}

// Expressions over the RED rollups.
const (
	kindText   = "toString(kind)"
	statusText = "if(error, 'error', 'ok')"
	classText  = "if(status IN ('ok', 'error'), '', status)"
)

func families() map[string]*family {
	spans := family{
		job: true, count: "requests", unit: 10 * grid.Second, rows: rollupRows,
	}
	duration, calls := spans, spans
	duration.metadata = store.Metadata{
		Type: "histogram", Unit: "seconds",
		Help: "Durations of spans by service, operation, kind and status, adjusted for sampling. Requests that a service got have kind server or consumer.",
	}
	duration.columns = []column{
		{"service", "service"},
		{"env", "env"},
		{"version", "version"},
		{"operation", "operation"},
		{"kind", kindText},
		{"status", statusText},
		{"http_status_class", classText},
	}
	duration.duration = "duration"
	duration.group = "service, env, version, operation, kind, status, error"
	calls.group = "service, env, version, operation, kind, error"
	calls.metadata = store.Metadata{Type: "counter", Help: "Spans by service, name, kind and status, adjusted for sampling. The status OK is not told from UNSET."}
	calls.columns = []column{
		{"service", "service"},
		{"env", "env"},
		{"version", "version"},
		{"span_name", "operation"},
		{"span_kind", "concat('SPAN_KIND_', upper(" + kindText + "))"},
		{"status_code", "if(error, 'STATUS_CODE_ERROR', 'STATUS_CODE_UNSET')"},
	}
	edges := family{
		unit: grid.Minute, rows: edgeRows, group: "client, server, server_type, env",
		columns: []column{
			{"client", "client"},
			{"server", "server"},
			{"connection_type", "multiIf(server_type IN ('database', 'cache'), 'database', server_type = 'queue', 'messaging_system', server_type = 'external', 'virtual_node', '')"},
			{"env", "env"},
		},
	}
	requests, failed, latency := edges, edges, edges
	requests.count, failed.count = "calls", "errors"
	requests.metadata = store.Metadata{Type: "counter", Help: "Calls between two services, or a service and a database, queue or third party."}
	failed.metadata = store.Metadata{Type: "counter", Help: "Failed calls between two services, or a service and a database, queue or third party."}
	latency.count, latency.duration = "calls", "duration"
	latency.metadata = store.Metadata{Type: "histogram", Unit: "seconds", Help: "Durations of calls as the client sees them."}
	server := latency
	server.metadata.Help = "Durations of calls as the client sees them, under the name that service graph dashboards ask for. The server's own are in " + SpanDuration + "."
	return map[string]*family{
		SpanDuration:      &duration,
		SpanCalls:         &calls,
		EdgeRequests:      &requests,
		EdgeFailed:        &failed,
		EdgeClientSeconds: &latency,
		EdgeServerSeconds: &server,
	}
}

// rollupRows is the SQL for the rows of the RED rollups. Those of slices wider than slice are not read.
func rollupRows(w *sql.Where, from, to time.Time, slice time.Duration) string {
	tier := rollup.Tier10s
	for _, t := range []rollup.Tier{rollup.Tier5m, rollup.Tier1h} {
		if slice%t.Slice == 0 {
			tier = t
		}
	}
	return rollup.Rows(w, rollup.Range{From: from, To: to, Step: tier.Slice}, tier)
}

// edgeRows is the SQL for the rows of the service graph. FINAL, because a minute that is computed again replaces its
// rows.
func edgeRows(w *sql.Where, _, _ time.Time, _ time.Duration) string {
	return "(SELECT * FROM edges FINAL WHERE " + w.String() + ")"
}
