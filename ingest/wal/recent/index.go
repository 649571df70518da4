// Package recent remembers which records were written lately, so that a
// record that is sent again is recognised.
package recent

import (
	"slices"
	"time"
)

// Digest is the 128-bit identity of a record.
type Digest struct{ Lo, Hi uint64 }

// Index remembers the digests of committed records, one generation per
// segment. A generation lives as long as its segment is on disk and for a
// while after; the oldest go early when there are more than a maximum in all.
// It is not safe for concurrent use.
type Index struct {
	maxRecords  int
	window      time.Duration
	known       map[Digest]struct{}
	generations []*generation // by ascending seq
}

// New returns an empty index of at most maxRecords digests, which knows those
// Of a finished segment for the given time.
func New(maxRecords int, window time.Duration) *Index {
	return &Index{maxRecords: maxRecords, window: window, known: map[Digest]struct{}{}}
}

// Len is the number of digests that are known.
func (d *Index) Len() int { return len(d.known) }

// Room is the number of digests that fit in still.
func (d *Index) Room() int { return max(0, d.maxRecords-len(d.known)) }

// Reverse turns the order of the generations around, for an index that was
// filled newest first.
func (d *Index) Reverse() { slices.Reverse(d.generations) }

type generation struct {
	seq     uint64
	digests []Digest
	expires time.Time // zero while the segment is on disk
}

// Add files digests under segment seq, which is the newest or the last used.
func (d *Index) Add(seq uint64, digests ...Digest) {
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

// Has says whether the digest is known.
func (d *Index) Has(x Digest) bool {
	_, ok := d.known[x]
	return ok
}

// Of returns the digests of a segment.
func (d *Index) Of(seq uint64) []Digest {
	for _, g := range d.generations {
		if g.seq == seq {
			return g.digests
		}
	}
	return nil
}

// Finish starts the clock of a generation whose segment is gone.
func (d *Index) Finish(seq uint64, now time.Time) {
	for _, g := range d.generations {
		if g.seq == seq {
			g.expires = now.Add(d.window)
		}
	}
}

// Prune forgets what is too old or too much and returns the finished segments
// whose seen file is no longer needed.
func (d *Index) Prune(now time.Time) []uint64 {
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
