package otlp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"loadline/ingest"
	"loadline/ingest/otlp/otlpjson"
	"loadline/ingest/otlp/payload"
)

// Errors of Config.Authorize. Any other error of the hook answers like ErrUnauthenticated.
var (
	// ErrUnauthenticated means that the request carries no key, or none that is known: 401 and UNAUTHENTICATED.
	ErrUnauthenticated = errors.New("no valid key")
	// ErrForbidden means that the key may not send telemetry here: 403 and PERMISSION_DENIED.
	ErrForbidden = errors.New("the key may not send telemetry")
)

// errAborted means that the sender went away, or stopped sending, before its request had arrived.
var errAborted = errors.New("the sender stopped in the middle of the request")

// retryDelay is what senders are told when nobody knows better.
const retryDelay = time.Second

// failure is the answer to a request of which nothing was stored.
type failure struct {
	reason     string // the label of loadline_otlp_refused_total
	grpc       codes.Code
	http       int
	message    string
	field      string        // of malformed JSON: the path to the value
	retryAfter time.Duration // above 0 when the same bytes may be sent again
}

// failureOf decides the answer to every error, for both transports. A failure that may pass gets a code that senders
// retry; INTERNAL, UNKNOWN and 500 make them drop data and are never the answer, so an error that nobody foresaw (a
// full disk, say) is UNAVAILABLE.
func failureOf(err error) *failure {
	f := &failure{message: err.Error()}
	var (
		known     *failure
		overload  *ingest.OverloadedError
		malformed *ingest.MalformedError
		corrupt   *payload.CorruptError
		document  *otlpjson.Error
		encoding  *payload.UnknownEncodingError
		tooLarge  *payload.TooLargeError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &overload):
		f.reason, f.grpc, f.http, f.retryAfter = "overloaded", codes.Unavailable, http.StatusServiceUnavailable, overload.RetryAfter
	case errors.Is(err, payload.ErrBusy):
		f.reason, f.grpc, f.http, f.retryAfter = "overloaded", codes.Unavailable, http.StatusServiceUnavailable, retryDelay
	case errors.Is(err, ingest.ErrClosed):
		f.reason, f.grpc, f.http, f.retryAfter = "closed", codes.Unavailable, http.StatusServiceUnavailable, retryDelay
	case errors.As(err, &document):
		f.reason, f.grpc, f.http, f.field = "malformed", codes.InvalidArgument, http.StatusBadRequest, document.Path
	case errors.As(err, &malformed), errors.As(err, &corrupt):
		f.reason, f.grpc, f.http = "malformed", codes.InvalidArgument, http.StatusBadRequest
	case errors.As(err, &encoding):
		f.reason, f.grpc, f.http = "unsupported_encoding", codes.Unimplemented, http.StatusUnsupportedMediaType
	case errors.As(err, &tooLarge):
		// No delay with RESOURCE_EXHAUSTED tells senders not to send the same bytes again.
		f.reason, f.grpc, f.http = "too_large", codes.ResourceExhausted, http.StatusRequestEntityTooLarge
	case errors.Is(err, errAborted):
		f.reason, f.grpc, f.http = "aborted", codes.Canceled, http.StatusBadRequest
	case errors.Is(err, context.DeadlineExceeded):
		f.reason, f.grpc, f.http, f.retryAfter = "deadline", codes.DeadlineExceeded, http.StatusServiceUnavailable, retryDelay
	default:
		f.reason, f.grpc, f.http, f.retryAfter = "unavailable", codes.Unavailable, http.StatusServiceUnavailable, retryDelay
	}
	if f.grpc == codes.Unavailable && f.retryAfter <= 0 {
		f.retryAfter = retryDelay
	}
	return f
}

// authFailure decides the answer to an error of Config.Authorize.
func authFailure(err error) *failure {
	if errors.Is(err, ErrForbidden) {
		return &failure{reason: "forbidden", grpc: codes.PermissionDenied, http: http.StatusForbidden, message: err.Error()}
	}
	return &failure{reason: "unauthenticated", grpc: codes.Unauthenticated, http: http.StatusUnauthorized, message: err.Error()}
}

func (f *failure) Error() string { return f.message }

// maxMessage is where the message of an error is cut, in bytes. In gRPC it travels in the trailers twice, and clients
// take as little as 8 KiB of those.
const maxMessage = 1 << 10

// status returns the google.rpc.Status that both transports answer with.
func (f *failure) status() *status.Status {
	st := &status.Status{Code: int32(f.grpc), Message: truncate(f.message, maxMessage)}
	if f.retryAfter > 0 {
		st.Details = append(st.Details, detail(&errdetails.RetryInfo{RetryDelay: durationpb.New(f.retryAfter)}))
	}
	if f.reason == "malformed" {
		st.Details = append(st.Details, detail(&errdetails.BadRequest{
			FieldViolations: []*errdetails.BadRequest_FieldViolation{{
				Field:       truncate(f.field, maxMessage),
				Description: st.Message,
			}},
		}))
	}
	return st
}

func detail(m proto.Message) *anypb.Any {
	packed, err := anypb.New(m)
	if err != nil {
		panic("BUG: encode error detail: " + err.Error())
	}
	return packed
}

// statusBody encodes the status as the body of an HTTP answer.
func (f *failure) statusBody(json bool) []byte {
	encode := proto.Marshal
	if json {
		encode = protojson.Marshal
	}
	body, err := encode(f.status())
	if err != nil {
		panic(fmt.Sprintf("BUG: encode status of %q: %v", f.message, err))
	}
	return body
}

// retryAfterHeader returns whole seconds, rounded up.
func (f *failure) retryAfterHeader() string {
	return strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds())))
}

// truncate cuts text to at most limit bytes of valid UTF-8.
func truncate(text string, limit int) string {
	if len(text) > limit {
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text = text[:limit]
	}
	if !utf8.ValidString(text) {
		return string([]rune(text))
	}
	return text
}
