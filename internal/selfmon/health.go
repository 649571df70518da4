package selfmon

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Status is the health of one component.
type Status string

// The states of a component. Only Down keeps the process from being ready; Degraded is for people to see.
const (
	OK       Status = "ok"
	Degraded Status = "degraded"
	Down     Status = "down"
)

// Component is the health of one part of the process.
type Component struct {
	Name    string    `json:"name"`
	Status  Status    `json:"status"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since"`
}

// Health collects the state of the process's components. A component reports itself with Set whenever it changes; the
// management endpoints and the pages read. The zero value is ready to use, and all methods may be called concurrently.
type Health struct {
	mu         sync.Mutex
	components map[string]Component
}

// Set records a component's state. Since moves only when the status changes, not when the message does. A component
// that has to be there before the process is ready is set to Down when the process starts.
func (h *Health) Set(name string, status Status, message string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, known := h.components[name]
	if !known || c.Status != status {
		c = Component{Name: name, Status: status, Since: time.Now()}
	}
	c.Message = message
	if h.components == nil {
		h.components = make(map[string]Component)
	}
	h.components[name] = c
}

// Components returns all components by name.
func (h *Health) Components() []Component {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Component, 0, len(h.components))
	for _, c := range h.components {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Component) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Ready reports whether no component is Down, and the components it looked at. A process that has registered nothing is
// still starting and not ready.
func (h *Health) Ready() (bool, []Component) {
	all := h.Components()
	down := slices.ContainsFunc(all, func(c Component) bool { return c.Status == Down })
	return len(all) > 0 && !down, all
}

// ServeReady answers GET /-/ready: 200 when queries can be answered and data be accepted, else 503. The body lists the
// components, as text or, when the client asks for it, as JSON.
func (h *Health) ServeReady(w http.ResponseWriter, r *http.Request) {
	ready, all := h.Ready()
	code := http.StatusOK
	if !ready {
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	if r.Header.Get("Accept") == "application/json" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"ready": ready, "components": all})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	if ready {
		fmt.Fprintln(w, "Loadline is ready.")
	} else {
		fmt.Fprintln(w, "Loadline is not ready.")
	}
	for _, c := range all {
		fmt.Fprintf(w, "%s: %s", c.Name, c.Status)
		if c.Message != "" {
			fmt.Fprintf(w, " (%s)", c.Message)
		}
		fmt.Fprintln(w)
	}
}

// ServeHealthy answers GET /-/healthy: 200 for as long as the process can answer at all. Use ServeReady to decide
// whether to send it traffic, this one to decide whether to restart it.
func (h *Health) ServeHealthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintln(w, "Loadline is healthy.")
}
