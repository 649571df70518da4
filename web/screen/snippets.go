package screen

import (
	"html"
	"net"
	"strings"
)

// A SnippetLanguage is a way to send data, with what to type for it.
type SnippetLanguage struct {
	ID, Label, Note string
	text            string // with HTTP and GRPC in place of the addresses
}

// Snippet returns what to type with the addresses filled in.
func (l SnippetLanguage) Snippet(httpAddr, grpcAddr string) string {
	return strings.NewReplacer("{HTTP}", "http://"+httpAddr, "{GRPC}", "http://"+grpcAddr, "{GRPCADDR}", grpcAddr).Replace(l.text)
}

// Snippets are the ways to send data, the first being the one that the page opens with.
var Snippets = []SnippetLanguage{
	{ID: "node", Label: "Node.js", text: `# no code changes needed
npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node

export OTEL_SERVICE_NAME="my-api"
export OTEL_EXPORTER_OTLP_ENDPOINT="{HTTP}"
export OTEL_RESOURCE_ATTRIBUTES="service.version=1.0.0,deployment.environment.name=dev"

node --require @opentelemetry/auto-instrumentations-node/register app.js`},
	{ID: "go", Label: "Go", text: `// go get go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp
// go get go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp
exporter, err := otlptracehttp.New(ctx) // reads OTEL_EXPORTER_OTLP_ENDPOINT
provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
otel.SetTracerProvider(provider)
defer provider.Shutdown(ctx)
http.ListenAndServe(":3000", otelhttp.NewHandler(mux, "server"))

# in the shell
export OTEL_SERVICE_NAME="my-api"
export OTEL_EXPORTER_OTLP_ENDPOINT="{HTTP}"
export OTEL_RESOURCE_ATTRIBUTES="service.version=1.0.0,deployment.environment.name=dev"`},
	{ID: "python", Label: "Python", text: `# no code changes needed
pip install opentelemetry-distro opentelemetry-exporter-otlp
opentelemetry-bootstrap -a install

export OTEL_SERVICE_NAME="my-api"
export OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"
export OTEL_EXPORTER_OTLP_ENDPOINT="{HTTP}"
export OTEL_RESOURCE_ATTRIBUTES="service.version=1.0.0,deployment.environment.name=dev"

opentelemetry-instrument python app.py`},
	{ID: "java", Label: "Java", Note: "Agent 2.x sends http/protobuf to port 4318 by default.", text: `# no code changes needed: download opentelemetry-javaagent.jar from the releases of opentelemetry-java-instrumentation
export OTEL_SERVICE_NAME="my-api"
export OTEL_EXPORTER_OTLP_ENDPOINT="{HTTP}"
export OTEL_RESOURCE_ATTRIBUTES="service.version=1.0.0,deployment.environment.name=dev"

java -javaagent:opentelemetry-javaagent.jar -jar app.jar`},
	{ID: "dotnet", Label: ".NET", text: `# after installing OpenTelemetry .NET Automatic Instrumentation
export OTEL_SERVICE_NAME="my-api"
export OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"
export OTEL_EXPORTER_OTLP_ENDPOINT="{HTTP}"
export OTEL_RESOURCE_ATTRIBUTES="service.version=1.0.0,deployment.environment.name=dev"

. $HOME/.otel-dotnet-auto/instrument.sh
dotnet MyApi.dll`},
	{ID: "collector", Label: "Collector", Note: "Add the exporter to the pipelines that you have.", text: `# config.yaml
exporters:
  otlphttp/loadline:
    endpoint: {HTTP}
service:
  pipelines:
    traces: {exporters: [otlphttp/loadline]}
    metrics: {exporters: [otlphttp/loadline]}
    logs: {exporters: [otlphttp/loadline]}`},
	{ID: "grpc", Label: "gRPC", Note: "Any SDK: the variables are part of the OpenTelemetry specification.", text: `export OTEL_SERVICE_NAME="my-api"
export OTEL_EXPORTER_OTLP_PROTOCOL="grpc"
export OTEL_EXPORTER_OTLP_ENDPOINT="{GRPC}"
export OTEL_RESOURCE_ATTRIBUTES="service.version=1.0.0,deployment.environment.name=dev"`},
	{ID: "kubernetes", Label: "Kubernetes", Note: "Needs the OpenTelemetry operator. The address has to be reachable from the pods.", text: `# kubectl apply -f - and annotate pods with instrumentation.opentelemetry.io/inject-java: "true"
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata:
  name: loadline
spec:
  exporter:
    endpoint: {HTTP}
  propagators: [tracecontext, baggage]`},
}

// Receivers are the OTLP addresses as a program on another machine would write them: the configured ones, under the
// host by which the browser has found the dashboard.
func Receivers(found, configuredHTTP, configuredGRPC string) (httpAddr, grpcAddr string) {
	host, _, err := net.SplitHostPort(found)
	if err != nil {
		host = found
	}
	if !plainHost(host) {
		host = "localhost"
	}
	return address(configuredHTTP, host, "4318"), address(configuredGRPC, host, "4317")
}

// plainHost tells names and addresses from anything else: the Host header is written by whoever sends the request.
func plainHost(host string) bool {
	if host == "" {
		return false
	}
	for _, c := range host {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-:[]", c) {
			return false
		}
	}
	return true
}

func address(configured, host, port string) string {
	h, p, err := net.SplitHostPort(configured)
	if err != nil {
		return net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	if ip := net.ParseIP(h); h == "" || h == "localhost" || (ip != nil && (ip.IsUnspecified() || ip.IsLoopback())) {
		h = strings.Trim(host, "[]")
	}
	return net.JoinHostPort(h, p)
}

// Highlight turns a shell or configuration snippet into HTML with the classes of the style sheet. All text is escaped.
func Highlight(snippet string) string {
	lines := strings.Split(snippet, "\n")
	for i, line := range lines {
		comment := strings.HasPrefix(strings.TrimSpace(line), "#") || strings.HasPrefix(strings.TrimSpace(line), "//")
		name, value, assigns := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		switch {
		case comment:
			lines[i] = `<span class="c">` + html.EscapeString(line) + `</span>`
		case strings.HasPrefix(line, "export ") && assigns:
			lines[i] = `export <span class="k">` + html.EscapeString(name) + `</span>=<span class="s">` + html.EscapeString(value) + `</span>`
		default:
			lines[i] = html.EscapeString(line)
		}
	}
	return strings.Join(lines, "\n")
}
