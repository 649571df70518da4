package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"loadline/ingest/red"
	"loadline/ingest/spans"
	"loadline/ingest/wal"
)

// rollupAge is how long RED rows wait for the coarse tiers. Their slices are minutes wide, so that a small part a second
// in each would cost more than it shows.
const rollupAge = 30 * time.Second

// rollupSpans is how many spans are waited for at most: over so many, the parts cost each span next to nothing.
const rollupSpans = 100_000

// rollups brings the RED rows of many segments at a time into the coarse tiers. What waits is in a log of its own, so
// that the segments' log can be cut at once and a row still counts exactly once: a segment that is replayed appends the
// same record again, which the log recognises.
type rollups struct {
	p      *Pipeline
	log    *wal.Log
	tiers  []rollupTier
	record []byte
	buffer []byte
}

type rollupTier struct {
	table  string
	rollup *red.Rollup
}

func openRollups(p *Pipeline) (*rollups, error) {
	log, err := wal.Open(wal.Config{
		Dir:          filepath.Join(p.cfg.Dir, "rollups"),
		MaxBytes:     p.cfg.MaxLogBytes,
		SegmentAge:   rollupAge,
		SegmentItems: rollupSpans,
		Logger:       p.logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open rollup log: %w", err)
	}
	return &rollups{p: p, log: log, tiers: []rollupTier{
		{"red_5m", red.NewRollup(5 * time.Minute)},
		{"red_1h", red.NewRollup(time.Hour)},
	}}, nil
}

// add makes the RED rows of a segment durable for the coarse tiers.
func (r *rollups) add(ctx context.Context, segment string, rows *spans.Builder) error {
	// The segment's name tells equal rows of two segments apart.
	r.record = binary.AppendUvarint(r.record[:0], uint64(len(segment)))
	r.record = append(r.record, segment...)
	r.record = rows.AppendRollup(r.record)
	return r.p.keep(ctx, r.log, Traces, rows.Rows(), r.record)
}

// run fills the coarse tiers until ctx is done. What is left is in the log and comes at the next start.
func (r *rollups) run(ctx context.Context) error {
	for {
		segment, err := r.log.Next(ctx)
		if err == nil {
			err = r.insert(ctx, segment)
		}
		if err != nil {
			return errors.Join(endOf(ctx, err), r.log.Close())
		}
	}
}

func (r *rollups) insert(ctx context.Context, segment *wal.Segment) error {
	for _, t := range r.tiers {
		t.rollup.Reset()
	}
	err := segment.Records(func(_ byte, _ int, _ time.Time, record []byte) error {
		n, width := binary.Uvarint(record)
		for _, t := range r.tiers {
			if err := t.rollup.Add(record[width+int(n):]); err != nil {
				damagedRecords.Inc()
				r.p.logger.Error("skip a record of the rollup log", "segment", segment.ID(), "error", err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read rollup segment %q: %w", segment.ID(), err)
	}
	for _, t := range r.tiers {
		if r.buffer, err = r.p.insert(ctx, t.table, segment.ID(), t.rollup.Block(), nil, r.buffer); err != nil {
			return err
		}
	}
	return segment.Done()
}

// keep appends a record to a log of the pipeline, and tries until it is there or ctx is done.
func (p *Pipeline) keep(ctx context.Context, log *wal.Log, signal Signal, items int, record []byte) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		_, err := log.Append(ctx, time.Now(), byte(signal), items, record)
		if err == nil || ctx.Err() != nil || errors.Is(err, wal.ErrClosed) {
			return err
		}
		p.status.set(err)
		p.logger.Warn("inserts wait for a log", "signal", signal, "retry_in", pause, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// endOf returns nil for an error that only says that ctx is done.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
