// Package ring keeps the counts of good and bad events of many objectives in memory, so that the sums of all their windows
// are known at any time without reading anything. It knows event time only and has no clock.
//
// Counts are kept in buckets at several resolutions: a window is summed over buckets of its [budget.Grain]. Each window's
// sum is carried along: a slot enters it when the set advances over it, a bucket leaves it when the window's trailing edge
// passes the bucket, and what comes late enters the bucket and every window that still has it. So a window's sum is always
// that of the events in [budget.Start(t, window), t).
package ring

import (
	"fmt"
	"slices"
	"time"

	"loadline/internal/sli"
	"loadline/slo/budget"
)

const (
	slot = int64(sli.Slot / time.Second)
	// ahead is how many slots after the set's time have a bucket. Later ones wait in a map.
	ahead = 60
)

// Config says which sums a set keeps.
type Config struct {
	Windows  []time.Duration  // in any order; the period of rolling objectives is one of them
	Calendar *budget.Calendar // the period of objectives with a calendar; nil for none
	Now      int64            // where the set's time begins, Unix seconds
}

// Slot is the counts of a stretch of time: of one slot, or of a longer one in coarser tiers.
type Slot struct {
	Start      int64 // Unix seconds
	Bad, Total int64
}

// window is a window whose sums are kept.
type window struct {
	length time.Duration
	level  int
	low    int64 // its trailing edge
}

// level is a resolution in which counts are kept.
type level struct {
	grain   int64 // seconds a bucket
	buckets int64
	low     int64 // start of the oldest bucket that a window still has
}

// at is the place of the bucket that holds second s.
func (l *level) at(s int64) int { return int(s / l.grain % l.buckets) }

// Set is the windows of any number of instances, each an objective or a group of one, all with the same windows and the
// same time. Its methods must not be called concurrently.
type Set struct {
	config  Config
	windows []window
	levels  []level // the finest first, which has the slots ahead too
	blocks  []*block
	free    []int // removed instances
	size    int   // instances that were ever there
	t       int64 // all slots that end by then are in the sums
	from    int64 // of the calendar's period
	to      int64
	touched []bool // by bucket of the finest level: a slot ahead has counts
	later   map[int64]map[int]counts
}

// New returns a set without instances.
func New(c Config) *Set {
	s := &Set{config: c, t: c.Now - c.Now%slot, later: make(map[int64]map[int]counts)}
	lengths := slices.Clone(c.Windows)
	slices.Sort(lengths)
	longest := map[int64]int64{slot: 0} // by grain
	grains := []int64{slot}
	for _, w := range slices.Compact(lengths) {
		grain := int64(budget.Grain(w) / time.Second)
		if _, ok := longest[grain]; !ok {
			grains = append(grains, grain)
		}
		longest[grain] = max(longest[grain], int64(w/time.Second))
		s.windows = append(s.windows, window{length: w, level: slices.Index(grains, grain), low: budget.Start(s.t, w)})
	}
	for _, grain := range grains {
		s.levels = append(s.levels, level{grain: grain, buckets: longest[grain]/grain + 2})
	}
	s.levels[0].buckets += ahead
	s.touched = make([]bool, s.levels[0].buckets)
	s.setLow()
	if c.Calendar != nil {
		s.from, s.to = c.Calendar.Period(s.t)
	}
	return s
}

// setLow says how far back each level is needed.
func (s *Set) setLow() {
	for i := range s.levels {
		s.levels[i].low = s.t
	}
	for _, w := range s.windows {
		s.levels[w.level].low = min(s.levels[w.level].low, w.low)
	}
}

// Now is the set's time: the end of the newest slot that is in the sums.
func (s *Set) Now() int64 { return s.t }

// Len is how many instances there are.
func (s *Set) Len() int { return s.size - len(s.free) }

// Add makes an instance without counts whose events are counted from second from on, and returns its number. Numbers of
// removed instances are used again.
func (s *Set) Add(from int64) int {
	i := s.size
	if n := len(s.free); n > 0 {
		i, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.size++
	}
	if i/blockSize == len(s.blocks) {
		width := 1
		if i > 0 {
			width = blockSize // there are many
		}
		s.blocks = append(s.blocks, newBlock(s, width))
	}
	b := s.blocks[i/blockSize]
	if i%blockSize == b.cap {
		b = b.grown(s)
		s.blocks[i/blockSize] = b
	}
	b.from[i%blockSize] = from
	return i
}

// Remove forgets an instance.
func (s *Set) Remove(i int) {
	s.blocks[i/blockSize].clear(i % blockSize)
	for _, held := range s.later {
		delete(held, i)
	}
	s.free = append(s.free, i)
}

// From is the second from which the events of an instance are counted.
func (s *Set) From(i int) int64 { return s.blocks[i/blockSize].from[i%blockSize] }

// SetFrom says that the events of an instance are counted from second from on, once those before have been put.
func (s *Set) SetFrom(i int, from int64) { s.blocks[i/blockSize].from[i%blockSize] = from }

// Covered is for how many seconds before now the events of an instance are counted.
func (s *Set) Covered(i int) int64 { return max(s.t-s.From(i), 0) }

// Last is the end of the newest slot of an instance that had events, 0 for none.
func (s *Set) Last(i int) int64 { return s.blocks[i/blockSize].last[i%blockSize] }

// Put adds counts to the slot that holds second start. Those of slots to come are held until the set advances over them,
// those of past ones enter every window that has the slot; they may be negative. What is older than all windows has no
// effect.
func (s *Set) Put(i int, start, bad, total int64) {
	c := counts{bad: bad, total: total}
	start -= start % slot
	if start >= s.t+ahead*slot {
		s.hold(i, start, c)
		return
	}
	b, n := s.blocks[i/blockSize], i%blockSize
	if start >= s.t {
		at := s.levels[0].at(start)
		b.levels[0].add(at*b.cap+n, c)
		s.touched[at] = true
		return
	}
	for k := range s.levels {
		if l := &s.levels[k]; start >= l.low {
			b.levels[k].add(l.at(start)*b.cap+n, c)
		}
	}
	for k := range s.windows {
		if start >= s.windows[k].low {
			b.sums[k][n].add(c)
		}
	}
	if start >= s.from && start < s.to {
		b.period[n].add(c)
	}
	if total > 0 {
		b.last[n] = max(b.last[n], start+slot)
	}
}

func (s *Set) hold(i int, start int64, c counts) {
	held := s.later[start]
	if held == nil {
		held = make(map[int]counts)
		s.later[start] = held
	}
	c.add(held[i])
	held[i] = c
}

// Advance takes the slots that end by t into the sums.
func (s *Set) Advance(t int64) {
	for t -= t % slot; s.t < t; {
		if s.touched[s.levels[0].at(s.t)] {
			s.enter(s.t + slot)
			s.absorb()
			s.move(s.t + slot)
			continue
		}
		next := s.next(t)
		s.enter(next)
		s.move(next)
	}
}

// next is the start of the first slot that has counts, or t if there is none before.
func (s *Set) next(t int64) int64 {
	for start := range s.later {
		t = min(t, start)
	}
	for start := s.t; start < min(t, s.t+ahead*slot); start += slot {
		if s.touched[s.levels[0].at(start)] {
			return start
		}
	}
	return t
}

// enter begins a new period of the calendar if t is past the current one. At its end, a period is still the current one.
func (s *Set) enter(t int64) {
	if s.config.Calendar == nil || t <= s.to {
		return
	}
	s.from, s.to = s.config.Calendar.Period(t)
	for _, b := range s.blocks {
		clear(b.period)
	}
}

// absorb adds the slot that begins now to the buckets and sums.
func (s *Set) absorb() {
	at := s.levels[0].at(s.t)
	for _, b := range s.blocks {
		row := b.levels[0].row(at, b.cap)
		for k := 1; k < len(s.levels); k++ {
			b.levels[k].addRow(s.levels[k].at(s.t), b.cap, row)
		}
		for k := range b.sums {
			row.addTo(b.sums[k])
		}
		if s.config.Calendar != nil {
			row.addTo(b.period)
		}
		row.mark(b.last, s.t+slot)
	}
	s.touched[at] = false
}

// move sets the time. Between the old time, or the slot that was absorbed, and t nothing has counts.
func (s *Set) move(t int64) {
	for k := range s.windows {
		w := &s.windows[k]
		l := &s.levels[w.level]
		edge := budget.Start(t, w.length)
		// A window may be passed as a whole; no bucket after the newest slot is in its sums.
		for ; w.low < edge && w.low < s.t+slot; w.low += l.grain {
			for _, b := range s.blocks {
				b.levels[w.level].row(l.at(w.low), b.cap).subtractFrom(b.sums[k])
			}
		}
		w.low = edge
	}
	for k := range s.levels {
		l := &s.levels[k]
		first, last := s.t/l.grain+1, t/l.grain
		if k == 0 {
			first, last = s.t/l.grain+ahead, t/l.grain+ahead-1
		}
		for n := max(first, last-l.buckets+1); n <= last; n++ {
			for _, b := range s.blocks {
				b.levels[k].row(int(n%l.buckets), b.cap).clear()
			}
		}
	}
	s.t = t
	s.setLow()
	s.release()
}

// release gives counts that waited a bucket, as soon as their slots have one.
func (s *Set) release() {
	for start, held := range s.later {
		if start >= s.t+ahead*slot {
			continue
		}
		delete(s.later, start)
		for i, c := range held {
			s.Put(i, start, c.bad, c.total)
		}
	}
}

// Sum is how many events an instance had in a window that ends now, and how many of them were bad. The window is one of
// the set's. Counts that would be below zero, or more bad events than there were events, come from corrections that have
// arrived in part; they are told as nearly as is possible.
func (s *Set) Sum(i int, length time.Duration) (bad, total uint64) {
	for k := range s.windows {
		if s.windows[k].length == length {
			return s.blocks[i/blockSize].sums[k][i%blockSize].clamped()
		}
	}
	panic(fmt.Sprintf("BUG: window %s is not in the set", length))
}

// CalendarSum is how many events an instance had in the calendar's current period, and how many of them were bad.
func (s *Set) CalendarSum(i int) (bad, total uint64) {
	return s.blocks[i/blockSize].period[i%blockSize].clamped()
}

// Calendar is the current period of the set's calendar, (0, 0) without one. An evaluation at its end still belongs to it.
func (s *Set) Calendar() (from, to int64) { return s.from, s.to }

// Bytes is the memory that the counts take.
func (s *Set) Bytes() int64 {
	var n int64
	for _, b := range s.blocks {
		n += b.bytes()
	}
	return n
}
