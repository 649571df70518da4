// Package head keeps recent float samples in memory, so that queries about the last hours, and about what is not yet in
// ClickHouse, find them.
//
// Samples that arrive about when they were taken stay for a while: from a watermark on, the head has every sample that
// this process knows of. The watermark moves forward by age, and by the bytes that are used. Samples that arrive late stay
// until they are in ClickHouse, and on when they lie behind the watermark. Nothing is dropped before it is in ClickHouse.
package head

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/ingest/samples"
)

var (
	heldSeries  = metrics.NewGauge(`loadline_ingest_head_series`, nil)
	heldSamples = metrics.NewGauge(`loadline_ingest_head_samples`, nil)
	heldBytes   = metrics.NewGauge(`loadline_ingest_head_bytes`, nil)
)

// Config of a Head. Zero values mean the defaults in brackets.
type Config struct {
	MaxBytes int64         // above it the oldest samples go, as far as they are in ClickHouse [128 MiB]
	Window   time.Duration // for how long samples are held at most [2h15m]
	// Late is told the range of time, in Unix milliseconds, of samples that can be read more than five minutes after they were
	// taken, once they can. It may be nil, and must return soon.
	Late func(mint, maxt int64)
}

const (
	defaultMaxBytes = 128 << 20
	defaultWindow   = 2*time.Hour + 15*time.Minute
	// An earlier process may have stored samples of senders whose clocks run ahead by this much.
	startAhead = time.Minute
	// lateAge is how old a sample is when it counts as late. Later ones would hold up the watermark while they wait for
	// ClickHouse.
	lateAge = 5 * time.Minute
	// keptPart of MaxBytes, in eighths, is what is left when the oldest samples go, so that they go in large numbers.
	keptPart = 7
)

// Head is safe for concurrent use.
type Head struct {
	cfg Config

	from          atomic.Int64 // the watermark, in Unix milliseconds
	series, bytes atomic.Int64
	metrics       sync.Map // of *metric by name
	generations   sync.Map // of *atomic.Uint64 by metric; that of "" counts all

	writing sync.Mutex      // guards the rest and every change of what is held
	cut     int64           // samples before this have been dropped
	minutes map[int64]int64 // samples by minute, late ones aside
	batch   uint64
	pending []pending // batches that are not in ClickHouse, oldest first
	flushed uint64    // the newest batch that is
}

// pending is a batch that is not in ClickHouse.
type pending struct {
	batch  uint64
	oldest int64 // of its samples that are not late, in Unix milliseconds
}

// New returns an empty head of a process that starts now.
func New(cfg Config, now time.Time) *Head {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	if cfg.Window == 0 {
		cfg.Window = defaultWindow
	}
	h := &Head{cfg: cfg, minutes: map[int64]int64{}, cut: now.Add(-cfg.Window).UnixMilli()}
	h.from.Store(now.Add(startAhead).UnixMilli())
	return h
}

// Series is the number of series that have samples here.
func (h *Head) Series() int { return int(h.series.Load()) }

// Bytes is the memory that the samples take.
func (h *Head) Bytes() int64 { return h.bytes.Load() }

// Add takes over a batch of samples and returns its number, which Flushed takes. A sample that is held already is left
// out.
func (h *Head) Add(now time.Time, rows []samples.Row) (batch uint64) {
	return h.add(now, now.Add(-lateAge).UnixMilli(), rows)
}

// Visible says that rows that were added can be found by now: their series rows are in ClickHouse. What is late then is
// told to Config.Late.
func (h *Head) Visible(now time.Time, rows []samples.Row) {
	if h.cfg.Late == nil {
		return
	}
	late := now.Add(-lateAge).UnixMilli()
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range rows {
		base := int64(rows[i].Bucket) * 1000
		for _, offset := range rows[i].Offsets {
			if t := base + int64(offset); t < late {
				first, last = min(first, t), max(last, t)
			}
		}
	}
	if first <= last {
		h.cfg.Late(first, last)
	}
}

// add adds rows, of which those before late are late.
func (h *Head) add(now time.Time, late int64, rows []samples.Row) (batch uint64) {
	h.writing.Lock()
	defer h.writing.Unlock()
	if len(rows) == 0 {
		h.evict(now)
		return h.batch
	}
	h.batch++
	oldest := now.UnixMilli()
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].Metric == rows[0].Metric {
			n++
		}
		oldest = min(oldest, h.addTo(h.metric(rows[0].Metric), rows[:n], late))
		rows = rows[n:]
	}
	h.pending = append(h.pending, pending{h.batch, oldest})
	h.evict(now)
	return h.batch
}

// addTo adds rows of one metric and returns when the oldest sample that is not late was taken.
func (h *Head) addTo(m *metric, rows []samples.Row, late int64) (oldest int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.size
	oldest = late + lateAge.Milliseconds()
	for i := range rows {
		r := &rows[i]
		n := 0
		for base := int64(r.Bucket) * 1000; n < len(r.Offsets) && base+int64(r.Offsets[n]) < late; n++ {
		}
		if n > 0 {
			m.addLate(r, n, h.batch)
		}
		if n == len(r.Offsets) {
			continue
		}
		oldest = min(oldest, int64(r.Bucket)*1000+int64(r.Offsets[n]))
		h.insert(m, r, n)
	}
	h.account(before, m.size)
	return oldest
}

// insert adds the samples of a row, but for the first skip ones.
func (h *Head) insert(m *metric, r *samples.Row, skip int) {
	s := m.find(r.Service, r.ID)
	for i := skip; i < len(r.Offsets); i++ {
		t := int64(r.Bucket)*1000 + int64(r.Offsets[i])
		if m.insert(s, t, r.ST, r.Values[i]) {
			h.minutes[t/60_000]++
		}
	}
}

// account enters a change of a metric's size.
func (h *Head) account(before, after size) {
	h.series.Add(after.series - before.series)
	h.bytes.Add(after.bytes - before.bytes)
	heldSeries.Add(float64(after.series - before.series))
	heldSamples.Add(float64(after.samples - before.samples))
	heldBytes.Add(float64(after.bytes - before.bytes))
}

// metric returns the metric of a name, a new one if need be.
func (h *Head) metric(name string) *metric {
	if m, ok := h.metrics.Load(name); ok {
		return m.(*metric)
	}
	m := newMetric()
	h.metrics.Store(name, m)
	return m
}

// Flushed says that a batch and all before it are in ClickHouse.
func (h *Head) Flushed(now time.Time, batch uint64) {
	h.writing.Lock()
	defer h.writing.Unlock()
	if batch <= h.flushed {
		return
	}
	// Late rows stay until the next call, for readers that looked into ClickHouse before this one.
	gone := h.flushed
	h.flushed = batch
	n := 0
	for n < len(h.pending) && h.pending[n].batch <= batch {
		n++
	}
	h.pending = append(h.pending[:0], h.pending[n:]...)
	h.metrics.Range(func(_, value any) bool {
		h.settle(value.(*metric), gone, batch)
		return true
	})
	h.evict(now)
}

// settle takes late rows of batches up to flushed in among the others, as far as the watermark asks for them, and forgets
// those of batches up to gone.
func (h *Head) settle(m *metric, gone, flushed uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.late) == 0 {
		return
	}
	before, from := m.size, h.from.Load()
	for _, l := range m.late {
		if l.batch <= gone || l.batch > flushed {
			continue
		}
		skip := 0
		for base := int64(l.row.Bucket) * 1000; skip < len(l.row.Offsets) && base+int64(l.row.Offsets[skip]) < from; skip++ {
		}
		if skip < len(l.row.Offsets) {
			h.insert(m, &l.row, skip)
		}
	}
	m.forgetLate(gone)
	h.account(before, m.size)
}

// CompleteFrom says that an earlier process stored samples up to the given time, so that the head may be complete only
// from there on.
func (h *Head) CompleteFrom(t time.Time) {
	h.writing.Lock()
	defer h.writing.Unlock()
	h.from.Store(max(h.from.Load(), t.UnixMilli()))
}

// Announce says that ClickHouse has series rows of the metrics that it had not.
func (h *Head) Announce(metrics []string) {
	if len(metrics) == 0 {
		return
	}
	for _, name := range append([]string{""}, metrics...) {
		g, ok := h.generations.Load(name)
		if !ok {
			g, _ = h.generations.LoadOrStore(name, &atomic.Uint64{})
		}
		g.(*atomic.Uint64).Add(1)
	}
}

// Generation changes whenever series rows of the metric were inserted into ClickHouse; that of "" when those of any were.
func (h *Head) Generation(metric string) uint64 {
	if g, ok := h.generations.Load(metric); ok {
		return g.(*atomic.Uint64).Load()
	}
	return 0
}

// Floats calls fn for the samples of the metric in [mint, maxt] (Unix ms): for those of a series with one start timestamp
// at a time, in the order of time, in arrays that are valid during the call. A series that has late samples comes more
// than once, and a sample may be among both. It returns from when on (Unix ms) the head has every sample that this process
// knows of. A caller that reads ClickHouse too does so afterwards, since samples go from here when they are there.
func (h *Head) Floats(metric string, mint, maxt int64, fn func(service string, id uint64, st int64, t []int64, v []float64)) (from int64) {
	return h.floats(metric, nil, mint, maxt, fn)
}

// FloatsOf is Floats for the series with the given ids, and perhaps others. It does not look at the rest of the metric.
func (h *Head) FloatsOf(metric string, ids []uint64, mint, maxt int64, fn func(service string, id uint64, st int64, t []int64, v []float64)) (from int64) {
	if ids == nil {
		ids = []uint64{}
	}
	return h.floats(metric, ids, mint, maxt, fn)
}

func (h *Head) floats(metric string, ids []uint64, mint, maxt int64, fn func(service string, id uint64, st int64, t []int64, v []float64)) (from int64) {
	if m := h.find(metric); m != nil {
		m.floats(ids, mint, maxt, fn)
	}
	// The watermark moves before samples are dropped, so its present place is true of all that was read.
	return h.from.Load()
}

func (h *Head) find(name string) *metric {
	if m, ok := h.metrics.Load(name); ok {
		return m.(*metric)
	}
	return nil
}
