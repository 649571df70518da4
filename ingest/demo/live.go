package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"

	"loadline/ingest/demo/sender"
	"loadline/ingest/demo/shop"
)

// Config chooses the shop that Run and Backfill play. Zero values mean what the comments say.
type Config struct {
	// Endpoint is host:port, or a URL whose scheme https asks for TLS.
	Endpoint string
	// Transport is GRPC (default) or HTTP.
	Transport string
	Headers   map[string]string
	// Rate is the mean over a week of requests a second at the shop's edge; default 100.
	Rate float64
	Seed uint64
	// Incident is one of Incidents; default all.
	Incident string
	// Services is how many of the seven services there are; default all.
	Services int
	// Speed is how fast the schedule of incidents passes; default 1.
	Speed float64
	// History is how far back Backfill reaches; default 30 days, which is also the most.
	History time.Duration
	// Start is when history ends and live traffic begins; default the time of the call. Give Run and Backfill the same
	// Start, and the one continues the other.
	Start time.Time
	// Failed, when set, hears of exports that failed for good. Run goes on after them.
	Failed func(error)
}

// Incidents lists what Config.Incident may be.
func Incidents() []string { return shop.Incidents() }

const (
	tick           = time.Second
	metricInterval = 10 * time.Second
	// catchUp is the longest stretch that one tick plays: after a longer pause, traffic is missing.
	catchUp = 5 * time.Second
	// exportSpans and exportLogs are the batches of the SDK's processors.
	exportBatch = 512
)

func (c *Config) model(now time.Time) (*shop.Model, error) {
	if c.Start.IsZero() {
		c.Start = now
	}
	if c.Rate == 0 {
		c.Rate = 100
	}
	return shop.New(shop.Config{Seed: c.Seed, Incident: c.Incident, Services: c.Services, Rate: c.Rate, Start: c.Start, Speed: c.Speed})
}

// Run plays live traffic through the OpenTelemetry SDK's OTLP exporters until ctx ends, which is no error. A receiver
// that is away or refuses does not stop it.
func Run(ctx context.Context, cfg Config) error {
	to, err := sender.ParseDestination(cfg.Endpoint, cfg.Transport, cfg.Headers)
	if err != nil {
		return err
	}
	p, err := newPlayer(cfg, time.Now())
	if err != nil {
		return err
	}
	out, err := newExporters(ctx, to)
	if err != nil {
		return err
	}
	p.out = out
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			// The exporters' own goroutines end here; what waits to be sent is traffic that never happened.
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := out.shutdown(stop); err != nil && p.cfg.Failed != nil {
				p.cfg.Failed(err)
			}
			return nil
		case now := <-ticker.C:
			if err := p.play(ctx, now); err != nil && ctx.Err() == nil && p.cfg.Failed != nil {
				p.cfg.Failed(err)
			}
		}
	}
}

// exporters are the SDK's, one for each signal.
type exporters struct {
	spans   sdktrace.SpanExporter
	metrics sdkmetric.Exporter
	logs    sdklog.Exporter
	conn    *grpc.ClientConn
}

func newExporters(ctx context.Context, to sender.Destination) (*exporters, error) {
	e := &exporters{}
	var errs [3]error
	if to.Transport == GRPC {
		var err error
		if e.conn, err = grpc.NewClient(to.Host, grpc.WithTransportCredentials(to.Credentials())); err != nil {
			return nil, fmt.Errorf("endpoint %q: %w", to.Host, err)
		}
		e.spans, errs[0] = otlptracegrpc.New(ctx, otlptracegrpc.WithGRPCConn(e.conn), otlptracegrpc.WithHeaders(to.Headers))
		e.metrics, errs[1] = otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithGRPCConn(e.conn), otlpmetricgrpc.WithHeaders(to.Headers))
		e.logs, errs[2] = otlploggrpc.New(ctx, otlploggrpc.WithGRPCConn(e.conn), otlploggrpc.WithHeaders(to.Headers))
	} else {
		e.spans, errs[0] = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to.URL()+"/v1/traces"), otlptracehttp.WithHeaders(to.Headers))
		e.metrics, errs[1] = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(to.URL()+"/v1/metrics"), otlpmetrichttp.WithHeaders(to.Headers))
		e.logs, errs[2] = otlploghttp.New(ctx, otlploghttp.WithEndpointURL(to.URL()+"/v1/logs"), otlploghttp.WithHeaders(to.Headers))
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("exporters to %q: %w", to.Host, err)
	}
	return e, nil
}

func (e *exporters) shutdown(ctx context.Context) error {
	err := errors.Join(e.spans.Shutdown(ctx), e.metrics.Shutdown(ctx), e.logs.Shutdown(ctx))
	if e.conn != nil {
		err = errors.Join(err, e.conn.Close())
	}
	return err
}

// player turns the passing of time into telemetry. Only one goroutine may use it.
type player struct {
	cfg   Config
	model *shop.Model
	out   *exporters
	pods  map[*shop.Instance]*pod
	gauge *meter

	rng       *rand.Rand
	requests  uint64
	owed      float64 // part of a request
	played    time.Time
	measured  time.Time
	spans     []shop.Span // that have not ended yet
	logs      []shop.Log  // that are not written yet
	collected []sdklog.Record
}

func newPlayer(cfg Config, now time.Time) (*player, error) {
	m, err := cfg.model(now)
	if err != nil {
		return nil, err
	}
	return &player{
		cfg: cfg, model: m, pods: map[*shop.Instance]*pod{}, gauge: newMeter(cfg.Start),
		rng: rand.New(rand.NewPCG(cfg.Seed, 1)), played: cfg.Start,
	}, nil
}

// play sends what happened since the last call: requests that arrived are walked through the shop, and what has ended
// by now is exported, as a batch processor would.
func (p *player) play(ctx context.Context, now time.Time) error {
	if p.played.Before(now.Add(-catchUp)) {
		p.played = now.Add(-catchUp)
	}
	if err := p.arrive(now); err != nil {
		return err
	}
	p.played = now
	ended := take(&p.spans, func(s *shop.Span) bool { return !s.End.After(now) })
	written := take(&p.logs, func(l *shop.Log) bool { return !l.At.After(now) })
	err := p.exportSpans(ctx, ended)
	err = errors.Join(err, p.exportLogs(ctx, written))
	if now.Sub(p.measured) >= metricInterval-tick/2 {
		p.measured = now
		err = errors.Join(err, p.exportMetrics(ctx, now))
	}
	return err
}

// arrive walks the requests of the time between the last call and now.
func (p *player) arrive(now time.Time) error {
	span := now.Sub(p.played)
	if span <= 0 {
		return nil
	}
	p.owed += p.model.Rate(p.played) * span.Seconds()
	for ; p.owed >= 1; p.owed-- {
		at := p.played.Add(time.Duration(p.rng.Int64N(int64(span))))
		entry := p.model.Pick(p.rng.Float64())
		tr, err := p.model.Trace(at, p.requests, entry.Service, entry.Endpoint, shop.Sampling{})
		if err != nil {
			return err
		}
		p.requests++
		p.spans = append(p.spans, tr.Spans...)
		p.logs = append(p.logs, tr.Logs...)
	}
	return nil
}

// take removes and returns what is due, keeping the order of both parts.
func take[T any](waiting *[]T, due func(*T) bool) []T {
	var out []T
	kept := (*waiting)[:0]
	for i := range *waiting {
		if v := &(*waiting)[i]; due(v) {
			out = append(out, *v)
		} else {
			kept = append(kept, *v)
		}
	}
	clear((*waiting)[len(kept):])
	*waiting = kept
	return out
}

func (p *player) exportSpans(ctx context.Context, spans []shop.Span) error {
	var err error
	for len(spans) > 0 {
		n := min(len(spans), exportBatch)
		batch := make([]sdktrace.ReadOnlySpan, n)
		for i := range batch {
			in := p.pod(spans[i].Instance)
			batch[i] = stub(&spans[i], in.resource).Snapshot()
			in.record(&spans[i])
		}
		err = errors.Join(err, p.out.spans.ExportSpans(ctx, batch))
		spans = spans[n:]
	}
	return err
}

func (p *player) exportLogs(ctx context.Context, logs []shop.Log) error {
	for i := range logs {
		p.pod(logs[i].Instance).emit(ctx, &logs[i])
	}
	records := p.collected
	p.collected = nil
	if len(records) == 0 {
		return nil
	}
	return p.out.logs.Export(ctx, records)
}

// exportMetrics sends the state of each running pod and of the platform.
func (p *player) exportMetrics(ctx context.Context, now time.Time) error {
	var err error
	running := p.model.Running(now)
	for _, in := range running {
		err = errors.Join(err, p.pod(in).export(ctx, p, now))
	}
	for _, s := range p.model.Platform(now) {
		err = errors.Join(err, p.out.metrics.Export(ctx, p.gauge.resource(s, now)))
	}
	return err
}
