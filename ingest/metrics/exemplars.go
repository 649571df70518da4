package metrics

import (
	"cmp"
	"errors"
	"slices"

	"loadline/ingest/native"
	"loadline/ingest/points"
	"loadline/ingest/wire"
)

// exemplarBlock is the block of the table exemplars.
type exemplarBlock struct {
	block           native.Block
	metric, service *native.LowCardinality
	id              *native.Numbers[uint64]
	ts              *native.Numbers[int64]
	value           *native.Numbers[float64]
	traceID, spanID *native.Fixed
	attributes      *wire.AttributeColumns
	decoded         []wire.Attribute
	order           []int32
}

func newExemplarBlock() *exemplarBlock {
	b := &exemplarBlock{
		metric:     native.NewLowCardinality(),
		service:    native.NewLowCardinality(),
		id:         native.NewNumbers[uint64]("UInt64"),
		ts:         native.NewNumbers[int64]("DateTime64(3, 'UTC')"),
		value:      native.NewNumbers[float64]("Float64"),
		traceID:    native.NewFixed(16),
		spanID:     native.NewFixed(8),
		attributes: wire.NewAttributeColumns(),
	}
	b.block = native.Block{
		{Name: "metric", Column: b.metric},
		{Name: "service", Column: b.service},
		{Name: "series_id", Column: b.id},
		{Name: "ts", Column: b.ts},
		{Name: "value", Column: b.value},
		{Name: "trace_id", Column: b.traceID},
		{Name: "span_id", Column: b.spanID},
		{Name: "attributes", Column: b.attributes.Map},
	}
	return b
}

func (b *exemplarBlock) reset() {
	b.block.Reset()
	b.attributes.Reset()
}

// add stores the exemplars of a point. One without a time has the point's; one without a value or from outside the
// window tells nothing and is left out.
func (b *exemplarBlock) add(s *series, p *points.Point, window wire.Window) error {
	for _, message := range p.Exemplars {
		var e points.Exemplar
		if err := e.Decode(message); err != nil {
			return err
		}
		if e.Time == 0 {
			e.Time = p.Time
		}
		if !e.HasValue || window.Check(e.Time) != wire.Accepted {
			continue
		}
		var err error
		b.decoded, err = wire.Attributes(b.decoded[:0], message, 7)
		if err != nil && !errors.Is(err, wire.ErrTooDeep) {
			return err
		}
		b.metric.Append([]byte(s.metric))
		b.service.Append([]byte(s.service))
		b.id.Append(s.id)
		b.ts.Append(int64(e.Time / 1e6))
		b.value.Append(e.Value)
		b.traceID.Append(wire.ValidID(e.TraceID, 16))
		b.spanID.Append(wire.ValidID(e.SpanID, 8))
		b.attributes.Append(b.decoded)
	}
	return nil
}

// sort orders the rows by primary key (metric, service, series_id, ts, value), spans aside.
func (b *exemplarBlock) sort() {
	metrics, services := b.metric.Ranks(), b.service.Ranks()
	b.order = b.order[:0]
	for i := range b.id.Values {
		b.order = append(b.order, int32(i))
	}
	slices.SortStableFunc(b.order, func(x, y int32) int {
		return cmp.Or(
			cmp.Compare(metrics[b.metric.Indexes[x]], metrics[b.metric.Indexes[y]]),
			cmp.Compare(services[b.service.Indexes[x]], services[b.service.Indexes[y]]),
			cmp.Compare(b.id.Values[x], b.id.Values[y]),
			cmp.Compare(b.ts.Values[x], b.ts.Values[y]),
			cmp.Compare(b.value.Values[x], b.value.Values[y]),
		)
	})
}
