package query

import (
	"context"
	"time"
)

// A ServiceRED is a row of the services table: inbound requests of one service.
type ServiceRED struct {
	Service  string
	Language string // telemetry.sdk.language of its resources, "" when unknown
	Env      string // its environments, separated by commas
	Totals

	// Sparklines: evenly spaced over the range, at most 40 points. P99s are seconds, NaN without requests.
	Rates, ErrorRates, P99s []float64

	Instances  int      // instances seen in the range
	Endpoints  int      // inbound operations seen in the range
	Versions   []string // versions seen in the range, newest first
	LastDeploy Deploy   // zero when no version is known
	Previous   Totals   // the same range one hour earlier
	Inbound    bool     // false: the service sends only client or internal spans, and the numbers are of those
}

// A Deploy is the first time that a version of a service was seen.
type Deploy struct {
	Version string
	At      time.Time
}

// Services returns every service that had spans in the range, the one with the most requests first.
func (s *Store) Services(ctx context.Context, sel Selector, r Range) ([]ServiceRED, error) {
	return nil, errPending
}
