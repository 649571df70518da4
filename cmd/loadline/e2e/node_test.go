package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/query"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/search"
	stored "loadline/query/trace"
)

// What the Node app is asked: items call the stock over HTTP, broken ones fail.
const itemRequests, brokenRequests = 100, 20

// TestNodeSDK runs an Express app with the Node SDK's automatic instrumentation, over each protocol that the SDK speaks, and
// reads back what it sent.
func TestNodeSDK(t *testing.T) {
	app := nodeApp(t)
	p := serve(t, t.TempDir())
	store, db := p.open(t)
	f := func(protocol, address string) {
		t.Run(protocol, func(t *testing.T) {
			service := "node-" + protocol
			began := time.Now()
			runNode(t, app, service, "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+address)
			c := nodeCheck{service, rollup.NewRange(began.Add(-time.Minute), time.Now().Add(time.Minute), 60), store, db}
			t.Run("RED", c.red)
			t.Run("calls", c.calls)
			t.Run("metrics", c.metricPoints)
		})
	}
	f("http/protobuf", p.http)
	f("http/json", p.http)
	f("grpc", p.grpc)
}

// nodeApp returns the directory of the app, with its packages installed as its lock file says.
func nodeApp(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", "node"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
		return dir
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v; `make node-apps` does the same\n%s", err, out)
	}
	return dir
}

// runNode runs the app, sends it requests, and lets it end, which sends its last telemetry.
func runNode(t *testing.T, app, service string, env ...string) {
	t.Helper()
	cmd := exec.Command("node", "--require", "./telemetry.js", "app.js")
	cmd.Dir = app
	cmd.Env = append(os.Environ(), "OTEL_SERVICE_NAME="+service, "OTEL_RESOURCE_ATTRIBUTES=service.version=9.1,deployment.environment.name=test",
		"OTEL_TRACES_EXPORTER=otlp", "OTEL_METRICS_EXPORTER=otlp", "OTEL_LOGS_EXPORTER=otlp", "OTEL_LOG_LEVEL=warn")
	cmd.Env = append(cmd.Env, env...)
	var stderr lines
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	output := bufio.NewReader(stdout)
	port := ""
	for port == "" {
		line, err := output.ReadString('\n')
		if err != nil {
			_ = cmd.Wait()
			t.Fatalf("the Node app does not start: %v\n%s", err, &stderr)
		}
		port, _ = strings.CutPrefix(strings.TrimSpace(line), "port ")
		if port == strings.TrimSpace(line) {
			port = ""
		}
	}
	ask := func(path string, n, want int) {
		t.Helper()
		for i := range n {
			url := fmt.Sprintf("http://127.0.0.1:%s/%s/%d", port, path, i)
			if a := send(t, http.MethodGet, url, nil); a.code != want {
				t.Fatalf("%s: %d %s", url, a.code, a.body)
			}
		}
	}
	ask("items", itemRequests, http.StatusOK)
	ask("broken", brokenRequests, http.StatusInternalServerError)
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(output)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the Node app: %v\n%s%s", err, rest, &stderr)
	}
}

// nodeCheck reads back what the app sent.
type nodeCheck struct {
	service string
	r       rollup.Range
	store   *query.Store
	db      *clickhouse.DB
}

func (c nodeCheck) red(t *testing.T) {
	var endpoints []query.Endpoint
	eventually(t, 30*time.Second, func() (err error) {
		endpoints, err = c.store.Endpoints(t.Context(), filter.Selector{Service: c.service}, c.r)
		if err == nil && len(endpoints) < 3 {
			err = fmt.Errorf("%d of 3 endpoints", len(endpoints))
		}
		return err
	})
	if len(endpoints) != 3 {
		t.Errorf("endpoints %+v", endpoints)
	}
	f := func(operation string, requests, errors float64, status uint16) {
		t.Helper()
		i := slices.IndexFunc(endpoints, func(e query.Endpoint) bool { return e.Operation == operation })
		if i < 0 {
			t.Fatalf("no endpoint %q in %+v", operation, endpoints)
		}
		e := endpoints[i]
		if e.Requests != requests || e.Errors != errors || e.Kind != "server" || e.Method != "GET" || "GET "+e.Route != operation {
			t.Errorf("endpoint %+v, want %v requests and %v errors", e, requests, errors)
		}
		c.percentiles(t, e)
		n := one[uint64](t, c.db, `
			SELECT count()
			FROM spans
			WHERE service = {service:String} AND operation = {operation:String} AND kind = 'server' AND http_status = {status:UInt16}
			  AND attributes['http.route'] = {route:String}`,
			clickhouse.Named("service", c.service), clickhouse.Named("operation", operation), clickhouse.Named("status", status), clickhouse.Named("route", e.Route))
		if n != uint64(requests) {
			t.Errorf("%s: %d spans with status %d and route, want %v", operation, n, status, requests)
		}
	}
	f("GET /items/:id", itemRequests, 0, 200)
	f("GET /stock/:id", itemRequests, 0, 200)
	f("GET /broken/:id", brokenRequests, brokenRequests, 500)
	services, err := c.store.Services(t.Context(), filter.Selector{}, c.r)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(services, func(s query.ServiceRED) bool { return s.Service == c.service })
	if i < 0 || services[i].Language != "nodejs" || services[i].Env != "test" || !slices.Equal(services[i].Versions, []string{"9.1"}) ||
		services[i].Requests != 2*itemRequests+brokenRequests || services[i].Errors != brokenRequests {
		t.Errorf("services %+v", services)
	}
}

// percentiles compares those of an endpoint with the exact ones of its spans, two ranks to either side.
func (c nodeCheck) percentiles(t *testing.T, e query.Endpoint) {
	t.Helper()
	rows, err := c.db.Query(t.Context(), `
		SELECT duration
		FROM spans
		WHERE service = {service:String} AND operation = {operation:String} AND kind = 'server'
		ORDER BY duration`, clickhouse.Named("service", c.service), clickhouse.Named("operation", e.Operation))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var exact []float64
	for rows.Next() {
		var d uint64
		if err := rows.Scan(&d); err != nil {
			t.Fatal(err)
		}
		exact = append(exact, float64(d))
	}
	if len(exact) == 0 || rows.Err() != nil {
		t.Fatalf("no spans of %q: %v", e.Operation, rows.Err())
	}
	for q, got := range map[float64]time.Duration{0.5: e.P50, 0.9: e.P90, 0.95: e.P95, 0.99: e.P99} {
		rank := int(q * float64(len(exact)))
		low, high := exact[max(0, rank-2)]*0.955, exact[min(len(exact)-1, rank+2)]*1.045
		if float64(got) < low || float64(got) > high {
			t.Errorf("%s: percentile %v is %s, want %s to %s", e.Operation, q, got, time.Duration(low), time.Duration(high))
		}
	}
}

// calls follows a request for an item through the call that it makes.
func (c nodeCheck) calls(t *testing.T) {
	list, err := c.store.SearchTraces(t.Context(), search.Query{
		Selector: filter.Selector{Service: c.service, Operation: "GET /items/:id"}, Range: c.r, Limit: 200, Budget: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Traces) != itemRequests {
		t.Errorf("%d traces of items, want %d", len(list.Traces), itemRequests)
	}
	for _, summary := range list.Traces {
		trace, err := c.store.Trace(t.Context(), summary.TraceID)
		if err != nil {
			t.Fatal(err)
		}
		byID := map[stored.SpanID]stored.Span{}
		for _, s := range trace.Spans {
			byID[s.ID] = s
		}
		i := slices.IndexFunc(trace.Spans, func(s stored.Span) bool { return s.Operation == "GET /stock/:id" })
		if i < 0 {
			t.Fatalf("trace %s has no call of the stock: %+v", summary.TraceID, trace.Spans)
		}
		// The callee's parent is the caller's client span, and above that, maybe behind spans of middleware, is the request.
		client := byID[trace.Spans[i].Parent]
		top := client
		for !top.Parent.IsZero() {
			top = byID[top.Parent]
		}
		if client.Kind != "client" || client.HTTPStatus != http.StatusOK || client.Peer == "" || top.Operation != "GET /items/:id" || top.Kind != "server" {
			t.Fatalf("trace %s: client %+v below %+v", summary.TraceID, client, top)
		}
	}
	broken, err := c.store.SearchTraces(t.Context(), search.Query{
		Selector: filter.Selector{Service: c.service}, Range: c.r, ErrorsOnly: true, Limit: 200, Budget: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(broken.Traces) != brokenRequests || broken.Traces[0].MatchHTTPStatus != http.StatusInternalServerError {
		t.Errorf("%d failed traces, want %d", len(broken.Traces), brokenRequests)
	}
}

func (c nodeCheck) metricPoints(t *testing.T) {
	const metric = "http_server_request_duration_seconds"
	eventually(t, 30*time.Second, func() error {
		n, err := scalar[uint64](t.Context(), c.db, `
			SELECT toUInt64(sum(count))
			FROM (SELECT max(count) AS count FROM histograms WHERE service = {service:String} AND metric = {metric:String} GROUP BY series_id)`,
			clickhouse.Named("service", c.service), clickhouse.Named("metric", metric))
		if err == nil && n != 2*itemRequests+brokenRequests {
			err = fmt.Errorf("%s counts %d requests, want %d", metric, n, 2*itemRequests+brokenRequests)
		}
		return err
	})
}
