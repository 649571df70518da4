package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"
)

const seenMagic = "LLSEEN\x00\x01"

// duplicates remembers the digests of committed records, one generation per
// segment. A generation lives as long as its segment is on disk and for a
// while after; the oldest go early when there are more than maxRecords in
// all. It is guarded by Log.mu.
type duplicates struct {
	maxRecords  int
	window      time.Duration
	known       map[digest]struct{}
	generations []*generation // by ascending seq
}

type generation struct {
	seq     uint64
	digests []digest
	expires time.Time // zero while the segment is on disk
}

// add files digests under segment seq, which is the newest or the last used.
func (d *duplicates) add(seq uint64, digests ...digest) {
	n := len(d.generations)
	if n == 0 || d.generations[n-1].seq != seq {
		d.generations = append(d.generations, &generation{seq: seq})
		n++
	}
	g := d.generations[n-1]
	for _, x := range digests {
		if _, ok := d.known[x]; !ok {
			d.known[x] = struct{}{}
			g.digests = append(g.digests, x)
		}
	}
}

func (d *duplicates) has(x digest) bool {
	_, ok := d.known[x]
	return ok
}

func (d *duplicates) of(seq uint64) []digest {
	for _, g := range d.generations {
		if g.seq == seq {
			return g.digests
		}
	}
	return nil
}

// finish starts the clock of a generation whose segment is gone.
func (d *duplicates) finish(seq uint64, now time.Time) {
	for _, g := range d.generations {
		if g.seq == seq {
			g.expires = now.Add(d.window)
		}
	}
}

// prune forgets what is too old or too much and returns the finished segments
// whose seen file is no longer needed.
func (d *duplicates) prune(now time.Time) []uint64 {
	var gone []uint64
	kept := d.generations[:0]
	for _, g := range d.generations {
		finished := !g.expires.IsZero()
		expired := finished && !now.Before(g.expires)
		if expired || len(d.known) > d.maxRecords {
			for _, x := range g.digests {
				delete(d.known, x)
			}
			g.digests = nil
			if finished {
				gone = append(gone, g.seq)
				continue
			}
		}
		kept = append(kept, g)
	}
	clear(d.generations[len(kept):])
	d.generations = kept
	return gone
}

func seenPath(dir string, seq uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x.seen", seq))
}

// writeSeen durably records that segment seq is finished and what it held.
// When it fails the caller goes on without: duplicates are then recognized
// until the next restart only.
func (l *Log) writeSeen(seq uint64, digests []digest) error {
	b := make([]byte, 0, len(seenMagic)+16*len(digests)+4)
	b = append(b, seenMagic...)
	for _, x := range digests {
		b = binary.LittleEndian.AppendUint64(b, x.lo)
		b = binary.LittleEndian.AppendUint64(b, x.hi)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	path := seenPath(l.cfg.Dir, seq)
	temporary := path + ".tmp"
	if err := writeDurably(temporary, b); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return l.dir.Sync()
}

func writeDurably(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// readSeen returns no digests when the file is damaged: the segment is
// finished all the same.
func readSeen(path string) ([]digest, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := len(b) - len(seenMagic) - 4
	if n < 0 || n%16 != 0 || !bytes.HasPrefix(b, []byte(seenMagic)) ||
		binary.LittleEndian.Uint32(b[len(b)-4:]) != crc32.Checksum(b[:len(b)-4], castagnoli) {
		return nil, nil
	}
	digests := make([]digest, 0, n/16)
	for b = b[len(seenMagic) : len(b)-4]; len(b) > 0; b = b[16:] {
		digests = append(digests, digest{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])})
	}
	return digests, nil
}
