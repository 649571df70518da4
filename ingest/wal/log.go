// Package wal is the write-ahead log of the ingest path and its spool while
// ClickHouse is slow or away. Append returns when a record is on disk; Next
// hands out segments, runs of records that are inserted as one block under one
// deduplication token; Done removes them. What was not Done is handed out
// again by the next Open, under the same token.
package wal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/sys/unix"

	"loadline/ingest/wal/recent"
)

var (
	usedBytes    = metrics.NewGauge(`loadline_wal_bytes`, nil)
	usedSegments = metrics.NewGauge(`loadline_wal_segments`, nil)
	pendingItems = metrics.NewGauge(`loadline_wal_pending_items`, nil)
	repeated     = metrics.NewCounter(`loadline_wal_duplicates_total`)
	refusedLimit = metrics.NewCounter(`loadline_wal_full_total{reason="log full"}`)
	refusedDisk  = metrics.NewCounter(`loadline_wal_full_total{reason="disk full"}`)
	refusedError = metrics.NewCounter(`loadline_wal_full_total{reason="disk error"}`)
	lostBytes    = metrics.NewCounter(`loadline_wal_lost_bytes_total`)
)

// retryAfter is what a client is told to wait when the log takes nothing.
const retryAfter = 5 * time.Second

// ErrClosed is returned by every method of a closed log.
var ErrClosed = errors.New("write-ahead log is closed")

// FullError refuses a record for now: nothing of it is stored, and the same
// record may be appended again after RetryAfter.
type FullError struct {
	Reason     string // "log full", "disk full" or "disk error"
	RetryAfter time.Duration
	Err        error // of the operating system, nil when the log's own limit is reached
}

func (e *FullError) Error() string {
	if e.Err == nil {
		return "append to write-ahead log: " + e.Reason
	}
	return fmt.Sprintf("append to write-ahead log: %s: %v", e.Reason, e.Err)
}

func (e *FullError) Unwrap() error { return e.Err }

// Config of a log. Zero values mean the defaults in brackets.
type Config struct {
	Dir              string        // created when missing; one process at a time
	MaxBytes         int64         // bound of all segments together [4 GiB]
	Reserve          int64         // what it leaves free on the disk for those who empty it [0]
	SegmentBytes     int64         // a segment takes no record beyond this [96 MiB]
	SegmentItems     int           // nor beyond this many items [200,000]
	SegmentAge       time.Duration // a smaller one may be read when it is this old [1s]
	DuplicateWindow  time.Duration // how long a finished segment's records are remembered [10m]
	DuplicateRecords int           // how many records are remembered in all, 40 to 60 bytes each [1,000,000]
	Logger           *slog.Logger  // [slog.Default()]
}

// Validate reports the first value that cannot be meant.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("write-ahead log: no directory given")
	}
	if c.MaxBytes < 0 || c.Reserve < 0 || c.SegmentBytes < 0 || c.SegmentItems < 0 || c.SegmentAge < 0 ||
		c.DuplicateWindow < 0 || c.DuplicateRecords < 0 {
		return errors.New("write-ahead log: a limit is negative; leave it out for the default")
	}
	return nil
}

func (c Config) withDefaults() Config {
	orDefault(&c.MaxBytes, 4<<30)
	orDefault(&c.SegmentBytes, 96<<20)
	orDefault(&c.SegmentItems, 200_000)
	orDefault(&c.SegmentAge, time.Second)
	orDefault(&c.DuplicateWindow, 10*time.Minute)
	orDefault(&c.DuplicateRecords, 1_000_000)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func orDefault[T comparable](v *T, d T) {
	if *v == *new(T) {
		*v = d
	}
}

// Log is an open write-ahead log. It is safe for concurrent use.
type Log struct {
	cfg     Config
	dir     *os.File // for syncing names
	lock    *os.File
	owner   [16]byte
	buffers sync.Pool // of *[]byte, for readers

	// The calls that fail in ways a test cannot otherwise bring about.
	pwritev func(fd int, vectors [][]byte, offset int64) (int, error)
	sync    func(*os.File) error // fdatasync would save nothing: each commit changes the size

	free func() (int64, error) // bytes on the disk

	stopped chan struct{} // closed when the committer has ended

	mu         sync.Mutex
	work       sync.Cond // the committer waits for queue or closed
	queue      []*pending
	queued     int64 // bytes in queue and in the running commit
	waiting    map[recent.Digest]*pending
	duplicates *recent.Index
	segments   []*Segment // on disk, by ascending seq; active is the last
	active     *Segment   // nil until the first commit after a seal
	committing bool       // the committer is writing active
	nextSeq    uint64
	bytes      int64 // of segments
	items      int   // in segments

	suspect     uint64 // last sealed after a failed sync, 0 if none; see segmentHeader
	suspectSize int64
	failed      time.Time // of the last commit if it failed, else zero
	full        bool      // a record was refused at MaxBytes and no segment has gone since
	lastSync    time.Duration

	readers int           // waiting in Next
	changed chan struct{} // closed when they should look again
	closed  bool
}

// Append stores a record received at the given time and returns when it is on
// disk. Records that arrive together share one sync. dup says that an identical record (kind and body, or kind and name
// where the kind is [Named]) is stored already, or was in the last minutes: nothing is written then. The
// context is looked at only before the record is handed over; from then on
// the outcome of the commit is the answer. The body is the caller's again when
// Append returns.
func (l *Log) Append(ctx context.Context, at time.Time, kind byte, items int, body []byte) (dup bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	p := &pending{
		header: recordHeader{length: len(body), items: items, at: at, kind: kind},
		body:   body,
	}
	if items < 0 || len(body) > maxBody || p.size()+segmentHeaderSize > l.cfg.MaxBytes {
		return false, fmt.Errorf("append to write-ahead log: record of %d items and %d bytes, the log holds %d", items, len(body), l.cfg.MaxBytes)
	}
	p.header.digest = digestOf(kind, body)
	p.identity = identityOf(p.header, body)

	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false, ErrClosed
	}
	if l.duplicates.Has(p.identity) {
		l.mu.Unlock()
		repeated.Inc()
		return true, nil
	}
	if first := l.waiting[p.identity]; first != nil {
		l.mu.Unlock()
		return first.repeat(ctx)
	}
	if l.bytes+l.queued+p.size()+segmentHeaderSize > l.cfg.MaxBytes {
		l.full = true
		l.mu.Unlock()
		refusedLimit.Inc()
		return false, &FullError{Reason: "log full", RetryAfter: retryAfter}
	}
	p.done = make(chan struct{})
	l.waiting[p.identity] = p
	l.queue = append(l.queue, p)
	l.queued += p.size()
	l.work.Signal()
	l.mu.Unlock()
	<-p.done
	return false, p.err
}

// repeat waits for the commit of an identical record.
func (p *pending) repeat(ctx context.Context) (dup bool, err error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if p.err == nil {
		repeated.Inc()
	}
	return p.err == nil, p.err
}

// Next returns the oldest segment that nobody has taken yet. When only the
// active one is left it waits until that is SegmentAge old or has reached a
// limit, so the records of a slow reader collect in large segments and those
// of a quick one are readable SegmentAge after they came. Segments should be
// Done in the order of Next.
func (l *Log) Next(ctx context.Context) (*Segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.closed {
			return nil, ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := time.Now()
		s := l.spooled()
		if s == nil && !l.committing && l.due(now) {
			s = l.active
			l.seal()
		}
		if s != nil {
			s.taken = true
			return s, nil
		}
		l.wait(ctx, now)
	}
}

// Seal makes what is appended so far readable, however young it is.
func (l *Log) Seal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active != nil && !l.committing && !l.closed {
		l.seal()
	}
}

// due reports whether the active segment is old enough to be read.
func (l *Log) due(now time.Time) bool {
	return l.active != nil && now.Sub(l.active.first) >= l.cfg.SegmentAge
}

// spooled returns the oldest sealed segment that nobody has taken, or nil.
func (l *Log) spooled() *Segment {
	for _, s := range l.segments {
		if !s.taken && s != l.active {
			return s
		}
	}
	return nil
}

// wait returns, with the lock, when a reader should look again. While a
// commit runs on a segment that is due, that commit's end will tell.
func (l *Log) wait(ctx context.Context, now time.Time) {
	var ripe <-chan time.Time
	if l.active != nil && !l.due(now) {
		timer := time.NewTimer(l.cfg.SegmentAge - now.Sub(l.active.first))
		defer timer.Stop()
		ripe = timer.C
	}
	changed := l.changed
	l.readers++
	l.mu.Unlock()
	select {
	case <-changed:
	case <-ripe:
	case <-ctx.Done():
	}
	l.mu.Lock()
	l.readers--
}

func (l *Log) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// grow enters a change of what is on disk.
func (l *Log) grow(segments int, size int64, items int) {
	l.bytes += size
	l.items += items
	usedSegments.Add(float64(segments))
	usedBytes.Add(float64(size))
	pendingItems.Add(float64(items))
}

// drop forgets a segment that is no longer on disk.
func (l *Log) drop(s *Segment) {
	if i := slices.Index(l.segments, s); i >= 0 {
		l.segments = slices.Delete(l.segments, i, i+1)
		l.full = false
		l.grow(-1, -s.size, -s.items)
	}
}

// Stats is the state of a log at one moment.
type Stats struct {
	Bytes     int64         // of all segments
	MaxBytes  int64         // what Bytes is bounded by
	Segments  int           // on disk, the active one included
	Items     int           // in segments that are not Done
	OldestAge time.Duration // since the oldest of those was received
	LastSync  time.Duration // how long the last successful sync took
	Full      bool          // MaxBytes refused a record and nothing has gone since
	Failing   bool          // the disk refused the last commit, a short while ago
}

// failingTime is how long a failed commit counts when none follows. A process
// that calls itself unready for it may be sent nothing that could succeed.
const failingTime = 4 * retryAfter

// Stats returns the present state.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{
		Bytes: l.bytes, MaxBytes: l.cfg.MaxBytes, Segments: len(l.segments), Items: l.items,
		LastSync: l.lastSync, Full: l.full, Failing: time.Since(l.failed) < failingTime,
	}
	if len(l.segments) > 0 {
		s.OldestAge = max(0, time.Since(l.segments[0].oldest))
	}
	return s
}

// Close refuses new records, waits until the handed over ones are committed,
// and unlocks the directory. Segments that are not Done are handed out by the
// next Open. Stop the readers first: Done fails afterwards.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		<-l.stopped
		return nil
	}
	l.closed = true
	l.work.Signal()
	l.notify()
	l.mu.Unlock()
	<-l.stopped

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active != nil {
		l.seal()
	}
	l.grow(-len(l.segments), -l.bytes, -l.items)
	return errors.Join(l.dir.Close(), l.lock.Close())
}

// newOwner draws the identity that sets the segments of this Open apart from
// those of every other log and every other Open of this one.
func newOwner() (owner [16]byte) {
	_, _ = rand.Read(owner[:]) // never fails, by its contract
	return owner
}

// lockDir keeps a second process out. The lock goes with the process, however
// it ends.
func lockDir(path, dir string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock write-ahead log: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("write-ahead log %q is in use by another process: stop that one or choose another data directory", dir)
		}
		return nil, fmt.Errorf("lock write-ahead log %q: %w", dir, err)
	}
	return f, nil
}
