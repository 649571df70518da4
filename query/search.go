package query

import (
	"context"
	"time"
)

// A TraceQuery asks for traces that have a matching span.
type TraceQuery struct {
	Selector
	Range Range

	// MinDuration and MaxDuration bound the duration of the matching span; 0 means no bound.
	MinDuration, MaxDuration time.Duration

	// ErrorsOnly keeps failed spans.
	ErrorsOnly bool

	// AnySpan also matches spans inside of a trace. Otherwise the match is an inbound span of the service that is
	// selected, or, without a service, the root of the trace.
	AnySpan bool

	Limit  int    // traces on a page; default 50, at most 500
	Cursor string // continues after the page that returned it; "" for the newest

	// Budget ends the search after about this long with what was found; the cursor then goes on from there. Default
	// 75 ms, so that no page waits for a rare match.
	Budget time.Duration
}

// A TraceList is one page of traces, newest matching span first.
type TraceList struct {
	Traces   []TraceSummary
	Matching Estimate // matching spans in the whole range
	Scanned  Scan

	// Cursor asks for the next page, "" at the end of the range. With fewer traces than the limit and a cursor, the
	// budget ended: SearchedTo says how far the search came.
	Cursor     string
	SearchedTo time.Time
}

// An Estimate is a count that may be inexact.
type Estimate struct {
	Count float64
	Exact bool
}

// Scan is what a search cost.
type Scan struct {
	Rows    uint64 // spans in the slices that were read
	Bytes   uint64
	Elapsed time.Duration
}

// A TraceSummary is a row of the trace list. Root fields are those of the root span, or of the earliest span when the
// root is not stored.
type TraceSummary struct {
	TraceID         TraceID
	Service         string
	Operation       string
	Version         string
	Start           time.Time
	Duration        time.Duration // of the whole trace
	Spans, Errors   int
	Error           bool           // the root failed
	HTTPStatus      int            // of the root, 0 when not HTTP
	Rootless        bool           // the root is not stored
	Services        []ServiceShare // where the time went, greatest share first
	MatchSpan       SpanID         // the matching span
	MatchTime       time.Time
	MatchService    string
	MatchOperation  string
	MatchDuration   time.Duration
	MatchError      bool
	MatchHTTPStatus int
	MatchVersion    string
}

// A ServiceShare is a service's share of the self time of a trace.
type ServiceShare struct {
	Service string
	Share   float64
}

// SearchTraces returns a page of traces that match.
func (s *Store) SearchTraces(ctx context.Context, q TraceQuery) (*TraceList, error) {
	return nil, errPending
}
