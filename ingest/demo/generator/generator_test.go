package generator

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

var at = time.Date(2026, 11, 20, 18, 0, 0, 123456789, time.UTC)

func build(t testing.TB, signal Signal, items int) *Generator {
	t.Helper()
	g, err := New(signal, 42, items)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func within(t testing.TB, what string, got, low, high float64) {
	t.Helper()
	if got < low || got > high || math.IsNaN(got) {
		t.Errorf("%s = %.5g, want %.5g to %.5g", what, got, low, high)
	}
}

// census is what the spans of a number of requests look like.
type census struct {
	spans, attributes, failed, bytes int
	traces                           map[pcommon.TraceID]int
	ids                              map[pcommon.SpanID]bool
	roots                            []float64 // durations in ms
	services                         map[string]map[string]bool
	routes                           map[string]bool
	kinds                            map[ptrace.SpanKind]int
}

func (c *census) add(t *testing.T, body []byte) {
	t.Helper()
	req := ptraceotlp.NewExportRequest()
	if err := req.UnmarshalProto(body); err != nil {
		t.Fatalf("a request does not decode: %v", err)
	}
	c.bytes += len(body)
	parents := map[pcommon.SpanID]ptrace.Span{}
	var all []ptrace.Span
	for _, rs := range req.Traces().ResourceSpans().All() {
		if n := rs.Resource().Attributes().Len(); n != 19 {
			t.Fatalf("%d resource attributes, want 19", n)
		}
		service, _ := rs.Resource().Attributes().Get("service.name")
		host, _ := rs.Resource().Attributes().Get("k8s.pod.name")
		if c.services[service.Str()] == nil {
			c.services[service.Str()] = map[string]bool{}
		}
		c.services[service.Str()][host.Str()] = true
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				all = append(all, s)
				parents[s.SpanID()] = s
				if s.Kind() == ptrace.SpanKindServer {
					c.routes[service.Str()+s.Name()] = true
				}
			}
		}
	}
	for _, s := range all {
		c.count(t, s, parents)
	}
}

func (c *census) count(t *testing.T, s ptrace.Span, parents map[pcommon.SpanID]ptrace.Span) {
	t.Helper()
	if s.TraceID().IsEmpty() || s.SpanID().IsEmpty() || c.ids[s.SpanID()] {
		t.Fatalf("span %s of trace %s: an id is empty or repeated", s.SpanID(), s.TraceID())
	}
	c.ids[s.SpanID()] = true
	c.spans++
	c.traces[s.TraceID()]++
	c.kinds[s.Kind()]++
	c.attributes += s.Attributes().Len()
	if s.Status().Code() == ptrace.StatusCodeError {
		c.failed++
	}
	if s.EndTimestamp() < s.StartTimestamp() || s.EndTimestamp().AsTime().After(at.Add(time.Second)) || s.StartTimestamp().AsTime().Before(at.Add(-time.Minute)) {
		t.Fatalf("span lasts from %v to %v in a request of %v", s.StartTimestamp().AsTime(), s.EndTimestamp().AsTime(), at)
	}
	if s.ParentSpanID().IsEmpty() {
		c.roots = append(c.roots, float64(s.EndTimestamp()-s.StartTimestamp())/1e6)
		return
	}
	parent, ok := parents[s.ParentSpanID()]
	if !ok || parent.TraceID() != s.TraceID() {
		t.Fatalf("span %s has no parent in its trace", s.SpanID())
	}
	if slack := pcommon.Timestamp(time.Millisecond); s.StartTimestamp()+slack < parent.StartTimestamp() || s.EndTimestamp() > parent.EndTimestamp()+slack {
		t.Fatalf("span %q lies outside its parent %q", s.Name(), parent.Name())
	}
}

func newCensus() *census {
	return &census{traces: map[pcommon.TraceID]int{}, ids: map[pcommon.SpanID]bool{}, services: map[string]map[string]bool{}, routes: map[string]bool{}, kinds: map[ptrace.SpanKind]int{}}
}

func TestSpansAreLikeThoseOfThePeersLoad(t *testing.T) {
	g := build(t, Traces, 1000)
	c := newCensus()
	var body []byte
	failing := 0
	for n := range uint64(2 * requestKinds) {
		body = g.Append(body[:0], n, at)
		c.add(t, body)
		failing += g.Failing(n)
	}
	n := float64(c.spans)
	if c.spans != 2*requestKinds*1000 || g.Items() != 1000 {
		t.Errorf("%d spans in %d requests", c.spans, 2*requestKinds)
	}
	within(t, "raw bytes a span", float64(c.bytes)/n, 470, 525)
	within(t, "attributes a span", float64(c.attributes)/n, 9.5, 10.5)
	within(t, "spans a trace", n/float64(len(c.traces)), 9.1, 9.5)
	within(t, "failing traces", float64(c.failed)/2/float64(len(c.traces)), 0.01, 0.02)
	if failing != c.failed {
		t.Errorf("%d spans fail, Failing says %d", c.failed, failing)
	}
	if len(c.services) != loadServices || len(c.routes) != loadServices*loadRoutes {
		t.Errorf("%d services with %d routes, want %d with %d", len(c.services), len(c.routes), loadServices, loadServices*loadRoutes)
	}
	for name, pods := range c.services {
		if len(pods) != loadPods {
			t.Errorf("service %q has %d pods, want %d", name, len(pods), loadPods)
		}
	}
	if len(c.kinds) != 4 {
		t.Errorf("kinds of spans: %v, want server, client, producer and internal", c.kinds)
	}
	slices.Sort(c.roots)
	q := func(p float64) float64 { return c.roots[int(p*float64(len(c.roots)-1))] }
	within(t, "p50 ms", q(0.5), 15, 120)
	within(t, "p99 over p50", q(0.99)/q(0.5), 4, 14)
	within(t, "longest over p99", q(1)/q(0.99), 1.5, 40)
}

func TestIDsFollowFromSeedRequestAndIndex(t *testing.T) {
	for _, items := range []int{1000, 512, 10, 1} {
		g := build(t, Traces, items)
		for _, request := range []uint64{0, 1, 77, 1 << 30} {
			body := g.Append(nil, request, at)
			req := ptraceotlp.NewExportRequest()
			if err := req.UnmarshalProto(body); err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, rs := range req.Traces().ResourceSpans().All() {
				for _, ss := range rs.ScopeSpans().All() {
					for _, s := range ss.Spans().All() {
						got[s.TraceID().String()+s.SpanID().String()] = true
					}
				}
			}
			for i := range items {
				trace, span := TraceID(42, request, i), SpanID(42, request, i)
				if !got[hex.EncodeToString(trace[:])+hex.EncodeToString(span[:])] {
					t.Fatalf("request %d of %d spans lacks span %d", request, items, i)
				}
			}
			if len(got) != items {
				t.Errorf("request %d has %d distinct spans, want %d", request, len(got), items)
			}
		}
	}
}

func TestRequestsAreReproducible(t *testing.T) {
	for _, signal := range []Signal{Traces, Metrics, Logs} {
		a, b := build(t, signal, 100), build(t, signal, 100)
		x := a.Append(nil, 5, at)
		if y := b.Append([]byte("prefix"), 5, at); !bytes.Equal(x, y[len("prefix"):]) {
			t.Errorf("%s: equal arguments give different bytes", signal)
		}
		if y := a.Append(nil, 5+requestKinds, at); bytes.Equal(x, y) {
			t.Errorf("%s: different requests are equal", signal)
		}
	}
}

// Requests of one kind must not be copies of one another, or a store would look better than it is.
func TestRequestsDoNotCompressAgainstEachOther(t *testing.T) {
	g := build(t, Traces, 1000)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	one := g.Append(nil, 0, at)
	both := g.Append(slices.Clone(one), requestKinds, at.Add(time.Second))
	extra := len(enc.EncodeAll(both, nil)) - len(enc.EncodeAll(one, nil))
	within(t, "compressed bytes a span of a second request", float64(extra)/1000, 22, 90)
}

func TestMetricsDecode(t *testing.T) {
	for _, items := range []int{1000, 7, 1} {
		g := build(t, Metrics, items)
		var before uint64
		for round := range uint64(2) {
			req := pmetricotlp.NewExportRequest()
			if err := req.UnmarshalProto(g.Append(nil, 3+round*requestKinds, at)); err != nil {
				t.Fatal(err)
			}
			if got := req.Metrics().DataPointCount(); got != items {
				t.Errorf("%d data points, want %d", got, items)
			}
			var sum uint64
			for _, rm := range req.Metrics().ResourceMetrics().All() {
				for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
					if m.Type() != pmetric.MetricTypeHistogram {
						continue
					}
					if m.Histogram().AggregationTemporality() != pmetric.AggregationTemporalityCumulative {
						t.Errorf("temporality of %q is %v", m.Name(), m.Histogram().AggregationTemporality())
					}
					for _, p := range m.Histogram().DataPoints().All() {
						total := uint64(0)
						for _, n := range p.BucketCounts().All() {
							total += n
						}
						if total != p.Count() || p.BucketCounts().Len() != p.ExplicitBounds().Len()+1 || p.Count() == 0 {
							t.Fatalf("histogram counts %d in buckets and %d in total", total, p.Count())
						}
						if !p.Timestamp().AsTime().Equal(at) {
							t.Fatalf("point of %v, want %v", p.Timestamp().AsTime(), at)
						}
						sum += p.Count()
					}
				}
			}
			if items == 1000 && sum <= before {
				t.Errorf("cumulative counts went from %d to %d", before, sum)
			}
			before = sum
		}
	}
}

func TestLogsDecode(t *testing.T) {
	for _, items := range []int{1000, 7, 1} {
		g := build(t, Logs, items)
		req := plogotlp.NewExportRequest()
		if err := req.UnmarshalProto(g.Append(nil, 3, at)); err != nil {
			t.Fatal(err)
		}
		if got := req.Logs().LogRecordCount(); got != items {
			t.Errorf("%d records, want %d", got, items)
		}
		index := 0
		for _, rl := range req.Logs().ResourceLogs().All() {
			for _, r := range rl.ScopeLogs().At(0).LogRecords().All() {
				if r.SpanID() != SpanID(42, 3, index) || r.TraceID() != TraceID(42, 3, index) {
					t.Fatalf("record %d belongs to span %s of trace %s", index, r.SpanID(), r.TraceID())
				}
				if d := at.Sub(r.Timestamp().AsTime()); d < 0 || d > time.Minute {
					t.Fatalf("record %d is %v old", index, d)
				}
				if r.Body().Str() == "" || bytes.ContainsAny([]byte(r.Body().Str()), "#~") || r.SeverityNumber() < plog9 {
					t.Fatalf("record %d: body %q, severity %v", index, r.Body().Str(), r.SeverityNumber())
				}
				index++
			}
		}
	}
}

const plog9 = 9 // INFO

func TestBadGenerator(t *testing.T) {
	if _, err := New("smells", 1, 10); err == nil {
		t.Error("an unknown signal is taken")
	}
	for _, items := range []int{0, -1, 1 << 20} {
		if _, err := New(Traces, 1, items); err == nil {
			t.Errorf("%d items a request are taken", items)
		}
	}
}

func BenchmarkGenerator(b *testing.B) {
	for _, signal := range []Signal{Traces, Metrics, Logs} {
		b.Run(string(signal), func(b *testing.B) {
			g := build(b, signal, 1000)
			var body []byte
			for i := 0; b.Loop(); i++ {
				body = g.Append(body[:0], uint64(i), at)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/item")
			b.ReportMetric(float64(len(body))/1000, "B/item")
		})
	}
}
