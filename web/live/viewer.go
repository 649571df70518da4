package live

import (
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A viewer is one open page.
type viewer struct {
	conn *websocket.Conn
	wake chan struct{}
	done chan struct{}

	mu      sync.Mutex
	pending map[string]message // newest message by topic
	away    bool               // the page is hidden or paused: nothing is sent
}

// A message waits for a viewer.
type message = *websocket.PreparedMessage

// put leaves a message for the writer. When an older one of the same topic is still waiting, a delta cannot replace it,
// so the viewer gets the whole state instead.
func (v *viewer) put(topic string, m message, whole *state) {
	v.mu.Lock()
	if v.away {
		v.mu.Unlock()
		return
	}
	if _, waiting := v.pending[topic]; waiting {
		skipped.Inc()
		if whole != nil {
			m = whole.snapshot()
		}
	}
	v.pending[topic] = m
	v.mu.Unlock()
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// write sends what waits until the viewer is done.
func (v *viewer) write() {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-v.done:
			return
		case <-ping.C:
			if v.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				_ = v.conn.Close() // the reader notices
				return
			}
		case <-v.wake:
			if !v.flush() {
				_ = v.conn.Close()
				return
			}
		}
	}
}

func (v *viewer) flush() bool {
	v.mu.Lock()
	waiting := v.pending
	v.pending = make(map[string]message, len(waiting))
	v.mu.Unlock()
	for _, m := range waiting {
		if v.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil || v.conn.WritePreparedMessage(m) != nil {
			return false
		}
		messages.Inc()
	}
	return true
}

// request is what a page says: which topics it shows, or that it is hidden or paused.
type request struct {
	Topics []string `json:"sub"`
	Away   *bool    `json:"away"`
}

// read follows what the page wants until the connection ends.
func (v *viewer) read(h *Hub) {
	extend := func() { _ = v.conn.SetReadDeadline(time.Now().Add(readTimeout)) }
	v.conn.SetReadLimit(readLimit)
	v.conn.SetPongHandler(func(string) error { extend(); return nil })
	for {
		extend()
		var r request
		if v.conn.ReadJSON(&r) != nil {
			return
		}
		if r.Away != nil {
			v.mu.Lock()
			v.away = *r.Away
			v.mu.Unlock()
		}
		if r.Topics == nil {
			continue
		}
		if len(r.Topics) > maxTopics {
			return
		}
		names := r.Topics[:0]
		for _, name := range r.Topics {
			if len(name) <= maxTopicBytes {
				names = append(names, name)
			}
		}
		h.watch(v, names)
	}
}
