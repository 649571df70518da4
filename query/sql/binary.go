package sql

import (
	"encoding/binary"
	"errors"
	"math"
)

// ClickHouse can write a value of any type as one string, formatRow('RowBinary', x). Histograms and attribute
// maps come that way: the driver decodes arrays and maps element by element with reflection, some 100 ns each, and
// loses the order of map entries, which the letters of attribute_types follow.

var errRowBinary = errors.New("value in RowBinary ends early")

// Binary reads values from a RowBinary string, one after the other. What is read after the end is zero.
type Binary struct {
	rest string
	err  error
}

// NewBinary starts at the first byte of value.
func NewBinary(value string) *Binary { return &Binary{rest: value} }

// Err returns the first failure.
func (b *Binary) Err() error { return b.err }

// Take reads n bytes.
func (b *Binary) Take(n int) string {
	if n < 0 || n > len(b.rest) {
		b.err, b.rest = errRowBinary, ""
		return ""
	}
	part := b.rest[:n]
	b.rest = b.rest[n:]
	return part
}

// Size reads a variable-length count of items that take at least width bytes each.
func (b *Binary) Size(width int) int {
	var v uint64
	for i := 0; i < len(b.rest) && i < binary.MaxVarintLen64; i++ {
		c := b.rest[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			b.rest = b.rest[i+1:]
			if v > uint64(len(b.rest)/max(width, 1)) {
				break
			}
			return int(v)
		}
	}
	b.err, b.rest = errRowBinary, ""
	return 0
}

// Text reads a String.
func (b *Binary) Text() string { return b.Take(b.Size(1)) }

// Uint64 reads a UInt64.
func (b *Binary) Uint64() uint64 {
	part := b.Take(8)
	if part == "" {
		return 0
	}
	return binary.LittleEndian.Uint64([]byte(part))
}

// Int16 reads an Int16.
func (b *Binary) Int16() int16 {
	part := b.Take(2)
	if part == "" {
		return 0
	}
	return int16(uint16(part[0]) | uint16(part[1])<<8)
}

// Rest reads all that is left.
func (b *Binary) Rest() string { return b.Take(len(b.rest)) }

// Float64 reads a Float64.
func (b *Binary) Float64() float64 { return math.Float64frombits(b.Uint64()) }
