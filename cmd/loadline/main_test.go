package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"loadline/cmd/loadline/fault"
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
	f([]string{"sevre"}, fault.Usage, `error: unknown command "sevre"`)
	f([]string{"version", "--colour"}, fault.Usage, `error: unknown flag: --colour`)
	f([]string{"version", "now"}, fault.Usage, `error: unknown command "now" for "loadline version"`)
	f([]string{"version", "-o", "xml"}, fault.Usage, `error: --output: cannot use "xml"`)
	f([]string{"config", "print", "--http.addr", "8080"}, fault.Config, `error: --http.addr: cannot use "8080": want HOST:PORT`)
	f([]string{"config", "print", "--http.addr", ":8080"}, fault.Config, `error: http.addr: ":8080" can be reached from other machines`)
	f([]string{"demo", "--incident", "flood"}, fault.Usage, `error: --incident: cannot use "flood": want one of `)
	f([]string{"demo", "--history", "90d"}, fault.Usage, `error: --history: cannot use "90d": want at most 30d`)
	f([]string{"demo", "--services", "8"}, fault.Usage, `error: --services: cannot use 8: want 1 to 7`)
	f([]string{"gen", "-o", "xml"}, fault.Usage, `error: --output: cannot use "xml"`)
	f([]string{"gen", "--signal", "smoke"}, fault.Usage, `error: signal "smoke"`)
	f([]string{"config", "check", "no-such-file.yaml"}, fault.Config, `error: read configuration: open no-such-file.yaml`)
}

func TestVersion(t *testing.T) {
	if code, out, _ := runCommand(t, "version"); code != fault.OK || !strings.HasPrefix(out, "loadline ") {
		t.Errorf("exit code %d and %q", code, out)
	}
	if code, out, _ := runCommand(t, "version", "-o", "json"); code != fault.OK || !strings.Contains(out, `"go_version":"go`) {
		t.Errorf("exit code %d and %q", code, out)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, _ := runCommand(t, "completion", shell); code != fault.OK || !strings.Contains(out, "loadline") {
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
	if code != fault.OK || got != want {
		t.Errorf("exit code %d, %s\nwrote %s\nread  %s", code, stderr, want, got)
	}
	if code, out, _ := runCommand(t, "config", "check"); code != fault.OK || out != "ok: loadline.yaml\n" {
		t.Errorf("config check: exit code %d and %q", code, out)
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
