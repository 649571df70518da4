package live

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"loadline/web/view"
)

// A testHub is a hub with a server in front of it. Its panels count how often they are computed.
type testHub struct {
	*httptest.Server
	hub      *Hub
	computed atomic.Int64
	frame    atomic.Pointer[func(n int64) (Frame, error)]
	stop     func()
}

func newTestHub(t *testing.T, frame func(n int64) (Frame, error)) *testHub {
	t.Helper()
	h := &testHub{}
	h.frame.Store(&frame)
	h.hub = New(Config{
		Logger: slog.New(slog.DiscardHandler),
		Resolve: func(topic string) (Panel, bool) {
			if topic == "unknown" {
				return Panel{}, false
			}
			every := 10 * time.Millisecond
			if topic == "past" {
				every = 0
			}
			return Panel{Every: every, Compute: func(context.Context) (Frame, error) {
				return (*h.frame.Load())(h.computed.Add(1))
			}}, true
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.hub.Run(ctx) }()
	h.Server = httptest.NewServer(h.hub)
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() { h.stop(); h.Close() })
	for { // until Run has begun
		h.hub.mu.Lock()
		open := h.hub.open
		h.hub.mu.Unlock()
		if open {
			return h
		}
	}
}

func (h *testHub) dial(t *testing.T, topics ...string) *websocket.Conn {
	t.Helper()
	conn, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(h.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	if topics != nil {
		say(t, conn, map[string]any{"sub": topics})
	}
	return conn
}

func say(t *testing.T, conn *websocket.Conn, v any) {
	t.Helper()
	if err := conn.WriteJSON(v); err != nil {
		t.Fatal(err)
	}
}

// next reads the next message that is no heartbeat.
func next(t *testing.T, conn *websocket.Conn) (w wire, text string) {
	t.Helper()
	for {
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, b, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		w = wire{}
		if err := json.Unmarshal(b, &w); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if w.Kind != "hb" {
			return w, string(b)
		}
	}
}

func counter(n int64) (Frame, error) {
	return Frame{Cells: map[string]string{"n": strconv.FormatInt(n, 10), "same": "x"}}, nil
}

func TestViewersShareOneComputation(t *testing.T) {
	h := newTestHub(t, counter)
	const viewers = 20
	conns := make([]*websocket.Conn, viewers)
	for i := range conns {
		conns[i] = h.dial(t, "a")
	}
	for _, conn := range conns {
		w, _ := next(t, conn)
		if w.Kind != "set" || w.Cells["same"] != "x" {
			t.Fatalf("first message: %+v", w)
		}
	}
	for _, conn := range conns {
		for range 3 {
			w, text := next(t, conn)
			if _, ok := w.Cells["same"]; w.Kind != "set" && ok {
				t.Errorf("an unchanged text is sent again: %s", text)
			}
		}
	}
	// Every viewer has seen at least four states; each was computed once, not once a viewer.
	if n := h.computed.Load(); n > 4*viewers {
		t.Errorf("%d computations for %d viewers", n, viewers)
	}
}

func TestNothingIsSentWhenNothingChanges(t *testing.T) {
	h := newTestHub(t, func(int64) (Frame, error) { return Frame{Cells: map[string]string{"a": "1"}}, nil })
	conn := h.dial(t, "quiet", "past")
	seen := map[string]int{}
	for range 2 {
		w, _ := next(t, conn)
		seen[w.Topic]++
	}
	if seen["quiet"] != 1 || seen["past"] != 1 {
		t.Fatalf("first messages: %v", seen)
	}
	for start := h.computed.Load(); h.computed.Load() < start+3; {
		runtime.Gosched()
	}
	change := func(int64) (Frame, error) { return Frame{Cells: map[string]string{"a": "2"}}, nil }
	h.frame.Store(&change)
	if w, text := next(t, conn); w.Topic != "quiet" || w.Cells["a"] != "2" {
		t.Errorf("the next message is not the change: %s", text)
	}
}

func TestSlowViewerSkips(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 64<<10) // a megabyte that does not compress away at once
	h := newTestHub(t, func(n int64) (Frame, error) {
		return Frame{HTML: strconv.FormatInt(n, 10) + big, Shape: strconv.FormatInt(n, 10)}, nil
	})
	slow := h.dial(t, "big")
	fast := h.dial(t, "big")
	const many = 25
	for range many {
		next(t, fast)
	}
	// The slow one has read nothing. It gets what the network had taken, and then the newest state at once.
	first, _ := next(t, slow)
	if first.Kind != "set" {
		t.Errorf("first message of the slow viewer: %q", first.Kind)
	}
	h.hub.mu.Lock()
	for v := range h.hub.viewers {
		v.mu.Lock()
		if len(v.pending) > 1 {
			t.Errorf("%d messages wait for one topic", len(v.pending))
		}
		v.mu.Unlock()
	}
	h.hub.mu.Unlock()
	next(t, fast)
}

func TestDeltaIsReplacedByTheWhole(t *testing.T) {
	v := &viewer{wake: make(chan struct{}, 1), pending: map[string]message{}}
	var s *state
	s, _ = s.advance("a", Frame{Cells: map[string]string{"a": "1", "b": "1"}})
	s, delta := s.advance("a", Frame{Cells: map[string]string{"a": "2", "b": "1"}})
	v.put("a", delta, s)
	if v.pending["a"] != delta {
		t.Error("the first delta does not wait")
	}
	s, delta = s.advance("a", Frame{Cells: map[string]string{"a": "2", "b": "3"}})
	v.put("a", delta, s)
	if v.pending["a"] != s.snapshot() {
		t.Error("a delta has replaced one that was not sent")
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	h := newTestHub(t, counter)
	_, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(h.URL, "http"), http.Header{"Origin": {"https://evil.example"}})
	if !errors.Is(err, websocket.ErrBadHandshake) || res.StatusCode != http.StatusForbidden {
		t.Fatalf("err %v, answer %v", err, res)
	}
	_ = res.Body.Close()
}

func TestLimits(t *testing.T) {
	h := newTestHub(t, counter)
	closed := func(what string, send any) {
		t.Helper()
		conn := h.dial(t)
		say(t, conn, send)
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.ReadMessage(); err == nil {
			t.Errorf("%s: the connection lives on", what)
		}
	}
	closed("too many topics", map[string]any{"sub": strings.Split(strings.Repeat("a ", maxTopics), " ")})
	closed("too long a message", map[string]any{"sub": []string{strings.Repeat("a", readLimit)}})
	closed("no JSON", "hello")
	conn := h.dial(t, "unknown", strings.Repeat("x", maxTopicBytes+1), "known")
	if w, _ := next(t, conn); w.Topic != "known" {
		t.Errorf("topic %q", w.Topic)
	}
}

func TestAwayViewersGetNothing(t *testing.T) {
	h := newTestHub(t, counter)
	conn := h.dial(t, "a")
	next(t, conn)
	say(t, conn, map[string]any{"away": true})
	watch := h.dial(t, "a")
	for range 5 {
		next(t, watch)
	}
	say(t, conn, map[string]any{"away": false})
	say(t, conn, map[string]any{"sub": []string{"a"}})
	for { // what was under way before the page went away, then the whole state
		if w, _ := next(t, conn); w.Kind == "set" {
			return
		}
	}
}

func TestForgottenTopicsAreNotComputed(t *testing.T) {
	h := newTestHub(t, counter)
	conn := h.dial(t, "a")
	next(t, conn)
	say(t, conn, map[string]any{"sub": []string{"b"}})
	for {
		if w, _ := next(t, conn); w.Topic == "b" {
			break
		}
	}
	h.hub.mu.Lock()
	defer h.hub.mu.Unlock()
	if len(h.hub.topics) != 1 {
		t.Errorf("%d topics, want 1", len(h.hub.topics))
	}
}

func TestFailedPanelsTryAgain(t *testing.T) {
	h := newTestHub(t, func(n int64) (Frame, error) {
		if n < 3 {
			return Frame{}, errors.New("no engine")
		}
		return counter(n)
	})
	if w, _ := next(t, h.dial(t, "a")); w.Cells["n"] != "3" {
		t.Errorf("first state %v", w.Cells)
	}
}

func TestShutdownAsksViewersToComeBack(t *testing.T) {
	h := newTestHub(t, counter)
	conn := h.dial(t, "a")
	next(t, conn)
	go h.stop()
	for {
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _, err := conn.ReadMessage()
		if err == nil {
			continue
		}
		if !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
			t.Errorf("closed with %v, want 1012", err)
		}
		break
	}
	h.stop()
	res, err := http.Get(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a hub that stops answers %d", res.StatusCode)
	}
}

func TestTailOfCharts(t *testing.T) {
	column := func(t0 int64, values ...float64) view.Columns {
		return view.Columns{T0: t0, Step: 10, Y: []view.Numbers{values}}
	}
	old := column(100, 1, 2, 3, 4, 5, 6)
	f := func(what string, next view.Columns, changed bool, from int64, values int) {
		t.Helper()
		c, ok := tailOf(old, next)
		if ok != changed || c.From != from {
			t.Errorf("%s: changed %t from %d, want %t from %d", what, ok, c.From, changed, from)
		}
		if ok && len(c.Y[0]) != values {
			t.Errorf("%s: %d values, want %d", what, len(c.Y[0]), values)
		}
	}
	f("nothing", column(100, 1, 2, 3, 4, 5, 6), false, 0, 0)
	f("last value", column(100, 1, 2, 3, 4, 5, 7), true, 150, 1)
	f("one step on", column(110, 2, 3, 4, 5, 6, 7), true, 160, 1)
	f("one step on and the last corrected", column(110, 2, 3, 4, 5, 8, 7), true, 150, 2)
	f("much changed", column(100, 9, 2, 3, 4, 5, 6), true, 0, 6)
	f("longer steps", view.Columns{T0: 100, Step: 20, Y: []view.Numbers{{1, 2}}}, true, 0, 2)
}

func BenchmarkSharedFrame(b *testing.B) {
	frame := Frame{Cells: map[string]string{}}
	for i := range 50 {
		frame.Cells[strconv.Itoa(i)] = "12.3 ms"
	}
	var s *state
	s, _ = s.advance("a", frame)
	viewers := make([]*viewer, 1000)
	for i := range viewers {
		viewers[i] = &viewer{wake: make(chan struct{}, 1), pending: map[string]message{}}
	}
	b.ReportAllocs()
	for i := range b.N {
		next := Frame{Cells: map[string]string{"0": strconv.Itoa(i)}}
		var delta message
		s, delta = s.advance("a", next)
		for _, v := range viewers {
			v.put("a", delta, s)
		}
	}
}
