package wal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"loadline/ingest/wal/recent"

	"golang.org/x/sys/unix"
)

func wantDuplicate(t testing.TB, l *Log, want bool, body string) {
	t.Helper()
	got, err := l.Append(t.Context(), time.Now(), 1, 1, []byte(body))
	if err != nil || got != want {
		t.Fatalf("append %q: duplicate %v, error %v", body, got, err)
	}
}

func TestDuplicates(t *testing.T) {
	cfg := quiet(t.TempDir())
	l := mustOpen(t, cfg)
	mustAppend(t, l, "a", "b")
	wantDuplicate(t, l, true, "a")
	if dup, err := l.Append(t.Context(), time.Now(), 2, 1, []byte("a")); dup || err != nil {
		t.Fatal("another kind is another record")
	}
	mustClose(t, l)

	l = mustOpen(t, cfg) // still on disk
	wantDuplicate(t, l, true, "a")
	mustAppend(t, l, "c")
	wantBodies(t, drain(t, l), "a", "b", "a", "c")
	wantDuplicate(t, l, true, "c")
	mustClose(t, l)

	l = mustOpen(t, cfg) // finished
	wantDuplicate(t, l, true, "a")
	wantDuplicate(t, l, true, "c")
	wantDuplicate(t, l, false, "d")
	wantBodies(t, drain(t, l), "d")
}

// A record with a name is known by it, whatever else it says: while it waits, after a restart, and when it is done.
func TestNamedDuplicates(t *testing.T) {
	const kind = Named | 1
	cfg := quiet(t.TempDir())
	l := mustOpen(t, cfg)
	f := func(want bool, kind byte, body string) {
		t.Helper()
		if got, err := l.Append(t.Context(), time.Now(), kind, 1, []byte(body)); err != nil || got != want {
			t.Errorf("kind %d, body %q: duplicate %v, error %v", kind, body, got, err)
		}
	}
	f(false, kind, "\x03abc first")
	f(true, kind, "\x03abc second")
	f(false, kind, "\x03abd first")
	f(false, 1, "\x03abc first")
	f(false, Named|2, "\x03abc")
	f(false, kind, "\x09cut")
	f(true, kind, "\x09cut")
	mustClose(t, l)
	l = mustOpen(t, cfg)
	f(true, kind, "\x03abc third")
	wantBodies(t, drain(t, l), "\x03abc first", "\x03abd first", "\x03abc first", "\x03abc", "\x09cut")
	f(true, kind, "\x03abc")
	mustClose(t, l)
	l = mustOpen(t, cfg)
	f(true, kind, "\x03abd fourth")
	f(false, kind, "\x03abe")
}

func TestDuplicateOfARunningCommit(t *testing.T) {
	f := func(outcome error) {
		t.Helper()
		l := mustOpen(t, quiet(t.TempDir()))
		held := make(chan struct{})
		l.sync = func(*os.File) error { <-held; return outcome }
		var mu sync.Mutex
		var stored, repeats, failures int
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				dup, err := l.Append(t.Context(), time.Now(), 1, 1, []byte("a"))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					failures++
				case dup:
					repeats++
				default:
					stored++
				}
			})
		}
		waitFor(l, func() bool { return l.committing })
		close(held)
		group.Wait()
		if outcome == nil && (stored != 1 || repeats != 4) || outcome != nil && stored+repeats != 0 {
			t.Fatalf("%d stored, %d repeated, %d failed", stored, repeats, failures)
		}
	}
	f(nil)
	f(unix.EIO)
}

func TestFinishedRecordsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quiet(t.TempDir())
		l := mustOpen(t, cfg)
		defer l.Close()
		mustAppend(t, l, "a")
		drain(t, l)
		time.Sleep(9 * time.Minute)
		mustAppend(t, l, "b")
		drain(t, l)
		wantDuplicate(t, l, true, "a")
		time.Sleep(90 * time.Second)
		mustAppend(t, l, "c") // the work that forgets
		drain(t, l)
		wantDuplicate(t, l, true, "b")
		if got := glob(t, cfg.Dir, "*.seen"); len(got) != 2 {
			t.Fatalf("seen files %q", got)
		}
		wantDuplicate(t, l, false, "a")
	})
}

func TestDuplicatesAreBounded(t *testing.T) {
	cfg := quiet(t.TempDir())
	cfg.SegmentItems = 10
	cfg.DuplicateRecords = 35
	l := mustOpen(t, cfg)
	for i := range 100 {
		mustAppend(t, l, fmt.Sprint(i))
		if n := l.duplicates.Len(); n > 35+10 {
			t.Fatalf("%d records remembered", n)
		}
	}
	wantDuplicate(t, l, true, "99")
	mustClose(t, l)
	l = mustOpen(t, cfg)
	if n := l.duplicates.Len(); n != 35 {
		t.Fatalf("%d records remembered after a restart", n)
	}
	wantDuplicate(t, l, true, "99")
	wantDuplicate(t, l, false, "0")
	if got := len(drain(t, l)); got != 101 {
		t.Fatalf("%d records", got)
	}
}

// A power cut may keep a seen file and lose the removal of its segment.
func TestFinishedSegmentIsNotReplayed(t *testing.T) {
	cfg := quiet(t.TempDir())
	l := mustOpen(t, cfg)
	mustAppend(t, l, "a")
	s := mustNext(t, l)
	file, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	mustDone(t, s)
	mustClose(t, l)
	if err := os.WriteFile(s.path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	if got := drain(t, l); len(got) != 0 {
		t.Fatalf("replayed %q", got)
	}
	wantDuplicate(t, l, true, "a")
}

func TestDamagedSeenFileStillFinishes(t *testing.T) {
	cfg := quiet(t.TempDir())
	for i, b := range []string{"", "LLSEEN\x00\x01", "LLSEEN\x00\x01abcdefghijklmnop1234"} {
		if err := os.WriteFile(seenPath(cfg.Dir, uint64(i+1)), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := mustOpen(t, cfg)
	mustAppend(t, l, "a")
	if s := mustNext(t, l); s.seq != 4 {
		t.Fatalf("segment %d", s.seq)
	}
	if _, err := recent.Read(seenPath(cfg.Dir, 77)); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}
