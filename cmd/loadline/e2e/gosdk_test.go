package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"loadline/internal/clickhouse"
	"loadline/query"
	"loadline/query/filter"
	"loadline/query/rollup"
	stored "loadline/query/trace"
)

// requests is how many requests each SDK test makes. Request i takes 1+i milliseconds; every tenth fails.
const requests = 1000

// TestGoSDK sends traces, metrics and logs with the real Go SDK over both transports and reads everything back.
func TestGoSDK(t *testing.T) {
	p := serve(t, t.TempDir())
	store, db := p.open(t)
	for _, transport := range []string{"grpc", "http"} {
		t.Run(transport, func(t *testing.T) {
			s := newSDK(t, transport, p)
			s.requests(t)
			if err := errors.Join(s.traces.Shutdown(t.Context()), s.metrics.Shutdown(t.Context()), s.logs.Shutdown(t.Context())); err != nil {
				t.Fatal(err)
			}
			c := sdkCheck{s, store, db}
			t.Run("RED", c.red)
			t.Run("trace", c.trace)
			t.Run("logs", c.logRecords)
			t.Run("metrics", c.metricPoints)
		})
	}
}

// sdk is a program that is instrumented with the Go SDK.
type sdk struct {
	service string
	began   time.Time
	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
	logs    *sdklog.LoggerProvider

	detailed oteltrace.SpanContext // the request with everything on it
	child    oteltrace.SpanContext
	linked   oteltrace.SpanContext // what it links to
}

func newSDK(t *testing.T, transport string, p *process) *sdk {
	t.Helper()
	ctx := t.Context()
	var (
		spans   sdktrace.SpanExporter
		points  sdkmetric.Exporter
		records sdklog.Exporter
		errs    [3]error
	)
	if transport == "grpc" {
		spans, errs[0] = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(p.grpc), otlptracegrpc.WithInsecure(), otlptracegrpc.WithCompressor("gzip"))
		points, errs[1] = otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint(p.grpc), otlpmetricgrpc.WithInsecure())
		records, errs[2] = otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(p.grpc), otlploggrpc.WithInsecure())
	} else {
		spans, errs[0] = otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(p.http), otlptracehttp.WithInsecure(), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
		points, errs[1] = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(p.http), otlpmetrichttp.WithInsecure())
		records, errs[2] = otlploghttp.New(ctx, otlploghttp.WithEndpoint(p.http), otlploghttp.WithInsecure())
	}
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	s := &sdk{service: "gosdk-" + transport, began: time.Now()}
	resource := sdkresource.NewSchemaless(
		attribute.String("service.name", s.service),
		attribute.String("service.namespace", "shop"),
		attribute.String("service.version", "1.2.3"),
		attribute.String("service.instance.id", "instance-1"),
		attribute.String("deployment.environment.name", "test"),
		attribute.Int("process.pid", 4711),
		attribute.StringSlice("process.command_args", []string{"shop", "-v"}),
	)
	s.traces = sdktrace.NewTracerProvider(sdktrace.WithResource(resource), sdktrace.WithBatcher(spans, sdktrace.WithMaxQueueSize(10*requests)))
	exponential := sdkmetric.NewView(sdkmetric.Instrument{Name: "e2e.payload"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}})
	s.metrics = sdkmetric.NewMeterProvider(sdkmetric.WithResource(resource), sdkmetric.WithView(exponential),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points, sdkmetric.WithInterval(time.Hour))))
	s.logs = sdklog.NewLoggerProvider(sdklog.WithResource(resource), sdklog.WithProcessor(sdklog.NewBatchProcessor(records)))
	return s
}

// requests makes all requests, with times of their own choosing that end now.
func (s *sdk) requests(t *testing.T) {
	t.Helper()
	tracer := s.traces.Tracer("e2e/server", oteltrace.WithInstrumentationVersion("0.1"))
	meter := s.metrics.Meter("e2e/server")
	counter, err1 := meter.Int64Counter("e2e.requests", metric.WithUnit("{request}"), metric.WithDescription("Requests made."))
	histogram, err2 := meter.Float64Histogram("e2e.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(0.1, 0.25, 0.5, 1))
	payload, err3 := meter.Int64Histogram("e2e.payload", metric.WithUnit("By"))
	gauge, err4 := meter.Float64Gauge("e2e.temperature", metric.WithUnit("Cel"))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	_, other := tracer.Start(t.Context(), "warm up")
	s.linked = other.SpanContext()
	other.End()
	for i := range requests {
		start := s.began.Add(-5 * time.Second).Add(time.Duration(i) * time.Millisecond)
		end := start.Add(time.Duration(1+i) * time.Millisecond)
		ctx, span := tracer.Start(t.Context(), "GET", oteltrace.WithTimestamp(start), oteltrace.WithSpanKind(oteltrace.SpanKindServer),
			oteltrace.WithAttributes(attribute.String("http.request.method", "GET"), attribute.String("http.route", "/items/{id}")))
		if i%10 == 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", 503))
		} else {
			span.SetAttributes(attribute.Int("http.response.status_code", 200))
		}
		if i == requests/2 {
			s.detail(ctx, tracer, span, start)
		}
		counter.Add(ctx, 1, metric.WithAttributes(attribute.Bool("failed", i%10 == 0)))
		histogram.Record(ctx, end.Sub(start).Seconds())
		payload.Record(ctx, int64(1+i))
		span.End(oteltrace.WithTimestamp(end))
	}
	gauge.Record(t.Context(), 36.6)
}

// detail puts everything that a span can have on one, and logs in it.
func (s *sdk) detail(ctx context.Context, tracer oteltrace.Tracer, span oteltrace.Span, start time.Time) {
	s.detailed = span.SpanContext()
	span.SetAttributes(attribute.String("text", "a\n\n\"b\" é"), attribute.Bool("yes", true), attribute.Int64("big", 1<<62),
		attribute.Float64("third", 1.0/3), attribute.StringSlice("list", []string{"x", "y"}), attribute.IntSlice("numbers", []int{1, 2}),
		attribute.ByteSlice("bytes", []byte{0, 255}), attribute.Map("map", attribute.Int("a", 1), attribute.Bool("b", false)))
	span.AddEvent("cache miss", oteltrace.WithTimestamp(start.Add(time.Millisecond)), oteltrace.WithAttributes(attribute.Int("tries", 3)))
	span.RecordError(errors.New("no such item"), oteltrace.WithTimestamp(start.Add(2*time.Millisecond)))
	span.AddLink(oteltrace.Link{SpanContext: s.linked, Attributes: []attribute.KeyValue{attribute.String("why", "retry")}})
	span.SetStatus(otelcodes.Error, "item is gone")
	_, child := tracer.Start(ctx, "SELECT items", oteltrace.WithTimestamp(start.Add(10*time.Millisecond)), oteltrace.WithSpanKind(oteltrace.SpanKindClient),
		oteltrace.WithAttributes(attribute.String("db.system.name", "postgresql"), attribute.String("db.namespace", "shop")))
	s.child = child.SpanContext()
	child.SetStatus(otelcodes.Ok, "")
	child.End(oteltrace.WithTimestamp(start.Add(30 * time.Millisecond)))

	var record log.Record
	record.SetTimestamp(start.Add(5 * time.Millisecond))
	record.SetSeverity(log.SeverityError)
	record.SetSeverityText("ERROR")
	record.SetBody(attribute.StringValue("item is gone"))
	record.AddAttributes(attribute.Int("item", 7), attribute.Bool("final", true), attribute.Slice("path", attribute.StringValue("a"), attribute.IntValue(2)))
	s.logs.Logger("e2e/log").Emit(ctx, record)
	record = log.Record{}
	record.SetTimestamp(start)
	record.SetBody(attribute.MapValue(attribute.String("of", "nobody")))
	s.logs.Logger("e2e/log").Emit(context.Background(), record)
}

// sdkCheck reads back what an sdk sent.
type sdkCheck struct {
	*sdk
	store *query.Store
	db    *clickhouse.DB
}

func (c sdkCheck) timeRange() rollup.Range {
	return rollup.NewRange(c.began.Add(-time.Minute), c.began.Add(time.Minute), 60)
}

// percentiles checks those of durations of 1 to n milliseconds.
func percentiles(t *testing.T, got rollup.Totals, n int) {
	t.Helper()
	f := func(name string, got time.Duration, q float64) {
		t.Helper()
		want := time.Duration(q*float64(n)) * time.Millisecond
		if off := float64(got)/float64(want) - 1; off < -0.045 || off > 0.045 {
			t.Errorf("%s is %s, want %s within 4.5 %%", name, got, want)
		}
	}
	f("p50", got.P50, 0.5)
	f("p90", got.P90, 0.9)
	f("p95", got.P95, 0.95)
	f("p99", got.P99, 0.99)
	if want := time.Duration(n+1) * time.Millisecond / 2; (got.Mean - want).Abs() > time.Microsecond {
		t.Errorf("mean is %s, want %s", got.Mean, want)
	}
}

func (c sdkCheck) red(t *testing.T) {
	var endpoints []query.Endpoint
	eventually(t, 30*time.Second, func() (err error) {
		endpoints, err = c.store.Endpoints(t.Context(), filter.Selector{Service: c.service}, c.timeRange())
		var n float64
		for _, e := range endpoints {
			n += e.Requests
		}
		if err == nil && n < requests+1 {
			err = fmt.Errorf("%v of %d requests", n, requests+1)
		}
		return err
	})
	i := slices.IndexFunc(endpoints, func(e query.Endpoint) bool { return e.Operation == "GET /items/{id}" })
	if i < 0 || len(endpoints) != 2 {
		t.Fatalf("endpoints %+v", endpoints)
	}
	e := endpoints[i]
	// The request with everything on it fails by its status; it is one of those that answer 503, too.
	if e.Requests != requests || e.Errors != requests/10 || e.Method != "GET" || e.Route != "/items/{id}" || e.Kind != "server" {
		t.Errorf("endpoint %+v", e)
	}
	percentiles(t, e.Totals, requests)
	services, err := c.store.Services(t.Context(), filter.Selector{}, c.timeRange())
	if err != nil {
		t.Fatal(err)
	}
	i = slices.IndexFunc(services, func(s query.ServiceRED) bool { return s.Service == c.service })
	if i < 0 || services[i].Requests != requests+1 || services[i].Env != "test" || !slices.Equal(services[i].Versions, []string{"1.2.3"}) {
		t.Errorf("services %+v", services)
	}
	red, err := c.store.RED(t.Context(), filter.Selector{Service: c.service, Operation: "GET /items/{id}"}, c.timeRange())
	if err != nil {
		t.Fatal(err)
	}
	percentiles(t, red.Totals, requests)
	if red.Totals.Spans != requests {
		t.Errorf("%d spans behind the series, want %d", red.Totals.Spans, requests)
	}
}

// anyOrder compares attributes as the sets that they are.
var anyOrder = cmpopts.SortSlices(func(a, b stored.Attribute) bool { return a.Key < b.Key })

func (c sdkCheck) trace(t *testing.T) {
	trace, err := c.store.Trace(t.Context(), stored.ID(c.detailed.TraceID()))
	if err != nil {
		t.Fatal(err)
	}
	if len(trace.Spans) != 2 || trace.Errors != 1 || len(trace.Resources) != 1 {
		t.Fatalf("trace %+v", trace)
	}
	root, child := trace.Spans[0], trace.Spans[1]
	start := c.began.Add(-5*time.Second + requests/2*time.Millisecond).UTC()
	attributes := []stored.Attribute{
		{Key: "big", Value: "4611686018427387904", Type: 'i'},
		{Key: "bytes", Value: "AP8=", Type: 'y'},
		{Key: "http.request.method", Value: "GET", Type: 's'},
		{Key: "http.response.status_code", Value: "503", Type: 'i'},
		{Key: "http.route", Value: "/items/{id}", Type: 's'},
		{Key: "list", Value: `["x","y"]`, Type: 'j'},
		{Key: "map", Value: `{"a":1,"b":false}`, Type: 'j'},
		{Key: "numbers", Value: `[1,2]`, Type: 'j'},
		{Key: "text", Value: "a\n\n\"b\" é", Type: 's'},
		{Key: "third", Value: "0.3333333333333333", Type: 'd'},
		{Key: "yes", Value: "true", Type: 'b'},
	}
	want := stored.Span{
		ID: stored.SpanID(c.detailed.SpanID()), Start: start, Duration: (requests/2 + 1) * time.Millisecond, Env: "test", Service: c.service,
		Version: "1.2.3", Operation: "GET /items/{id}", Name: "GET", Kind: "server", Status: "error", StatusMessage: "item is gone", Error: true,
		ErrorType: "*errors.errorString", HTTPStatus: 503, Weight: 1, Scope: "e2e/server@0.1", ResourceID: root.ResourceID, Attributes: attributes,
		Events: []stored.Event{
			{Time: start.Add(time.Millisecond), Name: "cache miss", Attributes: []stored.Attribute{{Key: "tries", Value: "3", Type: 'i'}}},
			{Time: start.Add(2 * time.Millisecond), Name: "exception", Attributes: []stored.Attribute{
				{Key: "exception.message", Value: "no such item", Type: 's'}, {Key: "exception.type", Value: "*errors.errorString", Type: 's'},
			}},
		},
		Links: []stored.Link{{
			TraceID: stored.ID(c.linked.TraceID()), SpanID: stored.SpanID(c.linked.SpanID()),
			Attributes: []stored.Attribute{{Key: "why", Value: "retry", Type: 's'}},
		}},
	}
	if diff := cmp.Diff(want, root, anyOrder); diff != "" {
		t.Errorf("root (-want +got):\n%s", diff)
	}
	want = stored.Span{
		ID: stored.SpanID(c.child.SpanID()), Parent: root.ID, Start: start.Add(10 * time.Millisecond), Duration: 20 * time.Millisecond, Env: "test",
		Service: c.service, Version: "1.2.3", Operation: "SELECT items", Name: "SELECT items", Kind: "client", Status: "ok",
		Peer: "postgresql:shop", PeerType: "database", Weight: 1, Scope: "e2e/server@0.1", ResourceID: root.ResourceID,
		Attributes: []stored.Attribute{{Key: "db.namespace", Value: "shop", Type: 's'}, {Key: "db.system.name", Value: "postgresql", Type: 's'}},
	}
	if diff := cmp.Diff(want, child, anyOrder); diff != "" {
		t.Errorf("child (-want +got):\n%s", diff)
	}
	resource := trace.Resources[root.ResourceID]
	if resource == nil {
		t.Fatal("no resource")
	}
	wantResource := stored.Resource{
		ID: root.ResourceID, Env: "test", Service: c.service, Version: "1.2.3", Instance: "instance-1",
		Attributes: []stored.Attribute{
			{Key: "deployment.environment.name", Value: "test", Type: 's'},
			{Key: "process.command_args", Value: `["shop","-v"]`, Type: 'j'},
			{Key: "process.pid", Value: "4711", Type: 'i'},
			{Key: "service.instance.id", Value: "instance-1", Type: 's'},
			{Key: "service.name", Value: c.service, Type: 's'},
			{Key: "service.namespace", Value: "shop", Type: 's'},
			{Key: "service.version", Value: "1.2.3", Type: 's'},
		},
	}
	if diff := cmp.Diff(wantResource, *resource, anyOrder); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
}

func (c sdkCheck) logRecords(t *testing.T) {
	var records []stored.LogRecord
	eventually(t, 30*time.Second, func() (err error) {
		records, err = c.store.LogsOfTrace(t.Context(), stored.ID(c.detailed.TraceID()))
		if err == nil && len(records) == 0 {
			err = errors.New("the trace has no logs")
		}
		return err
	})
	want := []stored.LogRecord{{
		Time: c.began.Add(-5*time.Second + (requests/2+5)*time.Millisecond).UTC(), TraceID: stored.ID(c.detailed.TraceID()),
		SpanID: stored.SpanID(c.detailed.SpanID()), Env: "test", Service: c.service, Severity: 17, SeverityText: "ERROR", Body: "item is gone",
		BodyType: 's', Scope: "e2e/log", ResourceID: records[0].ResourceID,
		Attributes: []stored.Attribute{{Key: "final", Value: "true", Type: 'b'}, {Key: "item", Value: "7", Type: 'i'}, {Key: "path", Value: `["a",2]`, Type: 'j'}},
	}}
	if diff := cmp.Diff(want, records, anyOrder); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	const sql = "SELECT body FROM logs WHERE service = {service:String} AND trace_id = toFixedString('', 16)"
	if got := one[string](t, c.db, sql, clickhouse.Named("service", c.service)); got != `{"of":"nobody"}` {
		t.Errorf("the record outside of traces: %q", got)
	}
}

func (c sdkCheck) metricPoints(t *testing.T) {
	job := clickhouse.Named("job", "shop/"+c.service)
	eventually(t, 30*time.Second, func() error {
		n, err := scalar[uint64](t.Context(), c.db, "SELECT uniqExact(metric) FROM series WHERE service = {job:String}", job)
		if err == nil && n < 4 {
			err = fmt.Errorf("%d of 4 metrics", n)
		}
		return err
	})
	f := func(want, sql string) {
		t.Helper()
		eventually(t, 90*time.Second, func() error { // samples come to their table once a minute
			got, err := scalar[string](t.Context(), c.db, sql, job, clickhouse.Named("service", c.service))
			if err == nil && got != want {
				err = fmt.Errorf("%s: %s, want %s", strings.TrimSpace(sql), got, want)
			}
			return err
		})
	}
	f(`['e2e_duration_seconds','e2e_payload_bytes','e2e_requests_total','e2e_temperature_celsius']`,
		"SELECT toString(arraySort(groupUniqArray(metric))) FROM series WHERE service = {job:String} AND metric != 'target_info'")
	f(`[('false',[900]),('true',[100])]`, `
		SELECT toString(arraySort(groupArray((labels['failed'], value))))
		FROM (SELECT series_id, any(value) AS value FROM samples WHERE service = {job:String} AND metric = 'e2e_requests_total' GROUP BY series_id) AS s
		JOIN (SELECT series_id, any(labels) AS labels FROM series WHERE metric = 'e2e_requests_total' AND service = {job:String} AND kind = 'counter' GROUP BY series_id) AS l
		USING series_id`)
	f(`[36.6]`, "SELECT toString(any(value)) FROM samples WHERE service = {job:String} AND metric = 'e2e_temperature_celsius'")
	f(`(-53,1000,500.5,[100,150,250,500],[0.1,0.25,0.5,1])`, `
		SELECT toString((schema, count, round(sum, 6), pos_count, bounds))
		FROM histograms
		JOIN (SELECT series_id, any(bounds) AS bounds FROM series WHERE metric = 'e2e_duration_seconds' AND service = {job:String} GROUP BY series_id) AS s
		USING series_id
		WHERE service = {job:String} AND metric = 'e2e_duration_seconds'`)
	f(`(1,1000,500500,1000,1,1000)`, `
		SELECT toString((schema >= 0 AND schema <= 8, count, sum, arraySum(pos_count), min, max))
		FROM histograms
		WHERE service = {job:String} AND metric = 'e2e_payload_bytes'`)
	f(`('counter','{request}','Requests made.','e2e/server')`, `
		SELECT toString((type, unit, help, scope))
		FROM metadata
		WHERE otel_name = 'e2e.requests' LIMIT 1`)
	// Each bucket of the histogram keeps an exemplar, which leads to a trace that is stored.
	f(`(4,4)`, `
		SELECT toString((count(), countIf(trace_id IN (SELECT trace_id FROM spans WHERE service = {service:String}))))
		FROM exemplars
		WHERE service = {job:String} AND metric = 'e2e_duration_seconds'`)
}
