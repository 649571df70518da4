package samples

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"loadline/internal/chunk"
	"loadline/query/promql/series"
)

// Piece is some samples of a series in one bucket, packed. It is not changed once read.
type Piece struct {
	Base int64 // the start of the bucket, in Unix milliseconds
	ST   int64 // the start timestamp of all its samples, in Unix milliseconds, or 0
	chunk.Chunk
}

// arrays is the scale of a piece that is not packed: T has offsets of 4 bytes and V values of 8, both little-endian.
const arrays = math.MinInt8

// decode appends the samples to t and v.
func (p *Piece) decode(t []int64, v []float64) ([]int64, []float64, error) {
	if p.Scale != arrays {
		return p.Decode(p.Base, t, v)
	}
	n := int(p.N)
	t, v = slices.Grow(t, n), slices.Grow(v, n)
	for i := range n {
		t = append(t, p.Base+int64(binary.LittleEndian.Uint32([]byte(p.T[4*i:4*i+4]))))
		v = append(v, math.Float64frombits(binary.LittleEndian.Uint64([]byte(p.V[8*i:8*i+8]))))
	}
	return t, v, nil
}

// pack replaces arrays by chunks: they stay in memory.
func pack(pieces []Piece) ([]Piece, error) {
	var out []Piece
	for _, p := range pieces {
		if p.Scale != arrays {
			out = append(out, p)
			continue
		}
		var c series.Column
		if err := Fill(&c, []*Piece{&p}, math.MinInt64, math.MaxInt64); err != nil {
			return nil, err
		}
		offsets := make([]uint32, len(c.T))
		for i, t := range c.T {
			offsets[i] = uint32(t - p.Base)
		}
		for _, packed := range chunk.Append(nil, offsets, c.V) {
			out = append(out, Piece{p.Base, p.ST, packed})
		}
	}
	return out, nil
}

// Fill makes c the samples of pieces in [mint, maxt], in the order of time, one for each time.
func Fill(c *series.Column, pieces []*Piece, mint, maxt int64) error {
	c.Reset()
	starts := slices.ContainsFunc(pieces, func(p *Piece) bool { return p.ST != 0 })
	for _, p := range pieces {
		var err error
		if c.T, c.V, err = p.decode(c.T, c.V); err != nil {
			return fmt.Errorf("decode samples: %w", err)
		}
		if starts {
			for len(c.ST) < len(c.T) {
				c.ST = append(c.ST, p.ST)
			}
		}
	}
	if !ascends(c.T) {
		order(c)
	}
	Trim(c, mint, maxt)
	return nil
}

// Trim removes the samples outside [mint, maxt].
func Trim(c *series.Column, mint, maxt int64) {
	from, _ := slices.BinarySearch(c.T, mint)
	to := len(c.T)
	if maxt < math.MaxInt64 {
		to, _ = slices.BinarySearch(c.T, maxt+1)
	}
	to = max(to, from)
	if from > 0 {
		copy(c.T, c.T[from:to])
		copy(c.V, c.V[from:to])
		if len(c.ST) > 0 {
			copy(c.ST, c.ST[from:to])
		}
	}
	c.T, c.V = c.T[:to-from], c.V[:to-from]
	if len(c.ST) > 0 {
		c.ST = c.ST[:to-from]
	}
}

// ascends reports whether each time is later than the one before.
func ascends(t []int64) bool {
	for i := 1; i < len(t); i++ {
		if t[i] <= t[i-1] {
			return false
		}
	}
	return true
}

// order sorts a column by time and keeps the first sample of each time.
func order(c *series.Column) {
	type sample struct {
		t, st int64
		v     float64
	}
	all := make([]sample, len(c.T))
	for i := range all {
		all[i] = sample{c.T[i], c.Start(i), c.V[i]}
	}
	slices.SortStableFunc(all, func(a, b sample) int { return cmp.Compare(a.t, b.t) })
	all = slices.CompactFunc(all, func(a, b sample) bool { return a.t == b.t })
	starts := len(c.ST) > 0
	c.Reset()
	for _, s := range all {
		c.T, c.V = append(c.T, s.t), append(c.V, s.v)
		if starts {
			c.ST = append(c.ST, s.st)
		}
	}
}

// Merge adds the samples of another column to c. Where both have a sample of one time, that of c stays.
func Merge(c, other *series.Column) {
	if len(other.T) == 0 {
		return
	}
	if len(c.ST) == 0 && len(other.ST) > 0 {
		c.ST = append(c.ST, make([]int64, len(c.T))...)
	}
	starts := len(c.ST) > 0 || len(other.ST) > 0
	inOrder := len(c.T) == 0 || c.T[len(c.T)-1] < other.T[0]
	c.T, c.V = append(c.T, other.T...), append(c.V, other.V...)
	for i := 0; starts && i < len(other.T); i++ {
		c.ST = append(c.ST, other.Start(i))
	}
	if !inOrder {
		order(c)
	}
}

// Accumulate makes a counter of differences: each value becomes the sum of all up to it. What is not a number stays and
// adds nothing. The counter has no start timestamps, since it starts with the first sample.
func Accumulate(c *series.Column) {
	sum := 0.0
	for i, v := range c.V {
		if !math.IsNaN(v) {
			sum += v
			c.V[i] = sum
		}
	}
	c.ST = c.ST[:0]
}

// Add adds samples with one start timestamp, in the order of time. Where c has a sample of the same time, that stays.
func Add(c *series.Column, t []int64, v []float64, st int64) {
	if st == 0 {
		Merge(c, &series.Column{T: t, V: v})
		return
	}
	starts := make([]int64, len(t))
	for i := range starts {
		starts[i] = st
	}
	Merge(c, &series.Column{T: t, V: v, ST: starts})
}
