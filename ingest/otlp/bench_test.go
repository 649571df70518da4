package otlp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"loadline/ingest"
)

// benchSpans is how many spans one request of the benchmarks has.
const benchSpans = 1000

// benchRequest returns a request of spans with 10 attributes, of a resource with 19.
func benchRequest(b *testing.B) ptraceotlp.ExportRequest {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	for i := range 19 {
		resource.Resource().Attributes().PutStr(fmt.Sprintf("k8s.resource.attribute%d", i), fmt.Sprintf("value-%d-of-resource", i))
	}
	scope := resource.ScopeSpans().AppendEmpty()
	scope.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	for i := range benchSpans {
		span := scope.Spans().AppendEmpty()
		var trace [16]byte
		var id [8]byte
		for j := range trace {
			trace[j] = byte(random.Uint32())
			id[j/2] = byte(random.Uint32())
		}
		span.SetTraceID(trace)
		span.SetSpanID(id)
		span.SetParentSpanID(id)
		span.SetName("GET /products/{id}")
		span.SetKind(ptrace.SpanKindServer)
		begin := pcommon.Timestamp(1_760_000_000_000_000_000 + 1_000_003*i)
		span.SetStartTimestamp(begin)
		span.SetEndTimestamp(begin + pcommon.Timestamp(random.IntN(100_000_000)))
		a := span.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("http.route", "/products/{id}")
		a.PutStr("url.path", fmt.Sprintf("/products/%d", random.IntN(10_000)))
		a.PutStr("url.scheme", "https")
		a.PutInt("http.response.status_code", 200)
		a.PutStr("server.address", "shop.example")
		a.PutInt("server.port", 443)
		a.PutStr("client.address", fmt.Sprintf("10.1.%d.%d", random.IntN(256), random.IntN(256)))
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
		a.PutStr("user.id", fmt.Sprintf("u%d", i*7919%100_000))
	}
	return ptraceotlp.NewExportRequestFromTraces(traces)
}

func benchBody(b *testing.B, encoding string) []byte {
	b.Helper()
	body, err := benchRequest(b).MarshalProto()
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	switch encoding {
	case "gzip":
		z := gzip.NewWriter(&out)
		_, _ = z.Write(body)
		_ = z.Close()
	case "zstd":
		z, _ := zstd.NewWriter(&out)
		_, _ = z.Write(body)
		_ = z.Close()
	default:
		return body
	}
	return out.Bytes()
}

// benchServer returns a server whose write path does nothing.
func benchServer(b *testing.B) *Server {
	b.Helper()
	return start(b, Config{}, func(context.Context, ingest.Signal, []byte) (ingest.Result, error) {
		return ingest.Result{Accepted: benchSpans}, nil
	})
}

// cpu returns the processor time of this process, user and system, in seconds.
func cpu(b *testing.B) float64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// run sends the request b.N times and reports processor time per request, the client's share included: it writes bytes
// that were compressed before.
func run(b *testing.B, protocols *http.Protocols, url string, header http.Header, body []byte) {
	b.Helper()
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	b.ReportAllocs()
	began := cpu(b)
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header = header
		response, err := transport.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			b.Fatal(err)
		}
		_ = response.Body.Close()
		if status := response.Trailer.Get("Grpc-Status"); response.StatusCode != http.StatusOK || (status != "" && status != "0") {
			b.Fatalf("answer %d, status %q", response.StatusCode, status)
		}
	}
	b.ReportMetric((cpu(b)-began)*1e6/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(len(body)), "bytes/op")
}

func BenchmarkGRPCExport(b *testing.B) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	for _, encoding := range []string{"none", "gzip", "zstd"} {
		b.Run(encoding, func(b *testing.B) {
			s := benchServer(b)
			header := http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Encoding": {encoding}}
			flag := byte(1)
			if encoding == "none" {
				flag = 0
				header.Del("Grpc-Encoding")
			}
			run(b, protocols, "http://"+s.GRPCAddr().String()+"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
				header, frame(flag, benchBody(b, encoding)))
		})
	}
}

func BenchmarkHTTPExport(b *testing.B) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	url := func(s *Server) string { return "http://" + s.HTTPAddr().String() + "/v1/traces" }
	for _, encoding := range []string{"none", "gzip", "zstd"} {
		b.Run(encoding, func(b *testing.B) {
			header := http.Header{"Content-Type": {mediaProtobuf}}
			if encoding != "none" {
				header.Set("Content-Encoding", encoding)
			}
			run(b, protocols, url(benchServer(b)), header, benchBody(b, encoding))
		})
	}
	b.Run("json", func(b *testing.B) {
		doc, err := benchRequest(b).MarshalJSON()
		if err != nil {
			b.Fatal(err)
		}
		run(b, protocols, url(benchServer(b)), http.Header{"Content-Type": {mediaJSON}}, doc)
	})
}
