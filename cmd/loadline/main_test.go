package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runCommand runs the program in this process.
func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestUsageErrors(t *testing.T) {
	f := func(args []string, wantCode int, wantErr string) {
		t.Helper()
		code, _, stderr := runCommand(t, args...)
		if code != wantCode || !strings.HasPrefix(stderr, wantErr) || !strings.Contains(stderr, "\nhint: ") {
			t.Errorf("%v: exit code %d and %q, want %d and %q", args, code, stderr, wantCode, wantErr)
		}
	}
	f([]string{"sevre"}, exitUsage, `error: unknown command "sevre"`)
	f([]string{"version", "--colour"}, exitUsage, `error: unknown flag: --colour`)
	f([]string{"version", "now"}, exitUsage, `error: unknown command "now" for "loadline version"`)
	f([]string{"version", "-o", "xml"}, exitUsage, `error: --output: cannot use "xml"`)
	f([]string{"config", "print", "--http.addr", "8080"}, exitConfig, `error: --http.addr: cannot use "8080": want HOST:PORT`)
	f([]string{"config", "print", "--http.addr", ":8080"}, exitConfig, `error: http.addr: ":8080" can be reached from other machines`)
	f([]string{"demo", "--incident", "flood"}, exitUsage, `error: --incident: cannot use "flood": want one of `)
	f([]string{"demo", "--history", "90d"}, exitUsage, `error: --history: cannot use "90d": want at most 30d`)
	f([]string{"demo", "--services", "8"}, exitUsage, `error: --services: cannot use 8: want 1 to 7`)
	f([]string{"gen", "-o", "xml"}, exitUsage, `error: --output: cannot use "xml"`)
	f([]string{"gen", "--signal", "smoke"}, exitUsage, `error: signal "smoke"`)
	f([]string{"config", "check", "no-such-file.yaml"}, exitConfig, `error: read configuration: open no-such-file.yaml`)
}

func TestVersion(t *testing.T) {
	if code, out, _ := runCommand(t, "version"); code != exitOK || !strings.HasPrefix(out, "loadline ") {
		t.Errorf("exit code %d and %q", code, out)
	}
	if code, out, _ := runCommand(t, "version", "-o", "json"); code != exitOK || !strings.Contains(out, `"go_version":"go`) {
		t.Errorf("exit code %d and %q", code, out)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, _ := runCommand(t, "completion", shell); code != exitOK || !strings.Contains(out, "loadline") {
			t.Errorf("%s: exit code %d and %d bytes", shell, code, len(out))
		}
	}
}

// What config print prints is a configuration file.
func TestConfigPrintReadsBack(t *testing.T) {
	t.Chdir(t.TempDir())
	args := []string{"--otlp.grpc.addr=[::1]:4317", "--storage.path=a$b: #c", "--retention.logs=36h"}
	_, want, _ := runCommand(t, append([]string{"config", "print"}, args...)...)
	if err := os.WriteFile("loadline.yaml", []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	code, got, stderr := runCommand(t, "config", "print")
	if code != exitOK || got != want {
		t.Errorf("exit code %d, %s\nwrote %s\nread  %s", code, stderr, want, got)
	}
	if code, out, _ := runCommand(t, "config", "check"); code != exitOK || out != "ok: loadline.yaml\n" {
		t.Errorf("config check: exit code %d and %q", code, out)
	}
}

func TestListenNamesWhoIsInTheWay(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = listen(t.Context(), "http.addr", taken.Addr().String())
	if err == nil {
		t.Fatal("no error for a port in use")
	}
	want := "http.addr: cannot listen on " + taken.Addr().String() + ": address in use"
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %q, want %q", err, want)
	}
	if _, statErr := os.Stat("/proc/net/tcp"); statErr == nil && !strings.Contains(err.Error(), "by pid ") {
		t.Errorf("%q does not name the process", err)
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}
