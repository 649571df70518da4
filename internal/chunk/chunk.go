// Package chunk packs the float samples of one series in one two-hour bucket into a row of the table chunks, and
// unpacks them.
//
// Times are differences of differences: a scrape interval that does not jitter takes no bytes. Values that are decimals
// of up to fifteen places, which most counters and gauges are, become integers whose differences are small; all others
// are XORed with their predecessor. The differences of a chunk have one width and lie in byte planes, all lowest bytes
// first. That leaves the variable-length part to ZSTD, which sees long runs of alike bytes, and decoding is a loop
// without branches: one to two nanoseconds a sample, where a bit-packed format takes five to ten.
package chunk

import (
	"errors"
	"fmt"
	"slices"
)

// Chunk is the float samples of one series in one bucket, packed. The fields are columns of the table chunks.
type Chunk struct {
	// N is the number of samples.
	N uint32
	// T0 is the time of the first sample and DT the time from the first to the second, both in ms; T0 counts from the
	// start of the bucket, and DT is 0 if there is no second sample.
	T0, DT uint32
	// T holds for each sample from the third on by how much its distance to the one before differs from the distance
	// before, as zigzag integers.
	T string
	// Scale is the number of decimal places of the values, or Raw.
	Scale int8
	// V0 is the first value times 10^Scale. V holds the differences to the value before, times 10^Scale, as zigzag
	// integers. With Raw V0 is the bits of the first value, and V is what each value's bits XORed with those of the
	// value before give.
	V0 int64
	V  string
}

// Raw is the Scale of a chunk whose values are stored as their bits.
const Raw = -1

const (
	// maxScale is the largest number of decimal places.
	maxScale = 15
	// maxSamples is one sample a millisecond.
	maxSamples = 7_200_000
	// maxOffset is the last millisecond of a bucket.
	maxOffset = maxSamples - 1
)

// pow10 holds the powers of ten that may scale a value. All are exact, so that dividing a mantissa by one rounds once,
// to the float that is nearest to the decimal.
var pow10 = [maxScale + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

var (
	errSamples = errors.New("number of samples is out of range")
	errScale   = errors.New("scale is out of range")
	errTimes   = errors.New("length of the times fits no width")
	errOrder   = errors.New("times descend or leave the bucket")
	errValues  = errors.New("length of the values fits no width")
)

// Decode appends the samples to t (base + offset, Unix ms) and v, in order of time. base is the start of the bucket.
// Corrupt chunks give an error and the slices as they were; what they make Decode allocate is bounded by 16 bytes times
// N, and N by one sample a millisecond.
func (c *Chunk) Decode(base int64, t []int64, v []float64) ([]int64, []float64, error) {
	if err := c.check(); err != nil {
		return t, v, fmt.Errorf("chunk of %d samples: %w", c.N, err)
	}
	n := int(c.N)
	t, v = slices.Grow(t, n), slices.Grow(v, n)
	if !c.times(base, t[len(t):len(t)+n]) {
		return t, v, fmt.Errorf("chunk of %d samples: %w", c.N, errOrder)
	}
	c.values(v[len(v) : len(v)+n])
	return t[:len(t)+n], v[:len(v)+n], nil
}

// check says whether the lengths fit together, so that the loops need not look.
func (c *Chunk) check() error {
	switch n := int(c.N); {
	case n < 1 || n > maxSamples:
		return errSamples
	case c.Scale < Raw || c.Scale > maxScale:
		return errScale
	case !fits(len(c.T), n-2):
		return errTimes
	case !fits(len(c.V), n-1):
		return errValues
	}
	return nil
}

// fits reports whether size bytes are n integers of a valid width.
func fits(size, n int) bool {
	if n <= 0 {
		return size == 0
	}
	return size == 0 || size == n || size == 2*n || size == 4*n || size == 8*n
}
