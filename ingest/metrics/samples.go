package metrics

import (
	"cmp"
	"slices"

	"loadline/ingest/samples"
)

// maxChain bounds the search for an open row of a series. Only delta series have more rows than one or two in a batch,
// and of them each sample has a row of its own anyway.
const maxChain = 4

// sampleRow is the samples of one series, one bucket and one start timestamp.
type sampleRow struct {
	series   *series
	bucket   uint32
	st       int64
	next     int32 // another row of the series, or -1
	count    int32
	last     uint32 // the largest offset
	unsorted bool
}

type sample struct {
	row    int32
	offset uint32 // milliseconds since the row's bucket
	value  float64
}

// sampleRows are the float samples of a batch by series.
type sampleRows struct {
	rows    []sampleRow
	samples []sample

	// of the last collect
	sorted  []sample
	offsets []uint32
	values  []float64
	out     []samples.Row
}

func (b *sampleRows) reset() {
	clear(b.rows)
	clear(b.out)
	b.rows, b.samples, b.out = b.rows[:0], b.samples[:0], b.out[:0]
}

// add collects a sample of a series.
func (b *sampleRows) add(s *series, ns uint64, st int64, value float64) {
	bucket, offset := samples.Split(ns)
	i := b.find(s, bucket, st)
	row := &b.rows[i]
	row.count++
	row.unsorted = row.unsorted || offset < row.last
	row.last = max(row.last, offset)
	b.samples = append(b.samples, sample{i, offset, value})
}

func (b *sampleRows) find(s *series, bucket uint32, st int64) int32 {
	for i, n := s.row, 0; i >= 0 && n < maxChain; i, n = b.rows[i].next, n+1 {
		if b.rows[i].bucket == bucket && b.rows[i].st == st {
			return i
		}
	}
	b.rows = append(b.rows, sampleRow{series: s, bucket: bucket, st: st, next: s.row})
	s.row = int32(len(b.rows) - 1)
	return s.row
}

// collect returns the rows in their order of arrival, which the same requests always give, with the samples of each in
// the order of time.
func (b *sampleRows) collect() []samples.Row {
	// Counting sort of the samples by row keeps their order of arrival.
	next := make([]int32, len(b.rows))
	for i := 1; i < len(next); i++ {
		next[i] = next[i-1] + b.rows[i-1].count
	}
	b.sorted = slices.Grow(b.sorted[:0], len(b.samples))[:len(b.samples)]
	for _, s := range b.samples {
		b.sorted[next[s.row]] = s
		next[s.row]++
	}
	b.offsets = slices.Grow(b.offsets[:0], len(b.samples))
	b.values = slices.Grow(b.values[:0], len(b.samples))
	b.out = b.out[:0]
	for i := range b.rows {
		row := &b.rows[i]
		own := b.sorted[next[i]-row.count : next[i]]
		if row.unsorted {
			slices.SortStableFunc(own, func(x, y sample) int { return cmp.Compare(x.offset, y.offset) })
		}
		from := len(b.offsets)
		for _, s := range own {
			b.offsets, b.values = append(b.offsets, s.offset), append(b.values, s.value)
		}
		b.out = append(b.out, samples.Row{
			Metric: row.series.metric, Service: row.series.service, Bucket: row.bucket, ID: row.series.id, ST: row.st,
			Offsets: b.offsets[from:], Values: b.values[from:],
		})
	}
	return b.out
}
