package shop

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// OpenTelemetry's severity numbers.
const (
	severityInfo  = 9
	severityWarn  = 13
	severityError = 17
)

func (w *walk) cache(in *Instance, parent trace.SpanID, s *step, start time.Time) (time.Time, *failure) {
	stampede := s.name == "catalog:home" && start.Before(w.now.rebuild)
	hit := !stampede && !w.chance(s.miss)
	at := w.open(in, parent, trace.SpanKindClient, scope(in.service.lang, "redis"), "GET "+s.name, start)
	cursor := start.Add(w.time(s.ms))
	w.close(at, cursor, nil,
		attribute.String("db.system.name", "redis"),
		attribute.String("db.namespace", "0"),
		attribute.String("db.operation.name", "GET"),
		attribute.String("db.query.text", "GET "+w.fill(s.name)),
		attribute.String("db.query.summary", "GET "+s.name),
		attribute.String("server.address", "redis-main"),
		attribute.Int("server.port", 6379),
		attribute.String("network.peer.address", "10.0.131.17"),
		attribute.Bool("cache.hit", hit),
	)
	if hit {
		return cursor, nil
	}
	for i := range s.steps {
		inner := s.steps[i]
		if stampede {
			// Everybody rebuilds the same value at once and waits for the same rows.
			inner.ms = max(inner.ms, float64(w.now.rebuild.Sub(cursor).Milliseconds())+250*w.rng.Float64())
		}
		var f *failure
		if cursor, f = w.step(in, parent, &inner, cursor); f != nil {
			return cursor, f
		}
	}
	return cursor, nil
}

func (w *walk) sql(in *Instance, parent trace.SpanID, s *step, start time.Time) time.Time {
	operation, tables, _ := strings.Cut(s.name, " ")
	at := w.open(in, parent, trace.SpanKindClient, scope(in.service.lang, "sql"), s.name, start)
	end := start.Add(w.time(s.ms))
	server := "pg-primary"
	if operation == "SELECT" && in.Service == "catalog-api" {
		server = "pg-replica-1"
	}
	attributes := make([]attribute.KeyValue, 0, 10)
	attributes = append(attributes,
		attribute.String("db.system.name", "postgresql"),
		attribute.String("db.namespace", "shop"),
		attribute.String("db.operation.name", operation),
		attribute.String("db.query.summary", s.name),
		attribute.String("db.query.text", s.text),
		attribute.String("server.address", server),
		attribute.Int("server.port", 5432),
		attribute.String("network.peer.address", "10.0.131.40"),
		attribute.Int("db.response.returned_rows", w.rows(s.rows)),
	)
	if !strings.Contains(tables, ",") {
		attributes = append(attributes, attribute.String("db.collection.name", tables))
	}
	w.close(at, end, nil, attributes...)
	if took := end.Sub(start); took > 500*time.Millisecond {
		w.log(at, end, severityWarn, "db.slow_statement", fmt.Sprintf("slow statement: %s took %d ms", s.name, took.Milliseconds()),
			attribute.String("db.query.summary", s.name), attribute.Int64("duration_ms", took.Milliseconds()))
	}
	return end
}

func (w *walk) search(in *Instance, parent trace.SpanID, s *step, start time.Time) time.Time {
	at := w.open(in, parent, trace.SpanKindClient, scope(in.service.lang, "search"), "search "+s.target, start)
	end := start.Add(w.time(s.ms))
	w.close(at, end, nil,
		attribute.String("db.system.name", "opensearch"),
		attribute.String("db.operation.name", "search"),
		attribute.String("db.collection.name", s.target),
		attribute.String("db.query.text", s.text),
		attribute.String("db.query.summary", "search "+s.target),
		attribute.String("http.request.method", "POST"),
		attribute.String("url.full", "http://opensearch:9200/"+s.target+"/_search"),
		attribute.String("server.address", "opensearch"),
		attribute.Int("server.port", 9200),
		attribute.Int("db.response.returned_rows", w.rows(s.rows)),
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

var userAgents = [...]string{
	"Mozilla/5.0 (iPhone; CPU iPhone OS 20_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/20.1 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:150.0) Gecko/20100101 Firefox/150.0",
	"shop-android/8.14.2 okhttp/5.3.0",
}

var words = [...]string{"sneaker", "rain+jacket", "espresso", "desk+lamp", "usb-c+cable", "notebook", "wool+socks", "headphones", "kettle", "backpack"}

// fill replaces the placeholders of a route, key or query; small ids are the popular ones.
func (w *walk) fill(pattern string) string {
	for {
		open := strings.IndexByte(pattern, '{')
		if open < 0 {
			return pattern
		}
		size := strings.IndexByte(pattern[open:], '}')
		u := w.rng.Float64()
		var value string
		switch pattern[open+1 : open+size] {
		case "slug", "word":
			value = words[int(u*u*float64(len(words)))]
		case "page":
			value = fmt.Sprint(1 + int(4*u*u*u))
		case "sku":
			value = fmt.Sprintf("SKU-%05d", int(40_000*u*u*u))
		default:
			value = fmt.Sprint(1000 + int(90_000*u*u*u))
		}
		pattern = pattern[:open] + value + pattern[open+size+1:]
	}
}

func portOf(lang string) int { return runtimeOf(lang).port }

// scope is the instrumentation library that a language's SDK uses for a kind of work.
func scope(lang, kind string) string {
	switch lang + " " + kind {
	case "go http", "go client":
		return "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	case "go sql":
		return "github.com/exaring/otelpgx"
	case "go redis":
		return "github.com/redis/go-redis/extra/redisotel"
	case "java http":
		return "io.opentelemetry.tomcat-10.0"
	case "java client":
		return "io.opentelemetry.java-http-client"
	case "java sql":
		return "io.opentelemetry.jdbc"
	case "java redis":
		return "io.opentelemetry.lettuce-5.1"
	case "java kafka":
		return "io.opentelemetry.kafka-clients-0.11"
	case "node http":
		return "@opentelemetry/instrumentation-http"
	case "node client":
		return "@opentelemetry/instrumentation-undici"
	case "node sql":
		return "@opentelemetry/instrumentation-pg"
	case "node redis":
		return "@opentelemetry/instrumentation-redis"
	case "python http":
		return "opentelemetry.instrumentation.asgi"
	case "python search":
		return "opentelemetry.instrumentation.elasticsearch"
	}
	panic("BUG: no instrumentation of " + kind + " in " + lang)
}

func codeNamespace(s *service) string {
	switch s.lang {
	case "java":
		return "com.example.shop." + strings.ReplaceAll(s.name, "-", "") + "."
	case "go":
		return "example.com/shop/" + s.name + "/internal."
	}
	return "shop."
}

// breakdown is a failure in a service's own code.
func (m *Model) breakdown(in *Instance, rng *rand.Rand) *failure {
	f := &failure{status: 500}
	switch in.Language {
	case "java":
		f.kind, f.message = "java.util.concurrent.TimeoutException", fmt.Sprintf("Did not observe any item or terminal signal within %dms", 500*(1+rng.IntN(4)))
		if rng.IntN(3) == 0 {
			f.kind, f.message = "org.postgresql.util.PSQLException", "ERROR: deadlock detected"
		}
	case "nodejs":
		f.kind, f.message = "Error", "read ECONNRESET"
		if in.Version == canaryVersion {
			f.kind, f.message = "TypeError", "Cannot read properties of undefined (reading 'amount_cents')"
		}
	case "python":
		f.kind, f.message = "opensearchpy.exceptions.ConnectionTimeout", "ConnectionTimeout caused by - ReadTimeoutError(HTTPConnectionPool(host='opensearch', port=9200): Read timed out. (read timeout=2))"
	default:
		f.kind, f.message = "*net.OpError", "dial tcp 10.0.131.40:5432: connect: connection refused"
		if rng.IntN(2) == 0 {
			f.kind, f.message, f.status = "context.deadlineExceededError", "context deadline exceeded", 503
		}
	}
	return f
}

// throw records an exception both ways that SDKs do: as an event of the span and as a log record.
func (w *walk) throw(at int, f *failure, when time.Time) {
	s := &w.spans[at]
	attributes := []attribute.KeyValue{
		attribute.String("exception.type", f.kind),
		attribute.String("exception.message", f.message),
		attribute.String("exception.stacktrace", stackTrace(s.Instance, f, s.Name)),
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
func (w *walk) accessLog(at int, ep *endpoint, path string, status int) {
	s := &w.spans[at]
	switch {
	case ep.route == "/v1/checkout" && status == 200:
		w.log(at, s.End, severityInfo, "order.placed", fmt.Sprintf("order placed: cart %s, %d items", path, 1+w.rng.IntN(8)), attribute.String("url.path", path))
	case w.rng.IntN(10) == 0:
		w.log(at, s.End, severityInfo, "", fmt.Sprintf("%s %s %d %.1fms", ep.method, path, status, float64(s.End.Sub(s.Start).Microseconds())/1e3),
			attribute.String("url.path", path), attribute.Int("http.response.status_code", status))
	}
}

func stackTrace(in *Instance, f *failure, operation string) string {
	handler := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, operation)
	name := in.service.name
	switch in.Language {
	case "java":
		pkg := codeNamespace(in.service)
		return f.kind + ": " + f.message + "\n" +
			"\tat " + pkg + "OrderRepo.loadItems(OrderRepo.java:87)\n" +
			"\tat " + pkg + "Handlers." + handler + "(Handlers.java:142)\n" +
			"\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)\n" +
			"\tat org.apache.tomcat.util.net.NioEndpoint$SocketProcessor.doRun(NioEndpoint.java:1740)\n" +
			"\tat java.base/java.lang.Thread.run(Thread.java:1474)\n"
	case "nodejs":
		return f.kind + ": " + f.message + "\n" +
			"    at " + handler + " (/app/dist/routes/products.js:64:31)\n" +
			"    at async Object.handler (/app/dist/server.js:118:20)\n" +
			"    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)"
	case "python":
		return "Traceback (most recent call last):\n" +
			"  File \"/app/shop/search/api.py\", line 71, in " + handler + "\n    hits = await client.search(index=index, body=body)\n" +
			"  File \"/app/shop/search/client.py\", line 38, in search\n    return await self.transport.perform_request(\"POST\", url, body=body)\n" +
			f.kind + ": " + f.message
	}
	return f.kind + ": " + f.message + "\n\ngoroutine 8841 [running]:\n" +
		"example.com/shop/" + name + "/internal." + handler + "(0xc0004a61c0)\n\t/src/internal/handlers.go:118 +0x2f4\n" +
		"net/http.HandlerFunc.ServeHTTP(0xc000188000, {0xd1f3a8, 0xc0006c2000}, 0xc000912140)\n\t/usr/local/go/src/net/http/server.go:2322 +0x29\n"
}
