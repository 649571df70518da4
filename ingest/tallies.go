package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/ingest/spans"
	"loadline/ingest/tally"
	"loadline/ingest/wal"
)

var talliedEvents = metrics.NewCounter(`loadline_ingest_tallied_events_total`)

// tallyWindow is how long a segment is known whose counts are stored. It is replayed at the start if at all; this is
// for a ClickHouse that is away then.
const tallyWindow = time.Hour

// tallies brings the counts of indicators into ClickHouse, of many segments at a time. What waits is in a log of its own.
// A record is named by its segment and the first of a name counts, because the segment may be replayed when other
// indicators are counted.
type tallies struct {
	p       *Pipeline
	log     *wal.Log
	node    *tally.Node
	counter *tally.Counter // of the flusher
	batch   *tally.Batch
	left    int // segments of an earlier process
	record  []byte
	buffer  []byte

	settled chan struct{} // closed when what an earlier process has left is in ClickHouse
	ended   chan struct{} // closed when nothing is inserted any more
	turn    chan struct{} // who has put something in inserts a batch, or reads between batches
}

func openTallies(p *Pipeline) (*tallies, error) {
	dir := filepath.Join(p.cfg.Dir, "tallies")
	log, err := wal.Open(wal.Config{
		Dir:             dir,
		MaxBytes:        p.cfg.MaxLogBytes,
		SegmentAge:      p.cfg.TallyAge,
		DuplicateWindow: tallyWindow,
		Logger:          p.logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open log of counts: %w", err)
	}
	node, err := tally.OpenNode(dir)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return &tallies{
		p: p, log: log, node: node, counter: tally.NewCounter(), batch: tally.NewBatch(), left: log.Stats().Segments,
		settled: make(chan struct{}), ended: make(chan struct{}), turn: make(chan struct{}, 1),
	}, nil
}

// Node numbers this pipeline in the table slo_journal. It is the same as long as the log's directory is, and above 1.
func (p *Pipeline) Node() uint64 { return p.tallies.node.ID }

// Settled runs fn when the counts that an earlier process has left in the log are in ClickHouse, and while no batch of
// counts is being inserted: what fn reads has each batch in all tables or in none. It waits for Run. The error is that of
// fn or of ctx, or ErrClosed when Run has ended. It may be called concurrently.
func (p *Pipeline) Settled(ctx context.Context, fn func() error) error {
	t := p.tallies
	select {
	case <-t.settled:
	case <-t.ended:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case t.turn <- struct{}{}:
	case <-t.ended:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.turn }()
	select {
	case <-t.ended:
		return ErrClosed
	default:
		return fn()
	}
}

// add makes the counts of a segment durable. The segment has to be done next: until then it may be replayed, and its
// counts are known to be there for a limited time only.
func (t *tallies) add(ctx context.Context, segment string, rows *spans.Builder) error {
	if t.p.cfg.Indicators == nil || rows.Rows() == 0 {
		return nil
	}
	set := t.p.cfg.Indicators()
	if set == nil {
		return nil
	}
	t.record = binary.AppendUvarint(t.record[:0], uint64(len(segment)))
	t.record = append(t.record, segment...)
	var n int
	if t.record, n = t.counter.Count(set, rows.View(), t.record); n == 0 {
		return nil
	}
	return t.p.keep(ctx, t.log, Signal(wal.Named)|Traces, n, t.record)
}

// run inserts counts until ctx is done, and then what is left until drain is done.
func (t *tallies) run(ctx, drain context.Context) error {
	defer close(t.ended)
	var err error
	for n := 0; err == nil && ctx.Err() == nil; n++ {
		if n == t.left {
			close(t.settled)
		}
		err = t.next(ctx, drain)
	}
	err = endOf(ctx, err)
	t.log.Seal()
	for err == nil && drain.Err() == nil && t.log.Stats().Items > 0 {
		err = endOf(drain, t.next(drain, drain))
	}
	return errors.Join(err, t.log.Close())
}

// next waits for a segment and inserts it. After an error it has the turn for good, because the batch may be half in.
func (t *tallies) next(waiting, inserting context.Context) error {
	segment, err := t.log.Next(waiting)
	if err != nil {
		return err
	}
	select {
	case t.turn <- struct{}{}:
	case <-inserting.Done():
		return inserting.Err()
	}
	if err := t.insert(inserting, segment); err != nil {
		return err
	}
	<-t.turn
	if t.p.cfg.Tallied != nil {
		t.p.cfg.Tallied()
	}
	return nil
}

// insert brings a segment into the tables.
func (t *tallies) insert(ctx context.Context, segment *wal.Segment) error {
	t.batch.Reset()
	var newest time.Time
	err := segment.Records(func(_ byte, _ int, at time.Time, record []byte) error {
		n, width := binary.Uvarint(record)
		if err := t.batch.Add(record[width+int(n):]); err != nil {
			damagedRecords.Inc()
			t.p.logger.Error("skip a record of the log of counts", "segment", segment.ID(), "error", err)
		}
		newest = at
		return nil
	})
	if err != nil {
		return fmt.Errorf("read segment %q of counts: %w", segment.ID(), err)
	}
	err = t.batch.Each(t.node.ID, t.node.Next(), newest, func(table tally.Table) (err error) {
		t.buffer, err = t.p.insert(ctx, table.Name, segment.ID(), table.Block, nil, t.buffer)
		return err
	})
	if err != nil {
		return err
	}
	talliedEvents.Add(t.batch.Events())
	return segment.Done()
}
