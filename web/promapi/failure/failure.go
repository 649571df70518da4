// Package failure has the errors that the Prometheus HTTP API answers with.
package failure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/promql"
)

// Kind is one of Prometheus's error types.
type Kind string

// The kinds. Prometheus has one more, not_acceptable, for answers that are not JSON; there are none.
const (
	BadData     Kind = "bad_data"
	Execution   Kind = "execution"
	Canceled    Kind = "canceled"
	Timeout     Kind = "timeout"
	Internal    Kind = "internal"
	Unavailable Kind = "unavailable"
	NotFound    Kind = "not_found"
)

// clientClosed is the status for a request whose client went away, known from nginx.
const clientClosed = 499

// Code returns the HTTP status of answers of this kind.
func (k Kind) Code() int {
	switch k {
	case BadData:
		return http.StatusBadRequest
	case Execution:
		return http.StatusUnprocessableEntity
	case Canceled:
		return clientClosed
	case Timeout:
		return http.StatusServiceUnavailable
	case NotFound:
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// Error is an answer that is an error.
type Error struct {
	Kind Kind
	Err  error
}

// New returns an error with a message as fmt.Errorf makes it.
func New(k Kind, format string, args ...any) *Error {
	return &Error{k, fmt.Errorf(format, args...)}
}

// Invalid returns the error for a parameter that cannot be used.
func Invalid(parameter string, err error) *Error {
	return New(BadData, "invalid parameter %q: %w", parameter, err)
}

// Error implements error.
func (e *Error) Error() string { return string(e.Kind) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of gives an error of the engine or of the store its kind.
func Of(err error) *Error {
	var (
		known     *Error
		byCancel  promql.ErrQueryCanceled
		byTimeout promql.ErrQueryTimeout
		byStorage promql.ErrStorage
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &byCancel):
		return &Error{Canceled, err}
	case errors.As(err, &byTimeout), errors.Is(err, context.DeadlineExceeded):
		return &Error{Timeout, err}
	case errors.Is(err, context.Canceled):
		return &Error{Canceled, err}
	case errors.As(err, &byStorage):
		return &Error{Internal, err}
	}
	return &Error{Execution, err}
}

// In gives an error of something done under ctx its kind. When ctx is done that is the reason, whatever a driver of a
// database makes of it.
func In(ctx context.Context, err error) *Error {
	e := Of(err)
	if e.Kind != Execution && e.Kind != Internal || ctx.Err() == nil {
		return e
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Timeout, err}
	}
	return &Error{Canceled, err}
}

// Write answers with the error and the status of its kind.
func (e *Error) Write(w http.ResponseWriter) { e.WriteStatus(w, e.Kind.Code()) }

// WriteStatus answers with the error and another status.
func (e *Error) WriteStatus(w http.ResponseWriter, code int) {
	text := e.JSON()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(text) // the client went away
}

// JSON returns the error as the document that it is answered as.
func (e *Error) JSON() []byte {
	text, err := json.Marshal(struct {
		Status string `json:"status"`
		Kind   Kind   `json:"errorType"`
		Error  string `json:"error"`
	}{"error", e.Kind, e.Err.Error()})
	if err != nil {
		panic("BUG: three strings are no JSON: " + err.Error())
	}
	return text
}
