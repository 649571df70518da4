package ring

import (
	"math"
	"time"
)

const (
	minutes5 = int64(5 * time.Minute / time.Second)
	hour     = int64(time.Hour / time.Second)
)

// Span says which stored counts fill an instance so that its sums are those of one that saw every event: slots of one hour
// in [from, middle), of 5 minutes in [middle, fine), of 10 seconds from fine on. From and middle are whole hours, fine is
// whole 5 minutes.
func (s *Set) Span() (from, middle, fine int64) {
	from, middle, fine = s.t, s.t, s.t
	for _, w := range s.windows {
		from = min(from, w.low)
		if s.levels[w.level].grain < hour {
			middle = min(middle, w.low)
		}
		if s.levels[w.level].grain < minutes5 {
			fine = min(fine, w.low)
		}
	}
	fine -= fine % minutes5
	middle = min(middle, fine)
	if s.config.Calendar != nil {
		from = min(from, s.from)
		// A period begins at a whole hour, except in a few zones.
		switch {
		case s.from%minutes5 != 0:
			fine = min(fine, s.from-s.from%minutes5)
			fallthrough
		case s.from%hour != 0:
			middle = min(middle, s.from, fine)
		}
	}
	return from - from%hour, middle - middle%hour, fine
}

// Load adds stored counts of a tier, whose slots are of so many seconds, to an instance. The slots of all tiers together
// are those of [Set.Span], or the same with finer slots further back; their order does not matter.
func (s *Set) Load(i int, grain int64, slots []Slot) {
	b, n := s.blocks[i/blockSize], i%blockSize
	for k := range s.levels {
		if s.levels[k].grain >= grain {
			s.loadLevel(b, n, k, slots)
		}
	}
	for _, v := range slots {
		switch {
		case v.Start >= s.t:
			s.Put(i, v.Start, v.Bad, v.Total)
			continue
		case v.Start >= s.from && v.Start < s.to:
			b.period[n].add(counts{bad: v.Bad, total: v.Total})
		}
		if v.Total > 0 {
			b.last[n] = max(b.last[n], min(v.Start+grain, s.t))
		}
	}
}

// loadLevel adds slots before now to one level and to the windows that are summed over it. Slots of one bucket mostly
// follow one another.
func (s *Set) loadLevel(b *block, n, k int, slots []Slot) {
	l := &s.levels[k]
	var sum counts
	begin, end := int64(math.MinInt64), int64(math.MinInt64)
	flush := func() {
		if sum == (counts{}) {
			return
		}
		b.levels[k].add(l.at(begin)*b.cap+n, sum)
		for w := range s.windows {
			if s.windows[w].level == k && begin >= s.windows[w].low {
				b.sums[w][n].add(sum)
			}
		}
		sum = counts{}
	}
	for _, v := range slots {
		if v.Start < l.low || v.Start >= s.t {
			continue
		}
		if v.Start < begin || v.Start >= end {
			flush()
			begin = v.Start - v.Start%l.grain
			end = begin + l.grain
		}
		sum.add(counts{bad: v.Bad, total: v.Total})
	}
	flush()
}
