package live

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/gorilla/websocket"

	"loadline/web/view"
)

// A Frame is the state of a panel. In the steady state only texts and the ends of charts change, and only those are
// sent.
type Frame struct {
	Cells  map[string]string // texts by the name of their place on the page
	States map[string]string // classes of state dots, likewise

	// HTML is the content of the panel's container. It is sent when Shape, which stands for what Cells do not
	// cover, is another one than before.
	HTML  string
	Shape string

	Charts map[string]view.Columns
	Heat   map[string]view.Heatmap
}

// wire is a message to a page.
type wire struct {
	Topic  string                  `json:"t,omitempty"`
	Kind   string                  `json:"k"` // set: everything; add: what changed; hb: nothing new
	Cells  map[string]string       `json:"c,omitempty"`
	States map[string]string       `json:"s,omitempty"`
	HTML   *string                 `json:"h,omitempty"`
	Charts map[string]chart        `json:"y,omitempty"`
	Heat   map[string]view.Heatmap `json:"m,omitempty"`
	Now    int64                   `json:"now,omitempty"`
}

// A chart is a chart's columns from a moment on. Without From they are all of them.
type chart struct {
	view.Columns
	From int64 `json:"from,omitempty"` // seconds; older values stay, except those before t0
}

// A state is the newest frame of a topic with its encoding for who comes late.
type state struct {
	topic string
	frame Frame
	once  sync.Once
	whole message
}

// snapshot returns the whole state as a message, which is encoded when it is first asked for.
func (s *state) snapshot() message {
	s.once.Do(func() {
		w := wire{Topic: s.topic, Kind: "set", Cells: s.frame.Cells, States: s.frame.States, Charts: map[string]chart{}, Heat: s.frame.Heat}
		if s.frame.Shape != "" {
			w.HTML = &s.frame.HTML
		}
		for id, c := range s.frame.Charts {
			w.Charts[id] = chart{Columns: c}
		}
		s.whole = encode(w)
	})
	return s.whole
}

// advance returns the state after s, and what changed as a message: nil when nothing did. A nil state is the one before
// the first.
func (s *state) advance(name string, next Frame) (*state, message) {
	out := &state{topic: name, frame: next}
	if s == nil {
		return out, nil
	}
	w := wire{Topic: name, Kind: "add", Cells: changed(s.frame.Cells, next.Cells), States: changed(s.frame.States, next.States)}
	if next.Shape != s.frame.Shape {
		w.HTML, w.Cells = &next.HTML, nil // the markup has the texts
	}
	for id, c := range next.Charts {
		if tail, ok := tailOf(s.frame.Charts[id], c); ok {
			if w.Charts == nil {
				w.Charts = map[string]chart{}
			}
			w.Charts[id] = tail
		}
	}
	for id, m := range next.Heat {
		if old := s.frame.Heat[id]; old.T0 != m.T0 || !slices.Equal(old.Cells, m.Cells) {
			if w.Heat == nil {
				w.Heat = map[string]view.Heatmap{}
			}
			w.Heat[id] = m
		}
	}
	if w.Cells == nil && w.States == nil && w.HTML == nil && w.Charts == nil && w.Heat == nil {
		return s, nil
	}
	return out, encode(w)
}

// changed returns the entries of next that old does not have so; nil when there are none.
func changed(old, next map[string]string) map[string]string {
	var diff map[string]string
	for k, v := range next {
		if before, ok := old[k]; !ok || before != v {
			if diff == nil {
				diff = map[string]string{}
			}
			diff[k] = v
		}
	}
	return diff
}

// tailOf returns the columns from the first moment on at which next differs from old, and whether it differs at all.
func tailOf(old, next view.Columns) (chart, bool) {
	if len(old.Y) != len(next.Y) || len(next.Y) == 0 || old.Step != next.Step || next.Step <= 0 || next.T0 < old.T0 {
		return chart{Columns: next}, !maps.EqualFunc(asMap(old), asMap(next), equal)
	}
	n := len(next.Y[0])
	shift := int((next.T0 - old.T0) / next.Step)
	first := n
	for i, y := range next.Y {
		for j := range min(first, n) {
			if k := j + shift; k >= len(old.Y[i]) || !same(old.Y[i][k], y[j]) {
				first = j
				break
			}
		}
	}
	switch {
	case first == n && shift == 0 && old.Open == next.Open:
		return chart{}, false
	case first < n/2:
		return chart{Columns: next}, true
	}
	from := next.T0 + int64(first)*next.Step
	tail := view.Columns{T0: next.T0, Step: next.Step, Open: next.Open}
	for _, y := range next.Y {
		tail.Y = append(tail.Y, y[first:])
	}
	for _, e := range next.Ex {
		if e.T >= from {
			tail.Ex = append(tail.Ex, e)
		}
	}
	return chart{Columns: tail, From: from}, true
}

func asMap(c view.Columns) map[int]view.Numbers {
	m := make(map[int]view.Numbers, len(c.Y)+1)
	for i, y := range c.Y {
		m[i] = y
	}
	m[-1] = view.Numbers{float64(c.T0), float64(c.Step)}
	return m
}

func equal(a, b view.Numbers) bool { return slices.EqualFunc(a, b, same) }

func same(a, b float64) bool { return a == b || (math.IsNaN(a) && math.IsNaN(b)) }

// encode makes the bytes that all viewers get.
func encode(w wire) message {
	b, err := json.Marshal(w)
	if err != nil {
		panic(fmt.Sprintf("BUG: live message: %v", err))
	}
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, b)
	if err != nil {
		panic(fmt.Sprintf("BUG: live message: %v", err))
	}
	return m
}
