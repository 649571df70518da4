package doctor

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"loadline/cmd/loadline/config"
)

// server is a Loadline as the doctor sees it; ready is the body of /-/ready.
func server(t *testing.T, ready string, date time.Time) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"version":"v1.2.3","go_version":"go1.26"}`))
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !date.IsZero() {
			w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
		}
		if strings.Contains(ready, `"ready":false`) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(ready))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

// free is an address where nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// report runs all checks and returns them by name.
func report(t *testing.T, cfg Config) map[string]Check {
	t.Helper()
	all := map[string]Check{}
	Run(t.Context(), cfg, func(c Check) {
		if _, twice := all[c.Name]; twice {
			t.Errorf("two checks are called %q", c.Name)
		}
		if (c.Fix == "") != (c.Status == OK) {
			t.Errorf("%+v: a check has a fix exactly when it is not OK", c)
		}
		all[c.Name] = c
	})
	return all
}

func settings(t *testing.T) config.Config {
	t.Helper()
	c := config.Default()
	c.Storage.Path = filepath.Join(t.TempDir(), "data")
	c.HTTP.Addr, c.OTLP.GRPCAddr, c.OTLP.HTTPAddr = free(t), free(t), free(t)
	return c
}

func TestNothingRuns(t *testing.T) {
	got := report(t, Config{Settings: settings(t)})
	for name, want := range map[string]Status{
		"engine library": OK, "http.addr": OK, "otlp.grpc.addr": OK, "otlp.http.addr": OK, "server": Warn,
	} {
		if got[name].Status != want {
			t.Errorf("%s: %+v, want %s", name, got[name], want)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d checks without a server: %v", len(got), got)
	}
}

func TestProblemsOfTheMachine(t *testing.T) {
	s := settings(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.OTLP.GRPCAddr = taken.Addr().String()
	s.OTLP.HTTPAddr = "192.0.2.1:4318"
	s.Storage.Libchdb = filepath.Join(t.TempDir(), "libchdb.so")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Storage.Path = filepath.Join(file, "data")
	got := report(t, Config{Settings: s})
	for name, want := range map[string]string{
		"engine library": "libchdb",
		"data directory": "is not a directory",
		"otlp.grpc.addr": "is in use by",
		"otlp.http.addr": "cannot assign requested address",
	} {
		if c := got[name]; c.Status != Fail || !strings.Contains(c.Detail, want) {
			t.Errorf("%s: %+v, want a failure with %q", name, c, want)
		}
	}
}

func TestServerThatIsNotReady(t *testing.T) {
	url := server(t, `{"ready":false,"components":[{"name":"storage","status":"down","message":"no answer"},{"name":"ingest","status":"degraded","message":"waiting"}]}`, time.Now().Add(-time.Hour))
	got := report(t, Config{Settings: settings(t), Endpoint: url, RoundTrip: time.Second})
	for name, want := range map[string]Status{
		"server": OK, "storage": Fail, "ingest": Warn, "clock": Warn, "OTLP/gRPC": Fail, "OTLP/HTTP": Fail,
	} {
		if got[name].Status != want {
			t.Errorf("%s: %+v, want %s", name, got[name], want)
		}
	}
	if _, here := got["data directory"]; here {
		t.Error("this machine was checked although the server is on another")
	}
}

func TestNotALoadline(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	got := report(t, Config{Settings: settings(t), Endpoint: srv.URL})
	if c := got["server"]; c.Status != Fail || !strings.Contains(c.Detail, "is not a Loadline") {
		t.Errorf("%+v", c)
	}
}

func TestQuick(t *testing.T) {
	f := func(ready string, wantErr bool) {
		t.Helper()
		err := Quick(t.Context(), Config{Endpoint: server(t, ready, time.Time{})})
		if (err != nil) != wantErr {
			t.Errorf("%s: %v", ready, err)
		}
	}
	f(`{"ready":true}`, false)
	f(`{"ready":false}`, true)
	if err := Quick(t.Context(), Config{Endpoint: "http://" + free(t)}); err == nil {
		t.Error("no error without a server")
	}
}

func TestProject(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Unix(1_800_000_000, 0)
	retention := config.Retention{Traces: 10 * day, Logs: 5 * day, LogsSize: 150}
	f := func(table string, u usage, want float64) {
		t.Helper()
		if _, got := project(map[string]usage{table: u}, retention, now); got != want {
			t.Errorf("%s %+v: %v bytes, want %v", table, u, got, want)
		}
	}
	f("spans", usage{100, now.Add(-2 * day)}, 500)
	f("spans", usage{100, now.Add(-20 * day)}, 100)
	// An hour of data counts as a day's.
	f("spans", usage{100, now.Add(-time.Hour)}, 1000)
	f("logs", usage{100, now.Add(-day)}, 150)
	// Not bounded in time, or without a time: as it is.
	f("samples", usage{100, now.Add(-day)}, 100)
	f("resources", usage{100, time.Time{}}, 100)
}

func TestParseUsages(t *testing.T) {
	got, err := parseUsages(strings.NewReader(`# HELP x
loadline_storage_bytes{table="spans"} 1e6
loadline_storage_oldest_timestamp_seconds{table="spans"} 1800000000
loadline_storage_rows{table="spans"} 5
loadline_storage_bytes{table="logs"} 7
`))
	if err != nil {
		t.Fatal(err)
	}
	if u := got["spans"]; u.bytes != 1e6 || u.oldest.Unix() != 1_800_000_000 {
		t.Errorf("spans: %+v", u)
	}
	if u := got["logs"]; u.bytes != 7 || !u.oldest.IsZero() || len(got) != 2 {
		t.Errorf("all: %+v", got)
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	Print(&out, ok("clock", "fine"))
	Print(&out, fail("server", "start it", "no answer"))
	want := "✓ clock           fine\n✗ server          no answer\n                  fix: start it\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
