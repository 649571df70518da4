package query

import (
	"context"
	"time"
)

// A LogRecord is one stored log record.
type LogRecord struct {
	Time         time.Time
	TraceID      TraceID
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

// LogsOfTrace returns the log records of a trace in order of time, at most 5,000.
func (s *Store) LogsOfTrace(ctx context.Context, id TraceID) ([]LogRecord, error) {
	return nil, errPending
}
