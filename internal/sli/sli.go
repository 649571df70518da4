// Package sli says which spans are the events of a service level indicator and which of them are bad. The write path
// counts by it while spans arrive, the reading side counts by it in SQL what arrived before; a test holds the two
// together.
package sli

import "time"

// Slot is the length of the slices of time that events are counted in, aligned to the Unix epoch. An event belongs to
// the slot in which its span started.
const Slot = 10 * time.Second

// Indicator is a set of spans, each of which is one event, and the rule by which an event is bad. The zero value of a
// field does not restrict. An Indicator is a value: it does not change once it is counted.
type Indicator struct {
	Env     string `json:"env,omitempty"`
	Service string `json:"service"` // required
	// Operations are names as RED counts them, such as "GET /v1/orders/{id}", in which * stands for any text. An event is
	// of one of them.
	Operations []string `json:"operations,omitempty"`
	// Kinds are server, consumer, client, producer and internal. Empty means inbound work: servers, consumers and roots of
	// any kind.
	Kinds []string `json:"kinds,omitempty"`
	// Matchers all hold for an event.
	Matchers []Matcher `json:"matchers,omitempty"`
	Bad      Bad       `json:"bad"`
	// GroupBy gives each value of a key counts of its own, beside those of all events: operation, version, or the name of an
	// attribute. Empty means no groups.
	GroupBy string `json:"group_by,omitempty"`
	// MaxGroups bounds the groups; events of others count in the whole only. 0 means DefaultGroups.
	MaxGroups int `json:"max_groups,omitempty"`
}

// DefaultGroups is how many groups are counted apart where an indicator does not say.
const DefaultGroups = 100

// Bad says which events are bad: those for which any of its rules holds. Without a rule no event is.
type Bad struct {
	// Errors are the spans that RED counts as errors: status ERROR, or a server's HTTP status of 500 and above.
	Errors bool `json:"errors,omitempty"`
	// HTTP are status codes ("429") and classes ("5xx") of the response.
	HTTP []string `json:"http,omitempty"`
	// GRPC are status codes of the response by name, such as UNAVAILABLE.
	GRPC []string `json:"grpc,omitempty"`
	// Slower makes an event bad whose duration is above it, to the nanosecond. 0 means that none is.
	Slower time.Duration `json:"slower,omitempty"`
	// Matchers make an event bad for which they all hold; none make none.
	Matchers []Matcher `json:"matchers,omitempty"`
}

// Matcher is a condition on a span. Keys are version, name, status ("ok", "error", "unset"), http.response.status_code,
// error.type, peer, peer.type, scope, or an attribute of the span, or else of its resource. A missing key is the
// empty text.
type Matcher struct {
	Key   string `json:"key"`
	Op    string `json:"op"` // =, !=, =~ and !~; the last two with an RE2 expression that matches the whole value
	Value string `json:"value"`
}

// Counted is an indicator that the write path counts.
type Counted struct {
	// ID names the counts. It changes with the definition and with each activation, so that counts of different meaning never
	// add up.
	ID        uint64
	Indicator Indicator
	// Since is the first slot, in Unix seconds, that the write path counts. What is before is counted in SQL.
	Since int64
	// Groups are those known so far; they have places below MaxGroups.
	Groups []string
}
