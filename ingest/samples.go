package ingest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"loadline/ingest/head"
	"loadline/ingest/samples"
	"loadline/ingest/wal"
	"loadline/ingest/wire"
	"loadline/internal/clickhouse"
)

// How float samples wait for the table samples. A row costs the more the fewer samples of a series come together.
const (
	sampleAge   = time.Minute
	sampleItems = 1_000_000
	// recordSamples bounds a record, so that also the samples of one large request fit into the log.
	recordSamples = 250_000
	// sampleLogBytes bounds what waits, which is in the head too.
	sampleLogBytes = 96 << 20
)

// sampleLog brings the float samples of many segments at a time into the table samples. What waits is in a log of its own
// and in the head, where queries find it. A segment that is replayed appends the same records again, which the log
// recognises.
type sampleLog struct {
	p      *Pipeline
	log    *wal.Log
	head   *head.Head
	left   int // segments of an earlier process
	record []byte
	buffer []byte

	mu      sync.Mutex
	batches map[string]uint64 // of the head, by the name of their last record
}

func openSamples(p *Pipeline) (*sampleLog, error) {
	limit := p.cfg.MaxLogBytes
	if limit == 0 || limit > sampleLogBytes {
		limit = sampleLogBytes
	}
	log, err := wal.Open(wal.Config{
		Dir:          filepath.Join(p.cfg.Dir, "samples"),
		MaxBytes:     limit,
		SegmentAge:   sampleAge,
		SegmentItems: sampleItems,
		Logger:       p.logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open log of samples: %w", err)
	}
	return &sampleLog{
		p: p, log: log, head: head.New(p.cfg.Head, time.Now()), left: log.Stats().Segments, batches: map[string]uint64{},
	}, nil
}

// add makes rows of a segment durable. They are a batch of the head already.
func (s *sampleLog) add(ctx context.Context, segment string, rows []samples.Row, batch uint64) error {
	for part := 0; len(rows) > 0; part++ {
		n, items := 0, 0
		for n < len(rows) && items < recordSamples {
			items += len(rows[n].Offsets)
			n++
		}
		name := fmt.Sprintf("%s/%d", segment, part)
		if n == len(rows) {
			s.expect(name, batch)
		}
		s.record = samples.AppendRecord(s.record[:0], name, rows[:n])
		if err := s.p.keep(ctx, s.log, Metrics, items, s.record); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// expect notes that a batch of the head is in ClickHouse when the record with that name is.
func (s *sampleLog) expect(name string, batch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches[name] = batch
}

// arrived returns the newest batch that ends with one of the records, and forgets it and those before it.
func (s *sampleLog) arrived(names []string) (batch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		batch = max(batch, s.batches[name])
	}
	for name, b := range s.batches {
		if b <= batch {
			delete(s.batches, name)
		}
	}
	return batch
}

// run inserts samples until ctx is done, and then what is left until drain is done.
func (s *sampleLog) run(ctx, drain context.Context) error {
	err := s.recover(drain)
	for err == nil && ctx.Err() == nil {
		err = s.next(ctx, drain)
	}
	err = endOf(ctx, err)
	s.log.Seal()
	for err == nil && drain.Err() == nil && s.log.Stats().Items > 0 {
		err = endOf(drain, s.next(drain, drain))
	}
	return errors.Join(err, s.log.Close())
}

// recover shows to queries what an earlier process has left, all of it before any is inserted.
func (s *sampleLog) recover(inserting context.Context) error {
	left := make([]*wal.Segment, s.left)
	for i := range left {
		var err error
		if left[i], err = s.log.Next(inserting); err != nil {
			return err
		}
		if err = s.recall(left[i]); err != nil {
			return err
		}
	}
	for _, segment := range left {
		if err := s.insert(inserting, segment); err != nil {
			return err
		}
	}
	s.lookAhead(inserting, time.Now())
	return nil
}

// lookAhead tells the head of samples that an earlier process stored and that are dated after now: those of senders whose
// clocks run ahead.
func (s *sampleLog) lookAhead(ctx context.Context, now time.Time) {
	var newest time.Time
	err := s.p.db.QueryRow(ctx, `
		SELECT max(t1)
		FROM samples
		WHERE bucket > {from:DateTime('UTC')}`,
		clickhouse.Named("from", now.Add(-samples.BucketSeconds*time.Second).UTC().Format(time.DateTime))).Scan(&newest)
	if err != nil {
		s.p.logger.Warn("recent samples are read from ClickHouse for an hour", "error", err)
		newest = now.Add(wire.MaxSkew)
	}
	s.head.CompleteFrom(newest.Add(time.Millisecond))
}

func (s *sampleLog) next(waiting, inserting context.Context) error {
	segment, err := s.log.Next(waiting)
	if err != nil {
		return err
	}
	return s.insert(inserting, segment)
}

// recall shows the samples of a segment to queries.
func (s *sampleLog) recall(segment *wal.Segment) error {
	return s.records(segment, func(name string, record []byte) error {
		var rows []samples.Row
		err := samples.Read(record, func(r *samples.Row) {
			kept := *r
			kept.Offsets, kept.Values = slices.Clone(r.Offsets), slices.Clone(r.Values)
			rows = append(rows, kept)
		})
		s.expect(name, s.head.Add(time.Now(), rows))
		s.head.Visible(time.Now(), rows)
		return err
	})
}

// insert brings a segment into the table.
func (s *sampleLog) insert(ctx context.Context, segment *wal.Segment) error {
	block := samples.NewBlock(segment.Items())
	var names []string
	err := s.records(segment, func(name string, record []byte) error {
		names = append(names, name)
		return samples.Read(record, block.Add)
	})
	if err != nil {
		return err
	}
	if s.buffer, err = s.p.insert(ctx, "samples", segment.ID(), block.Fill(), nil, s.buffer); err != nil {
		return err
	}
	s.head.Flushed(time.Now(), s.arrived(names))
	return segment.Done()
}

// records calls f for the records of a segment. One that f cannot read is left at where it is damaged.
func (s *sampleLog) records(segment *wal.Segment, f func(name string, record []byte) error) error {
	err := segment.Records(func(_ byte, _ int, _ time.Time, record []byte) error {
		name, err := samples.Name(record)
		if err == nil {
			err = f(name, record)
		}
		if err != nil {
			damagedRecords.Inc()
			s.p.logger.Error("skip a record of the log of samples", "segment", segment.ID(), "error", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read segment %q of samples: %w", segment.ID(), err)
	}
	return nil
}
