package spans

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"loadline/ingest/native"
	"loadline/ingest/red"
	"loadline/ingest/wire"
	"loadline/internal/clickhouse/chtest"
)

// TestEngine inserts spans and what is derived from them into the real tables and reads all columns back.
func TestEngine(t *testing.T) {
	db := chtest.New(t)
	resources := wire.NewResources()
	b := NewBuilder(resources)
	f := newFixture("checkout")
	f.resource.SetSchemaUrl("url")
	f.resource.Resource().Attributes().PutStr("service.instance.id", "i")
	f.resource.Resource().Attributes().PutStr("telemetry.sdk.language", "go")
	for i := range 2 {
		s := f.span("GET")
		s.SetKind(ptrace.SpanKindServer)
		s.SetEndTimestamp(s.StartTimestamp() + pcommon.Timestamp(time.Duration(i+1)*time.Millisecond))
		s.Status().SetCode(ptrace.StatusCodeError)
		s.Status().SetMessage("bad\n\nluck") // two line ends in a row once cut blocks short
		s.TraceState().FromRaw("ot=th:8")
		s.Attributes().PutStr("http.request.method", "GET")
		s.Attributes().PutStr("http.route", "/")
		s.Attributes().PutInt("http.response.status_code", 500)
		s.Attributes().PutStr("error.type", "E")
		if i == 1 {
			s.SetParentSpanID(pcommon.SpanID{4, 1})
			s.SetKind(ptrace.SpanKindClient)
			s.Attributes().PutStr("db.system", "mysql")
			s.Events().AppendEmpty().SetName("e")
			s.Links().AppendEmpty().SetSpanID(pcommon.SpanID{1})
			s.SetDroppedLinksCount(1)
		}
	}
	add(t, b, f.body(t))
	insert := func(table string, block native.Block, order []int32) {
		t.Helper()
		encoded := block.Encode(nil, order)
		for range 2 { // a retry counts once
			if err := db.InsertNative(t.Context(), table, block.Names(), "token", encoded); err != nil {
				t.Fatalf("insert into %s: %v", table, err)
			}
		}
	}
	block, order := b.Block()
	insert("spans", block, order)
	index, rates := b.Derived()
	insert("trace_index", index, nil)
	insert("red_10s", rates, nil)
	stored, deployments := resources.Flush()
	insert("resources", stored, nil)
	insert("deployments", deployments, nil)

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
	const (
		trace   = "01020300000000000000000000000000"
		slice   = "'2026-05-04 11:30:00'"
		common  = `'GET','error','bad\n\nluck',true,'E',500,`
		context = `{'http.request.method':'GET','http.route':'/','http.response.status_code':'500','error.type':'E'`
	)
	query(`SELECT toString(tuple(slice, ts, duration, hex(trace_id), hex(span_id), hex(parent_id), env, service, version,
			operation, toString(kind), name, toString(status), status_message, error, error_type, http_status, peer, peer_type,
			weight, resource_id = (SELECT resource_id FROM resources), scope, attributes, attribute_types, events, links,
			trace_state, extra))
		FROM spans ORDER BY span_id`,
		`(`+slice+`,'2026-05-04 11:30:07.123456789',1000000,'`+trace+`','0401000000000000','0000000000000000','prod','checkout',`+
			`'7','GET /','server',`+common+`'','',2,1,'lib',`+context+`},'ssis','','','ot=th:8','')`,
		`(`+slice+`,'2026-05-04 11:30:07.123456789',2000000,'`+trace+`','0402000000000000','0401000000000000','prod','checkout',`+
			`'7','GET','client',`+common+`'mysql','database',2,1,'lib',`+context+`,'db.system':'mysql'},'ssiss',`+
			`'[{"ts":0,"name":"e"}]','[{"trace_id":"","span_id":"0100000000000000"}]','ot=th:8','{"dropped_links":1}')`)
	query(`SELECT toString(tuple(hex(trace_id), slice)) FROM trace_index`, `('`+trace+`',`+slice+`)`)
	redRow := func(operation, kind string, root bool, ns, bucket int) string {
		return fmt.Sprintf(`(%s,'checkout','prod','7','%s','%s',%v,'5xx',true,1,2,%d,([%d],[2]),%d,'%s')`,
			slice, operation, kind, root, 2*ns, bucket, ns, trace)
	}
	query(`SELECT toString(tuple(slice, service, env, version, operation, toString(kind), root, status, error, spans, requests,
			duration, latency, slowest.1, hex(slowest.2)))
		FROM red_10s FINAL ORDER BY operation`,
		redRow("GET", "client", false, 2e6, int(red.BucketIndex(2e6))), redRow("GET /", "server", true, 1e6, int(red.BucketIndex(1e6))))
	query(`SELECT toString(tuple(env, service, version, instance, language, attributes, attribute_types, schema_url, last_seen))
		FROM resources`,
		`('prod','checkout','7','i','go',{'deployment.environment.name':'prod','service.instance.id':'i',`+
			`'service.name':'checkout','service.version':'7','telemetry.sdk.language':'go'},'sssss','url',`+slice+`)`)
	query(`SELECT toString(tuple(service, env, version, first_seen, last_seen)) FROM deployments`,
		`('checkout','prod','7',`+slice+`,`+slice+`)`)
}
