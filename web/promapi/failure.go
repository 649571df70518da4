package promapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/promql"
)

// failure is an answer that is an error, with one of Prometheus's error types.
type failure struct {
	kind kind
	err  error
}

func (f *failure) Error() string { return f.kind.name + ": " + f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// kind is one of Prometheus's error types and the status it is answered with.
type kind struct {
	name string
	code int
}

// clientClosed is the status for a request whose client went away, known from nginx.
const clientClosed = 499

var (
	timedOut    = kind{"timeout", http.StatusServiceUnavailable}
	canceled    = kind{"canceled", clientClosed}
	execution   = kind{"execution", http.StatusUnprocessableEntity}
	badData     = kind{"bad_data", http.StatusBadRequest}
	internal    = kind{"internal", http.StatusInternalServerError}
	unavailable = kind{"unavailable", http.StatusInternalServerError}
	notFound    = kind{"not_found", http.StatusNotFound}
	badMethod   = kind{"bad_data", http.StatusMethodNotAllowed}
)

func failf(k kind, format string, args ...any) *failure {
	return &failure{k, fmt.Errorf(format, args...)}
}

func invalid(parameter string, err error) *failure {
	return failf(badData, "invalid parameter %q: %w", parameter, err)
}

// fail gives the error of the engine or of the store its type.
func fail(err error) *failure {
	var (
		f          *failure
		byCancel   promql.ErrQueryCanceled
		byTimeout  promql.ErrQueryTimeout
		byStorage  promql.ErrStorage
		byDeadline = errors.Is(err, context.DeadlineExceeded)
	)
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &byCancel):
		return &failure{canceled, err}
	case errors.As(err, &byTimeout):
		return &failure{timedOut, err}
	case byDeadline:
		return &failure{timedOut, err}
	case errors.Is(err, context.Canceled):
		return &failure{canceled, err}
	case errors.As(err, &byStorage):
		return &failure{internal, err}
	}
	return &failure{execution, err}
}
