// Package attribute knows where the attribute of a key is stored and how instrumentations of different ages spell it. What
// searches by keys and what counts while spans arrive ask the same place.
package attribute

import "strings"

// spellings are the names under which instrumentations of today and of yesterday write one attribute, today's first.
// Any of them in a question reads all of them.
var spellings = [][]string{
	{"http.request.method", "http.method"},
	{"http.response.status_code", "http.status_code"},
	{"url.full", "http.url"},
	{"url.path", "http.target"},
	{"url.query", "http.target"},
	{"server.address", "net.peer.name", "net.host.name"},
	{"server.port", "net.peer.port", "net.host.port"},
	{"client.address", "http.client_ip"},
	{"user_agent.original", "http.user_agent"},
	{"http.request.resend_count", "http.resend_count"},
	{"http.request.body.size", "http.request_content_length"},
	{"http.response.body.size", "http.response_content_length"},
	{"db.system.name", "db.system"},
	{"db.query.text", "db.statement"},
	{"db.operation.name", "db.operation"},
	{"db.collection.name", "db.sql.table"},
	{"db.namespace", "db.name"},
	{"rpc.system.name", "rpc.system"},
	{"rpc.status_code", "rpc.grpc.status_code"},
	{"rpc.response.status_code", "rpc.grpc.status_code"},
	{"messaging.operation.type", "messaging.operation"},
	{"messaging.consumer.group.name", "messaging.kafka.consumer.group"},
	{"service.peer.name", "peer.service"},
	{"deployment.environment.name", "deployment.environment"},
}

// resourcePrefixes start the keys that belong to a resource by convention. Questions about them do not read the
// attributes of spans, which is most of the cost of a search.
var resourcePrefixes = []string{
	"k8s.", "host.", "container.", "cloud.", "telemetry.", "process.", "os.", "faas.", "device.", "webengine.",
	"service.namespace", "service.instance.", "service.version", "deployment.", "aws.ecs.", "aws.eks.",
}

// A Key is the key of an attribute of a span or of its resource.
type Key struct {
	Names      []string // spellings to read, the first that a span has counts
	OfSpan     bool     // look at span attributes
	OfResource bool     // look at resource attributes
}

// Of finds out where a key is and how else it is spelled. The prefixes "span." and "resource." ask for one of the two.
func Of(key string) Key {
	a := Key{OfSpan: true, OfResource: true}
	if name, ok := strings.CutPrefix(key, "span."); ok {
		key, a.OfResource = name, false
	} else if name, ok := strings.CutPrefix(key, "resource."); ok {
		key, a.OfSpan = name, false
	} else if isResourceKey(key) {
		a.OfSpan = false
	}
	a.Names = []string{key}
	for _, names := range spellings {
		for i, name := range names {
			if name != key || (i > 0 && ambiguous(name, names[0])) {
				continue
			}
			a.Names = append([]string(nil), names...)
			return a
		}
	}
	return a
}

// ambiguous tells old names that became several new ones; only the first of these may claim the old name.
func ambiguous(old, current string) bool {
	for _, names := range spellings {
		for _, name := range names[1:] {
			if name == old {
				return names[0] != current
			}
		}
	}
	return false
}

func isResourceKey(key string) bool {
	for _, prefix := range resourcePrefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
