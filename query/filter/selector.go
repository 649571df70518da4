// Package filter says which telemetry a question is about: selectors and matchers, their text form, which keys are
// columns, and all of it as conditions of SQL.
//
// Reading order: selector.go (what can be said), parse.go (how people write it), field.go (which keys are columns;
// package attribute knows the others), condition.go (the SQL).
package filter

// An Op compares the value of a key in a [Matcher].
type Op string

// The operators. Exists and NotExists ignore the matcher's value; the four orders compare numbers, and a value that
// is no number never matches them. Match is an RE2 expression that may match anywhere in the value.
const (
	Equal        Op = "="
	NotEqual     Op = "!="
	Greater      Op = ">"
	Less         Op = "<"
	GreaterEqual Op = ">="
	LessEqual    Op = "<="
	Match        Op = "=~"
	NotMatch     Op = "!~"
	Exists       Op = "exists"
	NotExists    Op = "!exists"
)

// A Matcher is one condition on a span, such as http.route = /v1/checkout.
//
// Well-known keys are columns: service, operation, name, kind, status, error, duration (with a unit, as in 400ms),
// version, env, peer, peer_type, scope, root, trace_id, http.response.status_code, error.type and their
// OpenTelemetry spellings (service.name, deployment.environment.name, ...). Any other key is a span attribute, in
// today's or yesterday's spelling alike (http.request.method also reads http.method), and when the span does not
// have it, a resource attribute. The prefixes "span." and "resource." ask for only one of the two.
type Matcher struct {
	Key   string
	Op    Op
	Value string
}

// A Selector says which telemetry a question is about. Empty fields do not restrict. Matchers must all hold.
type Selector struct {
	Env, Service, Operation string
	Matchers                []Matcher
}

// With returns the selector with one more matcher.
func (s Selector) With(key string, op Op, value string) Selector {
	s.Matchers = append(s.Matchers[:len(s.Matchers):len(s.Matchers)], Matcher{key, op, value})
	return s
}
