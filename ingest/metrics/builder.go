package metrics

import (
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"loadline/ingest/native"
	"loadline/ingest/points"
	"loadline/ingest/samples"
	"loadline/ingest/wire"
)

// TableBlock is a block for a table, to be encoded with its rows in the given order.
type TableBlock struct {
	Table string
	Block native.Block
	Order []int32
}

// Builder collects the data points of a batch. It remembers between batches which series and descriptions are stored
// already, and so counts on every batch being stored. It belongs to one goroutine.
type Builder struct {
	resources  *wire.Resources
	scopes     wire.Scopes
	cache      *seriesCache
	labeler    *points.Labeler
	digest     *xxhash.Digest
	families   *families
	series     *seriesBlock
	samples    sampleRows
	histograms *samples.Histograms
	exemplars  *samples.Exemplars
	rows       int
	addPoint   func([]byte) error // the method of that name

	// of the request, resource, scope and metric that are being read
	window    wire.Window
	at        int64 // in Unix seconds
	resource  *wire.Resource
	scope     []byte
	scopeText string
	metric    points.Metric
	kind      int8
	family    *family
	stream    uint64 // hash of resource, scope and metric

	point      points.Point
	histogram  samples.Histogram
	attributes []wire.Attribute
}

// NewBuilder returns an empty builder that notes the resources it sees in resources.
func NewBuilder(resources *wire.Resources) *Builder {
	b := &Builder{
		resources:  resources,
		scopes:     wire.Scopes{},
		cache:      newSeriesCache(),
		labeler:    points.NewLabeler(),
		digest:     xxhash.New(),
		families:   newFamilies(),
		series:     newSeriesBlock(),
		histograms: samples.NewHistograms(),
		exemplars:  samples.NewExemplars(),
	}
	b.addPoint = b.readPoint
	return b
}

// Reset empties the builder for the next batch and keeps its memory.
func (b *Builder) Reset() {
	b.cache.next()
	b.families.block.Reset()
	b.series.reset()
	b.samples.reset()
	b.histograms.Reset()
	b.exemplars.Reset()
	b.rows = 0
}

// Rows is the number of data points collected.
func (b *Builder) Rows() int { return b.rows }

// Add reads a request that Check accepted, skips what Check rejected and collects the rest. The request was received at
// the given time.
func (b *Builder) Add(body []byte, at time.Time, window wire.Window) error {
	b.window, b.at = window, at.Unix()
	return wire.Walk(body, wire.Visitor{
		Resource: func(resource, schemaURL []byte) (err error) {
			b.resource, err = b.resources.Decode(resource, schemaURL)
			if errors.Is(err, wire.ErrTooDeep) {
				return nil
			}
			return err
		},
		Scope: func(scope, _ []byte) (err error) {
			b.scope = scope
			b.scopeText, err = b.scopes.Text(scope)
			return err
		},
		Item: b.addMetric,
	})
}

func (b *Builder) addMetric(item []byte) error {
	m := &b.metric
	if err := m.Decode(item); err != nil {
		return err
	}
	if b.resource == nil || m.Check() != wire.Accepted {
		return nil
	}
	b.kind = m.Kind()
	b.family = b.families.find(m, b.scopeText)
	b.stream = points.Mix(b.family.key, b.resource.ID)
	return wire.EachMessage(m.Data, 1, b.addPoint)
}

// readPoint reads one data point of b.metric and collects it, unless it cannot be stored.
func (b *Builder) readPoint(message []byte) error {
	p, shape := &b.point, b.metric.Shape
	b.digest.ResetWithSeed(b.stream)
	if err := p.Decode(shape, message, b.digest); err != nil {
		return err
	}
	if reason, err := p.Check(shape, b.window); err != nil || reason != wire.Accepted {
		return err
	}
	var err error
	if shape == points.Summary {
		err = b.addSummary(p)
	} else {
		err = b.addSingle(p)
	}
	if errors.Is(err, wire.ErrTooDeep) {
		return nil
	}
	if err != nil {
		return err
	}
	b.rows++
	b.resource.Observe(wire.Slice(p.Time))
	b.families.observe(b.family, &b.metric, b.scopeText, b.at)
	return nil
}

// addSingle collects a point that belongs to one series.
func (b *Builder) addSingle(p *points.Point) error {
	encoding := b.digest.Sum64()
	latest := points.Mix(encoding, math.MaxUint64)
	if b.metric.Shape == points.Histogram {
		// A stale histogram comes without bounds, though they are part of the series that it ends.
		if s := b.cache.encodings[latest]; s != nil && p.Stale() {
			b.addHistogram(s, p, points.CustomSchema, b.startTime(p))
			return nil
		}
		encoding = points.Mix(encoding, p.BoundsHash)
	}
	s, err := b.find(encoding, p, "", nil)
	if err != nil {
		return err
	}
	switch b.metric.Shape {
	case points.Number:
		b.samples.add(s, p.Time, b.startTime(p), p.Value)
	case points.Histogram:
		if !p.Stale() && b.cache.encodings[latest] != s {
			b.cache.encodings[latest], s.run = s, nil // between its points may be some with other bounds
		}
		b.addHistogram(s, p, points.CustomSchema, b.startTime(p))
	case points.Exponential:
		b.addHistogram(s, p, int8(p.Scale), b.startTime(p))
	}
	return b.addExemplars(s, p)
}

// addSummary collects a summary as Prometheus has it: a series for each quantile, the sum and the count.
func (b *Builder) addSummary(p *points.Point) error {
	encoding, st := b.digest.Sum64(), b.startTime(p)
	count, sum := float64(p.Count), p.Sum
	if p.Stale() {
		count = points.StaleNaN()
	} else if math.IsNaN(sum) {
		sum = 0 // proto3 leaves out a sum of zero, which a summary always has
	}
	s, err := b.find(points.Mix(encoding, 1), p, "_count", nil)
	if err != nil {
		return err
	}
	b.samples.add(s, p.Time, st, count)
	if s, err = b.find(points.Mix(encoding, 2), p, "_sum", nil); err != nil {
		return err
	}
	b.samples.add(s, p.Time, st, sum)
	for _, message := range p.Quantiles {
		q, value, err := points.Quantile(message)
		if err != nil {
			return err
		}
		if p.Stale() {
			value = points.StaleNaN()
		}
		if s, err = b.find(points.Mix(points.Mix(encoding, 3), math.Float64bits(q)), p, "", &q); err != nil {
			return err
		}
		b.samples.add(s, p.Time, st, value)
	}
	return nil
}

// startTime is when the point's series began to count, in Unix milliseconds, or 0 when it does not count or the sender
// does not know.
func (b *Builder) startTime(p *points.Point) int64 {
	if b.kind == points.KindGauge || p.Start > p.Time {
		return 0
	}
	return int64(p.Start / 1e6)
}

// find returns the series of a point and sees to it that a row of the table series covers the point's time. The
// encoding is a hash of everything that identifies the series.
func (b *Builder) find(encoding uint64, p *points.Point, suffix string, quantile *float64) (*series, error) {
	s := b.cache.encodings[encoding]
	labeled := s == nil
	if labeled {
		if err := b.label(p, quantile); err != nil {
			return nil, err
		}
		id := b.labeler.ID(b.kind, p.Bounds)
		s = b.cache.identify(encoding, b.family.name+suffix, b.resource.Job, id, b.kind)
	}
	second := uint32(p.Time / 1e9)
	if b.covered(s, second) {
		return s, nil
	}
	if !labeled {
		if err := b.label(p, quantile); err != nil {
			return nil, err
		}
	}
	b.series.append(s, b.labeler.Labels, p.Bounds, second)
	return s, nil
}

// covered reports whether a row of the table series covers a sample of s in the given Unix second, or will do so.
func (b *Builder) covered(s *series, second uint32) bool {
	if s.batch != b.cache.batch {
		s.batch, s.row, s.announce = b.cache.batch, -1, -1
	}
	if s.announce < 0 {
		return s.last > 0 && s.first <= second && second <= s.last
	}
	b.series.note(s, second)
	c := &b.series.covers[s.announce]
	c.first, c.last = min(c.first, second), max(c.last, second)
	return true
}

func (b *Builder) label(p *points.Point, quantile *float64) error {
	if err := b.labeler.Build(p.Attributes, b.resource, b.scope); err != nil {
		return err
	}
	if quantile != nil {
		b.labeler.SetQuantile(*quantile)
	}
	return nil
}

// Samples returns the float samples of the batch by series, in an order that the same requests always give. They are
// valid until Reset.
func (b *Builder) Samples() []samples.Row { return b.samples.collect() }

// Announced returns the metrics of which readers may remember series wrongly once the block of the table series is stored:
// those with new series, and with series that come back. A row that only goes on is no news.
func (b *Builder) Announced() []string { return slices.Collect(maps.Keys(b.series.news)) }

// Blocks returns the blocks of the batch that have rows, sorted by their tables' primary keys. They are valid until
// Reset. The series come first, so that no sample is without its labels. Float samples are not among them: see Samples.
func (b *Builder) Blocks() []TableBlock {
	b.series.fill()
	histograms, byTime := b.histograms.Sorted()
	exemplars, bySeries := b.exemplars.Sorted()
	b.families.sort()
	all := []TableBlock{
		{"series", b.series.block, b.series.order},
		{"metadata", b.families.block, b.families.order},
		{"histograms", histograms, byTime},
		{"exemplars", exemplars, bySeries},
	}
	filled := all[:0]
	for _, t := range all {
		if t.Block.Rows() > 0 {
			filled = append(filled, t)
		}
	}
	return filled
}
