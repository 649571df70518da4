package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/sys/unix"

	"loadline/ingest/wal/recent"
)

var (
	syncSeconds  = metrics.NewHistogram(`loadline_wal_fsync_seconds`)
	commitSize   = metrics.NewHistogram(`loadline_wal_commit_records`)
	appended     = metrics.NewCounter(`loadline_wal_appends_total`)
	appendedItem = metrics.NewCounter(`loadline_wal_items_total`)
)

// maxVectors is IOV_MAX of every system we run on.
const maxVectors = 1024

// pending is a record that waits for its commit. The waiter reads err after
// done is closed.
type pending struct {
	header   recordHeader
	identity recent.Digest
	body     []byte
	done     chan struct{}
	err      error
}

func (p *pending) size() int64 { return int64(recordHeaderSize + len(p.body)) }

// commit is the only goroutine that writes segments: it takes what waits, up
// to the limits of a segment, and makes it durable with one write and one
// sync. What arrives meanwhile shares the next one.
func (l *Log) commit() {
	defer close(l.stopped)
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.queue) == 0 && !l.closed {
			l.work.Wait()
		}
		if len(l.queue) == 0 {
			return
		}
		batch := l.take()
		segment := l.active
		l.committing = true
		l.mu.Unlock()
		segment, took, err := l.write(segment, batch)
		l.mu.Lock()
		l.committing = false
		l.settle(segment, batch, took, err)
	}
}

// take removes from the queue what fits the active segment, and seals that
// one first when nothing does. A record larger than a segment gets its own.
func (l *Log) take() []*pending {
	var size int64
	var records, items int
	if l.active != nil {
		size, records, items = l.active.size, l.active.records, l.active.items
	}
	n := 0
	for _, p := range l.queue {
		size += p.size()
		records++
		items += p.header.items
		if records > 1 && (size > l.cfg.SegmentBytes || max(records, items) > l.cfg.SegmentItems) {
			break
		}
		n++
	}
	if n == 0 {
		l.seal()
		return l.take()
	}
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	return batch
}

// write appends the batch to the segment, a new one if nil, and syncs. A new
// segment whose first commit fails is as if it had never been; an old one is
// cut back to what it held, and marked broken when that is in doubt.
func (l *Log) write(s *Segment, batch []*pending) (_ *Segment, took time.Duration, err error) {
	vectors := make([][]byte, 0, 2*len(batch)+1)
	created := s == nil
	if err = l.room(batch); err != nil {
		return s, 0, err
	}
	if created {
		if s, err = l.create(); err != nil {
			return nil, 0, err
		}
		header := segmentHeader{owner: l.owner, seq: s.seq, suspect: l.suspect, suspectSize: l.suspectSize}
		vectors = append(vectors, header.encode())
		s.size = 0
	}
	headers := make([][recordHeaderSize]byte, len(batch))
	for i, p := range batch {
		p.header.encode(&headers[i])
		vectors = append(vectors, headers[i][:])
		if len(p.body) > 0 {
			vectors = append(vectors, p.body)
		}
	}
	if err = writeAll(l.pwritev, s.file, vectors, s.size); err != nil {
		if created || s.file.Truncate(s.size) != nil {
			s.broken = true
		}
	} else {
		start := time.Now()
		if err = l.sync(s.file); err == nil && created {
			err = l.dir.Sync()
		}
		took = time.Since(start)
		s.broken = err != nil
	}
	if created {
		s.size = segmentHeaderSize
		if err != nil {
			_ = s.file.Close()
			_ = os.Remove(s.path)
			return nil, 0, err
		}
	}
	return s, took, err
}

// room refuses what would take the last room on the disk. Those who empty the
// log need some: a log that filled the disk could never shrink again.
func (l *Log) room(batch []*pending) error {
	if l.cfg.Reserve == 0 {
		return nil
	}
	free, err := l.free()
	if err != nil {
		return nil // the write will tell whether the disk works
	}
	left := free
	for _, p := range batch {
		left -= p.size()
	}
	if left < l.cfg.Reserve {
		return fmt.Errorf("%d MiB are free, of which the log leaves %d: %w", free>>20, l.cfg.Reserve>>20, unix.ENOSPC)
	}
	return nil
}

// diskFree returns how many bytes a process without privileges may still
// write to the file system of the log.
func (l *Log) diskFree() (int64, error) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(l.dir.Fd()), &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

// create opens the file of the next segment. One of that name is left over
// from a creation that failed: nothing in it was acknowledged.
func (l *Log) create() (*Segment, error) {
	s := &Segment{log: l, seq: l.nextSeq, id: segmentID(l.owner, l.nextSeq), path: segmentPath(l.cfg.Dir, l.nextSeq)}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var err error
	s.file, err = os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return s, err
}

// writeAll writes all vectors at the offset, which takes several calls when
// they are many or the kernel stops early.
func writeAll(pwritev func(int, [][]byte, int64) (int, error), f *os.File, vectors [][]byte, offset int64) error {
	for len(vectors) > 0 {
		n, err := pwritev(int(f.Fd()), vectors[:min(len(vectors), maxVectors)], offset)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		offset += int64(n)
		for n > 0 {
			if n < len(vectors[0]) {
				vectors[0] = vectors[0][n:]
				break
			}
			n -= len(vectors[0])
			vectors = vectors[1:]
		}
	}
	return nil
}

// settle enters the outcome of a commit and wakes everybody who waits for it.
// A failed sync is never repeated as if it could still succeed: the kernel may
// have dropped the pages it could not write and report success next time.
func (l *Log) settle(s *Segment, batch []*pending, took time.Duration, err error) {
	now := time.Now()
	var size int64
	for _, p := range batch {
		size += p.size()
		delete(l.waiting, p.identity)
	}
	l.queued -= size
	if err != nil {
		err = l.refuse(err)
		if s != nil && s.broken {
			l.suspect, l.suspectSize = s.seq, s.size
			if s.file.Truncate(s.size) == nil {
				_ = l.sync(s.file)
			}
			l.seal()
		}
	} else {
		l.enter(s, batch, size, now)
		l.lastSync = took
		syncSeconds.Update(took.Seconds())
		commitSize.Update(float64(len(batch)))
	}
	for _, p := range batch {
		p.err = err
		close(p.done)
	}
	clear(batch) // the queue's array must not keep the bodies
	if l.readers > 0 && l.due(now) {
		l.seal()
	}
}

// enter adds what is now durable to the segment and to the indexes.
func (l *Log) enter(s *Segment, batch []*pending, size int64, now time.Time) {
	if !l.failed.IsZero() {
		l.failed = time.Time{}
		l.cfg.Logger.Info("write-ahead log accepts records again", "dir", l.cfg.Dir)
	}
	if l.active == nil {
		l.active = s
		l.segments = append(l.segments, s)
		l.nextSeq++
		l.suspect, l.suspectSize = 0, 0
		s.oldest, s.first = batch[0].header.at, now
		l.grow(1, segmentHeaderSize, 0)
		l.notify() // readers set their timers
	}
	items := 0
	for _, p := range batch {
		items += p.header.items
		l.duplicates.Add(s.seq, p.identity)
	}
	s.size += size
	s.records += len(batch)
	s.items += items
	l.grow(0, size, items)
	appended.Add(len(batch))
	appendedItem.Add(items)
	if s.size >= l.cfg.SegmentBytes || max(s.records, s.items) >= l.cfg.SegmentItems {
		l.seal()
	}
}

// refuse turns the failure of a commit into what Append returns.
func (l *Log) refuse(err error) error {
	full := &FullError{Reason: "disk error", RetryAfter: retryAfter, Err: err}
	counter := refusedError
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		full.Reason, counter = "disk full", refusedDisk
	}
	counter.Inc()
	first := l.failed.IsZero()
	l.failed = time.Now()
	if first {
		l.cfg.Logger.Error("write-ahead log cannot store, requests are refused until it can",
			"dir", l.cfg.Dir, "reason", full.Reason, "error", err)
	}
	return full
}

// seal ends the active segment, which makes it readable.
func (l *Log) seal() {
	_ = l.active.file.Close() // every byte that counts is synced
	l.active.file = nil
	l.active = nil
	l.removeSeen(l.duplicates.Prune(time.Now()))
	l.notify()
}
