package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// startEngineCommand runs `loadline engine` and returns what it greets with and the way to query it.
func startEngineCommand(t *testing.T, args ...string) (greeting string, query func(sql string) string) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), os.Args[0], append([]string{"engine", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), runItself+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("engine after SIGTERM: %v", err)
		}
	})
	lines := bufio.NewReader(out)
	for range 3 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("greeting %q, then %v", greeting, err)
		}
		greeting += line
	}
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(greeting)
	return greeting, func(sql string) string {
		t.Helper()
		resp, err := http.Post("http://"+address, "text/plain", strings.NewReader(sql))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", resp.StatusCode, body)
	}
}

func TestEngineCommand(t *testing.T) {
	dir := t.TempDir()
	t.Run("read-write", func(t *testing.T) {
		greeting, query := startEngineCommand(t, "--data-dir", dir, "--read-write")
		if !strings.Contains(greeting, "read-write") || !strings.Contains(greeting, dir) {
			t.Errorf("greeting %q", greeting)
		}
		if got := query("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a AS SELECT 5"); got != "200 " {
			t.Error(got)
		}
	})
	t.Run("read-only", func(t *testing.T) {
		greeting, query := startEngineCommand(t, "--data-dir", dir)
		if !strings.Contains(greeting, "read-only") || !strings.Contains(greeting, "curl") {
			t.Errorf("greeting %q", greeting)
		}
		if got := query("SELECT * FROM t"); got != "200 5\n" {
			t.Error(got)
		}
		if got := query("DROP TABLE t"); !strings.HasPrefix(got, "403 Code: 164.") {
			t.Error(got)
		}
	})
}
