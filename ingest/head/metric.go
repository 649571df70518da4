package head

import (
	"math"
	"slices"
	"sort"
	"sync"

	"loadline/ingest/samples"
)

// metric has the samples of one metric. What is held changes under Head.writing and mu, and is read under either.
type metric struct {
	mu       sync.RWMutex
	services []string
	numbers  map[string]uint32 // of services
	series   map[key]*series
	list     []*series // the same; only ever appended to, or replaced
	late     []lateRow
	size     size
}

// size is what a metric holds.
type size struct{ series, samples, bytes int64 }

type key struct {
	id      uint64
	service uint32
}

// series has its samples in chunks, in the order of time. Every moment comes once.
type series struct {
	key
	chunks []chunk
}

// chunk is a stretch of a series. A sample is narrow words, its milliseconds since base and its value's bits, or wide
// ones when start timestamps differ within the chunk, as those of a delta series do: then its start timestamp follows.
type chunk struct {
	base  int64 // Unix milliseconds
	st    int64 // of all samples of a narrow chunk
	words []uint32
	wide  bool
}

const (
	narrow, wide = 3, 5
	wordBytes    = 4
	// chunkSamples is what a chunk has at most, unless samples come out of order.
	chunkSamples = 64
	// What a series and a chunk take beside their samples, with their share of maps and lists.
	seriesBytes = 120
	chunkBytes  = 48
	lateBytes   = 128
)

// lateRow is a row of samples that came late.
type lateRow struct {
	batch uint64
	row   samples.Row
}

func newMetric() *metric {
	return &metric{numbers: map[string]uint32{}, series: map[key]*series{}}
}

// find returns a series, a new one if need be.
func (m *metric) find(service string, id uint64) *series {
	n, ok := m.numbers[service]
	if !ok {
		n = uint32(len(m.services))
		m.numbers[service] = n
		m.services = append(m.services, service)
	}
	k := key{id, n}
	s := m.series[k]
	if s == nil {
		s = &series{key: k}
		m.series[k] = s
		m.list = append(m.list, s)
		m.size.series++
		m.size.bytes += seriesBytes
	}
	return s
}

// insert adds a sample to a series and says whether there was none of that moment.
func (m *metric) insert(s *series, t, st int64, v float64) bool {
	// Nearly always the sample belongs at the end.
	i := len(s.chunks) - 1
	for i > 0 && t < s.chunks[i].base {
		i--
	}
	last := i == len(s.chunks)-1
	if i < 0 || last && s.chunks[i].len() >= chunkSamples && t > s.chunks[i].end() || t-s.chunks[i].base > math.MaxUint32 {
		i++
		s.chunks = slices.Insert(s.chunks, i, chunk{base: t, st: st})
		m.size.bytes += chunkBytes
	}
	c := &s.chunks[i]
	before := cap(c.words)
	if !c.insert(t, st, v) {
		return false
	}
	m.size.bytes += int64(cap(c.words)-before) * wordBytes
	m.size.samples++
	return true
}

func (c *chunk) width() int {
	if c.wide {
		return wide
	}
	return narrow
}

func (c *chunk) len() int { return len(c.words) / c.width() }

// at is the time of sample i.
func (c *chunk) at(i int) int64 { return c.base + int64(c.words[i*c.width()]) }

// end is the time of the last sample.
func (c *chunk) end() int64 { return c.at(c.len() - 1) }

// insert adds a sample in its place and says whether there was none of that moment.
func (c *chunk) insert(t, st int64, v float64) bool {
	n := c.len()
	i := n
	if n > 0 && t <= c.end() {
		i = sort.Search(n, func(i int) bool { return c.at(i) >= t })
		if c.at(i) == t {
			return false
		}
	}
	if st != c.st && !c.wide {
		if n == 0 {
			c.st = st
		} else {
			c.widen()
		}
	}
	if t < c.base {
		c.rebase(t)
	}
	bits := math.Float64bits(v)
	entry := [wide]uint32{uint32(t - c.base), uint32(bits), uint32(bits >> 32), uint32(st), uint32(uint64(st) >> 32)}
	w := c.width()
	c.grow(w)
	if i == n {
		c.words = append(c.words, entry[:w]...)
	} else {
		c.words = slices.Insert(c.words, i*w, entry[:w]...)
	}
	return true
}

// grow makes room for one more sample. Room doubles up to that of a whole chunk, which are sizes that the allocator has.
func (c *chunk) grow(width int) {
	if len(c.words)+width <= cap(c.words) {
		return
	}
	room := 2 * width
	for room < len(c.words)+width {
		room *= 2
	}
	if full := chunkSamples * width; len(c.words) < full {
		room = min(room, full)
	}
	c.words = append(make([]uint32, 0, room), c.words...)
}

// widen gives every sample its own start timestamp.
func (c *chunk) widen() {
	words := make([]uint32, 0, (c.len()+1)*wide)
	for i := 0; i < len(c.words); i += narrow {
		words = append(append(words, c.words[i:i+narrow]...), uint32(c.st), uint32(uint64(c.st)>>32))
	}
	c.words, c.wide = words, true
}

// rebase makes room for a sample before base.
func (c *chunk) rebase(t int64) {
	for i := 0; i < len(c.words); i += c.width() {
		c.words[i] += uint32(c.base - t)
	}
	c.base = t
}

// addLate keeps the first n samples of a row.
func (m *metric) addLate(r *samples.Row, n int, batch uint64) {
	kept := *r
	kept.Offsets, kept.Values = slices.Clone(r.Offsets[:n]), slices.Clone(r.Values[:n])
	m.late = append(m.late, lateRow{batch, kept})
	m.size.samples += int64(n)
	m.size.bytes += lateBytes + int64(n)*narrow*wordBytes
}

// forgetLate drops the late rows of batches up to the given one.
func (m *metric) forgetLate(batch uint64) {
	m.late = slices.DeleteFunc(m.late, func(l lateRow) bool {
		if l.batch > batch {
			return false
		}
		m.size.samples -= int64(len(l.row.Offsets))
		m.size.bytes -= lateBytes + int64(len(l.row.Offsets))*narrow*wordBytes
		return true
	})
	if len(m.late) == 0 {
		m.late = nil
	}
}

// drop forgets the samples before the given time, and series that have none left.
func (m *metric) drop(cut int64) {
	empty := 0
	for _, s := range m.list {
		m.trim(s, cut)
		if len(s.chunks) == 0 {
			empty++
		}
	}
	if empty == 0 {
		return
	}
	list := make([]*series, 0, len(m.list)-empty) // readers may be at work on the old one
	for _, s := range m.list {
		if len(s.chunks) > 0 {
			list = append(list, s)
			continue
		}
		delete(m.series, s.key)
		m.size.series--
		m.size.bytes -= seriesBytes
	}
	m.list = list
	if len(list) == 0 {
		m.series = map[key]*series{} // a map never shrinks
	}
}

// trim forgets the samples of a series before the given time.
func (m *metric) trim(s *series, cut int64) {
	n := 0
	for n < len(s.chunks) && s.chunks[n].end() < cut {
		m.size.samples -= int64(s.chunks[n].len())
		m.size.bytes -= chunkBytes + int64(cap(s.chunks[n].words))*wordBytes
		n++
	}
	if n == len(s.chunks) {
		s.chunks = nil
		return
	}
	if n > 0 {
		s.chunks = slices.Clone(s.chunks[n:])
	}
	c := &s.chunks[0]
	if c.base >= cut {
		return
	}
	first := sort.Search(c.len(), func(i int) bool { return c.at(i) >= cut })
	words := c.words[first*c.width():]
	m.size.samples -= int64(first)
	m.size.bytes -= int64(cap(c.words)) * wordBytes
	c.words = append(make([]uint32, 0, len(words)), words...)
	m.size.bytes += int64(cap(c.words)) * wordBytes
	c.rebaseForward()
}

// rebaseForward makes the first sample's time the base.
func (c *chunk) rebaseForward() {
	shift := c.words[0]
	for i := 0; i < len(c.words); i += c.width() {
		c.words[i] -= shift
	}
	c.base += int64(shift)
}
