package otlp

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/grpc/codes"

	"loadline/ingest"
	"loadline/ingest/otlp/otlpjson"
	"loadline/ingest/otlp/payload"
)

// The media types of OTLP/HTTP.
const (
	mediaProtobuf = "application/x-protobuf"
	mediaJSON     = "application/json"
)

var httpPaths = map[string]ingest.Signal{
	"/v1/traces":  ingest.Traces,
	"/v1/metrics": ingest.Metrics,
	"/v1/logs":    ingest.Logs,
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if s.allowOrigin(w, r) {
		return
	}
	signal := httpPaths[r.URL.Path]
	// A parameter that cannot be read does not matter: both types have one meaning only.
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	result, err := s.receiveHTTP(w, r, signal, media)
	if err != nil {
		s.refuseHTTP(w, r, signal, media, failureOf(err))
		return
	}
	s.seen.accepted(signal, transportHTTP, "200", result)
	writeHTTP(w, r, http.StatusOK, media, encodeResponse(signal, result, media == mediaJSON))
}

// receiveHTTP checks, reads and stores a request.
func (s *Server) receiveHTTP(w http.ResponseWriter, r *http.Request, signal ingest.Signal, media string) (ingest.Result, error) {
	if err := checkHTTP(w, r, signal, media); err != nil {
		return ingest.Result{}, err
	}
	if err := s.admit(r); err != nil {
		return ingest.Result{}, err
	}
	encoding, err := payload.Encoding(strings.Join(r.Header.Values("Content-Encoding"), ", "))
	if err != nil {
		return ingest.Result{}, err
	}
	if r.ContentLength > int64(s.config.MaxRequestBytes) {
		return ingest.Result{}, &payload.TooLargeError{Limit: s.config.MaxRequestBytes}
	}
	body, err := s.read(r.Body, int(r.ContentLength))
	if err != nil {
		return ingest.Result{}, err
	}
	return s.store(context.WithoutCancel(r.Context()), signal, body, encoding, media == mediaJSON)
}

// checkHTTP checks that the request is one of OTLP, and says what to change if it is not.
func checkHTTP(w http.ResponseWriter, r *http.Request, signal ingest.Signal, media string) error {
	switch {
	case isGRPC(r.Header.Get("Content-Type")):
		return &failure{
			reason: "media_type", grpc: codes.Unimplemented, http: http.StatusUnsupportedMediaType,
			message: "gRPC needs HTTP/2 all the way: a proxy in between speaks " + r.Proto + "; use OTLP over HTTP through it",
		}
	case signal == 0:
		return &failure{
			reason: "path", grpc: codes.NotFound, http: http.StatusNotFound,
			message: "nothing is received at " + strconv.Quote(r.URL.Path) + ": send to /v1/traces, /v1/metrics or /v1/logs; " +
				"OTEL_EXPORTER_OTLP_ENDPOINT is the address without these paths",
		}
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return &failure{
			reason: "method", grpc: codes.Unimplemented, http: http.StatusMethodNotAllowed,
			message: "method " + strconv.Quote(r.Method) + " is not allowed: use POST",
		}
	case media != mediaProtobuf && media != mediaJSON:
		return &failure{
			reason: "media_type", grpc: codes.Unimplemented, http: http.StatusUnsupportedMediaType,
			message: "content type " + strconv.Quote(r.Header.Get("Content-Type")) + " is not supported: use " +
				mediaProtobuf + " or " + mediaJSON,
		}
	}
	return nil
}

// read reads a body that has not been decompressed. The expected size may be unknown, which is -1.
func (s *Server) read(r io.Reader, expected int) (*payload.Buffer, error) {
	if expected < 0 {
		expected = 64 << 10
	}
	body, err := s.memory.ReadAll(r, expected, s.config.MaxRequestBytes)
	var tooLarge *payload.TooLargeError
	if err != nil && !errors.As(err, &tooLarge) && !errors.Is(err, payload.ErrBusy) {
		return nil, errAborted
	}
	return body, err
}

// transcode turns a JSON body into protobuf and frees the former.
func (s *Server) transcode(signal ingest.Signal, body *payload.Buffer) (*payload.Buffer, error) {
	defer body.Free()
	for size := len(body.Bytes); ; size = min(2*size, s.config.MaxRequestBytes) {
		out, err := s.memory.Get(size)
		if err != nil {
			return nil, err
		}
		encoded, err := otlpjson.Transcode(out.Bytes, signal, body.Bytes)
		if err == nil {
			out.Bytes = encoded
			return out, nil
		}
		out.Free()
		if !errors.Is(err, io.ErrShortBuffer) {
			return nil, err
		}
		if size >= s.config.MaxRequestBytes {
			return nil, &payload.TooLargeError{Limit: s.config.MaxRequestBytes}
		}
	}
}

func (s *Server) refuseHTTP(w http.ResponseWriter, r *http.Request, signal ingest.Signal, media string, f *failure) {
	s.seen.refused(signal, transportHTTP, strconv.Itoa(f.http), r.RemoteAddr, f)
	h := w.Header()
	if f.retryAfter > 0 {
		h.Set("Retry-After", f.retryAfterHeader())
	}
	switch f.http {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", payload.AcceptedEncodings)
	}
	s.discard(r)
	if media != mediaProtobuf {
		media = mediaJSON // for a request in no encoding of ours, the one that people can read
	}
	writeHTTP(w, r, f.http, media, f.statusBody(media == mediaJSON))
}

// discard reads what is left of the body, up to the limit, without keeping it. A sender over HTTP/1.1 that is still
// writing when the connection closes sees that instead of the answer, and would send the same bytes again and again.
func (s *Server) discard(r *http.Request) {
	if r.ProtoMajor == 1 && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, int64(s.config.MaxRequestBytes)) // the answer is the same either way
	}
}

// minGzip is the size from which compressing an answer makes it smaller, with something to spare.
const minGzip = 512

func writeHTTP(w http.ResponseWriter, r *http.Request, code int, media string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", media)
	if len(body) < minGzip || !acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(code)
		_, _ = w.Write(body) // a sender that is gone does not want to know
		return
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(code)
	z := gzip.NewWriter(w)
	_, _ = z.Write(body)
	_ = z.Close()
}

// acceptsGzip reads an Accept-Encoding header.
func acceptsGzip(header string) bool {
	return slices.ContainsFunc(strings.Split(header, ","), func(item string) bool {
		name, weight, _ := strings.Cut(item, ";")
		if name = strings.TrimSpace(name); !strings.EqualFold(name, "gzip") && name != "*" {
			return false
		}
		_, q, found := strings.Cut(strings.ReplaceAll(weight, " ", ""), "q=")
		v, err := strconv.ParseFloat(q, 64)
		return !found || (err == nil && v > 0)
	})
}

// allowOrigin lets the pages of Config.AllowedOrigins send telemetry, and reports whether the request was only the
// browser's question whether they may.
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request) (answered bool) {
	origin := r.Header.Get("Origin")
	if origin == "" || len(s.config.AllowedOrigins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !slices.Contains(s.config.AllowedOrigins, "*") && !slices.Contains(s.config.AllowedOrigins, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", "Retry-After")
		return false
	}
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	// Exporters may be configured with any header; which of them count is for Authorize to say.
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
	return true
}
