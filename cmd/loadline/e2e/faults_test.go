package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"loadline/internal/clickhouse"
)

// startFails runs a server that cannot start and checks its exit code, that the error is one line which names the thing,
// and that the next line is a hint which names the remedy.
func startFails(t *testing.T, args []string, wantCode int, wantError, wantHint string) {
	t.Helper()
	cmd := command(append([]string{"serve"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != wantCode {
		t.Errorf("%v: %v, want exit code %d", args, err, wantCode)
	}
	var problem, hint string
	for line := range strings.Lines(stderr.String()) {
		if s, ok := strings.CutPrefix(line, "error: "); ok {
			problem = s
		} else if s, ok := strings.CutPrefix(line, "hint: "); ok {
			hint = s
		}
	}
	if !strings.Contains(problem, wantError) || !strings.Contains(hint, wantHint) {
		t.Errorf("%v says\n%swant error %q and hint %q", args, &stderr, wantError, wantHint)
	}
}

func TestStartFaults(t *testing.T) {
	const exitConfig, exitStorage = 3, 7
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := taken.Addr().String()
	owner := fmt.Sprintf("address in use by pid %d", os.Getpid())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"http.addr", "otlp.grpc.addr", "otlp.http.addr"} {
		startFails(t, []string{"--storage.path", t.TempDir(), "--" + key, inUse}, exitConfig, owner, "choose another address with --"+key)
	}
	startFails(t, []string{"--storage.path", file}, exitStorage, file, "choose another with --storage.path")
	startFails(t, []string{"--storage.path", filepath.Join(file, "data")}, exitStorage, file, "choose another with --storage.path")
	startFails(t, []string{"--storage.path", t.TempDir(), "--storage.libchdb", file + ".so"}, exitStorage, file+".so", "--storage.dsn")
	startFails(t, []string{"--storage.path", t.TempDir(), "--storage.libchdb", file}, exitStorage, file, "loadline doctor")

	dir := t.TempDir()
	p := serve(t, dir)
	startFails(t, []string{"--storage.path", dir}, exitStorage, fmt.Sprintf("%q", dir), "choose another with --storage.path")
	if code, _, err := p.get("/-/ready"); code != http.StatusOK || err != nil {
		t.Errorf("the first server: %d, %v", code, err)
	}
}

// TestEngineKilledRepeatedly kills the engine as soon as it is up, again and again. Telemetry is acknowledged all the
// time, because the log takes it.
func TestEngineKilledRepeatedly(t *testing.T) {
	p := serve(t, t.TempDir())
	s := startSender(load{id: 0xe61e, service: "engine"}, 2, 50*time.Millisecond, addresses{p.grpc, p.http})
	defer s.stop()
	for range 5 {
		eventually(t, 30*time.Second, func() error {
			if !p.killEngine() {
				return errors.New("the engine is not started again")
			}
			return nil
		})
		began := s.next.Load()
		eventually(t, 5*time.Second, func() error {
			if n := s.next.Load() - began; n < 8 {
				return fmt.Errorf("%d requests since the engine was killed", n)
			}
			return nil
		})
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	if s.repeats > 0 {
		t.Errorf("%d requests had to be repeated", s.repeats)
	}
	eventually(t, 30*time.Second, func() error {
		if code, health, err := p.get("/-/ready"); code != http.StatusOK || err != nil {
			return fmt.Errorf("%d %q: %w", code, health, err)
		}
		return nil
	})
	_, db := p.open(t)
	checkLoad(t, db, s)
	if n := p.metric(t, "loadline_engine_restarts"); n != 5 {
		t.Errorf("%v restarts, want 5", n)
	}
}

// refuses checks that both transports refuse a request now, with a delay and a reason.
func refuses(t *testing.T, p *process, body []byte, reason string) {
	t.Helper()
	err := post(t.Context(), http.DefaultClient, p.http, "traces", body)
	var again *refusal
	if !errors.As(err, &again) || again.after <= 0 || !strings.Contains(err.Error(), "HTTP 503") || !strings.Contains(err.Error(), reason) {
		t.Errorf("over HTTP: %v, want 503 with Retry-After and %q", err, reason)
	}
	conn, err := dialGRPC(p.grpc)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = export(t.Context(), conn, exportTraces, body)
	if status.Code(err) != codes.Unavailable || retryDelay(err) <= 0 || !strings.Contains(err.Error(), reason) {
		t.Errorf("over gRPC: %v, want UNAVAILABLE with RetryInfo and %q", err, reason)
	}
}

// ready waits for an answer of /-/ready.
func ready(t *testing.T, p *process, wantCode int, want string) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		code, body, err := p.get("/-/ready")
		if err == nil && (code != wantCode || !strings.Contains(body, want)) {
			err = fmt.Errorf("/-/ready: %d %q, want %d and %q", code, body, wantCode, want)
		}
		return err
	})
}

// bulk is a request of about half a megabyte that hardly compresses.
func bulk(l load, n int) []byte {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	noise := make([]byte, 60<<10)
	for i := range noise {
		noise[i] = 'a' + byte(random.IntN(26))
	}
	now := time.Now()
	spans := make([]*trace.Span, 8)
	for i := range spans {
		spans[i] = l.span(uint64(n)*64+uint64(i), 0, now)
		spans[i].Attributes = append(spans[i].Attributes, text("noise", string(noise)))
	}
	return encodeTraces(l.service, spans...)
}

// fill sends bulk requests until one is refused and returns how many were acknowledged, and the refused one.
func fill(t *testing.T, p *process, l load) (acknowledged int, refused []byte) {
	t.Helper()
	const most = 1000
	for n := range most {
		body := bulk(l, n)
		err := post(t.Context(), http.DefaultClient, p.http, "traces", body)
		var again *refusal
		if errors.As(err, &again) {
			return n, body
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%d requests of half a megabyte are acknowledged", most)
	return 0, nil
}

// accepted waits until a request that was refused is acknowledged, and until count spans of the load are stored.
func accepted(t *testing.T, p *process, db *clickhouse.DB, l load, body []byte, count int) {
	t.Helper()
	eventually(t, time.Minute, func() error { return post(t.Context(), http.DefaultClient, p.http, "traces", body) })
	service := clickhouse.Named("service", l.service)
	for _, sql := range []string{
		"SELECT count() FROM spans WHERE service = {service:String}",
		"SELECT uniqExact(span_id) FROM spans WHERE service = {service:String}",
		"SELECT sum(spans) FROM red_10s WHERE service = {service:String}",
	} {
		eventually(t, time.Minute, func() error {
			n, err := scalar[uint64](t.Context(), db, sql, service)
			if err == nil && n != uint64(count) {
				err = fmt.Errorf("%s: %d, want %d", sql, n, count)
			}
			return err
		})
	}
}

// TestLogFull pauses the engine until the write-ahead log has reached its limit.
func TestLogFull(t *testing.T) {
	p := serve(t, t.TempDir(), "--wal.max_size", "64MiB")
	_, db := p.open(t)
	engine := p.engine()
	if err := syscall.Kill(engine, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	l := load{id: 0xf0, service: "full"}
	n, refused := fill(t, p, l)
	t.Logf("%d requests of %d bytes are acknowledged", n, len(refused))
	if n < 100 {
		t.Errorf("only %d requests of %d bytes fit into 64 MiB", n, len(refused))
	}
	refuses(t, p, refused, "log full")
	if v := p.metric(t, `loadline_ingest_refused_total{signal="traces",reason="log full"}`); v < 16 {
		t.Errorf("%v spans are counted as refused", v)
	}
	ready(t, p, http.StatusServiceUnavailable, "write-ahead log is full")
	if err := syscall.Kill(engine, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	accepted(t, p, db, l, refused, 8*(n+1))
	ready(t, p, http.StatusOK, "")
}
