// Package server runs the programs that are tested and compared, each on a data directory and on free loopback ports,
// and measures the CPU time that they use.
package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a running program. Stop ends it, and so does the end of the context that it was started with.
type Server struct {
	Name string
	URL  string // of the HTTP API, without a path
	Dir  string // with its data

	cmd    *exec.Cmd
	log    log
	exited chan struct{}
}

// log keeps what a program writes. It is safe for concurrent use.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns the end of the log.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.text.Bytes()
	return string(b[max(0, len(b)-8<<10):])
}

// patience is how long a program may take to start or to end.
const patience = 2 * time.Minute

var greeting = regexp.MustCompile(`dashboard +(http://\S+)\n`)

// Loadline starts the program at path with further flags. It takes samples of any age.
func Loadline(ctx context.Context, path, dir string, args ...string) (*Server, error) {
	args = append([]string{"serve", "--storage.path", dir}, args...)
	s := &Server{Name: "Loadline", Dir: dir, cmd: exec.CommandContext(ctx, path, args...), exited: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), "LOADLINE_HTTP_ADDR=127.0.0.1:0", "LOADLINE_OTLP_GRPC_ADDR=127.0.0.1:0",
		"LOADLINE_OTLP_HTTP_ADDR=127.0.0.1:0", "LOADLINE_LOG_FORMAT=text", "LOADLINE_INGEST_MAX_AGE=0", "LOADLINE_RETENTION_METRICS=0")
	s.cmd.Stderr = &s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Loadline: %w", err)
	}
	said := make(chan string, 1)
	go func() {
		var text string
		scan := bufio.NewScanner(stdout)
		for scan.Scan() {
			text += scan.Text() + "\n"
			if m := greeting.FindStringSubmatch(text); m != nil && strings.Contains(text, "first steps") {
				said <- m[1]
				break
			}
		}
		close(said)
		_, _ = io.Copy(io.Discard, stdout)
		s.wait()
	}()
	select {
	case s.URL = <-said:
	case <-time.After(patience):
	}
	if s.URL == "" {
		return nil, errors.Join(fmt.Errorf("Loadline did not start: %s", &s.log), s.Stop())
	}
	return s, nil
}

// Prometheus starts the Prometheus at path, which scrapes nothing and takes remote writes.
func Prometheus(ctx context.Context, path, dir string) (*Server, error) {
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global:\n  scrape_interval: 15s\n"), 0o600); err != nil {
		return nil, err
	}
	return start(ctx, "Prometheus", path, dir, "/-/ready", func(addr string) []string {
		return []string{
			"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + addr, "--storage.tsdb.retention.time=100y",
			"--web.enable-remote-write-receiver", "--web.enable-admin-api", "--log.level=warn",
		}
	})
}

// VictoriaMetrics starts the VictoriaMetrics at path.
func VictoriaMetrics(ctx context.Context, path, dir string) (*Server, error) {
	return start(ctx, "VictoriaMetrics", path, dir, "/health", func(addr string) []string {
		return []string{
			"-storageDataPath=" + filepath.Join(dir, "data"), "-httpListenAddr=" + addr, "-retentionPeriod=100y", "-search.latencyOffset=0s", "-loggerLevel=WARN",
			"-search.maxUniqueTimeseries=2000000", "-search.maxSeries=2000000",
		}
	})
}

// start runs a program that listens where it is told to, and waits until it answers at a path.
func start(ctx context.Context, name, path, dir, ready string, args func(addr string) []string) (*Server, error) {
	addr, err := free()
	if err != nil {
		return nil, err
	}
	s := &Server{Name: name, URL: "http://" + addr, Dir: dir, cmd: exec.CommandContext(ctx, path, args(addr)...), exited: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go s.wait()
	if err := s.until(ctx, ready); err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not start: %w: %s", name, err, &s.log), s.Stop())
	}
	return s, nil
}

// free returns a loopback address that nobody listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// until waits until a path answers with 200.
func (s *Server) until(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := s.Get(ctx, path)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// Get returns the body of a page of the server.
func (s *Server) Get(ctx context.Context, path string) ([]byte, error) {
	return s.do(ctx, http.MethodGet, path)
}

// Post asks the server to do something.
func (s *Server) Post(ctx context.Context, path string) ([]byte, error) {
	return s.do(ctx, http.MethodPost, path)
}

func (s *Server) do(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: status %d: %.300q", path, resp.StatusCode, body)
	}
	return body, err
}

// Log returns the end of what the program has written.
func (s *Server) Log() string { return s.log.String() }

func (s *Server) wait() {
	_ = s.cmd.Wait()
	close(s.exited)
}

// Stop asks the program to end and waits for it; one that does not is killed.
func (s *Server) Stop() error {
	err := s.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case <-s.exited:
		return nil
	case <-time.After(patience):
		return errors.Join(fmt.Errorf("%s does not end", s.Name), s.Kill())
	}
}

// Kill ends the program at once and waits for it.
func (s *Server) Kill() error {
	err := s.cmd.Process.Kill()
	<-s.exited
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// tick is the unit of CPU time in /proc on Linux.
const tick = 10 * time.Millisecond

// CPU returns the user and system time that the program and its children have used so far.
func (s *Server) CPU() (time.Duration, error) { return cpu(s.cmd.Process.Pid) }

func cpu(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0, fmt.Errorf("process %d: stat %q", pid, stat)
	}
	var total time.Duration
	for _, field := range fields[11:15] { // utime, stime, and those of children that have ended
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		total += time.Duration(n) * tick
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range threads {
		children, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(children)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return 0, err
			}
			used, err := cpu(child)
			if err != nil {
				return 0, err
			}
			total += used
		}
	}
	return total, nil
}

// Bytes returns the size of the files below the directory of the server that are below one of the folders, or of all.
func (s *Server) Bytes(folders ...string) (total int64, err error) {
	if len(folders) == 0 {
		folders = []string{"."}
	}
	for _, folder := range folders {
		err = errors.Join(err, filepath.WalkDir(filepath.Join(s.Dir, folder), func(_ string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				total += info.Size()
			}
			return err
		}))
	}
	return total, err
}
