// Package memo remembers answers for a while.
package memo

import (
	"sync"
	"time"
)

// Of remembers one answer. The zero value has none. It is safe for concurrent use.
type Of[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
	known bool
}

// Get returns the answer, which read finds when the one remembered is older than age. Others who ask meanwhile wait for
// it. What it returns is not to be changed.
func (m *Of[T]) Get(now time.Time, age time.Duration, read func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if since := now.Sub(m.at); m.known && since >= 0 && since < age {
		return m.value, nil
	}
	value, err := read()
	if err == nil {
		m.value, m.at, m.known = value, now, true
	}
	return value, err
}
