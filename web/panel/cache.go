package panel

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// cache keeps the answers of panels for a moment, so that a page and its live updates, and all viewers of the same
// page, share one computation.
type cache struct {
	mu      sync.Mutex
	entries map[string]entry
	sweep   time.Time // when outdated entries are dropped next
	flight  singleflight.Group
	logger  *slog.Logger
}

func newCache(logger *slog.Logger) *cache {
	return &cache{entries: map[string]entry{}, logger: logger}
}

type entry struct {
	value any
	until time.Time
}

// sweepEvery is how long an outdated answer may stay in memory.
const sweepEvery = 10 * time.Second

// maxEntries bounds the cache. What a page needs is a few entries of a few kilobytes.
const maxEntries = 500

// computeTimeout ends a computation that nobody may be waiting for any more.
const computeTimeout = 20 * time.Second

// ErrLater is returned when a panel takes longer than a page should wait. The computation goes on.
var ErrLater = errors.New("still computing")

// cached returns the answer to a key, computing it with fn unless it is younger than keep. It waits for patience at
// most, or without limit when that is zero.
func cached[T any](ctx context.Context, c *cache, key string, keep, patience time.Duration, fn func(context.Context) (T, error)) (T, error) {
	var none T
	if v, ok := c.get(key); ok {
		return v.(T), nil
	}
	result := c.flight.DoChan(key, func() (any, error) {
		if v, ok := c.get(key); ok {
			return v, nil
		}
		// Others may wait for the same answer, so it does not end with the request that asked first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), computeTimeout)
		defer cancel()
		v, err := guarded(c.logger, func() (T, error) { return fn(ctx) })
		if err == nil {
			c.put(key, v, keep)
		}
		return v, err
	})
	var late <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case r := <-result:
		if r.Err != nil {
			return none, r.Err
		}
		return r.Val.(T), nil
	case <-late:
		return none, ErrLater
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

func (c *cache) get(key string) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok || time.Now().After(e.until) {
		return nil, false
	}
	return e.value, true
}

func (c *cache) put(key string, value any, keep time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.After(c.sweep) || len(c.entries) >= maxEntries {
		c.sweep = now.Add(sweepEvery)
		for k, e := range c.entries {
			if now.After(e.until) || len(c.entries) >= maxEntries {
				delete(c.entries, k)
			}
		}
	}
	c.entries[key] = entry{value, now.Add(keep)}
}

// Cached returns the answer to a key from the board's cache, computing it with fn unless it is younger than keep. It
// waits for patience at most, or without limit when that is zero.
func Cached[T any](ctx context.Context, b *Board, key string, keep, patience time.Duration, fn func(context.Context) (T, error)) (T, error) {
	return cached(ctx, b.cache, key, keep, patience, fn)
}
