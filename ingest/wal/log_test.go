package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// record is what a test compares.
type record struct {
	Kind  byte
	Items int
	Body  string
}

func quiet(dir string) Config {
	return Config{Dir: dir, SegmentAge: time.Nanosecond, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func mustOpen(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t testing.TB, l *Log, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if dup, err := l.Append(t.Context(), time.Now(), 1, 1, []byte(b)); err != nil || dup {
			t.Fatalf("append %.20q: duplicate %v, error %v", b, dup, err)
		}
	}
}

// tryAppend is mustAppend for goroutines of a test.
func tryAppend(t testing.TB, l *Log, body string) {
	t.Helper()
	if dup, err := l.Append(t.Context(), time.Now(), 1, 1, []byte(body)); err != nil || dup {
		t.Errorf("append %.20q: duplicate %v, error %v", body, dup, err)
	}
}

func mustNext(t testing.TB, l *Log) *Segment {
	t.Helper()
	s, err := l.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustDone(t testing.TB, s *Segment) {
	t.Helper()
	if err := s.Done(); err != nil {
		t.Fatal(err)
	}
}

func content(t testing.TB, s *Segment) []record {
	t.Helper()
	var got []record
	err := s.Records(func(kind byte, items int, _ time.Time, body []byte) error {
		got = append(got, record{kind, items, string(body)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func bodies(t testing.TB, s *Segment) []string {
	t.Helper()
	var got []string
	for _, r := range content(t, s) {
		got = append(got, r.Body)
	}
	return got
}

// drain reads and finishes everything in the log.
func drain(t testing.TB, l *Log) []string {
	t.Helper()
	var got []string
	for l.Stats().Segments > 0 {
		s := mustNext(t, l)
		got = append(got, bodies(t, s)...)
		mustDone(t, s)
	}
	return got
}

func wantBodies(t testing.TB, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("records (-want +got):\n%s", d)
	}
}

func TestRecordsComeBackAsAppended(t *testing.T) {
	l := mustOpen(t, quiet(t.TempDir()))
	big := strings.Repeat("x", 3*readChunk)
	want := []record{{1, 10, "a"}, {2, 0, ""}, {3, 7, big}, {1, 1, "a b"}, {255, 1000, "z"}}
	before := time.Now()
	for _, r := range want {
		if dup, err := l.Append(t.Context(), time.Now(), r.Kind, r.Items, []byte(r.Body)); dup || err != nil {
			t.Fatal(dup, err)
		}
	}
	s := mustNext(t, l)
	for range 2 { // a failed insert reads again
		if d := cmp.Diff(want, content(t, s)); d != "" {
			t.Fatal(d)
		}
	}
	err := s.Records(func(_ byte, _ int, at time.Time, _ []byte) error {
		if at.Before(before.Add(-time.Millisecond)) || at.After(time.Now()) {
			t.Errorf("received at %v", at)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if err := s.Records(func(byte, int, time.Time, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("error of the callback: %v", err)
	}
}

func TestSegmentsSurviveRestartUnderTheSameID(t *testing.T) {
	cfg := quiet(t.TempDir())
	l := mustOpen(t, cfg)
	mustAppend(t, l, "a")
	first := mustNext(t, l)
	mustAppend(t, l, "b", "c")
	mustClose(t, l)
	if err := first.Done(); !errors.Is(err, ErrClosed) {
		t.Fatalf("Done after Close: %v", err)
	}

	l = mustOpen(t, cfg)
	if got := l.Stats(); got.Segments != 2 || got.Items != 3 || got.Bytes == 0 {
		t.Fatalf("stats %+v", got)
	}
	s := mustNext(t, l)
	if s.ID() != first.ID() {
		t.Fatalf("id %q became %q", first.ID(), s.ID())
	}
	wantBodies(t, bodies(t, s), "a")
	mustDone(t, s)
	mustDone(t, s) // repeating it is harmless
	mustAppend(t, l, "d")
	wantBodies(t, drain(t, l), "b", "c", "d")
	if got := l.Stats(); got.Segments != 0 || got.Items != 0 || got.Bytes != 0 {
		t.Fatalf("stats of an empty log %+v", got)
	}
}

// An id that came back after everything was removed would make ClickHouse
// drop new data as already inserted.
func TestIDsAreNeverUsedAgain(t *testing.T) {
	cfg := quiet(t.TempDir())
	ids := map[string]bool{}
	for i := range 5 {
		l := mustOpen(t, cfg)
		for j := range 3 {
			mustAppend(t, l, fmt.Sprint(i, j))
			s := mustNext(t, l)
			if ids[s.ID()] {
				t.Fatalf("id %q was used before", s.ID())
			}
			ids[s.ID()] = true
			mustDone(t, s)
		}
		mustClose(t, l)
		for _, path := range glob(t, cfg.Dir, "*.seen") {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func glob(t testing.TB, dir, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestNextWaitsForAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quiet(t.TempDir())
		cfg.SegmentAge = time.Second
		l := mustOpen(t, cfg)
		defer l.Close()
		readable := make(chan time.Time)
		go func() {
			for {
				s, err := l.Next(t.Context())
				if err != nil {
					close(readable)
					return
				}
				readable <- time.Now()
				if s.Items() != 2 || s.Bytes() == 0 {
					t.Errorf("segment of %d items", s.Items())
				}
				_ = s.Done()
			}
		}()
		for _, pause := range []time.Duration{0, 10 * time.Second, 300 * time.Millisecond} {
			time.Sleep(pause) // synctest's clock
			start := time.Now()
			mustAppend(t, l, fmt.Sprint("a", pause))
			time.Sleep(700 * time.Millisecond)
			mustAppend(t, l, fmt.Sprint("b", pause)) // must not push it back
			if got := (<-readable).Sub(start); got != time.Second {
				t.Fatalf("readable after %v", got)
			}
		}
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, ok := <-readable; ok {
			t.Fatal("Next returned a segment after Close")
		}
	})
}

// A reader whose timer fires while a commit is running gets the segment from
// the end of that commit.
func TestNextWhileCommitting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quiet(t.TempDir())
		cfg.SegmentAge = time.Second
		l := mustOpen(t, cfg)
		defer l.Close()
		mustAppend(t, l, "a")
		l.sync = func(*os.File) error { time.Sleep(5 * time.Second); return nil }
		start := time.Now()
		go tryAppend(t, l, "b")
		synctest.Wait()
		s := mustNext(t, l)
		if got := time.Since(start); got != 5*time.Second {
			t.Fatalf("readable after %v", got)
		}
		wantBodies(t, bodies(t, s), "a", "b")
	})
}

func TestNextHonoursContext(t *testing.T) {
	l := mustOpen(t, quiet(t.TempDir()))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waitFor(l, func() bool { return l.readers == 1 })
		cancel()
	}()
	if _, err := l.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := l.Append(ctx, time.Now(), 1, 1, []byte("a")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestSlowReaderGetsLargeSegments(t *testing.T) {
	f := func(cfg Config, want ...int) {
		t.Helper()
		cfg.Dir, cfg.SegmentAge, cfg.Logger = t.TempDir(), time.Nanosecond, slog.New(slog.DiscardHandler)
		l := mustOpen(t, cfg)
		for i := range 10 {
			if _, err := l.Append(t.Context(), time.Now(), 1, 10, fmt.Appendf(nil, "%060d", i)); err != nil {
				t.Fatal(err)
			}
		}
		var got []int
		for l.Stats().Segments > 0 {
			s := mustNext(t, l)
			got = append(got, s.Items())
			mustDone(t, s)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}
	f(Config{}, 100)
	f(Config{SegmentItems: 40}, 40, 40, 20)
	f(Config{SegmentItems: 45}, 40, 40, 20)
	f(Config{SegmentBytes: 64 + 300}, 30, 30, 30, 10)
	f(Config{SegmentBytes: 1}, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10)
}

// One queue that is larger than a segment fills several.
func TestLargeQueueIsSplit(t *testing.T) {
	cfg := quiet(t.TempDir())
	cfg.SegmentItems = 5
	l := mustOpen(t, cfg)
	release := hold(l)
	var group sync.WaitGroup
	for i := range 1 + 17 {
		group.Go(func() { tryAppend(t, l, fmt.Sprint(i)) })
	}
	waitFor(l, func() bool { return len(l.waiting) == 18 })
	release()
	group.Wait()
	n := 0
	for l.Stats().Segments > 0 {
		s := mustNext(t, l)
		n += s.Items()
		if s.Items() > 5 {
			t.Fatalf("segment of %d items", s.Items())
		}
		mustDone(t, s)
	}
	if n != 18 {
		t.Fatalf("%d items", n)
	}
}

// hold keeps every sync from finishing until the returned func is called.
func hold(l *Log) (release func()) {
	held := make(chan struct{})
	l.sync = func(f *os.File) error { <-held; return f.Sync() }
	return func() { close(held) }
}

// waitFor yields until the log is in a state that another goroutine brings it to.
func waitFor(l *Log, state func() bool) {
	for {
		l.mu.Lock()
		ok := state()
		l.mu.Unlock()
		if ok {
			return
		}
		runtime.Gosched()
	}
}

func TestConcurrentAppendsAndReaders(t *testing.T) {
	cfg := quiet(t.TempDir())
	cfg.SegmentBytes = 64 << 10
	l := mustOpen(t, cfg)
	const writers, each = 8, 200
	var mu sync.Mutex
	seen := map[string]int{}
	var readers, group sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				s, err := l.Next(t.Context())
				if err != nil {
					return
				}
				err = s.Records(func(_ byte, _ int, _ time.Time, body []byte) error {
					mu.Lock()
					defer mu.Unlock()
					seen[string(body)]++
					return nil
				})
				if err := errors.Join(err, s.Done()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for w := range writers {
		group.Go(func() {
			for i := range each {
				tryAppend(t, l, fmt.Sprintf("%d/%d/%s", w, i, strings.Repeat("x", i*w)))
			}
		})
	}
	group.Wait()
	waitFor(l, func() bool { return len(l.segments) == 0 })
	mustClose(t, l)
	readers.Wait()
	for body, n := range seen {
		if n != 1 {
			t.Fatalf("%.20q came %d times", body, n)
		}
	}
	if len(seen) != writers*each {
		t.Fatalf("%d of %d records", len(seen), writers*each)
	}
}

func TestFullLog(t *testing.T) {
	cfg := quiet(t.TempDir())
	cfg.MaxBytes = 1000
	l := mustOpen(t, cfg)
	refused := func(body string) {
		t.Helper()
		_, err := l.Append(t.Context(), time.Now(), 1, 1, []byte(body))
		var full *FullError
		if !errors.As(err, &full) || full.Reason != "log full" || full.RetryAfter <= 0 {
			t.Fatalf("error %v", err)
		}
	}
	a, b := strings.Repeat("a", 500), strings.Repeat("b", 500)
	mustAppend(t, l, a)
	refused(b)
	mustClose(t, l)
	l = mustOpen(t, cfg) // the bound counts what was left
	refused(b)
	wantBodies(t, drain(t, l), a)
	mustAppend(t, l, b)
	if s := l.Stats(); s.Bytes > s.MaxBytes {
		t.Fatalf("%+v", s)
	}
	if _, err := l.Append(t.Context(), time.Now(), 1, 1, make([]byte, 2000)); err == nil || errors.As(err, new(*FullError)) {
		t.Fatalf("a record that never fits: %v", err)
	}
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	cfg := quiet(t.TempDir())
	l := mustOpen(t, cfg)
	release := hold(l)
	var group sync.WaitGroup
	for i := range 5 {
		group.Go(func() { tryAppend(t, l, fmt.Sprint(i)) })
	}
	waitFor(l, func() bool { return len(l.waiting) == 5 })
	group.Go(func() { l.Close() })
	waitFor(l, func() bool { return l.closed })
	if _, err := l.Append(t.Context(), time.Now(), 1, 1, []byte("late")); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	release()
	group.Wait()
	if got := drain(t, mustOpen(t, cfg)); len(got) != 5 {
		t.Fatalf("records %q", got)
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data", "wal"))
	l := mustOpen(t, cfg)
	_, err := Open(cfg)
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Fatal(err)
	}
	mustClose(t, l)
	mustClose(t, mustOpen(t, cfg))
}

func TestOpenErrors(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("error %v, want %q", err, want)
		}
	}
	f(Config{}, "no directory")
	f(Config{Dir: t.TempDir(), MaxBytes: -1}, "negative")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f(quiet(file), "not a directory")

	newer := segmentHeader{seq: 1}.encode()
	newer[7] = segmentVersion + 1
	fixHeader(newer)
	cfg := quiet(t.TempDir())
	if err := os.WriteFile(segmentPath(cfg.Dir, 1), newer, 0o600); err != nil {
		t.Fatal(err)
	}
	f(cfg, "segment format 2")
}

// failing lets the log write part of a record and then reports err, n times.
func failing(l *Log, err error, n int) {
	l.pwritev = func(fd int, vectors [][]byte, offset int64) (int, error) {
		if n == 0 {
			return unix.Pwritev(fd, vectors, offset)
		}
		n--
		part := vectors[len(vectors)-1]
		_, _ = unix.Pwritev(fd, append(vectors[:len(vectors)-1:len(vectors)-1], part[:len(part)/2]), offset)
		return 0, err
	}
}

func TestDiskFull(t *testing.T) {
	for _, first := range []bool{true, false} {
		cfg := quiet(t.TempDir())
		var lines bytes.Buffer
		cfg.Logger = slog.New(slog.NewTextHandler(&lines, nil))
		l := mustOpen(t, cfg)
		var want []string
		if !first {
			mustAppend(t, l, "before")
			want = append(want, "before")
		}
		failing(l, unix.ENOSPC, 2)
		for range 2 {
			dup, err := l.Append(t.Context(), time.Now(), 1, 1, []byte("refused once"))
			var full *FullError
			if dup || !errors.As(err, &full) || full.Reason != "disk full" || !errors.Is(err, unix.ENOSPC) {
				t.Fatalf("duplicate %v, error %v", dup, err)
			}
			for _, path := range glob(t, cfg.Dir, "*.wal") {
				if info, err := os.Stat(path); err != nil || info.Size() != l.Stats().Bytes {
					t.Fatalf("the partial write was left in the file: %v", err)
				}
			}
			if !l.Stats().Failing {
				t.Fatal("stats do not say that it fails")
			}
		}
		mustAppend(t, l, "refused once", "after") // space is back
		want = append(want, "refused once", "after")
		if n := strings.Count(lines.String(), "level=ERROR"); n != 1 || l.Stats().Failing {
			t.Fatalf("log:\n%s", &lines)
		}
		mustClose(t, l)
		wantBodies(t, drain(t, mustOpen(t, cfg)), want...)
	}
}

// The log leaves room on the disk for those who empty it.
func TestReserve(t *testing.T) {
	cfg := quiet(t.TempDir())
	cfg.Reserve = 10 << 20
	l := mustOpen(t, cfg)
	free := cfg.Reserve + 1000
	l.free = func() (int64, error) { return free, nil }
	mustAppend(t, l, "fits")
	f := func() {
		t.Helper()
		_, err := l.Append(t.Context(), time.Now(), 1, 1, bytes.Repeat([]byte("x"), 1000))
		var full *FullError
		if !errors.As(err, &full) || full.Reason != "disk full" || !errors.Is(err, unix.ENOSPC) ||
			!strings.Contains(err.Error(), "10 MiB are free, of which the log leaves 10") || !l.Stats().Failing {
			t.Errorf("error %v", err)
		}
	}
	f()
	mustAppend(t, l, "still fits")
	if l.Stats().Failing {
		t.Error("stats say that it fails")
	}
	s, err := l.Next(t.Context())
	if err == nil {
		err = s.Done()
	}
	if err != nil {
		t.Fatal(err)
	}
	f() // a first record
	free *= 2
	mustAppend(t, l, "fits again")
}

// A sync that failed is not tried again on the same file, and what it was to
// store is not replayed even when cutting it off failed as well.
func TestFailedSync(t *testing.T) {
	for _, first := range []bool{true, false} {
		cfg := quiet(t.TempDir())
		l := mustOpen(t, cfg)
		var want []string
		if !first {
			mustAppend(t, l, "before")
			want = append(want, "before")
		}
		var path string
		var uncut []byte
		l.sync = func(f *os.File) error {
			l.sync = (*os.File).Sync
			path = f.Name()
			uncut, _ = os.ReadFile(path)
			return unix.EIO
		}
		_, err := l.Append(t.Context(), time.Now(), 1, 1, []byte("refused once"))
		var full *FullError
		if !errors.As(err, &full) || full.Reason != "disk error" || !errors.Is(err, unix.EIO) {
			t.Fatal(err)
		}
		if !bytes.Contains(uncut, []byte("refused once")) {
			t.Fatal("the test did not see the write")
		}
		mustAppend(t, l, "refused once", "after")
		want = append(want, "refused once", "after")
		if !first {
			if l.active.path == path {
				t.Fatal("the suspect segment is still written to")
			}
			if err := os.WriteFile(path, uncut, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, l)
		for range 2 {
			l = mustOpen(t, cfg)
			mustClose(t, l)
		}
		wantBodies(t, drain(t, mustOpen(t, cfg)), want...)
	}
}

// Removing segments is what frees a full disk, so it must not need space.
func TestDoneOnAFullDisk(t *testing.T) {
	cfg := quiet(t.TempDir())
	l := mustOpen(t, cfg)
	mustAppend(t, l, "a")
	s := mustNext(t, l)
	if err := os.Mkdir(seenPath(cfg.Dir, s.seq)+".tmp", 0o700); err != nil { // the seen file cannot be written
		t.Fatal(err)
	}
	mustDone(t, s)
	if got := glob(t, cfg.Dir, "*.wal"); len(got) != 0 {
		t.Fatalf("left over %q", got)
	}
}

func TestSeal(t *testing.T) {
	cfg := quiet(t.TempDir())
	cfg.SegmentAge = time.Hour
	l := mustOpen(t, cfg)
	l.Seal() // nothing
	mustAppend(t, l, "a", "b")
	l.Seal()
	mustAppend(t, l, "c")
	wantBodies(t, bodies(t, mustNext(t, l)), "a", "b")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if s, err := l.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the young segment is handed out: %v, %v", s, err)
	}
	mustClose(t, l)
	l.Seal()
}
