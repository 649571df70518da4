package clickhouse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// blockColumn is one column of a Native block, still encoded.
type blockColumn struct {
	name, typ string
	rows      int
	data      []byte
}

var errShortBlock = errors.New("native block ends early")

// splitBlock finds the columns of a Native block of revision 0. It reads lengths only and copies nothing.
func splitBlock(block []byte) ([]blockColumn, error) {
	r := &blockReader{rest: block}
	columns, rows := r.uvarint(), r.uvarint()
	if columns == 0 || columns > 10000 || rows == 0 || rows > uint64(len(block)) {
		return nil, fmt.Errorf("native block of %d columns and %d rows", columns, rows)
	}
	out := make([]blockColumn, columns)
	for i := range out {
		c := &out[i]
		c.name, c.typ, c.rows = r.text(), r.text(), int(rows)
		before := r.rest
		r.prefix(c.typ)
		r.values(c.typ, int(rows))
		if r.err != nil {
			return nil, fmt.Errorf("native block, column %q %s: %w", c.name, c.typ, r.err)
		}
		c.data = before[:len(before)-len(r.rest)]
	}
	if len(r.rest) > 0 {
		return nil, fmt.Errorf("native block has %d bytes too many", len(r.rest))
	}
	return out, nil
}

// blockReader walks over encoded columns; after an error it stands still.
type blockReader struct {
	rest []byte
	err  error
}

func (r *blockReader) skip(n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.rest)) {
		r.err = errShortBlock
	}
	if r.err != nil {
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// skipRows skips fixed-size values; the product cannot overflow, since no row count exceeds the block's length.
func (r *blockReader) skipRows(rows, size int) { r.skip(rows * size) }

func (r *blockReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.skip(len(r.rest) + 1)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *blockReader) uint64() uint64 {
	if b := r.skip(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *blockReader) text() string { return string(r.skip(r.length(r.uvarint()))) }

// length makes an int of a count that must not exceed what is left.
func (r *blockReader) length(n uint64) int {
	if n > uint64(len(r.rest)) {
		return -1
	}
	return int(n)
}

// prefix skips what stands before the values of a column: the version of each LowCardinality in it.
func (r *blockReader) prefix(typ string) {
	name, args := typeParts(typ)
	switch name {
	case "LowCardinality":
		r.skip(8)
	case "Array", "Nullable", "Map", "Tuple":
		for _, a := range args {
			r.prefix(a)
		}
	case "SimpleAggregateFunction":
		if len(args) > 1 {
			r.prefix(args[len(args)-1])
		}
	}
}

// values skips rows values of a type.
func (r *blockReader) values(typ string, rows int) {
	if r.err != nil {
		return
	}
	name, args := typeParts(typ)
	if size, ok := fixedSize(name, args); ok {
		r.skipRows(rows, size)
		return
	}
	switch {
	case name == "String":
		for range rows {
			if r.skip(r.length(r.uvarint())) == nil && r.err != nil {
				return
			}
		}
	case name == "LowCardinality" && len(args) == 1:
		r.lowCardinality(args[0], rows)
	case name == "Nullable" && len(args) == 1:
		r.skip(rows)
		r.values(args[0], rows)
	case name == "Array" && len(args) == 1, name == "Map" && len(args) == 2:
		inner := r.offsets(rows)
		for _, a := range args {
			r.values(a, inner)
		}
	case name == "Tuple":
		for _, a := range args {
			r.values(a, rows)
		}
	case name == "SimpleAggregateFunction" && len(args) > 1:
		r.values(args[len(args)-1], rows)
	default:
		r.err = fmt.Errorf("type %q is not known here", typ)
	}
}

// offsets skips the ends of arrays and returns the number of their elements.
func (r *blockReader) offsets(rows int) int {
	b := r.skip(8 * rows)
	if len(b) == 0 {
		return 0
	}
	n := r.length(binary.LittleEndian.Uint64(b[len(b)-8:]))
	if n < 0 {
		r.err = errShortBlock
		return 0
	}
	return n
}

// lowCardinality skips a dictionary and the indexes into it.
func (r *blockReader) lowCardinality(typ string, rows int) {
	if rows == 0 {
		return
	}
	flags := r.uint64()
	dictionary := r.length(r.uint64())
	if name, args := typeParts(typ); name == "Nullable" && len(args) == 1 {
		typ = args[0]
	}
	if dictionary < 0 {
		r.err = errShortBlock
		return
	}
	r.values(typ, dictionary)
	if n := r.uint64(); r.err == nil && n != uint64(rows) {
		r.err = fmt.Errorf("%d indexes of %d rows", n, rows)
	}
	r.skipRows(rows, 1<<(flags&3))
}

// typeParts splits Name(a, b) into its name and arguments; names of tuple elements and times zones go.
func typeParts(typ string) (string, []string) {
	typ = strings.TrimSpace(typ)
	name, rest, ok := strings.Cut(typ, "(")
	if !ok {
		return typ, nil
	}
	rest = rest[:closing(rest)]
	var args []string
	for rest != "" {
		end := comma(rest)
		args = append(args, strings.TrimSpace(rest[:end]))
		rest = rest[min(end+1, len(rest)):]
	}
	if name == "Tuple" {
		for i, a := range args {
			if element, t, named := strings.Cut(a, " "); named && !strings.ContainsAny(element, "(,'") {
				args[i] = t
			}
		}
	}
	return name, args
}

// closing is the position of the bracket that closes the one before s, or the length of s.
func closing(s string) int { return scanType(s, ')') }

// comma is the position of the first comma of s outside brackets and quotes, or the length of s.
func comma(s string) int { return scanType(s, ',') }

func scanType(s string, want byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == want && depth == 0:
			return i
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
	}
	return len(s)
}

var sizes = map[string]int{
	"UInt8": 1, "Int8": 1, "Bool": 1, "Enum8": 1, "UInt16": 2, "Int16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
	"UInt32": 4, "Int32": 4, "Float32": 4, "DateTime": 4, "Date32": 4, "IPv4": 4, "UInt64": 8, "Int64": 8, "Float64": 8, "DateTime64": 8,
	"UInt128": 16, "Int128": 16, "UUID": 16, "IPv6": 16, "UInt256": 32, "Int256": 32,
}

// fixedSize is the size of a value of a type that has one.
func fixedSize(name string, args []string) (int, bool) {
	if size, ok := sizes[name]; ok {
		return size, true
	}
	if name != "FixedString" || len(args) != 1 {
		return 0, false
	}
	size, err := strconv.Atoi(args[0])
	return size, err == nil && size > 0 && size < 1<<20
}
