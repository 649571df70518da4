package shop

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

var start = time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)

func build(t testing.TB, cfg Config) *Model {
	t.Helper()
	cfg.Start = start
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func request(t testing.TB, m *Model, at time.Time, n uint64, endpoint string, s Sampling) Trace {
	t.Helper()
	tr, err := m.Trace(at, n, "edge-gateway", endpoint, s)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// traffic returns n traces spread over a stretch of time as users would cause them.
func traffic(t testing.TB, m *Model, from time.Time, length time.Duration, n int) []Trace {
	t.Helper()
	var all []Trace
	for i := range n {
		at := from.Add(length / time.Duration(n) * time.Duration(i))
		all = append(all, request(t, m, at, uint64(i), m.Pick(m.unit("pick", int64(i))).Endpoint, Sampling{}))
	}
	return all
}

func value(s Span, key string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

func TestTraceIsAFunctionOfItsArguments(t *testing.T) {
	at := start.Add(-time.Minute)
	a := request(t, build(t, Config{Seed: 7}), at, 3, "POST /v1/checkout", Sampling{})
	b := request(t, build(t, Config{Seed: 7}), at, 3, "POST /v1/checkout", Sampling{})
	same := cmp.Options{
		cmp.Comparer(func(x, y *Instance) bool { return x.Pod == y.Pod && x.Version == y.Version }),
		cmp.Comparer(func(x, y attribute.Value) bool { return x == y }),
	}
	if diff := cmp.Diff(a, b, same); diff != "" {
		t.Errorf("equal arguments give different traces:\n%s", diff)
	}
	if c := request(t, build(t, Config{Seed: 8}), at, 3, "POST /v1/checkout", Sampling{}); c.Spans[0].TraceID == a.Spans[0].TraceID {
		t.Error("another seed gives the same trace id")
	}
	if c := request(t, build(t, Config{Seed: 7}), at, 4, "POST /v1/checkout", Sampling{}); c.Spans[0].TraceID == a.Spans[0].TraceID {
		t.Error("another request gives the same trace id")
	}
}

func TestTracesAreWellFormed(t *testing.T) {
	m := build(t, Config{Seed: 1})
	spans, requests := 0, traffic(t, m, start.Add(-30*time.Minute), 30*time.Minute, 3000)
	seen := map[trace.SpanID]bool{}
	services := map[string]bool{}
	attributes, server := 0, 0
	for _, tr := range requests {
		known := map[trace.SpanID]Span{}
		for i, s := range tr.Spans {
			spans++
			services[s.Instance.Service] = true
			attributes += len(s.Attributes)
			if s.Kind == trace.SpanKindServer {
				server++
			}
			if !s.TraceID.IsValid() || !s.SpanID.IsValid() || seen[s.SpanID] {
				t.Fatalf("span %q has a bad or repeated id", s.Name)
			}
			seen[s.SpanID] = true
			if s.End.Before(s.Start) {
				t.Errorf("span %q ends before it starts", s.Name)
			}
			if s.Scope == "" || s.Instance == nil {
				t.Errorf("span %q has no scope or instance", s.Name)
			}
			parent, ok := known[s.ParentID]
			switch {
			case i == 0 || len(s.Links) > 0 && !s.ParentID.IsValid():
			case !ok:
				t.Errorf("span %q comes before its parent", s.Name)
			case s.TraceID != parent.TraceID:
				t.Errorf("span %q is in another trace than its parent", s.Name)
			case s.Start.Before(parent.Start):
				t.Errorf("span %q starts before its parent", s.Name)
			}
			known[s.SpanID] = s
		}
	}
	if len(services) != 7 {
		t.Errorf("%d services in traces, want 7: %v", len(services), services)
	}
	within(t, "spans a trace", float64(spans)/float64(len(requests)), 6, 12)
	within(t, "attributes a span", float64(attributes)/float64(spans), 7.5, 12)
	for _, in := range m.Running(start) {
		within(t, "resource attributes", float64(len(in.Resource)), 19, 24)
	}
}

func within(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if got < low || got > high || math.IsNaN(got) {
		t.Errorf("%s = %.4g, want %.4g to %.4g", what, got, low, high)
	}
}

func TestFailuresAndRefusalsAreRare(t *testing.T) {
	m := build(t, Config{Seed: 2, Incident: "none"})
	requests := traffic(t, m, start, time.Hour, 20000)
	failed, refused, events, logs := 0.0, 0.0, 0, 0
	for _, tr := range requests {
		logs += len(tr.Logs)
		if tr.Broken && value(tr.Spans[0], "http.response.status_code") >= "500" {
			failed++
			for _, s := range tr.Spans {
				events += len(s.Events)
			}
		}
		if code := value(tr.Spans[0], "http.response.status_code"); code[0] == '4' {
			refused++
		}
	}
	within(t, "failing share", failed/20000, 0.0005, 0.004)
	within(t, "refused share", refused/20000, 0.01, 0.05)
	if events == 0 {
		t.Error("no exception events")
	}
	if logs == 0 {
		t.Error("no logs")
	}
}

func TestLoadHasADayAndAWeek(t *testing.T) {
	m := build(t, Config{Seed: 1, Rate: 200})
	sum, low, high := 0.0, math.Inf(1), 0.0
	for i := range 7 * 24 * 6 {
		r := m.Rate(start.Add(time.Duration(i) * 10 * time.Minute))
		sum += r
		low, high = min(low, r), max(high, r)
	}
	within(t, "mean rate", sum/(7*24*6), 190, 210)
	within(t, "lowest rate", low, 70, 150)
	within(t, "highest rate", high, 260, 360)
	if night, evening := m.Rate(start.Add(10*time.Hour)), m.Rate(start); night >= evening {
		t.Errorf("rate at night %.0f is not below the evening's %.0f", night, evening)
	}
}

func TestDurationsHaveALongTail(t *testing.T) {
	m := build(t, Config{Seed: 3, Incident: "none"})
	var ms []float64
	for i := range 5000 {
		tr := request(t, m, start, uint64(i), "GET /v1/products/{id}", Sampling{})
		ms = append(ms, float64(tr.Spans[0].End.Sub(tr.Spans[0].Start))/1e6)
	}
	slices.Sort(ms)
	p50, p99, most := ms[2500], ms[4950], ms[4999]
	within(t, "p50 ms", p50, 5, 40)
	within(t, "p99 over p50", p99/p50, 2, 12)
	within(t, "maximum over p50", most/p50, 4, 100)
}

func TestSamplingStateSaysTheWeight(t *testing.T) {
	for _, weight := range []float64{2, 10, 1200, 3.7} {
		s := Sampling{Weight: weight}
		kept := float64(uint64(1)<<56-s.Threshold()) / (1 << 56)
		if got := 1 / kept; math.Abs(got/weight-1) > 1e-9 {
			t.Errorf("threshold of weight %v stands for %v requests", weight, got)
		}
		state := s.State()
		if !strings.HasPrefix(state, "ot=th:") || len(state) > len("ot=th:")+14 {
			t.Errorf("state %q of weight %v", state, weight)
		}
		if _, err := trace.ParseTraceState(state); err != nil {
			t.Errorf("state %q: %v", state, err)
		}
		tr := request(t, build(t, Config{}), start, 1, "GET /v1/home", s)
		id := tr.Spans[0].TraceID
		random := uint64(0)
		for _, b := range id[9:] {
			random = random<<8 | uint64(b)
		}
		if random < s.Threshold() {
			t.Errorf("trace id %s would not have been kept at threshold %x", id, s.Threshold())
		}
	}
	if got := (Sampling{Weight: 1}).State(); got != "" {
		t.Errorf("state of weight 1 is %q", got)
	}
	if got := (Sampling{Weight: 2}).State(); got != "ot=th:8" {
		t.Errorf("state of weight 2 is %q", got)
	}
}

func TestBoostChangesFailures(t *testing.T) {
	m := build(t, Config{Seed: 2, Incident: "none"})
	never, often := 0, 0
	for i := range 2000 {
		if request(t, m, start, uint64(i), "POST /v1/orders", Sampling{Boost: -1}).Broken {
			never++
		}
		if request(t, m, start, uint64(i), "POST /v1/orders", Sampling{Boost: 100}).Broken {
			often++
		}
	}
	if never > 0 {
		t.Errorf("%d of 2000 traces failed without failures", never)
	}
	if often < 500 {
		t.Errorf("%d of 2000 boosted traces failed", often)
	}
}

func TestSmallerShopIsClosed(t *testing.T) {
	for n := 1; n <= 7; n++ {
		m := build(t, Config{Seed: 1, Services: n})
		sum := 0.0
		for _, e := range m.Entries() {
			sum += e.Share
		}
		within(t, "sum of shares", sum, 0.9999, 1.0001)
		for _, tr := range traffic(t, m, start, time.Minute, 200) {
			for _, s := range tr.Spans {
				if !slices.Contains(m.Services(), s.Instance.Service) {
					t.Fatalf("service %q in a shop of %d", s.Instance.Service, n)
				}
			}
		}
	}
}

func TestBadConfig(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v) = %v, want an error with %q", cfg, err, want)
		}
	}
	f(Config{Incident: "fire"}, `"n+1"`)
	f(Config{Services: 8}, "1 to 7")
	f(Config{Rate: -1}, "positive")
	m := build(t, Config{})
	if _, err := m.Trace(start, 0, "nobody", "GET /", Sampling{}); err == nil {
		t.Error("an unknown service gives a trace")
	}
	if _, err := m.Trace(start, 0, "payments", "GET /", Sampling{}); err == nil {
		t.Error("an unknown endpoint gives a trace")
	}
}

func BenchmarkTrace(b *testing.B) {
	m := build(b, Config{Seed: 1})
	spans := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tr, _ := m.Trace(start, uint64(i), "edge-gateway", m.Pick(m.unit("pick", int64(i))).Endpoint, Sampling{})
		spans += len(tr.Spans)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(spans), "ns/span")
}
