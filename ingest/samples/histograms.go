package samples

import (
	"cmp"
	"slices"

	"loadline/ingest/native"
)

// Histogram is a row of the table histograms.
type Histogram struct {
	Metric, Service  string
	ID               uint64
	ST, Time         int64 // Unix milliseconds
	Schema           int8
	ZeroThreshold    float64
	ZeroCount, Count float64
	Sum, Min, Max    float64
	Stale            bool
	Above, Below     []Bucket
	Hint             Hint
}

// Bucket is an entry of a sparse histogram.
type Bucket struct {
	Index int32
	Count float64
}

// Hint says how a histogram stands to the one before it in its series, as in the table histograms.
type Hint int8

// The hints. NotReset spares readers a look at the buckets; Reset is what senders say, and is not stored.
const (
	UnknownReset Hint = iota
	Reset
	NotReset
	GaugeHint
)

// Histograms is a block of the table histograms. It belongs to one goroutine.
type Histograms struct {
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

func (c *bucketColumns) append(buckets []Bucket) {
	c.indexes, c.counts = c.indexes[:0], c.counts[:0]
	for _, b := range buckets {
		c.indexes, c.counts = append(c.indexes, b.Index), append(c.counts, b.Count)
	}
	c.index.Append(c.indexes...)
	c.count.Append(c.counts...)
}

// NewHistograms returns an empty block.
func NewHistograms() *Histograms {
	b := &Histograms{
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

// Reset empties the block and keeps its memory.
func (b *Histograms) Reset() { b.block.Reset() }

// Add stores a histogram.
func (b *Histograms) Add(h *Histogram) {
	bucket, _ := Split(uint64(h.Time) * 1_000_000)
	b.metric.Append([]byte(h.Metric))
	b.service.Append([]byte(h.Service))
	b.bucket.Append(bucket)
	b.id.Append(h.ID)
	b.st.Append(h.ST)
	b.ts.Append(h.Time)
	b.schema.Append(h.Schema)
	b.zeroThreshold.Append(h.ZeroThreshold)
	b.zeroCount.Append(h.ZeroCount)
	b.count.Append(h.Count)
	b.sum.Append(h.Sum)
	b.min.Append(h.Min)
	b.max.Append(h.Max)
	b.stale.Append(native.Bool(h.Stale))
	b.above.append(h.Above)
	b.below.append(h.Below)
	b.hint.Append(int8(h.Hint))
}

// Sorted returns the block and the order of its rows by primary key (metric, service, bucket, series_id, st, ts).
func (b *Histograms) Sorted() (native.Block, []int32) {
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
	return b.block, b.order
}
