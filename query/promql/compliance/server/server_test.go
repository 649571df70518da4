package server

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCPUCountsThisProcess(t *testing.T) {
	before, err := cpu(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for began := time.Now(); time.Since(began) < 300*time.Millisecond; {
		sum++
	}
	after, err := cpu(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after - before; used < 20*time.Millisecond || used > 10*time.Second {
		t.Errorf("%s of CPU for 300 ms of work", used)
	}
}

func TestCPUOfNobody(t *testing.T) {
	if _, err := cpu(-1); err == nil {
		t.Error("a process that does not exist has used CPU")
	}
}

func TestBytes(t *testing.T) {
	s := &Server{Dir: t.TempDir()}
	for name, size := range map[string]int{"a/x": 3, "a/b/y": 4, "c/z": 5} {
		path := filepath.Join(s.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(want int64, folders ...string) {
		t.Helper()
		got, err := s.Bytes(folders...)
		if err != nil || got != want {
			t.Errorf("%v: %d bytes, error %v, want %d", folders, got, err, want)
		}
	}
	f(12)
	f(7, "a")
	f(9, "a/b", "c")
}

func TestStartReportsTheLog(t *testing.T) {
	_, err := Prometheus(t.Context(), "/bin/false", t.TempDir())
	if err == nil {
		t.Error("a program that ends at once has started")
	}
}
