package query

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
)

// base is the time of the fixtures: a whole hour.
var base = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// testSpan is a row of spans in a form that is short to write. Zero fields get ordinary values.
type testSpan struct {
	At         time.Duration `json:"-"` // after base
	TS         int64         `json:"ts"`
	Duration   time.Duration `json:"duration"`
	Trace      int           `json:"-"`
	Span       int           `json:"-"`
	Parent     int           `json:"-"`
	TraceHex   string        `json:"trace"`
	SpanHex    string        `json:"span"`
	ParentHex  string        `json:"parent"`
	Env        string        `json:"env"`
	Service    string        `json:"service"`
	Version    string        `json:"version"`
	Operation  string        `json:"operation"`
	Kind       string        `json:"kind"`
	Error      bool          `json:"error"`
	HTTP       int           `json:"http"`
	Peer       string        `json:"peer"`
	PeerType   string        `json:"peer_type"`
	Weight     float64       `json:"weight"`
	Resource   uint64        `json:"resource"`
	Attributes attributeMap  `json:"attributes"`
	Types      string        `json:"types"`
	Events     string        `json:"events"`
	Links      string        `json:"links"`
}

// attributeMap is written in the order of its pairs.
type attributeMap [][2]string

func (m attributeMap) MarshalJSON() ([]byte, error) {
	out := []byte("{")
	for i, pair := range m {
		if i > 0 {
			out = append(out, ',')
		}
		key, _ := json.Marshal(pair[0])
		value, _ := json.Marshal(pair[1])
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

func traceHex(n int) string { return fmt.Sprintf("%032x", uint64(n)*0x9e3779b97f4a7c15+uint64(n)) }
func spanHex(n int) string  { return fmt.Sprintf("%016x", n) }

func mustTraceID(t testing.TB, n int) TraceID {
	t.Helper()
	id, err := ParseTraceID(traceHex(n))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (s testSpan) defaults() testSpan {
	s.TS = base.Add(s.At).UnixNano()
	s.TraceHex, s.SpanHex = traceHex(s.Trace), spanHex(s.Span)
	if s.Parent != 0 {
		s.ParentHex = spanHex(s.Parent)
	}
	if s.Kind == "" {
		s.Kind = "server"
	}
	if s.Env == "" {
		s.Env = "production"
	}
	if s.Weight == 0 {
		s.Weight = 1
	}
	if s.Duration == 0 {
		s.Duration = 10 * time.Millisecond
	}
	if s.Attributes == nil {
		s.Attributes = attributeMap{}
	}
	return s
}

// newStore returns a store on a fresh database that holds the spans, and what ingest derives from them.
func newStore(t testing.TB, spans ...testSpan) (*Store, *clickhouse.DB) {
	t.Helper()
	db := chtest.New(t)
	insertSpans(t, db, spans)
	deriveRollups(t, db)
	return New(db), db
}

func exec(t testing.TB, db *clickhouse.DB, sql string, args ...any) {
	t.Helper()
	if err := db.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

func insertSpans(t testing.TB, db *clickhouse.DB, spans []testSpan) {
	t.Helper()
	for len(spans) > 0 {
		n := min(len(spans), 2000)
		rows := make([]testSpan, n)
		for i, s := range spans[:n] {
			rows[i] = s.defaults()
		}
		spans = spans[n:]
		text, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, `
INSERT INTO spans (slice, ts, duration, trace_id, span_id, parent_id, env, service, version, operation, name, kind, status, error, http_status, peer, peer_type, weight, resource_id, attributes, attribute_types, events, links)
SELECT toStartOfInterval(toDateTime(intDiv(r.ts, 1000000000), 'UTC'), INTERVAL 10 SECOND), fromUnixTimestamp64Nano(r.ts, 'UTC'), r.duration,
       toFixedString(unhex(r.trace), 16), toFixedString(unhex(r.span), 8), toFixedString(unhex(r.parent), 8),
       r.env, r.service, r.version, r.operation, r.operation, r.kind, if(r.error, 'error', 'unset'), r.error OR r.http >= 500 AND r.kind = 'server', r.http, r.peer, r.peer_type, r.weight, r.resource,
       r.attributes, r.types, r.events, r.links
FROM (SELECT arrayJoin(JSONExtract({rows:String}, 'Array(Tuple(ts Int64, duration UInt64, trace String, span String, parent String, env String, service String, version String, operation String, kind String, error Bool, http UInt16, peer String, peer_type String, weight Float64, resource UInt64, attributes Map(String, String), types String, events String, links String))')) AS r)`,
			clickhouse.Named("rows", string(text)))
	}
}

// deriveRollups fills red_10s and trace_index from spans as ingest does.
func deriveRollups(t testing.TB, db *clickhouse.DB) {
	t.Helper()
	exec(t, db, `
INSERT INTO red_10s (slice, service, env, version, operation, kind, root, status, error, spans, requests, duration, latency, slowest)
SELECT slice, service, env, version, operation, kind, parent_id = toFixedString('', 8) AS is_root,
       multiIf(http_status > 0, concat(toString(intDiv(http_status, 100)), 'xx'), error, 'error', 'ok') AS class, error,
       count(), sum(weight), sum(duration * weight), sumMap([toInt16(ceil(8 * log2(duration)))], [weight]), max((duration, trace_id))
FROM spans
GROUP BY slice, service, env, version, operation, kind, is_root, class, error`)
	for table, interval := range map[string]string{"red_5m": "5 MINUTE", "red_1h": "1 HOUR"} {
		exec(t, db, `
INSERT INTO `+table+` (slice, service, env, version, operation, kind, root, status, error, spans, requests, duration, latency, slowest)
SELECT toStartOfInterval(slice, INTERVAL `+interval+`) AS at, service, env, version, operation, kind, root, status, error,
       sum(spans), sum(requests), sum(duration), sumMap(latency), max(slowest)
FROM red_10s
GROUP BY at, service, env, version, operation, kind, root, status, error`)
	}
	exec(t, db, `INSERT INTO trace_index (trace_id, slice) SELECT DISTINCT trace_id, slice FROM spans`)
}

// near reports whether two numbers are the same but for rounding.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// within reports whether got is at most a share of want away from it.
func within(got, want time.Duration, share float64) bool {
	return math.Abs(float64(got-want)) <= share*float64(want)
}
