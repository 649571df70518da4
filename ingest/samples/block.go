package samples

import (
	"cmp"
	"slices"

	"loadline/ingest/native"
)

// Block merges rows with equal keys into one block of the table samples. It belongs to one goroutine.
type Block struct {
	block           native.Block
	metric, service *native.LowCardinality
	bucket          *native.Numbers[uint32]
	id              *native.Numbers[uint64]
	st, t1          *native.Numbers[int64]
	offsets         *native.Arrays[uint32]
	values          *native.Arrays[float64]

	rows    []row
	index   map[key]int32 // of rows
	samples []sample

	lastMetric, lastService string // and their dictionary numbers
	metricID, serviceID     uint32
}

// key identifies a row by dictionary numbers.
type key struct {
	metric, service uint32
	id              uint64
	st              int64
	bucket          uint32
}

type row struct {
	key
	count     int32
	last      uint32 // the largest offset
	unordered bool   // or an offset comes twice
}

type sample struct {
	row    int32
	offset uint32
	value  float64
}

// NewBlock returns an empty block with room for so many samples.
func NewBlock(room int) *Block {
	b := &Block{
		metric:  native.NewLowCardinality(),
		service: native.NewLowCardinality(),
		bucket:  native.NewNumbers[uint32]("DateTime('UTC')"),
		id:      native.NewNumbers[uint64]("UInt64"),
		st:      native.NewNumbers[int64]("Int64"),
		t1:      native.NewNumbers[int64]("SimpleAggregateFunction(max, DateTime64(3, 'UTC'))"),
		offsets: native.NewArrays[uint32]("SimpleAggregateFunction(groupArrayArray, Array(UInt32))"),
		values:  native.NewArrays[float64]("SimpleAggregateFunction(groupArrayArray, Array(Float64))"),
		index:   map[key]int32{},
		samples: make([]sample, 0, room),
	}
	b.block = native.Block{
		{Name: "metric", Column: b.metric},
		{Name: "service", Column: b.service},
		{Name: "bucket", Column: b.bucket},
		{Name: "series_id", Column: b.id},
		{Name: "st", Column: b.st},
		{Name: "t1", Column: b.t1},
		{Name: "off", Column: b.offsets},
		{Name: "value", Column: b.values},
	}
	return b
}

// Add takes over the samples of a row.
func (b *Block) Add(r *Row) {
	if len(r.Offsets) == 0 {
		return
	}
	if r.Metric != b.lastMetric || len(b.rows) == 0 {
		b.lastMetric, b.metricID = r.Metric, b.metric.Number([]byte(r.Metric))
	}
	if r.Service != b.lastService || len(b.rows) == 0 {
		b.lastService, b.serviceID = r.Service, b.service.Number([]byte(r.Service))
	}
	k := key{b.metricID, b.serviceID, r.ID, r.ST, r.Bucket}
	i, ok := b.index[k]
	if !ok {
		i = int32(len(b.rows))
		b.index[k] = i
		b.rows = append(b.rows, row{key: k})
	}
	merged := &b.rows[i]
	for j, offset := range r.Offsets {
		merged.unordered = merged.unordered || merged.count > 0 && offset <= merged.last
		merged.last = max(merged.last, offset)
		merged.count++
		b.samples = append(b.samples, sample{i, offset, r.Values[j]})
	}
}

// Fill returns the block, its rows in the order of the primary key and the samples of each in the order of time. Of
// samples of one series and moment the first stays. Nothing may be added afterwards.
func (b *Block) Fill() native.Block {
	// Counting sort of the samples by row keeps their order of arrival.
	next := make([]int32, len(b.rows))
	for i := 1; i < len(next); i++ {
		next[i] = next[i-1] + b.rows[i-1].count
	}
	sorted := make([]sample, len(b.samples))
	for _, s := range b.samples {
		sorted[next[s.row]] = s
		next[s.row]++
	}
	b.samples = nil
	var offsets []uint32
	var values []float64
	for _, i := range b.order() {
		r := &b.rows[i]
		own := sorted[next[i]-r.count : next[i]]
		if r.unordered {
			slices.SortStableFunc(own, func(x, y sample) int { return cmp.Compare(x.offset, y.offset) })
			own = slices.CompactFunc(own, func(x, y sample) bool { return x.offset == y.offset })
		}
		offsets, values = offsets[:0], values[:0]
		for _, s := range own {
			offsets, values = append(offsets, s.offset), append(values, s.value)
		}
		b.metric.AppendNumber(r.metric)
		b.service.AppendNumber(r.service)
		b.bucket.Append(r.bucket)
		b.id.Append(r.id)
		b.st.Append(r.st)
		b.t1.Append(int64(r.bucket)*1000 + int64(r.last))
		b.offsets.Append(offsets...)
		b.values.Append(values...)
	}
	return b.block
}

// order is the rows' order by primary key (metric, service, bucket, series_id, st).
func (b *Block) order() []int32 {
	type sortKey struct {
		family uint64 // ranks of metric and service
		bucket uint32
		row    int32
		id     uint64
		st     int64
	}
	metrics, services := b.metric.Ranks(), b.service.Ranks()
	keys := make([]sortKey, len(b.rows))
	for i := range b.rows {
		r := &b.rows[i]
		keys[i] = sortKey{uint64(metrics[r.metric])<<32 | uint64(services[r.service]), r.bucket, int32(i), r.id, r.st}
	}
	slices.SortFunc(keys, func(x, y sortKey) int {
		switch {
		case x.family != y.family:
			return cmp.Compare(x.family, y.family)
		case x.bucket != y.bucket:
			return cmp.Compare(x.bucket, y.bucket)
		case x.id != y.id:
			return cmp.Compare(x.id, y.id)
		}
		return cmp.Compare(x.st, y.st)
	})
	order := make([]int32, len(keys))
	for i, k := range keys {
		order[i] = k.row
	}
	return order
}
