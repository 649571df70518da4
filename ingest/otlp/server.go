// Package otlp receives OTLP over gRPC and HTTP: it authenticates, limits, decompresses, turns JSON into protobuf and
// hands the bytes of each request to the write path, whose verdict it puts into the words of the protocol.
//
// Both ports speak everything. A sender that mixed up 4317 and 4318 is served instead of being given a riddle. For
// that, and because the limits must hold before and while a body is read, gRPC is answered from net/http's HTTP/2
// server and not from grpc.Server: that one collects and decompresses a message before any code of ours runs, answers
// a corrupt body with INTERNAL, and would need a second server and a sniffer to share its port. What OTLP uses of gRPC
// is one message in, one message out, and a status in the trailers; it is in grpc.go.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"loadline/ingest"
	"loadline/ingest/otlp/payload"
)

// Export stores one request: the uncompressed protobuf of an Export*ServiceRequest. When it returns without an error,
// the request is durable; it must not use the body after it returned. Its errors are those of ingest.Pipeline, and any
// other error is told to the sender as a failure that may pass.
type Export func(ctx context.Context, signal ingest.Signal, body []byte) (ingest.Result, error)

// Timeouts that nobody has a reason to set.
const (
	headerTimeout = 10 * time.Second // to send the headers of a request
	readTimeout   = time.Minute      // to send a whole request
	idleTimeout   = 5 * time.Minute  // between requests; metrics usually come once a minute
	pingAfter     = time.Minute      // without a frame on an HTTP/2 connection
	pingTimeout   = 20 * time.Second // for the answer, before the connection is closed
	writeTimeout  = 30 * time.Second // for the peer of an HTTP/2 connection to take bytes
	exportTimeout = 30 * time.Second // for a request without a deadline of its own to become durable
	maxStreams    = 250              // requests at once on one HTTP/2 connection
	maxHeader     = 64 << 10         // bytes of headers
)

// Server is a pair of OTLP receivers.
type Server struct {
	config       Config
	export       Export
	listeners    map[string]net.Listener // by transport; one for both if the addresses are equal
	memory       *payload.Memory
	decompressor *payload.Decompressor
	seen         *observer
	open         atomic.Int64  // connections
	draining     chan struct{} // closed when the shutdown begins
}

// New validates the configuration and opens the ports. Nothing is answered before Run.
func New(config Config, export Export) (*Server, error) {
	config = config.withDefaults()
	if err := config.Validate(); err != nil {
		return nil, err
	}
	m := payload.NewMemory(config.MaxInflightBytes)
	s := &Server{
		config:       config,
		export:       export,
		listeners:    map[string]net.Listener{},
		memory:       m,
		decompressor: payload.NewDecompressor(m, config.MaxRequestBytes),
		seen:         newObserver(config.Log),
		draining:     make(chan struct{}),
	}
	var err error
	if s.listeners[transportGRPC], err = listen("gRPC", config.GRPCAddress); err != nil {
		return nil, err
	}
	if config.HTTPAddress == config.GRPCAddress {
		s.listeners[transportHTTP] = s.listeners[transportGRPC]
		return s, nil
	}
	if s.listeners[transportHTTP], err = listen("HTTP", config.HTTPAddress); err != nil {
		return nil, errors.Join(err, s.listeners[transportGRPC].Close())
	}
	return s, nil
}

func listen(name, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address) //nolint:noctx // opening a port does not wait for anything
	if err != nil {
		return nil, fmt.Errorf("listen for OTLP/%s: %w: stop what holds the port, often another collector, or choose another address",
			name, err)
	}
	return l, nil
}

// GRPCAddr returns the address that is open for gRPC, with the port that was chosen if the configured one was 0.
func (s *Server) GRPCAddr() net.Addr { return s.listeners[transportGRPC].Addr() }

// HTTPAddr returns the address that is open for HTTP.
func (s *Server) HTTPAddr() net.Addr { return s.listeners[transportHTTP].Addr() }

// Run answers requests until ctx is done, or a port fails. Then it refuses new requests with an error that senders
// retry, and returns when those at work are answered, or Config.DrainTimeout has passed.
func (s *Server) Run(ctx context.Context) error {
	server, err := s.httpServer()
	if err != nil {
		return err
	}
	opened := []net.Listener{s.listeners[transportGRPC]}
	if s.listeners[transportHTTP] != opened[0] {
		opened = append(opened, s.listeners[transportHTTP])
	}
	failed := make(chan error, len(opened))
	for _, l := range opened {
		go func() {
			l = &listener{l, s}
			if s.config.TLS != nil {
				failed <- server.ServeTLS(l, "", "")
			} else {
				failed <- server.Serve(l)
			}
		}()
	}
	running := len(opened)
	select {
	case <-ctx.Done():
	case err = <-failed:
		running--
		err = fmt.Errorf("serve OTLP: %w", err)
	}
	close(s.draining)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.DrainTimeout)
	defer cancel()
	if server.Shutdown(drain) != nil {
		err = errors.Join(err, fmt.Errorf("stop OTLP: requests still at work after %s: %w", s.config.DrainTimeout, server.Close()))
	}
	for range running {
		<-failed
	}
	return err
}

func (s *Server) httpServer() (*http.Server, error) {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(serverLog{s.seen}, "", 0),
		ConnContext:       withOpened,
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     writeTimeout,
		},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	var err error
	if s.config.TLS != nil {
		server.TLSConfig, err = s.config.TLS.load()
	}
	return server, err
}

// ServeHTTP answers a request of either transport on either port.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if time.Since(opened(r.Context())) > s.config.MaxConnectionAge {
		w.Header().Set("Connection", "close") // in HTTP/2 this finishes the connection gracefully
	}
	if isGRPC(r.Header.Get("Content-Type")) && r.ProtoMajor >= 2 {
		s.serveGRPC(w, r)
		return
	}
	s.serveHTTP(w, r)
}

// admit checks what does not depend on the transport before anything of the body is read.
func (s *Server) admit(r *http.Request) error {
	if s.isDraining() {
		return ingest.ErrClosed
	}
	if s.config.Authorize != nil {
		if err := s.config.Authorize(r.Header); err != nil {
			return authFailure(err)
		}
	}
	return nil
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// store turns the body into plain protobuf, exports it and frees it. A sender that goes away after its request has
// arrived does not stop it: it may have been about to succeed, and the sender will not know either way.
func (s *Server) store(ctx context.Context, signal ingest.Signal, body *payload.Buffer, encoding string, json bool) (ingest.Result, error) {
	body, err := s.decompressor.Plain(body, encoding)
	if err == nil && json {
		body, err = s.transcode(signal, body)
	}
	if err != nil {
		return ingest.Result{}, err
	}
	defer body.Free()
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	return s.export(ctx, signal, body.Bytes)
}

// serverLog receives what net/http has to say about connections. Failed handshakes are refusals: a sender with the
// wrong certificates, or none, never gets as far as a request.
type serverLog struct{ seen *observer }

func (l serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if rest, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		peer, message, _ := strings.Cut(rest, ": ")
		l.seen.record(Refusal{Transport: "tcp", Signal: "unknown", Peer: peer, Reason: "tls", Message: "TLS handshake: " + message})
	} else {
		l.seen.log.Log(context.Background(), slog.LevelWarn, "otlp connection", "message", text)
	}
	return len(line), nil
}
