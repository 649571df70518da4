package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"loadline/ingest/demo/generator"
	"loadline/ingest/demo/sender"
)

// LoadConfig chooses a load. Zero values mean what the comments say.
type LoadConfig struct {
	// Endpoint is host:port, or a URL whose scheme https asks for TLS.
	Endpoint string
	// Transport is GRPC (default) or HTTP.
	Transport string
	Headers   map[string]string
	// Compression is none (default), gzip, or over HTTP zstd.
	Compression string
	// Signal is what to send; default generator.Traces.
	Signal generator.Signal
	// Connections, each with one request at a time; default 4.
	Connections int
	// SpansPerRequest is how many spans, data points or log records a request has; default 1,000.
	SpansPerRequest int
	// SpansPerSecond is the rate; 0 sends as fast as requests are acknowledged.
	SpansPerSecond float64
	// TotalSpans ends the load after so many, rounded up to whole requests; 0 leaves it to Duration.
	TotalSpans int
	// Duration ends the load; 0 leaves it to TotalSpans.
	Duration time.Duration
	// Spread dates the requests of a TotalSpans evenly over so long before the start, instead of when they are sent.
	Spread time.Duration
	Seed   uint64
	// FirstRequest is the number of the first request, for a load that goes on where another ended.
	FirstRequest uint64
	// AbandonUnknown gives a request up when the connection breaks before its answer, as its outcome is unknown.
	// Otherwise the same bytes are sent again.
	AbandonUnknown bool
	// Acked, when set, hears of each acknowledged request and how many of its items were taken, right after the
	// acknowledgement. It is called from several goroutines.
	Acked func(request uint64, items int)
	// Unknown, when set, hears of each request given up with an unknown outcome.
	Unknown func(request uint64)
}

// LoadReport is how a load went. Counts are of spans, data points or log records unless they say requests.
type LoadReport struct {
	Requests int // acknowledged
	Acked    int
	Rejected int // by partial success
	Failed   int // in requests refused for good
	Unknown  int // in requests whose outcome is unknown
	Retried  int // attempts after the first
	Bytes    int64
	Elapsed  time.Duration
	// P50, P99 and Max are from when a request was due to its acknowledgement. At a fixed rate a request is due by the
	// clock, so that a slow server cannot hide by slowing the load.
	P50, P99, Max time.Duration
	// LastRefusal is the newest refusal, empty when there was none.
	LastRefusal string
}

func (c *LoadConfig) setDefaults() error {
	if c.Signal == "" {
		c.Signal = generator.Traces
	}
	if c.Connections == 0 {
		c.Connections = 4
	}
	if c.SpansPerRequest == 0 {
		c.SpansPerRequest = 1000
	}
	switch {
	case c.Connections < 0:
		return fmt.Errorf("connections %d is negative", c.Connections)
	case c.SpansPerSecond < 0 || math.IsNaN(c.SpansPerSecond):
		return fmt.Errorf("spans a second %v is negative", c.SpansPerSecond)
	case c.Spread < 0 || c.Spread > 0 && c.TotalSpans <= 0:
		return errors.New("spread is negative, or has no total of spans to spread")
	case c.TotalSpans <= 0 && c.Duration <= 0:
		return errors.New("load has no end: set a duration or a total of spans")
	}
	return nil
}

// load is a running Load.
type load struct {
	cfg      LoadConfig
	gen      *generator.Generator
	begin    time.Time
	requests uint64 // how many to send, 0 for no limit
	next     atomic.Uint64

	mu        sync.Mutex // guards the fields below
	report    LoadReport
	latencies []time.Duration
}

// Load sends generated telemetry until the total, the duration or ctx ends it, and reports what became of it. Ending by
// ctx is not an error. A request that is refused for good counts as failed and does not stop the load.
func Load(ctx context.Context, cfg LoadConfig) (LoadReport, error) {
	if err := cfg.setDefaults(); err != nil {
		return LoadReport{}, err
	}
	to, err := sender.ParseDestination(cfg.Endpoint, cfg.Transport, cfg.Headers)
	if err != nil {
		return LoadReport{}, err
	}
	gen, err := generator.New(cfg.Signal, cfg.Seed, cfg.SpansPerRequest)
	if err != nil {
		return LoadReport{}, err
	}
	clients := make([]*sender.Client, cfg.Connections)
	for i := range clients {
		if clients[i], err = sender.New(to, cfg.Compression); err != nil {
			return LoadReport{}, err
		}
		defer clients[i].Close()
	}
	l := &load{cfg: cfg, gen: gen, begin: time.Now()}
	if cfg.TotalSpans > 0 {
		l.requests = uint64((cfg.TotalSpans + cfg.SpansPerRequest - 1) / cfg.SpansPerRequest)
	}
	sending := ctx
	if cfg.Duration > 0 {
		end := l.begin.Add(cfg.Duration)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end)
		defer cancel()
		sending, cancel = context.WithDeadline(sending, end.Add(patience))
		defer cancel()
	}
	var workers sync.WaitGroup
	for _, c := range clients {
		workers.Go(func() { l.work(ctx, sending, c) })
	}
	workers.Wait()
	return l.finish(), nil
}

// patience is how long after the end of a load its last requests may take.
const patience = 10 * time.Second

// date is the time of the telemetry in request n.
func (l *load) date(n uint64) time.Time {
	if l.cfg.Spread == 0 {
		return time.Now()
	}
	return l.begin.Add(-l.cfg.Spread + time.Duration(float64(l.cfg.Spread)*float64(n)/float64(l.requests)))
}

// work sends the next request that nobody has taken until ctx ends; a request under way ends with sending.
func (l *load) work(ctx, sending context.Context, c *sender.Client) {
	var body []byte
	for ctx.Err() == nil {
		n := l.next.Add(1) - 1
		if l.requests > 0 && n >= l.requests {
			return
		}
		due, ok := l.wait(ctx, n)
		if !ok {
			return
		}
		body = l.gen.Append(body[:0], l.cfg.FirstRequest+n, l.date(n))
		rejected, err := c.Deliver(sending, l.cfg.Signal, body, !l.cfg.AbandonUnknown, l.retried)
		l.settle(l.cfg.FirstRequest+n, len(body), rejected, time.Since(due), err)
	}
}

// wait returns when request n is due, and when that is.
func (l *load) wait(ctx context.Context, n uint64) (time.Time, bool) {
	if l.cfg.SpansPerSecond == 0 {
		return time.Now(), true
	}
	due := l.begin.Add(time.Duration(float64(n) * float64(l.cfg.SpansPerRequest) / l.cfg.SpansPerSecond * 1e9))
	if l.cfg.Duration > 0 && due.Sub(l.begin) >= l.cfg.Duration {
		return due, false
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return due, false
	case <-timer.C:
		return due, true
	}
}

func (l *load) retried(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.Retried++
	l.report.LastRefusal = err.Error()
}

func (l *load) settle(request uint64, size, rejected int, took time.Duration, err error) {
	items := l.cfg.SpansPerRequest
	if err == nil && l.cfg.Acked != nil {
		l.cfg.Acked(request, items-rejected)
	}
	var r *sender.Refusal
	unknown := err != nil && (!errors.As(err, &r) || r.Unknown)
	if unknown && l.cfg.Unknown != nil {
		l.cfg.Unknown(request)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.report.Requests++
		l.report.Acked += items - rejected
		l.report.Rejected += rejected
		l.report.Bytes += int64(size)
		l.latencies = append(l.latencies, took)
		return
	case unknown:
		l.report.Unknown += items
	default:
		l.report.Failed += items
	}
	if r != nil {
		l.report.LastRefusal = err.Error()
	}
}

func (l *load) finish() LoadReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.Elapsed = time.Since(l.begin)
	if n := len(l.latencies); n > 0 {
		slices.SortFunc(l.latencies, cmp.Compare[time.Duration])
		l.report.P50, l.report.P99, l.report.Max = l.latencies[n/2], l.latencies[n*99/100], l.latencies[n-1]
	}
	return l.report
}
