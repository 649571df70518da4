// Package compact packs the float samples of closed buckets: it moves them from the table samples, where a sample is
// twelve bytes in two arrays that every merge copies, into chunks of internal/chunk in the table chunks.
//
// A bucket of two hours is a partition of samples. When it has ended and nobody writes to it any more, its rows are
// streamed in the order of the key, packed, inserted, and only then are the parts dropped that were read. Readers look
// into samples first and into chunks second, so that they never miss a sample; one that they meet twice they take once.
// That makes every other failure harmless as well: a crash before the drop, a part that was merged while it was read, a
// second node that packs the same bucket. Whatever is left in samples is packed again later.
package compact

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/internal/clickhouse"
)

var (
	samplesTotal  = metrics.NewCounter(`loadline_compact_samples_total`)
	bytesTotal    = metrics.NewCounter(`loadline_compact_bytes_total`) // of blocks, before ClickHouse compresses them
	secondsTotal  = metrics.NewFloatCounter(`loadline_compact_seconds_total`)
	failuresTotal = metrics.NewCounter(`loadline_compact_failures_total`)
)

// Config of a Compactor. Zero values mean the defaults in brackets.
type Config struct {
	Grace    time.Duration // how long a bucket waits after its end for late samples [15m]
	Interval time.Duration // between looks for buckets that are due [1m]
	Logger   *slog.Logger  // [slog.Default()]
}

const (
	defaultGrace    = 15 * time.Minute
	defaultInterval = time.Minute
)

// Compactor packs closed buckets of one database. Its methods must not be called concurrently; several Compactors, on
// several nodes, may work on the same database.
type Compactor struct {
	db     *clickhouse.DB
	cfg    Config
	logger *slog.Logger
	// waiting says since when a bucket would be due, were it not written to.
	waiting map[int64]time.Time
	// read is called when a bucket has been read, inserted when it has been inserted; tests interfere there.
	read, inserted func() error
}

// New returns a Compactor.
func New(db *clickhouse.DB, cfg Config) *Compactor {
	if cfg.Grace == 0 {
		cfg.Grace = defaultGrace
	}
	if cfg.Interval == 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	nothing := func() error { return nil }
	return &Compactor{
		db: db, cfg: cfg, logger: cfg.Logger.With("component", "compact"), waiting: map[int64]time.Time{},
		read: nothing, inserted: nothing,
	}
}

// Run packs buckets as they become due, until ctx is done.
func (c *Compactor) Run(ctx context.Context) error {
	ticker := time.NewTicker(c.cfg.Interval)
	defer ticker.Stop()
	for {
		if err := c.CompactNow(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.logger.Warn("compaction failed, samples stay where they are", "retry_in", c.cfg.Interval, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// CompactNow packs all buckets that are due at now, which may lie in the future: what has been written before then counts
// as settled. A bucket that fails does not keep the others from being packed.
func (c *Compactor) CompactNow(ctx context.Context, now time.Time) error {
	parts, err := c.parts(ctx)
	if err != nil {
		failuresTotal.Inc()
		return err
	}
	var errs []error
	for _, p := range due(parts, c.waiting, c.cfg.Grace, now) {
		began := time.Now()
		result, err := c.compact(ctx, p)
		secondsTotal.Add(time.Since(began).Seconds())
		if err != nil {
			failuresTotal.Inc()
			errs = append(errs, fmt.Errorf("bucket %s: %w", time.Unix(p.bucket, 0).UTC().Format(time.RFC3339), err))
			if ctx.Err() != nil {
				break
			}
			continue
		}
		delete(c.waiting, p.bucket)
		c.logger.Debug("packed a bucket", "bucket", time.Unix(p.bucket, 0).UTC(), "parts", len(p.parts), "blocks", result.blocks,
			"chunks", result.chunks, "samples", result.samples, "bytes", result.bytes, "took", time.Since(began))
	}
	return errors.Join(errs...)
}

// totals is what became of a bucket.
type totals struct {
	blocks, chunks, samples, bytes int
}

// compact moves the rows of a bucket's parts.
func (c *Compactor) compact(ctx context.Context, p partition) (totals, error) {
	result, err := c.move(ctx, p)
	if err != nil {
		return result, err
	}
	samplesTotal.Add(result.samples)
	bytesTotal.Add(result.bytes)
	if err := c.inserted(); err != nil {
		return result, err
	}
	for _, name := range p.parts {
		err := c.db.Exec(ctx, `
ALTER TABLE samples
DROP PART {part:String}`, clickhouse.Named("part", name))
		switch {
		case clickhouse.IsCode(err, codeNoSuchDataPart):
			// A merge has made it part of another one, which is packed in the next round.
			c.logger.Debug("a part was merged while it was packed", "part", name)
		case err != nil:
			return result, fmt.Errorf("drop part %q: %w", name, err)
		}
	}
	return result, nil
}

// codeNoSuchDataPart is what ClickHouse says of a part that is not active.
const codeNoSuchDataPart = 232
