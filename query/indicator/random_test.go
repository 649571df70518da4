package indicator

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"loadline/ingest/native"
	"loadline/ingest/spans"
	"loadline/ingest/tally"
	"loadline/ingest/wire"
	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/internal/sli"
	"loadline/query/querytest"
)

// random draws spans and indicators from few enough values for them to meet.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 7))} }

func one[T any](r random, list ...T) T { return list[r.IntN(len(list))] }

func (r random) chance(n int) bool { return r.IntN(n) == 0 }

// texts are values that tell apart what is easily confused: expressions from texts, classes from codes, bytes from
// characters.
var texts = []string{
	"", "a", "A", "ab", "a\nb", "a.b", "axb", "é", "日本", "*", "a*b", "%", "a_b", `\d`, `a\b`, `"a"`, "'a'", "{p0:String}", "5xx", "500", "503",
	"GET /v1/a", "GET /v1/{id}", "GET /v1/a\n", "x\x00y", "\ufffd",
}

// expressions hold for some of the texts.
var expressions = []string{
	"", ".*", ".+", "a", "a.b", `a\.b`, "(?i)a", "a|b|é", "^a$", "a$|^A", "[^a]*", `\d+`, "5..", ".", "..", "(a|ab)(b|)", "a?b?", "(?-s:a.b)", `(?m)^b$`, "[[:upper:]]", `\pL+`,
	"(?:GET|POST) /v1/.*", "GET /v1/[^/]+", `GET /v1/\{id\}`, `\Qa.b\E`, ".{1,2}", `a\x00?.*`, "日.", "[日本]+", "(?s).*b", "(?U)a.*", `\ba\b`, "x*", "[*]",
}

// keys are names of attributes, with spellings of two ages, and of columns.
var keys = []string{
	"user.id", "span.user.id", "resource.user.id", "tenant", "k8s.pod.name", "span.k8s.pod.name", "http.request.method", "http.method", "http.route", "rpc.status_code",
	"rpc.grpc.status_code", "rpc.response.status_code", "url.path", "http.target", "error.type", "version", "service.version", "name", "span.name", "operation", "status",
	"http.response.status_code", "http.status_code", "span.http.status_code", "peer", "peer.type", "scope", "service.peer.name", "peer.service", "resource.host.name", "span.status",
}

func (r random) expression() string {
	switch r.IntN(4) {
	case 0:
		return regexp.QuoteMeta(one(r, texts...)) + one(r, "", ".*", "|")
	case 1:
		return one(r, expressions...) + "|" + one(r, expressions...)
	}
	return one(r, expressions...)
}

func (r random) matcher() sli.Matcher {
	m := sli.Matcher{Key: one(r, keys...), Op: one(r, "=", "!=", "=~", "!~")}
	if m.Value = one(r, texts...); m.Op[1:] == "~" {
		m.Value = r.expression()
	}
	if column, _ := sli.Column(m.Key); column == "status" && r.chance(2) {
		m.Value = one(r, "ok", "error", "unset", "5xx")
	}
	return m
}

func (r random) matchers() (list []sli.Matcher) {
	for r.chance(2) {
		list = append(list, r.matcher())
	}
	return list
}

func (r random) indicator() sli.Indicator {
	ind := sli.Indicator{Service: one(r, "web", "shop"), Matchers: r.matchers()}
	if r.chance(3) {
		ind.Env = one(r, "production", "staging")
	}
	for r.chance(3) {
		ind.Operations = append(ind.Operations, one(r, "*", "GET *", "a*b", "*a*", "GET /v1/a", "a", "*\n", "%", "a_b", "*.*", `\*`, "é*"))
	}
	for r.chance(4) {
		ind.Kinds = append(ind.Kinds, one(r, "server", "consumer", "client", "producer", "internal"))
	}
	b := &ind.Bad
	b.Errors = r.chance(2)
	for r.chance(3) {
		b.HTTP = append(b.HTTP, one(r, "5xx", "4XX", "500", "503", "429", "2xx"))
	}
	for r.chance(4) {
		b.GRPC = append(b.GRPC, one(r, "OK", "UNAVAILABLE", "INTERNAL", "NOT_FOUND"))
	}
	if r.chance(3) {
		b.Slower = one(r, 1, 100*time.Millisecond, 100*time.Millisecond+1, time.Second)
	}
	b.Matchers = r.matchers()
	if r.chance(2) {
		ind.GroupBy, ind.MaxGroups = one(r, keys...), 1000
	}
	return ind
}

// attributes fills in some values.
func (r random) attributes(m pcommon.Map, names ...string) {
	for _, name := range names {
		if !r.chance(3) {
			continue
		}
		switch r.IntN(6) {
		case 0:
			m.PutInt(name, one(r, int64(0), 14, 500, 503, 429, -1))
		case 1:
			m.PutBool(name, r.chance(2))
		case 2:
			m.PutDouble(name, one(r, 0.5, 14, 1e300))
		default:
			m.PutStr(name, one(r, append(texts, "UNAVAILABLE", "14", "5", "OK", strings.Repeat("long", 100))...))
		}
	}
}

// requests are OTLP requests of n spans that start in the first three slots after base.
func (r random) requests(n int, base time.Time) (bodies [][]byte) {
	for serial := 0; serial < n; {
		all := ptrace.NewTraces()
		rs := all.ResourceSpans().AppendEmpty()
		resource := rs.Resource().Attributes()
		resource.PutStr("service.name", one(r, "web", "shop", "cron"))
		resource.PutStr("deployment.environment.name", one(r, "production", "staging", ""))
		r.attributes(resource, "service.version", "user.id", "k8s.pod.name", "host.name", "http.method", "tenant", "rpc.grpc.status_code", "rpc.response.status_code", "status")
		scope := rs.ScopeSpans().AppendEmpty()
		scope.Scope().SetName(one(r, texts...))
		for range 1 + r.IntN(10) {
			serial++
			r.span(scope.Spans().AppendEmpty(), serial, base)
		}
		body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(all)
		if err != nil {
			panic(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

func (r random) span(s ptrace.Span, serial int, base time.Time) {
	s.SetTraceID(pcommon.TraceID{1, byte(serial), byte(serial >> 8)})
	s.SetSpanID(pcommon.SpanID{1, byte(serial), byte(serial >> 8)})
	if r.chance(2) {
		s.SetParentSpanID(pcommon.SpanID{2})
	}
	start := base.Add(time.Duration(r.IntN(3)) * sli.Slot).Add(one(r, 0, 1, sli.Slot-1, time.Duration(r.Int64N(int64(sli.Slot)))))
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(one(r, -1, 0, 1, 2, 100*time.Millisecond, 100*time.Millisecond+1, time.Second, time.Minute))))
	s.SetName(one(r, texts...))
	s.SetKind(ptrace.SpanKind(r.IntN(8) - 1))
	s.Status().SetCode(ptrace.StatusCode(r.IntN(5) - 1))
	s.TraceState().FromRaw(one(r, "", "", "", "ot=th:8", "ot=th:c", "ot=th:f"))
	a := s.Attributes()
	r.attributes(a, "user.id", "tenant", "k8s.pod.name", "http.request.method", "http.method", "http.route", "rpc.status_code", "rpc.grpc.status_code", "rpc.response.status_code",
		"url.path", "http.target", "error.type", "http.status_code", "http.response.status_code", "service.peer.name", "peer.service", "status", "db.system")
	if r.chance(2) {
		a.PutInt("http.response.status_code", one(r, int64(200), 404, 429, 500, 503, 599, 99, 600))
	}
}

// store writes requests as ingest does, some to a segment, and counts what is counted while they arrive.
func store(t *testing.T, bodies [][]byte, base time.Time, counted []sli.Counted) *clickhouse.DB {
	t.Helper()
	db := chtest.New(t)
	resources := wire.NewResources()
	b := spans.NewBuilder(resources)
	set, err := tally.NewSet(counted)
	if err != nil {
		t.Fatal(err)
	}
	counter, batch := tally.NewCounter(), tally.NewBatch()
	insert := func(table string, block native.Block, order []int32, token int) {
		t.Helper()
		if err := db.InsertNative(t.Context(), table, block.Names(), fmt.Sprint(table, token), block.Encode(nil, order)); err != nil {
			t.Fatalf("insert into %s: %v", table, err)
		}
	}
	segments := 0
	for segment := range slices.Chunk(bodies, 100) {
		segments++
		b.Reset()
		for _, body := range segment {
			if err := b.Add(body, wire.NewWindow(base, time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		record, _ := counter.Count(set, b.View(), nil)
		if err := batch.Add(record); err != nil {
			t.Fatal(err)
		}
		block, order := b.Block()
		insert("spans", block, order, segments)
	}
	stored, _ := resources.Flush()
	insert("resources", stored, nil, 0)
	err = batch.Each(1, 1, base, func(table tally.Table) error {
		insert(table.Name, table.Block, nil, 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// countedWhileArriving returns the counts that ingest made.
func countedWhileArriving(t *testing.T, db *clickhouse.DB, id uint64) []Slot {
	t.Helper()
	rows, err := db.Query(t.Context(), `
SELECT toInt64(toUnixTimestamp(slice)) AS at, toString(grp) AS name, sum(bad), sum(total)
FROM slo_slots_10s
WHERE indicator = {id:UInt64}
GROUP BY at, name
ORDER BY at, name`, clickhouse.Named("id", id))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []Slot
	for rows.Next() {
		var s Slot
		if err := rows.Scan(&s.Start, &s.Group, &s.Bad, &s.Total); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// readBack returns the stored spans, each with its slot and weight.
func readBack(t *testing.T, db *clickhouse.DB) (list []stored) {
	t.Helper()
	rows, err := db.Query(t.Context(), `
SELECT toInt64(toUnixTimestamp(slice)), weight, env, service, version, operation, name, error_type, peer, peer_type, scope, toUInt8(kind), toUInt8(status), parent_id = toFixedString('', 8), error, http_status, duration,
       attributes, ifNull((SELECT groupArray((resource_id, attributes)) FROM resources), []) AS all_resources, arrayFirst(x -> x.1 = resource_id, all_resources).2
FROM spans`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s stored
		var root, failed bool
		var attributes, resource map[string]string
		var ignored any
		if err := rows.Scan(&s.slot, &s.weight, &s.Env, &s.Service, &s.Version, &s.Operation, &s.Name, &s.ErrorType, &s.Peer, &s.PeerType, &s.Scope, &s.Kind, &s.Status, &root, &failed,
			&s.HTTPStatus, &s.Duration, &attributes, &ignored, &resource); err != nil {
			t.Fatal(err)
		}
		s.Root, s.Failed = root, failed
		s.Attribute = func(name string, ofResource bool) (string, bool) {
			m := attributes
			if ofResource {
				m = resource
			}
			text, ok := m[name]
			return text, ok
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

type stored struct {
	sli.Span
	slot   int64
	weight float64
}

// judge counts spans one by one with the predicate that the write path counts by.
func judge(t *testing.T, ind sli.Indicator, list []stored) []Slot {
	t.Helper()
	p, err := sli.Compile(ind)
	if err != nil {
		t.Fatalf("%+v: %v", ind, err)
	}
	sums := map[string]*Slot{}
	for i := range list {
		event, bad := p.Match(&list[i].Span)
		if !event {
			continue
		}
		groups := []string{""}
		if group := p.Group(&list[i].Span); group != "" {
			groups = append(groups, group)
		}
		for _, group := range groups {
			key := fmt.Sprint(list[i].slot, " ", group)
			if sums[key] == nil {
				sums[key] = &Slot{Start: list[i].slot, Group: group}
			}
			sums[key].Total += int64(list[i].weight)
			if bad {
				sums[key].Bad += int64(list[i].weight)
			}
		}
	}
	var out []Slot
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Slot) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Group, b.Group))
	})
	return out
}

// TestCountAgrees holds together SQL, the predicate and the write path, which judges whole classes of spans for all
// indicators at once: over random spans, random indicators count the same, whole weights included.
func TestCountAgrees(t *testing.T) {
	const spans, indicators = 3000, 80
	base := querytest.Base
	for seed := range uint64(2) {
		r := newRandom(seed)
		counted := make([]sli.Counted, indicators)
		for i := range counted {
			counted[i] = sli.Counted{ID: uint64(i + 1), Indicator: r.indicator()}
		}
		db := store(t, r.requests(spans, base), base, counted)
		list := readBack(t, db)
		if len(list) < spans {
			t.Fatalf("%d spans stored", len(list))
		}
		var events, bad, groups int64
		for _, c := range counted {
			got, err := Count(context.Background(), db, c.Indicator, base, base.Add(time.Minute))
			if err != nil {
				t.Fatalf("%+v: %v", c.Indicator, err)
			}
			if diff := gocmp.Diff(judge(t, c.Indicator, list), got); diff != "" {
				t.Errorf("seed %d, %+v: the predicate and SQL differ:\n%s", seed, c.Indicator, diff)
			}
			if diff := gocmp.Diff(countedWhileArriving(t, db, c.ID), got); diff != "" {
				t.Errorf("seed %d, %+v: the write path and SQL differ:\n%s", seed, c.Indicator, diff)
			}
			for _, s := range got {
				if s.Group != "" {
					groups++
					continue
				}
				events, bad = events+s.Total, bad+s.Bad
			}
		}
		t.Logf("seed %d: %d events, %d bad, %d counts of groups", seed, events, bad, groups)
		if events == 0 || bad == 0 || bad == events || groups == 0 {
			t.Error("the indicators tell nothing")
		}
	}
}
