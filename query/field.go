package query

// A fieldType says how a column is compared.
type fieldType uint8

const (
	textField    fieldType = iota
	numberField            // numbers; "exists" means not zero
	classField             // HTTP status codes, which also take classes such as 5xx
	outcomeField           // ok, error, or a class of HTTP status codes
	flagField              // true or false
	durationField
	idField
)

// A field is a key that is a column. Expressions are never made from input.
type field struct {
	name   string // the key as this product spells it
	span   string // over spans
	rollup string // over the RED rollups; "" when they do not have it
	typ    fieldType
}

// The conditions that more than one file needs.
const (
	spanRoot      = "parent_id = toFixedString('', 8)"
	spanInbound   = "(kind IN ('server', 'consumer') OR " + spanRoot + ")"
	rollupInbound = "(kind IN ('server', 'consumer') OR root)"
)

// fields are the columns that questions may be about.
var fields = []field{
	{"service", "service", "service", textField},
	{"operation", "operation", "operation", textField},
	{"name", "name", "", textField},
	{"kind", "toString(kind)", "toString(kind)", textField},
	{"status", "error", "error", outcomeField},
	{"error", "error", "error", flagField},
	{"root", spanRoot, "root", flagField},
	{"duration", "duration", "", durationField},
	{"version", "version", "version", textField},
	{"env", "env", "env", textField},
	{"http.response.status_code", "http_status", "", classField},
	{"error.type", "error_type", "", textField},
	{"status.message", "status_message", "", textField},
	{"peer", "peer", "", textField},
	{"peer.type", "peer_type", "", textField},
	{"scope", "scope", "", textField},
	{"trace_id", "trace_id", "", idField},
	{"span_id", "span_id", "", idField},
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

// fieldOf finds the column of a key.
func fieldOf(key string) (field, bool) {
	if name, ok := fieldNames[key]; ok {
		key = name
	}
	for _, f := range fields {
		if f.name == key {
			return f, true
		}
	}
	return field{}, false
}
