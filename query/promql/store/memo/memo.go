// Package memo remembers answers for a while.
package memo

import (
	"sync"
	"time"
)

// Of remembers one answer. The zero value has none. It is safe for concurrent use.
type Of[T any] struct {
	mu      sync.Mutex
	at      time.Time
	version uint64
	value   T
	known   bool
}

// Get returns the answer, which read finds when the one remembered is older than age or of another version. Others who ask
// meanwhile wait for it. What it returns is not to be changed.
func (m *Of[T]) Get(now time.Time, age time.Duration, version uint64, read func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if since := now.Sub(m.at); m.known && m.version == version && since >= 0 && since < age {
		return m.value, nil
	}
	value, err := read()
	if err == nil {
		m.value, m.at, m.version, m.known = value, now, version, true
	}
	return value, err
}
