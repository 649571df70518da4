package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/ingest"
)

// The transports of OTLP, as metrics and [Refusal] name them.
const (
	transportGRPC = "grpc"
	transportHTTP = "http"
)

// countRequest and countRefusal move the metrics of this package. Requests of no signal (an unknown path, say) are
// counted as signal "unknown".
func countRequest(signal, transport, code string) {
	metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_otlp_requests_total{signal=%q,transport=%q,code=%q}`,
		signal, transport, code)).Inc()
}

func countRefusal(signal, transport, reason string) {
	metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_otlp_refused_total{signal=%q,transport=%q,reason=%q}`,
		signal, transport, reason)).Inc()
}

// Refusal is one request, or one connection, of which nothing was stored.
type Refusal struct {
	Time time.Time
	// Peer is the address that the connection came from.
	Peer string
	// Transport is "grpc" or "http", and "tcp" for a connection that never became either.
	Transport string
	// Signal is "traces", "metrics" or "logs", and "unknown" when the request did not say.
	Signal string
	// Reason is the label under which loadline_otlp_refused_total counts.
	Reason string
	// Message is what the sender was told, or what the user should know if it could not be told.
	Message string
}

// Stat counts the requests of one signal over one transport since the start.
type Stat struct {
	Signal    ingest.Signal
	Transport string
	// Requests is all of them, Refused those of which nothing was stored.
	Requests, Refused uint64
	// Items counts accepted spans, data points or log records; Rejected those that were refused one by one.
	Items, Rejected uint64
	// Last is when the last request was accepted; zero if none was.
	Last time.Time
}

// keptRefusals is how many refusals are kept for the Welcome page.
const keptRefusals = 100

// logEvery is how often the same reason of refusal is logged.
const logEvery = time.Minute

// observer keeps what the receivers have seen.
type observer struct {
	log         *slog.Logger
	connections atomic.Uint64
	mu          sync.Mutex
	stats       []Stat
	refusals    []Refusal // a ring once it is full
	oldest      int
	logged      map[string]time.Time // by reason
}

func newObserver(log *slog.Logger) *observer {
	o := &observer{log: log, logged: map[string]time.Time{}}
	for _, signal := range []ingest.Signal{ingest.Traces, ingest.Metrics, ingest.Logs} {
		o.stats = append(o.stats, Stat{Signal: signal, Transport: transportGRPC}, Stat{Signal: signal, Transport: transportHTTP})
	}
	return o
}

// stat returns the counts of a signal and transport, and nil for no signal.
func (o *observer) stat(signal ingest.Signal, transport string) *Stat {
	for i := range o.stats {
		if o.stats[i].Signal == signal && o.stats[i].Transport == transport {
			return &o.stats[i]
		}
	}
	return nil
}

// accepted records a request that was stored, wholly or in part.
func (o *observer) accepted(signal ingest.Signal, transport, code string, result ingest.Result) {
	countRequest(signal.String(), transport, code)
	o.mu.Lock()
	defer o.mu.Unlock()
	stat := o.stat(signal, transport)
	stat.Requests++
	stat.Items += uint64(result.Accepted)
	stat.Rejected += uint64(result.Rejected)
	stat.Last = time.Now()
}

// refused records a request of which nothing was stored. The signal is 0 when the request did not say one.
func (o *observer) refused(signal ingest.Signal, transport, code, peer string, f *failure) {
	name := "unknown"
	if signal != 0 {
		name = signal.String()
	}
	countRequest(name, transport, code)
	o.record(Refusal{Transport: transport, Signal: name, Peer: peer, Reason: f.reason, Message: truncate(f.message, maxMessage)})
	o.mu.Lock()
	defer o.mu.Unlock()
	if stat := o.stat(signal, transport); stat != nil {
		stat.Requests++
		stat.Refused++
	}
}

// record counts, keeps and logs a refusal.
func (o *observer) record(r Refusal) {
	countRefusal(r.Signal, r.Transport, r.Reason)
	r.Time = time.Now()
	o.mu.Lock()
	if len(o.refusals) < keptRefusals {
		o.refusals = append(o.refusals, r)
	} else {
		o.refusals[o.oldest] = r
		o.oldest = (o.oldest + 1) % keptRefusals
	}
	level := slog.LevelDebug
	if r.Time.Sub(o.logged[r.Reason]) >= logEvery {
		o.logged[r.Reason] = r.Time
		level = slog.LevelWarn
	}
	o.mu.Unlock()
	o.log.Log(context.Background(), level, "otlp request refused", "reason", r.Reason, "signal", r.Signal,
		"transport", r.Transport, "peer", r.Peer, "message", r.Message)
}

// Refusals returns the last requests and connections of which nothing was stored, at most 100, the newest first.
func (s *Server) Refusals() []Refusal {
	o := s.seen
	o.mu.Lock()
	defer o.mu.Unlock()
	refusals := make([]Refusal, 0, len(o.refusals))
	for i := range o.refusals {
		refusals = append(refusals, o.refusals[(o.oldest+len(o.refusals)-1-i)%len(o.refusals)])
	}
	return refusals
}

// Stats returns the counts of every signal and transport, also of those that nothing was sent over.
func (s *Server) Stats() []Stat {
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	return slices.Clone(s.seen.stats)
}

// Connections returns how many connections were opened since the start. Connections without requests point to a
// sender that speaks something else, or waits for an answer to TLS.
func (s *Server) Connections() uint64 { return s.seen.connections.Load() }
