package blueprint

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Platform is the SDK, the process and the port of a language.
type Platform struct {
	Language, SDK, Runtime, Version, Command string
	Port                                     int
}

// PlatformOf is what services in a language run on.
func PlatformOf(lang string) Platform {
	switch lang {
	case "java":
		return Platform{"java", "1.66.0", "OpenJDK Runtime Environment", "25.0.2+10-LTS", "/usr/lib/jvm/bin/java", 8080}
	case "node":
		return Platform{"nodejs", "2.9.0", "nodejs", "24.16.0", "/usr/local/bin/node", 3000}
	case "python":
		return Platform{"python", "1.45.0", "cpython", "3.14.4", "/usr/local/bin/python3.14", 8000}
	}
	return Platform{"go", "1.47.0", "go", "go1.26.3", "/app/server", 8080}
}

// Scope is the instrumentation library that a language's SDK uses for a kind of work.
func Scope(lang, kind string) string {
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

// Code is the namespace of the functions of a service.
func (s *Service) Code() string {
	switch s.Lang {
	case "java":
		return "com.example.shop." + strings.ReplaceAll(s.Name, "-", "") + "."
	case "go":
		return "example.com/shop/" + s.Name + "/internal."
	}
	return "shop."
}

// Breakdown is a failure in a service's own code.
func (s *Service) Breakdown(version string, rng *rand.Rand) (kind, message string, status int) {
	status = 500
	switch s.Lang {
	case "java":
		kind, message = "java.util.concurrent.TimeoutException", fmt.Sprintf("Did not observe any item or terminal signal within %dms", 500*(1+rng.IntN(4)))
		if rng.IntN(3) == 0 {
			kind, message = "org.postgresql.util.PSQLException", "ERROR: deadlock detected"
		}
	case "node":
		kind, message = "Error", "read ECONNRESET"
		if version == CanaryVersion {
			kind, message = "TypeError", "Cannot read properties of undefined (reading 'amount_cents')"
		}
	case "python":
		kind, message = "opensearchpy.exceptions.ConnectionTimeout", "ConnectionTimeout caused by - ReadTimeoutError(HTTPConnectionPool(host='opensearch', port=9200): Read timed out. (read timeout=2))"
	default:
		kind, message = "*net.OpError", "dial tcp 10.0.131.40:5432: connect: connection refused"
		if rng.IntN(2) == 0 {
			kind, message, status = "context.deadlineExceededError", "context deadline exceeded", 503
		}
	}
	return kind, message, status
}

// StackTrace is what a service's language prints of a failure in an operation.
func (s *Service) StackTrace(kind, message, operation string) string {
	handler := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, operation)
	name := s.Name
	switch s.Lang {
	case "java":
		pkg := s.Code()
		return kind + ": " + message + "\n" +
			"\tat " + pkg + "OrderRepo.loadItems(OrderRepo.java:87)\n" +
			"\tat " + pkg + "Handlers." + handler + "(Handlers.java:142)\n" +
			"\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)\n" +
			"\tat org.apache.tomcat.util.net.NioEndpoint$SocketProcessor.doRun(NioEndpoint.java:1740)\n" +
			"\tat java.base/java.lang.Thread.run(Thread.java:1474)\n"
	case "node":
		return kind + ": " + message + "\n" +
			"    at " + handler + " (/app/dist/routes/products.js:64:31)\n" +
			"    at async Object.handler (/app/dist/server.js:118:20)\n" +
			"    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)"
	case "python":
		return "Traceback (most recent call last):\n" +
			"  File \"/app/shop/search/api.py\", line 71, in " + handler + "\n    hits = await client.search(index=index, body=body)\n" +
			"  File \"/app/shop/search/client.py\", line 38, in search\n    return await self.transport.perform_request(\"POST\", url, body=body)\n" +
			kind + ": " + message
	}
	return kind + ": " + message + "\n\ngoroutine 8841 [running]:\n" +
		"example.com/shop/" + name + "/internal." + handler + "(0xc0004a61c0)\n\t/src/internal/handlers.go:118 +0x2f4\n" +
		"net/http.HandlerFunc.ServeHTTP(0xc000188000, {0xd1f3a8, 0xc0006c2000}, 0xc000912140)\n\t/usr/local/go/src/net/http/server.go:2322 +0x29\n"
}
