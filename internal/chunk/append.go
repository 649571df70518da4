package chunk

import (
	"math"
	"math/bits"
	"unsafe"
)

// Append packs samples into one or more chunks and appends them to dst. The offsets are ms since the start of the bucket
// and ascend; values come back bit by bit. Samples of decimals and of other values, such as stale markers, are put into
// different chunks, unless that would make many of them: see split.
func Append(dst []Chunk, offsets []uint32, values []float64) []Chunk {
	if len(values) == 0 {
		return dst
	}
	var few [4]piece
	entries := make([]uint64, len(values))
	start := 0
	for _, p := range split(few[:0], values) {
		dst = append(dst, pack(offsets[start:p.end], values[start:p.end], p.scale, entries))
		start = p.end
	}
	return dst
}

// pack makes one chunk. The values are decimals of the scale, or scale is Raw.
func pack(offsets []uint32, values []float64, scale int8, entries []uint64) Chunk {
	c := Chunk{N: uint32(len(offsets)), T0: offsets[0], Scale: scale}
	if len(offsets) > 1 {
		c.DT = offsets[1] - offsets[0]
	}
	if len(offsets) > 2 {
		c.T = planes(times(entries[:len(offsets)-2], offsets))
	}
	entries = entries[:len(values)-1]
	if scale == Raw {
		first := math.Float64bits(values[0])
		c.V0 = int64(first)
		for i, v := range values[1:] {
			b := math.Float64bits(v)
			entries[i] = b ^ first
			first = b
		}
	} else {
		before := mantissa(values[0], scale)
		c.V0 = before
		for i, v := range values[1:] {
			m := mantissa(v, scale)
			entries[i] = zigzag(m - before)
			before = m
		}
	}
	c.V = planes(entries)
	return c
}

// times fills entries with the differences of the differences.
func times(entries []uint64, offsets []uint32) []uint64 {
	before := int64(offsets[1]) - int64(offsets[0])
	last := int64(offsets[1])
	for i, o := range offsets[2:] {
		delta := int64(o) - last
		entries[i] = zigzag(delta - before)
		last, before = int64(o), delta
	}
	return entries
}

// planes stores the entries in the smallest width that holds all, all lowest bytes first.
func planes(entries []uint64) string {
	all := uint64(0)
	for _, e := range entries {
		all |= e
	}
	width := (bits.Len64(all) + 7) / 8
	switch {
	case width == 0:
		return ""
	case width == 3:
		width = 4
	case width > 4:
		width = 8
	}
	n := len(entries)
	out := make([]byte, width*n)
	for k := range width {
		plane := out[k*n:][:n]
		for i, e := range entries {
			plane[i] = byte(e >> (8 * k))
		}
	}
	return unsafe.String(unsafe.SliceData(out), len(out))
}
