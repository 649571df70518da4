package panel

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"loadline/web/view"
)

func TestCacheSharesOneComputation(t *testing.T) {
	c := newCache(slog.New(slog.DiscardHandler))
	var computed atomic.Int64
	release := make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			v, err := cached(context.Background(), c, "a", time.Minute, 0, func(context.Context) (int64, error) {
				<-release
				return computed.Add(1), nil
			})
			if v != 1 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		})
	}
	close(release)
	wg.Wait()
	if n := computed.Load(); n != 1 {
		t.Errorf("computed %d times", n)
	}
}

func TestCacheGivesUpWaiting(t *testing.T) {
	c := newCache(slog.New(slog.DiscardHandler))
	release, finished := make(chan struct{}), make(chan struct{})
	fn := func(context.Context) (string, error) {
		<-release
		defer close(finished)
		return "late", nil
	}
	if _, err := cached(context.Background(), c, "a", time.Minute, time.Millisecond, fn); !errors.Is(err, ErrLater) {
		t.Fatalf("err %v", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := cached(gone, c, "a", time.Minute, 0, fn); !errors.Is(err, context.Canceled) {
		t.Fatalf("err %v", err)
	}
	close(release)
	<-finished
	// The computation went on and its answer is kept.
	if v, err := cached(context.Background(), c, "a", time.Minute, 0, func(context.Context) (string, error) { return "late", nil }); v != "late" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

// TestPanics: a panic in a goroutine of a panel is an error of that panel.
func TestPanics(t *testing.T) {
	var logged bytes.Buffer
	b := New(Config{Now: time.Now, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	broken := func() error { panic("no such column") }
	if _, err := Cached(context.Background(), b, "a", time.Minute, 0, func(context.Context) (int, error) { return 1, broken() }); err == nil || !strings.Contains(err.Error(), "no such column") {
		t.Errorf("cached: %v", err)
	}
	var broke, fine error
	done := false
	b.Together(Task{&broke, broken}, Task{&fine, func() error { done = true; return nil }}, Task{nil, broken})
	if broke == nil || fine != nil || !done {
		t.Errorf("together: %v, %v, %t", broke, fine, done)
	}
	if n := strings.Count(logged.String(), "panel_test.go"); n < 3 {
		t.Errorf("%d places are logged: %s", n, logged.String())
	}
	if v, err := Cached(context.Background(), b, "a", time.Minute, 0, func(context.Context) (int, error) { return 2, nil }); v != 2 || err != nil {
		t.Errorf("after a panic: %d, %v", v, err)
	}
}

func TestCacheForgets(t *testing.T) {
	c := newCache(slog.New(slog.DiscardHandler))
	n := 0
	ask := func(keep time.Duration) int {
		v, err := cached(context.Background(), c, "a", keep, 0, func(context.Context) (int, error) { n++; return n, nil })
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if ask(-time.Second) != 1 || ask(time.Minute) != 2 || ask(time.Minute) != 2 {
		t.Error("an answer was kept too long or not long enough")
	}
	if _, err := cached(context.Background(), c, "b", time.Minute, 0, func(context.Context) (int, error) { return 0, errors.New("no") }); err == nil {
		t.Error("no error")
	}
	if v, err := cached(context.Background(), c, "b", time.Minute, 0, func(context.Context) (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("an error was kept: %d, %v", v, err)
	}
	for i := range 3 * maxEntries {
		c.put(strconv.Itoa(i), i, time.Minute)
	}
	if len(c.entries) > maxEntries {
		t.Errorf("%d entries", len(c.entries))
	}
}

func TestScopes(t *testing.T) {
	now := time.Now()
	p := view.Page{Env: "prod", Query: url.Values{"sort": {"-p99"}, "tz": {"utc"}}, Range: view.Range{Text: "1h"}}
	sc := ScopeOf(p)
	sc.Service, sc.Wide = "a&b=c?", true
	name, back, ok := parseScope(sc.Key("services"))
	if !ok || name != "services" || back != sc {
		t.Errorf("%q: %+v, want %+v", sc.Key("services"), back, sc)
	}
	past := Scope{From: now.Add(-time.Hour).Unix(), To: now.Unix()}
	if _, back, ok = parseScope(past.Key("red")); !ok || back != past || past.every() != 0 {
		t.Errorf("%+v", back)
	}
	for _, key := range []string{"red", "red?", "red?range=60m", "red?range=yesterday", "red?from=5&to=3", "red?range=1h&to=5", "red?%zz", ""} {
		if _, _, ok := parseScope(key); ok {
			t.Errorf("%q is no scope", key)
		}
	}
	for length, want := range map[string]time.Duration{"5m": time.Second, "1h": 2 * time.Second, "6h": 15 * time.Second, "7d": time.Minute} {
		if got := (Scope{Length: length}).every(); got != want {
			t.Errorf("%s: every %s, want %s", length, got, want)
		}
	}
	if r := (Scope{Length: "1h"}).Range(now); r.Len() > maxPoints || r.Covered() < 59*time.Minute {
		t.Errorf("range %v", r)
	}
}

func FuzzTopic(f *testing.F) {
	f.Add("red?range=1h")
	f.Add("services?range=30m&wide=1&sort=-p99")
	f.Add("sys")
	b := New(Config{Now: time.Now})
	f.Fuzz(func(t *testing.T, topic string) {
		p, ok := b.Resolve(topic)
		if ok && p.Compute == nil {
			t.Errorf("%q has nothing to compute", topic)
		}
		if _, sc, ok := parseScope(topic); ok && sc.Range(time.Unix(1e9, 0)).Len() > maxPoints+1 {
			t.Errorf("%q has too many points", topic)
		}
	})
}
