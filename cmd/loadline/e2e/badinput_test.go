package e2e

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // registers the compressor
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"loadline/internal/clickhouse"
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// answer is what a server says to a request over HTTP.
type answer struct {
	code        int
	contentType string
	body        []byte
}

func send(t *testing.T, method, url string, body io.Reader, headers ...string) answer {
	t.Helper()
	a, err := trySend(t.Context(), method, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func trySend(ctx context.Context, method, url string, body io.Reader, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), text}, err
}

// partial reads the partial success of an answer to traces.
func (a answer) partial(t *testing.T) (rejected int64, message string) {
	t.Helper()
	var response collector.ExportTraceServiceResponse
	decode := proto.Unmarshal
	if a.contentType == jsonType {
		decode = protojson.Unmarshal
	}
	if err := decode(a.body, &response); err != nil || a.code != http.StatusOK {
		t.Fatalf("%d %q: %v", a.code, a.body, err)
	}
	return response.GetPartialSuccess().GetRejectedSpans(), response.GetPartialSuccess().GetErrorMessage()
}

// status reads the google.rpc.Status of a refusal.
func (a answer) status(t *testing.T) (code codes.Code, message string) {
	t.Helper()
	var s status.Status
	decode := proto.Unmarshal
	if a.contentType == jsonType {
		decode = protojson.Unmarshal
	}
	if err := decode(a.body, &s); err != nil {
		t.Fatalf("%d %s %q: %v", a.code, a.contentType, a.body, err)
	}
	return codes.Code(s.Code), s.Message
}

// nested is a list in a list in a list.
func nested(levels int) *common.AnyValue {
	v := &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: 1}}
	for range levels {
		v = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{v}}}}
	}
	return v
}

// nestedJSON is the same as OTLP/JSON writes it.
func nestedJSON(levels int) string {
	return strings.Repeat(`{"arrayValue":{"values":[`, levels) + `{"intValue":"1"}` + strings.Repeat(`]}}`, levels)
}

// badSpans returns two good spans and one for each way in which a span can be bad.
func badSpans(id uint64) []*trace.Span {
	l, now := load{id: id}, time.Now()
	span := func(n uint64, change func(*trace.Span)) *trace.Span {
		s := l.span(n, 0, now)
		change(s)
		return s
	}
	year := func(y int) func(*trace.Span) {
		return func(s *trace.Span) {
			s.StartTimeUnixNano = uint64(time.Date(y, 1, 1, 0, 0, 1, 0, time.UTC).UnixNano())
			s.EndTimeUnixNano = s.StartTimeUnixNano + 1
		}
	}
	return []*trace.Span{
		span(1, func(*trace.Span) {}),
		span(2, func(s *trace.Span) { s.TraceId = make([]byte, 16) }),
		span(3, func(s *trace.Span) { s.TraceId = s.TraceId[:15] }),
		span(4, func(s *trace.Span) { s.SpanId = make([]byte, 8) }),
		span(5, func(s *trace.Span) { s.SpanId = nil }),
		span(6, year(1970)),
		span(7, year(2100)),
		span(8, func(s *trace.Span) {
			s.Attributes = append(s.Attributes, &common.KeyValue{Key: "deep", Value: nested(1000)})
		}),
		span(9, func(*trace.Span) {}),
	}
}

// badCounts are the counters that badSpans moves, and by how much.
var badCounts = map[string]int{"bad_trace_id": 2, "bad_span_id": 2, "too_old": 1, "in_future": 1, "too_deep": 1}

const badMessage = "2 rejected: trace_id must be 16 bytes, not all zero; 2 rejected: span_id must be 8 bytes, not all zero; " +
	"1 rejected: the timestamp is older than the retention; 1 rejected: the timestamp is more than an hour in the future: " +
	"check the sender's clock; 1 rejected: an attribute is nested deeper than 64 levels"

// TestBadInput sends what no SDK should send and looks for the answer that OTLP asks for, for what is kept, for the
// counters and for the server's memory.
func TestBadInput(t *testing.T) {
	p := serve(t, t.TempDir())
	_, db := p.open(t)
	conn, err := grpc.NewClient("passthrough:///"+p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := badInput{p, db, conn, "http://" + p.http + "/v1/traces"}
	t.Run("malformed", b.malformed)
	t.Run("wrong address or type", b.wrongType)
	t.Run("good and bad spans", b.mixed)
	t.Run("JSON", b.json)
	t.Run("10 MB attribute", b.large)
	t.Run("bombs", b.bombs)
	if code, _, err := p.get("/-/ready"); code != http.StatusOK || err != nil {
		t.Errorf("not ready afterwards: %d, %v", code, err)
	}
}

type badInput struct {
	p    *process
	db   *clickhouse.DB
	conn *grpc.ClientConn
	url  string
}

// refused checks the counter of requests of which nothing was stored.
func (b badInput) refused(t *testing.T, signal, transport, reason string, before, more float64) {
	t.Helper()
	name := fmt.Sprintf("loadline_otlp_refused_total{signal=%q,transport=%q,reason=%q}", signal, transport, reason)
	if got := b.p.metric(t, name); got != before+more {
		t.Errorf("%s: %v, want %v", name, got, before+more)
	}
}

func (b badInput) malformed(t *testing.T) {
	good := load{id: 1}.request(1, time.Now())
	f := func(contentType string, body []byte, want string) {
		t.Helper()
		a := send(t, http.MethodPost, b.url, bytes.NewReader(body), "Content-Type", contentType)
		code, message := a.status(t)
		if a.code != http.StatusBadRequest || a.contentType != contentType || code != codes.InvalidArgument || !strings.Contains(message, want) {
			t.Errorf("%s %.20q: %d %s %v %q, want %q", contentType, body, a.code, a.contentType, code, message, want)
		}
	}
	f(protobufType, []byte("this is no protobuf"), "malformed traces request")
	f(protobufType, good[:len(good)-3], "malformed traces request")
	f(protobufType, bytes.Repeat([]byte{0xff}, 100), "malformed traces request")
	f(jsonType, []byte(`{"resourceSpans":[`), "")
	f(jsonType, []byte(`{"resourceSpans":{"scopeSpans":1}}`), "resourceSpans")
	f(jsonType, good, "")
	for _, body := range [][]byte{[]byte("this is no protobuf"), good[:len(good)-3]} {
		if err := export(t.Context(), b.conn, exportTraces, body); grpcstatus.Code(err) != codes.InvalidArgument {
			t.Errorf("gRPC %.20q: %v", body, err)
		}
	}
	b.refused(t, "traces", "http", "malformed", 0, 6)
	b.refused(t, "traces", "grpc", "malformed", 0, 2)
	for _, encoding := range []string{"gzip", "zstd"} {
		a := send(t, http.MethodPost, b.url, strings.NewReader("not compressed"), "Content-Type", protobufType, "Content-Encoding", encoding)
		if code, message := a.status(t); a.code != http.StatusBadRequest || code != codes.InvalidArgument || !strings.Contains(message, encoding) {
			t.Errorf("%s: %d %v %q", encoding, a.code, code, message)
		}
	}
	b.refused(t, "traces", "http", "malformed", 6, 2)
}

func (b badInput) wrongType(t *testing.T) {
	f := func(method, path, contentType, encoding string, wantCode int, want string) {
		t.Helper()
		a := send(t, method, "http://"+b.p.http+path, strings.NewReader("x"), "Content-Type", contentType, "Content-Encoding", encoding)
		if _, message := a.status(t); a.code != wantCode || !strings.Contains(message, want) {
			t.Errorf("%s %s %s: %d %q, want %d %q", method, path, contentType, a.code, message, wantCode, want)
		}
	}
	f("POST", "/v1/traces", "text/plain", "", http.StatusUnsupportedMediaType, "use application/x-protobuf or application/json")
	f("POST", "/v1/traces", "", "", http.StatusUnsupportedMediaType, "use application/x-protobuf or application/json")
	f("POST", "/v1/traces", "application/xml", "", http.StatusUnsupportedMediaType, "application/xml")
	f("POST", "/v1/traces", protobufType, "br", http.StatusUnsupportedMediaType, "use one of gzip, zstd")
	f("GET", "/v1/traces", protobufType, "", http.StatusMethodNotAllowed, "use POST")
	f("POST", "/", protobufType, "", http.StatusNotFound, "/v1/traces, /v1/metrics or /v1/logs")
	f("POST", "/v1/trace", protobufType, "", http.StatusNotFound, "/v1/traces, /v1/metrics or /v1/logs")
	b.refused(t, "traces", "http", "media_type", 0, 3)
	b.refused(t, "traces", "http", "unsupported_encoding", 0, 1)
	b.refused(t, "traces", "http", "method", 0, 1)
	b.refused(t, "unknown", "http", "path", 0, 2)
}

// kept waits for the good spans of badSpans and checks that they are alone.
func (b badInput) kept(t *testing.T, service string) {
	t.Helper()
	name := clickhouse.Named("service", service)
	eventually(t, 30*time.Second, func() error {
		n, err := scalar[uint64](t.Context(), b.db, "SELECT count() FROM spans WHERE service = {service:String}", name)
		if err == nil && n == 0 {
			err = fmt.Errorf("no span of %q", service)
		}
		return err
	})
	var got []string
	rows, err := b.db.Query(t.Context(), "SELECT lower(hex(span_id)) FROM spans WHERE service = {service:String} ORDER BY 1", name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		got = append(got, id)
	}
	want := []string{hex.EncodeToString(spanID(1, 0)), hex.EncodeToString(spanID(9, 0))}
	if diff := cmp.Diff(want, got); diff != "" || rows.Err() != nil {
		t.Errorf("stored spans: %v %s", rows.Err(), diff)
	}
	eventually(t, 10*time.Second, func() error {
		n, err := scalar[uint64](t.Context(), b.db, "SELECT sum(spans) FROM red_10s WHERE service = {service:String}", name)
		if err == nil && n != 2 {
			err = fmt.Errorf("red_10s counts %d spans, want 2", n)
		}
		return err
	})
}

func (b badInput) mixed(t *testing.T) {
	a := send(t, http.MethodPost, b.url, bytes.NewReader(encodeTraces("mixed-http", badSpans(2)...)), "Content-Type", protobufType)
	if rejected, message := a.partial(t); rejected != 7 || message != badMessage || a.contentType != protobufType {
		t.Errorf("HTTP: %d rejected, %q", rejected, message)
	}
	b.kept(t, "mixed-http")

	body := encodeTraces("mixed-grpc", badSpans(3)...)
	var reply []byte
	if err := b.conn.Invoke(t.Context(), exportTraces, &body, &reply, grpc.ForceCodec(rawCodec{})); err != nil {
		t.Fatal(err)
	}
	if rejected, message := (answer{code: 200, contentType: protobufType, body: reply}).partial(t); rejected != 7 || message != badMessage {
		t.Errorf("gRPC: %d rejected, %q", rejected, message)
	}
	b.kept(t, "mixed-grpc")
	for reason, n := range badCounts {
		name := fmt.Sprintf("loadline_ingest_rejected_total{signal=\"traces\",reason=%q}", reason)
		if got := b.p.metric(t, name); got != float64(2*n) {
			t.Errorf("%s: %v, want %d", name, got, 2*n)
		}
	}
}

func (b badInput) json(t *testing.T) {
	now := time.Now().UnixNano()
	span := func(traceID, id, value string) string {
		return fmt.Sprintf(`{"traceId":%q,"spanId":%q,"name":"j","startTimeUnixNano":"%d","endTimeUnixNano":%d,
			"attributes":[{"key":"deep","value":%s}]}`, traceID, id, now, now+1000, value)
	}
	request := func(spans ...string) string {
		return `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"json"}}]},"scopeSpans":[{"spans":[` +
			strings.Join(spans, ",") + `]}]}]}`
	}
	good := "5B8EFFF798038103D269B633813FC60C" // either case
	body := request(span(good, "EEE19B7EC3C1B174", nestedJSON(60)), span(strings.Repeat("0", 32), "EEE19B7EC3C1B175", `{}`),
		span(good, "eee19b7ec3c1b176", nestedJSON(1000)))
	a := send(t, http.MethodPost, b.url, strings.NewReader(body), "Content-Type", "application/json; charset=utf-8")
	rejected, message := a.partial(t)
	if want := "1 rejected: trace_id must be 16 bytes, not all zero; 1 rejected: an attribute is nested deeper than 64 levels"; rejected != 2 || message != want {
		t.Errorf("%d rejected, %q", rejected, message)
	}
	eventually(t, 30*time.Second, func() error {
		n, err := scalar[uint64](t.Context(), b.db, "SELECT count() FROM spans WHERE service = 'json'")
		if err == nil && n != 1 {
			err = fmt.Errorf("%d spans are stored, want 1", n)
		}
		return err
	})
	if got := one[string](t, b.db, "SELECT attributes['deep'] FROM spans WHERE service = 'json'"); got != strings.Repeat("[", 60)+"1"+strings.Repeat("]", 60) {
		t.Errorf("value of 60 levels: %q", got)
	}
}

func (b badInput) large(t *testing.T) {
	s := load{id: 5}.span(1, 0, time.Now())
	s.Attributes = append(s.Attributes, text("large", strings.Repeat("é", 5<<20)))
	a := send(t, http.MethodPost, b.url, bytes.NewReader(encodeTraces("large", s)), "Content-Type", protobufType)
	if rejected, message := a.partial(t); rejected != 0 || message != "1 attribute values longer than 65536 bytes were cut" {
		t.Errorf("%d rejected, %q", rejected, message)
	}
	eventually(t, 30*time.Second, func() error {
		n, err := scalar[uint64](t.Context(), b.db, "SELECT max(length(attributes['large'])) FROM spans WHERE service = 'large'")
		if err == nil && n != 64<<10 {
			err = fmt.Errorf("%d bytes are stored", n)
		}
		return err
	})
	if types := one[string](t, b.db, "SELECT attribute_types FROM spans WHERE service = 'large'"); types != "st" {
		t.Errorf("types %q, want that of a cut string", types)
	}
}

// bomb is 8 GiB of zeros in eight parts.
func bomb(t *testing.T, encoding string) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	if encoding == "gzip" {
		w, err = gzip.NewWriterLevel(&out, gzip.BestSpeed)
	} else {
		w, err = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	}
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 1 << 10 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(out.Bytes(), 8)
}

// maxBombMemory is by how much the server may grow while bombs arrive: twice the limit of what is in flight, which is a
// quarter of a gigabyte, because the garbage collector lets as much lie around, and the decoders' windows.
const maxBombMemory = 768 << 20

func (b badInput) bombs(t *testing.T) {
	before := b.p.residentBytes(t, false)
	for _, encoding := range []string{"gzip", "zstd"} {
		data := bomb(t, encoding)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				a, err := trySend(t.Context(), http.MethodPost, b.url, bytes.NewReader(data), "Content-Type", protobufType, "Content-Encoding", encoding)
				// Eight at a time are more than the memory for requests, so some are asked to come again.
				if err != nil || a.code != http.StatusRequestEntityTooLarge && a.code != http.StatusServiceUnavailable {
					t.Errorf("%s bomb: %d %q, %v", encoding, a.code, a.body, err)
				}
			})
		}
		all.Wait()
		a := send(t, http.MethodPost, b.url, bytes.NewReader(data), "Content-Type", protobufType, "Content-Encoding", encoding)
		if code, message := a.status(t); a.code != http.StatusRequestEntityTooLarge || code != codes.ResourceExhausted {
			t.Errorf("%s bomb: %d %v %q", encoding, a.code, code, message)
		}
		t.Logf("%s bomb of %d bytes: the server has %d MiB, at most %d MiB, before %d MiB", encoding, len(data),
			b.p.residentBytes(t, false)>>20, b.p.residentBytes(t, true)>>20, before>>20)
	}
	zeros := make([]byte, 100<<20)
	var reply []byte
	err := b.conn.Invoke(t.Context(), exportTraces, &zeros, &reply, grpc.ForceCodec(rawCodec{}), grpc.UseCompressor("gzip"))
	if grpcstatus.Code(err) != codes.ResourceExhausted || retryDelay(err) != 0 {
		t.Errorf("gRPC bomb: %v", err)
	}
	if peak := b.p.residentBytes(t, true); peak > before+maxBombMemory {
		t.Errorf("bombs made the server grow from %d to %d MiB", before>>20, peak>>20)
	}
	if b.p.metric(t, `loadline_otlp_refused_total{signal="traces",transport="http",reason="too_large"}`) < 2 {
		t.Error("bombs are not counted")
	}
}
