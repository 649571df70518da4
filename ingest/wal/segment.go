package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"

	"loadline/ingest/wal/recent"
)

const (
	segmentHeaderSize = 64
	segmentMagic      = "LLWAL\x00\x00"
	segmentVersion    = 1
	readChunk         = 256 << 10
	maxKeptBuffer     = 8 << 20
)

// Segment is one file of the log: a run of records that are inserted together
// under one deduplication token. A segment returned by [Log.Next] no longer
// changes and belongs to that caller until Done, or until the log is opened
// again.
type Segment struct {
	log     *Log
	seq     uint64
	id      string
	path    string
	file    *os.File  // open while the segment is active
	size    int64     // what is durable and valid, header included
	records int       // committed records
	items   int       // their items
	oldest  time.Time // received-at of the first record
	first   time.Time // when the first record was committed
	taken   bool      // handed out by Next
	broken  bool      // the file may hold more than size; its log's suspect
	warned  bool      // damage has been reported
}

// segmentHeader is the first 64 bytes of a segment file.
type segmentHeader struct {
	owner [16]byte // drawn at every Open
	seq   uint64
	// suspect names an earlier segment whose last sync failed and how many of
	// its bytes are valid. The rest was refused and is perhaps stored again in
	// this segment, so it must not be replayed, even when truncating the
	// suspect file failed too.
	suspect     uint64
	suspectSize int64
}

func (h segmentHeader) encode() []byte {
	b := make([]byte, segmentHeaderSize)
	copy(b, segmentMagic)
	b[7] = segmentVersion
	copy(b[8:], h.owner[:])
	binary.LittleEndian.PutUint64(b[24:], h.seq)
	binary.LittleEndian.PutUint64(b[32:], h.suspect)
	binary.LittleEndian.PutUint64(b[40:], uint64(h.suspectSize))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

var errDamagedHeader = errors.New("damaged segment header")

func decodeSegmentHeader(b []byte) (segmentHeader, error) {
	if len(b) < segmentHeaderSize || string(b[:7]) != segmentMagic ||
		binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return segmentHeader{}, errDamagedHeader
	}
	if b[7] != segmentVersion {
		return segmentHeader{}, fmt.Errorf("segment format %d is not the %d this version reads; let the version that wrote it empty the log first", b[7], segmentVersion)
	}
	h := segmentHeader{
		seq:         binary.LittleEndian.Uint64(b[24:]),
		suspect:     binary.LittleEndian.Uint64(b[32:]),
		suspectSize: int64(binary.LittleEndian.Uint64(b[40:])),
	}
	copy(h.owner[:], b[8:])
	return h, nil
}

func segmentPath(dir string, seq uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x.wal", seq))
}

func segmentID(owner [16]byte, seq uint64) string {
	return fmt.Sprintf("%x-%d", owner, seq)
}

// ID names the segment. It is the same after a restart and in no other log,
// so it serves as the deduplication token of the insert.
func (s *Segment) ID() string { return s.id }

// Bytes is the size of the segment on disk.
func (s *Segment) Bytes() int64 { return s.size }

// Items is the number of items in the segment's records.
func (s *Segment) Items() int { return s.items }

// Records calls f for each record in the order of commit. The body is valid
// during the call only. It reads the file each time, so a failed insert may be
// repeated with the same content. Damaged records are skipped, counted in
// loadline_wal_lost_bytes_total and logged, once per segment; an error is
// either f's or says that the file cannot be read.
func (s *Segment) Records(f func(kind byte, items int, at time.Time, body []byte) error) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("read write-ahead log segment: %w", err)
	}
	defer file.Close()
	buffer := s.log.buffers.Get().(*[]byte)
	defer func() {
		if len(*buffer) <= maxKeptBuffer {
			s.log.buffers.Put(buffer)
		}
	}()
	r := reader{file: file, size: s.size, store: *buffer}
	damage, err := r.records(func(h recordHeader, body []byte) error {
		return f(h.kind, h.items, h.at, body)
	})
	*buffer = r.store
	if err != nil {
		return err
	}
	if damage.bytes > 0 && !s.warned {
		s.warned = true
		lostBytes.Add(int(damage.bytes))
		s.log.cfg.Logger.Error("write-ahead log segment is damaged, the rest of it is used",
			"segment", s.id, "path", s.path, "lost_bytes", damage.bytes, "lost_records_at_least", damage.records)
	}
	return nil
}

// Done removes the segment after its records are durable elsewhere. What it
// held stays recognizable as a duplicate for [Config.DuplicateWindow]. An
// error means that the segment will be replayed by the next Open; Done may be
// called again.
func (s *Segment) Done() error {
	l := s.log
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	digests := l.duplicates.Of(s.seq)
	l.mu.Unlock()

	// Once the seen file is durable the segment counts as finished, whether
	// or not its removal survives a power cut. Without one (the disk is full,
	// which this removal is about to change) the removal itself must last.
	seenErr := l.writeSeen(s.seq, digests)
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove write-ahead log segment: %w", err)
	}
	if seenErr != nil {
		l.cfg.Logger.Warn("finished write-ahead log segment leaves no record of what it held, "+
			"requests repeated across a restart may count twice", "segment", s.id, "error", seenErr)
		if err := l.dir.Sync(); err != nil {
			return fmt.Errorf("sync write-ahead log directory: %w", err)
		}
	}

	l.mu.Lock()
	now := time.Now()
	l.drop(s)
	l.duplicates.Finish(s.seq, now)
	gone := l.duplicates.Prune(now)
	l.mu.Unlock()
	l.removeSeen(gone)
	return nil
}

// damage is what a pass over a segment could not use. torn says that the file
// just ends too early, as it does when a process dies while it appends.
type damage struct {
	bytes   int64
	records int
	torn    bool
}

// reader passes over the records of one segment file with one buffer.
type reader struct {
	file      io.ReaderAt
	size      int64
	offset    int64 // of store[low]
	store     []byte
	low, high int // the part of store that is read and not consumed
}

// records calls f for every undamaged record. A record whose body is damaged
// is stepped over; behind a damaged header nothing can be found any more.
func (r *reader) records(f func(h recordHeader, body []byte) error) (damage, error) {
	var d damage
	r.offset, r.low, r.high = segmentHeaderSize, 0, 0
	for r.offset < r.size {
		head, err := r.peek(recordHeaderSize)
		if err != nil {
			return r.ended(d, err)
		}
		h, ok := decodeRecordHeader(head)
		if !ok {
			d.bytes += r.size - r.offset
			d.records++
			return d, nil
		}
		n := recordHeaderSize + h.length
		record, err := r.peek(n)
		if err != nil {
			return r.ended(d, err)
		}
		if body := record[recordHeaderSize:]; checksum(h.kind, body) != h.digest.Lo {
			d.bytes += int64(n)
			d.records++
		} else if err := f(h, body); err != nil {
			return d, err
		}
		r.offset += int64(n)
		r.low += n
	}
	return d, nil
}

func (r *reader) ended(d damage, err error) (damage, error) {
	if !errors.Is(err, io.EOF) {
		return d, fmt.Errorf("read write-ahead log segment: %w", err)
	}
	d.bytes += r.size - r.offset
	d.records++
	d.torn = true
	return d, nil
}

// peek returns the next n bytes, or io.EOF when the segment ends before.
func (r *reader) peek(n int) ([]byte, error) {
	if r.high-r.low >= n {
		return r.store[r.low : r.low+n], nil
	}
	left := r.size - r.offset
	if int64(n) > left {
		return nil, io.EOF
	}
	target := int(min(left, int64(max(n, readChunk))))
	have := r.high - r.low
	store := r.store
	if len(store) < target {
		store = make([]byte, target)
	}
	copy(store, r.store[r.low:r.high])
	r.store, r.low, r.high = store, 0, have
	m, err := r.file.ReadAt(store[have:target], r.offset+int64(have))
	r.high += m
	if r.high < n {
		return nil, err
	}
	return store[:n], nil
}

func seenPath(dir string, seq uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x.seen", seq))
}

// writeSeen durably records that segment seq is finished and what it held.
// When it fails the caller goes on without: duplicates are then recognized
// until the next restart only.
func (l *Log) writeSeen(seq uint64, digests []recent.Digest) error {
	if err := recent.Write(seenPath(l.cfg.Dir, seq), digests); err != nil {
		return err
	}
	return l.dir.Sync()
}
