// Package live pushes what changes on open pages over WebSockets. A panel is computed once per tick however many viewers
// it has, its message is encoded and compressed once, and every viewer gets the same bytes.
//
// A viewer that cannot keep up skips: for each topic only the newest message waits, so memory is bounded and nobody
// else is slowed down.
package live

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/gorilla/websocket"
)

var (
	viewers  = metrics.NewGauge("loadline_web_live_viewers", nil)
	messages = metrics.NewCounter("loadline_web_live_messages_total")
	skipped  = metrics.NewCounter("loadline_web_live_skipped_total")
	ticks    = metrics.NewCounter("loadline_web_live_ticks_total")
	failures = metrics.NewCounter("loadline_web_live_failures_total")
)

// Limits of one viewer and of the hub.
const (
	maxTopics     = 64      // of one viewer
	maxTopicBytes = 512     // of one topic's name
	readLimit     = 4 << 10 // bytes of one message from a viewer
	writeTimeout  = 5 * time.Second
	pingEvery     = 25 * time.Second
	readTimeout   = 60 * time.Second
	beatEvery     = 10 * time.Second
	schedule      = 100 * time.Millisecond
)

// A Panel is something that can be watched.
type Panel struct {
	// Every is how often the panel is computed while somebody watches. The hub computes less often when that would
	// take more than a tenth of the time. Zero means once: the past does not change.
	Every time.Duration

	// Compute returns the state of the panel. It has to stop when the context ends.
	Compute func(ctx context.Context) (Frame, error)
}

// Config says what a hub needs.
type Config struct {
	// Resolve finds the panel of a topic. Topics come from the network: false refuses one.
	Resolve func(topic string) (Panel, bool)

	Logger     *slog.Logger // slog.Default() when nil
	MaxViewers int          // 5,000 when zero
}

// A Hub knows who watches what. Run makes it live; ServeHTTP takes viewers.
type Hub struct {
	config   Config
	upgrader websocket.Upgrader
	slots    chan struct{} // bounds how many panels are computed at once
	wake     chan struct{}
	running  sync.WaitGroup // viewers and computations

	mu      sync.Mutex
	topics  map[string]*topic
	viewers map[*viewer]struct{}
	open    bool
}

// A topic is a panel that somebody watches.
type topic struct {
	name      string
	panel     Panel
	viewers   map[*viewer]struct{}
	due       time.Time // zero: not again
	computing bool
	failed    bool
	state     *state
}

// New returns a hub that is not yet running.
func New(config Config) *Hub {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.MaxViewers == 0 {
		config.MaxViewers = 5000
	}
	return &Hub{
		config: config,
		// The default CheckOrigin refuses pages of other sites.
		upgrader: websocket.Upgrader{EnableCompression: true, ReadBufferSize: 512, WriteBufferSize: 4096, WriteBufferPool: &sync.Pool{}},
		slots:    make(chan struct{}, runtime.GOMAXPROCS(0)),
		wake:     make(chan struct{}, 1),
		topics:   map[string]*topic{},
		viewers:  map[*viewer]struct{}{},
	}
}

// Run computes what is watched until the context ends. Then it tells every viewer to come back later and waits until
// they are gone.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	h.open = true
	h.mu.Unlock()
	tick := time.NewTicker(schedule)
	defer tick.Stop()
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			h.shut()
			h.running.Wait()
			return nil
		case now := <-beat.C:
			h.beat(now)
		case <-tick.C:
		case <-h.wake:
		}
		h.compute(ctx, time.Now())
	}
}

// compute starts the computation of every topic that is due, as far as there are slots.
func (h *Hub) compute(ctx context.Context, now time.Time) {
	h.mu.Lock()
	var due []*topic
	for _, t := range h.topics {
		if !t.computing && !t.due.IsZero() && !t.due.After(now) {
			due = append(due, t)
		}
	}
	slices.SortFunc(due, func(a, b *topic) int { return a.due.Compare(b.due) })
	h.mu.Unlock()
	for _, t := range due {
		select {
		case h.slots <- struct{}{}:
		default:
			return // the next tick goes on; topics that wait longest come first
		}
		h.mu.Lock()
		t.computing = true
		h.mu.Unlock()
		h.running.Go(func() {
			h.refresh(ctx, t)
			<-h.slots
			h.nudge()
		})
	}
}

// refresh computes one topic and passes what changed to its viewers.
func (h *Hub) refresh(ctx context.Context, t *topic) {
	ticks.Inc()
	start := time.Now()
	timeout := max(2*t.panel.Every, 10*time.Second)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	frame, err := t.panel.Compute(ctx)
	cancel()
	took := time.Since(start)

	h.mu.Lock()
	defer h.mu.Unlock()
	t.computing = false
	t.due = time.Time{}
	if t.panel.Every > 0 {
		t.due = start.Add(max(t.panel.Every, 10*took))
	}
	if err != nil {
		failures.Inc()
		if !t.failed {
			h.config.Logger.Warn("live panel failed", "topic", t.name, "err", err)
		}
		t.failed = true
		if t.due.IsZero() {
			t.due = start.Add(10 * time.Second)
		}
		return
	}
	t.failed = false
	first := t.state == nil
	next, delta := t.state.advance(t.name, frame)
	t.state = next
	if delta == nil && !first {
		return
	}
	for v := range t.viewers {
		if first {
			v.put(t.name, t.state.snapshot(), nil)
		} else {
			v.put(t.name, delta, t.state)
		}
	}
}

// watch makes names the topics of a viewer.
func (h *Hub) watch(v *viewer, names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, here := h.viewers[v]; !here {
		return
	}
	h.leave(v, names)
	for _, name := range names {
		t := h.topics[name]
		if t == nil {
			panel, ok := h.config.Resolve(name)
			if !ok {
				continue
			}
			t = &topic{name: name, panel: panel, viewers: map[*viewer]struct{}{}, due: time.Now()}
			h.topics[name] = t
		}
		t.viewers[v] = struct{}{}
		if t.state != nil {
			v.put(name, t.state.snapshot(), nil)
		}
	}
	h.nudge()
}

// leave takes a viewer off all topics but those in keep. Topics that nobody watches are forgotten.
func (h *Hub) leave(v *viewer, keep []string) {
	for name, t := range h.topics {
		if slices.Contains(keep, name) {
			continue
		}
		delete(t.viewers, v)
		if len(t.viewers) == 0 {
			delete(h.topics, name)
		}
	}
}

func (h *Hub) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// ServeHTTP upgrades a request to a WebSocket and serves it until it ends.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	full := len(h.viewers) >= h.config.MaxViewers
	open := h.open
	h.mu.Unlock()
	if !open || full {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "no live updates now: the server is starting, stopping or has too many viewers", http.StatusServiceUnavailable)
		return
	}
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	v := &viewer{conn: conn, pending: map[string]message{}, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if !h.enter(v) {
		_ = conn.Close()
		return
	}
	viewers.Inc()
	h.running.Go(v.write)
	v.read(h)
	h.mu.Lock()
	h.leave(v, nil)
	delete(h.viewers, v)
	h.mu.Unlock()
	viewers.Dec()
	close(v.done)
	_ = conn.Close()
	h.running.Done()
}

func (h *Hub) enter(v *viewer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.open {
		return false
	}
	h.running.Add(1)
	h.viewers[v] = struct{}{}
	return true
}

// beat lets viewers see that the connection is alive when nothing changes.
func (h *Hub) beat(now time.Time) {
	m := encode(wire{Kind: "hb", Now: now.UnixMilli()})
	h.mu.Lock()
	defer h.mu.Unlock()
	for v := range h.viewers {
		v.put("", m, nil)
	}
}

// shut tells every viewer that the service restarts. Browsers come back at different moments by themselves.
func (h *Hub) shut() {
	h.mu.Lock()
	h.open = false
	open := make([]*viewer, 0, len(h.viewers))
	for v := range h.viewers {
		open = append(open, v)
	}
	h.mu.Unlock()
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	bye := websocket.FormatCloseMessage(websocket.CloseServiceRestart, "restarting")
	for _, v := range open {
		_ = v.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
		_ = v.conn.Close()
	}
}
