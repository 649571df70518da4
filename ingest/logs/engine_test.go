package logs

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"loadline/ingest/wire"
	"loadline/internal/clickhouse/chtest"
)

// TestEngine inserts records into the real table and reads all columns back.
func TestEngine(t *testing.T) {
	db := chtest.New(t)
	b := NewBuilder(wire.NewResources())
	f := newFixture("checkout")
	for i := range 2 {
		r := f.record()
		r.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(-i) * time.Minute)))
		r.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
		r.SetTraceID(pcommon.TraceID{0xab})
		r.SetSpanID(pcommon.SpanID{0xcd})
		r.SetSeverityNumber(plog.SeverityNumberWarn)
		r.SetSeverityText("WARN")
		r.SetEventName("e")
		r.Body().SetStr("text\n\nmore") // two line ends in a row once cut blocks short
		if i == 0 {
			r.Attributes().PutStr("k", "v")
			r.Attributes().PutBool("b", true)
			r.SetDroppedAttributesCount(1)
		}
	}
	add(t, b, f.body(t))
	block, order := b.Block()
	encoded := block.Encode(nil, order)
	for range 2 { // a retry counts once
		if err := db.InsertNative(t.Context(), "logs", block.Names(), "token", encoded); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.Query(t.Context(), `SELECT toString(tuple(slice, ts, observed, hex(trace_id), hex(span_id), env, service,
			severity, severity_text, event_name, body, body_type, resource_id != 0, scope, attributes, attribute_types, extra))
		FROM logs ORDER BY ts`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	const common = `'2026-05-04 11:30:07.123456789','AB000000000000000000000000000000','CD00000000000000','prod','checkout',` +
		`13,'WARN','e','text\n\nmore','s',1,'logger',`
	want := []string{
		`('2026-05-04 11:29:00','2026-05-04 11:29:07.123456789',` + common + `{},'','')`,
		`('2026-05-04 11:30:00','2026-05-04 11:30:07.123456789',` + common +
			`{'k':'v','b':'true'},'sb','{"dropped_attributes":1}')`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
