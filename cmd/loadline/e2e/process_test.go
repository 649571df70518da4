package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"loadline/internal/chdb"
	"loadline/internal/clickhouse"
	"loadline/query"
)

// program is the binary under test, and library the engine that it loads.
var program, library string

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if library, err = chdb.Find(inCache()); err != nil {
		return 1, err
	}
	program = filepath.Join(dir, "loadline")
	build := exec.Command("go", "build", "-o", program, "loadline/cmd/loadline")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build loadline: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// inCache is the library that `make libchdb` has fetched, or "" for the usual search.
func inCache() string {
	path, err := filepath.Abs(filepath.Join("..", "..", "..", ".cache", "libchdb", "libchdb.so"))
	if _, statErr := os.Stat(path); err != nil || statErr != nil || os.Getenv(chdb.EnvLibrary) != "" {
		return ""
	}
	return path
}

// process is a running `loadline serve`.
type process struct {
	cmd    *exec.Cmd
	dir    string
	stderr lines
	exited chan struct{} // closed when the process has ended

	url, grpc, http string // of its pages and receivers
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

// command prepares loadline with arguments; everything listens on free loopback ports.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), chdb.EnvLibrary+"="+library, "LOADLINE_HTTP_ADDR=127.0.0.1:0", "LOADLINE_LOG_FORMAT=text",
		"LOADLINE_OTLP_GRPC_ADDR=127.0.0.1:0", "LOADLINE_OTLP_HTTP_ADDR=127.0.0.1:0", "LOADLINE_STORAGE_THREADS=2")
	return cmd
}

var greeting = regexp.MustCompile(`dashboard +(http://\S+)\n +OTLP +gRPC (\S+), HTTP http://(\S+)\n`)

// launch starts a server on a data directory and does not wait for it. The server is killed at the end of the test.
// greeted gets nil when it says that it is ready, or why it ended before.
func launch(t testing.TB, dir string, args ...string) (p *process, greeted <-chan error) {
	t.Helper()
	p = &process{cmd: command(append([]string{"serve", "--storage.path", dir}, args...)...), dir: dir, exited: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("log of process %d:\n%s", p.cmd.Process.Pid, last(p.stderr.String(), 8<<10))
		}
	})
	said := make(chan error, 1)
	go func() {
		said <- p.greet(stdout)
		_, _ = io.Copy(io.Discard, stdout)
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	return p, said
}

// greet reads the greeting, which says where the server listens.
func (p *process) greet(stdout io.Reader) error {
	var text string
	scan := bufio.NewScanner(stdout)
	for scan.Scan() {
		text += scan.Text() + "\n"
		if m := greeting.FindStringSubmatch(text); m != nil && strings.Contains(text, "first steps") {
			p.url, p.grpc, p.http = m[1], m[2], m[3]
			return nil
		}
	}
	return fmt.Errorf("it ended after saying %q", text)
}

// serve starts a server and waits until it is ready.
func serve(t testing.TB, dir string, args ...string) *process {
	t.Helper()
	p, greeted := launch(t, dir, args...)
	select {
	case err := <-greeted:
		if err != nil {
			<-p.exited
			t.Fatalf("start: %v\n%s", err, &p.stderr)
		}
	case <-time.After(time.Minute):
		t.Fatalf("no greeting within a minute\n%s", &p.stderr)
	}
	return p
}

func last(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// signal sends a signal to the process.
func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// stop ends the process with a signal and returns its exit code, -1 when the signal killed it.
func (p *process) stop(t testing.TB, s os.Signal) int {
	t.Helper()
	p.signal(t, s)
	return p.wait(t)
}

// wait waits for the end of the process and returns its exit code.
func (p *process) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(time.Minute):
		t.Fatalf("it does not end within a minute\n%s", &p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// engine is the process id of the engine, 0 when there is none.
func (p *process) engine() int {
	pid := p.cmd.Process.Pid
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range threads {
		children, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(children)) {
			if child, err := strconv.Atoi(field); err == nil {
				return child
			}
		}
	}
	return 0
}

// killEngine kills the engine alone, if it runs.
func (p *process) killEngine() bool {
	pid := p.engine()
	return pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// residentBytes is the memory of the server without its engine; peak asks for the most that it has been.
func (p *process) residentBytes(t testing.TB, peak bool) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	key := "VmRSS:"
	if peak {
		key = "VmHWM:"
	}
	_, rest, _ := strings.Cut(string(status), key)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		t.Fatalf("no %s in\n%s", key, status)
	}
	kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// get returns the status and body of one of the server's own pages.
func (p *process) get(path string) (int, string, error) {
	resp, err := http.Get(p.url + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// metric is the value of one line of /metrics, 0 when it is not there.
func (p *process) metric(t testing.TB, name string) float64 {
	t.Helper()
	_, body, err := p.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// open connects to the engine of the process through the socket in its data directory.
func (p *process) open(t testing.TB) (*query.Store, *clickhouse.DB) {
	t.Helper()
	var db *clickhouse.DB
	eventually(t, 30*time.Second, func() (err error) { // the engine may be away for a moment
		db, err = clickhouse.Open(t.Context(), clickhouse.Config{Socket: filepath.Join(p.dir, "engine", "engine.sock")})
		return err
	})
	t.Cleanup(func() { _ = db.Close() })
	return query.New(db), db
}

// poll is how often eventually looks.
const poll = 20 * time.Millisecond

// eventually waits until check returns nil.
func eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	if err := waitFor(t.Context(), within, check); err != nil {
		t.Fatalf("after %s: %v", within, err)
	}
}

// waitFor returns nil when check does, or its last error when the time is up.
func waitFor(ctx context.Context, within time.Duration, check func() error) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// one scans the first row of a query.
func one[T any](t testing.TB, db *clickhouse.DB, sql string, args ...any) T {
	t.Helper()
	v, err := scalar[T](t.Context(), db, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func scalar[T any](ctx context.Context, db *clickhouse.DB, sql string, args ...any) (v T, err error) {
	err = db.QueryRow(ctx, sql, args...).Scan(&v)
	return v, err
}
