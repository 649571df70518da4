// Package sender delivers OTLP requests that are already encoded, over gRPC or HTTP, and says exactly what became of each:
// taken, partly rejected, refused, or unknown. The SDK's exporters say less and cost more.
package sender

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // the compressor that grpc.UseCompressor names
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"loadline/ingest/demo/generator"
)

// The transports that OTLP is sent over.
const (
	GRPC = "grpc"
	HTTP = "http"
)

// method is the gRPC method that takes a signal.
func method(s generator.Signal) string {
	switch s {
	case generator.Metrics:
		return "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
	case generator.Logs:
		return "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
	}
	return "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
}

// Destination is where telemetry goes.
type Destination struct {
	Host      string // host:port
	Transport string // GRPC or HTTP
	Headers   map[string]string
	secure    bool
}

// ParseDestination reads what a user wrote: an endpoint is host:port, or a URL whose scheme https asks for TLS; an empty
// transport is GRPC.
func ParseDestination(endpoint, transport string, headers map[string]string) (Destination, error) {
	d := Destination{Host: endpoint, Transport: transport, Headers: headers}
	if d.Transport == "" {
		d.Transport = GRPC
	}
	if d.Transport != GRPC && d.Transport != HTTP {
		return d, fmt.Errorf("transport %q is unknown: choose %q or %q", transport, GRPC, HTTP)
	}
	if strings.Contains(endpoint, "://") {
		u, err := url.Parse(endpoint)
		if err != nil {
			return d, fmt.Errorf("endpoint %q: %w", endpoint, err)
		}
		d.Host, d.secure = u.Host, u.Scheme == "https"
	}
	if d.Host == "" {
		return d, fmt.Errorf("endpoint %q has no host: write host:port, such as 127.0.0.1:4317", endpoint)
	}
	return d, nil
}

// URL is the base of the receiver's HTTP paths.
func (d Destination) URL() string {
	if d.secure {
		return "https://" + d.Host
	}
	return "http://" + d.Host
}

// Credentials are those of a gRPC connection.
func (d Destination) Credentials() credentials.TransportCredentials {
	if d.secure {
		return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	return insecure.NewCredentials()
}

// Client sends OTLP requests that are already encoded, over one connection. It is not safe for concurrent use.
type Client struct {
	Destination
	compression string
	conn        *grpc.ClientConn
	http        *http.Client
	packed      bytes.Buffer
	zstd        *zstd.Encoder
}

// Refusal is an answer other than success.
type Refusal struct {
	err       error
	retryable bool
	after     time.Duration // how long the server asks to wait
	Unknown   bool          // no answer came: the server may have taken the request
}

func (r *Refusal) Error() string { return r.err.Error() }

func (r *Refusal) Unwrap() error { return r.err }

// New opens a connection when it is first needed. Compression is none (or empty), gzip, or over HTTP zstd.
func New(d Destination, compression string) (*Client, error) {
	c := &Client{Destination: d, compression: compression}
	switch compression {
	case "", "none":
		c.compression = ""
	case "gzip":
	case "zstd":
		if d.Transport == GRPC {
			return nil, errors.New(`compression "zstd" is for transport "http" only: choose "gzip" or "none"`)
		}
		var err error
		if c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
			return nil, fmt.Errorf("zstd encoder: %w", err)
		}
	default:
		return nil, fmt.Errorf(`compression %q is unknown: choose "none", "gzip" or "zstd"`, compression)
	}
	if d.Transport == HTTP {
		c.http = &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1, WriteBufferSize: 64 << 10, DisableCompression: true}}
		return c, nil
	}
	var err error
	c.conn, err = grpc.NewClient(d.Host,
		grpc.WithTransportCredentials(d.Credentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})),
		grpc.WithWriteBufferSize(256<<10))
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", d.Host, err)
	}
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		return
	}
	c.http.CloseIdleConnections()
}

// send delivers one request and returns how many items the server rejected. The body is not changed; an error is a
// *Refusal or comes from ctx.
func (c *Client) send(ctx context.Context, s generator.Signal, body []byte) (rejected int, err error) {
	var reply []byte
	if c.Transport == GRPC {
		reply, err = c.sendGRPC(ctx, s, body)
	} else {
		reply, err = c.sendHTTP(ctx, s, body)
	}
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, err
	}
	return rejectedItems(reply), nil
}

func (c *Client) sendGRPC(ctx context.Context, s generator.Signal, body []byte) ([]byte, error) {
	var options []grpc.CallOption
	if c.compression != "" {
		options = append(options, grpc.UseCompressor(c.compression))
	}
	if len(c.Headers) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, metadata.New(c.Headers))
	}
	var reply []byte
	err := c.conn.Invoke(ctx, method(s), body, &reply, options...)
	if err == nil {
		return reply, nil
	}
	st := status.Convert(err)
	r := &Refusal{err: fmt.Errorf("export %s: %w", s, err)}
	asked := false
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			asked, r.after = true, info.GetRetryDelay().AsDuration()
		}
	}
	switch st.Code() {
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.DataLoss:
		// A lost connection is UNAVAILABLE too, and only a server says how long to wait.
		r.retryable, r.Unknown = true, !asked
	case codes.ResourceExhausted:
		r.retryable = asked
	}
	return nil, r
}

func (c *Client) sendHTTP(ctx context.Context, s generator.Signal, body []byte) ([]byte, error) {
	body, err := c.pack(body)
	if err != nil {
		return nil, &Refusal{err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL()+"/v1/"+string(s), bytes.NewReader(body))
	if err != nil {
		return nil, &Refusal{err: fmt.Errorf("request to %q: %w", c.Host, err)}
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.compression != "" {
		req.Header.Set("Content-Encoding", c.compression)
	}
	for k, v := range c.Headers {
		req.Header.Set(k, v)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &Refusal{err: fmt.Errorf("export %s: %w", s, err), retryable: true, Unknown: true}
	}
	defer func() { _ = resp.Body.Close() }()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, &Refusal{err: fmt.Errorf("answer to %s: %w", s, err), retryable: true, Unknown: true}
	}
	if resp.StatusCode == http.StatusOK {
		return reply, nil
	}
	r := &Refusal{err: fmt.Errorf("export %s: status %d", s, resp.StatusCode)}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		r.retryable = true
		r.after = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	return nil, r
}

func (c *Client) pack(body []byte) ([]byte, error) {
	switch c.compression {
	case "gzip":
		c.packed.Reset()
		w := gzip.NewWriter(&c.packed)
		if _, err := w.Write(body); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
		return c.packed.Bytes(), nil
	case "zstd":
		return c.zstd.EncodeAll(body, nil), nil
	}
	return body, nil
}

// Deliver sends a request until it is taken, waiting between attempts as the server asks or ever longer. What is
// resent are the same bytes, so that a server can recognise them.
func (c *Client) Deliver(ctx context.Context, s generator.Signal, body []byte, resendUnknown bool, retried func(error)) (rejected int, err error) {
	backoff := 100 * time.Millisecond
	for {
		rejected, err = c.send(ctx, s, body)
		var r *Refusal
		if err == nil || !errors.As(err, &r) || !r.retryable || r.Unknown && !resendUnknown {
			return rejected, err
		}
		retried(err)
		timer := time.NewTimer(max(r.after, backoff))
		select {
		case <-ctx.Done():
			timer.Stop()
			return 0, ctx.Err()
		case <-timer.C:
		}
		backoff = min(2*backoff, 5*time.Second)
	}
}

// retryAfter reads both forms of the header: seconds and a date.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(max(0, seconds)) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// rejectedItems reads the partial success of an export response: field 1, and in it the count in field 1. The three
// signals share this layout.
func rejectedItems(reply []byte) int {
	partial := field(reply, 1)
	for len(partial) > 0 {
		num, typ, n := protowire.ConsumeTag(partial)
		if n < 0 {
			return 0
		}
		partial = partial[n:]
		if num == 1 && typ == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(partial)
			return int(v)
		}
		if n = protowire.ConsumeFieldValue(num, typ, partial); n < 0 {
			return 0
		}
		partial = partial[n:]
	}
	return 0
}

// field returns the bytes of a length-delimited field of a message, nil when it is not there.
func field(message []byte, number protowire.Number) []byte {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		if num == number && typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(message)
			return v
		}
		if n = protowire.ConsumeFieldValue(num, typ, message); n < 0 {
			return nil
		}
		message = message[n:]
	}
	return nil
}

// rawCodec passes encoded messages through gRPC untouched.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("message of type %T is not encoded", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("message of type %T is not encoded", v)
	}
	*b = data.Materialize()
	return nil
}
