package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"loadline/ingest"
)

// post sends a request with pairs of further headers. The body of the answer is read, and is bytes of memory.
func post(t testing.TB, s *Server, path, contentType string, body []byte, encoding string, headers ...string) *http.Response {
	t.Helper()
	r := newRequest(t, path, contentType, body)
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return do(t, s, r)
}

func newRequest(t testing.TB, path, contentType string, body []byte) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func do(t testing.TB, s *Server, r *http.Request) *http.Response {
	t.Helper()
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", s.HTTPAddr().String(), ""
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return &http.Response{Body: http.NoBody}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	return response
}

func bodyOf(t testing.TB, response *http.Response) []byte {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// statusOf decodes the google.rpc.Status of an answer.
func statusOf(t testing.TB, response *http.Response) *statuspb.Status {
	t.Helper()
	var st statuspb.Status
	var err error
	switch content := bodyOf(t, response); response.Header.Get("Content-Type") {
	case mediaProtobuf:
		err = proto.Unmarshal(content, &st)
	case mediaJSON:
		err = protojson.Unmarshal(content, &st)
	default:
		err = fmt.Errorf("content type %q", response.Header.Get("Content-Type"))
	}
	if err != nil {
		t.Errorf("status: %v", err)
	}
	return &st
}

func TestHTTPExport(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	for path, signal := range httpPaths {
		body := request(t, 3)
		for _, contentType := range []string{"application/x-protobuf", "application/x-protobuf; charset=utf-8", "Application/X-Protobuf"} {
			response := post(t, s, path, contentType, body, "")
			same(t, response.StatusCode, http.StatusOK)
			same(t, response.Header.Get("Content-Type"), "application/x-protobuf")
			same(t, response.Header.Get("Content-Length"), "0")
			same(t, len(bodyOf(t, response)), 0)
			same(t, got.taken(), []call{{signal, string(body)}})
		}
		doc, err := os.ReadFile("otlpjson/testdata/" + signal.String() + ".json")
		if err != nil {
			t.Fatal(err)
		}
		for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8;x", "application/json; charset"} {
			response := post(t, s, path, contentType, doc, "")
			same(t, response.StatusCode, http.StatusOK)
			same(t, response.Header.Get("Content-Type"), "application/json")
			same(t, string(bodyOf(t, response)), "{}")
			calls := got.taken()
			if len(calls) != 1 || calls[0].Signal != signal || strings.Contains(calls[0].Body, "{\"") {
				t.Errorf("%s: %q", path, calls)
			}
		}
		// Nothing is a valid request in protobuf, and an empty object in JSON.
		same(t, post(t, s, path, mediaProtobuf, nil, "").StatusCode, http.StatusOK)
		same(t, post(t, s, path, mediaJSON, []byte("{}"), "").StatusCode, http.StatusOK)
		same(t, got.taken(), []call{{signal, ""}, {signal, ""}})
	}
}

func TestHTTPPartialSuccess(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	got.answer(ingest.Result{Accepted: 1, Rejected: 1 << 40, Message: `"bad" ids`}, nil)
	for path, key := range map[string]string{"/v1/traces": "rejectedSpans", "/v1/metrics": "rejectedDataPoints", "/v1/logs": "rejectedLogRecords"} {
		response := post(t, s, path, mediaJSON, []byte("{}"), "")
		same(t, response.StatusCode, http.StatusOK)
		same(t, string(bodyOf(t, response)), `{"partialSuccess":{"errorMessage":"\"bad\" ids","`+key+`":"1099511627776"}}`)
	}
	traces, metrics, logs := ptraceotlp.NewExportResponse(), pmetricotlp.NewExportResponse(), plogotlp.NewExportResponse()
	if err := errors.Join(
		traces.UnmarshalProto(bodyOf(t, post(t, s, "/v1/traces", mediaProtobuf, nil, ""))),
		metrics.UnmarshalProto(bodyOf(t, post(t, s, "/v1/metrics", mediaProtobuf, nil, ""))),
		logs.UnmarshalProto(bodyOf(t, post(t, s, "/v1/logs", mediaProtobuf, nil, ""))),
	); err != nil {
		t.Fatal(err)
	}
	same(t, traces.PartialSuccess().RejectedSpans(), int64(1<<40))
	same(t, metrics.PartialSuccess().RejectedDataPoints(), int64(1<<40))
	same(t, logs.PartialSuccess().RejectedLogRecords(), int64(1<<40))
	same(t, logs.PartialSuccess().ErrorMessage(), `"bad" ids`)

	got.answer(ingest.Result{Message: "a warning"}, nil)
	same(t, string(bodyOf(t, post(t, s, "/v1/logs", mediaJSON, []byte("{}"), ""))), `{"partialSuccess":{"errorMessage":"a warning"}}`)
	got.answer(ingest.Result{Rejected: 2}, nil)
	same(t, string(bodyOf(t, post(t, s, "/v1/logs", mediaJSON, []byte("{}"), ""))), `{"partialSuccess":{"rejectedLogRecords":"2"}}`)

	// A long message is cut, and the count survives.
	got.answer(ingest.Result{Rejected: 7, Message: strings.Repeat("é", 5<<20)}, nil)
	content := bodyOf(t, post(t, s, "/v1/traces", mediaProtobuf, nil, ""))
	if err := traces.UnmarshalProto(content); err != nil || len(content) > 4<<20 || len(content) < 1000 {
		t.Errorf("%d bytes, %v", len(content), err)
	}
	same(t, traces.PartialSuccess().RejectedSpans(), int64(7))
}

func TestHTTPEncodings(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	body := request(t, 500)
	writers := map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd":    func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"snappy":  func(w io.Writer) io.WriteCloser { return snappy.NewBufferedWriter(w) },
	}
	for encoding, newWriter := range writers {
		var out bytes.Buffer
		w := newWriter(&out)
		_, _ = w.Write(body)
		_ = w.Close()
		same(t, post(t, s, "/v1/traces", mediaProtobuf, out.Bytes(), encoding).StatusCode, http.StatusOK)
		same(t, got.taken(), []call{{ingest.Traces, string(body)}})

		out.Reset()
		w = newWriter(&out)
		_, _ = w.Write([]byte(`{"resourceLogs":[{"schemaUrl":"x"}]}`))
		_ = w.Close()
		same(t, post(t, s, "/v1/logs", mediaJSON, out.Bytes(), strings.ToUpper(encoding)).StatusCode, http.StatusOK)
		same(t, got.taken(), []call{{ingest.Logs, "\n\x03\x1a\x01x"}})

		for _, media := range []string{mediaProtobuf, mediaJSON} {
			response := post(t, s, "/v1/traces", media, out.Bytes()[:out.Len()-1], encoding)
			same(t, response.StatusCode, http.StatusBadRequest)
			same(t, response.Header.Get("Content-Type"), media)
			st := statusOf(t, response)
			same(t, codes.Code(st.Code), codes.InvalidArgument)
			contains(t, st.Message, "body is not valid "+encoding)
		}
	}
	same(t, post(t, s, "/v1/traces", mediaProtobuf, body, "identity").StatusCode, http.StatusOK)
	got.taken()
	for _, encoding := range []string{"br", "gzip, gzip", "lzma"} {
		response := post(t, s, "/v1/traces", mediaJSON, []byte("{}"), encoding)
		same(t, response.StatusCode, http.StatusUnsupportedMediaType)
		same(t, response.Header.Get("Accept-Encoding"), "gzip, zstd, deflate, snappy")
		contains(t, statusOf(t, response).Message, fmt.Sprintf("compression %q is not supported", encoding))
	}
	same(t, len(got.taken()), 0)
}

func TestHTTPResponseGzip(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	got.answer(ingest.Result{Rejected: 1, Message: strings.Repeat("reason ", 1000)}, nil)
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "deflate, gzip;q=0.5": "gzip", "*": "gzip", "GZIP": "gzip", "gzip;q=0": "", "gzip; q=0.0": "", "identity": "", "br": "", "xgzip": "",
	} {
		response := post(t, s, "/v1/traces", mediaJSON, []byte("{}"), "", "Accept-Encoding", accept)
		same(t, response.Header.Get("Content-Encoding"), want)
		var content io.Reader = response.Body
		if want == "gzip" {
			var err error
			if content, err = gzip.NewReader(content); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		contains(t, string(text), "reason reason")
	}
	got.answer(ingest.Result{}, nil)
	response := post(t, s, "/v1/traces", mediaJSON, []byte("{}"), "", "Accept-Encoding", "gzip")
	same(t, response.Header.Get("Content-Encoding"), "") // it would be longer
	same(t, string(bodyOf(t, response)), "{}")
}

// TestHTTPRefused asks for things that are not received here.
func TestHTTPRefused(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	f := func(method, path, contentType string, code int, message string) {
		t.Helper()
		r := newRequest(t, path, contentType, []byte("{}"))
		r.Method = method
		response := do(t, s, r)
		same(t, response.StatusCode, code)
		if method == http.MethodHead {
			return
		}
		wantType := mediaJSON
		if contentType == mediaProtobuf {
			wantType = mediaProtobuf
		}
		same(t, response.Header.Get("Content-Type"), wantType)
		st := statusOf(t, response)
		contains(t, st.Message, message)
		if st.Code == 0 {
			t.Error("status code OK in an error")
		}
		if code == http.StatusMethodNotAllowed {
			same(t, response.Header.Get("Allow"), "POST")
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"} {
		f(method, "/v1/traces", mediaJSON, http.StatusMethodNotAllowed, "use POST")
	}
	f("POST", "/", mediaJSON, http.StatusNotFound, "OTEL_EXPORTER_OTLP_ENDPOINT")
	f("POST", "/v1/traces/", mediaProtobuf, http.StatusNotFound, `"/v1/traces/"`)
	f("POST", "/v1/traces/v1/traces", mediaProtobuf, http.StatusNotFound, "/v1/metrics")
	f("POST", "/v1development/profiles", mediaProtobuf, http.StatusNotFound, "nothing is received")
	f("GET", "/", "", http.StatusNotFound, "nothing is received")
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/grpc-web", "json", "application/protobuf", ";;"} {
		f("POST", "/v1/traces", contentType, http.StatusUnsupportedMediaType, "use application/x-protobuf or application/json")
	}
	f("POST", "/v1/traces", "application/grpc", http.StatusUnsupportedMediaType, "gRPC needs HTTP/2")
	same(t, len(got.taken()), 0)
}

func TestHTTPErrors(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	f := func(err error, code int, retryAfter, want string) {
		t.Helper()
		got.answer(ingest.Result{}, err)
		for _, media := range []string{mediaProtobuf, mediaJSON} {
			response := post(t, s, "/v1/traces", media, []byte("{}")[:2*strings.Count(media, "json")], "")
			same(t, response.StatusCode, code)
			same(t, response.Header.Get("Retry-After"), retryAfter)
			same(t, response.Header.Get("Content-Type"), media)
			same(t, grpcStatus(status.FromProto(statusOf(t, response)).Err()), want)
		}
	}
	f(&ingest.MalformedError{Signal: ingest.Traces, Err: errors.New("field 7")}, 400, "",
		"InvalidArgument: malformed traces request: field 7 (bad \"\")")
	f(&ingest.OverloadedError{Reason: "log full", RetryAfter: 2500 * time.Millisecond}, 503, "3",
		"Unavailable: overloaded: log full; retry after 2.5s (retry after 2.5s)")
	f(&ingest.OverloadedError{Reason: "log full"}, 503, "1",
		"Unavailable: overloaded: log full; retry after 0s (retry after 1s)")
	f(ingest.ErrClosed, 503, "1", "Unavailable: ingest is shutting down (retry after 1s)")
	f(errors.New("no space left on device"), 503, "1", "Unavailable: no space left on device (retry after 1s)")
	f(context.DeadlineExceeded, 503, "1", "DeadlineExceeded: context deadline exceeded (retry after 1s)")
}

func TestHTTPTooLarge(t *testing.T) {
	var got sink
	const limit = 1 << 20
	s := start(t, Config{MaxRequestBytes: limit}, got.export)
	body := make([]byte, limit+1)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(body)
	_ = z.Close()
	refused := func(response *http.Response) {
		t.Helper()
		same(t, response.StatusCode, http.StatusRequestEntityTooLarge)
		same(t, response.Header.Get("Retry-After"), "")
		same(t, grpcStatus(status.FromProto(statusOf(t, response)).Err()),
			"ResourceExhausted: request is larger than 1048576 bytes uncompressed: send smaller batches, or raise the limit")
	}
	refused(post(t, s, "/v1/traces", mediaProtobuf, body, ""))
	refused(post(t, s, "/v1/traces", mediaProtobuf, zipped.Bytes(), "gzip"))
	chunked := newRequest(t, "/v1/traces", mediaProtobuf, nil)
	chunked.Body, chunked.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
	refused(do(t, s, chunked))
	// JSON whose protobuf is larger than itself.
	doc := `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"explicitBounds":[0` + strings.Repeat(",0", limit/4) + `]}]}}]}]}]}`
	refused(post(t, s, "/v1/metrics", mediaJSON, []byte(doc), ""))
	same(t, len(got.taken()), 0)

	same(t, post(t, s, "/v1/traces", mediaProtobuf, body[:limit], "").StatusCode, http.StatusOK)
	smaller := strings.Replace(doc, strings.Repeat(",0", limit/4), strings.Repeat(",0", limit/16), 1)
	same(t, post(t, s, "/v1/metrics", mediaJSON, []byte(smaller), "").StatusCode, http.StatusOK)
	same(t, len(got.taken()), 2)
}

func TestHTTPMalformedJSON(t *testing.T) {
	var got sink
	s := start(t, Config{}, got.export)
	f := func(doc, want string) {
		t.Helper()
		response := post(t, s, "/v1/traces", mediaJSON, []byte(doc), "")
		same(t, response.StatusCode, http.StatusBadRequest)
		contains(t, grpcStatus(status.FromProto(statusOf(t, response)).Err()), want)
	}
	f(``, "InvalidArgument: OTLP/JSON: the document ends where an object should stand")
	f(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":1}]}]}]}`, `(bad "resourceSpans[0].scopeSpans[0].spans[0].name")`)
	f(`{"x":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`}`, "nested deeper than the limit of 10000 levels")
	f("\x0a\x00", "OTLP/JSON") // protobuf in the wrong content type
	same(t, len(got.taken()), 0)
	same(t, s.Refusals()[0].Reason, "malformed")
}

// TestHTTPAborted closes connections in the middle of a request.
func TestHTTPAborted(t *testing.T) {
	var got sink
	refusals := newRefusalLog()
	s := start(t, Config{Log: slog.New(refusals)}, got.export)
	r := newRequest(t, "/v1/traces", mediaProtobuf, nil)
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", s.HTTPAddr().String(), ""
	r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{})), 100
	if response, err := http.DefaultTransport.RoundTrip(r); err == nil {
		_ = response.Body.Close()
		t.Error("no error")
	}
	refusals.wait(t, "aborted", "the sender stopped")
	same(t, len(got.taken()), 0)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("gone") }

func TestOrigins(t *testing.T) {
	var got sink
	preflight := func(s *Server, origin string) *http.Response {
		t.Helper()
		r := newRequest(t, "/v1/traces", "", nil)
		r.Method = http.MethodOptions
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "content-type,x-loadline-key")
		return do(t, s, r)
	}
	allowed := "Access-Control-Allow-Origin"

	s := start(t, Config{}, got.export)
	response := preflight(s, "https://shop.example")
	same(t, response.StatusCode, http.StatusMethodNotAllowed)
	same(t, response.Header.Get(allowed), "")
	response = post(t, s, "/v1/traces", mediaJSON, []byte("{}"), "", "Origin", "https://shop.example")
	same(t, response.Header.Get(allowed), "")

	s = start(t, Config{AllowedOrigins: []string{"https://shop.example"}, Authorize: func(h http.Header) error {
		if h.Get("X-Loadline-Key") == "" {
			return ErrUnauthenticated
		}
		return nil
	}}, got.export)
	response = preflight(s, "https://shop.example") // carries no key
	same(t, response.StatusCode, http.StatusNoContent)
	same(t, response.Header.Get(allowed), "https://shop.example")
	same(t, response.Header.Get("Access-Control-Allow-Methods"), "POST")
	same(t, response.Header.Get("Access-Control-Allow-Headers"), "content-type,x-loadline-key")
	same(t, response.Header.Values("Vary"), []string{"Origin", "Access-Control-Request-Headers"})
	response = post(t, s, "/v1/traces", mediaJSON, []byte("{}"), "", "Origin", "https://shop.example", "X-Loadline-Key", "k")
	same(t, response.StatusCode, http.StatusOK)
	same(t, response.Header.Get(allowed), "https://shop.example")
	same(t, response.Header.Get("Access-Control-Expose-Headers"), "Retry-After")
	response = post(t, s, "/v1/traces", mediaJSON, []byte("{}"), "", "Origin", "https://shop.example")
	same(t, response.StatusCode, http.StatusUnauthorized) // and the page may read why
	same(t, response.Header.Get(allowed), "https://shop.example")
	response = preflight(s, "https://evil.example")
	same(t, response.StatusCode, http.StatusMethodNotAllowed)
	same(t, response.Header.Get(allowed), "")
	same(t, response.Header.Get("Vary"), "Origin")

	s = start(t, Config{AllowedOrigins: []string{"*"}}, got.export)
	same(t, preflight(s, "http://localhost:3000").Header.Get(allowed), "http://localhost:3000")
}
