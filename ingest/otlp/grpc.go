package otlp

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"loadline/ingest"
	"loadline/ingest/otlp/payload"
)

// The methods that are answered, by path.
var (
	exportMethods = map[string]ingest.Signal{
		"/opentelemetry.proto.collector.trace.v1.TraceService/Export":     ingest.Traces,
		"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": ingest.Metrics,
		"/opentelemetry.proto.collector.logs.v1.LogsService/Export":       ingest.Logs,
	}
	healthMethods = map[string]bool{healthpb.Health_Check_FullMethodName: true, healthpb.Health_Watch_FullMethodName: true}
)

// isGRPC reports whether a content type is one of gRPC, which gRPC-Web's are not.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(contentType), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

func (s *Server) serveGRPC(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Accept-Encoding", strings.ReplaceAll(payload.AcceptedEncodings, " ", ""))
	signal := exportMethods[r.URL.Path]
	if healthMethods[r.URL.Path] {
		if f := s.serveHealth(w, r); f != nil {
			finishGRPC(w, f)
		}
		return
	}
	result, err := s.receiveGRPC(r, signal)
	if err != nil {
		f := failureOf(err)
		s.seen.refused(signal, transportGRPC, f.grpc.String(), r.RemoteAddr, f)
		finishGRPC(w, f)
		return
	}
	s.seen.accepted(signal, transportGRPC, codes.OK.String(), result)
	writeMessage(w, encodeResponse(signal, result, false))
	finishGRPC(w, nil)
}

// receiveGRPC checks, reads and stores a request.
func (s *Server) receiveGRPC(r *http.Request, signal ingest.Signal) (ingest.Result, error) {
	if signal == 0 || r.Method != http.MethodPost {
		return ingest.Result{}, &failure{
			reason: "path", grpc: codes.Unimplemented,
			message: fmt.Sprintf("method %q is not known: traces, metrics and logs are received by OTLP's Export", r.URL.Path),
		}
	}
	if subtype := strings.ToLower(r.Header.Get("Content-Type")); strings.HasPrefix(subtype, "application/grpc+") &&
		!strings.HasPrefix(subtype, "application/grpc+proto") {
		return ingest.Result{}, &failure{
			reason: "media_type", grpc: codes.Unimplemented,
			message: fmt.Sprintf("content type %q is not supported: use application/grpc+proto", subtype),
		}
	}
	if err := s.admit(r); err != nil {
		return ingest.Result{}, err
	}
	// The time that the sender gives counts from its request's start, not from its end.
	ctx, cancel := withGRPCTimeout(context.WithoutCancel(r.Context()), r.Header.Get("Grpc-Timeout"))
	defer cancel()
	body, encoding, err := s.readMessage(r)
	if err != nil {
		return ingest.Result{}, err
	}
	return s.store(ctx, signal, body, encoding, false)
}

// readMessage reads the one message of a request: a byte that says whether it is compressed, four of length, the rest.
func (s *Server) readMessage(r *http.Request) (body *payload.Buffer, encoding string, err error) {
	var prefix [5]byte
	if _, err := io.ReadFull(r.Body, prefix[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, "", protocolFailure("the request has no message")
		}
		return nil, "", errAborted
	}
	if prefix[0] != 0 {
		if encoding, err = payload.Encoding(r.Header.Get("Grpc-Encoding")); err != nil {
			return nil, "", err
		}
		if encoding == "" {
			return nil, "", protocolFailure("the message is marked as compressed and the request does not say how")
		}
	}
	length := int64(binary.BigEndian.Uint32(prefix[1:]))
	if length > int64(s.config.MaxRequestBytes) {
		return nil, "", &payload.TooLargeError{Limit: s.config.MaxRequestBytes}
	}
	body, err = s.read(io.LimitReader(r.Body, length), int(length))
	if err != nil {
		return nil, "", err
	}
	if int64(len(body.Bytes)) < length {
		err = errAborted
	} else if n, _ := io.ReadFull(r.Body, prefix[:1]); n > 0 {
		err = protocolFailure("the request has more than one message")
	}
	if err != nil {
		body.Free()
		return nil, "", err
	}
	return body, encoding, nil
}

// protocolFailure is the answer to a request that no gRPC library sends.
func protocolFailure(message string) *failure {
	return &failure{reason: "malformed", grpc: codes.InvalidArgument, http: http.StatusBadRequest, message: message}
}

// withGRPCTimeout applies the sender's deadline: up to eight digits and a unit. One that cannot be read is ignored, as
// the worst that follows is an answer to nobody.
func withGRPCTimeout(ctx context.Context, header string) (context.Context, context.CancelFunc) {
	units := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second,
		'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}
	if len(header) < 2 || len(header) > 9 {
		return context.WithCancel(ctx)
	}
	count, err := strconv.ParseUint(header[:len(header)-1], 10, 32)
	unit := units[header[len(header)-1]]
	if err != nil || unit == 0 || count > uint64(exportTimeout/unit) {
		return context.WithCancel(ctx) // or longer than we take anyway
	}
	return context.WithTimeout(ctx, time.Duration(count)*unit)
}

// writeMessage writes one uncompressed message. Answers are a few bytes.
func writeMessage(w http.ResponseWriter, message []byte) {
	framed := binary.BigEndian.AppendUint32(make([]byte, 1, 5+len(message)), uint32(len(message)))
	_, _ = w.Write(append(framed, message...)) // a sender that is gone does not want to know
}

// finishGRPC puts the status into the trailers. A nil failure is OK.
func finishGRPC(w http.ResponseWriter, f *failure) {
	h := w.Header()
	if f == nil {
		h.Set(http.TrailerPrefix+"Grpc-Status", "0")
		return
	}
	st := f.status()
	h.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(st.Code)))
	h.Set(http.TrailerPrefix+"Grpc-Message", percentEncode(st.Message))
	if len(st.Details) > 0 {
		details, err := proto.Marshal(st)
		if err != nil {
			panic("BUG: encode status: " + err.Error())
		}
		h.Set(http.TrailerPrefix+"Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(details))
	}
}

// percentEncode encodes a status message as gRPC wants it in a header.
func percentEncode(message string) string {
	var b strings.Builder
	for _, c := range []byte(message) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// serveHealth answers grpc.health.v1, which load balancers and Kubernetes ask. Nobody needs a key for it.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) *failure {
	body, encoding, err := s.readMessage(r)
	if err == nil {
		body, err = s.decompressor.Plain(body, encoding)
	}
	if err != nil {
		return failureOf(err)
	}
	defer body.Free()
	var request healthpb.HealthCheckRequest
	if err := proto.Unmarshal(body.Bytes, &request); err != nil {
		return protocolFailure("not a health check: " + err.Error())
	}
	known := request.Service == ""
	for method := range exportMethods {
		known = known || method == "/"+request.Service+"/Export"
	}
	watch := r.URL.Path == healthpb.Health_Watch_FullMethodName
	switch {
	case !known && !watch:
		return &failure{grpc: codes.NotFound, message: fmt.Sprintf("service %q is not known", request.Service)}
	case !known:
		writeHealth(w, healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
	case s.isDraining():
		writeHealth(w, healthpb.HealthCheckResponse_NOT_SERVING)
	default:
		writeHealth(w, healthpb.HealthCheckResponse_SERVING)
	}
	if watch {
		select {
		case <-s.draining:
			writeHealth(w, healthpb.HealthCheckResponse_NOT_SERVING)
		case <-r.Context().Done():
		}
	}
	finishGRPC(w, nil)
	return nil
}

func writeHealth(w http.ResponseWriter, status healthpb.HealthCheckResponse_ServingStatus) {
	message, err := proto.Marshal(&healthpb.HealthCheckResponse{Status: status})
	if err != nil {
		panic("BUG: encode health: " + err.Error())
	}
	writeMessage(w, message)
	_ = http.NewResponseController(w).Flush() // a watcher that is gone ends the request by its context
}
