// Package querytest is the fixture that the tests of the packages below query share: spans that are short to write, a
// database that holds them with what ingest derives from them, and comparisons. Only tests import it.
package querytest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
)

// Base is the time of the fixtures: a whole hour.
var Base = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// A Span is a row of spans in a form that is short to write. Zero fields get ordinary values.
type Span struct {
	At         time.Duration `json:"-"` // after Base
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
	Attributes Attributes    `json:"attributes"`
	Types      string        `json:"types"`
	Events     string        `json:"events"`
	Links      string        `json:"links"`
}

// Attributes is a map that is written in the order of its pairs.
type Attributes [][2]string

// MarshalJSON writes an object.
func (m Attributes) MarshalJSON() ([]byte, error) {
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

// TraceHex is the id of trace n as text.
func TraceHex(n int) string { return fmt.Sprintf("%032x", uint64(n)*0x9e3779b97f4a7c15+uint64(n)) }

// SpanHex is the id of span n as text.
func SpanHex(n int) string { return fmt.Sprintf("%016x", n) }

func (s Span) defaults() Span {
	s.TS = Base.Add(s.At).UnixNano()
	s.TraceHex, s.SpanHex = TraceHex(s.Trace), SpanHex(s.Span)
	if s.Parent != 0 {
		s.ParentHex = SpanHex(s.Parent)
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
		s.Attributes = Attributes{}
	}
	return s
}

// New returns a fresh database that holds the spans, and what ingest derives from them.
func New(t testing.TB, spans ...Span) *clickhouse.DB {
	t.Helper()
	db := chtest.New(t)
	Insert(t, db, spans)
	DeriveRollups(t, db)
	return db
}

// Exec runs a statement.
func Exec(t testing.TB, db *clickhouse.DB, statement string, args ...any) {
	t.Helper()
	if err := db.Exec(context.Background(), statement, args...); err != nil {
		t.Fatalf("%v\n%s", err, statement)
	}
}

// Insert writes spans, without what is derived from them.
func Insert(t testing.TB, db *clickhouse.DB, spans []Span) {
	t.Helper()
	for len(spans) > 0 {
		n := min(len(spans), 2000)
		rows := make([]Span, n)
		for i, s := range spans[:n] {
			rows[i] = s.defaults()
		}
		spans = spans[n:]
		text, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		Exec(t, db, `
INSERT INTO spans (slice, ts, duration, trace_id, span_id, parent_id, env, service, version, operation, name, kind, status, error, http_status, peer, peer_type, weight, resource_id, attributes, attribute_types, events, links)
SELECT toStartOfInterval(toDateTime(intDiv(r.ts, 1000000000), 'UTC'), INTERVAL 10 SECOND), fromUnixTimestamp64Nano(r.ts, 'UTC'), r.duration,
       toFixedString(unhex(r.trace), 16), toFixedString(unhex(r.span), 8), toFixedString(unhex(r.parent), 8),
       r.env, r.service, r.version, r.operation, r.operation, r.kind, if(r.error, 'error', 'unset'), r.error OR r.http >= 500 AND r.kind = 'server', r.http, r.peer, r.peer_type, r.weight, r.resource,
       r.attributes, r.types, r.events, r.links
FROM (SELECT arrayJoin(JSONExtract({rows:String}, 'Array(Tuple(ts Int64, duration UInt64, trace String, span String, parent String, env String, service String, version String, operation String, kind String, error Bool, http UInt16, peer String, peer_type String, weight Float64, resource UInt64, attributes Map(String, String), types String, events String, links String))')) AS r)`,
			clickhouse.Named("rows", string(text)))
	}
}

// DeriveRollups fills red_10s and trace_index from spans as ingest does.
func DeriveRollups(t testing.TB, db *clickhouse.DB) {
	t.Helper()
	Exec(t, db, `
INSERT INTO red_10s (slice, service, env, version, operation, kind, root, status, error, spans, requests, duration, latency, slowest)
SELECT slice, service, env, version, operation, kind, parent_id = toFixedString('', 8) AS is_root,
       multiIf(http_status > 0, concat(toString(intDiv(http_status, 100)), 'xx'), error, 'error', 'ok') AS class, error,
       count(), sum(weight), sum(duration * weight), sumMap([toInt16(ceil(8 * log2(duration)))], [weight]), max((duration, trace_id))
FROM spans
GROUP BY slice, service, env, version, operation, kind, is_root, class, error`)
	for table, interval := range map[string]string{"red_5m": "5 MINUTE", "red_1h": "1 HOUR"} {
		Exec(t, db, `
INSERT INTO `+table+` (slice, service, env, version, operation, kind, root, status, error, spans, requests, duration, latency, slowest)
SELECT toStartOfInterval(slice, INTERVAL `+interval+`) AS at, service, env, version, operation, kind, root, status, error,
       sum(spans), sum(requests), sum(duration), sumMap(latency), max(slowest)
FROM red_10s
GROUP BY at, service, env, version, operation, kind, root, status, error`)
	}
	Exec(t, db, `INSERT INTO trace_index (trace_id, slice) SELECT DISTINCT trace_id, slice FROM spans`)
}
