package demo

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"loadline/ingest/demo/shop"
)

const (
	schemaURL    = "https://opentelemetry.io/schemas/1.44.0"
	scopeVersion = "1.24.0"
)

// pod is the SDK inside one process of the shop: its resource, its duration histograms and its logger.
type pod struct {
	instance   *shop.Instance
	resource   *resource.Resource
	reader     *sdkmetric.ManualReader
	histograms map[string]metric.Float64Histogram
	logger     log.Logger
}

func (p *player) pod(in *shop.Instance) *pod {
	if known := p.pods[in]; known != nil {
		return known
	}
	res := resource.NewWithAttributes(schemaURL, in.Resource...)
	created := &pod{instance: in, resource: res, reader: sdkmetric.NewManualReader(), histograms: map[string]metric.Float64Histogram{}}
	options := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(created.reader)}
	if in.Language == "go" {
		// Both kinds of histogram are in use; the Go services of this shop have turned exponential ones on.
		options = append(options, sdkmetric.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram},
			sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}},
		)))
	}
	meter := sdkmetric.NewMeterProvider(options...).Meter("com.example.shop/requests", metric.WithInstrumentationVersion(scopeVersion))
	for _, h := range durationMetrics {
		// The name and the options are constants that the SDK accepts, so there is no error to see.
		created.histograms[h.name], _ = meter.Float64Histogram(h.name, metric.WithUnit("s"), metric.WithDescription(h.description),
			metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
	}
	logs := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(collector{&p.collected}))
	created.logger = logs.Logger("com.example.shop/"+in.Service, log.WithInstrumentationVersion(scopeVersion))
	p.pods[in] = created
	return created
}

// durationMetrics are the histograms that instrumentation keeps of spans, with the attributes that they have.
var durationMetrics = [...]struct {
	name, description string
	keys              []attribute.Key
}{
	{"http.server.request.duration", "Duration of HTTP server requests.", []attribute.Key{"http.request.method", "http.route", "http.response.status_code", "url.scheme", "error.type", "network.protocol.version"}},
	{"http.client.request.duration", "Duration of HTTP client requests.", []attribute.Key{"http.request.method", "server.address", "server.port", "http.response.status_code", "error.type"}},
	{"db.client.operation.duration", "Duration of database client operations.", []attribute.Key{"db.system.name", "db.namespace", "db.operation.name", "db.collection.name", "db.query.summary", "server.address", "server.port"}},
	{"messaging.client.operation.duration", "Duration of messaging operation initiated by a producer or consumer client.", []attribute.Key{"messaging.system", "messaging.destination.name", "messaging.operation.name", "messaging.operation.type"}},
	{"messaging.process.duration", "Duration of processing operation.", []attribute.Key{"messaging.system", "messaging.destination.name", "messaging.operation.name", "messaging.consumer.group.name", "error.type"}},
}

// durationMetric is which of durationMetrics a span goes into, -1 for none.
func durationMetric(s *shop.Span) int {
	switch s.Kind {
	case trace.SpanKindServer:
		return 0
	case trace.SpanKindProducer:
		return 3
	case trace.SpanKindConsumer:
		return 4
	case trace.SpanKindClient:
		for _, a := range s.Attributes {
			if a.Key == "db.system.name" {
				return 2
			}
		}
		return 1
	}
	return -1
}

// record counts an ended span. Its context makes it an exemplar.
func (p *pod) record(s *shop.Span) {
	i := durationMetric(s)
	if i < 0 {
		return
	}
	var kept []attribute.KeyValue
	for _, a := range s.Attributes {
		for _, key := range durationMetrics[i].keys {
			if a.Key == key {
				kept = append(kept, a)
			}
		}
	}
	ctx := trace.ContextWithSpanContext(context.Background(), spanContext(s.TraceID, s.SpanID, false))
	p.histograms[durationMetrics[i].name].Record(ctx, s.End.Sub(s.Start).Seconds(), metric.WithAttributes(kept...))
}

// export sends the pod's histograms and gauges.
func (p *pod) export(ctx context.Context, owner *player, now time.Time) error {
	var collected metricdata.ResourceMetrics
	if err := p.reader.Collect(ctx, &collected); err != nil {
		return fmt.Errorf("metrics of pod %q: %w", p.instance.Pod, err)
	}
	readings := owner.gauge.resource(owner.model.Pod(p.instance, now), now)
	readings.Resource = p.resource
	readings.ScopeMetrics = append(readings.ScopeMetrics, collected.ScopeMetrics...)
	return owner.out.metrics.Export(ctx, readings)
}

// emit writes a log record inside its span.
func (p *pod) emit(ctx context.Context, l *shop.Log) {
	var r log.Record
	r.SetTimestamp(l.At)
	r.SetObservedTimestamp(l.At)
	r.SetSeverity(log.Severity(l.Severity))
	r.SetSeverityText(severityText(l.Severity))
	r.SetEventName(l.Event)
	r.SetBody(attribute.StringValue(l.Body))
	r.AddAttributes(l.Attributes...)
	p.logger.Emit(trace.ContextWithSpanContext(ctx, spanContext(l.TraceID, l.SpanID, false)), r)
}

func severityText(n int) string {
	switch {
	case n >= 17:
		return "ERROR"
	case n >= 13:
		return "WARN"
	}
	return "INFO"
}

// collector is a log processor that keeps records for one export of all pods.
type collector struct{ records *[]sdklog.Record }

func (c collector) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

func (c collector) OnEmit(_ context.Context, r *sdklog.Record) error {
	*c.records = append(*c.records, r.Clone())
	return nil
}

func (c collector) Shutdown(context.Context) error { return nil }

func (c collector) ForceFlush(context.Context) error { return nil }

func spanContext(t trace.TraceID, s trace.SpanID, remote bool) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t, SpanID: s, TraceFlags: trace.FlagsSampled, Remote: remote})
}

// stub is a span as the SDK's exporters take it, with the ids that the shop chose.
func stub(s *shop.Span, res *resource.Resource) *tracetest.SpanStub {
	out := &tracetest.SpanStub{
		Name: s.Name, SpanKind: s.Kind, StartTime: s.Start, EndTime: s.End, Attributes: s.Attributes, Resource: res,
		SpanContext:          spanContext(s.TraceID, s.SpanID, false),
		InstrumentationScope: instrumentation.Scope{Name: s.Scope, Version: scopeVersion},
	}
	if s.ParentID.IsValid() {
		out.Parent = spanContext(s.TraceID, s.ParentID, s.Kind == trace.SpanKindServer || s.Kind == trace.SpanKindConsumer)
	}
	if s.Failed {
		out.Status = sdktrace.Status{Code: codes.Error, Description: s.Message}
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, sdktrace.Event{Name: e.Name, Time: e.At, Attributes: e.Attributes})
	}
	for _, l := range s.Links {
		out.Links = append(out.Links, sdktrace.Link{SpanContext: spanContext(l.TraceID, l.SpanID, true), Attributes: l.Attributes})
	}
	return out
}

// meter turns readings into metric data and adds counters up.
type meter struct {
	start  time.Time
	totals map[counterKey]counter
}

type counterKey struct {
	resource, attributes attribute.Distinct
	name                 string
}

// counter is a running sum and when it was last added to.
type counter struct {
	sum float64
	at  time.Time
}

func newMeter(start time.Time) *meter {
	return &meter{start: start, totals: map[counterKey]counter{}}
}

// total adds what a counter grew by since it was last read.
func (m *meter) total(key counterKey, perSecond float64, now time.Time) float64 {
	c, known := m.totals[key]
	if !known {
		c.at = m.start
	}
	c.sum += perSecond * max(0, now.Sub(c.at).Seconds())
	c.at = now
	m.totals[key] = c
	return c.sum
}

// resource is what a source reads now, points of one metric together.
func (m *meter) resource(s shop.Source, now time.Time) *metricdata.ResourceMetrics {
	of := attribute.NewSet(s.Resource...)
	points := map[string][]metricdata.DataPoint[float64]{}
	var families []shop.Reading
	for _, r := range s.Readings {
		set := attribute.NewSet(r.Attributes...)
		if r.Shape == shop.Counter {
			r.Value = m.total(counterKey{of.Equivalent(), set.Equivalent(), r.Name}, r.Value, now)
		}
		if points[r.Name] == nil {
			families = append(families, r)
		}
		points[r.Name] = append(points[r.Name], metricdata.DataPoint[float64]{Attributes: set, StartTime: m.start, Time: now, Value: r.Value})
	}
	out := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: s.Scope, Version: scopeVersion}}
	for _, f := range families {
		data := metricdata.Metrics{Name: f.Name, Unit: f.Unit}
		if f.Shape == shop.Gauge {
			data.Data = metricdata.Gauge[float64]{DataPoints: points[f.Name]}
		} else {
			data.Data = metricdata.Sum[float64]{DataPoints: points[f.Name], Temporality: metricdata.CumulativeTemporality, IsMonotonic: f.Shape == shop.Counter}
		}
		out.Metrics = append(out.Metrics, data)
	}
	return &metricdata.ResourceMetrics{
		Resource: resource.NewWithAttributes(schemaURL, s.Resource...), ScopeMetrics: []metricdata.ScopeMetrics{out},
	}
}
