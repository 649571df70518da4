package query

import (
	"encoding/binary"
	"errors"
	"math"
)

// ClickHouse can write a value of any type as one string, formatRowNoNewline('RowBinary', x). Histograms and attribute
// maps come that way: the driver decodes arrays and maps element by element with reflection, some 100 ns each, and
// loses the order of map entries, which the letters of attribute_types follow.

var errRowBinary = errors.New("value in RowBinary ends early")

// rowBinary reads values from a RowBinary string. The first failure sticks in err.
type rowBinary struct {
	rest string
	err  error
}

func (b *rowBinary) take(n int) string {
	if n < 0 || n > len(b.rest) {
		b.err, b.rest = errRowBinary, ""
		return ""
	}
	part := b.rest[:n]
	b.rest = b.rest[n:]
	return part
}

// size reads a variable-length count of items that take at least width bytes each.
func (b *rowBinary) size(width int) int {
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

func (b *rowBinary) string() string { return b.take(b.size(1)) }

func (b *rowBinary) uint64() uint64 {
	part := b.take(8)
	if part == "" {
		return 0
	}
	return binary.LittleEndian.Uint64([]byte(part))
}

func (b *rowBinary) int16() int16 {
	part := b.take(2)
	if part == "" {
		return 0
	}
	return int16(uint16(part[0]) | uint16(part[1])<<8)
}

func (b *rowBinary) float64() float64 { return math.Float64frombits(b.uint64()) }

// histogram reads an Array(Tuple(Int16, Float64)), in any order, possibly with repeated indexes.
func (b *rowBinary) histogram() Histogram {
	n := b.size(10)
	h := Histogram{Index: make([]int16, n), Count: make([]float64, n)}
	for i := range n {
		h.Index[i], h.Count[i] = b.int16(), b.float64()
	}
	h.normalize()
	return h
}

// attributes reads a Map(String, String) and gives each entry its letter of types.
func (b *rowBinary) attributes(types string) []Attribute {
	n := b.size(2)
	if n == 0 {
		return nil
	}
	list := make([]Attribute, n)
	for i := range list {
		list[i] = Attribute{Key: b.string(), Value: b.string(), Type: 's'}
		if i < len(types) {
			list[i].Type = types[i]
		}
	}
	return list
}
