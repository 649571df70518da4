package shop

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"loadline/ingest/demo/shop/blueprint"
)

// walk follows one request through the shop and writes down what instrumentation would see.
type walk struct {
	m      *Model
	rng    *rand.Rand
	now    incidents
	boost  float64
	floor  uint64 // sampling threshold: the random part of trace ids is not below it
	trace  trace.TraceID
	client string // address of the user
	spans  []Span
	logs   []Log
	broken bool
}

// failure ends a request: what was thrown, and the status that the caller sees.
type failure struct {
	kind, message string
	status        int
	seen          bool // an exception was recorded where it happened
}

func (w *walk) newTraceID() (id trace.TraceID) {
	const random = 1 << 56
	binary.BigEndian.PutUint64(id[:8], w.rng.Uint64()|1)
	low := w.rng.Uint64()&^(random-1) | (w.floor + w.rng.Uint64N(random-w.floor))
	binary.BigEndian.PutUint64(id[8:], low)
	return id
}

func (w *walk) newSpanID() (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], w.rng.Uint64()|1)
	return id
}

// time is a duration with a median in milliseconds: lognormal, with one in a hundred from a Pareto tail.
func (w *walk) time(ms float64) time.Duration {
	f := math.Exp(0.42 * w.rng.NormFloat64())
	if w.rng.Float64() < 0.01 {
		f *= min(25, 2*math.Pow(1-w.rng.Float64(), -1/1.7))
	}
	return time.Duration(ms*f*1e6) + time.Duration(w.rng.IntN(1000))
}

func (w *walk) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// fails draws a failure, which a sampled history makes more or less likely.
func (w *walk) fails(p float64) bool {
	if w.boost < 0 {
		return false
	}
	if w.boost > 0 {
		p = min(0.9, p*w.boost)
	}
	drawn := w.chance(p)
	w.broken = w.broken || drawn
	return drawn
}

// open appends a span and returns its place; places stay valid while the walk goes on, pointers do not.
func (w *walk) open(in *Instance, parent trace.SpanID, kind trace.SpanKind, scope, name string, start time.Time) int {
	w.spans = append(w.spans, Span{
		TraceID: w.trace, SpanID: w.newSpanID(), ParentID: parent, Instance: in, Scope: scope, Name: name, Kind: kind, Start: start,
	})
	return len(w.spans) - 1
}

func (w *walk) close(i int, end time.Time, f *failure, attributes ...attribute.KeyValue) {
	s := &w.spans[i]
	s.End = end
	s.Attributes = attributes
	if f != nil {
		s.Failed, s.Message = true, f.message
		s.Attributes = append(s.Attributes, attribute.String("error.type", f.kind))
		if !f.seen {
			w.throw(i, f, end)
		}
	}
}

// serve is an HTTP endpoint at work.
func (w *walk) serve(svc *blueprint.Service, ep *blueprint.Endpoint, parent trace.SpanID, client string, start time.Time) (time.Time, int) {
	in := w.m.pod(svc, w.rng.IntN(svc.Replicas), w.now)
	at := w.open(in, parent, trace.SpanKindServer, blueprint.Scope(svc.Lang, "http"), ep.Name(), start)
	status := ep.Status
	if status == 0 {
		status = 200
	}
	path, query := blueprint.Fill(ep.Route, w.rng), blueprint.Fill(ep.Query, w.rng)
	var end time.Time
	var f *failure
	if w.chance(ep.Reject) {
		end = start.Add(w.time(ep.MS))
		status = ep.Refusals()[min(2, int(w.rng.ExpFloat64()))]
	} else if end, f = w.run(in, w.spans[at].SpanID, ep, start); f != nil {
		if status = f.status; status < 500 {
			f = nil // a server that refuses has not failed
		}
	}
	attributes := make([]attribute.KeyValue, 0, 14)
	attributes = append(attributes,
		attribute.String("http.request.method", ep.Method),
		attribute.String("url.scheme", "http"),
		attribute.String("url.path", path),
		attribute.String("http.route", ep.Route),
		attribute.Int("http.response.status_code", status),
		attribute.String("server.address", svc.Name),
		attribute.Int("server.port", blueprint.PlatformOf(svc.Lang).Port),
		attribute.String("network.protocol.version", "1.1"),
		attribute.String("network.peer.address", client),
		attribute.Int("network.peer.port", 32768+w.rng.IntN(28000)),
		attribute.String("client.address", w.client),
		attribute.String("user_agent.original", blueprint.UserAgents[w.rng.IntN(len(blueprint.UserAgents))]),
	)
	if query != "" {
		attributes = append(attributes, attribute.String("url.query", query))
	}
	w.close(at, end, f, attributes...)
	w.accessLog(at, ep, path, status)
	return end, status
}

// process is a consumer at work on one message, long after the producer when messages wait.
func (w *walk) process(svc *blueprint.Service, ep *blueprint.Endpoint, producer Span, sent time.Time) {
	start := sent.Add(w.time(6) + time.Duration(float64(w.now.backlog)*(0.9+0.1*w.rng.Float64())))
	if ep.Topic != "orders" {
		start = sent.Add(w.time(40))
	}
	before := w.trace
	parent := producer.SpanID
	if ep.Linked {
		parent = trace.SpanID{}
		w.trace = w.newTraceID()
	}
	in := w.m.pod(svc, w.rng.IntN(svc.Replicas), w.now)
	at := w.open(in, parent, trace.SpanKindConsumer, blueprint.Scope(svc.Lang, "kafka"), ep.Name(), start)
	if producer.SpanID.IsValid() {
		w.spans[at].Links = []Link{{TraceID: producer.TraceID, SpanID: producer.SpanID}}
	}
	end, f := w.run(in, w.spans[at].SpanID, ep, start)
	attributes := append(w.message(ep.Topic, "process"),
		attribute.String("messaging.consumer.group.name", svc.Name),
		attribute.String("messaging.client.id", "consumer-"+in.Pod),
	)
	w.close(at, end, f, attributes...)
	w.trace = before
}

// run does the steps of an endpoint one after the other, with its own work between them.
func (w *walk) run(in *Instance, parent trace.SpanID, ep *blueprint.Endpoint, start time.Time) (time.Time, *failure) {
	own := w.time(ep.MS) / time.Duration(len(ep.Steps)+1)
	cursor := start.Add(own)
	broken := -1
	if w.fails(w.failRate(in, ep)) {
		broken = w.rng.IntN(len(ep.Steps) + 1)
	}
	for i := range ep.Steps {
		if i == broken {
			return cursor, w.breakdown(in)
		}
		end, f := w.step(in, parent, &ep.Steps[i], cursor)
		cursor = end.Add(own)
		if f != nil {
			return cursor, f
		}
	}
	if broken >= 0 {
		return cursor, w.breakdown(in)
	}
	return cursor, nil
}

func (w *walk) breakdown(in *Instance) *failure {
	kind, message, status := in.service.Breakdown(in.Version, w.rng)
	return &failure{kind: kind, message: message, status: status}
}

func (w *walk) failRate(in *Instance, ep *blueprint.Endpoint) float64 {
	if in.Version == blueprint.CanaryVersion && strings.HasPrefix(ep.Route, "/v1/products") {
		return 0.12
	}
	return ep.Fail
}

// step does one step and returns when it ended; a failure ends the request.
func (w *walk) step(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) (time.Time, *failure) {
	if s.Chance > 0 && !w.chance(s.Chance) {
		return start, nil
	}
	switch s.Op {
	case blueprint.Work:
		return w.work(in, parent, s, start)
	case blueprint.Cache:
		return w.cache(in, parent, s, start)
	case blueprint.SQL:
		if s.Fans && in.Version == blueprint.NPlusOneVersion {
			return w.loop(in, parent, s, start)
		}
		return w.sql(in, parent, s, start), nil
	case blueprint.Search:
		return w.search(in, parent, s, start), nil
	case blueprint.Call:
		return w.call(in, parent, s, start)
	case blueprint.Publish:
		return w.publish(in, parent, s, start), nil
	case blueprint.External:
		return w.external(in, parent, s, start)
	case blueprint.Together:
		return w.together(in, parent, s, start)
	}
	panic(fmt.Sprintf("BUG: unknown step %d", s.Op))
}

func (w *walk) together(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) (time.Time, *failure) {
	last := start
	var failed *failure
	for i := range s.Steps {
		end, f := w.step(in, parent, &s.Steps[i], start)
		if end.After(last) {
			last = end
		}
		if f != nil {
			failed = f
		}
	}
	return last, failed
}

func (w *walk) work(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) (time.Time, *failure) {
	at := w.open(in, parent, trace.SpanKindInternal, "com.example.shop/"+in.Service, s.Name, start)
	id := w.spans[at].SpanID
	ms := s.MS
	if s.Name == "Pool.acquire" && in.Version == blueprint.NPlusOneVersion {
		ms = 78 // every connection is busy with somebody's loop
	}
	own := w.time(ms)
	cursor := start.Add(own / 2)
	var failed *failure
	for i := range s.Steps {
		var f *failure
		if cursor, f = w.step(in, id, &s.Steps[i], cursor); f != nil {
			failed = f
			break
		}
	}
	end := cursor.Add(own / 2)
	w.close(at, end, failed,
		attribute.String("code.function.name", in.service.Code()+s.Name),
		attribute.Int("thread.id", 20+w.rng.IntN(200)),
	)
	return end, failed
}

// loop is the N+1 bug: the statement runs for each item, and at times the pool runs out of connections.
func (w *walk) loop(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) (time.Time, *failure) {
	slow := *s
	slow.MS = 28
	cursor := start
	for range 33 + w.rng.IntN(11) {
		cursor = w.sql(in, parent, &slow, cursor).Add(time.Duration(90+w.rng.IntN(400)) * time.Microsecond)
	}
	if w.fails(0.065) {
		return cursor.Add(w.time(400)), &failure{
			kind:    "java.sql.SQLTransientConnectionException",
			message: fmt.Sprintf("HikariPool-1 - Connection is not available, request timed out after 2000ms (total=20, active=20, idle=0, waiting=%d)", 11+w.rng.IntN(40)),
			status:  503,
		}
	}
	return cursor, nil
}

func (w *walk) call(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) (time.Time, *failure) {
	svc := w.m.byName[s.Target]
	if svc == nil {
		return start, nil // this shop is smaller
	}
	ep := svc.Endpoint(s.Name)
	at := w.open(in, parent, trace.SpanKindClient, blueprint.Scope(in.service.Lang, "client"), s.Name, start)
	transit := w.time(0.35)
	end, status := w.serve(svc, ep, w.spans[at].SpanID, in.address, start.Add(transit))
	end = end.Add(transit)
	f := httpFailure(status, s.Target)
	w.close(at, end, f, w.request(ep.Method, "http://"+svc.Name+":"+fmt.Sprint(blueprint.PlatformOf(svc.Lang).Port)+blueprint.Fill(ep.Route, w.rng), svc.Name, blueprint.PlatformOf(svc.Lang).Port, status)...)
	if status < 500 && in.service != w.m.services[0] {
		return end, nil // the caller handles a refusal
	}
	if f != nil && status < 500 {
		f.status = status // the edge passes it on
	}
	return end, f
}

// httpFailure is how a client sees a status: for it a 4xx is a failure too.
func httpFailure(status int, peer string) *failure {
	if status < 400 {
		return nil
	}
	f := &failure{kind: fmt.Sprint(status), message: fmt.Sprintf("%s answered %d", peer, status), status: 502, seen: true}
	if status == 503 {
		f.status = 503
	}
	return f
}

func (w *walk) external(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) (time.Time, *failure) {
	method, path, _ := strings.Cut(s.Name, " ")
	stripe := s.Target == "api.stripe.com"
	for attempt := 0; ; attempt++ {
		at := w.open(in, parent, trace.SpanKindClient, blueprint.Scope(in.service.Lang, "client"), s.Name, start)
		took, status := w.time(s.MS), 200
		fail := 0.0015
		if stripe && w.now.slow > 0 {
			took = w.time(s.MS * (1 + 13*w.now.slow))
			fail = 0.06 * w.now.slow
		}
		attributes := w.request(method, "https://"+s.Target+blueprint.Fill(path, w.rng), s.Target, 443, status)
		var f *failure
		if w.fails(fail) {
			took = 3*time.Second + w.time(2)
			f = &failure{kind: "timeout", message: "context deadline exceeded (Client.Timeout exceeded while awaiting headers)", status: 503, seen: true}
			attributes = w.request(method, "https://"+s.Target+blueprint.Fill(path, w.rng), s.Target, 443, 0)
		}
		if attempt > 0 {
			attributes = append(attributes, attribute.Int("http.request.resend_count", attempt))
		}
		end := start.Add(took)
		w.close(at, end, f, attributes...)
		if f == nil || attempt == 1 {
			if f != nil {
				f.seen = false
			}
			return end, f
		}
		start = end.Add(200 * time.Millisecond)
	}
}

func (w *walk) publish(in *Instance, parent trace.SpanID, s *blueprint.Step, start time.Time) time.Time {
	at := w.open(in, parent, trace.SpanKindProducer, blueprint.Scope(in.service.Lang, "kafka"), "publish "+s.Target, start)
	end := start.Add(w.time(s.MS))
	w.close(at, end, nil, append(w.message(s.Target, "publish"), attribute.String("messaging.client.id", "producer-"+in.Pod))...)
	if worker := w.m.byName["orders-worker"]; worker != nil {
		w.process(worker, worker.Endpoint("process "+s.Target), w.spans[at], end)
	}
	return end
}
