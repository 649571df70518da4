package tally_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"loadline/ingest/native/nativetest"
	"loadline/ingest/spans"
	"loadline/ingest/tally"
	"loadline/ingest/wire"
	"loadline/internal/sli"
)

var begin = time.Date(2026, 5, 4, 11, 30, 0, 0, time.UTC)

// example is a span by its parts, from which it is both sent and judged.
type example struct {
	service, env, version, name, scope string
	method, route                      string
	kind                               uint8
	status                             uint8
	code                               int
	root                               bool
	start                              time.Time
	duration                           time.Duration
	attributes, resource               map[string]string
	weight                             int
}

// fractional is a weight of 4/3.
const fractional = -1

// send appends the span to a request as the only one of its resource.
func (e *example) send(td ptrace.Traces, id int) {
	rs := td.ResourceSpans().AppendEmpty()
	attributes := rs.Resource().Attributes()
	attributes.PutStr("service.name", e.service)
	attributes.PutStr("service.version", e.version)
	attributes.PutStr("deployment.environment.name", e.env)
	for k, v := range e.resource {
		attributes.PutStr(k, v)
	}
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName(e.scope)
	s := ss.Spans().AppendEmpty()
	s.SetTraceID(pcommon.TraceID{1, 14: byte(id >> 8), 15: byte(id)})
	s.SetSpanID(pcommon.SpanID{1, 6: byte(id >> 8), 7: byte(id)})
	if !e.root {
		s.SetParentSpanID(pcommon.SpanID{2})
	}
	s.SetName(e.name)
	s.SetKind(ptrace.SpanKind(e.kind))
	s.Status().SetCode(ptrace.StatusCode(e.status))
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(e.start))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(e.start.Add(e.duration)))
	switch e.weight {
	case 4:
		s.TraceState().FromRaw("ot=th:c")
	case fractional:
		s.TraceState().FromRaw("ot=th:4")
	}
	for k, v := range e.attributes {
		s.Attributes().PutStr(k, v)
	}
	if e.method != "" {
		s.Attributes().PutStr("http.request.method", e.method)
		s.Attributes().PutStr("http.route", e.route)
	}
	if e.code > 0 {
		s.Attributes().PutInt("http.response.status_code", int64(e.code))
	}
}

// span is what predicates are to see.
func (e *example) span() *sli.Span {
	var peer, peerType string
	if e.kind >= 3 {
		peer = e.attributes["server.address"]
		if system := e.attributes["messaging.system"]; system != "" {
			peer, peerType = system, "queue"
		}
	}
	operation := e.name
	if e.kind == 2 && e.method != "" {
		operation = e.method + " " + e.route
	}
	return &sli.Span{
		Env: e.env, Service: e.service, Version: e.version, Operation: operation, Name: e.name, Scope: e.scope,
		ErrorType: e.attributes["error.type"], Peer: peer, PeerType: peerType, Kind: e.kind, Status: e.status, Root: e.root,
		Failed: e.status == 2 || e.kind == 2 && e.code >= 500, HTTPStatus: uint16(e.code), Duration: uint64(e.duration),
		Attribute: func(name string, ofResource bool) (string, bool) {
			list := e.attributes
			if ofResource {
				list = e.resource
			}
			v, ok := list[name]
			return v, ok
		},
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func randomExample(r *rand.Rand) *example {
	e := &example{
		service: pick(r, "a", "b", "c"), env: pick(r, "prod", "test"), version: pick(r, "1", "2"), name: pick(r, "x", "y", "z"),
		scope: pick(r, "http", "sql"), kind: uint8(1 + r.IntN(5)), status: uint8(r.IntN(3)), root: r.IntN(2) == 0,
		start:    begin.Add(time.Duration(r.IntN(60)) * time.Second),
		duration: time.Duration(r.IntN(5)) * 100 * time.Millisecond, attributes: map[string]string{}, resource: map[string]string{},
		weight: pick(r, 1, 1, 1, 4),
	}
	if r.IntN(2) == 0 {
		e.method, e.route = pick(r, "GET", "POST"), pick(r, "/1", "/2")
		e.code = pick(r, 200, 404, 500, 503)
	}
	for _, key := range []string{
		"tier", "zone", "tenant", "error.type", "rpc.grpc.status_code", "rpc.response.status_code", "server.address",
		"messaging.system",
	} {
		if r.IntN(3) == 0 {
			e.attributes[key] = pick(r, "", "gold", "14", "UNAVAILABLE", strconv.Itoa(r.IntN(6)))
		}
	}
	for _, key := range []string{"tier", "zone", "host.name"} {
		if r.IntN(3) == 0 {
			e.resource[key] = pick(r, "", "gold", "14")
		}
	}
	return e
}

func randomMatchers(r *rand.Rand) (list []sli.Matcher) {
	for range r.IntN(3) {
		m := sli.Matcher{
			Key: pick(r, "tier", "zone", "span.tier", "resource.zone", "host.name", "version", "name", "operation", "status", "error.type",
				"http.response.status_code", "scope", "peer", "peer.type"),
			Op: pick(r, "=", "!=", "=~", "!~"),
		}
		m.Value = pick(r, "", "gold", "1", "x", "200", "5xx", "ok", "http", "queue")
		if m.Op[1:] == "~" || m.Op == "=~" {
			m.Value = pick(r, "", "g.*", "[0-9]*", "x|y", ".+", "GET .*", "ok|error")
		}
		list = append(list, m)
	}
	return list
}

func randomCounted(r *rand.Rand, id uint64) sli.Counted {
	i := sli.Indicator{
		Service: pick(r, "a", "b"), Env: pick(r, "", "", "prod"), Operations: pick(r, nil, nil, []string{"GET *", "x"}),
		Kinds: pick(r, nil, nil, []string{"client", "internal"}, []string{"server"}), Matchers: randomMatchers(r),
		GroupBy: pick(r, "", "", "version", "tenant", "operation", "tier"), MaxGroups: pick(r, 0, 2),
		Bad: sli.Bad{
			Errors: r.IntN(2) == 0, HTTP: pick(r, nil, []string{"404", "5xx"}), GRPC: pick(r, nil, []string{"UNAVAILABLE"}),
			Slower: time.Duration(r.IntN(4)) * 100 * time.Millisecond, Matchers: randomMatchers(r),
		},
	}
	c := sli.Counted{ID: id, Indicator: i, Since: begin.Unix() + int64(r.IntN(3))*10}
	if i.GroupBy != "" {
		c.Groups = []string{"1"}
	}
	return c
}

// cell is a place of a count.
type cell struct {
	Indicator uint64
	Group     string
	Slot      int64
}

type count struct{ Bad, Total int64 }

type marks map[cell]bool

// naive counts one span after the other and asks each indicator about each.
type naive struct {
	counts map[cell]count
	late   marks
	groups map[uint64]map[string]bool
}

func (n *naive) add(counted []sli.Counted, predicates []*sli.Predicate, e *example) {
	slot := e.start.Unix() - e.start.Unix()%10
	for i, c := range counted {
		p := predicates[i]
		event, bad := p.Match(e.span())
		if !event {
			continue
		}
		known := n.groups[c.ID]
		if known == nil {
			known = map[string]bool{}
			for _, g := range c.Groups {
				known[g] = true
			}
			n.groups[c.ID] = known
		}
		group := p.Group(e.span())
		if group != "" && !known[group] && len(known) < p.Indicator().Groups() {
			known[group] = true
		}
		if slot < c.Since {
			n.late[cell{c.ID, "", slot}] = true
			continue
		}
		for _, g := range slices.Compact([]string{"", group}) {
			if g != "" && !known[g] {
				continue
			}
			at := n.counts[cell{c.ID, g, slot}]
			at.Total += int64(e.weight)
			if bad {
				at.Bad += int64(e.weight)
			}
			n.counts[cell{c.ID, g, slot}] = at
		}
	}
}

// stored reads the blocks of a batch.
func stored(t *testing.T, b *tally.Batch) (tables map[string]map[cell]count, late marks, journal []nativetest.Row) {
	t.Helper()
	tables, late = map[string]map[cell]count{}, marks{}
	var order []string
	err := b.Each(7, 9, begin, func(table tally.Table) error {
		order = append(order, table.Name)
		rows, err := nativetest.Rows(table.Block, nil)
		if err != nil {
			return err
		}
		at := map[cell]count{}
		for _, r := range rows {
			c := cell{Indicator: r["indicator"].(uint64), Slot: int64(r["slice"].(uint64))}
			if table.Name == "slo_late" {
				late[c] = true
				continue
			}
			c.Group = r["grp"].(string)
			if _, twice := at[c]; twice {
				return fmt.Errorf("two rows of %+v in %s", c, table.Name)
			}
			at[c] = count{r["bad"].(int64), r["total"].(int64)}
		}
		tables[table.Name] = at
		if table.Name == "slo_journal" {
			journal = rows
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"slo_slots_10s", "slo_slots_5m", "slo_slots_1h", "slo_late", "slo_journal"}; !slices.Equal(order, want) {
		t.Fatalf("order of tables %v, want %v", order, want)
	}
	return tables, late, journal
}

func coarse(counts map[cell]count, width int64) map[cell]count {
	out := map[cell]count{}
	for c, n := range counts {
		c.Slot -= c.Slot % width
		sum := out[c]
		out[c] = count{sum.Bad + n.Bad, sum.Total + n.Total}
	}
	return out
}

// Whatever is asked and sent: counting by classes is counting one by one.
func TestCount(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 4))
		var counted []sli.Counted
		var predicates []*sli.Predicate
		for id := range uint64(pick(r, 1, 1, 2, 3, 60)) {
			c := randomCounted(r, id+1)
			p, err := sli.Compile(c.Indicator)
			if err != nil {
				t.Fatal(err)
			}
			counted, predicates = append(counted, c), append(predicates, p)
		}
		set, err := tally.NewSet(counted)
		if err != nil {
			t.Fatal(err)
		}
		want := naive{map[cell]count{}, marks{}, map[uint64]map[string]bool{}}
		counter, batch := tally.NewCounter(), tally.NewBatch()
		builder := spans.NewBuilder(wire.NewResources())
		for range 3 { // segments
			td := ptrace.NewTraces()
			for id := range 100 {
				e := randomExample(r)
				e.send(td, id)
				want.add(counted, predicates, e)
			}
			body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
			if err != nil {
				t.Fatal(err)
			}
			builder.Reset()
			if err := builder.Add(body, wire.NewWindow(begin.Add(time.Hour), 24*time.Hour)); err != nil || builder.Rows() != 100 {
				t.Fatal(builder.Rows(), err)
			}
			record, rows := counter.Count(set, builder.View(), nil)
			if (rows == 0) != (len(record) == 0) {
				t.Fatalf("%d rows in %d bytes", rows, len(record))
			}
			if rows > 0 {
				if err := batch.Add(record); err != nil {
					t.Fatal(err)
				}
			}
		}
		tables, late, _ := stored(t, batch)
		for table, want := range map[string]map[cell]count{
			"slo_slots_10s": want.counts, "slo_slots_5m": coarse(want.counts, 300), "slo_slots_1h": coarse(want.counts, 3600),
			"slo_journal": want.counts,
		} {
			if diff := cmp.Diff(want, tables[table]); diff != "" {
				t.Fatalf("seed %d: %s (-want +got):\n%.3000s", seed, table, diff)
			}
		}
		if diff := cmp.Diff(want.late, late); diff != "" {
			t.Fatalf("seed %d: late slots (-want +got):\n%.3000s", seed, diff)
		}
	}
}

// build makes a view of examples.
func build(t testing.TB, list ...*example) *spans.Builder {
	t.Helper()
	td := ptrace.NewTraces()
	for id, e := range list {
		e.send(td, id+1)
	}
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	builder := spans.NewBuilder(wire.NewResources())
	if err := builder.Add(body, wire.NewWindow(begin.Add(time.Hour), 24*time.Hour)); err != nil || builder.Rows() != len(list) {
		t.Fatal(builder.Rows(), err)
	}
	return builder
}

func mustSet(t testing.TB, counted ...sli.Counted) *tally.Set {
	t.Helper()
	set, err := tally.NewSet(counted)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestNothingToCount(t *testing.T) {
	b := build(t, &example{service: "a", kind: 2, start: begin})
	for _, set := range []*tally.Set{
		mustSet(t), mustSet(t, sli.Counted{ID: 1, Indicator: sli.Indicator{Service: "other"}}),
		mustSet(t, sli.Counted{ID: 1, Indicator: sli.Indicator{Service: "a", Env: "prod"}}),
	} {
		if record, rows := tally.NewCounter().Count(set, b.View(), []byte("x")); rows != 0 || string(record) != "x" {
			t.Errorf("%d rows, %q", rows, record)
		}
	}
}

func TestNewSetRefuses(t *testing.T) {
	if _, err := tally.NewSet([]sli.Counted{{ID: 0xabc}}); err == nil {
		t.Error("an indicator without a service is accepted")
	}
}

// Groups take places in the order in which they come, across segments; without a place an event counts in the whole.
func TestGroupsAreBounded(t *testing.T) {
	set := mustSet(t, sli.Counted{
		ID: 1, Indicator: sli.Indicator{Service: "a", GroupBy: "tenant", MaxGroups: 2}, Groups: []string{"known"},
	})
	counter, batch := tally.NewCounter(), tally.NewBatch()
	for _, segment := range [][]string{{"x", "known", "y"}, {"y", "x", "x", "", "known"}} {
		var list []*example
		for _, tenant := range segment {
			list = append(list, &example{service: "a", kind: 2, start: begin, attributes: map[string]string{"tenant": tenant}})
		}
		record, _ := counter.Count(set, build(t, list...).View(), nil)
		if err := batch.Add(record); err != nil {
			t.Fatal(err)
		}
	}
	tables, _, _ := stored(t, batch)
	got := map[string]int64{}
	for c, n := range tables["slo_slots_10s"] {
		got[c.Group] = n.Total
	}
	if diff := cmp.Diff(map[string]int64{"": 8, "x": 3, "known": 2}, got); diff != "" {
		t.Error(diff)
	}
}

// More tests of attributes than fit into a word still tell spans apart.
func TestManyTests(t *testing.T) {
	var counted []sli.Counted
	for i := range uint64(200) {
		counted = append(counted, sli.Counted{ID: i + 1, Indicator: sli.Indicator{
			Service: "a", Matchers: []sli.Matcher{{Key: "n", Op: "=", Value: fmt.Sprint(i)}},
		}})
	}
	var list []*example
	for i := range 200 {
		list = append(list, &example{service: "a", kind: 2, start: begin, attributes: map[string]string{"n": fmt.Sprint(i)}})
	}
	record, rows := tally.NewCounter().Count(mustSet(t, counted...), build(t, list...).View(), nil)
	batch := tally.NewBatch()
	if err := batch.Add(record); err != nil || rows != 200 {
		t.Fatal(rows, err)
	}
	tables, _, _ := stored(t, batch)
	for c, n := range tables["slo_slots_10s"] {
		if n.Total != 1 {
			t.Errorf("indicator %d: %d events", c.Indicator, n.Total)
		}
	}
	if n := len(slices.Collect(maps.Keys(tables["slo_slots_10s"]))); n != 200 || batch.Events() != 200 {
		t.Errorf("%d rows of %d events", n, batch.Events())
	}
}

// Sampled spans that stand for 4/3 each add up to as many as they stand for, although each segment has whole counts.
func TestFractionsAddUp(t *testing.T) {
	set := mustSet(t, sli.Counted{ID: 1, Indicator: sli.Indicator{Service: "a", GroupBy: "version", Bad: sli.Bad{Errors: true}}})
	ok := &example{service: "a", version: "v", kind: 2, start: begin, weight: fractional}
	failed := &example{service: "a", version: "v", kind: 2, start: begin, weight: fractional, status: 2}
	view := build(t, ok, failed).View()
	counter, batch := tally.NewCounter(), tally.NewBatch()
	for range 3000 { // segments with one bad event of two
		record, _ := counter.Count(set, view, nil)
		if err := batch.Add(record); err != nil {
			t.Fatal(err)
		}
	}
	tables, _, _ := stored(t, batch)
	for group, n := range map[string]count{
		"all": tables["slo_slots_10s"][cell{1, "", begin.Unix()}], "v": tables["slo_slots_10s"][cell{1, "v", begin.Unix()}],
	} {
		if n.Total < 7900 || n.Total > 8100 || n.Bad < 3900 || n.Bad > 4100 {
			t.Errorf("%s: %d of %d are bad, want about 4000 of 8000", group, n.Bad, n.Total)
		}
	}
}
