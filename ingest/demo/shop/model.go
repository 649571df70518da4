// Package shop is the traffic model behind the demo: a web shop of seven services whose requests, failures, releases
// and incidents are a function of a seed and of time. It produces values only; sending them is the caller's business.
package shop

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"loadline/ingest/demo/shop/blueprint"
)

// Config chooses a shop. The zero value is the whole shop with all incidents at 100 requests a second.
type Config struct {
	Seed uint64
	// Incident is one of the names that Incidents lists; empty means "all".
	Incident string
	// Services keeps the first so many services, the edge first; 0 means all seven.
	Services int
	// Rate is the mean over a week of requests a second at the edge.
	Rate float64
	// Start is the moment that incidents are scheduled around: the start of live traffic.
	Start time.Time
	// Speed is how fast the schedule of incidents passes after Start; 0 means 1. It does not change the rate.
	Speed float64
}

// Model is a shop. It is immutable and safe for concurrent use.
type Model struct {
	cfg       Config
	services  []*blueprint.Service
	byName    map[string]*blueprint.Service
	entries   []Entry
	instances map[instanceKey]*Instance
}

// Entry is an endpoint that users call: an endpoint of the edge.
type Entry struct {
	Service, Endpoint string
	// Target is the service that does the work behind the edge.
	Target string
	// Share is the part of all requests that come in here; the shares of all entries sum to 1.
	Share float64
}

// Span is one finished operation.
type Span struct {
	TraceID    trace.TraceID
	SpanID     trace.SpanID
	ParentID   trace.SpanID // zero for a root
	Instance   *Instance
	Scope      string
	Name       string
	Kind       trace.SpanKind
	Start, End time.Time
	Attributes []attribute.KeyValue
	Events     []Event
	Links      []Link
	Failed     bool
	Message    string // of the failure
}

// Event is a moment inside a span.
type Event struct {
	Name       string
	At         time.Time
	Attributes []attribute.KeyValue
}

// Link points from a span to one of another trace.
type Link struct {
	TraceID    trace.TraceID
	SpanID     trace.SpanID
	Attributes []attribute.KeyValue
}

// Log is a log record that belongs to a span.
type Log struct {
	At         time.Time
	Severity   int // OpenTelemetry severity number
	Body       string
	Event      string
	TraceID    trace.TraceID
	SpanID     trace.SpanID
	Instance   *Instance
	Attributes []attribute.KeyValue
}

// Trace is everything that one request leaves behind: spans, parents before children, and log records. Spans behind a
// queue may lie minutes after the request, and a batch consumer has a trace of its own that links back.
type Trace struct {
	Spans []Span
	Logs  []Log
	// Broken means that something failed which Sampling.Boost makes more or less likely. Refusals do not count.
	Broken bool
}

// Sampling says which of the requests a trace stands for, so that sparse traces still add up to true rates.
type Sampling struct {
	// Weight is the number of requests that the trace represents; 0 and 1 mean just itself.
	Weight float64
	// Boost multiplies the chance of every failure. 0 means 1; a negative Boost means that nothing fails.
	Boost float64
}

// Threshold is the rejection threshold of consistent probability sampling that gives the weight: a span with it stands
// for 2^56/(2^56-threshold) requests.
func (s Sampling) Threshold() uint64 {
	if s.Weight <= 1 {
		return 0
	}
	return uint64((1 - 1/s.Weight) * (1 << 56))
}

// State is the W3C tracestate that carries the threshold, empty when every request is sent.
func (s Sampling) State() string {
	t := s.Threshold()
	if t == 0 {
		return ""
	}
	digits := fmt.Sprintf("%014x", t)
	for digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	return "ot=th:" + digits
}

// New builds the shop. An unknown incident is an error that names the known ones.
func New(cfg Config) (*Model, error) {
	if cfg.Incident == "" {
		cfg.Incident = "all"
	}
	if !blueprint.KnownIncident(cfg.Incident) {
		return nil, fmt.Errorf("incident %q is unknown: choose one of %q", cfg.Incident, blueprint.Incidents())
	}
	all := blueprint.Services()
	if cfg.Services < 0 || cfg.Services > len(all) {
		return nil, fmt.Errorf("services %d is out of range: the shop has 1 to %d services", cfg.Services, len(all))
	}
	if cfg.Services == 0 {
		cfg.Services = len(all)
	}
	if cfg.Rate == 0 {
		cfg.Rate = 100
	}
	if cfg.Rate < 0 || math.IsNaN(cfg.Rate) || math.IsInf(cfg.Rate, 0) {
		return nil, fmt.Errorf("rate %v is not a positive number of requests a second", cfg.Rate)
	}
	if cfg.Speed <= 0 {
		cfg.Speed = 1
	}
	m := &Model{cfg: cfg, services: all[:cfg.Services], byName: map[string]*blueprint.Service{}, instances: map[instanceKey]*Instance{}}
	for _, s := range m.services {
		m.byName[s.Name] = s
	}
	m.addEntries()
	m.addInstances()
	return m, nil
}

// addEntries keeps the endpoints of the edge whose target is part of this shop and scales their shares to 1.
func (m *Model) addEntries() {
	sum := 0.0
	edge := m.services[0]
	for i := range edge.Endpoints {
		e := &edge.Endpoints[i]
		target := e.Target()
		if target == "" {
			target = edge.Name
		}
		if m.byName[target] == nil {
			continue
		}
		m.entries = append(m.entries, Entry{Service: edge.Name, Endpoint: e.Name(), Target: target, Share: e.Share})
		sum += e.Share
	}
	for i := range m.entries {
		m.entries[i].Share /= sum
	}
}

// Entries lists where users call, the entries of one target together.
func (m *Model) Entries() []Entry { return m.entries }

// Services lists the names of the services, the edge first.
func (m *Model) Services() []string {
	var names []string
	for _, s := range m.services {
		names = append(names, s.Name)
	}
	return names
}

// Pick returns the entry at u, 0 <= u < 1, on the scale of shares.
func (m *Model) Pick(u float64) Entry {
	for _, e := range m.entries {
		if u < e.Share {
			return e
		}
		u -= e.Share
	}
	return m.entries[len(m.entries)-1]
}

// Rate is the number of requests a second at the edge at a time: a day with its peak in the evening, a busier weekend,
// and waves that last minutes.
func (m *Model) Rate(at time.Time) float64 { return m.cfg.Rate * m.load(at) }

func (m *Model) load(at time.Time) float64 {
	at = at.UTC()
	s := float64(at.UnixNano()) / 1e9
	hour := float64(at.Hour()) + float64(at.Minute())/60
	day := 1 - 0.38*math.Cos((hour-4.5)/24*2*math.Pi) - 0.09*math.Cos((hour-1)/12*2*math.Pi)
	week := [7]float64{1.16, 0.97, 0.93, 0.94, 0.96, 1.0, 1.04}[at.Weekday()]
	return day * week * (1 + 0.05*m.noise("load", s/210) + 0.04*m.noise("wave", s/37))
}

// noise is smooth value noise in [-1, 1] that changes over one unit of t.
func (m *Model) noise(what string, t float64) float64 {
	i := math.Floor(t)
	f := t - i
	f = f * f * (3 - 2*f)
	a, b := m.unit(what, int64(i)), m.unit(what, int64(i)+1)
	return 2*(a+(b-a)*f) - 1
}

// unit is a number in [0, 1) that depends on the seed, a name and a number only.
func (m *Model) unit(what string, n int64) float64 {
	return float64(hash(m.cfg.Seed, what, n)>>11) / (1 << 53)
}

func hash(seed uint64, what string, n int64) uint64 {
	h := uint64(14695981039346656037) ^ seed
	for i := range len(what) {
		h = (h ^ uint64(what[i])) * 1099511628211
	}
	return mix(h ^ mix(uint64(n)))
}

// mix is the finaliser of splitmix64: every bit of the result depends on every bit of x.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Trace returns what the n-th request of a moment leaves behind. Equal arguments on equal models give equal traces.
// The service and endpoint are those of an Entry, or any other of the shop.
func (m *Model) Trace(at time.Time, n uint64, serviceName, endpointName string, s Sampling) (Trace, error) {
	svc := m.byName[serviceName]
	if svc == nil {
		return Trace{}, fmt.Errorf("service %q is not in the shop: it has %q", serviceName, m.Services())
	}
	ep := svc.Endpoint(endpointName)
	if ep == nil {
		return Trace{}, fmt.Errorf("endpoint %q is not one of service %q", endpointName, serviceName)
	}
	w := &walk{
		m:     m,
		rng:   rand.New(rand.NewPCG(mix(m.cfg.Seed^mix(n)), uint64(at.UnixNano()))),
		now:   m.incidents(at),
		boost: s.Boost,
		floor: s.Threshold(),
	}
	w.trace = w.newTraceID()
	w.client = fmt.Sprintf("%d.%d.%d.%d", 31+w.rng.IntN(160), w.rng.IntN(256), w.rng.IntN(256), 1+w.rng.IntN(254))
	if ep.Topic != "" {
		w.process(svc, ep, Span{}, at)
	} else {
		w.serve(svc, ep, trace.SpanID{}, w.client, at)
	}
	return Trace{Spans: w.spans, Logs: w.logs, Broken: w.broken}, nil
}
