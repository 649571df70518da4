package metrics

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"loadline/ingest/native"
	"loadline/ingest/points"
	"loadline/ingest/samples"
)

// maxSeries bounds the series that are remembered between batches, some 200 bytes each.
const maxSeries = 1 << 20

// refreshSeconds is for how long a series row speaks: the next is written when a sample lies outside. The series of a
// metric are written in so many groups, since readers look again at a metric whenever some of its series are written.
const (
	refreshSeconds = 3600
	refreshGroups  = 8
)

// knownAlive is for how long after its row a series is not news. Readers take it for alive for an hour, and read the rows
// again before that is over.
const knownAlive = 900

// series is what the builder knows of a series.
type series struct {
	metric, service string
	id              uint64
	kind            int8

	// The stored rows of the series cover the samples in [first, last], in Unix seconds; last is 0 when there are none.
	first, last uint32

	run *samples.Run // of its histograms; nil when there are none

	batch    uint32 // that the rest belongs to
	row      int32  // the row of samples opened last, or -1
	announce int32  // the place in seriesBlock.covers, or -1
}

// cover is the range of samples for which a series row is written, in Unix seconds.
type cover struct {
	series      *series
	first, last uint32
}

// seriesCache remembers series from batch to batch.
type seriesCache struct {
	encodings map[uint64]*series // by hash of what the sender wrote
	known     map[uint64]*series // by hash of metric, service and id
	batch     uint32             // the serial number of the batch that is being built
}

func newSeriesCache() *seriesCache {
	return &seriesCache{encodings: map[uint64]*series{}, known: map[uint64]*series{}}
}

// identify returns the series with the given identity for an encoding that is seen for the first time.
func (c *seriesCache) identify(encoding uint64, metric, service string, id uint64, kind int8) *series {
	key := points.Mix(points.Mix(points.Mix(xxhash.Sum64String(metric), xxhash.Sum64String(service)), id), uint64(kind))
	s := c.known[key]
	if s == nil {
		s = &series{metric: metric, service: service, id: id, kind: kind, batch: c.batch, row: -1, announce: -1}
		c.known[key] = s
	}
	c.encodings[encoding] = s
	return s
}

// next begins another batch and forgets series that were not in the last one when there are too many.
func (c *seriesCache) next() {
	if len(c.known) > maxSeries {
		for key, s := range c.known {
			if s.batch != c.batch {
				delete(c.known, key)
			}
		}
		clear(c.encodings)
	}
	if len(c.encodings) > 2*maxSeries {
		clear(c.encodings)
	}
	c.batch++
}

// seriesBlock is the block of the table series.
type seriesBlock struct {
	block           native.Block
	metric, service *native.LowCardinality
	id              *native.Numbers[uint64]
	labels          *native.Map
	kind            *native.Numbers[int8]
	bounds          *native.Arrays[float64]
	first, last     *native.Numbers[uint32]
	covers          []cover
	order           []int32
	news            map[string]bool // metrics with series that readers may not know to be alive
}

func newSeriesBlock() *seriesBlock {
	b := &seriesBlock{
		metric:  native.NewLowCardinality(),
		service: native.NewLowCardinality(),
		id:      native.NewNumbers[uint64]("UInt64"),
		labels:  native.NewMap(),
		kind: native.NewNumbers[int8]("Enum8('unknown' = 0, 'gauge' = 1, 'counter' = 2, 'delta' = 3, 'histogram' = 4, " +
			"'delta_histogram' = 5, 'summary' = 6)"),
		bounds: native.NewArrays[float64]("Array(Float64)"),
		first:  native.NewNumbers[uint32]("SimpleAggregateFunction(min, DateTime('UTC'))"),
		last:   native.NewNumbers[uint32]("SimpleAggregateFunction(max, DateTime('UTC'))"),
		news:   map[string]bool{},
	}
	b.block = native.Block{
		{Name: "metric", Column: b.metric},
		{Name: "service", Column: b.service},
		{Name: "series_id", Column: b.id},
		{Name: "labels", Column: b.labels},
		{Name: "kind", Column: b.kind},
		{Name: "bounds", Column: b.bounds},
		{Name: "first", Column: b.first},
		{Name: "last", Column: b.last},
	}
	return b
}

// append adds a row for a series; fill tells the times.
func (b *seriesBlock) append(s *series, labels []points.Label, bounds []float64, second uint32) {
	b.metric.Append([]byte(s.metric))
	b.service.Append([]byte(s.service))
	b.id.Append(s.id)
	for _, l := range labels {
		b.labels.Append([]byte(l.Name), []byte(l.Value))
	}
	b.labels.Close()
	b.kind.Append(s.kind)
	b.bounds.Append(bounds...)
	b.note(s, second)
	s.announce = int32(len(b.covers))
	b.covers = append(b.covers, cover{s, second, second})
}

// note notes that readers may not know a series to be alive in a Unix second.
func (b *seriesBlock) note(s *series, second uint32) {
	if s.last == 0 || second < s.first || second > s.last+knownAlive {
		b.news[s.metric] = true
	}
}

func (b *seriesBlock) reset() {
	b.block.Reset()
	clear(b.covers)
	b.covers = b.covers[:0]
	clear(b.news)
}

// fill completes the rows and sorts them by primary key. A row covers the time up to its next refresh, so that every
// sample lies between first and last of a stored row; refreshes of different metrics are spread over the hour.
func (b *seriesBlock) fill() {
	b.first.Reset()
	b.last.Reset()
	for _, c := range b.covers {
		s := c.series
		phase := uint32((xxhash.Sum64String(s.metric) + s.id%refreshGroups*(refreshSeconds/refreshGroups)) % refreshSeconds)
		last := c.last + refreshSeconds - 1 - (c.last+phase)%refreshSeconds
		b.first.Append(c.first)
		b.last.Append(last)
		if s.last == 0 {
			s.first = c.first
		}
		s.first, s.last = min(s.first, c.first), max(s.last, last)
	}
	metrics, services := b.metric.Ranks(), b.service.Ranks()
	b.order = b.order[:0]
	for i := range b.covers {
		b.order = append(b.order, int32(i))
	}
	slices.SortFunc(b.order, func(x, y int32) int {
		return cmp.Or(
			cmp.Compare(metrics[b.metric.Indexes[x]], metrics[b.metric.Indexes[y]]),
			cmp.Compare(services[b.service.Indexes[x]], services[b.service.Indexes[y]]),
			cmp.Compare(b.id.Values[x], b.id.Values[y]),
			cmp.Compare(b.kind.Values[x], b.kind.Values[y]),
		)
	})
}
