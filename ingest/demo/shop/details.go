package shop

import (
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"loadline/ingest/demo/shop/blueprint"
)

// OpenTelemetry's severity numbers.
const (
	severityInfo  = 9
	severityWarn  = 13
	severityError = 17
)

func (w *walk) cache(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) (time.Time, *failure) {
	stampede := s.Name == "catalog:home" && start.Before(w.now.rebuild)
	hit := !stampede && !w.chance(s.Miss)
	at := w.open(in, parent, trace.SpanKindClient, blueprint.Scope(in.service.Lang, "redis"), "GET "+s.Name, start)
	cursor := start.Add(w.time(s.MS))
	w.close(at, cursor, nil,
		attribute.String("db.system.name", "redis"),
		attribute.String("db.namespace", "0"),
		attribute.String("db.operation.name", "GET"),
		attribute.String("db.query.text", "GET "+blueprint.Fill(s.Name, w.rng)),
		attribute.String("db.query.summary", "GET "+s.Name),
		attribute.String("server.address", "redis-main"),
		attribute.Int("server.port", 6379),
		attribute.String("network.peer.address", "10.0.131.17"),
		attribute.Bool("cache.hit", hit),
	)
	if hit {
		return cursor, nil
	}
	for i := range s.Steps {
		inner := s.Steps[i]
		if stampede {
			// Everybody rebuilds the same value at once and waits for the same rows.
			inner.MS = max(inner.MS, float64(w.now.rebuild.Sub(cursor).Milliseconds())+250*w.rng.Float64())
		}
		var f *failure
		if cursor, f = w.step(in, parent, &inner, cursor); f != nil {
			return cursor, f
		}
	}
	return cursor, nil
}

func (w *walk) sql(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) time.Time {
	operation, tables, _ := strings.Cut(s.Name, " ")
	at := w.open(in, parent, trace.SpanKindClient, blueprint.Scope(in.service.Lang, "sql"), s.Name, start)
	end := start.Add(w.time(s.MS))
	server := "pg-primary"
	if operation == "SELECT" && in.Service == "catalog-api" {
		server = "pg-replica-1"
	}
	attributes := make([]attribute.KeyValue, 0, 10)
	attributes = append(attributes,
		attribute.String("db.system.name", "postgresql"),
		attribute.String("db.namespace", "shop"),
		attribute.String("db.operation.name", operation),
		attribute.String("db.query.summary", s.Name),
		attribute.String("db.query.text", s.Text),
		attribute.String("server.address", server),
		attribute.Int("server.port", 5432),
		attribute.String("network.peer.address", "10.0.131.40"),
		attribute.Int("db.response.returned_rows", w.rows(s.Rows)),
	)
	if !strings.Contains(tables, ",") {
		attributes = append(attributes, attribute.String("db.collection.name", tables))
	}
	w.close(at, end, nil, attributes...)
	if took := end.Sub(start); took > 500*time.Millisecond {
		w.log(at, end, severityWarn, "db.slow_statement", fmt.Sprintf("slow statement: %s took %d ms", s.Name, took.Milliseconds()),
			attribute.String("db.query.summary", s.Name), attribute.Int64("duration_ms", took.Milliseconds()))
	}
	return end
}

func (w *walk) search(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) time.Time {
	at := w.open(in, parent, trace.SpanKindClient, blueprint.Scope(in.service.Lang, "search"), "search "+s.Target, start)
	end := start.Add(w.time(s.MS))
	w.close(at, end, nil,
		attribute.String("db.system.name", "opensearch"),
		attribute.String("db.operation.name", "search"),
		attribute.String("db.collection.name", s.Target),
		attribute.String("db.query.text", s.Text),
		attribute.String("db.query.summary", "search "+s.Target),
		attribute.String("http.request.method", "POST"),
		attribute.String("url.full", "http://opensearch:9200/"+s.Target+"/_search"),
		attribute.String("server.address", "opensearch"),
		attribute.Int("server.port", 9200),
		attribute.Int("db.response.returned_rows", w.rows(s.Rows)),
	)
	return end
}

func (w *walk) rows(mean int) int {
	if mean <= 1 {
		return mean
	}
	return 1 + w.rng.IntN(2*mean-1)
}

// request is what an HTTP client instrumentation records; status 0 means that no answer came.
func (w *walk) request(method, url, server string, port, status int) []attribute.KeyValue {
	attributes := make([]attribute.KeyValue, 0, 9)
	attributes = append(attributes,
		attribute.String("http.request.method", method),
		attribute.String("url.full", url),
		attribute.String("server.address", server),
		attribute.Int("server.port", port),
		attribute.String("network.protocol.version", "1.1"),
		attribute.Int("network.peer.port", port),
	)
	if status != 0 {
		attributes = append(attributes, attribute.Int("http.response.status_code", status))
	}
	return attributes
}

func (w *walk) message(topic, operation string) []attribute.KeyValue {
	kind := "send"
	if operation == "process" {
		kind = "process"
	}
	return []attribute.KeyValue{
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.destination.name", topic),
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.operation.type", kind),
		attribute.String("messaging.destination.partition.id", fmt.Sprint(w.rng.IntN(partitions))),
		attribute.Int("messaging.kafka.offset", 40_000_000+int(w.now.at.Unix()%1_000_000)*9+w.rng.IntN(9)),
		attribute.String("messaging.kafka.message.key", fmt.Sprint(100_000+w.rng.IntN(900_000))),
		attribute.Int("messaging.message.body.size", 380+w.rng.IntN(1600)),
		attribute.String("server.address", "kafka-0.kafka"),
		attribute.Int("server.port", 9092),
	}
}

const partitions = 6

// throw records an exception both ways that SDKs do: as an event of the span and as a log record.
func (w *walk) throw(at int, f *failure, when time.Time) {
	s := &w.spans[at]
	attributes := []attribute.KeyValue{
		attribute.String("exception.type", f.kind),
		attribute.String("exception.message", f.message),
		attribute.String("exception.stacktrace", s.Instance.service.StackTrace(f.kind, f.message, s.Name)),
	}
	s.Events = append(s.Events, Event{Name: "exception", At: when.Add(-50 * time.Microsecond), Attributes: attributes})
	w.log(at, when, severityError, "exception", s.Name+" failed: "+f.message, attributes...)
	f.seen = true
}

func (w *walk) log(at int, when time.Time, severity int, event, body string, attributes ...attribute.KeyValue) {
	s := &w.spans[at]
	w.logs = append(w.logs, Log{
		At: when, Severity: severity, Body: body, Event: event, TraceID: s.TraceID, SpanID: s.SpanID, Instance: s.Instance, Attributes: attributes,
	})
}

// accessLog is the line that a service writes about one of ten requests, and about every order.
func (w *walk) accessLog(at int, ep *blueprint.Endpoint, path string, status int) {
	s := &w.spans[at]
	switch {
	case ep.Route == "/v1/checkout" && status == 200:
		w.log(at, s.End, severityInfo, "order.placed", fmt.Sprintf("order placed: cart %s, %d items", path, 1+w.rng.IntN(8)), attribute.String("url.path", path))
	case w.rng.IntN(10) == 0:
		w.log(at, s.End, severityInfo, "", fmt.Sprintf("%s %s %d %.1fms", ep.Method, path, status, float64(s.End.Sub(s.Start).Microseconds())/1e3),
			attribute.String("url.path", path), attribute.Int("http.response.status_code", status))
	}
}
