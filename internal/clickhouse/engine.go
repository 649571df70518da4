package clickhouse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

var engineRestarts = metrics.NewCounter(`loadline_clickhouse_engine_restarts_total`)

// EngineConfig describes the engine that the program brings along.
type EngineConfig struct {
	DataDir     string   // holds everything; one engine at a time
	Library     string   // path of libchdb; empty means the usual search
	MaxMemory   int64    // bytes of the whole engine; 0 leaves it to the engine
	Threads     int      // of one query and of all merges; 0 means one per CPU
	Connections int      // queries that run at once; 0 means 6
	DB          Config   // database, limits of one query, settings; DSN, Socket and Transport are ignored
	Command     []string // program and first arguments of the child; nil means this program's `engine` command
	Env         []string // added to this process's environment
	Logger      *slog.Logger
}

// Engine is a ClickHouse that runs as a child of this process and is started again when it ends.
type Engine struct {
	cfg    EngineConfig
	log    *slog.Logger
	socket string
	temp   string // directory made for the socket, if any
	db     *DB
	stop   context.CancelFunc
	kill   context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	up       chan struct{} // closed while the child answers
	pid      int
	restarts int
	lastErr  error
}

// Delays between restarts of an engine that keeps ending.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 10 * time.Second
	goodRun    = time.Minute // after that the delay begins anew
)

// StartEngine starts the engine and returns when it answers. ctx bounds the start only; Stop ends the engine.
func StartEngine(ctx context.Context, cfg EngineConfig) (*Engine, error) {
	e := &Engine{cfg: cfg, log: cfg.Logger, done: make(chan struct{}), up: make(chan struct{})}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if e.cfg.DataDir, err = filepath.Abs(cfg.DataDir); err != nil {
		return nil, fmt.Errorf("data directory %q: %w", cfg.DataDir, err)
	}
	if err := os.MkdirAll(e.cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory %q: %w; choose another with --data-dir or fix its permissions", cfg.DataDir, err)
	}
	if err := e.chooseSocket(); err != nil {
		return nil, err
	}
	if len(e.cfg.Command) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("path of this program: %w", err)
		}
		e.cfg.Command = []string{exe, "engine"}
	}
	stopping, stop := context.WithCancel(context.Background())
	killing, kill := context.WithCancel(context.Background())
	e.stop, e.kill = stop, kill
	first := make(chan error, 1)
	go e.supervise(stopping, killing, first)
	select {
	case err = <-first:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		err = e.open(ctx)
	}
	if err != nil {
		kill()
		e.Stop(context.Background())
		return nil, fmt.Errorf("start engine: %w", err)
	}
	return e, nil
}

// chooseSocket puts the socket into the data directory, or into a directory of its own when that path is too long for a
// unix socket.
func (e *Engine) chooseSocket() error {
	e.socket = filepath.Join(e.cfg.DataDir, "engine.sock")
	if len(e.socket) < 104 {
		return nil
	}
	dir, err := os.MkdirTemp("", "loadline-")
	if err != nil {
		return fmt.Errorf("directory for the engine's socket: %w", err)
	}
	e.temp, e.socket = dir, filepath.Join(dir, "engine.sock")
	return nil
}

func (e *Engine) open(ctx context.Context) error {
	cfg := e.cfg.DB
	cfg.DSN, cfg.Socket, cfg.Transport, cfg.dial = "", "", nil, e.dial
	var err error
	e.db, err = Open(ctx, cfg)
	return err
}

// Limits of a dial: how long it waits for an engine that is down, and how often it looks.
const (
	dialWait  = 30 * time.Second
	dialRetry = 20 * time.Millisecond
)

// dial waits for an engine that is being started again. It also repeats a refused connection, because the end of the
// engine is noticed a moment after its socket goes.
func (e *Engine) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	for {
		e.mu.Lock()
		up := e.up
		e.mu.Unlock()
		select {
		case <-up:
		case <-e.done:
			return nil, errors.New("engine is stopped")
		case <-ctx.Done():
			return nil, fmt.Errorf("engine is down: %w", errors.Join(e.Err(), ctx.Err()))
		}
		c, err := new(net.Dialer).DialContext(ctx, "unix", e.socket)
		if err == nil {
			return c, nil
		}
		select {
		case <-time.After(dialRetry):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// DB is the handle on the engine's database. It stays valid across restarts: connections wait for the engine.
func (e *Engine) DB() *DB { return e.db }

// Pid is the process id of the engine, 0 while it is down.
func (e *Engine) Pid() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pid
}

// Restarts counts how often the engine had to be started again.
func (e *Engine) Restarts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.restarts
}

// Err says why the engine is down, and is nil while it is up.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lastErr
}

// Stop lets running queries finish and ends the engine; when ctx ends first, the engine is killed. Nothing that was
// acknowledged is lost either way.
func (e *Engine) Stop(ctx context.Context) {
	e.stop()
	select {
	case <-e.done:
	case <-ctx.Done():
		e.kill()
		<-e.done
	}
	if e.db != nil {
		_ = e.db.Close()
	}
	if e.temp != "" {
		_ = os.RemoveAll(e.temp)
	}
}

// supervise runs the child again and again until stopping ends. The outcome of the first start goes to first.
func (e *Engine) supervise(stopping, killing context.Context, first chan<- error) {
	defer close(e.done)
	delay := firstDelay
	for started := false; ; {
		began := time.Now()
		ready := func() {
			if !started {
				started = true
				first <- nil
			}
		}
		err := e.runChild(stopping, killing, ready)
		if stopping.Err() != nil {
			if !started {
				first <- err
			}
			return
		}
		if !started {
			first <- err
			return
		}
		if time.Since(began) > goodRun {
			delay = firstDelay
		}
		e.log.Error("engine ended, starting it again", "error", err, "delay", delay)
		select {
		case <-time.After(delay):
		case <-stopping.Done():
			return
		}
		delay = min(2*delay, lastDelay)
		engineRestarts.Inc()
		e.mu.Lock()
		e.restarts++
		e.mu.Unlock()
	}
}

// runChild runs the child once and returns when it has ended.
func (e *Engine) runChild(stopping, killing context.Context, ready func()) error {
	c, err := e.start()
	if err != nil {
		return err
	}
	defer c.lifeline.Close()
	version, err := c.handshake(stopping)
	if err == nil {
		e.log.Info("engine is ready", "version", version, "pid", c.cmd.Process.Pid)
		e.setUp(c.cmd.Process.Pid)
		ready()
	}
	ended := make(chan error, 1)
	go func() { ended <- c.wait() }()
	var exit error
	select {
	case exit = <-ended:
	case <-stopping.Done():
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case exit = <-ended:
		case <-killing.Done():
			_ = c.cmd.Process.Kill()
			exit = <-ended
		}
	}
	<-c.logged
	if err == nil {
		err = fmt.Errorf("engine process: %w", exit)
	}
	e.setDown(err)
	return err
}

func (e *Engine) setUp(pid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pid, e.lastErr = pid, nil
	close(e.up)
}

func (e *Engine) setDown(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pid != 0 {
		e.pid, e.up = 0, make(chan struct{})
	}
	e.lastErr = err
}

// child is one run of the engine process.
type child struct {
	cmd      *exec.Cmd
	lifeline *os.File // the child ends when this closes, however this process ends
	ready    *os.File
	logged   chan struct{}
	wait     func() error
}

// start starts the child on a thread of its own: Linux kills a child with Pdeathsig when the *thread* that forked it
// ends, so that thread is kept until the child has ended.
func (e *Engine) start() (*child, error) {
	lifeR, lifeW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to the engine: %w", err)
	}
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pipe to the engine: %w", err), lifeR.Close(), lifeW.Close())
	}
	// The supervisor ends the child in its own order, so the child hangs on no context.
	cmd := exec.CommandContext(context.Background(), e.cfg.Command[0], append(append([]string{}, e.cfg.Command[1:]...), e.flags()...)...)
	cmd.Env = append(append(os.Environ(), "TZ=UTC"), e.cfg.Env...)
	cmd.ExtraFiles = []*os.File{lifeR, readyW}
	cmd.SysProcAttr = childAttributes()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pipe to the engine: %w", err), lifeR.Close(), lifeW.Close(), readyR.Close(), readyW.Close())
	}
	c := &child{cmd: cmd, lifeline: lifeW, ready: readyR, logged: make(chan struct{})}
	c.wait, err = startOnThread(cmd)
	lifeR.Close()
	readyW.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run %q: %w", e.cfg.Command[0], err), lifeW.Close(), readyR.Close())
	}
	go e.logLines(stderr, c.logged)
	return c, nil
}

// handshake waits for the child's first words.
func (c *child) handshake(ctx context.Context) (string, error) {
	defer c.ready.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.ready.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(c.ready, 64<<10)).ReadString('\n')
	if version, ok := strings.CutPrefix(line, "ready "); ok {
		return strings.TrimSpace(version), nil
	}
	if reason, ok := strings.CutPrefix(line, "failed: "); ok {
		return "", errors.New(strings.TrimSpace(reason))
	}
	if errors.Is(err, io.EOF) {
		return "", errors.New("engine process ended before it was ready; see its messages in the log")
	}
	return "", err
}

func (e *Engine) flags() []string {
	flags := []string{"--data-dir", e.cfg.DataDir, "--socket", e.socket, "--read-write", "--supervised"}
	add := func(name, value string) {
		if value != "" && value != "0" {
			flags = append(flags, name, value)
		}
	}
	add("--libchdb", e.cfg.Library)
	add("--max-memory", strconv.FormatInt(e.cfg.MaxMemory, 10))
	add("--threads", strconv.Itoa(e.cfg.Threads))
	add("--connections", strconv.Itoa(e.cfg.Connections))
	return flags
}

// logLines turns what the engine writes to standard error into log records.
func (e *Engine) logLines(r io.Reader, done chan<- struct{}) {
	defer close(done)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if s := strings.TrimSpace(lines.Text()); s != "" {
			e.log.Warn("engine: " + s)
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

// startOnThread starts cmd and returns the func that waits for its end. Both run on one locked thread.
func startOnThread(cmd *exec.Cmd) (func() error, error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		state, err := cmd.Process.Wait()
		if err == nil {
			err = errors.New(state.String())
		}
		ended <- err
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return func() error { return <-ended }, nil
}
