package search

import (
	"time"

	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
	"loadline/query/trace"
)

// A Query asks for traces that have a matching span.
type Query struct {
	filter.Selector
	Range rollup.Range

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
	// 60 ms, so that no page waits for a rare match.
	Budget time.Duration
}

// A List is one page of traces, newest matching span first.
type List struct {
	Traces   []Summary
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
	Elapsed time.Duration
}

// A Summary is a row of the trace list. Root fields are those of the root span, or of the earliest span when the
// root is not stored.
type Summary struct {
	TraceID         trace.ID
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
	MatchSpan       trace.SpanID   // the matching span
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

// The limits of a search.
const (
	defaultTraceLimit   = 50
	maxTraceLimit       = 500
	defaultSearchBudget = 60 * time.Millisecond
)

// within is the condition for matching spans in the given slices that are older than the cursor, if there is one.
func (q *Query) within(part []slicePart, before *searchCursor) (*sql.Where, error) {
	w := &sql.Where{}
	list := make([]uint32, len(part))
	for i, s := range part {
		list[i] = s.at
	}
	w.Add("slice IN " + w.Slices(list))
	w.Add("ts >= " + w.Nanos(q.Range.From))
	w.Add("ts < " + w.Nanos(q.Range.To))
	if before != nil {
		at, id := w.Nanos(time.Unix(0, before.at)), w.Hex(before.id.String(), 16)
		w.Add("(ts < " + at + " OR ts = " + at + " AND trace_id < " + id + ")")
	}
	return w, q.conditions(w)
}

// conditions adds what a matching span must be, without time.
func (q *Query) conditions(w *sql.Where) error {
	switch {
	case q.AnySpan || q.NamesKind():
	case q.Service != "":
		w.Add(filter.SpanInbound)
	default:
		w.Add(filter.SpanRoot)
	}
	if q.ErrorsOnly {
		w.Add("error")
	}
	if q.MinDuration > 0 {
		w.Add("duration >= " + w.Bind("UInt64", uint64(q.MinDuration)))
	}
	if q.MaxDuration > 0 {
		w.Add("duration <= " + w.Bind("UInt64", uint64(q.MaxDuration)))
	}
	return q.AddTo(w, filter.OnSpans)
}

// OnRollup adds which kinds of spans the query is about, in terms of the rollups.
func (q *Query) OnRollup(w *sql.Where) {
	switch {
	case q.AnySpan || q.NamesKind():
	case q.Service != "":
		w.Add(filter.RollupInbound)
	default:
		w.Add("inbound AND root")
	}
	if q.ErrorsOnly {
		w.Add("error")
	}
}
