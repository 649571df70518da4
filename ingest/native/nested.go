package native

import "encoding/binary"

// Map is a Map(LowCardinality(String), String) column. Entries are added to the open row, which Close ends.
type Map struct {
	Keys   Dictionary
	keys   []uint32
	values Strings
	ends   []uint32
}

// NewMap returns an empty Map(LowCardinality(String), String) column.
func NewMap() *Map { return &Map{} }

// Append adds an entry to the open row and returns the key's dictionary number.
func (c *Map) Append(key, value []byte) uint32 {
	n := c.Keys.Number(key)
	c.AppendNumber(n, value)
	return n
}

// AppendNumber adds an entry whose key has the given dictionary number.
func (c *Map) AppendNumber(key uint32, value []byte) {
	c.keys = append(c.keys, key)
	c.values.Append(value)
}

// Close ends the open row.
func (c *Map) Close() { c.ends = append(c.ends, uint32(len(c.keys))) }

// Row returns the dictionary numbers of a row's keys. The value of the i-th is Value(first + i).
func (c *Map) Row(row int) (keys []uint32, first int) {
	if row > 0 {
		first = int(c.ends[row-1])
	}
	return c.keys[first:c.ends[row]], first
}

// Value returns the value of an entry; it is valid until Reset.
func (c *Map) Value(entry int) []byte { return c.values.Row(entry) }

// Type implements Column.
func (c *Map) Type() string { return "Map(LowCardinality(String), String)" }

// Rows implements Column.
func (c *Map) Rows() int { return len(c.ends) }

// Reset implements Column.
func (c *Map) Reset() {
	c.Keys.Reset()
	c.values.Reset()
	c.keys, c.ends = c.keys[:0], c.ends[:0]
}

// Encode implements Column.
func (c *Map) Encode(dst []byte, order []int32) []byte {
	dst = c.Keys.appendPrefix(dst)
	dst = appendOffsets(dst, c.ends, order)
	if len(c.keys) == 0 {
		return dst
	}
	dst, width := c.Keys.appendHead(dst, len(c.keys))
	eachRow(c.ends, order, func(from, to uint32) {
		for _, n := range c.keys[from:to] {
			dst = appendIndex(dst, width, n)
		}
	})
	eachRow(c.ends, order, func(from, to uint32) {
		dst = append(dst, c.values.span(int(from), int(to))...)
	})
	return dst
}

// Arrays is an Array column of fixed-width elements.
type Arrays[T Number] struct {
	typ    string
	values []T
	ends   []uint32
}

// NewArrays returns an empty column of the given Array type, whose element's width must be T's.
func NewArrays[T Number](typ string) *Arrays[T] { return &Arrays[T]{typ: typ} }

// Append adds one row.
func (c *Arrays[T]) Append(row ...T) {
	c.values = append(c.values, row...)
	c.ends = append(c.ends, uint32(len(c.values)))
}

// Type implements Column.
func (c *Arrays[T]) Type() string { return c.typ }

// Rows implements Column.
func (c *Arrays[T]) Rows() int { return len(c.ends) }

// Reset implements Column.
func (c *Arrays[T]) Reset() { c.values, c.ends = c.values[:0], c.ends[:0] }

// Encode implements Column.
func (c *Arrays[T]) Encode(dst []byte, order []int32) []byte {
	dst = appendOffsets(dst, c.ends, order)
	if order == nil {
		return append(dst, rawBytes(c.values)...)
	}
	eachRow(c.ends, order, func(from, to uint32) { dst = append(dst, rawBytes(c.values[from:to])...) })
	return dst
}

// Tuple is a column of tuples, each element a column of its own. The elements are filled by the caller and must have
// no prefix (no LowCardinality inside).
type Tuple struct {
	typ      string
	Elements []Column
}

// NewTuple returns a tuple column over the given element columns.
func NewTuple(typ string, elements ...Column) *Tuple { return &Tuple{typ, elements} }

// Type implements Column.
func (c *Tuple) Type() string { return c.typ }

// Rows implements Column.
func (c *Tuple) Rows() int { return c.Elements[0].Rows() }

// Reset implements Column.
func (c *Tuple) Reset() {
	for _, e := range c.Elements {
		e.Reset()
	}
}

// Encode implements Column.
func (c *Tuple) Encode(dst []byte, order []int32) []byte {
	for _, e := range c.Elements {
		dst = e.Encode(dst, order)
	}
	return dst
}

// appendOffsets writes the running element counts of rows, which end in arrival order at ends.
func appendOffsets(dst []byte, ends []uint32, order []int32) []byte {
	offset := uint64(0)
	eachRow(ends, order, func(from, to uint32) {
		offset += uint64(to - from)
		dst = binary.LittleEndian.AppendUint64(dst, offset)
	})
	return dst
}

// eachRow calls f with the element range of each row, in order.
func eachRow(ends []uint32, order []int32, f func(from, to uint32)) {
	if order == nil {
		from := uint32(0)
		for _, to := range ends {
			f(from, to)
			from = to
		}
		return
	}
	for _, row := range order {
		from := uint32(0)
		if row > 0 {
			from = ends[row-1]
		}
		f(from, ends[row])
	}
}
