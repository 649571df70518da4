package demo

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"loadline/ingest/demo/sender"
)

var start = time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)

// play runs the shop through the real exporters for some seconds of its own time.
func play(t *testing.T, r *receiver, transport string, seconds int) {
	t.Helper()
	p, err := newPlayer(Config{Seed: 3, Rate: 60, Start: start, Incident: "n+1"}, start)
	if err != nil {
		t.Fatal(err)
	}
	to, err := sender.ParseDestination(r.address(transport), transport, map[string]string{"authorization": "Bearer key"})
	if err != nil {
		t.Fatal(err)
	}
	if p.out, err = newExporters(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	for i := range seconds {
		if err := p.play(t.Context(), start.Add(time.Duration(i+1)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.out.shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestLiveTrafficThroughTheSDK(t *testing.T) {
	for _, transport := range []string{GRPC, HTTP} {
		r := newReceiver(t)
		play(t, r, transport, 20)
		services, roots, spans := map[string]bool{}, 0, map[pcommon.SpanID]pcommon.TraceID{}
		links, events, states := 0, 0, 0
		r.each(func(rs ptrace.ResourceSpans, s ptrace.Span) {
			services[text(t, rs, "service.name")] = true
			spans[s.SpanID()] = s.TraceID()
			if s.ParentSpanID().IsEmpty() && s.Kind() == ptrace.SpanKindServer {
				roots++
			}
			if s.EndTimestamp().AsTime().After(start.Add(20 * time.Second)) {
				t.Fatalf("span %q is sent before its end", s.Name())
			}
			links += s.Links().Len()
			events += s.Events().Len()
			states += len(s.TraceState().AsRaw())
		})
		if len(services) != 7 {
			t.Errorf("%s: services %v, want 7", transport, services)
		}
		// The evening is busier than the mean rate of 60 a second.
		within(t, "requests in 20 s", float64(roots), 1100, 2200)
		if len(spans) != r.spans {
			t.Errorf("%d spans, %d distinct", r.spans, len(spans))
		}
		if links == 0 || events == 0 || states != 0 {
			t.Errorf("%d links, %d events, %d bytes of tracestate", links, events, states)
		}
		if r.header != "Bearer key" {
			t.Errorf("authorization is %q", r.header)
		}
		checkLogs(t, r, spans)
		checkMetrics(t, r)
	}
}

func checkLogs(t *testing.T, r *receiver, spans map[pcommon.SpanID]pcommon.TraceID) {
	t.Helper()
	records, exceptions := 0, 0
	for _, ld := range r.logs {
		for _, rl := range ld.ResourceLogs().All() {
			if _, ok := rl.Resource().Attributes().Get("service.name"); !ok {
				t.Error("a log has no service.name")
			}
			for _, sl := range rl.ScopeLogs().All() {
				for _, l := range sl.LogRecords().All() {
					records++
					if _, ok := l.Attributes().Get("exception.stacktrace"); ok {
						exceptions++
					}
					if trace, ok := spans[l.SpanID()]; ok && trace != l.TraceID() {
						t.Fatalf("log %q is in another trace than its span", l.Body().AsString())
					}
					if l.TraceID().IsEmpty() || l.SpanID().IsEmpty() || l.SeverityNumber() == 0 || l.Timestamp() == 0 {
						t.Fatalf("log %q lacks trace, severity or time", l.Body().AsString())
					}
				}
			}
		}
	}
	if records < 100 || exceptions == 0 {
		t.Errorf("%d logs with %d exceptions", records, exceptions)
	}
}

func checkMetrics(t *testing.T, r *receiver) {
	t.Helper()
	kinds := map[string]map[pmetric.MetricType]int{}
	exemplars, requests := 0, uint64(0)
	for _, md := range r.metrics {
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					if kinds[m.Name()] == nil {
						kinds[m.Name()] = map[pmetric.MetricType]int{}
					}
					kinds[m.Name()][m.Type()]++
					switch {
					case m.Type() == pmetric.MetricTypeHistogram && m.Name() == "http.server.request.duration":
						for _, p := range m.Histogram().DataPoints().All() {
							exemplars += p.Exemplars().Len()
							requests += p.Count()
						}
					case m.Type() == pmetric.MetricTypeExponentialHistogram && m.Name() == "http.server.request.duration":
						for _, p := range m.ExponentialHistogram().DataPoints().All() {
							requests += p.Count()
						}
					}
				}
			}
		}
	}
	server := kinds["http.server.request.duration"]
	if server[pmetric.MetricTypeHistogram] == 0 || server[pmetric.MetricTypeExponentialHistogram] == 0 || exemplars == 0 || requests == 0 {
		t.Errorf("request durations: %v with %d exemplars of %d requests, want both kinds of histogram", server, exemplars, requests)
	}
	f := func(name string, want pmetric.MetricType) {
		t.Helper()
		if kinds[name][want] == 0 || len(kinds[name]) != 1 {
			t.Errorf("metric %q has kinds %v, want %v", name, kinds[name], want)
		}
	}
	f("kafka.consumer_group.lag", pmetric.MetricTypeGauge)
	f("redis.keyspace.hits", pmetric.MetricTypeSum)
	f("redis.keyspace.misses", pmetric.MetricTypeSum)
	f("db.client.connection.count", pmetric.MetricTypeSum)
	f("process.cpu.time", pmetric.MetricTypeSum)
	f("jvm.memory.used", pmetric.MetricTypeSum)
	f("k8s.hpa.pod.desired", pmetric.MetricTypeSum)
}

func TestRunShowsDataAtOnceAndStops(t *testing.T) {
	for _, transport := range []string{GRPC, HTTP} {
		r := newReceiver(t)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		begin := time.Now()
		go func() {
			stopped <- Run(ctx, Config{Endpoint: r.address(transport), Transport: transport, Rate: 50, Seed: 1})
		}()
		<-r.arrived
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("%s: first data after %v", transport, took)
		}
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("%s: Run = %v", transport, err)
		}
	}
}

func TestLongPauseIsNotReplayed(t *testing.T) {
	p, err := newPlayer(Config{Seed: 1, Rate: 100, Start: start}, start)
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	if p.out, err = newExporters(t.Context(), sender.Destination{Host: r.grpcAddr, Transport: GRPC}); err != nil {
		t.Fatal(err)
	}
	if err := p.play(t.Context(), start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	within(t, "requests after an hour's pause", float64(p.requests), 300, 1000)
	if err := p.out.shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestBadRun(t *testing.T) {
	f := func(cfg Config) {
		t.Helper()
		if err := Run(t.Context(), cfg); err == nil {
			t.Errorf("Run(%+v) is taken", cfg)
		}
		if err := Backfill(t.Context(), cfg, nil); err == nil {
			t.Errorf("Backfill(%+v) is taken", cfg)
		}
	}
	f(Config{})
	f(Config{Endpoint: "127.0.0.1:1", Transport: "udp"})
	f(Config{Endpoint: "127.0.0.1:1", Incident: "fire"})
	f(Config{Endpoint: "127.0.0.1:1", Services: 9})
	if err := Backfill(t.Context(), Config{Endpoint: "127.0.0.1:1", History: -1}, nil); err == nil {
		t.Error("negative history is taken")
	}
}
