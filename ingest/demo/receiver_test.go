package demo

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// receiver is an OTLP backend in memory, for both transports.
type receiver struct {
	grpcAddr, httpAddr string

	// refuse, when set, is asked before a request is taken: an error for gRPC, a status and Retry-After for HTTP.
	refuse func() (status int, after string, err error)
	// reject is the partial success of every trace request.
	reject int64
	// arrived hears of every taken request.
	arrived chan struct{}
	// keep is false for a receiver that only counts.
	keep bool

	mu       sync.Mutex
	traces   []ptrace.Traces
	metrics  []pmetric.Metrics
	logs     []plog.Logs
	requests int
	spans    int
	bodies   map[[32]byte]int // attempts of each HTTP body, refused ones included
	header   string
	failures []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{arrived: make(chan struct{}, 1<<16), keep: true, bodies: map[[32]byte]int{}}
	web := httptest.NewServer(r)
	t.Cleanup(web.Close)
	r.httpAddr = strings.TrimPrefix(web.URL, "http://")
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.grpcAddr = l.Addr().String()
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	ptraceotlp.RegisterGRPCServer(server, &traceServer{receiver: r})
	pmetricotlp.RegisterGRPCServer(server, &metricServer{receiver: r})
	plogotlp.RegisterGRPCServer(server, &logServer{receiver: r})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("fake receiver: %v", err)
		}
		for _, f := range r.failures {
			t.Error(f)
		}
	})
	return r
}

func (r *receiver) address(transport string) string {
	if transport == HTTP {
		return r.httpAddr
	}
	return r.grpcAddr
}

// take stores a request unless it is refused.
func (r *receiver) take(ctx context.Context, store func()) error {
	if r.refuse != nil {
		if _, _, err := r.refuse(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		if v := md.Get("authorization"); len(v) > 0 {
			r.header = v[0]
		}
	}
	r.requests++
	store()
	r.arrived <- struct{}{}
	return nil
}

func (r *receiver) addTraces(td ptrace.Traces) {
	r.spans += td.SpanCount()
	if r.keep {
		r.traces = append(r.traces, td)
	}
}

type traceServer struct {
	ptraceotlp.UnimplementedGRPCServer
	*receiver
}

func (s *traceServer) Export(ctx context.Context, req ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	resp := ptraceotlp.NewExportResponse()
	resp.PartialSuccess().SetRejectedSpans(s.reject)
	return resp, s.take(ctx, func() { s.addTraces(req.Traces()) })
}

type metricServer struct {
	pmetricotlp.UnimplementedGRPCServer
	*receiver
}

func (s *metricServer) Export(ctx context.Context, req pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	return pmetricotlp.NewExportResponse(), s.take(ctx, func() { s.metrics = append(s.metrics, req.Metrics()) })
}

type logServer struct {
	plogotlp.UnimplementedGRPCServer
	*receiver
}

func (s *logServer) Export(ctx context.Context, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	return plogotlp.NewExportResponse(), s.take(ctx, func() { s.logs = append(s.logs, req.Logs()) })
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := unpack(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.bodies[sha256.Sum256(body)]++
	r.mu.Unlock()
	if r.refuse != nil {
		if status, after, _ := r.refuse(); status != 0 {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(status)
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.header = req.Header.Get("Authorization")
	r.requests++
	reply, err := r.store(req.URL.Path, body)
	if err != nil {
		r.failures = append(r.failures, err.Error())
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(reply)
	r.arrived <- struct{}{}
}

func (r *receiver) store(path string, body []byte) ([]byte, error) {
	switch path {
	case "/v1/metrics":
		req := pmetricotlp.NewExportRequest()
		err := req.UnmarshalProto(body)
		r.metrics = append(r.metrics, req.Metrics())
		return nil, err
	case "/v1/logs":
		req := plogotlp.NewExportRequest()
		err := req.UnmarshalProto(body)
		r.logs = append(r.logs, req.Logs())
		return nil, err
	}
	req := ptraceotlp.NewExportRequest()
	if err := req.UnmarshalProto(body); err != nil {
		return nil, err
	}
	r.addTraces(req.Traces())
	resp := ptraceotlp.NewExportResponse()
	resp.PartialSuccess().SetRejectedSpans(r.reject)
	return resp.MarshalProto()
}

func unpack(req *http.Request) ([]byte, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	switch req.Header.Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	case "zstd":
		z, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return z.DecodeAll(body, nil)
	}
	return body, nil
}

// each calls f for every span that arrived.
func (r *receiver) each(f func(rs ptrace.ResourceSpans, s ptrace.Span)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, td := range r.traces {
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					f(rs, s)
				}
			}
		}
	}
}

func text(t *testing.T, rs ptrace.ResourceSpans, key string) string {
	t.Helper()
	v, ok := rs.Resource().Attributes().Get(key)
	if !ok {
		t.Fatalf("resource lacks %q", key)
	}
	return v.AsString()
}

func within(t testing.TB, what string, got, low, high float64) {
	t.Helper()
	if got < low || got > high || math.IsNaN(got) {
		t.Errorf("%s = %.5g, want %.5g to %.5g", what, got, low, high)
	}
}
