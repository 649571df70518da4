package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"loadline/ingest/wal/recent"
)

// Open locks the directory, reads and verifies what an earlier process left,
// and starts the committer.
func Open(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create write-ahead log: %w", err)
	}
	lock, err := lockDir(filepath.Join(cfg.Dir, "lock"), cfg.Dir)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(cfg.Dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l := &Log{
		cfg: cfg, dir: dir, lock: lock, owner: newOwner(),
		pwritev: unix.Pwritev, sync: (*os.File).Sync,
		buffers: sync.Pool{New: func() any { return new([]byte) }},
		stopped: make(chan struct{}), changed: make(chan struct{}),
		waiting:    map[recent.Digest]*pending{},
		duplicates: recent.New(cfg.DuplicateRecords, cfg.DuplicateWindow),
	}
	l.work.L, l.free = &l.mu, l.diskFree
	if err := l.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open write-ahead log %q: %w", cfg.Dir, err), dir.Close(), lock.Close())
	}
	go l.commit()
	return l, nil
}

// leftover is a file of an earlier process.
type leftover struct {
	seq     uint64
	seen    bool
	segment *Segment // nil for a seen file, or when put aside
}

// recover fills segments, duplicates and nextSeq from the directory.
func (l *Log) recover() error {
	// The directory's own name must survive a power cut too.
	if parent, err := os.Open(filepath.Dir(l.cfg.Dir)); err == nil {
		_ = parent.Sync() // unsupported on some file systems
		_ = parent.Close()
	}
	files, err := l.leftovers()
	if err != nil {
		return err
	}
	l.nextSeq = 1
	if len(files) > 0 {
		l.nextSeq = files[len(files)-1].seq + 1
	}
	limits := map[uint64]int64{}
	for i := range files {
		if files[i].segment != nil {
			if files[i].segment, err = l.readHeader(files[i].segment, limits); err != nil {
				return err
			}
		}
	}
	// Newest first, because the oldest are the ones to forget.
	for _, file := range slices.Backward(files) {
		if file.seen {
			digests, err := recent.Read(seenPath(l.cfg.Dir, file.seq))
			if err != nil {
				return err
			}
			l.recall(file.seq, digests...)
			l.duplicates.Finish(file.seq, time.Now())
		} else if file.segment != nil {
			if err := l.readSegment(file.segment, limits); err != nil {
				return err
			}
		}
	}
	slices.Reverse(l.segments)
	l.duplicates.Reverse()
	for _, s := range l.segments {
		l.grow(1, s.size, s.items)
	}
	return l.dir.Sync()
}

// leftovers lists the files of the directory by ascending seq. A segment with
// a seen file is finished: only its removal got lost.
func (l *Log) leftovers() ([]leftover, error) {
	entries, err := os.ReadDir(l.cfg.Dir)
	if err != nil {
		return nil, err
	}
	var files []leftover
	finished := map[uint64]bool{}
	for _, e := range entries { // sorted, so that N.seen comes before N.wal
		path := filepath.Join(l.cfg.Dir, e.Name())
		if strings.HasSuffix(e.Name(), ".seen.tmp") {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		base, suffix, _ := strings.Cut(e.Name(), ".")
		seq, err := strconv.ParseUint(base, 16, 64)
		if err != nil || len(base) != 16 {
			continue
		}
		switch {
		case suffix == "seen":
			finished[seq] = true
			files = append(files, leftover{seq: seq, seen: true})
		case suffix == "wal" && finished[seq]:
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		case suffix == "wal":
			files = append(files, leftover{seq: seq, segment: &Segment{log: l, seq: seq, path: path}})
		}
	}
	return files, nil
}

// readHeader fills in what the header says, or returns nil after it put aside
// a file that is none of this log's segments.
func (l *Log) readHeader(s *Segment, limits map[uint64]int64) (*Segment, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, segmentHeaderSize)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	h, err := decodeSegmentHeader(b)
	if err == nil && h.seq == s.seq {
		s.id, s.size = segmentID(h.owner, h.seq), info.Size()
		if h.suspect != 0 {
			limits[h.suspect] = h.suspectSize
		}
		return s, nil
	}
	if err != nil && !errors.Is(err, errDamagedHeader) {
		return nil, fmt.Errorf("%q: %w", s.path, err)
	}
	if info.Size() < segmentHeaderSize+recordHeaderSize { // died while creating it
		return nil, os.Remove(s.path)
	}
	lostBytes.Add(int(info.Size()))
	l.cfg.Logger.Error("write-ahead log segment has a damaged header, it is put aside and not replayed",
		"path", s.path+".damaged", "lost_bytes", info.Size())
	return nil, os.Rename(s.path, s.path+".damaged")
}

// readSegment verifies the records and recalls their digests. It cuts off
// what was never acknowledged: the end of the newest segment when a process
// died in the middle of it, and what follows the limit of a suspect one. Other
// damage stays in the file for Records to report.
func (l *Log) readSegment(s *Segment, limits map[uint64]int64) error {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	limit, ok := limits[s.seq]
	cut := ok && limit < s.size
	if cut {
		s.size = limit
	}
	r := reader{file: f, size: s.size}
	d, err := r.records(func(h recordHeader, body []byte) error {
		if s.records == 0 {
			s.oldest = h.at
		}
		s.records++
		s.items += h.items
		l.recall(s.seq, identityOf(h, body))
		return nil
	})
	if err != nil {
		return err
	}
	if d.torn && s.seq == l.nextSeq-1 {
		cut = true
		s.size = r.offset
		l.cfg.Logger.Info("write-ahead log ends in a record that was never acknowledged, it is cut off",
			"path", s.path, "bytes", r.size-r.offset)
	}
	if s.size <= segmentHeaderSize {
		return os.Remove(s.path)
	}
	if cut {
		if err := errors.Join(f.Truncate(s.size), f.Sync()); err != nil {
			return fmt.Errorf("cut %q: %w", s.path, err)
		}
	}
	if s.records == 0 {
		s.oldest = time.Now()
	}
	l.segments = append(l.segments, s)
	return nil
}

// recall remembers digests as far as there is room.
func (l *Log) recall(seq uint64, digests ...recent.Digest) {
	room := l.duplicates.Room()
	l.duplicates.Add(seq, digests[:min(room, len(digests))]...)
}

// removeSeen deletes the files of forgotten segments. One that stays behind is
// removed after a restart.
func (l *Log) removeSeen(seqs []uint64) {
	for _, seq := range seqs {
		_ = os.Remove(seenPath(l.cfg.Dir, seq))
	}
}
