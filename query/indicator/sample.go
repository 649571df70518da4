package indicator

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/sql"
	"loadline/query/trace"
)

// What events depend on and who asked for them is in other spans of their traces, so it is found for a sample only: of
// some slots, drawn by their bad events, some events each of the bad and of the good ones.
const (
	sampledSlots  = 24
	sampledEvents = 12
)

// event is one of the sample.
type event struct {
	bad          bool
	start, end   int64 // Unix nanoseconds
	trace        trace.ID
	span, parent trace.SpanID
	agent        string // user agent
}

// call is another span of a trace of the sample: work that a service asked for, or the parent of an event.
type call struct {
	span       trace.SpanID
	service    string
	peer       string // empty for the parents that are no calls
	failed     bool
	start, end int64
}

// sampleCauses counts a sample of the part's events by dependency and by client.
func sampleCauses(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, p part) ([]breakdown, error) {
	c, err := p.conditions(ind)
	if err != nil {
		return nil, err
	}
	counts, err := countSlots(ctx, db, c, "''")
	if err != nil {
		return nil, err
	}
	p.slots = draw(counts, sampledSlots)
	events, err := drawEvents(ctx, db, ind, p)
	if err != nil {
		return nil, err
	}
	calls, err := callsOf(ctx, db, events)
	if err != nil {
		return nil, err
	}
	dependency := breakdown{name: "dependency", values: map[string][2]float64{}, sampled: len(events)}
	client := breakdown{name: "client", values: map[string][2]float64{}, sampled: len(events)}
	add := func(t breakdown, value string, bad bool) {
		n := t.values[value]
		if bad {
			n[0]++
		} else {
			n[1]++
		}
		t.values[value] = n
	}
	for _, e := range events {
		add(dependency, blame(e, calls[e.trace], ind.Bad.Slower > 0), e.bad)
		add(client, clientOf(e, calls[e.trace], ind.Service), e.bad)
	}
	return []breakdown{dependency, client}, nil
}

// draw chooses n slots, evenly spaced over the bad events.
func draw(counts []Slot, n int) []uint32 {
	var bad int64
	for _, s := range counts {
		bad += s.Bad
	}
	chosen := []uint32{}
	var passed, taken int64
	for _, s := range counts {
		passed += s.Bad
		if passes := (2*passed*int64(n) + bad) / max(2*bad, 1); s.Bad > 0 && passes > taken {
			chosen, taken = append(chosen, uint32(s.Start)), passes
		}
	}
	return chosen
}

// drawEvents returns some events of each slot of the part, by a hash of their ids.
func drawEvents(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, p part) ([]event, error) {
	c, err := p.conditions(ind)
	if err != nil {
		return nil, err
	}
	statement := `
SELECT toBool(` + c.bad + `) AS bad, toUnixTimestamp64Nano(ts), duration, trace_id, span_id, parent_id, ` + c.value("span.user_agent.original") + `
FROM ` + c.from() + `
WHERE ` + c.String() + `
ORDER BY cityHash64(trace_id, span_id)
LIMIT ` + strconv.Itoa(sampledEvents) + ` BY slice, bad
LIMIT ` + strconv.Itoa(2*sampledEvents*sampledSlots)
	var list []event
	err = sql.Scan(ctx, db, "sample of events", statement, c.Args, func(rows driver.Rows) error {
		var e event
		var duration uint64
		var id, span, parent string
		err := rows.Scan(&e.bad, &e.start, &duration, &id, &span, &parent, &e.agent)
		e.end = e.start + int64(duration)
		copy(e.trace[:], id)
		copy(e.span[:], span)
		copy(e.parent[:], parent)
		list = append(list, e)
		return err
	})
	return list, err
}

// callsOf reads the calls in the traces of events, and the parents of the events.
func callsOf(ctx context.Context, db *clickhouse.DB, events []event) (map[trace.ID][]call, error) {
	if len(events) == 0 {
		return nil, nil
	}
	traces, parents := make([]string, len(events)), make([]string, len(events))
	for i, e := range events {
		traces[i], parents[i] = e.trace.String(), e.parent.String()
	}
	var w sql.Where
	w.Add("slice IN " + w.Slices(slotsAround(events)))
	// A list that is a subquery is looked up in the primary key, one that a function makes is not.
	w.Add("trace_id IN (SELECT toFixedString(unhex(arrayJoin(" + w.Texts(traces) + ")), 16))")
	w.Add("(kind IN ('client', 'producer') AND peer != '' OR span_id IN (SELECT toFixedString(unhex(arrayJoin(" + w.Texts(parents) + ")), 8)))")
	out := map[trace.ID][]call{}
	err := sql.Scan(ctx, db, "calls of events", `
SELECT trace_id, span_id, service, if(kind IN ('client', 'producer'), toString(peer), ''), error, toUnixTimestamp64Nano(ts), duration
FROM spans
WHERE `+w.String()+`
LIMIT 200000`, w.Args, func(rows driver.Rows) error {
		var id trace.ID
		var c call
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
func slotsAround(events []event) []uint32 {
	const width = int64(sli.Slot / time.Second)
	var list []uint32
	for _, e := range events {
		first := e.start / int64(time.Second) / width * width
		last := min(e.end/int64(time.Second), first+60)
		for at := first - width; at <= last; at += width {
			list = append(list, uint32(at))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// None is the dependency of events that none is to blame for.
const None = "none"

// blame returns the dependency that an event was bad by: the peer of the innermost call, which is the last one to start,
// that failed. With slow, where none did, it is the innermost call that took at least half of the event's time.
func blame(e event, calls []call, slow bool) string {
	peer, failed, start := None, false, int64(0)
	for _, c := range calls {
		half := slow && 2*(c.end-c.start) >= e.end-e.start
		if c.peer == "" || c.start < e.start || c.start > e.end || !c.failed && !half {
			continue
		}
		if peer == None || c.failed && !failed || c.failed == failed && c.start > start {
			peer, failed, start = c.peer, c.failed, c.start
		}
	}
	return peer
}

// clientOf returns who asked for an event: the service of its parent, or else the family of its user agent.
func clientOf(e event, calls []call, service string) string {
	for _, c := range calls {
		if c.span == e.parent && c.service != service {
			return c.service
		}
	}
	if family := agentFamily(e.agent); family != "" {
		return family
	}
	return Unknown
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
