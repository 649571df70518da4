package demo

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"loadline/ingest/demo/generator"
)

func run(t *testing.T, cfg LoadConfig) LoadReport {
	t.Helper()
	report, err := Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestLoadArrivesExactlyOnce(t *testing.T) {
	f := func(cfg LoadConfig) {
		t.Helper()
		r := newReceiver(t)
		cfg.Endpoint, cfg.Seed, cfg.SpansPerRequest, cfg.TotalSpans, cfg.FirstRequest = r.address(cfg.Transport), 9, 100, 2000, 5
		cfg.Headers = map[string]string{"authorization": "Bearer key"}
		var mu sync.Mutex
		acked := map[uint64]int{}
		cfg.Acked = func(request uint64, items int) {
			mu.Lock()
			defer mu.Unlock()
			acked[request] += items
		}
		report := run(t, cfg)
		if report.Acked != 2000 || report.Requests != 20 || report.Failed+report.Unknown+report.Rejected+report.Retried != 0 {
			t.Errorf("%s %s: report %+v, want 2,000 spans in 20 requests", cfg.Transport, cfg.Compression, report)
		}
		if report.P50 <= 0 || report.P99 < report.P50 || report.Max < report.P99 || report.Bytes < 2000*400 {
			t.Errorf("report has implausible latencies or bytes: %+v", report)
		}
		got := map[pcommon.SpanID]pcommon.TraceID{}
		r.each(func(_ ptrace.ResourceSpans, s ptrace.Span) { got[s.SpanID()] = s.TraceID() })
		for request := uint64(5); request < 25; request++ {
			if acked[request] != 100 {
				t.Errorf("request %d: %d spans acknowledged", request, acked[request])
			}
			for i := range 100 {
				if trace, ok := got[generator.SpanID(9, request, i)]; !ok || trace != generator.TraceID(9, request, i) {
					t.Fatalf("span %d of request %d did not arrive", i, request)
				}
			}
		}
		if r.spans != 2000 || r.header != "Bearer key" {
			t.Errorf("%d spans arrived with authorization %q", r.spans, r.header)
		}
	}
	f(LoadConfig{Transport: GRPC})
	f(LoadConfig{Transport: GRPC, Compression: "gzip"})
	f(LoadConfig{Transport: HTTP})
	f(LoadConfig{Transport: HTTP, Compression: "gzip"})
	f(LoadConfig{Transport: HTTP, Compression: "zstd"})
}

func TestLoadOfMetricsAndLogs(t *testing.T) {
	for _, signal := range []generator.Signal{generator.Metrics, generator.Logs} {
		for _, transport := range []string{GRPC, HTTP} {
			r := newReceiver(t)
			report := run(t, LoadConfig{Endpoint: r.address(transport), Transport: transport, Signal: signal, TotalSpans: 500, SpansPerRequest: 100})
			if report.Acked != 500 || len(r.metrics)+len(r.logs) != 5 {
				t.Errorf("%s over %s: report %+v", signal, transport, report)
			}
		}
	}
}

func TestLoadResendsTheSameBytes(t *testing.T) {
	for _, transport := range []string{GRPC, HTTP} {
		r := newReceiver(t)
		var calls atomic.Int64
		r.refuse = func() (int, string, error) {
			if calls.Add(1)%2 == 0 {
				return 0, "", nil
			}
			st, err := status.New(codes.Unavailable, "log is full").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
			if err != nil {
				t.Error(err)
			}
			return http.StatusServiceUnavailable, "0", st.Err()
		}
		report := run(t, LoadConfig{Endpoint: r.address(transport), Transport: transport, TotalSpans: 400, SpansPerRequest: 100, Connections: 1, AbandonUnknown: true})
		if report.Acked != 400 || report.Retried != 4 || report.Unknown != 0 || report.LastRefusal == "" {
			t.Errorf("%s: report %+v, want 4 requests taken at the second attempt", transport, report)
		}
		if r.spans != 400 {
			t.Errorf("%s: %d spans arrived", transport, r.spans)
		}
		if transport == HTTP && len(r.bodies) != 4 {
			t.Errorf("8 attempts had %d different bodies, want 4", len(r.bodies))
		}
	}
}

func TestLoadCountsWhatIsNotTaken(t *testing.T) {
	for _, transport := range []string{GRPC, HTTP} {
		r := newReceiver(t)
		r.reject = 3
		if report := run(t, LoadConfig{Endpoint: r.address(transport), Transport: transport, TotalSpans: 200, SpansPerRequest: 100}); report.Acked != 194 || report.Rejected != 6 {
			t.Errorf("%s: report of partial success %+v", transport, report)
		}
		r.refuse = func() (int, string, error) {
			return http.StatusBadRequest, "", status.Error(codes.InvalidArgument, "bad")
		}
		if report := run(t, LoadConfig{Endpoint: r.address(transport), Transport: transport, TotalSpans: 200, SpansPerRequest: 100}); report.Acked != 0 || report.Failed != 200 || report.Retried != 0 {
			t.Errorf("%s: report of bad requests %+v", transport, report)
		}
	}
}

func TestLoadAbandonsUnknownOutcomes(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil { // nobody listens there now
		t.Fatal(err)
	}
	for _, transport := range []string{GRPC, HTTP} {
		var unknown atomic.Int64
		report := run(t, LoadConfig{
			Endpoint: address, Transport: transport, TotalSpans: 300, SpansPerRequest: 100, AbandonUnknown: true,
			Unknown: func(uint64) { unknown.Add(1) },
		})
		if report.Unknown != 300 || unknown.Load() != 3 || report.Acked != 0 {
			t.Errorf("%s: report %+v, want 3 requests of unknown outcome", transport, report)
		}
	}
}

func TestLoadKeepsItsRateAndEnds(t *testing.T) {
	r := newReceiver(t)
	report := run(t, LoadConfig{Endpoint: r.grpcAddr, SpansPerSecond: 10_000, SpansPerRequest: 100, Duration: 300 * time.Millisecond})
	within(t, "spans in 300 ms at 10,000 a second", float64(report.Acked), 500, 3000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if report, err := Load(ctx, LoadConfig{Endpoint: r.grpcAddr, TotalSpans: 1000}); err != nil || report.Acked != 0 {
		t.Errorf("a cancelled load: %+v, %v", report, err)
	}
}

func TestBadLoad(t *testing.T) {
	f := func(cfg LoadConfig) {
		t.Helper()
		if _, err := Load(t.Context(), cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	f(LoadConfig{Endpoint: "127.0.0.1:1"})
	f(LoadConfig{TotalSpans: 1})
	f(LoadConfig{Endpoint: "127.0.0.1:1", TotalSpans: 1, Transport: "udp"})
	f(LoadConfig{Endpoint: "127.0.0.1:1", TotalSpans: 1, Compression: "rar"})
	f(LoadConfig{Endpoint: "127.0.0.1:1", TotalSpans: 1, Compression: "zstd"})
	f(LoadConfig{Endpoint: "127.0.0.1:1", TotalSpans: 1, Signal: "smells"})
	f(LoadConfig{Endpoint: "127.0.0.1:1", TotalSpans: 1, Connections: -1})
	f(LoadConfig{Endpoint: "127.0.0.1:1", TotalSpans: 1, SpansPerSecond: -1})
	f(LoadConfig{Endpoint: "http://[::1", TotalSpans: 1})
}

func BenchmarkLoad(b *testing.B) {
	// The cost of the sender alone: the receiver is a listener that acknowledges without reading what is inside.
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 64<<10)
		for {
			if _, err := r.Body.Read(buf); err != nil {
				break
			}
		}
		w.WriteHeader(http.StatusOK)
	})}
	var lc net.ListenConfig
	l, err := lc.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	defer func() {
		_ = server.Close()
		<-done
	}()
	spans := 0
	for b.Loop() {
		report, err := Load(b.Context(), LoadConfig{Endpoint: l.Addr().String(), Transport: HTTP, TotalSpans: 200_000})
		if err != nil {
			b.Fatal(err)
		}
		spans += report.Acked
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(spans), "ns/span")
}
