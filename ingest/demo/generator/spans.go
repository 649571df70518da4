package generator

import (
	"fmt"
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
)

// scopes are the instrumentation libraries of the load.
var scopes = [...]string{
	"io.opentelemetry.http", "io.opentelemetry.redis", "io.opentelemetry.sql", "io.opentelemetry.kafka", "com.example.bench",
}

// OTLP's numbers of span kinds and status codes.
const (
	kindInternal = 1
	kindServer   = 2
	kindClient   = 3
	kindProducer = 4
	statusError  = 2
)

// spanSource is what a template's span is made from.
type spanSource struct {
	op          string
	root        bool
	route       int
	self, other *loadPod // the process it runs in, and the one that it may call
	failed      bool
	rng         *rand.Rand
}

func (s *spanSource) scope() string {
	switch s.op {
	case "server", "client":
		return scopes[0]
	case "redis":
		return scopes[1]
	case "sql":
		return scopes[2]
	case "publish":
		return scopes[3]
	}
	return scopes[4]
}

// encode builds the span and says where its ids, times and holes are.
func (s *spanSource) encode() (*encoder, slot) {
	e := &encoder{}
	var o slot
	o.trace = e.bytesHole(1, 16)
	o.span = e.bytesHole(2, 8)
	if !s.root {
		o.parent = e.bytesHole(4, 8)
	}
	name, kind := s.identity()
	e.stringField(5, name)
	e.varintField(6, kind)
	o.start = e.fixedHole(7)
	o.end = e.fixedHole(8)
	switch s.op {
	case "server":
		s.server(e)
	case "client":
		s.client(e)
	case "redis":
		s.redis(e)
	case "sql":
		s.sql(e)
	case "publish":
		s.publish(e)
	default:
		s.internal(e)
	}
	if s.failed {
		s.failure(e)
	}
	e.b = protowire.AppendTag(e.b, 16, protowire.Fixed32Type)
	e.b = protowire.AppendFixed32(e.b, 0x101) // sampled, and it is known that the parent is not remote
	o.holes = e.holes
	return e, o
}

// A route is the verb and the resource of it.
var loadPaths = [loadRoutes][2]string{
	{"GET", "/api/v2/{service}/items/{id}"},
	{"GET", "/api/v2/{service}/items"},
	{"POST", "/api/v2/{service}/items"},
	{"PUT", "/api/v2/{service}/items/{id}"},
	{"DELETE", "/api/v2/{service}/items/{id}"},
	{"GET", "/api/v2/{service}/users/{id}/history"},
	{"POST", "/api/v2/{service}/search"},
	{"GET", "/api/v2/{service}/reports/{id}"},
	{"PATCH", "/api/v2/{service}/users/{id}"},
	{"POST", "/api/v2/{service}/batches/{id}/run"},
}

func (s *spanSource) request(p *loadPod) (method, route, path string) {
	r := loadPaths[(s.route+p.service)%loadRoutes]
	expand := func(id string) string {
		out := ""
		for _, part := range splitBraces(r[1]) {
			switch part {
			case "{service}":
				part = p.name
			case "{id}":
				part = id
			}
			out += part
		}
		return out
	}
	return r[0], expand("{id}"), expand("######")
}

// splitBraces splits "/a/{b}/c" into "/a/", "{b}" and "/c".
func splitBraces(s string) (parts []string) {
	last := 0
	for i := range s {
		switch s[i] {
		case '{':
			parts = append(parts, s[last:i])
			last = i
		case '}':
			parts = append(parts, s[last:i+1])
			last = i + 1
		}
	}
	return append(parts, s[last:])
}

func (s *spanSource) statement() (operation, table, text string) {
	table = fmt.Sprintf("%s_%s", loadNames[s.self.service%10], [...]string{"items", "users", "events", "reports"}[s.route%4])
	switch s.route % 5 {
	case 0:
		return "INSERT", table, "INSERT INTO " + table + " (id, owner_id, state, payload, created_at) VALUES ($1, $2, $3, $4, now()) RETURNING id"
	case 1:
		return "UPDATE", table, "UPDATE " + table + " SET state = $2, updated_at = now() WHERE id = $1 AND version = $3"
	}
	return "SELECT", table, "SELECT t.id, t.state, t.payload FROM " + table + " t WHERE t.owner_id = $1 AND t.created_at > $2 ORDER BY t.created_at DESC LIMIT 50"
}

func (s *spanSource) identity() (name string, kind uint64) {
	switch s.op {
	case "server":
		method, route, _ := s.request(s.self)
		return method + " " + route, kindServer
	case "client":
		method, _, _ := s.request(s.other)
		return method, kindClient
	case "redis":
		return "GET", kindClient
	case "sql":
		operation, table, _ := s.statement()
		return operation + " " + table, kindClient
	case "publish":
		return "publish " + s.topic(), kindProducer
	}
	return fmt.Sprintf("%s.handle%d", loadNames[s.self.service%10], s.route), kindInternal
}

func (s *spanSource) topic() string { return s.self.name + ".events" }

func (s *spanSource) status() int {
	if s.failed {
		return 500
	}
	return [...]int{200, 200, 201, 200, 204, 200, 200, 404, 200, 202}[s.route]
}

func (s *spanSource) server(e *encoder) {
	method, route, path := s.request(s.self)
	e.attributes(traceAttributes,
		"http.request.method", method, "http.route", route, "url.path", path, "url.scheme", "https", "http.response.status_code", s.status(),
		"server.address", s.self.name+".example.com", "server.port", 443, "client.address", "203.0.11#.1##", "network.peer.port", varint(3),
		"network.protocol.version", "1.1", "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36",
	)
}

func (s *spanSource) client(e *encoder) {
	method, _, path := s.request(s.other)
	e.attributes(traceAttributes,
		"http.request.method", method, "url.full", "http://"+s.other.name+".bench.svc.cluster.local:8080"+path, "url.scheme", "http",
		"server.address", s.other.name+".bench.svc.cluster.local", "server.port", 8080, "http.response.status_code", s.status(),
		"network.protocol.version", "1.1", "network.peer.address", fmt.Sprintf("10.0.%d.%d", s.other.pod, 10+s.other.service), "network.peer.port", 8080, "network.transport", "tcp",
	)
}

func (s *spanSource) redis(e *encoder) {
	key := loadNames[s.self.service%10] + ":user:######:profile"
	e.attributes(traceAttributes,
		"db.system.name", "redis", "db.namespace", "0", "db.operation.name", "GET", "db.query.text", "GET "+key, "db.query.summary", "GET",
		"server.address", "redis-"+loadNames[s.self.service%10], "server.port", 6379, "network.peer.address", fmt.Sprintf("10.0.9.%d", s.self.service),
		"network.peer.port", 6379, "cache.hit", s.rng.IntN(10) != 0,
	)
}

func (s *spanSource) sql(e *encoder) {
	operation, table, text := s.statement()
	e.attributes(traceAttributes,
		"db.system.name", "postgresql", "db.namespace", loadNames[s.self.service%10], "db.operation.name", operation, "db.collection.name", table,
		"db.query.summary", operation+" "+table, "db.query.text", text, "server.address", "pg-"+loadNames[s.self.service%10]+".bench.svc.cluster.local", "server.port", 5432,
		"network.peer.address", fmt.Sprintf("10.0.8.%d", s.self.service%10), "db.response.returned_rows", varint(1),
	)
}

func (s *spanSource) publish(e *encoder) {
	e.attributes(traceAttributes,
		"messaging.system", "kafka", "messaging.destination.name", s.topic(), "messaging.operation.name", "publish", "messaging.operation.type", "send",
		"messaging.client.id", "producer-"+s.self.host, "messaging.destination.partition.id", "#", "messaging.kafka.offset", varint(4),
		"messaging.kafka.message.key", "########", "messaging.message.body.size", varint(2), "server.address", "kafka-0.kafka.svc.cluster.local",
	)
}

func (s *spanSource) internal(e *encoder) {
	e.attributes(traceAttributes,
		"code.function.name", fmt.Sprintf("com.example.bench.%s.handle%d", loadNames[s.self.service%10], s.route), "code.file.path", "/src/"+s.self.name+"/handler.go",
		"code.line.number", 40+s.route*17, "thread.id", varint(2), "thread.name", "worker-##", "enduser.id", "u-########", "app.tenant", fmt.Sprintf("tenant-%02d", s.rng.IntN(40)),
		"feature_flag.key", "new-pricing", "feature_flag.result.variant", [...]string{"on", "off"}[s.rng.IntN(2)],
	)
}

// failure marks the span as failed; what is deepest in the trace has the exception.
func (s *spanSource) failure(e *encoder) {
	e.attribute(traceAttributes, "error.type", "500")
	if !s.root {
		var event encoder
		event.fixedHole(1)
		event.hole(uint32(len(event.b)-8), holeTime, 8)
		event.stringField(2, "exception")
		event.attribute(3, "exception.type", "java.sql.SQLTransientConnectionException")
		event.attribute(3, "exception.message", "Connection is not available, request timed out after ####ms")
		event.attribute(3, "exception.stacktrace", "java.sql.SQLTransientConnectionException: Connection is not available\n\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:686)\n\tat com.example.bench.Repository.load(Repository.java:118)\n\tat java.base/java.lang.Thread.run(Thread.java:1474)")
		e.message(11, &event)
	}
	var status encoder
	status.stringField(2, "request failed")
	status.varintField(3, statusError)
	e.bytesField(15, status.b)
}
