package remotewrite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"

	"loadline/ingest"
	"loadline/ingest/remotewrite"
)

const (
	typeV1 = "application/x-protobuf"
	typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

// post sends a request and returns the answer and its body. Headers are pairs; an empty value leaves one out.
func post(h http.Handler, body io.Reader, headers ...string) (*http.Response, string) {
	r := httptest.NewRequest(http.MethodPost, remotewrite.Path, body)
	r.Header.Set("Content-Type", typeV1)
	r.Header.Set("Content-Encoding", "snappy")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

// exporter answers every request alike and notes what came.
type exporter struct {
	result ingest.Result
	err    error
	signal ingest.Signal
	body   string
}

func (e *exporter) handler(cfg remotewrite.Config) http.Handler {
	cfg.Export = func(_ context.Context, signal ingest.Signal, body []byte) (ingest.Result, error) {
		e.signal, e.body = signal, string(body)
		return e.result, e.err
	}
	cfg.Log = slog.New(slog.DiscardHandler)
	return remotewrite.New(cfg)
}

func TestNegotiation(t *testing.T) {
	var e exporter
	h := e.handler(remotewrite.Config{})
	plain := []byte("telemetry")
	f := func(want ingest.Signal, headers ...string) {
		t.Helper()
		e.signal, e.body = 0, ""
		response, text := post(h, bytes.NewReader(snappy.Encode(nil, plain)), headers...)
		if response.StatusCode != http.StatusNoContent || text != "" || e.signal != want || e.body != string(plain) {
			t.Errorf("%q: %d %q, signal %s, body %q", headers, response.StatusCode, text, e.signal, e.body)
		}
	}
	f(ingest.RemoteWrite1)
	f(ingest.RemoteWrite1, "Content-Type", "")
	f(ingest.RemoteWrite1, "Content-Encoding", "")
	f(ingest.RemoteWrite1, "Content-Type", "application/x-protobuf; proto=prometheus.WriteRequest")
	f(ingest.RemoteWrite1, "X-Prometheus-Remote-Write-Version", "0.1.0")
	f(ingest.RemoteWrite2, "Content-Type", typeV2)
	f(ingest.RemoteWrite2, "Content-Type", `Application/X-Protobuf; proto="io.prometheus.write.v2.Request"`)
	f(ingest.RemoteWrite2, "Content-Type", typeV2, "Content-Encoding", "Snappy")
}

func TestRefusal(t *testing.T) {
	var e exporter
	h := e.handler(remotewrite.Config{MaxRequestBytes: 2000})
	f := func(code int, message string, sent []byte, headers ...string) *http.Response {
		t.Helper()
		e.signal = 0
		response, text := post(h, bytes.NewReader(sent), headers...)
		if response.StatusCode != code || !strings.Contains(text, message) || e.signal != 0 {
			t.Errorf("%q: %d %q, want %d %q", headers, response.StatusCode, text, code, message)
		}
		return response
	}
	good := snappy.Encode(nil, []byte("telemetry"))
	const types = `use "application/x-protobuf;proto=prometheus.WriteRequest", or "application/x-protobuf;proto=io.prometheus.write.v2.Request"`
	f(415, `content type "application/json" is not supported: `+types, good, "Content-Type", "application/json")
	f(415, types, good, "Content-Type", "application/x-protobuf;proto=io.prometheus.write.v3.Request")
	f(415, types, good, "Content-Type", "application/x-protobuf;proto")
	for _, encoding := range []string{"gzip", "zstd", "deflate", "identity", "snappy, gzip"} {
		r := f(415, `use "snappy"`, good, "Content-Encoding", encoding)
		if got := r.Header.Get("Accept-Encoding"); got != "snappy" {
			t.Error(got)
		}
	}
	f(400, "the body is empty", nil)
	f(400, "body is not valid snappy", []byte("0telemetry"))
	f(400, "body is not valid snappy", []byte("\xff\xff\xff\xff\x0f"))
	f(413, "larger than 2000 bytes", bytes.Repeat([]byte{0}, 2001))
	f(413, "larger than 2000 bytes", snappy.Encode(nil, bytes.Repeat([]byte{0}, 2001)))

	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, remotewrite.Path, http.NoBody))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if r, text := post(h, io.MultiReader(strings.NewReader("x"), broken{})); r.StatusCode != 400 || !strings.Contains(text, "stopped") {
		t.Errorf("%d %q", r.StatusCode, text)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// TestAnswers checks the answers to what the pipeline says, for both versions.
func TestAnswers(t *testing.T) {
	f := func(result ingest.Result, err error, code int, retryAfter, message string, written ...string) {
		t.Helper()
		e := exporter{result: result, err: err}
		h := e.handler(remotewrite.Config{})
		for _, typ := range []string{typeV1, typeV2} {
			response, text := post(h, bytes.NewReader(snappy.Encode(nil, []byte("x"))), "Content-Type", typ)
			if response.StatusCode != code || response.Header.Get("Retry-After") != retryAfter || strings.TrimSuffix(text, "\n") != message {
				t.Errorf("%d %v %q, want %d %q %q", response.StatusCode, response.Header, text, code, retryAfter, message)
			}
			var headers []string
			for _, unit := range []string{"Samples", "Histograms", "Exemplars"} {
				headers = append(headers, response.Header.Get("X-Prometheus-Remote-Write-"+unit+"-Written"))
			}
			want := written
			if typ == typeV1 {
				want = []string{"", "", ""}
			}
			if diff := cmp.Diff(want, headers); diff != "" {
				t.Error(diff)
			}
		}
	}
	f(ingest.Result{Accepted: 6, Samples: 3, Histograms: 2, Exemplars: 1}, nil, 204, "", "", "3", "2", "1")
	f(ingest.Result{Accepted: 3, Samples: 3, Rejected: 2, Message: "2 rejected: too old"}, nil, 400, "",
		"3 items are stored, 2 are not and would not be if they were sent again: 2 rejected: too old", "3", "0", "0")
	f(ingest.Result{}, &ingest.MalformedError{Signal: ingest.RemoteWrite1, Err: errors.New("bad\nbytes")}, 400, "",
		"malformed remote_write_1.0 request: bad bytes", "0", "0", "0")
	f(ingest.Result{}, &ingest.OverloadedError{Reason: "full", RetryAfter: 1500 * time.Millisecond}, 503, "2",
		"overloaded: full; retry after 1.5s", "0", "0", "0")
	f(ingest.Result{}, &ingest.OverloadedError{Reason: "full"}, 503, "1", "overloaded: full; retry after 0s", "0", "0", "0")
	f(ingest.Result{}, ingest.ErrClosed, 503, "1", "ingest is shutting down", "0", "0", "0")
	f(ingest.Result{}, fmt.Errorf("write segment: %w", errors.New("disk full")), 503, "1", "write segment: disk full", "0", "0", "0")
}

// TestMemory checks that requests at work at one time are bounded: each sends another while it is stored.
func TestMemory(t *testing.T) {
	var h http.Handler
	var codes []int
	h = remotewrite.New(remotewrite.Config{
		MaxRequestBytes: 1 << 20, MaxInflightBytes: 3 << 20, Log: slog.New(slog.DiscardHandler),
		Export: func(context.Context, ingest.Signal, []byte) (ingest.Result, error) {
			response, _ := post(h, bytes.NewReader(snappy.Encode(nil, make([]byte, 1<<20))))
			codes = append(codes, response.StatusCode)
			return ingest.Result{}, nil
		},
	})
	response, _ := post(h, bytes.NewReader(snappy.Encode(nil, make([]byte, 1<<20))))
	codes = append(codes, response.StatusCode)
	if n := len(codes); codes[0] != 503 || codes[n-1] != 204 || n > 4 {
		t.Errorf("from the last to the first: %v", codes)
	}
}
