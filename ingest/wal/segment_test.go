package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// fixHeader makes the checksum of a changed segment header right again.
func fixHeader(b []byte) {
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// written returns the file of a segment with these records.
func written(t testing.TB, bodies ...string) []byte {
	t.Helper()
	l := mustOpen(t, quiet(t.TempDir()))
	mustAppend(t, l, bodies...)
	b, err := os.ReadFile(mustNext(t, l).path)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	return b
}

// reopened opens a log whose only files are these segments.
func reopened(t testing.TB, segments ...[]byte) (*Log, *bytes.Buffer) {
	t.Helper()
	cfg := quiet(t.TempDir())
	lines := new(bytes.Buffer)
	cfg.Logger = slog.New(slog.NewTextHandler(lines, nil))
	for i, b := range segments {
		seq := uint64(i + 1)
		b = bytes.Clone(b)
		if len(b) >= segmentHeaderSize {
			binary.LittleEndian.PutUint64(b[24:], seq)
			fixHeader(b)
		}
		if err := os.WriteFile(segmentPath(cfg.Dir, seq), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return mustOpen(t, cfg), lines
}

func TestTornTail(t *testing.T) {
	full := written(t, "first", "second", strings.Repeat("last", 10))
	whole := segmentHeaderSize + 2*recordHeaderSize + len("first"+"second")
	lost := lostBytes.Get()
	for n := whole; n < len(full); n++ {
		l, _ := reopened(t, full[:n])
		mustClose(t, l)
		l = mustOpen(t, l.cfg) // the tail is gone for good
		mustAppend(t, l, "next")
		wantBodies(t, drain(t, l), "first", "second", "next")
		mustClose(t, l)
	}
	for n := range segmentHeaderSize + recordHeaderSize {
		l, _ := reopened(t, full[:n])
		mustAppend(t, l, "next")
		wantBodies(t, drain(t, l), "next")
		mustClose(t, l)
	}
	if lostBytes.Get() != lost {
		t.Fatal("records that were never acknowledged are counted as lost")
	}
}

func TestDamage(t *testing.T) {
	bad := written(t, "one", "two", "three")
	good := written(t, "four")
	second := segmentHeaderSize + recordHeaderSize + len("one")
	f := func(offset int, want ...string) {
		t.Helper()
		b := bytes.Clone(bad)
		b[offset] ^= 0x10
		for _, segments := range [][][]byte{{b, good}, {b}} { // older and newest
			want := want
			if len(segments) == 2 {
				want = append(want[:len(want):len(want)], "four")
			}
			lost := lostBytes.Get()
			l, lines := reopened(t, segments...)
			var got []string
			for l.Stats().Segments > 0 {
				s := mustNext(t, l)
				bodies(t, s)
				got = append(got, bodies(t, s)...)
				mustDone(t, s)
			}
			wantBodies(t, got, want...)
			if lostBytes.Get() == lost {
				t.Fatal("loss is not counted")
			}
			if n := strings.Count(lines.String(), "lost_bytes"); n != 1 {
				t.Fatalf("loss is logged %d times:\n%s", n, lines)
			}
		}
	}
	f(segmentHeaderSize+recordHeaderSize, "two", "three") // a body: only that record
	f(second+recordHeaderSize, "one", "three")
	f(second+20, "one") // a record's header: the rest of the segment
	f(second, "one")
	f(second+33, "one")
	f(len(bad)-1, "one", "two")
}

func TestDamagedSegmentHeaderIsPutAside(t *testing.T) {
	l, _ := reopened(t, written(t, "one"), written(t, "two"))
	mustClose(t, l)
	path := segmentPath(l.cfg.Dir, 1)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[9] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	lost := lostBytes.Get()
	l = mustOpen(t, l.cfg)
	wantBodies(t, drain(t, l), "two")
	if lostBytes.Get() != lost+uint64(len(b)) || len(glob(t, l.cfg.Dir, "*.damaged")) != 1 {
		t.Fatal("the damaged file is not counted or not kept")
	}
}

// A file that somebody shortened while the log was open is damage, not a panic.
func TestShortenedFile(t *testing.T) {
	l := mustOpen(t, quiet(t.TempDir()))
	mustAppend(t, l, "one", "two")
	s := mustNext(t, l)
	if err := os.Truncate(s.path, s.size-1); err != nil {
		t.Fatal(err)
	}
	wantBodies(t, bodies(t, s), "one")
}

// FuzzReader gives the reader foreign bytes; repaired ones have a right header
// checksum, so that lengths beyond the file get through to it.
func FuzzReader(f *testing.F) {
	seed := written(f, "one", "two", strings.Repeat("three", 100))
	f.Add(seed, false)
	f.Add(seed, true)
	f.Add(seed[:len(seed)-7], true)
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		if len(b) < segmentHeaderSize {
			return
		}
		if head := b[segmentHeaderSize:]; repair && len(head) >= recordHeaderSize {
			binary.LittleEndian.PutUint32(head[36:], crc32.Checksum(head[:36], castagnoli))
		}
		r := reader{file: bytes.NewReader(b), size: int64(len(b))}
		n := int64(segmentHeaderSize)
		d, err := r.records(func(h recordHeader, body []byte) error {
			if checksum(h.kind, body) != h.digest.Lo {
				t.Fatal("a damaged body gets through")
			}
			n += recordHeaderSize + int64(len(body))
			return nil
		})
		if err != nil || n+d.bytes != int64(len(b)) {
			t.Fatalf("%d of %d bytes read, %+v, error %v", n, len(b), d, err)
		}
		if len(r.store) > max(readChunk, len(b)) {
			t.Fatalf("a buffer of %d bytes", len(r.store))
		}
	})
}

func FuzzOpen(f *testing.F) {
	seed := written(f, "one", "two", strings.Repeat("three", 100))
	f.Add(seed)
	f.Add(seed[:len(seed)-7])
	f.Add(seed[:segmentHeaderSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg := quiet(t.TempDir())
		_, headerErr := decodeSegmentHeader(b)
		for seq := uint64(1); seq <= 2; seq++ { // as an older one and as the newest
			if b = bytes.Clone(b); headerErr == nil {
				binary.LittleEndian.PutUint64(b[24:], seq)
				fixHeader(b)
			}
			if err := os.WriteFile(segmentPath(cfg.Dir, seq), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(cfg)
		if err != nil {
			if !strings.Contains(err.Error(), "segment format") {
				t.Fatal(err)
			}
			return
		}
		defer l.Close()
		for l.Stats().Segments > 0 {
			s := mustNext(t, l)
			n := 0
			err := s.Records(func(_ byte, _ int, _ time.Time, body []byte) error {
				n += recordHeaderSize + len(body)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if n > len(b) {
				t.Fatalf("%d bytes of records from a file of %d", n, len(b))
			}
			mustDone(t, s)
		}
		wantDuplicate(t, l, false, fmt.Sprintf("new %x", b))
	})
}
