package otlp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"loadline/ingest"
)

// rawClient is a gRPC client that sends bytes as they are.
type rawClient struct {
	conn     *grpc.ClientConn
	metadata []string
	response []byte // of the last export
}

// rawCodec sends and receives bytes.
type rawCodec struct{}

func (rawCodec) Name() string                    { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error { *v.(*[]byte) = bytes.Clone(b); return nil }

func newClient(t testing.TB, s *Server, metadata ...string) *rawClient {
	t.Helper()
	conn, err := grpc.NewClient(s.GRPCAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &rawClient{conn: conn, metadata: metadata}
}

func (c *rawClient) export(signal ingest.Signal, body []byte, options ...grpc.CallOption) error {
	return c.exportContext(context.Background(), signal, body, options...)
}

func (c *rawClient) exportContext(ctx context.Context, signal ingest.Signal, body []byte, options ...grpc.CallOption) error {
	ctx = metadata.AppendToOutgoingContext(ctx, c.metadata...)
	c.response = nil
	for path, s := range exportMethods {
		if s == signal {
			return c.conn.Invoke(ctx, path, &body, &c.response, append(options, grpc.ForceCodec(rawCodec{}))...)
		}
	}
	panic("BUG: no method for " + signal.String())
}

// watch returns a function that waits for the next health status.
func (c *rawClient) watch(t *testing.T) func() string {
	t.Helper()
	stream, err := healthpb.NewHealthClient(c.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		t.Helper()
		response, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return response.Status.String()
	}
}

// grpcStatus writes an error with its details.
func grpcStatus(err error) string {
	st := status.Convert(err)
	if st.Code() == codes.OK {
		return "OK"
	}
	text := st.Code().String() + ": " + st.Message()
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.RetryInfo:
			text += fmt.Sprintf(" (retry after %s)", d.RetryDelay.AsDuration())
		case *errdetails.BadRequest:
			text += fmt.Sprintf(" (bad %q)", d.FieldViolations[0].Field)
		}
	}
	return text
}

// TestGRPCClients exports through the Collector's generated clients.
func TestGRPCClients(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	client := newClient(t, s)
	traces := ptraceotlp.NewExportRequest()
	traces.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetName("n")
	metrics := pmetricotlp.NewExportRequest()
	metrics.Metrics().ResourceMetrics().AppendEmpty().SetSchemaUrl("m")
	logs := plogotlp.NewExportRequest()
	logs.Logs().ResourceLogs().AppendEmpty().SetSchemaUrl("l")
	for range 2 {
		if response, err := ptraceotlp.NewGRPCClient(client.conn).Export(t.Context(), traces); err != nil || response.PartialSuccess().ErrorMessage() != "" {
			t.Error(err)
		}
		if _, err := pmetricotlp.NewGRPCClient(client.conn).Export(t.Context(), metrics, grpc.UseCompressor("gzip")); err != nil {
			t.Error(err)
		}
		if _, err := plogotlp.NewGRPCClient(client.conn).Export(t.Context(), logs); err != nil {
			t.Error(err)
		}
		tracesBody, _ := traces.MarshalProto()
		metricsBody, _ := metrics.MarshalProto()
		logsBody, _ := logs.MarshalProto()
		same(t, got.taken(), []call{
			{ingest.Traces, string(tracesBody)},
			{ingest.Metrics, string(metricsBody)},
			{ingest.Logs, string(logsBody)},
		})
	}

	got.answer(ingest.Result{Accepted: 1, Rejected: 3, Message: "3 bad ids"}, nil)
	traceAnswer, err := ptraceotlp.NewGRPCClient(client.conn).Export(t.Context(), traces)
	same(t, err, error(nil))
	same(t, traceAnswer.PartialSuccess().RejectedSpans(), int64(3))
	same(t, traceAnswer.PartialSuccess().ErrorMessage(), "3 bad ids")
	metricAnswer, err := pmetricotlp.NewGRPCClient(client.conn).Export(t.Context(), metrics)
	same(t, err, error(nil))
	same(t, metricAnswer.PartialSuccess().RejectedDataPoints(), int64(3))
	got.answer(ingest.Result{Message: "only a warning"}, nil)
	logAnswer, err := plogotlp.NewGRPCClient(client.conn).Export(t.Context(), logs)
	same(t, err, error(nil))
	same(t, logAnswer.PartialSuccess().RejectedLogRecords(), int64(0))
	same(t, logAnswer.PartialSuccess().ErrorMessage(), "only a warning")
}

// TestGRPCBody sends bytes that need not be protobuf: nothing but the write path looks at them.
func TestGRPCBody(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	client := newClient(t, s)
	for _, size := range []int{0, 1, 100, 70_000, 5 << 20, 64 << 20} { // grpc-go's own limit is 4 MiB
		body := bytes.Repeat([]byte("\x00\xff "), size/3+1)[:size]
		for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}} {
			if err := client.export(ingest.Metrics, body, options...); err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			same(t, len(client.response), 0)
			calls := got.taken()
			if len(calls) != 1 || calls[0].Signal != ingest.Metrics || calls[0].Body != string(body) {
				t.Fatalf("%d bytes: they arrive changed", size)
			}
		}
	}
}

func TestGRPCErrors(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	client := newClient(t, s)
	f := func(err error, want string) {
		t.Helper()
		got.answer(ingest.Result{}, err)
		same(t, grpcStatus(client.export(ingest.Traces, []byte("x"))), want)
	}
	f(&ingest.MalformedError{Signal: ingest.Traces, Err: errors.New("field 7 is 100 % wrong:\n\"é\"")},
		"InvalidArgument: malformed traces request: field 7 is 100 % wrong:\n\"é\" (bad \"\")")
	f(fmt.Errorf("export: %w", &ingest.OverloadedError{Reason: "log full", RetryAfter: 2500 * time.Millisecond}),
		"Unavailable: export: overloaded: log full; retry after 2.5s (retry after 2.5s)")
	f(&ingest.OverloadedError{Reason: "log full"}, "Unavailable: overloaded: log full; retry after 0s (retry after 1s)")
	f(ingest.ErrClosed, "Unavailable: ingest is shutting down (retry after 1s)")
	f(errors.New("write segment: no space left on device"), "Unavailable: write segment: no space left on device (retry after 1s)")
	f(context.DeadlineExceeded, "DeadlineExceeded: context deadline exceeded (retry after 1s)")
	f(context.Canceled, "Unavailable: context canceled (retry after 1s)")
	f(errors.New(strings.Repeat("long \xff", 10_000)), "Unavailable: "+strings.Repeat("long \ufffd", 170)+"long (retry after 1s)")
}

func TestGRPCTooLarge(t *testing.T) {
	var got sink
	const limit = 1 << 20
	s := start(t, Config{MaxRequestBytes: limit}, got.export)
	client := newClient(t, s)
	want := "ResourceExhausted: request is larger than 1048576 bytes uncompressed: send smaller batches, or raise the limit"
	body := make([]byte, limit+1)
	same(t, grpcStatus(client.export(ingest.Traces, body)), want)
	same(t, grpcStatus(client.export(ingest.Traces, body, grpc.UseCompressor("gzip"))), want)
	same(t, grpcStatus(client.export(ingest.Traces, body[:limit])), "OK")
	same(t, grpcStatus(client.export(ingest.Traces, body[:limit], grpc.UseCompressor("gzip"))), "OK")
	same(t, len(got.taken()), 2)
	same(t, s.Refusals()[0].Reason, "too_large")
}

func TestGRPCDeadline(t *testing.T) {
	deadlines := make(chan time.Duration, 1)
	got := sink{during: func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		deadlines <- time.Until(deadline)
		return nil
	}}
	s := start(t, Config{}, got.export)
	client := newClient(t, s)
	f := func(timeout, atLeast, atMost time.Duration) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		same(t, client.exportContext(ctx, ingest.Traces, nil), error(nil))
		if left := <-deadlines; left <= atLeast || left > atMost {
			t.Errorf("%s left of %s", left, timeout)
		}
	}
	f(20*time.Second, 10*time.Second, 20*time.Second)
	f(time.Hour, exportTimeout/2, exportTimeout)

	for header, limited := range map[string]bool{
		"5S": true, "100m": true, "99999999n": true, "1H": false, "99999999H": false, "": false, "S": false, "5": false, "-5S": false, "5X": false, "123456789m": false,
	} {
		ctx, cancel := withGRPCTimeout(t.Context(), header)
		if _, ok := ctx.Deadline(); ok != limited {
			t.Errorf("timeout %q: limited %t", header, ok)
		}
		cancel()
	}
}

// frame returns a message as it stands in the body of a request.
func frame(flag byte, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(message))), message...)
}

// newRecorder and the constructors below are for requests that no client can be made to send.
func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func newGRPCRequest(t testing.TB, path string, body []byte) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	r.Header.Set("Content-Type", "application/grpc")
	return r
}

func TestGRPCProtocol(t *testing.T) {
	var got sink
	s := start(t, Config{MaxRequestBytes: 1 << 20}, got.export)
	traces := "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	raw := func(path, contentType, encoding string, body []byte) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.GRPCAddr().String()+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Te", "trailers")
		if encoding != "" {
			r.Header.Set("Grpc-Encoding", encoding)
		}
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if _, err := io.ReadAll(response.Body); err != nil {
			t.Fatal(err)
		}
		same(t, response.StatusCode, http.StatusOK)
		same(t, response.Header.Get("Content-Type"), "application/grpc")
		same(t, response.Header.Get("Grpc-Accept-Encoding"), "gzip,zstd,deflate,snappy")
		return response.Trailer.Get("Grpc-Status") + " " + response.Trailer.Get("Grpc-Message")
	}
	zipped, zstandard := new(bytes.Buffer), new(bytes.Buffer)
	z := gzip.NewWriter(zipped)
	_, _ = z.Write([]byte("hello"))
	_ = z.Close()
	zs, _ := zstd.NewWriter(zstandard)
	_, _ = zs.Write([]byte("hello"))
	_ = zs.Close()

	same(t, raw(traces, "application/grpc", "", frame(0, []byte("hello"))), "0 ")
	same(t, raw(traces, "application/grpc+proto", "gzip", frame(1, zipped.Bytes())), "0 ")
	same(t, raw(traces, "application/grpc;x=y", "zstd", frame(1, zstandard.Bytes())), "0 ")
	same(t, raw(traces, "application/grpc", "gzip", frame(0, []byte("hello"))), "0 ") // may leave it out per message
	same(t, got.taken(), []call{{ingest.Traces, "hello"}, {ingest.Traces, "hello"}, {ingest.Traces, "hello"}, {ingest.Traces, "hello"}})

	f := func(want, path, contentType, encoding string, body []byte) {
		t.Helper()
		contains(t, raw(path, contentType, encoding, body), want)
	}
	f("3 the request has no message", traces, "application/grpc", "", nil)
	f("3 the request has more than one message", traces, "application/grpc", "", append(frame(0, nil), frame(0, nil)...))
	f("3 the message is marked as compressed", traces, "application/grpc", "", frame(1, []byte("x")))
	f("3 the message is marked as compressed", traces, "application/grpc", "identity", frame(1, []byte("x")))
	f("3 body is not valid gzip", traces, "application/grpc", "gzip", frame(1, zipped.Bytes()[:10]))
	f("3 body is not valid zstd", traces, "application/grpc", "zstd", frame(1, []byte("x")))
	f("12 compression \"br\" is not supported", traces, "application/grpc", "br", frame(1, []byte("x")))
	f("1 the sender stopped", traces, "application/grpc", "", frame(0, []byte("hello"))[:8])
	f("1 the sender stopped", traces, "application/grpc", "", []byte{0, 0})
	f("8 request is larger", traces, "application/grpc", "", []byte{0, 0xff, 0xff, 0xff, 0xff})
	f("12 content type", traces, "application/grpc+json", "", frame(0, []byte("{}")))
	f("12 method", "/opentelemetry.proto.collector.trace.v1.TraceService/Import", "application/grpc", "", frame(0, nil))
	f("12 method", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/grpc", "", frame(0, nil))
	f("3 not a health check", "/grpc.health.v1.Health/Check", "application/grpc", "", frame(0, []byte{0xff}))
	same(t, len(got.taken()), 0)
}

func TestHealth(t *testing.T) {
	var got sink
	s := start(t, Config{Authorize: func(http.Header) error { return ErrUnauthenticated }}, got.export)
	conn := newClient(t, s).conn
	check := func(service, want string) {
		t.Helper()
		response, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service}, grpc.UseCompressor("gzip"))
		if err != nil {
			same(t, grpcStatus(err), want)
			return
		}
		same(t, response.Status.String(), want)
	}
	check("", "SERVING")
	check("opentelemetry.proto.collector.trace.v1.TraceService", "SERVING")
	check("opentelemetry.proto.collector.logs.v1.LogsService", "SERVING")
	check("shop", `NotFound: service "shop" is not known`)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{Service: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	response, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	same(t, response.Status, healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
	cancel()
}
