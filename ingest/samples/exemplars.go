package samples

import (
	"cmp"
	"slices"

	"loadline/ingest/native"
	"loadline/ingest/wire"
)

// Exemplar is a row of the table exemplars.
type Exemplar struct {
	Metric, Service string
	ID              uint64 // of the series
	Time            int64  // Unix milliseconds
	Value           float64
	TraceID, SpanID []byte // empty when it has none
	Attributes      []wire.Attribute
}

// Exemplars is a block of the table exemplars. It belongs to one goroutine.
type Exemplars struct {
	block           native.Block
	metric, service *native.LowCardinality
	id              *native.Numbers[uint64]
	ts              *native.Numbers[int64]
	value           *native.Numbers[float64]
	traceID, spanID *native.Fixed
	attributes      *wire.AttributeColumns
	order           []int32
}

// NewExemplars returns an empty block.
func NewExemplars() *Exemplars {
	b := &Exemplars{
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

// Reset empties the block and keeps its memory.
func (b *Exemplars) Reset() {
	b.block.Reset()
	b.attributes.Reset()
}

// Add stores an exemplar.
func (b *Exemplars) Add(e *Exemplar) {
	b.metric.Append([]byte(e.Metric))
	b.service.Append([]byte(e.Service))
	b.id.Append(e.ID)
	b.ts.Append(e.Time)
	b.value.Append(e.Value)
	b.traceID.Append(e.TraceID)
	b.spanID.Append(e.SpanID)
	b.attributes.Append(e.Attributes)
}

// Sorted returns the block and the order of its rows by primary key (metric, service, series_id, ts, value), spans aside.
func (b *Exemplars) Sorted() (native.Block, []int32) {
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
	return b.block, b.order
}
