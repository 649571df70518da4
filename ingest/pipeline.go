package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/ingest/head"
	"loadline/ingest/logs"
	otlpmetrics "loadline/ingest/metrics"
	"loadline/ingest/remotewrite/request"
	"loadline/ingest/spans"
	"loadline/ingest/tally"
	"loadline/ingest/wal"
	"loadline/ingest/wire"
	"loadline/internal/clickhouse"
)

// Config of a Pipeline. Zero values mean the defaults in brackets.
type Config struct {
	Dir          string        // of the write-ahead log; required
	MaxLogBytes  int64         // what the log may hold while ClickHouse is slow or away [4 GiB]
	MaxAge       time.Duration // older telemetry is rejected [31 days]; negative means that none is too old
	SegmentItems int           // spans, points and records in a block at most [120,000]
	SegmentAge   time.Duration // how long a smaller block is waited for [1.6s]
	Head         head.Config   // of recent float samples
	// Indicators returns what is counted of the spans, once for every segment of the log; nil when nothing is. It has to know
	// everything that is counted when Run starts to replay.
	Indicators func() *tally.Set
	// TallyAge is how long counts of indicators wait for more [5s]. It is the larger part of the time after which an
	// objective knows of an event.
	TallyAge time.Duration
	// Tallied is called after each batch of counts that is in ClickHouse [nothing is]
	Tallied func()
	Logger  *slog.Logger // [slog.Default()]
}

const (
	defaultMaxAge = 31 * 24 * time.Hour
	// Telemetry is to be seen two seconds after its acknowledgement; the rest is for the insert. Waiting longer makes fewer
	// parts, which at a low rate is most of the cost.
	defaultSegmentAge = 1600 * time.Millisecond
	defaultTallyAge   = 5 * time.Second
	// Larger blocks cost a little less CPU and hold proportionally more memory, here and in the engine.
	defaultSegmentItems = 120_000
	// The log and the embedded engine share a disk. This is room for the largest segment as a block, and for merging it.
	logReserve = 192 << 20
)

// Pipeline makes export requests durable and brings them into ClickHouse. Export may be called concurrently while Run
// runs.
type Pipeline struct {
	cfg     Config
	db      *clickhouse.DB
	log     *wal.Log
	rollups *rollups
	samples *sampleLog
	tallies *tallies
	logger  *slog.Logger
	status  status
	remote  request.Checker
}

// New opens the write-ahead log below cfg.Dir. What an earlier process acknowledged and did not insert is inserted
// when Run runs.
func New(db *clickhouse.DB, cfg Config) (*Pipeline, error) {
	if cfg.MaxAge == 0 {
		cfg.MaxAge = defaultMaxAge
	}
	if cfg.MaxAge < 0 {
		cfg.MaxAge = math.MaxInt64
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.Dir = filepath.Clean(cfg.Dir)
	if cfg.SegmentAge == 0 {
		cfg.SegmentAge = defaultSegmentAge
	}
	if cfg.SegmentItems == 0 {
		cfg.SegmentItems = defaultSegmentItems
	}
	if cfg.TallyAge == 0 {
		cfg.TallyAge = defaultTallyAge
	}
	p := &Pipeline{cfg: cfg, db: db, logger: cfg.Logger.With("component", "ingest")}
	var err error
	p.log, err = wal.Open(wal.Config{
		Dir:          filepath.Join(cfg.Dir, "segments"),
		MaxBytes:     cfg.MaxLogBytes,
		Reserve:      logReserve,
		SegmentItems: cfg.SegmentItems,
		SegmentAge:   cfg.SegmentAge,
		Logger:       cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open write-ahead log: %w", err)
	}
	if p.rollups, err = openRollups(p); err != nil {
		return nil, errors.Join(err, p.log.Close())
	}
	if p.samples, err = openSamples(p); err != nil {
		return nil, errors.Join(err, p.log.Close(), p.rollups.log.Close())
	}
	if p.tallies, err = openTallies(p); err != nil {
		return nil, errors.Join(err, p.log.Close(), p.rollups.log.Close(), p.samples.log.Close())
	}
	return p, nil
}

// Head has the float samples of late, also those that are not in ClickHouse.
func (p *Pipeline) Head() *head.Head { return p.samples.head }

// Export checks an uncompressed protobuf request of a signal, makes what is good of it durable and says what became
// of it. A request that is identical to one of the last minutes is acknowledged and not stored again, so a sender may
// repeat what it got no answer for. The error is a *MalformedError, an *OverloadedError, ErrClosed, or that of ctx.
// The body is the caller's again when Export returns.
func (p *Pipeline) Export(ctx context.Context, signal Signal, body []byte) (Result, error) {
	at := time.Now()
	tally, err := p.check(signal, body, wire.NewWindow(at, p.cfg.MaxAge))
	if err != nil {
		return Result{}, &MalformedError{signal, err}
	}
	result := Result{
		Accepted: tally.Items[wire.Accepted], Rejected: tally.Rejected(), Message: tally.Message(),
		Samples: tally.Samples, Histograms: tally.Histograms, Exemplars: tally.Exemplars,
	}
	if result.Accepted > 0 {
		if err := p.store(ctx, at, signal, result.Accepted, body); err != nil {
			return Result{}, err
		}
	}
	for _, r := range wire.Reasons() {
		if n := tally.Items[r]; n > 0 {
			rejected(signal, r).Add(n)
		}
	}
	return result, nil
}

func (p *Pipeline) check(signal Signal, body []byte, window wire.Window) (wire.Tally, error) {
	switch signal {
	case Traces:
		return spans.Check(body, window)
	case Metrics:
		return otlpmetrics.Check(body, window)
	case Logs:
		return logs.Check(body, window)
	case RemoteWrite1:
		return p.remote.Check(request.V1, body, window)
	case RemoteWrite2:
		return p.remote.Check(request.V2, body, window)
	}
	panic(fmt.Sprintf("BUG: export of %s", signal))
}

func (p *Pipeline) store(ctx context.Context, at time.Time, signal Signal, items int, body []byte) error {
	duplicate, err := p.log.Append(ctx, at, byte(signal), items, body)
	var full *wal.FullError
	switch {
	case errors.As(err, &full):
		refused(signal, full.Reason).Add(items)
		return &OverloadedError{Reason: full.Error(), RetryAfter: full.RetryAfter}
	case errors.Is(err, wal.ErrClosed):
		return ErrClosed
	case err != nil:
		return err
	case duplicate:
		duplicates(signal).Add(items)
	default:
		accepted(signal).Add(items)
	}
	return nil
}

func accepted(s Signal) *metrics.Counter {
	return metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_ingest_accepted_total{signal=%q}`, s))
}

func duplicates(s Signal) *metrics.Counter {
	return metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_ingest_duplicates_total{signal=%q}`, s))
}

func rejected(s Signal, r wire.Reason) *metrics.Counter {
	return metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_ingest_rejected_total{signal=%q,reason=%q}`, s, r))
}

func refused(s Signal, reason string) *metrics.Counter {
	return metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_ingest_refused_total{signal=%q,reason=%q}`, s, reason))
}
