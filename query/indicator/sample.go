package indicator

import (
	"cmp"
	"context"
	"strconv"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/indicator/calls"
	"loadline/query/indicator/events"
	"loadline/query/sql"
)

// What events depend on and who asked for them is in other spans of their traces, so it is found for a sample only: of
// some slots, drawn by their bad events, some events each of the bad and of the good ones.
const (
	sampledSlots  = 24
	sampledEvents = 12
)

// event is one of the sample.
type event struct {
	calls.Event
	bad bool
}

// sampleCauses counts a sample of the part's events by dependency and by client.
func sampleCauses(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, p events.Part) ([]breakdown, error) {
	c, err := p.Conditions(ind)
	if err != nil {
		return nil, err
	}
	counts, err := countSlots(ctx, db, c, "''")
	if err != nil {
		return nil, err
	}
	p.Slots = draw(counts, sampledSlots)
	sample, err := drawEvents(ctx, db, ind, p)
	if err != nil {
		return nil, err
	}
	list := make([]calls.Event, len(sample))
	for i, e := range sample {
		list[i] = e.Event
	}
	byTrace, err := calls.Read(ctx, db, list)
	if err != nil {
		return nil, err
	}
	dependency := breakdown{name: "dependency", values: map[string][2]float64{}, sampled: len(sample)}
	client := breakdown{name: "client", values: map[string][2]float64{}, sampled: len(sample)}
	add := func(t breakdown, value string, bad bool) {
		n := t.values[value]
		if bad {
			n[0]++
		} else {
			n[1]++
		}
		t.values[value] = n
	}
	for _, e := range sample {
		add(dependency, calls.Blame(e.Event, byTrace[e.Trace], ind.Bad.Slower > 0), e.bad)
		add(client, cmp.Or(calls.Client(e.Event, byTrace[e.Trace], ind.Service), Unknown), e.bad)
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
func drawEvents(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, p events.Part) ([]event, error) {
	c, err := p.Conditions(ind)
	if err != nil {
		return nil, err
	}
	statement := `
SELECT toBool(` + c.Bad + `) AS bad, toUnixTimestamp64Nano(ts), duration, trace_id, span_id, parent_id, ` + c.Value("span.user_agent.original") + `
FROM ` + c.From() + `
WHERE ` + c.String() + `
ORDER BY cityHash64(trace_id, span_id)
LIMIT ` + strconv.Itoa(sampledEvents) + ` BY slice, bad
LIMIT ` + strconv.Itoa(2*sampledEvents*sampledSlots)
	var list []event
	err = sql.Scan(ctx, db, "sample of events", statement, c.Args, func(rows driver.Rows) error {
		var e event
		var duration uint64
		var id, span, parent string
		err := rows.Scan(&e.bad, &e.Start, &duration, &id, &span, &parent, &e.Agent)
		e.End = e.Start + int64(duration)
		copy(e.Trace[:], id)
		copy(e.Span[:], span)
		copy(e.Parent[:], parent)
		list = append(list, e)
		return err
	})
	return list, err
}
