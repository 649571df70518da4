package native

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Strings is a String column. Values stand in one buffer, each behind its length, as on the wire.
type Strings struct {
	data   []byte
	starts []uint32
}

// NewStrings returns an empty String column.
func NewStrings() *Strings { return &Strings{} }

// Append adds v.
func (c *Strings) Append(v []byte) {
	c.starts = append(c.starts, uint32(len(c.data)))
	c.data = binary.AppendUvarint(c.data, uint64(len(v)))
	c.data = append(c.data, v...)
}

// AppendString adds v.
func (c *Strings) AppendString(v string) {
	c.starts = append(c.starts, uint32(len(c.data)))
	c.data = appendString(c.data, v)
}

// Type implements Column.
func (c *Strings) Type() string { return "String" }

// Rows implements Column.
func (c *Strings) Rows() int { return len(c.starts) }

// Reset implements Column.
func (c *Strings) Reset() { c.data, c.starts = c.data[:0], c.starts[:0] }

// Encode implements Column.
func (c *Strings) Encode(dst []byte, order []int32) []byte {
	if order == nil {
		return append(dst, c.data...)
	}
	for _, row := range order {
		dst = append(dst, c.span(int(row), int(row)+1)...)
	}
	return dst
}

// span is the encoded form of rows [from, to).
func (c *Strings) span(from, to int) []byte {
	if from == to {
		return nil
	}
	if to == len(c.starts) {
		return c.data[c.starts[from]:]
	}
	return c.data[c.starts[from]:c.starts[to]]
}

// Row returns the value of a row; it is valid until Reset.
func (c *Strings) Row(i int) []byte {
	encoded := c.span(i, i+1)
	_, width := binary.Uvarint(encoded)
	return encoded[width:]
}

// Dictionary gives each distinct string a number, counted from 0 in order of first appearance.
type Dictionary struct {
	numbers map[string]uint32
	values  []string
	data    []byte   // the values, encoded
	next    []uint32 // next[i] is the number asked for after i the last time, plus one
	last    uint32
}

// Number returns v's number, adding v when it is new.
func (d *Dictionary) Number(v []byte) uint32 {
	// Attribute keys and operations come in the same order span after span: guessing the successor of the last answer
	// spares most hash look-ups.
	if int(d.last) < len(d.next) {
		if guess := d.next[d.last]; guess > 0 && d.values[guess-1] == string(v) {
			d.last = guess - 1
			return d.last
		}
	}
	n, ok := d.numbers[string(v)]
	if !ok {
		n = d.add(string(v))
	}
	if int(d.last) < len(d.next) {
		d.next[d.last] = n + 1
	}
	d.last = n
	return n
}

func (d *Dictionary) add(v string) uint32 {
	if d.numbers == nil {
		d.numbers = make(map[string]uint32)
	}
	n := uint32(len(d.values))
	d.numbers[v] = n
	d.values = append(d.values, v)
	d.data = appendString(d.data, v)
	d.next = append(d.next, 0)
	return n
}

// Value is the string with number n.
func (d *Dictionary) Value(n uint32) string { return d.values[n] }

// Find returns the number of v, if it has one.
func (d *Dictionary) Find(v string) (n uint32, ok bool) {
	n, ok = d.numbers[v]
	return n, ok
}

// Len is the number of distinct strings.
func (d *Dictionary) Len() int { return len(d.values) }

// Ranks returns the rank of each string, by number, in the order of their bytes, for sorting rows without comparing
// strings.
func (d *Dictionary) Ranks() []uint32 {
	numbers := make([]uint32, len(d.values))
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	slices.SortFunc(numbers, func(x, y uint32) int { return strings.Compare(d.values[x], d.values[y]) })
	ranks := make([]uint32, len(numbers))
	for rank, n := range numbers {
		ranks[n] = uint32(rank)
	}
	return ranks
}

// Reset forgets all strings.
func (d *Dictionary) Reset() {
	clear(d.numbers)
	clear(d.values)
	d.values, d.data, d.next, d.last = d.values[:0], d.data[:0], d.next[:0], 0
}

// LowCardinality flags, from ClickHouse's SerializationLowCardinality: the low byte is the width of an index, the two
// bits say that the block brings its own keys and replaces any dictionary seen before.
const (
	lowCardinalityVersion = 1
	hasAdditionalKeys     = 1 << 9
	needUpdateDictionary  = 1 << 10
)

// appendPrefix writes what stands before the values of a LowCardinality column, also when it is nested.
func (d *Dictionary) appendPrefix(dst []byte) []byte {
	return binary.LittleEndian.AppendUint64(dst, lowCardinalityVersion)
}

// appendHead writes the keys and the number of indexes that follow, and returns the width of an index in bytes.
func (d *Dictionary) appendHead(dst []byte, rows int) ([]byte, int) {
	width, code := 1, uint64(0)
	switch n := len(d.values); {
	case n > 1<<16:
		width, code = 4, 2
	case n > 1<<8:
		width, code = 2, 1
	}
	dst = binary.LittleEndian.AppendUint64(dst, code|hasAdditionalKeys|needUpdateDictionary)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(d.values)))
	dst = append(dst, d.data...)
	return binary.LittleEndian.AppendUint64(dst, uint64(rows)), width
}

func appendIndex(dst []byte, width int, n uint32) []byte {
	switch width {
	case 1:
		return append(dst, byte(n))
	case 2:
		return append(dst, byte(n), byte(n>>8))
	}
	return binary.LittleEndian.AppendUint32(dst, n)
}

// LowCardinality is a LowCardinality(String) column.
type LowCardinality struct {
	Dictionary
	Indexes []uint32
}

// NewLowCardinality returns an empty LowCardinality(String) column.
func NewLowCardinality() *LowCardinality { return &LowCardinality{} }

// Append adds v and returns its dictionary number, which AppendNumber takes to add v again.
func (c *LowCardinality) Append(v []byte) uint32 {
	n := c.Number(v)
	c.Indexes = append(c.Indexes, n)
	return n
}

// AppendNumber adds the value that Number or Append gave number n since the last Reset.
func (c *LowCardinality) AppendNumber(n uint32) { c.Indexes = append(c.Indexes, n) }

// Type implements Column.
func (c *LowCardinality) Type() string { return "LowCardinality(String)" }

// Rows implements Column.
func (c *LowCardinality) Rows() int { return len(c.Indexes) }

// Reset implements Column.
func (c *LowCardinality) Reset() {
	c.Dictionary.Reset()
	c.Indexes = c.Indexes[:0]
}

// Encode implements Column.
func (c *LowCardinality) Encode(dst []byte, order []int32) []byte {
	dst = c.appendPrefix(dst)
	if len(c.Indexes) == 0 {
		return dst
	}
	dst, width := c.appendHead(dst, len(c.Indexes))
	if order == nil {
		for _, n := range c.Indexes {
			dst = appendIndex(dst, width, n)
		}
		return dst
	}
	for _, row := range order {
		dst = appendIndex(dst, width, c.Indexes[row])
	}
	return dst
}
