package spans

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"loadline/ingest/wire"
)

func BenchmarkAdd(b *testing.B) {
	f := newFixture("checkout")
	const spans = 1000
	for i := range spans {
		s := f.span("GET /items")
		s.SetTraceID(pcommon.TraceID{byte(i / 8), byte(i / 2048), 7})
		s.SetKind(ptrace.SpanKind(1 + i%5))
		s.SetEndTimestamp(s.StartTimestamp() + pcommon.Timestamp(i*12345))
		if i%8 > 0 {
			s.SetParentSpanID(pcommon.SpanID{byte(i)})
		}
		s.Attributes().PutStr("http.request.method", "GET")
		s.Attributes().PutStr("http.route", fmt.Sprintf("/items/%d", i%20))
		s.Attributes().PutInt("http.response.status_code", 200)
		s.Attributes().PutStr("url.path", fmt.Sprintf("/items/%d", i))
		s.Attributes().PutStr("server.address", "shop.example.com")
		s.Attributes().PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
		s.Attributes().PutStr("network.protocol.version", "1.1")
		s.Attributes().PutInt("thread.id", int64(i%50))
	}
	body := f.body(b)
	builder := NewBuilder(wire.NewResources())
	encoded := []byte(nil)
	b.Run("batch", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := builder.Add(body, window); err != nil {
				b.Fatal(err)
			}
			block, order := builder.Block()
			encoded = block.Encode(encoded[:0], order)
			index, red := builder.Derived()
			encoded = red.Encode(index.Encode(encoded[:0], nil), nil)
			builder.Reset()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans), "ns/span")
	})
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Check(body, window); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans), "ns/span")
	})
}
