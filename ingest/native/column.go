// Package native builds ClickHouse blocks column by column and encodes them in the Native format at revision 0 (no
// block info, no custom serialisation), which every ClickHouse and the embedded engine accept on insert.
//
// Row-wise appending through a driver costs 14 to 18 µs a span, because each value is boxed and each dictionary
// rebuilt. Here a value is copied once, a repeated string is a dictionary index, and rows are put into primary key
// order while they are written, so that the engine need not sort.
//
// Format: https://clickhouse.com/docs/interfaces/formats/Native and, for LowCardinality, the source of
// SerializationLowCardinality. A Block and its columns belong to one goroutine.
package native

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// Column is one column under construction.
type Column interface {
	// Type is the ClickHouse type, spelled as in the table's definition.
	Type() string
	// Rows is the number of values appended since Reset.
	Rows() int
	// Encode appends the column's prefix and values to dst, row order[0] first. A nil order keeps arrival order.
	Encode(dst []byte, order []int32) []byte
	// Reset empties the column and keeps its memory.
	Reset()
}

// Field is a named column of a block.
type Field struct {
	Name string
	Column
}

// Block is a set of columns of equal length.
type Block []Field

// Names lists the columns' names in block order.
func (b Block) Names() []string {
	names := make([]string, len(b))
	for i, f := range b {
		names[i] = f.Name
	}
	return names
}

// Rows is the number of rows of the block.
func (b Block) Rows() int { return b[0].Rows() }

// Reset empties all columns.
func (b Block) Reset() {
	for _, f := range b {
		f.Reset()
	}
}

// Encode appends the block to dst with its rows in the given order; nil keeps arrival order.
func (b Block) Encode(dst []byte, order []int32) []byte {
	rows := b.Rows()
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	dst = binary.AppendUvarint(dst, uint64(rows))
	for _, f := range b {
		if f.Rows() != rows {
			panic(fmt.Sprintf("BUG: column %q has %d rows, the block has %d", f.Name, f.Rows(), rows))
		}
		dst = appendString(dst, f.Name)
		dst = appendString(dst, f.Type())
		if rows > 0 { // readers expect nothing of a column without rows, not even its prefix
			dst = f.Encode(dst, order)
		}
	}
	return dst
}

// Number is a type that stands in memory as it does on the wire.
type Number interface {
	~uint8 | ~int8 | ~uint16 | ~int16 | ~uint32 | ~int32 | ~uint64 | ~int64 | ~float64
}

// Numbers is a column of fixed-width values: integers, floats, Bool, Enum8, DateTime and DateTime64.
type Numbers[T Number] struct {
	typ    string
	Values []T
}

// NewNumbers returns an empty column of the given ClickHouse type, whose width must be T's.
func NewNumbers[T Number](typ string) *Numbers[T] { return &Numbers[T]{typ: typ} }

// Append adds one value.
func (c *Numbers[T]) Append(v T) { c.Values = append(c.Values, v) }

// Type implements Column.
func (c *Numbers[T]) Type() string { return c.typ }

// Rows implements Column.
func (c *Numbers[T]) Rows() int { return len(c.Values) }

// Reset implements Column.
func (c *Numbers[T]) Reset() { c.Values = c.Values[:0] }

// Encode implements Column.
func (c *Numbers[T]) Encode(dst []byte, order []int32) []byte {
	return appendNumbers(dst, c.Values, order)
}

func appendNumbers[T Number](dst []byte, values []T, order []int32) []byte {
	if order == nil {
		return append(dst, rawBytes(values)...)
	}
	width := int(unsafe.Sizeof(*new(T)))
	start := len(dst)
	dst = grow(dst, len(order)*width)
	if len(order) == 0 {
		return dst
	}
	// dst may be unaligned for T: the store below compiles to a plain move on amd64 and arm64, which allow that.
	out := unsafe.Pointer(&dst[start])
	for i, row := range order {
		*(*T)(unsafe.Add(out, i*width)) = values[row]
	}
	return dst
}

// rawBytes views the memory of values, which is little-endian on every platform the engine runs on.
func rawBytes[T Number](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*int(unsafe.Sizeof(values[0])))
}

// Bool is the form of b in a Bool column, which is Numbers[uint8].
func Bool(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// Fixed is a FixedString(N) column.
type Fixed struct {
	width  int
	Values []byte
}

// NewFixed returns an empty FixedString(width) column.
func NewFixed(width int) *Fixed { return &Fixed{width: width} }

// Append adds v, which is cut or zero-padded to the column's width.
func (c *Fixed) Append(v []byte) {
	n := len(c.Values)
	c.Values = grow(c.Values, c.width)
	k := copy(c.Values[n:], v)
	clear(c.Values[n+k:])
}

// Row returns the value of a row; it is valid until Reset.
func (c *Fixed) Row(i int) []byte { return c.Values[i*c.width : (i+1)*c.width] }

// Type implements Column.
func (c *Fixed) Type() string { return fmt.Sprintf("FixedString(%d)", c.width) }

// Rows implements Column.
func (c *Fixed) Rows() int { return len(c.Values) / c.width }

// Reset implements Column.
func (c *Fixed) Reset() { c.Values = c.Values[:0] }

// Encode implements Column.
func (c *Fixed) Encode(dst []byte, order []int32) []byte {
	if order == nil {
		return append(dst, c.Values...)
	}
	for _, row := range order {
		dst = append(dst, c.Row(int(row))...)
	}
	return dst
}

// grow extends b by n bytes of undefined content.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b[:len(b)+n]
	}
	bigger := make([]byte, len(b)+n, max(2*cap(b), len(b)+n))
	copy(bigger, b)
	return bigger
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
