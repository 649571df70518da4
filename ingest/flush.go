package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/ingest/logs"
	otlpmetrics "loadline/ingest/metrics"
	"loadline/ingest/native"
	"loadline/ingest/remotewrite/request"
	"loadline/ingest/spans"
	"loadline/ingest/wal"
	"loadline/ingest/wire"
)

var (
	visibleSeconds = metrics.NewHistogram(`loadline_ingest_visible_seconds`)
	insertFailures = metrics.NewCounter(`loadline_ingest_insert_failures_total`)
	damagedRecords = metrics.NewCounter(`loadline_ingest_damaged_records_total`)
)

// Bounds of a failing insert: how long one try may take, and the pause between tries.
const (
	insertTimeout = 2 * time.Minute
	firstPause    = 100 * time.Millisecond
	longestPause  = 10 * time.Second
)

// drainTime is how long a stopping pipeline goes on inserting. What is left is in the log and replayed at the next
// start.
const drainTime = 10 * time.Second

// Run inserts what the log holds until ctx is done, then closes the log and drains it for a bounded time. Export
// answers ErrClosed from then on.
func (p *Pipeline) Run(ctx context.Context) error {
	f := newFlusher(p)
	// Inserts outlive ctx: a segment that is taken from the log is not handed out a second time.
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	behind := make(chan error, 3)
	filling, stopFilling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFilling()
	go func() { behind <- p.rollups.run(filling) }()
	go func() { behind <- p.samples.run(filling, drain) }()
	go func() { behind <- p.tallies.run(filling, drain) }()
	running, stop := context.WithCancel(ctx)
	context.AfterFunc(running, func() {
		select {
		case <-time.After(drainTime):
			cancel()
		case <-drain.Done():
		}
	})
	err := f.run(ctx, drain)
	stop()
	for drain.Err() == nil && p.log.Stats().Items > 0 {
		if err := f.next(drain, drain); err != nil {
			break
		}
	}
	err = errors.Join(err, p.log.Close())
	stopFilling()
	return errors.Join(err, <-behind, <-behind, <-behind)
}

// flusher turns log segments into blocks and inserts them. Live traffic and replay take the same path.
type flusher struct {
	p         *Pipeline
	resources *wire.Resources
	spans     *spans.Builder
	logs      *logs.Builder
	metrics   *otlpmetrics.Builder
	remote    *otlpmetrics.Remote // into metrics
	buffer    []byte              // an encoded block
	start     string              // tells the tokens of this process from those of others
	segments  int
}

func newFlusher(p *Pipeline) *flusher {
	resources := wire.NewResources()
	builder := otlpmetrics.NewBuilder(resources)
	return &flusher{
		p:         p,
		resources: resources,
		spans:     spans.NewBuilder(resources),
		logs:      logs.NewBuilder(resources),
		metrics:   builder,
		remote:    otlpmetrics.NewRemote(builder),
		start:     fmt.Sprintf("%x", time.Now().UnixNano()),
	}
}

// run inserts segments until ctx is done. The insert that is at work then goes on until inserting is done.
func (f *flusher) run(ctx, inserting context.Context) error {
	for {
		err := f.next(ctx, inserting)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// next waits for a segment and inserts it.
func (f *flusher) next(waiting, inserting context.Context) error {
	segment, err := f.p.log.Next(waiting)
	if err != nil {
		return err
	}
	oldest, err := f.read(segment)
	if err != nil {
		return fmt.Errorf("read segment %q: %w", segment.ID(), err)
	}
	f.segments++
	rows := f.metrics.Samples()
	batch := f.p.samples.head.Add(time.Now(), rows)
	if err := f.insertAll(inserting, segment.ID()); err != nil {
		return err
	}
	f.p.samples.head.Visible(time.Now(), rows)
	if err := f.p.samples.add(inserting, segment.ID(), rows, batch); err != nil {
		return err
	}
	if err := f.p.tallies.add(inserting, segment.ID(), f.spans); err != nil {
		return err
	}
	if !oldest.IsZero() {
		visibleSeconds.Update(time.Since(oldest).Seconds())
	}
	return segment.Done()
}

// read fills the builders with a segment's records and returns when the oldest was received.
func (f *flusher) read(segment *wal.Segment) (oldest time.Time, err error) {
	f.spans.Reset()
	f.logs.Reset()
	f.metrics.Reset()
	err = segment.Records(func(kind byte, _ int, at time.Time, body []byte) error {
		if oldest.IsZero() {
			oldest = at
		}
		window := wire.NewWindow(at, f.p.cfg.MaxAge)
		var err error
		switch Signal(kind) {
		case Traces:
			err = f.spans.Add(body, window)
		case Logs:
			err = f.logs.Add(body, window)
		case Metrics:
			err = f.metrics.Add(body, at, window)
		case RemoteWrite1:
			err = f.remote.Add(request.V1, body, at, window)
		case RemoteWrite2:
			err = f.remote.Add(request.V2, body, at, window)
		}
		if err != nil {
			// Export checked these bytes, so that only a defect of this program or of the disk comes here. The other
			// records must not wait for it.
			damagedRecords.Inc()
			f.p.logger.Error("skip a record of the write-ahead log", "segment", segment.ID(), "error", err)
		}
		return nil
	})
	return oldest, err
}

// insertAll inserts the builders' blocks; float samples are none. Tables that merge equal rows get a token of their own, because what they
// hold depends on what this process has already written; all others get the segment's.
func (f *flusher) insertAll(ctx context.Context, token string) error {
	resources, deployments := f.resources.Flush()
	own := fmt.Sprintf("%s-%s-%d", token, f.start, f.segments)
	if err := f.insert(ctx, "resources", own, resources, nil); err != nil {
		return err
	}
	if err := f.insert(ctx, "deployments", own, deployments, nil); err != nil {
		return err
	}
	if f.spans.Rows() > 0 {
		block, order := f.spans.Block()
		index, red := f.spans.Derived()
		if err := f.insert(ctx, "spans", token, block, order); err != nil {
			return err
		}
		if err := f.insert(ctx, "trace_index", token, index, nil); err != nil {
			return err
		}
		if err := f.insert(ctx, "red_10s", token, red, nil); err != nil {
			return err
		}
		if err := f.p.rollups.add(ctx, token, f.spans); err != nil {
			return err
		}
	}
	if f.logs.Rows() > 0 {
		block, order := f.logs.Block()
		if err := f.insert(ctx, "logs", token, block, order); err != nil {
			return err
		}
	}
	for _, t := range f.metrics.Blocks() {
		tableToken := token
		if t.Table == "series" || t.Table == "metadata" {
			tableToken = own
		}
		if err := f.insert(ctx, t.Table, tableToken, t.Block, t.Order); err != nil {
			return err
		}
		if t.Table == "series" {
			f.p.samples.head.Announce(f.metrics.Announced())
		}
	}
	return nil
}

func (f *flusher) insert(ctx context.Context, table, token string, block native.Block, order []int32) (err error) {
	f.buffer, err = f.p.insert(ctx, table, token, block, order, f.buffer)
	return err
}

// insert brings a block into a table, and tries until it is there or ctx is done. It encodes into buffer, which it
// returns for reuse.
func (p *Pipeline) insert(
	ctx context.Context, table, token string, block native.Block, order []int32, buffer []byte,
) ([]byte, error) {
	if block.Rows() == 0 {
		return buffer, nil
	}
	buffer = block.Encode(buffer[:0], order)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		began := time.Now()
		try, cancel := context.WithTimeout(ctx, insertTimeout)
		err := p.db.InsertNative(try, table, block.Names(), token, buffer)
		cancel()
		if err == nil {
			insertSeconds(table).Update(time.Since(began).Seconds())
			insertedRows(table).Add(block.Rows())
			p.status.set(nil)
			return buffer, nil
		}
		if ctx.Err() != nil {
			return buffer, ctx.Err()
		}
		insertFailures.Inc()
		p.status.set(err)
		p.logger.Warn("insert failed, the write-ahead log holds the data", "table", table, "rows", block.Rows(),
			"retry_in", pause, "error", err)
		select {
		case <-ctx.Done():
			return buffer, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func insertSeconds(table string) *metrics.Histogram {
	return metrics.GetOrCreateHistogram(fmt.Sprintf(`loadline_ingest_insert_seconds{table=%q}`, table))
}

func insertedRows(table string) *metrics.Counter {
	return metrics.GetOrCreateCounter(fmt.Sprintf(`loadline_ingest_inserted_rows_total{table=%q}`, table))
}

// Status is the state of the write path.
type Status struct {
	Log wal.Stats
	// Err is why the last insert failed; nil while inserts succeed.
	Err error
}

// Status returns the state of the write path. It may be called concurrently.
func (p *Pipeline) Status() Status {
	return Status{Log: p.log.Stats(), Err: p.status.get()}
}

// status is the outcome of the last insert.
type status struct {
	mu  sync.Mutex
	err error
}

func (s *status) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *status) get() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
