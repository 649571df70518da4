// Package trace reads one trace from the tables and makes sense of it: its spans, the tree of them, the time that each
// spent itself, the critical path, repeated calls, and its logs.
//
// Reading order: id.go and trace.go (what there is), read.go and logs.go (the SELECTs), tree.go (parents and children),
// self.go and critical.go (what took the time).
package trace

import (
	"errors"
	"time"
)

// ErrNotFound is returned when what was asked for is not stored: never sent, sampled out, past its retention, or
// still on its way.
var ErrNotFound = errors.New("not found")

// MaxTraceSpans is the most spans of one trace that are read; the earliest are kept.
const MaxTraceSpans = 80_000

// A Trace is all spans of one trace that are stored, ordered by start.
type Trace struct {
	ID              ID
	Spans           []Span
	Resources       map[uint64]*Resource // by Span.ResourceID
	Stored          int                  // spans stored; more than len(Spans) when truncated
	WithoutDetail   bool                 // the trace is so large that attributes, events and links are left to [ReadSpan]
	Start           time.Time            // of the earliest span
	Duration        time.Duration        // from Start to the end of the latest span
	Services        []string             // in order of first appearance
	Errors          int                  // failed spans
	RepeatedSpanIDs int                  // spans dropped because their id came before in the trace
}

// A Span is one stored span.
type Span struct {
	ID, Parent            SpanID
	Start                 time.Time
	Duration              time.Duration
	Env, Service, Version string
	Operation             string // "METHOD route" of HTTP servers, else Name
	Name                  string
	Kind                  string // internal, server, client, producer, consumer
	Status, StatusMessage string // unset, ok, error
	Error                 bool   // failed, by status or by HTTP code
	ErrorType             string
	HTTPStatus            int // 0 when not HTTP
	Peer, PeerType        string
	Weight                float64
	Scope                 string
	ResourceID            uint64
	Attributes            []Attribute // in key order
	Events                []Event
	Links                 []Link
	TraceState            string // of W3C trace context
	Extra                 string // JSON object of rare fields, "" when none
}

// End is when the span ended.
func (s *Span) End() time.Time { return s.Start.Add(s.Duration) }

// An Attribute is a key with a value in its textual form. Type is the letter of the schema: s string, b bool, i int,
// d double, y bytes (base64), j array or map as JSON, n empty.
type Attribute struct {
	Key, Value string
	Type       byte
}

// An Event is something that happened within a span, such as an exception.
type Event struct {
	Time       time.Time
	Name       string
	Attributes []Attribute
}

// A Link points to a span of this or another trace.
type Link struct {
	TraceID    ID
	SpanID     SpanID
	Attributes []Attribute
}

// A Resource is what produced spans: one process of one version of a service.
type Resource struct {
	ID                    uint64
	Env, Service, Version string
	Instance, Language    string
	Attributes            []Attribute // in key order
}

// Attribute returns the value of the first of names that the resource has. A nil resource has none.
func (r *Resource) Attribute(names []string) string {
	if r == nil {
		return ""
	}
	for _, name := range names {
		for _, a := range r.Attributes {
			if a.Key == name {
				return a.Value
			}
		}
	}
	return ""
}
