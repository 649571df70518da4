package sli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// columns are the keys that spans have a column for, by every name that they go by.
var columns = map[string]string{
	"version":                   "version",
	"service.version":           "version",
	"name":                      "name",
	"span.name":                 "name",
	"operation":                 "operation",
	"endpoint":                  "operation",
	"status":                    "status",
	"http.response.status_code": "http.response.status_code",
	"http.status_code":          "http.response.status_code",
	"status_code":               "http.response.status_code",
	"error.type":                "error.type",
	"peer":                      "peer",
	"peer.type":                 "peer.type",
	"peer_type":                 "peer.type",
	"scope":                     "scope",
	"otel.scope.name":           "scope",
}

// refused are keys by which an indicator does not match, and what to use instead.
var refused = map[string]string{
	"service":                     "the indicator's service",
	"service.name":                "the indicator's service",
	"env":                         "the indicator's env",
	"deployment.environment.name": "the indicator's env",
	"deployment.environment":      "the indicator's env",
	"kind":                        "the indicator's kinds",
	"span.kind":                   "the indicator's kinds",
	"root":                        "the indicator's kinds",
	"error":                       "bad events by errors",
	"duration":                    "bad events by a duration",
	"span.duration":               "bad events by a duration",
	"latency":                     "bad events by a duration",
	"status.message":              "status or error.type",
	"otel.status_description":     "status or error.type",
	"trace_id":                    "an attribute",
	"trace.id":                    "an attribute",
	"span_id":                     "an attribute",
	"span.id":                     "an attribute",
}

// Column returns the key under which a key of matchers is a column of spans: version, name, operation, status,
// http.response.status_code, error.type, peer, peer.type or scope. A key that is none is the name of an attribute.
func Column(key string) (column string, ok bool) {
	column, ok = columns[key]
	return column, ok
}

// grpcCodes are the names of the status codes of gRPC by number.
// Source: https://grpc.github.io/grpc/core/md_doc_statuscodes.html
var grpcCodes = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// GRPCAttribute is the key of the span attribute with the status code of a gRPC response, as a name or as a number.
const GRPCAttribute = "span.rpc.response.status_code"

// GRPCCode returns the number of a status code of gRPC by its name, such as UNAVAILABLE.
func GRPCCode(name string) (int, bool) {
	i := slices.Index(grpcCodes, name)
	return i, i >= 0
}

// Whole makes an RE2 expression match whole values, in which a dot also stands for a line feed.
func Whole(expr string) string { return "^(?s:" + expr + ")$" }

// Glob returns the RE2 expression of a pattern in which * stands for any text. It matches whole values.
func Glob(pattern string) string {
	pieces := strings.Split(pattern, "*")
	for i := range pieces {
		pieces[i] = regexp.QuoteMeta(pieces[i])
	}
	return Whole(strings.Join(pieces, ".*"))
}

// kinds are the names of span kinds by their number in OTLP.
var kinds = []string{1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}

// statuses are the names of span statuses by their number in OTLP.
var statuses = []string{"unset", "ok", "error"}

func checkKey(key string) error {
	if instead, ok := refused[key]; ok {
		return fmt.Errorf("key %q cannot be matched by: use %s", key, instead)
	}
	if key == "" || len(key) > maxText {
		return fmt.Errorf("key %.20q is empty or longer than %d bytes", key, maxText)
	}
	return nil
}
