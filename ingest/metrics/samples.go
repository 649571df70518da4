package metrics

import (
	"cmp"
	"slices"

	"loadline/ingest/native"
)

// bucketSeconds is the stretch of time of a row of samples, bucket its name in the tables.
const bucketSeconds = 7200

// maxChain bounds the search for an open row of a series. Only delta series have more rows than one or two in a batch,
// and of them each sample has a row of its own anyway.
const maxChain = 4

// sampleRow is a row of the table samples: one series, one bucket and one start timestamp.
type sampleRow struct {
	series          *series
	metric, service uint32 // dictionary numbers
	bucket          uint32
	st              int64
	next            int32 // another row of the series, or -1
	count           int32
	last            uint32 // the largest offset
	unsorted        bool
}

type sample struct {
	row    int32
	offset uint32 // milliseconds since the row's bucket
	value  float64
}

// sampleBlock is the block of the table samples.
type sampleBlock struct {
	rows    []sampleRow
	samples []sample

	block           native.Block
	metric, service *native.LowCardinality
	bucket          *native.Numbers[uint32]
	id              *native.Numbers[uint64]
	st, t1          *native.Numbers[int64]
	offsets         *native.Arrays[uint32]
	values          *native.Arrays[float64]
}

func newSampleBlock() *sampleBlock {
	b := &sampleBlock{
		metric:  native.NewLowCardinality(),
		service: native.NewLowCardinality(),
		bucket:  native.NewNumbers[uint32]("DateTime('UTC')"),
		id:      native.NewNumbers[uint64]("UInt64"),
		st:      native.NewNumbers[int64]("Int64"),
		t1:      native.NewNumbers[int64]("SimpleAggregateFunction(max, DateTime64(3, 'UTC'))"),
		offsets: native.NewArrays[uint32]("SimpleAggregateFunction(groupArrayArray, Array(UInt32))"),
		values:  native.NewArrays[float64]("SimpleAggregateFunction(groupArrayArray, Array(Float64))"),
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

func (b *sampleBlock) reset() {
	clear(b.rows)
	b.rows, b.samples = b.rows[:0], b.samples[:0]
	b.block.Reset()
}

// split is the bucket of a Unix time in nanoseconds and the milliseconds since the bucket's start.
func split(ns uint64) (bucket, offset uint32) {
	second := uint32(ns / 1e9)
	bucket = second - second%bucketSeconds
	return bucket, uint32(ns/1e6 - uint64(bucket)*1000)
}

// add collects a sample of a series.
func (b *sampleBlock) add(s *series, ns uint64, st int64, value float64) {
	bucket, offset := split(ns)
	i := b.find(s, bucket, st)
	row := &b.rows[i]
	row.count++
	row.unsorted = row.unsorted || offset < row.last
	row.last = max(row.last, offset)
	b.samples = append(b.samples, sample{i, offset, value})
}

func (b *sampleBlock) find(s *series, bucket uint32, st int64) int32 {
	for i, n := s.row, 0; i >= 0 && n < maxChain; i, n = b.rows[i].next, n+1 {
		if b.rows[i].bucket == bucket && b.rows[i].st == st {
			return i
		}
	}
	row := sampleRow{series: s, bucket: bucket, st: st, next: s.row}
	if s.row >= 0 {
		row.metric, row.service = b.rows[s.row].metric, b.rows[s.row].service
	} else {
		row.metric, row.service = b.metric.Number([]byte(s.metric)), b.service.Number([]byte(s.service))
	}
	s.row = int32(len(b.rows))
	b.rows = append(b.rows, row)
	return s.row
}

// fill writes the rows in the order of the primary key (metric, service, bucket, series_id, st), the samples of each in
// the order of time.
func (b *sampleBlock) fill() {
	b.resetValues()
	// Counting sort of the samples by row keeps their order of arrival.
	starts := make([]int32, len(b.rows)+1)
	for i := range b.rows {
		starts[i+1] = starts[i] + b.rows[i].count
	}
	sorted := make([]sample, len(b.samples))
	next := slices.Clone(starts)
	for _, s := range b.samples {
		sorted[next[s.row]] = s
		next[s.row]++
	}
	var offsets []uint32
	var values []float64
	for _, i := range b.order() {
		row := &b.rows[i]
		samples := sorted[starts[i]:starts[i+1]]
		if row.unsorted {
			slices.SortStableFunc(samples, func(x, y sample) int { return cmp.Compare(x.offset, y.offset) })
		}
		offsets, values = offsets[:0], values[:0]
		for _, s := range samples {
			offsets, values = append(offsets, s.offset), append(values, s.value)
		}
		b.metric.AppendNumber(row.metric)
		b.service.AppendNumber(row.service)
		b.bucket.Append(row.bucket)
		b.id.Append(row.series.id)
		b.st.Append(row.st)
		b.t1.Append(int64(row.bucket)*1000 + int64(row.last))
		b.offsets.Append(offsets...)
		b.values.Append(values...)
	}
}

// resetValues empties the columns but keeps the dictionaries, whose numbers the rows have.
func (b *sampleBlock) resetValues() {
	b.metric.Indexes, b.service.Indexes = b.metric.Indexes[:0], b.service.Indexes[:0]
	for _, f := range b.block[2:] {
		f.Reset()
	}
}

func (b *sampleBlock) order() []int32 {
	type key struct {
		family uint64 // ranks of metric and service
		bucket uint32
		row    int32
		id     uint64
		st     int64
	}
	metrics, services := b.metric.Ranks(), b.service.Ranks()
	keys := make([]key, len(b.rows))
	for i := range b.rows {
		r := &b.rows[i]
		family := uint64(metrics[r.metric])<<32 | uint64(services[r.service])
		keys[i] = key{family, r.bucket, int32(i), r.series.id, r.st}
	}
	slices.SortFunc(keys, func(x, y key) int {
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
