package query

import (
	"context"
	"time"
)

// An Edge is the calls of one service to another or to an inferred peer. Its latency is what the client sees.
type Edge struct {
	Client, Server string
	ServerType     string // service, database, cache, queue, external
	Calls, Errors  float64
	CallRate       float64       // per second
	ErrorRate      float64       // share of calls, 0 to 1
	Duration       time.Duration // of all calls together

	Mean, P50, P90, P95, P99 time.Duration
}

// Dependencies returns the edges of the range, busiest first, at most 2,000. A service in sel keeps the edges that
// it is an end of.
func (s *Store) Dependencies(ctx context.Context, sel Selector, r Range) ([]Edge, error) {
	return nil, errPending
}
