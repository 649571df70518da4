package query

import (
	"context"
	"time"
)

// A Deployment is a version of a service and when it was seen.
type Deployment struct {
	Service, Env, Version string
	First, Last           time.Time
}

// Deployments returns the versions first seen in the range, newest first, at most 1,000.
func (s *Store) Deployments(ctx context.Context, sel Selector, r Range) ([]Deployment, error) {
	return nil, errPending
}

// An Instance is a process of a service.
type Instance struct {
	Resource
	LastSeen time.Time
}

// Instances returns the instances of a service that were seen in the range, latest first, at most 1,000.
func (s *Store) Instances(ctx context.Context, service string, r Range) ([]Instance, error) {
	return nil, errPending
}

// An Overview is the state of the whole in a few numbers.
type Overview struct {
	Services, Endpoints, Instances int
	Envs                           []string
	Spans                          uint64        // stored spans of the range
	SpanRate                       float64       // stored spans per second, over the last complete minute of the range
	LastEvent                      time.Time     // newest span of all time; zero when nothing was ever stored
	Lag                            time.Duration // from LastEvent to the end of the range, at least 0
}

// Overview counts what is there. A zero LastEvent means that no span was ever stored.
func (s *Store) Overview(ctx context.Context, sel Selector, r Range) (*Overview, error) {
	return nil, errPending
}
