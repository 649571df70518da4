// Package ingest is the write path: the bytes of requests, of OTLP and of Prometheus remote write, go into a write-ahead
// log, are acknowledged, and become large Native blocks that are inserted into ClickHouse. One log segment is one block
// per table with one deduplication token, so a span counts once however often a segment is retried or replayed.
package ingest

import (
	"errors"
	"fmt"
	"time"
)

// Signal is the kind of telemetry in an export request.
type Signal uint8

// The signals of OTLP, and the messages of Prometheus remote write by version. Their values are stored in the
// write-ahead log.
const (
	Traces Signal = iota + 1
	Metrics
	Logs
	RemoteWrite1
	RemoteWrite2
)

// String returns the signal's name as it stands in OTLP/HTTP paths and in metric labels.
func (s Signal) String() string {
	switch s {
	case Traces:
		return "traces"
	case Metrics:
		return "metrics"
	case Logs:
		return "logs"
	case RemoteWrite1:
		return "remote_write_1.0"
	case RemoteWrite2:
		return "remote_write_2.0"
	}
	return fmt.Sprintf("signal(%d)", uint8(s))
}

// Result is what became of one export request. The unit of both counts is spans, data points or log records; of remote
// write it is samples, histograms, exemplars and the descriptions of 1.0.
type Result struct {
	Accepted int
	Rejected int
	// Of remote write: how many of the accepted items are what.
	Samples, Histograms, Exemplars int
	// Message says in English why items were rejected, or warns when nothing was. Empty means full success.
	Message string
}

// MalformedError reports bytes that are not a request of the signal. Nothing of the request was stored; sending it
// again will fail again.
type MalformedError struct {
	Signal Signal
	Err    error
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed %s request: %v", e.Signal, e.Err)
}

func (e *MalformedError) Unwrap() error { return e.Err }

// OverloadedError reports that the request could not be made durable now. Nothing of it was stored; the sender should
// send the same bytes again after RetryAfter.
type OverloadedError struct {
	Reason     string
	RetryAfter time.Duration
}

func (e *OverloadedError) Error() string {
	return fmt.Sprintf("overloaded: %s; retry after %s", e.Reason, e.RetryAfter)
}

// ErrClosed is returned for requests that arrive while the pipeline shuts down. Senders should retry.
var ErrClosed = errors.New("ingest is shutting down")
