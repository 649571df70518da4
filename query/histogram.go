package query

import "time"

// A Histogram counts durations in buckets of a logarithmic scale: bucket i has those in (2^((i-1)/8), 2^(i/8)]
// nanoseconds. Index is ascending. It is the content of the latency column of the rollups.
type Histogram struct {
	Index []int16
	Count []float64
}

// Quantile returns the duration below which the share q of the requests lies, 0 when the histogram is empty. Within a
// bucket it interpolates on the logarithmic scale, so its relative error is below 4.5 % for the order statistic.
func (h Histogram) Quantile(q float64) time.Duration {
	return 0
}
