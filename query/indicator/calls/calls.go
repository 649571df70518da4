// Package calls tells of events what is in other spans of their traces: which dependency they failed by, and who asked for
// them.
package calls

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/sql"
	"loadline/query/trace"
)

// Event is a span whose trace is looked at.
type Event struct {
	Start, End   int64 // Unix nanoseconds
	Trace        trace.ID
	Span, Parent trace.SpanID
	Agent        string // user agent
}

// Call is another span of the trace of an event: work that a service asked for, or the parent of the event.
type Call struct {
	span       trace.SpanID
	service    string
	peer       string // empty for parents that are no calls
	failed     bool
	start, end int64
}

// Read reads the calls in the traces of events, and the parents of the events.
func Read(ctx context.Context, db *clickhouse.DB, events []Event) (map[trace.ID][]Call, error) {
	if len(events) == 0 {
		return nil, nil
	}
	traces, parents := make([]string, len(events)), make([]string, len(events))
	for i, e := range events {
		traces[i], parents[i] = e.Trace.String(), e.Parent.String()
	}
	var w sql.Where
	w.Add("slice IN " + w.Slices(slotsAround(events)))
	// A list that is a subquery is looked up in the primary key, one that a function makes is not.
	w.Add("trace_id IN (SELECT toFixedString(unhex(arrayJoin(" + w.Texts(traces) + ")), 16))")
	w.Add("(kind IN ('client', 'producer') AND peer != '' OR span_id IN (SELECT toFixedString(unhex(arrayJoin(" + w.Texts(parents) + ")), 8)))")
	out := map[trace.ID][]Call{}
	err := sql.Scan(ctx, db, "calls of events", `
SELECT trace_id, span_id, service, if(kind IN ('client', 'producer'), toString(peer), ''), error, toUnixTimestamp64Nano(ts), duration
FROM spans
WHERE `+w.String()+`
LIMIT 200000`, w.Args, func(rows driver.Rows) error {
		var id trace.ID
		var c Call
		var rawTrace, rawSpan string
		var duration uint64
		err := rows.Scan(&rawTrace, &rawSpan, &c.service, &c.peer, &c.failed, &c.start, &duration)
		c.end = c.start + int64(duration)
		copy(id[:], rawTrace)
		copy(c.span[:], rawSpan)
		out[id] = append(out[id], c)
		return err
	})
	return out, err
}

// slotsAround returns the slots of events, the one before, where their parents may be, and a minute after, where their
// calls may be.
func slotsAround(events []Event) []uint32 {
	const width = int64(sli.Slot / time.Second)
	var list []uint32
	for _, e := range events {
		first := e.Start / int64(time.Second) / width * width
		last := min(e.End/int64(time.Second), first+60)
		for at := first - width; at <= last; at += width {
			list = append(list, uint32(at))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// None is the dependency of events that none is to blame for.
const None = "none"

// Blame returns the dependency that an event was bad by: the peer of the innermost call, which is the last one to start,
// that failed. With slow, where none did, it is the innermost call that took at least half of the event's time.
func Blame(e Event, calls []Call, slow bool) string {
	peer, failed, start := None, false, int64(0)
	for _, c := range calls {
		half := slow && 2*(c.end-c.start) >= e.End-e.Start
		if c.peer == "" || c.start < e.Start || c.start > e.End || !c.failed && !half {
			continue
		}
		if peer == None || c.failed && !failed || c.failed == failed && c.start > start {
			peer, failed, start = c.peer, c.failed, c.start
		}
	}
	return peer
}

// Client returns who asked for an event: the service of its parent, or else the family of its user agent; empty when
// neither is known.
func Client(e Event, calls []Call, service string) string {
	for _, c := range calls {
		if c.span == e.Parent && c.service != service {
			return c.service
		}
	}
	return agentFamily(e.Agent)
}

// browsers are told by what their user agents contain. Each claims to be those below it too.
var browsers = []struct{ token, name string }{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

// agentFamily is the product that a user agent names, without its version.
func agentFamily(agent string) string {
	if strings.HasPrefix(agent, "Mozilla/") && !strings.Contains(strings.ToLower(agent), "bot") {
		for _, b := range browsers {
			if strings.Contains(agent, b.token) {
				return b.name
			}
		}
	}
	if _, rest, ok := strings.Cut(agent, "(compatible; "); ok {
		agent = rest
	}
	agent = strings.TrimSpace(agent)
	if end := strings.IndexAny(agent, "/ ;("); end >= 0 {
		agent = agent[:end]
	}
	return agent[:min(len(agent), 60)]
}
