package metrics

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"loadline/ingest/samples"
	"loadline/ingest/wire"
	"loadline/internal/clickhouse/chtest"
)

// TestEngine inserts a batch of every kind into the real tables and reads all columns back.
func TestEngine(t *testing.T) {
	db := chtest.New(t)
	resources := wire.NewResources()
	b := NewBuilder(resources)
	const batches = 3
	for i := range batches {
		b.Reset()
		ts := pcommon.Timestamp(now.UnixNano() + int64(i)*15e9)
		f := newFixture()
		p := f.sum("requests", pmetric.AggregationTemporalityCumulative, true)
		p.SetIntValue(int64(i))
		p.SetTimestamp(ts)
		p.Attributes().PutStr("k", "v")
		h := f.histogram("latency", []float64{0.5, 1}, []uint64{1, 0, 2})
		h.SetTimestamp(ts)
		h.SetSum(4.5)
		h.SetMax(3)
		ex := h.Exemplars().AppendEmpty()
		ex.SetDoubleValue(0.25)
		ex.SetTimestamp(ts)
		ex.SetTraceID(pcommon.TraceID{0xab})
		ex.SetSpanID(pcommon.SpanID{0xcd})
		ex.FilteredAttributes().PutStr("user", "u")
		e := f.exponential("exp", 9, -1, 2, 2)
		e.SetTimestamp(ts)
		e.SetCount(6)
		e.SetZeroCount(1)
		e.SetZeroThreshold(0.125)
		e.Negative().BucketCounts().FromRaw([]uint64{1})
		stale := f.exponential("gone", 0, 0)
		stale.SetTimestamp(ts)
		stale.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
		add(t, b, f.body(t))
		merged := samples.NewBlock(0)
		for _, row := range b.Samples() {
			merged.Add(&row)
		}
		for _, table := range append(b.Blocks(), TableBlock{"samples", merged.Fill(), nil}) {
			token := fmt.Sprintf("%s-%d", table.Table, i)
			block := table.Block.Encode(nil, table.Order)
			for range 2 { // a retry counts once
				if err := db.InsertNative(t.Context(), table.Table, table.Block.Names(), token, block); err != nil {
					t.Fatalf("insert into %s: %v", table.Table, err)
				}
			}
		}
	}
	query := func(sql string, want ...string) {
		t.Helper()
		rows, err := db.Query(t.Context(), sql)
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
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n(-want +got):\n%s", sql, diff)
		}
	}
	if err := db.Exec(t.Context(), "OPTIMIZE TABLE samples FINAL"); err != nil {
		t.Fatal(err)
	}
	query(`SELECT toString(tuple(metric, service, bucket, st, t1, off, value)) FROM samples`,
		"('requests_total','shop/checkout','2026-05-04 10:00:00',1777890600000,'2026-05-04 11:30:30.000',"+
			"[5400000,5415000,5430000],[0,1,2])")
	query(`SELECT toString(tuple(metric, service, labels, toString(kind), bounds, first, last >= '2026-05-04 11:30:30'))
		FROM series ORDER BY metric`,
		row("exp", `{`+context+`},'histogram',[],'2026-05-04 11:30:00',1`),
		row("gone", `{`+context+`},'histogram',[],'2026-05-04 11:30:00',1`),
		row("latency_seconds", `{`+context+`},'histogram',[0.5,1],'2026-05-04 11:30:00',1`),
		row("requests_total", `{'instance':'i-1','job':'shop/checkout','k':'v','otel_scope_name':'meter',`+
			`'otel_scope_version':'1.2'},'counter',[],'2026-05-04 11:30:00',1`))
	histogram := func(metric, rest string) string {
		return fmt.Sprintf("('%s','shop/checkout','2026-05-04 10:00:00',1777890600000,'2026-05-04 11:30:00.000',%s)", metric, rest)
	}
	query(`SELECT toString(tuple(metric, service, bucket, st, ts, schema, zero_threshold, zero_count, count,
			if(isNaN(sum), 'NaN', toString(sum)), isNaN(min), max, stale, pos_idx, pos_count, neg_idx, neg_count, toString(hint)))
		FROM histograms WHERE ts = '2026-05-04 11:30:00' ORDER BY metric`,
		histogram("exp", `8,0.125,1,6,'NaN',1,nan,false,[0,1],[2,2],[1],[1],'unknown'`),
		histogram("gone", `0,0,0,0,'NaN',1,nan,true,[],[],[],[],'unknown'`),
		histogram("latency_seconds", `-53,0,0,3,'4.5',1,3,false,[0,2],[1,2],[],[],'unknown'`))
	query(`SELECT toString(tuple(metric, service, ts, value, hex(trace_id), hex(span_id), attributes))
		FROM exemplars ORDER BY ts LIMIT 1`,
		"('latency_seconds','shop/checkout','2026-05-04 11:30:00.000',0.25,'AB000000000000000000000000000000',"+
			"'CD00000000000000',{'user':'u'})")
	query(`SELECT toString(tuple(metric, otel_name, type, unit, help, temporality, scope, last_seen)) FROM metadata
		ORDER BY metric LIMIT 1 OFFSET 2`,
		"('latency_seconds','latency','histogram','s','about latency','cumulative','meter@1.2','2026-05-04 11:30:00')")
	query(`SELECT toString(tuple(name, value, metric)) FROM postings WHERE name = 'k'`, "('k','v','requests_total')")
	query(`SELECT toString(tuple((SELECT count() FROM histograms), (SELECT count() FROM exemplars), (SELECT count() FROM series)))`,
		fmt.Sprintf("(%d,%d,4)", 3*batches, batches))
	// The stale marker's bits survive storage.
	query(`SELECT DISTINCT hex(reinterpretAsUInt64(sum)) FROM histograms WHERE stale`,
		"7FF0000000000002")
}

const context = `'instance':'i-1','job':'shop/checkout','otel_scope_name':'meter','otel_scope_version':'1.2'`

func row(metric, rest string) string { return fmt.Sprintf("('%s','shop/checkout',%s)", metric, rest) }
