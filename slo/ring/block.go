package ring

import "math"

// counts are bad events and all events.
type counts struct{ bad, total int64 }

func (c *counts) add(d counts) {
	c.bad += d.bad
	c.total += d.total
}

func (c counts) clamped() (bad, total uint64) {
	c.total = max(c.total, 0)
	return uint64(min(max(c.bad, 0), c.total)), uint64(c.total)
}

// small are counts that need less memory.
type small struct{ bad, total uint32 }

// column is the buckets of one level for the instances of a block, those of one bucket side by side. Counts are small until
// one of them does not fit.
type column struct {
	small []small
	large []counts // instead of small
}

// row is one bucket of a column.
type row column

func (c *column) row(bucket, width int) row {
	from, to := bucket*width, (bucket+1)*width
	if c.large != nil {
		return row{large: c.large[from:to]}
	}
	return row{small: c.small[from:to]}
}

// add adds counts to one instance's bucket.
func (c *column) add(at int, d counts) {
	if c.large == nil {
		old := c.small[at]
		bad, total := int64(old.bad)+d.bad, int64(old.total)+d.total
		if uint64(bad) <= math.MaxUint32 && uint64(total) <= math.MaxUint32 {
			c.small[at] = small{bad: uint32(bad), total: uint32(total)}
			return
		}
		c.enlarge()
	}
	c.large[at].add(d)
}

// addRow adds a row to a bucket.
func (c *column) addRow(bucket, width int, r row) {
	if c.large == nil && (r.large != nil || !r.fits(c.row(bucket, width).small)) {
		c.enlarge()
	}
	if c.large != nil {
		r.addTo(c.row(bucket, width).large)
		return
	}
	for i, d := range r.small {
		to := &c.small[bucket*width+i]
		to.bad += d.bad
		to.total += d.total
	}
}

func (c *column) enlarge() {
	c.large = make([]counts, len(c.small))
	for i, v := range c.small {
		c.large[i] = counts{bad: int64(v.bad), total: int64(v.total)}
	}
	c.small = nil
}

// fits reports whether the sums of two rows are small.
func (r row) fits(to []small) bool {
	var over uint64
	for i, d := range r.small[:len(to)] {
		over |= (uint64(to[i].bad) + uint64(d.bad)) | (uint64(to[i].total) + uint64(d.total))
	}
	return over <= math.MaxUint32
}

func (r row) addTo(sums []counts) {
	for i, d := range r.large {
		sums[i].add(d)
	}
	for i, d := range r.small {
		sums[i].bad += int64(d.bad)
		sums[i].total += int64(d.total)
	}
}

func (r row) subtractFrom(sums []counts) {
	for i, d := range r.large {
		sums[i].add(counts{bad: -d.bad, total: -d.total})
	}
	for i, d := range r.small {
		sums[i].bad -= int64(d.bad)
		sums[i].total -= int64(d.total)
	}
}

// mark notes a time for those that have events.
func (r row) mark(last []int64, t int64) {
	for i, d := range r.large {
		if d.total > 0 {
			last[i] = t
		}
	}
	for i, d := range r.small {
		if d.total > 0 {
			last[i] = t
		}
	}
}

func (r row) clear() {
	clear(r.small)
	clear(r.large)
}

// blockSize is how many instances a full block has. Blocks keep what is advanced over together close together, and let a
// set grow without being copied.
const blockSize = 256

// block is the counts of some instances.
type block struct {
	cap    int
	levels []column
	sums   [][]counts // by window
	period []counts
	from   []int64
	last   []int64
}

func newBlock(s *Set, width int) *block {
	b := &block{cap: width, period: make([]counts, width), from: make([]int64, width), last: make([]int64, width)}
	for _, l := range s.levels {
		b.levels = append(b.levels, column{small: make([]small, int(l.buckets)*width)})
	}
	for range s.windows {
		b.sums = append(b.sums, make([]counts, width))
	}
	return b
}

// grown returns a larger block with the same counts.
func (b *block) grown(s *Set) *block {
	g := newBlock(s, min(4*b.cap, blockSize))
	for k := range b.levels {
		if b.levels[k].large != nil {
			g.levels[k].enlarge()
		}
		for bucket := range int(s.levels[k].buckets) {
			from, to := b.levels[k].row(bucket, b.cap), g.levels[k].row(bucket, g.cap)
			copy(to.small, from.small)
			copy(to.large, from.large)
		}
	}
	for k := range b.sums {
		copy(g.sums[k], b.sums[k])
	}
	copy(g.period, b.period)
	copy(g.from, b.from)
	copy(g.last, b.last)
	return g
}

// clear removes the counts of one instance.
func (b *block) clear(n int) {
	for _, c := range b.levels {
		for at := n; at < len(c.small); at += b.cap {
			c.small[at] = small{}
		}
		for at := n; at < len(c.large); at += b.cap {
			c.large[at] = counts{}
		}
	}
	for k := range b.sums {
		b.sums[k][n] = counts{}
	}
	b.period[n], b.from[n], b.last[n] = counts{}, 0, 0
}

func (b *block) bytes() int64 {
	n := int64(cap(b.period)) * (16 + 8 + 8)
	for _, c := range b.levels {
		n += int64(len(c.small))*8 + int64(len(c.large))*16
	}
	return n + int64(len(b.sums)*b.cap)*16
}
