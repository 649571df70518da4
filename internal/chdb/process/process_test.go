package process_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"loadline/internal/chdb"
	"loadline/internal/chdb/process"
)

// run runs an engine process in this one until the test ends, and returns when it is ready.
func run(t *testing.T, cfg process.Config) error {
	t.Helper()
	_, err := runAt(t, cfg)
	return err
}

// runAt is run that says where the engine listens.
func runAt(t *testing.T, cfg process.Config) (string, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	cfg.Ready = func(_, address string) { ready <- address }
	go func() { ended <- process.Run(ctx, cfg) }()
	var address string
	select {
	case err := <-ended:
		cancel()
		return "", err
	case address = <-ready:
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return address, nil
}

func TestListen(t *testing.T) {
	address, err := runAt(t, process.Config{Engine: chdb.Config{DataDir: t.TempDir()}, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	f := func(header map[string]string, status int) {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), "POST", "http://"+address, strings.NewReader("SELECT 42"))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range header {
			r.Header.Set(k, v)
		}
		r.Host = header["Host"]
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || status == 200 && string(body) != "42\n" {
			t.Errorf("%v: %d %q %v, want %d", header, resp.StatusCode, body, err, status)
		}
	}
	f(nil, 200)
	f(map[string]string{"Host": "localhost:8123"}, 200)
	f(map[string]string{"Host": "[::1]:8123"}, 200)
	f(map[string]string{"Host": "evil.example"}, 403)
	f(map[string]string{"Origin": "http://evil.example"}, 403)
	f(map[string]string{"Sec-Fetch-Site": "cross-site"}, 403)
}

func TestAddressErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	used, plain, stale := filepath.Join(dir, "used"), filepath.Join(dir, "plain"), filepath.Join(dir, "stale")
	l, err := net.Listen("unix", used)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(cfg process.Config, want ...string) {
		t.Helper()
		cfg.Engine.DataDir = filepath.Join(dir, "data")
		err := run(t, cfg)
		if err == nil {
			t.Errorf("%+v: no error", cfg)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error %q does not say %q", err, w)
			}
		}
	}
	f(process.Config{Listen: "0.0.0.0:8123"}, "not a loopback address")
	f(process.Config{Listen: "192.0.2.1:8123"}, "not a loopback address")
	f(process.Config{Listen: "8123"}, "127.0.0.1:8123")
	f(process.Config{Listen: taken.Addr().String()}, "in use", "--listen")
	f(process.Config{Socket: used}, "in use by another process", "--socket")
	f(process.Config{Socket: plain}, "no socket", "--socket")
	f(process.Config{Socket: filepath.Join(dir, strings.Repeat("x", 120))}, "--socket")
	f(process.Config{})

	// A socket that nobody answers on any more is taken over.
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	if err := run(t, process.Config{Engine: chdb.Config{DataDir: filepath.Join(dir, "data")}, Socket: stale}); err != nil {
		t.Error(err)
	}
}

// TestStopCutsQueries: a query that does not end does not keep the engine.
func TestStopCutsQueries(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- process.Run(ctx, process.Config{Engine: chdb.Config{DataDir: t.TempDir()}, Socket: socket, Ready: func(v, _ string) { ready <- v }})
	}()
	<-ready
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	resp, err := client.Post("http://engine/", "text/plain", strings.NewReader("SELECT number, sleepEachRow(0.001) FROM numbers(1000000000) SETTINGS max_block_size = 100, function_sleep_max_microseconds_per_block = 0"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	began := time.Now()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 15*time.Second {
		t.Errorf("stopping took %v", d)
	}
}
