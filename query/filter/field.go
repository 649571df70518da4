package filter

import "slices"

// A FieldType says how a column is compared.
type FieldType uint8

// The types of columns.
const (
	TextField    FieldType = iota
	NumberField            // numbers; "exists" means not zero
	ClassField             // HTTP status codes, which also take classes such as 5xx
	OutcomeField           // ok, error, or a class of HTTP status codes
	FlagField              // true or false
	DurationField
	IDField
)

// A Field is a key that is a column. Expressions are never made from input.
type Field struct {
	Name   string // the key as this product spells it
	Span   string // over spans
	Rollup string // over the RED rollups; "" when they do not have it
	Type   FieldType
}

// Which spans are roots and which are inbound, as conditions of SQL.
const (
	SpanRoot      = "parent_id = toFixedString('', 8)"
	SpanInbound   = "(kind IN ('server', 'consumer') OR " + SpanRoot + ")"
	RollupInbound = "inbound"
)

// fields are the columns that questions may be about.
var fields = []Field{
	{"service", "service", "service", TextField},
	{"operation", "operation", "operation", TextField},
	{"name", "name", "", TextField},
	{"kind", "toString(kind)", "toString(kind)", TextField},
	{"status", "error", "error", OutcomeField},
	{"error", "error", "error", FlagField},
	{"root", SpanRoot, "(inbound AND root)", FlagField},
	{"duration", "duration", "", DurationField},
	{"version", "version", "version", TextField},
	{"env", "env", "env", TextField},
	{"http.response.status_code", "http_status", "", ClassField},
	{"error.type", "error_type", "", TextField},
	{"status.message", "status_message", "", TextField},
	{"peer", "peer", "", TextField},
	{"peer.type", "peer_type", "", TextField},
	{"scope", "scope", "", TextField},
	{"trace_id", "trace_id", "", IDField},
	{"span_id", "span_id", "", IDField},
}

// fieldNames are other spellings of fields.
var fieldNames = map[string]string{
	"service.name":                "service",
	"service.version":             "version",
	"deployment.environment.name": "env",
	"deployment.environment":      "env",
	"span.name":                   "name",
	"span.kind":                   "kind",
	"span.duration":               "duration",
	"latency":                     "duration",
	"endpoint":                    "operation",
	"http.status_code":            "http.response.status_code",
	"status_code":                 "http.response.status_code",
	"peer_type":                   "peer.type",
	"otel.scope.name":             "scope",
	"otel.status_description":     "status.message",
	"trace.id":                    "trace_id",
	"span.id":                     "span_id",
}

// FieldOf finds the column of a key.
func FieldOf(key string) (Field, bool) {
	if name, ok := fieldNames[key]; ok {
		key = name
	}
	for _, f := range fields {
		if f.Name == key {
			return f, true
		}
	}
	return Field{}, false
}

// Fields returns the columns that questions may be about, the most asked for first.
func Fields() []Field { return slices.Clone(fields) }
