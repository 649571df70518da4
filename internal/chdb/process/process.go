// Package process is the engine as a process of its own: it listens, answers ClickHouse's HTTP interface, tells the
// process that started it when it is ready, and ends with it.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"loadline/internal/chdb"
)

// The descriptors that a supervisor passes to a supervised engine.
const (
	lifelineFD = 3 // end of file here means that the supervisor is gone
	readyFD    = 4 // the engine's first words: "ready VERSION" or "failed: REASON"
)

// Config says what to run and where to listen: on Socket or on Listen.
type Config struct {
	Engine     chdb.Config
	Socket     string // path of a unix socket, readable and writable for its owner only
	Listen     string // TCP address; it must be a loopback one, for the engine asks for no password
	Supervised bool   // descriptors 3 and 4 come from a supervisor
	// Ready is called once the engine answers, with its version and the address or path it listens on.
	Ready func(version, address string)
}

// maxSocketPath is what fits into sun_path of every supported system, its end byte included.
const maxSocketPath = 104

// Run runs the engine until ctx ends or, when supervised, until the supervisor is gone. Running queries get five seconds.
func Run(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tell := func(string) {}
	if cfg.Supervised {
		tell = supervised(cancel)
	}
	err := run(ctx, cfg, tell)
	if err != nil {
		tell("failed: " + err.Error())
	}
	return err
}

func run(ctx context.Context, cfg Config, tell func(string)) error {
	engine, err := chdb.Open(cfg.Engine)
	if err != nil {
		return err
	}
	defer engine.Close()
	listener, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	handler := engine.Handler()
	if cfg.Listen != "" {
		handler = localOnly(handler)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	tell("ready " + engine.Version())
	if cfg.Ready != nil {
		cfg.Ready(engine.Version(), listener.Addr().String())
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve on %q: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // closes the connections, which kills their queries
	}
	<-served
	return nil
}

// supervised watches the supervisor's pipe and returns the way to speak to it, once.
func supervised(cancel context.CancelFunc) func(string) {
	lifeline := os.NewFile(lifelineFD, "lifeline")
	ready := os.NewFile(readyFD, "ready")
	syscall.CloseOnExec(lifelineFD)
	syscall.CloseOnExec(readyFD)
	go func() {
		_, _ = io.Copy(io.Discard, lifeline)
		cancel()
	}()
	// When memory runs out, the engine is to go, which loses nothing, and not the process that holds what clients sent.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0o644)
	told := false
	return func(s string) {
		if !told {
			told = true
			_, _ = io.WriteString(ready, s+"\n")
			ready.Close()
		}
	}
}

func listen(ctx context.Context, cfg Config) (net.Listener, error) {
	if cfg.Listen != "" {
		return listenTCP(cfg.Listen)
	}
	if cfg.Socket == "" {
		return nil, errors.New("neither a socket nor an address to listen on")
	}
	path, err := filepath.Abs(cfg.Socket)
	if err != nil {
		return nil, fmt.Errorf("socket %q: %w", cfg.Socket, err)
	}
	if len(path) >= maxSocketPath {
		return nil, fmt.Errorf("socket %q: the path has %d bytes, a unix socket allows %d; choose a shorter one with --socket", path, len(path), maxSocketPath-1)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	defer syscall.Umask(syscall.Umask(0o177))
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on socket %q: %w; choose another with --socket", path, err)
	}
	return l, nil
}

// removeStale removes the socket that an engine left behind, unless one still answers there.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("socket %q: %w", path, err)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("socket %q: a file that is no socket stands there; choose another path with --socket", path)
	}
	if c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path); err == nil {
		_ = c.Close()
		return fmt.Errorf("socket %q is in use by another process; stop it, or choose another with --socket", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}

func listenTCP(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w; it should look like 127.0.0.1:8123", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen address %q is not a loopback address; the engine asks for no password, so give it one such as 127.0.0.1:8123", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w; choose another with --listen", address, err)
	}
	return l, nil
}

// localOnly keeps web pages out: a browser sends Origin or Sec-Fetch-Site with what a page asks for, and a name that has
// been pointed at loopback stands in Host.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		local := host == "localhost" || ip != nil && ip.IsLoopback()
		site := r.Header.Get("Sec-Fetch-Site")
		if !local || r.Header.Get("Origin") != "" || site != "" && site != "none" && site != "same-origin" {
			http.Error(w, "requests of web pages and for other host names are refused", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
