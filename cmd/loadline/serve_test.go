package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"loadline/cmd/loadline/fault"
)

// runItself makes the test binary be the program: the engine that serve starts is this binary too.
const runItself = "TEST_BINARY_IS_LOADLINE"

func TestMain(m *testing.M) {
	if os.Getenv(runItself) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// instance is a running loadline.
type instance struct {
	cmd    *exec.Cmd
	stderr *lines
	greet  []string // the first five lines of its output

	url, grpc, http string // of pages and receivers
}

// lines collects what a process writes. It is safe for concurrent use.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// command prepares loadline with arguments; everything listens on free ports.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), runItself+"=1", "LOADLINE_HTTP_ADDR=127.0.0.1:0",
		"LOADLINE_OTLP_GRPC_ADDR=127.0.0.1:0", "LOADLINE_OTLP_HTTP_ADDR=localhost:0", "LOADLINE_STORAGE_THREADS=2")
	return cmd
}

var greeting = regexp.MustCompile(`^loadline \S+ .*
  dashboard    (http://127\.0\.0\.1:\d+)
  OTLP         gRPC (127\.0\.0\.1:\d+), HTTP http://(127\.0\.0\.1:\d+)
  storage      embedded ClickHouse \d+\.\S+ in .*, schema \d+
  first steps  http://127\.0\.0\.1:\d+/welcome
$`)

// start starts a serving command and waits for its greeting. The process is stopped at the end of the test.
func start(t *testing.T, cmd *exec.Cmd) *instance {
	t.Helper()
	p := &instance{cmd: cmd, stderr: new(lines)}
	cmd.Stderr = p.stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of the process:\n%s", p.stderr)
		}
	})
	scan := bufio.NewScanner(stdout)
	for len(p.greet) < 5 && scan.Scan() {
		p.greet = append(p.greet, scan.Text())
	}
	m := greeting.FindStringSubmatch(strings.Join(p.greet, "\n") + "\n")
	if m == nil {
		t.Fatalf("it started with %q and said:\n%s", p.greet, p.stderr)
	}
	p.url, p.grpc, p.http = m[1], m[2], m[3]
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return p
}

// stop sends a signal and returns the exit code.
func (p *instance) stop(t *testing.T, signal os.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	return exitCode(t, p.cmd.Wait())
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// doctor examines a running process from outside.
func (p *instance) doctor(t *testing.T, dir string) (code int, out string) {
	t.Helper()
	code, out, stderr := runCommand(t, "doctor", "--storage.path", dir, "--http.addr", strings.TrimPrefix(p.url, "http://"),
		"--otlp.grpc.addr", p.grpc, "--otlp.http.addr", p.http, "--wait", "30s")
	return code, out + stderr
}

// TestServe starts a server, finds it well, stops it, and starts it again with what it had stored.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	p := start(t, command(t, "serve", "--storage.path", dir))
	f := func(path string, wantCode int, want string) {
		t.Helper()
		if code, body := get(t, p.url+path); code != wantCode || !strings.Contains(body, want) {
			t.Errorf("%s: %d %q, want %d and %q", path, code, body, wantCode, want)
		}
	}
	f("/-/healthy", 200, "Loadline is healthy.")
	f("/-/ready", 200, "storage: ok (embedded ClickHouse")
	f("/version", 200, `"version":`)
	f("/metrics", 200, "loadline_engine_restarts 0")
	code, report := p.doctor(t, dir)
	if code != fault.OK || strings.Contains(report, "✗") || strings.Count(report, "on the page after") != 2 {
		t.Errorf("doctor: exit code %d\n%s", code, report)
	}
	t.Logf("\n%s", report)

	second := command(t, "serve", "--storage.path", dir)
	out, err := second.CombinedOutput()
	if code := exitCode(t, err); code != fault.Storage || !strings.Contains(string(out), "in use by another process") ||
		!strings.Contains(string(out), "\nhint: ") {
		t.Errorf("a second server on the same directory: exit code %d\n%s", code, out)
	}
	if code := p.stop(t, syscall.SIGTERM); code != fault.OK {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if pids, _ := filepath.Glob(filepath.Join(dir, "engine", "engine.sock")); len(pids) != 0 {
		t.Errorf("the engine left %v", pids)
	}

	p = start(t, command(t, "serve", "--storage.path", dir))
	f("/metrics", 200, "loadline_ingest_log_items 0")
	if code := p.stop(t, syscall.SIGINT); code != fault.OK {
		t.Errorf("exit code %d after SIGINT", code)
	}
}

// TestServeErrors checks that every mistake at the start is one line and a hint, with its exit code.
func TestServeErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := taken.Addr().String()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(args []string, wantCode int, want string) {
		t.Helper()
		cmd := command(t, append([]string{"serve", "--storage.path", filepath.Join(t.TempDir(), "data")}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		code := exitCode(t, cmd.Run())
		got := strings.TrimSpace(stderr.String())
		if code != wantCode || !strings.Contains(got, want) || !strings.HasPrefix(got, "error: ") || strings.Count(got, "\n") != 1 || !strings.Contains(got, "\nhint: ") {
			t.Errorf("%v: exit code %d\n%s\nwant %d and %q", args, code, got, wantCode, want)
		}
	}
	f([]string{"--http.addr", inUse}, fault.Config, fmt.Sprintf("http.addr: cannot listen on %s: address in use", inUse))
	f([]string{"--otlp.grpc.addr", inUse}, fault.Config, fmt.Sprintf("otlp.grpc.addr: cannot listen on %s: address in use", inUse))
	f([]string{"--otlp.http.addr", inUse}, fault.Config, fmt.Sprintf("otlp.http.addr: cannot listen on %s: address in use", inUse))
	f([]string{"--debug.addr", inUse}, fault.Config, fmt.Sprintf("debug.addr: cannot listen on %s: address in use", inUse))
	f([]string{"--http.addr", "192.0.2.1:80", "--insecure-no-auth"}, fault.Config, "cannot assign requested address")
	f([]string{"--storage.path", filepath.Join(file, "data")}, fault.Storage, "storage.path: create data directory: ")
	f([]string{"--storage.libchdb", file + ".so"}, fault.Storage, "libchdb not found")
	f([]string{"--storage.dsn", "clickhouse://127.0.0.1:1/x"}, fault.Storage, "storage.dsn: ")
	f([]string{"--storage.dsn", "nonsense"}, fault.Storage, "storage.dsn: ")
}

// TestServeTellsSystemd checks the READY and STOPPING messages of a Type=notify unit.
func TestServeTellsSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cmd := command(t, "serve", "--storage.path", t.TempDir(), "--debug.addr", "127.0.0.1:0")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+socket)
	p := start(t, cmd)
	read := func(want string) {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64)
		n, err := conn.Read(buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("got %q, %v; want %q", buf[:n], err, want)
		}
	}
	read("READY=1")
	if code := p.stop(t, syscall.SIGTERM); code != fault.OK {
		t.Errorf("exit code %d", code)
	}
	read("STOPPING=1")
}

// TestDemo checks that a newcomer sees services on the page soon, and that Ctrl-C leaves nothing behind.
func TestDemo(t *testing.T) {
	temp := t.TempDir()
	cmd := command(t, "demo", "--history", "2h", "--rate", "50")
	cmd.Env = append(cmd.Env, "TMPDIR="+temp)
	began := time.Now()
	p := start(t, cmd)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		code, body := get(t, p.url+"/")
		if code == http.StatusOK && strings.Contains(body, "checkout-api") {
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("no service on the page after 30 s: %d\n%s", code, body)
		}
		<-tick.C
	}
	t.Logf("the page shows services after %s", time.Since(began).Round(time.Millisecond))
	if left, _ := filepath.Glob(filepath.Join(temp, "loadline-demo-*")); len(left) != 1 {
		t.Errorf("the demo's data is in %v", left)
	}
	if code := p.stop(t, os.Interrupt); code != fault.OK {
		t.Errorf("exit code %d after ^C", code)
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) != 0 {
		t.Errorf("the demo left %v", left)
	}
}
