package wal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestMain runs the test binary as the process to be killed when asked to.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LOADLINE_WAL_TEST_DIR"); dir != "" {
		if err := appendUntilKilled(dir, os.Getenv("LOADLINE_WAL_TEST_ROUND"), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func crashConfig(dir string) Config {
	cfg := quiet(filepath.Join(dir, "wal"))
	cfg.SegmentBytes = 256 << 10
	cfg.SegmentAge = 2 * time.Millisecond
	return cfg
}

// crashBody is long enough to be torn, and the same for every try of a name.
func crashBody(name string) []byte {
	var n int
	for _, c := range name {
		n = n*31 + int(c)
	}
	return []byte(name + "|" + strings.Repeat(name[len(name)-1:], n%20_000))
}

// appendUntilKilled first repeats the records that stdin names, then appends
// new ones, writing "try NAME" before and "ack NAME" after each. Meanwhile a
// reader stores segments under their tokens, as ClickHouse would.
func appendUntilKilled(dir, round string, stdin io.Reader, stdout io.Writer) error {
	l, err := Open(crashConfig(dir))
	if err != nil {
		return err
	}
	ctx := context.Background()
	failed := make(chan error, 8)
	go func() { failed <- storeSegments(ctx, l, dir) }()
	var mu sync.Mutex
	journal := func(word, name string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(stdout, "%s %s\n", word, name)
	}
	send := func(name string) error {
		journal("try", name)
		if _, err := l.Append(ctx, time.Now(), 1, 1, crashBody(name)); err != nil {
			return err
		}
		journal("ack", name)
		return nil
	}
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		if err := send(lines.Text()); err != nil {
			return err
		}
	}
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				if err := send(fmt.Sprintf("%s-%d-%d", round, w, i)); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

func storeSegments(ctx context.Context, l *Log, dir string) error {
	for {
		s, err := l.Next(ctx)
		if err != nil {
			return err
		}
		if err := storeSegment(s, dir); err != nil {
			return err
		}
	}
}

// storeSegment writes the names of a segment's records to a file called like
// its token; a second time replaces the first.
func storeSegment(s *Segment, dir string) error {
	var names strings.Builder
	err := s.Records(func(_ byte, _ int, _ time.Time, body []byte) error {
		name, _, _ := strings.Cut(string(body), "|")
		if string(body) != string(crashBody(name)) {
			return fmt.Errorf("body of %q is not what was appended", name)
		}
		names.WriteString(name + "\n")
		return nil
	})
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "stored", s.ID())
	err = errors.Join(os.WriteFile(path+".tmp", []byte(names.String()), 0o600), os.Rename(path+".tmp", path))
	if err != nil {
		return err
	}
	return s.Done()
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "stored"), 0o700); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	acknowledged := map[string]bool{}
	open := map[string]bool{}
	for round := range 10 {
		killed(t, dir, round, 20+random.IntN(400), acknowledged, open)
	}
	l := mustOpen(t, crashConfig(dir))
	for name := range open {
		if _, err := l.Append(t.Context(), time.Now(), 1, 1, crashBody(name)); err != nil {
			t.Fatal(err)
		}
		acknowledged[name] = true
	}
	for l.Stats().Segments > 0 {
		if err := storeSegment(mustNext(t, l), dir); err != nil {
			t.Fatal(err)
		}
	}
	stored := map[string]int{}
	for _, path := range glob(t, filepath.Join(dir, "stored"), "*-*[0-9]") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.Lines(string(b)) {
			stored[strings.TrimSpace(name)]++
		}
	}
	for name := range acknowledged {
		if stored[name] != 1 {
			t.Errorf("acknowledged record %q is stored %d times", name, stored[name])
		}
	}
	if len(stored) != len(acknowledged) || len(acknowledged) < 200 {
		t.Errorf("%d records stored, %d acknowledged", len(stored), len(acknowledged))
	}
}

// killed runs one process until so many records are acknowledged, and kills it.
func killed(t *testing.T, dir string, round, acks int, acknowledged, open map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "LOADLINE_WAL_TEST_DIR="+dir, fmt.Sprint("LOADLINE_WAL_TEST_ROUND=", round))
	var again strings.Builder
	for name := range open {
		again.WriteString(name + "\n")
	}
	cmd.Stdin = strings.NewReader(again.String())
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewReader(pipe); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // what came after the kill is read to the end too
		}
		word, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "try" {
			open[name] = true
			continue
		}
		delete(open, name)
		acknowledged[name] = true
		if n++; n == acks {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || n < acks {
		t.Fatalf("process ended by itself after %d of %d records: %v", n, acks, err)
	}
}

// A real file system that is really full; where mounting is not allowed,
// TestDiskFull covers the same code with injected errors.
func TestFullFileSystem(t *testing.T) {
	dir, ok := smallFileSystem(t)
	if !ok {
		return
	}
	cfg := quiet(dir)
	l := mustOpen(t, cfg)
	var want []string
	var full *FullError
	for i := 0; full == nil; i++ {
		body := strings.Repeat(fmt.Sprint(i%10), 10_000+i)
		_, err := l.Append(t.Context(), time.Now(), 1, 1, []byte(body))
		if err == nil {
			want = append(want, body)
		} else if !errors.As(err, &full) || full.Reason != "disk full" {
			t.Fatal(err)
		}
	}
	s := mustNext(t, l)
	wantBodies(t, bodies(t, s), want...)
	mustDone(t, s) // makes room
	mustAppend(t, l, "after")
	mustClose(t, l)
	wantBodies(t, drain(t, mustOpen(t, cfg)), "after")
}

// The log's cost must not grow with the number of callers waiting.
func TestManyWaiters(t *testing.T) {
	l := mustOpen(t, quiet(t.TempDir()))
	release := hold(l)
	var syncs atomic.Int32
	inner := l.sync
	l.sync = func(f *os.File) error { syncs.Add(1); return inner(f) }
	const n = maxVectors // needs more than one write: two vectors each
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { tryAppend(t, l, fmt.Sprint(i)) })
	}
	waitFor(l, func() bool { return len(l.waiting) == n })
	release()
	group.Wait()
	if got := syncs.Load(); got != 2 {
		t.Fatalf("%d syncs", got)
	}
	if got := len(drain(t, l)); got != n {
		t.Fatalf("%d records", got)
	}
}
