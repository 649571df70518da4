package query

import "context"

// An Endpoint is a row of the endpoints table: one operation of one service.
type Endpoint struct {
	Service, Operation string
	Kind               string // server, consumer, internal, ...
	Method, Route      string // of an HTTP operation; Route is the whole operation otherwise
	Totals
	Impact   float64  // share of the time of all endpoints of the answer, 0 to 1
	Slowest  Exemplar // the slowest request of the range
	Failed   Exemplar // the slowest failed one; zero TraceID when none failed
	Previous Totals   // the same range one hour earlier
}

// Endpoints returns the inbound operations of what sel selects, those with the greatest impact first, at most 500.
func (s *Store) Endpoints(ctx context.Context, sel Selector, r Range) ([]Endpoint, error) {
	return nil, errPending
}

// An Operation is an operation name with how much it is used, for filters and completion.
type Operation struct {
	Name, Kind string
	Requests   float64
}

// Operations returns the operations of a service, of all kinds, the busiest first, at most 1,000.
func (s *Store) Operations(ctx context.Context, service string, r Range) ([]Operation, error) {
	return nil, errPending
}
