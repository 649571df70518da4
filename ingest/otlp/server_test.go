package otlp

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"loadline/ingest"
)

// sink stands in for the write path.
type sink struct {
	mu     sync.Mutex
	calls  []call
	result ingest.Result
	err    error
	// during, if it is set, runs inside of every export.
	during func(context.Context) error
}

type call struct {
	Signal ingest.Signal
	Body   string
}

func (s *sink) export(ctx context.Context, signal ingest.Signal, body []byte) (ingest.Result, error) {
	s.mu.Lock()
	s.calls = append(s.calls, call{signal, string(body)})
	result, err, during := s.result, s.err, s.during
	s.mu.Unlock()
	if during != nil {
		err = during(ctx)
	}
	return result, err
}

// answer sets what the next exports return.
func (s *sink) answer(result ingest.Result, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result, s.err = result, err
}

// taken returns the exports since the last time.
func (s *sink) taken() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// start runs a server on free ports of loopback until the test ends, when nothing may be held any more.
func start(t testing.TB, config Config, export Export) *Server {
	t.Helper()
	s, stop := startStoppable(t, config, export)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("run: %v", err)
		}
		if used := s.memory.Used(); used != 0 {
			t.Errorf("%d bytes are held after the end", used)
		}
	})
	return s
}

func startStoppable(t testing.TB, config Config, export Export) (*Server, func() error) {
	t.Helper()
	if config.GRPCAddress == "" {
		config.GRPCAddress, config.HTTPAddress = "127.0.0.1:0", "localhost:0"
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s, err := New(config, export)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

func same(t testing.TB, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func contains(t testing.TB, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%q is not in %q", want, got)
	}
}

// request returns an encoded request with a number of spans.
func request(t testing.TB, spans int) []byte {
	t.Helper()
	scope := &tracepb.ScopeSpans{}
	for i := range spans {
		scope.Spans = append(scope.Spans, &tracepb.Span{Name: fmt.Sprintf("span %d", i)})
	}
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{scope}}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func counter(name string) uint64 { return metrics.GetOrCreateCounter(name).Get() }

// TestSDK sends with the exporters of the OpenTelemetry SDK to the right ports and to the mixed-up ones.
func TestSDK(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	spans := tracetest.SpanStubs{{Name: "hello"}}.Snapshots()
	for _, address := range []net.Addr{s.GRPCAddr(), s.HTTPAddr()} {
		for name, client := range map[string]otlptrace.Client{
			"grpc":      otlptracegrpc.NewClient(otlptracegrpc.WithInsecure(), otlptracegrpc.WithEndpoint(address.String())),
			"grpc gzip": otlptracegrpc.NewClient(otlptracegrpc.WithInsecure(), otlptracegrpc.WithEndpoint(address.String()), otlptracegrpc.WithCompressor("gzip")),
			"http":      otlptracehttp.NewClient(otlptracehttp.WithInsecure(), otlptracehttp.WithEndpoint(address.String())),
			"http gzip": otlptracehttp.NewClient(otlptracehttp.WithInsecure(), otlptracehttp.WithEndpoint(address.String()), otlptracehttp.WithCompression(otlptracehttp.GzipCompression)),
		} {
			exporter, err := otlptrace.New(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(exporter.ExportSpans(t.Context(), spans), exporter.Shutdown(t.Context())); err != nil {
				t.Errorf("%s to %s: %v", name, address, err)
			}
			calls := got.taken()
			if len(calls) != 1 || calls[0].Signal != ingest.Traces {
				t.Fatalf("%s to %s: %d exports", name, address, len(calls))
			}
			contains(t, calls[0].Body, "hello")
		}
	}
}

func TestOnePort(t *testing.T) {
	var got sink
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{GRPCAddress: address, HTTPAddress: address}, got.export)
	same(t, s.HTTPAddr().String(), address)
	same(t, s.GRPCAddr().String(), address)
	same(t, post(t, s, "/v1/logs", mediaProtobuf, nil, "").StatusCode, http.StatusOK)
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, config := range []Config{
		{GRPCAddress: l.Addr().String(), HTTPAddress: "127.0.0.1:0"},
		{GRPCAddress: "127.0.0.1:0", HTTPAddress: l.Addr().String()},
	} {
		_, err = New(config, nil)
		if err == nil {
			t.Fatal("no error")
		}
		contains(t, err.Error(), l.Addr().String())
		contains(t, err.Error(), "choose another address")
	}
}

func TestValidate(t *testing.T) {
	f := func(c Config, want string) {
		t.Helper()
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(Config{}, "")
	f(Config{MaxRequestBytes: 256 << 20}, "")
	f(Config{MaxRequestBytes: 100}, "choose between")
	f(Config{MaxRequestBytes: 2 << 30}, "choose between")
	f(Config{MaxInflightBytes: 100 << 20}, "three times")
	f(Config{MaxConnections: -1}, "negative")
	f(Config{AllowedOrigins: []string{"*", "https://shop.example", "http://localhost:3000"}}, "")
	f(Config{AllowedOrigins: []string{"shop.example"}}, `"shop.example"`)
	f(Config{AllowedOrigins: []string{"https://shop.example/"}}, "without a path")
	f(Config{TLS: &TLS{}}, "certificate and key")
	f(Config{TLS: &TLS{CertFile: "missing.crt", KeyFile: "missing.key"}}, "missing.crt")
	if _, err := New(Config{MaxRequestBytes: 100}, nil); err == nil {
		t.Error("New does not validate")
	}
}

// TestInflight holds requests in the write path until the memory limit is reached.
func TestInflight(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 10)
	got := sink{during: func(context.Context) error {
		entered <- struct{}{}
		<-release
		return nil
	}}
	const limit = 1 << 20
	s := start(t, Config{MaxRequestBytes: limit, MaxInflightBytes: 3 * limit}, got.export)
	body := bytes.Repeat([]byte("x"), limit)
	answers := make(chan *http.Response, 3)
	for range 3 {
		go func() { answers <- post(t, s, "/v1/traces", mediaProtobuf, body, "") }()
		<-entered
	}
	refused := post(t, s, "/v1/traces", mediaProtobuf, body[:100_000], "")
	same(t, refused.StatusCode, http.StatusServiceUnavailable)
	same(t, refused.Header.Get("Retry-After"), "1")
	same(t, statusOf(t, refused).Message, "too many bytes of requests at once")
	err := newClient(t, s).export(ingest.Logs, body[:100_000])
	same(t, grpcStatus(err), "Unavailable: too many bytes of requests at once (retry after 1s)")
	close(release)
	for range 3 {
		same(t, (<-answers).StatusCode, http.StatusOK)
	}
	same(t, post(t, s, "/v1/traces", mediaProtobuf, body, "").StatusCode, http.StatusOK)
	same(t, s.Refusals()[0].Reason, "overloaded")
}

// TestDrain stops the server while a request is at work.
func TestDrain(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{})
	got := sink{during: func(context.Context) error {
		close(entered)
		<-release
		return nil
	}}
	s, stop := startStoppable(t, Config{}, got.export)
	client := newClient(t, s)
	health := client.watch(t)
	same(t, health(), "SERVING")
	answer := make(chan error)
	go func() { answer <- client.export(ingest.Traces, []byte("held")) }()
	<-entered
	stopped := make(chan error)
	go func() { stopped <- stop() }()
	same(t, health(), "NOT_SERVING")

	// A request that arrives now, on a connection that is still open.
	w := newRecorder()
	s.ServeHTTP(w, newRequest(t, "/v1/traces", mediaProtobuf, nil))
	same(t, w.Code, http.StatusServiceUnavailable)
	same(t, w.Header().Get("Retry-After"), "1")
	same(t, statusOf(t, w.Result()).Message, "ingest is shutting down")
	w = newRecorder()
	s.ServeHTTP(w, newGRPCRequest(t, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", []byte{0, 0, 0, 0, 0}))
	same(t, w.Result().Trailer.Get("Grpc-Status"), "14")

	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request at work: %v", err)
	default:
	}
	close(release)
	same(t, <-answer, error(nil))
	same(t, <-stopped, error(nil))
	same(t, len(got.taken()), 1)
	if _, err := http.Get("http://" + s.HTTPAddr().String()); err == nil { //nolint:noctx // refused at once
		t.Error("the port is open after the end")
	}
}

func TestDrainTimeout(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{})
	s, stop := startStoppable(t, Config{DrainTimeout: time.Millisecond}, func(context.Context, ingest.Signal, []byte) (ingest.Result, error) {
		close(entered)
		<-release
		return ingest.Result{}, nil
	})
	answer := make(chan error)
	client := newClient(t, s)
	go func() { answer <- client.export(ingest.Traces, nil) }()
	<-entered
	go func() {
		<-answer // the connection is closed
		close(release)
	}()
	err := stop()
	if err == nil {
		t.Fatal("no error")
	}
	contains(t, err.Error(), "requests still at work after 1ms")
}

// TestSenderGone cancels a request while it is stored: storing goes on.
func TestSenderGone(t *testing.T) {
	entered, gone, stored := make(chan struct{}), make(chan struct{}), make(chan error)
	got := sink{during: func(ctx context.Context) error {
		close(entered)
		<-gone
		stored <- ctx.Err()
		return nil
	}}
	s := start(t, Config{}, got.export)
	for _, send := range []func(context.Context) error{
		func(ctx context.Context) error {
			return newClient(t, s).exportContext(ctx, ingest.Traces, []byte("grpc"))
		},
		func(ctx context.Context) error {
			r := newRequest(t, "/v1/traces", mediaProtobuf, []byte("http")).WithContext(ctx)
			r.URL.Scheme, r.URL.Host, r.RequestURI = "http", s.HTTPAddr().String(), ""
			_, err := http.DefaultClient.Do(r) //nolint:bodyclose // there is none
			return err
		},
	} {
		entered, gone = make(chan struct{}), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error)
		go func() { answer <- send(ctx) }()
		<-entered
		cancel()
		if err := <-answer; err == nil {
			t.Error("no error for the sender")
		}
		close(gone)
		same(t, <-stored, error(nil))
	}
	same(t, len(got.taken()), 2)
}

func TestAuthorize(t *testing.T) {
	var got sink
	s := start(t, Config{Authorize: func(h http.Header) error {
		switch h.Get("X-Loadline-Key") {
		case "good":
			return nil
		case "read-only":
			return fmt.Errorf("key %q: %w", "read-only", ErrForbidden)
		}
		return ErrUnauthenticated
	}}, got.export)
	f := func(key string, code int, grpcWant string) {
		t.Helper()
		answer := post(t, s, "/v1/traces", mediaJSON, []byte(`{}`), "", "X-Loadline-Key", key)
		same(t, answer.StatusCode, code)
		if code == http.StatusUnauthorized {
			same(t, answer.Header.Get("WWW-Authenticate"), "Bearer")
		}
		if code != http.StatusOK {
			contains(t, grpcWant, statusOf(t, answer).Message)
		}
		same(t, grpcStatus(newClient(t, s, "x-loadline-key", key).export(ingest.Traces, nil)), grpcWant)
	}
	f("good", http.StatusOK, "OK")
	same(t, len(got.taken()), 2)
	f("", http.StatusUnauthorized, "Unauthenticated: no valid key")
	f("bad", http.StatusUnauthorized, "Unauthenticated: no valid key")
	f("read-only", http.StatusForbidden, `PermissionDenied: key "read-only": the key may not send telemetry`)
	same(t, len(got.taken()), 0)
}

func TestRefusals(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	same(t, s.Refusals(), []Refusal{})
	before := counter(`loadline_otlp_refused_total{signal="unknown",transport="http",reason="path"}`)
	requests := counter(`loadline_otlp_requests_total{signal="unknown",transport="http",code="404"}`)
	for i := range keptRefusals + 5 {
		post(t, s, fmt.Sprintf("/v1/traces/v1/traces%d", i), mediaProtobuf, nil, "")
	}
	refusals := s.Refusals()
	same(t, len(refusals), keptRefusals)
	contains(t, refusals[0].Message, `"/v1/traces/v1/traces104"`)
	contains(t, refusals[1].Message, `"/v1/traces/v1/traces103"`)
	contains(t, refusals[99].Message, `"/v1/traces/v1/traces5"`)
	contains(t, refusals[0].Peer, "127.0.0.1:")
	same(t, [...]string{refusals[0].Transport, refusals[0].Signal, refusals[0].Reason}, [...]string{"http", "unknown", "path"})
	same(t, counter(`loadline_otlp_refused_total{signal="unknown",transport="http",reason="path"}`)-before, uint64(105))
	same(t, counter(`loadline_otlp_requests_total{signal="unknown",transport="http",code="404"}`)-requests, uint64(105))
}

func TestStats(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	same(t, len(s.Stats()), 6)
	began := time.Now()
	got.answer(ingest.Result{Accepted: 5, Rejected: 2, Message: "2 spans without an id"}, nil)
	post(t, s, "/v1/traces", mediaProtobuf, nil, "")
	client := newClient(t, s)
	for range 2 {
		if err := client.export(ingest.Logs, nil); err != nil {
			t.Fatal(err)
		}
	}
	got.answer(ingest.Result{}, ingest.ErrClosed)
	post(t, s, "/v1/traces", mediaProtobuf, nil, "")
	stats := map[string]Stat{}
	for _, stat := range s.Stats() {
		if !stat.Last.IsZero() && stat.Last.Before(began) {
			t.Errorf("last request at %s", stat.Last)
		}
		stat.Last = time.Time{}
		stats[stat.Signal.String()+" "+stat.Transport] = stat
	}
	same(t, stats["traces http"], Stat{Signal: ingest.Traces, Transport: "http", Requests: 2, Refused: 1, Items: 5, Rejected: 2})
	same(t, stats["logs grpc"], Stat{Signal: ingest.Logs, Transport: "grpc", Requests: 2, Items: 10, Rejected: 4})
	same(t, stats["metrics grpc"], Stat{Signal: ingest.Metrics, Transport: "grpc"})
	if s.Connections() == 0 {
		t.Error("no connections")
	}
}

func TestConnectionLimit(t *testing.T) {
	var got sink
	s := start(t, Config{MaxConnections: 1}, got.export)
	first, err := net.Dial("tcp", s.HTTPAddr().String()) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(c net.Conn) (string, error) {
		if _, err := c.Write([]byte("POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")); err != nil {
			return "", err
		}
		answer := make([]byte, 12)
		_, err := c.Read(answer)
		return string(answer), err
	}
	answer, err := exchange(first)
	same(t, answer, "HTTP/1.1 200")
	same(t, err, error(nil))
	second, err := net.Dial("tcp", s.GRPCAddr().String()) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if answer, err := exchange(second); err == nil {
		t.Errorf("a second connection is answered %q", answer)
	}
	same(t, s.Refusals()[0].Reason, "connections")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for attempt := 0; ; attempt++ { // until the server has noticed
		next, err := net.Dial("tcp", s.GRPCAddr().String()) //nolint:noctx // loopback
		if err != nil {
			t.Fatal(err)
		}
		answer, err := exchange(next)
		_ = next.Close()
		if answer == "HTTP/1.1 200" {
			break
		}
		if attempt > 10_000 {
			t.Fatalf("a closed connection still counts: %v", err)
		}
	}
}

// TestConnectionAge gives connections an age of nothing: every request still succeeds, each on a new connection.
func TestConnectionAge(t *testing.T) {
	var got sink
	s := start(t, Config{MaxConnectionAge: time.Nanosecond}, got.export)
	client := newClient(t, s)
	for range 5 {
		if err := client.export(ingest.Traces, nil); err != nil {
			t.Fatal(err)
		}
		same(t, post(t, s, "/v1/traces", mediaProtobuf, nil, "").StatusCode, http.StatusOK)
	}
	if n := s.Connections(); n < 7 {
		t.Errorf("%d connections for 10 requests", n)
	}
}

func TestTLS(t *testing.T) {
	files := newCertificates(t)
	for _, mutual := range []bool{false, true} {
		var got sink
		refusals := newRefusalLog()
		config := Config{TLS: &TLS{CertFile: files.cert, KeyFile: files.key}, Log: slog.New(refusals)}
		client := &tls.Config{RootCAs: files.authority}
		if mutual {
			config.TLS.ClientCAFile = files.cert
			client.Certificates = []tls.Certificate{files.pair}
		}
		s := start(t, config, got.export)
		transport := &http.Transport{TLSClientConfig: client, ForceAttemptHTTP2: true}
		answer, err := (&http.Client{Transport: transport}).Post("https://"+s.HTTPAddr().String()+"/v1/traces", mediaJSON, strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		same(t, answer.StatusCode, http.StatusOK)
		same(t, answer.Proto, "HTTP/2.0")
		transport.CloseIdleConnections()

		conn, err := grpc.NewClient(s.GRPCAddr().String(), grpc.WithTransportCredentials(credentials.NewTLS(client)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, (&rawClient{conn: conn}).export(ingest.Traces, nil), error(nil))
		_ = conn.Close()
		same(t, len(got.taken()), 2)

		// A sender without TLS, and one without a certificate or trust.
		plain, err := grpc.NewClient(s.GRPCAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		contains(t, grpcStatus((&rawClient{conn: plain}).export(ingest.Traces, nil)), "Unavailable")
		_ = plain.Close()
		stranger := &tls.Config{RootCAs: x509.NewCertPool()}
		if mutual {
			stranger.RootCAs = files.authority
		}
		strange := &http.Transport{TLSClientConfig: stranger}
		if answer, err := (&http.Client{Transport: strange}).Get("https://" + s.HTTPAddr().String()); err == nil { //nolint:noctx // refused at once
			_ = answer.Body.Close()
			t.Error("a stranger is answered")
		}
		refusals.wait(t, "tls", "TLS handshake")
	}
}

// TestTLSToPlainPort is the commonest mistake.
func TestTLSToPlainPort(t *testing.T) {
	var got sink
	refusals := newRefusalLog()
	s := start(t, Config{Log: slog.New(refusals)}, got.export)
	conn, err := grpc.NewClient(s.GRPCAddr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	contains(t, grpcStatus((&rawClient{conn: conn}).export(ingest.Traces, nil)), "Unavailable")
	refusals.wait(t, "tls", "insecure")
}

// refusalLog is a log that tells the test when something is refused, for refusals that the sender cannot wait for.
type refusalLog struct {
	slog.Handler
	records chan slog.Record
}

func newRefusalLog() *refusalLog {
	return &refusalLog{slog.DiscardHandler, make(chan slog.Record, 1000)}
}

func (l *refusalLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *refusalLog) Handle(_ context.Context, r slog.Record) error {
	l.records <- r
	return nil
}

// wait returns when a refusal for the reason is logged that has the words in its message.
func (l *refusalLog) wait(t *testing.T, reason, words string) {
	t.Helper()
	for {
		select {
		case record := <-l.records:
			attributes := map[string]string{}
			record.Attrs(func(a slog.Attr) bool {
				attributes[a.Key] = a.Value.String()
				return true
			})
			if attributes["reason"] == reason && strings.Contains(attributes["message"], words) {
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no refusal for %q with %q", reason, words)
		}
	}
}

type certificates struct {
	cert, key string
	authority *x509.CertPool
	pair      tls.Certificate
}

// newCertificates makes a self-signed certificate for 127.0.0.1, good for servers and clients.
func newCertificates(t *testing.T) certificates {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	dir := t.TempDir()
	c := certificates{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), authority: x509.NewCertPool()}
	c.authority.AppendCertsFromPEM(certPEM)
	if c.pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(c.cert, certPEM, 0o600), os.WriteFile(c.key, keyPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	return c
}
