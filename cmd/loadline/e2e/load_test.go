package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// traceSpans is the number of spans of every generated trace: a root and its children.
const traceSpans = 5

// load is a stream of export requests whose ids follow from counters, so that a test can say which spans have to be
// there without remembering them. Request n has 1 to 40 traces.
type load struct {
	id      uint64 // the first half of all trace ids
	service string
	began   time.Time // not zero when requests are of metrics: then their samples are dated from here on
}

// traces is the number of traces in request n.
func (l load) traces(n int) int { return 1 + n*7919%40 }

// signal is what the requests are of, as it stands in the receivers' addresses.
func (l load) signal() string {
	if l.began.IsZero() {
		return "traces"
	}
	return "metrics"
}

// request encodes request n with spans that end at the given time. Trace numbers are n*64 and following.
func (l load) request(n int, at time.Time) []byte {
	if l.signal() == "metrics" {
		return l.samples(n)
	}
	scope := &trace.ScopeSpans{Scope: &common.InstrumentationScope{Name: "e2e"}}
	for k := range l.traces(n) {
		number := uint64(n)*64 + uint64(k)
		for i := range traceSpans {
			scope.Spans = append(scope.Spans, l.span(number, i, at))
		}
	}
	return encodeTraces(l.service, scope.Spans...)
}

func (l load) span(number uint64, i int, at time.Time) *trace.Span {
	s := &trace.Span{
		TraceId:           l.traceID(number),
		SpanId:            spanID(number, i),
		Name:              "GET /item/" + strconv.Itoa(i),
		Kind:              trace.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(at.Add(-l.duration(number)).UnixNano()),
		EndTimeUnixNano:   uint64(at.UnixNano()),
		Attributes:        []*common.KeyValue{text("e2e.number", strconv.FormatUint(number, 10))},
	}
	if i > 0 {
		s.ParentSpanId, s.Kind = spanID(number, 0), trace.Span_SPAN_KIND_INTERNAL
	}
	if number%10 == 0 {
		s.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR}
	}
	return s
}

// duration of the spans of a trace: 1 ms to 1 s.
func (l load) duration(number uint64) time.Duration {
	return time.Duration(1+number%1000) * time.Millisecond
}

func (l load) traceID(number uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, l.id), number)
}

func spanID(number uint64, i int) []byte {
	return binary.BigEndian.AppendUint64(nil, number<<3|uint64(i)+1<<62)
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// encodeTraces is an export request of one service.
func encodeTraces(service string, spans ...*trace.Span) []byte {
	body, err := proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{text("service.name", service), text("service.version", "1.0")}},
		ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "e2e"}, Spans: spans}},
	}}})
	if err != nil {
		panic("BUG: encode request: " + err.Error())
	}
	return body
}

// addresses of the receivers of the present process.
type addresses struct{ grpc, http string }

// refusal is an answer after which the sender sends the same bytes again. after is the delay that the answer asks for, 0
// without one.
type refusal struct {
	err   error
	after time.Duration
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// retryable are the HTTP codes after which OTLP lets a sender send again.
var retryable = map[int]bool{429: true, 502: true, 503: true, 504: true}

// post sends protobuf over HTTP. It returns a *refusal when the same bytes may be sent again.
func post(ctx context.Context, client *http.Client, address, signal string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v1/"+signal, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := client.Do(req)
	if err != nil {
		return &refusal{err: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return &refusal{err: err}
	case resp.StatusCode == http.StatusOK && len(answer) == 0:
		return nil
	case !retryable[resp.StatusCode]:
		return fmt.Errorf("HTTP %d: %q", resp.StatusCode, answer)
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return &refusal{fmt.Errorf("HTTP %d: %q", resp.StatusCode, answer), time.Duration(seconds) * time.Second}
}

// rawCodec sends bytes that are encoded already.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = bytes.Clone(data); return nil }
func (rawCodec) Name() string                       { return "proto" }

// dialGRPC returns a connection that does not retry by itself.
func dialGRPC(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
}

// The methods of OTLP over gRPC.
const (
	exportTraces  = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	exportMetrics = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
)

// export sends protobuf over gRPC. It returns a *refusal when the same bytes may be sent again.
func export(ctx context.Context, conn *grpc.ClientConn, method string, body []byte) error {
	var answer []byte
	err := conn.Invoke(ctx, method, &body, &answer, grpc.ForceCodec(rawCodec{}))
	switch status.Code(err) {
	case codes.OK:
		if len(answer) > 0 {
			return fmt.Errorf("partial success: %q", answer)
		}
		return nil
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		return &refusal{err, retryDelay(err)}
	}
	return err
}

// sender keeps sending a load until it is stopped; each request is repeated, byte for byte, until it is acknowledged.
type sender struct {
	load   load
	target atomic.Pointer[addresses]
	next   atomic.Int64 // the number of the next request
	every  time.Duration

	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	spans   int    // acknowledged
	traces  int    // acknowledged; of a load of metrics, pairs of samples
	repeats int    // requests that were sent once more
	numbers uint64 // the sum of the trace numbers of all acknowledged spans
	fatal   error  // an answer that must not have been given
}

// startSender runs workers, every other one over gRPC, each with a request per interval.
func startSender(l load, workers int, every time.Duration, at addresses) *sender {
	ctx, stop := context.WithCancel(context.Background())
	s := &sender{load: l, every: every, stop: stop}
	s.target.Store(&at)
	for w := range workers {
		s.done.Add(1)
		go func() {
			defer s.done.Done()
			s.work(ctx, w%2 == 1)
		}()
	}
	return s
}

// finish ends the stream of new requests and waits until all that were begun are acknowledged.
func (s *sender) finish() error {
	s.stop()
	s.done.Wait()
	return s.fatal
}

// giveUp is how long a request may fail before the sender says so.
const giveUp = 90 * time.Second

func (s *sender) work(ctx context.Context, overGRPC bool) {
	client := &http.Client{Transport: new(http.Transport), Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	method := exportTraces
	if s.load.signal() == "metrics" {
		method = exportMetrics
	}
	var conn *grpc.ClientConn
	var connected string
	send := func(body []byte) error {
		at := s.target.Load()
		limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if !overGRPC {
			return post(limit, client, at.http, s.load.signal(), body)
		}
		if connected != at.grpc {
			if conn != nil {
				_ = conn.Close()
			}
			var err error
			if conn, err = dialGRPC(at.grpc); err != nil {
				return err
			}
			connected = at.grpc
		}
		return export(limit, conn, method, body)
	}
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		n := int(s.next.Add(1) - 1)
		body := s.load.request(n, time.Now())
		tries := 0
		err := waitFor(context.Background(), giveUp, func() error {
			tries++
			err := send(body)
			var again *refusal
			if err != nil && !errors.As(err, &again) {
				s.fail(err)
				return nil
			}
			return err
		})
		s.settle(n, tries, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (s *sender) settle(n, tries int, err error) {
	if err != nil {
		s.fail(fmt.Errorf("request %d is not acknowledged after %s and %d tries: %w", n, giveUp, tries, err))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traces += s.load.traces(n)
	s.spans += s.load.traces(n) * traceSpans
	s.repeats += tries - 1
	for k := range s.load.traces(n) {
		s.numbers += traceSpans * (uint64(n)*64 + uint64(k))
	}
}

func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fatal = errors.Join(s.fatal, err)
	s.stop()
}
