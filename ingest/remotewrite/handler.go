// Package remotewrite receives Prometheus remote write, 1.0 and 2.0, over HTTP.
//
// Sources: Prometheus remote write specifications 1.0 and 2.0 (rc.4).
package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/ingest"
	"loadline/ingest/otlp/payload"
)

// Path is where senders expect the receiver.
const Path = "/api/v1/write"

// Config of a Handler. Zero values mean the defaults in brackets.
type Config struct {
	// Export makes an uncompressed request durable, as [ingest.Pipeline.Export] does; required.
	Export func(ctx context.Context, signal ingest.Signal, body []byte) (ingest.Result, error)
	// MaxRequestBytes limits one request after decompression [64 MiB].
	MaxRequestBytes int
	// MaxInflightBytes limits the requests that are read and stored at one time [256 MiB, and at least three times
	// MaxRequestBytes]. Requests beyond it are refused with an error that senders retry.
	MaxInflightBytes int64
	// Log takes refusals, one a minute of each reason [slog.Default()].
	Log *slog.Logger
}

// Handler is the receiver, to be mounted at [Path] for any method. One may serve several listeners.
type Handler struct {
	config       Config
	memory       *payload.Memory
	decompressor *payload.Decompressor

	mu     sync.Mutex
	logged map[string]time.Time // by reason
}

// New returns a receiver.
func New(cfg Config) *Handler {
	if cfg.MaxRequestBytes == 0 {
		cfg.MaxRequestBytes = 64 << 20
	}
	if cfg.MaxInflightBytes == 0 {
		cfg.MaxInflightBytes = max(256<<20, 3*int64(cfg.MaxRequestBytes))
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	memory := payload.NewMemory(cfg.MaxInflightBytes)
	return &Handler{
		config:       cfg,
		memory:       memory,
		decompressor: payload.NewDecompressor(memory, cfg.MaxRequestBytes),
		logged:       map[string]time.Time{},
	}
}

// The messages of the protocol, as the parameter proto of the content type names them.
const (
	media    = "application/x-protobuf"
	messageA = "prometheus.WriteRequest"
	messageB = "io.prometheus.write.v2.Request"
)

// versions are the labels of requests in metrics.
var versions = map[ingest.Signal]string{ingest.RemoteWrite1: "1.0", ingest.RemoteWrite2: "2.0"}

// ServeHTTP stores a request and answers 204, or says what to do about it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	signal, err := negotiate(r)
	var result ingest.Result
	if err == nil {
		result, err = h.receive(r, signal)
	}
	code := http.StatusNoContent
	f := failureOf(result, err)
	if f != nil {
		code = f.code
	}
	name, ok := versions[signal]
	if !ok {
		name = "unknown"
	}
	metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_remotewrite_requests_total{version=%q,code="%d"}`, name, code)).Inc()
	if signal == ingest.RemoteWrite2 {
		header := w.Header()
		header.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(result.Samples))
		header.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(result.Histograms))
		header.Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(result.Exemplars))
	}
	if f == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.refuse(w, r, name, f)
}

// negotiate finds out what a request is from its headers. Senders of 1.0 may leave the headers out, as Prometheus lets
// them.
func negotiate(r *http.Request) (ingest.Signal, error) {
	if r.Method != http.MethodPost {
		return 0, &failure{
			reason: "method", code: http.StatusMethodNotAllowed,
			message: fmt.Sprintf("method %q is not allowed: use POST", r.Method),
		}
	}
	signal := ingest.RemoteWrite1
	if value := r.Header.Get("Content-Type"); value != "" {
		name, parameters, err := mime.ParseMediaType(value)
		message := parameters["proto"]
		switch {
		case err == nil && name == media && message == messageB:
			signal = ingest.RemoteWrite2
		case err != nil || name != media || message != "" && message != messageA:
			return 0, &failure{
				reason: "media_type", code: http.StatusUnsupportedMediaType,
				message: fmt.Sprintf("content type %q is not supported: use %q, or %q", value, media+";proto="+messageA,
					media+";proto="+messageB),
			}
		}
	}
	if value := strings.Join(r.Header.Values("Content-Encoding"), ", "); value != "" && !strings.EqualFold(value, "snappy") {
		return signal, &failure{
			reason: "encoding", code: http.StatusUnsupportedMediaType,
			message: fmt.Sprintf("content encoding %q is not supported: use \"snappy\", in its block format", value),
		}
	}
	return signal, nil
}

// receive reads and stores a request.
func (h *Handler) receive(r *http.Request, signal ingest.Signal) (ingest.Result, error) {
	limit := h.config.MaxRequestBytes
	if r.ContentLength > int64(limit) {
		return ingest.Result{}, &payload.TooLargeError{Limit: limit}
	}
	expected := int(r.ContentLength)
	if expected < 0 {
		expected = 64 << 10
	}
	body, err := h.memory.ReadAll(r.Body, expected, limit)
	var tooLarge *payload.TooLargeError
	switch {
	case err != nil && !errors.As(err, &tooLarge) && !errors.Is(err, payload.ErrBusy):
		return ingest.Result{}, errAborted
	case err != nil:
		return ingest.Result{}, err
	case len(body.Bytes) == 0:
		body.Free()
		return ingest.Result{}, errEmpty
	}
	if body, err = h.decompressor.Plain(body, "snappy"); err != nil {
		return ingest.Result{}, err
	}
	defer body.Free()
	// What has arrived is stored even when its sender does not wait for the answer: it will send it again.
	return h.config.Export(context.WithoutCancel(r.Context()), signal, body.Bytes)
}

var (
	errAborted = errors.New("the sender stopped in the middle of the request")
	errEmpty   = errors.New("the body is empty: nothing in snappy's block format is at least one byte")
)

// retryDelay is what senders are told when nobody knows better.
const retryDelay = time.Second

// failure is the answer to a request that was not stored, or not all of it.
type failure struct {
	reason     string // the label of loadline_remotewrite_refused_total
	code       int
	message    string
	retryAfter time.Duration // above 0 when the same bytes may be sent again
}

func (f *failure) Error() string { return f.message }

// failureOf decides the answer to a result that is no full success, and to every error; nil is success. Senders repeat
// what is answered with 5xx and drop what is answered with 4xx, so an error that nobody foresaw is 503.
func failureOf(result ingest.Result, err error) *failure {
	var (
		known     *failure
		overload  *ingest.OverloadedError
		malformed *ingest.MalformedError
		corrupt   *payload.CorruptError
		tooLarge  *payload.TooLargeError
	)
	switch {
	case err == nil && result.Rejected > 0:
		return &failure{
			reason: "partial", code: http.StatusBadRequest,
			message: fmt.Sprintf("%d items are stored, %d are not and would not be if they were sent again: %s",
				result.Accepted, result.Rejected, result.Message),
		}
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	}
	f := &failure{reason: "unavailable", code: http.StatusServiceUnavailable, message: err.Error(), retryAfter: retryDelay}
	switch {
	case errors.As(err, &overload):
		f.reason = "overloaded"
		if overload.RetryAfter > 0 {
			f.retryAfter = overload.RetryAfter
		}
	case errors.Is(err, payload.ErrBusy):
		f.reason = "overloaded"
	case errors.Is(err, ingest.ErrClosed):
		f.reason = "closed"
	case errors.As(err, &malformed), errors.As(err, &corrupt), errors.Is(err, errEmpty):
		f.reason, f.code, f.retryAfter = "malformed", http.StatusBadRequest, 0
	case errors.As(err, &tooLarge):
		f.reason, f.code, f.retryAfter = "too_large", http.StatusRequestEntityTooLarge, 0
	case errors.Is(err, errAborted):
		f.reason, f.code, f.retryAfter = "aborted", http.StatusBadRequest, 0
	}
	return f
}

// logEvery is how often the same reason of refusal is logged.
const logEvery = time.Minute

// refuse answers with a failure. Prometheus logs the body's first line.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, version string, f *failure) {
	metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_remotewrite_refused_total{version=%q,reason=%q}`, version, f.reason)).Inc()
	h.log(r, version, f, time.Now())
	header := w.Header()
	switch {
	case f.retryAfter > 0:
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	case f.code == http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	case f.code == http.StatusUnsupportedMediaType:
		header.Set("Accept-Encoding", "snappy")
	}
	if r.ProtoMajor == 1 && r.Header.Get("Expect") == "" {
		// A sender that is still writing when the connection closes sees that instead of the answer, and would send the
		// same bytes again.
		_, _ = io.CopyN(io.Discard, r.Body, int64(h.config.MaxRequestBytes)) // the answer is the same either way
	}
	message := strings.ToValidUTF8(strings.ReplaceAll(f.message, "\n", " "), "�")
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(f.code)
	_, _ = io.WriteString(w, message+"\n") // a sender that is gone does not want to know
}

func (h *Handler) log(r *http.Request, version string, f *failure, now time.Time) {
	level := slog.LevelDebug
	h.mu.Lock()
	if now.Sub(h.logged[f.reason]) >= logEvery {
		h.logged[f.reason] = now
		level = slog.LevelWarn
	}
	h.mu.Unlock()
	h.config.Log.Log(r.Context(), level, "remote write refused", "component", "remotewrite", "reason", f.reason,
		"version", version, "peer", r.RemoteAddr, "message", f.message)
}
