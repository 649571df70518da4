package sloapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"loadline/slo"
	"loadline/slo/registry"
	"loadline/slo/spec"
)

// kind is what sort of error an answer is, in the words of the Prometheus API where that has one.
type kind string

const (
	badData       kind = "bad_data"
	badDefinition kind = "invalid_definition"
	notFound      kind = "not_found"
	conflict      kind = "conflict"
	tooLarge      kind = "too_large"
	canceled      kind = "canceled"
	badMethod     kind = "method_not_allowed"
	forbidden     kind = "forbidden"
	timeout       kind = "timeout"
	internal      kind = "internal"
)

// codes are the HTTP statuses of errors. The client that went away is known from nginx.
var codes = map[kind]int{
	badData: http.StatusBadRequest, badDefinition: http.StatusUnprocessableEntity, notFound: http.StatusNotFound, conflict: http.StatusConflict,
	tooLarge: http.StatusRequestEntityTooLarge, forbidden: http.StatusForbidden, badMethod: http.StatusMethodNotAllowed, canceled: 499, timeout: http.StatusServiceUnavailable, internal: http.StatusInternalServerError,
}

// failure is an error with its kind.
type failure struct {
	kind     kind
	err      error
	problems []spec.Problem
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// invalid is the error for a request that cannot be understood.
func invalid(format string, args ...any) error {
	return &failure{kind: badData, err: fmt.Errorf(format, args...)}
}

// refused is the error for definitions that are wrong.
func refused(problems []spec.Problem) error {
	errs := 0
	first := "the definitions are refused"
	for _, p := range problems {
		if p.Severity == spec.Error {
			if errs++; errs == 1 {
				first = p.Error()
			}
		}
	}
	if errs > 1 {
		first += fmt.Sprintf(" (and %d more errors)", errs-1)
	}
	return &failure{kind: badDefinition, err: errors.New(first), problems: problems}
}

// failureOf gives an error its kind.
func failureOf(ctx context.Context, err error) *failure {
	var (
		known  *failure
		faster *registry.ConflictError
		nobody *registry.NotFoundError
		none   *slo.NotFoundError
		spans  *slo.NoSpansError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &faster):
		return &failure{kind: conflict, err: err}
	case errors.As(err, &nobody), errors.As(err, &none):
		return &failure{kind: notFound, err: err}
	case errors.As(err, &spans), errors.Is(err, slo.ErrCorrection):
		return &failure{kind: badData, err: err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &failure{kind: timeout, err: err}
	case errors.Is(err, context.Canceled), ctx.Err() != nil:
		return &failure{kind: canceled, err: err}
	}
	return &failure{kind: internal, err: err}
}
