package trace

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/sql"
)

// A LogRecord is one stored log record.
type LogRecord struct {
	Time         time.Time
	TraceID      ID
	SpanID       SpanID // zero when the record belongs to the trace as a whole
	Env, Service string
	Severity     uint8 // 1 to 24 as in OpenTelemetry, 0 unknown
	SeverityText string
	EventName    string
	Body         string
	BodyType     byte // as Attribute.Type
	Scope        string
	ResourceID   uint64
	Attributes   []Attribute
}

// sliceSeconds is the width of the slices of logs and spans.
const sliceSeconds = 10

// logMargin is how far from the spans of a trace its log records may be.
const logMargin = 60

// ReadLogs returns the log records of a trace in order of time, at most 5,000. They are looked for around the
// spans of the trace, up to a minute before and after; a trace without spans has none.
func ReadLogs(ctx context.Context, db *clickhouse.DB, id ID) ([]LogRecord, error) {
	spanSlices, err := traceSlices(ctx, db, id)
	if err != nil {
		return nil, err
	}
	var w sql.Where
	w.Add("slice IN " + w.Slices(withNeighbours(spanSlices)))
	w.Add("trace_id = " + w.Hex(id.String(), 16))
	var list []LogRecord
	err = sql.Scan(ctx, db, "logs of trace", `
SELECT ts, span_id, env, service, severity, severity_text, event_name, body, body_type, scope, resource_id,
       formatRow('RowBinary', attributes), attribute_types
FROM logs
WHERE `+w.String()+`
ORDER BY ts, span_id
LIMIT 5000`, w.Args, func(rows driver.Rows) error {
		r := LogRecord{TraceID: id, BodyType: 's'}
		var span, bodyType, blob, types string
		if err := rows.Scan(&r.Time, &span, &r.Env, &r.Service, &r.Severity, &r.SeverityText, &r.EventName, &r.Body, &bodyType, &r.Scope, &r.ResourceID, &blob, &types); err != nil {
			return err
		}
		r.Time = r.Time.UTC()
		copy(r.SpanID[:], span)
		if bodyType != "" {
			r.BodyType = bodyType[0]
		}
		b := sql.NewBinary(blob)
		r.Attributes = attributes(b, types)
		list = append(list, r)
		return b.Err()
	})
	return list, err
}

// withNeighbours adds the slices within logMargin of each.
func withNeighbours(list []uint32) []uint32 {
	seen := map[uint32]bool{}
	var out []uint32
	for _, slice := range list {
		for at := slice - min(slice, logMargin); at <= slice+logMargin; at += sliceSeconds {
			if !seen[at] {
				seen[at] = true
				out = append(out, at)
			}
		}
	}
	return out
}
