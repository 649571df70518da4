package metrics

import (
	"cmp"
	"slices"

	"loadline/ingest/native"
	"loadline/ingest/points"
	"loadline/ingest/samples"
)

// histogramBlock is the block of the table histograms.
type histogramBlock struct {
	block            native.Block
	metric, service  *native.LowCardinality
	bucket           *native.Numbers[uint32]
	id               *native.Numbers[uint64]
	st, ts           *native.Numbers[int64]
	schema           *native.Numbers[int8]
	zeroThreshold    *native.Numbers[float64]
	zeroCount, count *native.Numbers[float64]
	sum, min, max    *native.Numbers[float64]
	stale            *native.Numbers[uint8]
	above, below     bucketColumns
	hint             *native.Numbers[int8]
	order            []int32
}

// bucketColumns are the sparse buckets on one side of zero.
type bucketColumns struct {
	index   *native.Arrays[int32]
	count   *native.Arrays[float64]
	indexes []int32   // of one row
	counts  []float64 // of one row
}

func newBucketColumns() bucketColumns {
	return bucketColumns{
		index: native.NewArrays[int32]("Array(Int32)"),
		count: native.NewArrays[float64]("Array(Float64)"),
	}
}

func (c *bucketColumns) append(buckets []points.Bucket) {
	c.indexes, c.counts = c.indexes[:0], c.counts[:0]
	for _, b := range buckets {
		c.indexes, c.counts = append(c.indexes, b.Index), append(c.counts, float64(b.Count))
	}
	c.index.Append(c.indexes...)
	c.count.Append(c.counts...)
}

func newHistogramBlock() *histogramBlock {
	b := &histogramBlock{
		metric:        native.NewLowCardinality(),
		service:       native.NewLowCardinality(),
		bucket:        native.NewNumbers[uint32]("DateTime('UTC')"),
		id:            native.NewNumbers[uint64]("UInt64"),
		st:            native.NewNumbers[int64]("Int64"),
		ts:            native.NewNumbers[int64]("DateTime64(3, 'UTC')"),
		schema:        native.NewNumbers[int8]("Int8"),
		zeroThreshold: native.NewNumbers[float64]("Float64"),
		zeroCount:     native.NewNumbers[float64]("Float64"),
		count:         native.NewNumbers[float64]("Float64"),
		sum:           native.NewNumbers[float64]("Float64"),
		min:           native.NewNumbers[float64]("Float64"),
		max:           native.NewNumbers[float64]("Float64"),
		stale:         native.NewNumbers[uint8]("Bool"),
		above:         newBucketColumns(),
		below:         newBucketColumns(),
		hint:          native.NewNumbers[int8]("Enum8('unknown' = 0, 'reset' = 1, 'not_reset' = 2, 'gauge' = 3)"),
	}
	b.block = native.Block{
		{Name: "metric", Column: b.metric},
		{Name: "service", Column: b.service},
		{Name: "bucket", Column: b.bucket},
		{Name: "series_id", Column: b.id},
		{Name: "st", Column: b.st},
		{Name: "ts", Column: b.ts},
		{Name: "schema", Column: b.schema},
		{Name: "zero_threshold", Column: b.zeroThreshold},
		{Name: "zero_count", Column: b.zeroCount},
		{Name: "count", Column: b.count},
		{Name: "sum", Column: b.sum},
		{Name: "min", Column: b.min},
		{Name: "max", Column: b.max},
		{Name: "stale", Column: b.stale},
		{Name: "pos_idx", Column: b.above.index},
		{Name: "pos_count", Column: b.above.count},
		{Name: "neg_idx", Column: b.below.index},
		{Name: "neg_count", Column: b.below.count},
		{Name: "hint", Column: b.hint},
	}
	return b
}

// add stores a histogram.
func (b *histogramBlock) add(s *series, p *points.Point, schema int8, st int64) {
	bucket, _ := samples.Split(p.Time)
	b.metric.Append([]byte(s.metric))
	b.service.Append([]byte(s.service))
	b.bucket.Append(bucket)
	b.id.Append(s.id)
	b.st.Append(st)
	b.ts.Append(int64(p.Time / 1e6))
	b.schema.Append(schema)
	b.zeroThreshold.Append(p.ZeroThreshold)
	b.zeroCount.Append(float64(p.ZeroCount))
	b.count.Append(float64(p.Count))
	b.sum.Append(p.Sum)
	b.min.Append(p.Min)
	b.max.Append(p.Max)
	var stale uint8
	if p.Stale() {
		stale = 1
	}
	b.stale.Append(stale)
	b.above.append(p.Above)
	b.below.append(p.Below)
	b.hint.Append(s.hint(p, schema, st))
}

// sort orders the rows by primary key (metric, service, bucket, series_id, st, ts).
func (b *histogramBlock) sort() {
	metrics, services := b.metric.Ranks(), b.service.Ranks()
	b.order = b.order[:0]
	for i := range b.id.Values {
		b.order = append(b.order, int32(i))
	}
	slices.SortFunc(b.order, func(x, y int32) int {
		return cmp.Or(
			cmp.Compare(metrics[b.metric.Indexes[x]], metrics[b.metric.Indexes[y]]),
			cmp.Compare(services[b.service.Indexes[x]], services[b.service.Indexes[y]]),
			cmp.Compare(b.bucket.Values[x], b.bucket.Values[y]),
			cmp.Compare(b.id.Values[x], b.id.Values[y]),
			cmp.Compare(b.st.Values[x], b.st.Values[y]),
			cmp.Compare(b.ts.Values[x], b.ts.Values[y]),
		)
	})
}
