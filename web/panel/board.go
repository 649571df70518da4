// Package panel computes what pages show and what is pushed to them while they are open. A page and all its viewers
// share one computation: answers are kept for a moment, and who asks while one is being computed waits for it.
package panel

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"loadline/query"
	"loadline/web/view"
)

// Config is what a [Board] needs. All fields have to be set.
type Config struct {
	Store  *query.Store
	Health func() Health
	Now    func() time.Time
	Logger *slog.Logger
}

// A Board answers the questions of pages. It may be used concurrently.
type Board struct {
	config Config
	cache  *cache

	mu    sync.Mutex
	shell *query.Overview // the last answer of Shell
}

// New returns a board.
func New(config Config) *Board {
	return &Board{config: config, cache: newCache(config.Logger)}
}

// Failure tells that a panel failed, and logs it. A panel that is only late is no failure.
func (b *Board) Failure(what string, err error) *view.Failure {
	if err == nil || errors.Is(err, ErrLater) {
		return nil
	}
	if !errors.Is(err, context.Canceled) {
		b.config.Logger.Warn("panel failed", "panel", what, "err", err)
	}
	return &view.Failure{What: what + " could not be computed", Detail: err.Error()}
}

// Health is how ingest and storage are, filled in by who runs them.
type Health struct {
	Listeners      []Listener
	Refusals       []Refusal // latest first
	SpansPerSecond float64
	Lag            time.Duration // from arrival to being visible on a page
	Facts          []Fact        // queue, log, batches: what else the settings should show
	Storage        Storage
}

// A Listener is one of the OTLP receivers.
type Listener struct {
	Protocol string // "OTLP/gRPC"
	Addr     string
	Requests uint64
	Err      string // why it does not listen, "" when it does
}

// A Refusal is requests that were answered with an error, counted by reason.
type Refusal struct {
	Reason string
	Code   string // as the sender sees it: "401", "UNAVAILABLE"
	Peer   string // the last sender
	Count  uint64
	Last   time.Time
}

// Storage is the ClickHouse behind everything.
type Storage struct {
	Engine string // "embedded ClickHouse 26.7.3"
	Where  string // data directory or server
	Free   uint64 // bytes on the disk, 0 when unknown
	Err    string // why it cannot be written, "" when it can
}

// A Fact is a line of the settings page.
type Fact struct{ Label, Value string }
