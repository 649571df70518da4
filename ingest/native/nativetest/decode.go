// Package nativetest reads Native blocks back, for tests of what builders encode. It is written from the format's
// description alone and shares no code with package native.
package nativetest

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"loadline/ingest/native"
)

// Row is one row by column name. Integers, enums and times are int64 or uint64, floats float64, strings and fixed
// strings string, maps [][2]string in stored order, arrays and tuples []any.
type Row map[string]any

// Rows encodes a block in the given order and reads it back.
func Rows(block native.Block, order []int32) ([]Row, error) { return Decode(block.Encode(nil, order)) }

// Decode reads a block of revision 0.
func Decode(data []byte) (rows []Row, err error) {
	d := &decoder{data: data}
	defer func() {
		if e, ok := recover().(error); ok {
			rows, err = nil, fmt.Errorf("decode native block: %w", e)
		}
	}()
	columns, n := d.uvarint(), d.uvarint()
	rows = make([]Row, n)
	for i := range rows {
		rows[i] = Row{}
	}
	for range columns {
		name, typ := d.text(), d.text()
		if n == 0 {
			continue
		}
		d.prefix(typ)
		for i, v := range d.values(typ, n) {
			rows[i][name] = v
		}
	}
	if len(d.data) > 0 {
		return nil, fmt.Errorf("decode native block: %d bytes are left", len(d.data))
	}
	return rows, nil
}

type decoder struct{ data []byte }

func (d *decoder) take(n int) []byte {
	if n < 0 || len(d.data) < n {
		panic(io.ErrUnexpectedEOF)
	}
	b := d.data[:n]
	d.data = d.data[n:]
	return b
}

func (d *decoder) uvarint() int {
	v, n := binary.Uvarint(d.data)
	if n <= 0 {
		panic(io.ErrUnexpectedEOF)
	}
	d.data = d.data[n:]
	return int(v)
}

func (d *decoder) text() string { return string(d.take(d.uvarint())) }

func (d *decoder) uint(width int) uint64 {
	var b [8]byte
	copy(b[:], d.take(width))
	return binary.LittleEndian.Uint64(b[:])
}

// arguments returns the arguments of a type such as Array(T), or nil.
func arguments(typ, name string) []string {
	inner, ok := strings.CutPrefix(typ, name+"(")
	if !ok {
		return nil
	}
	inner = strings.TrimSuffix(inner, ")")
	var args []string
	depth, start := 0, 0
	for i, c := range inner {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			args = append(args, strings.TrimSpace(inner[start:i]))
			start = i + 1
		}
	}
	return append(args, strings.TrimSpace(inner[start:]))
}

// prefix reads the state prefixes of a column, which stand before all values, also those of nested columns.
func (d *decoder) prefix(typ string) {
	for _, name := range []string{"Array", "Map", "Tuple"} {
		for _, arg := range arguments(typ, name) {
			d.prefix(arg)
		}
	}
	if args := arguments(typ, "SimpleAggregateFunction"); args != nil {
		d.prefix(args[1])
	}
	if arguments(typ, "LowCardinality") != nil {
		if version := d.uint(8); version != 1 {
			panic(fmt.Errorf("LowCardinality version %d", version))
		}
	}
}

var widths = map[string]int{
	"UInt8": 1, "UInt16": 2, "UInt32": 4, "UInt64": 8, "Bool": 1, "DateTime": 4,
	"Int8": -1, "Int16": -2, "Int32": -4, "Int64": -8, "DateTime64": -8, "Enum8": -1,
}

func (d *decoder) values(typ string, n int) []any {
	out := make([]any, n)
	base, _, _ := strings.Cut(typ, "(")
	switch base {
	case "SimpleAggregateFunction":
		return d.values(arguments(typ, base)[1], n)
	case "String":
		for i := range out {
			out[i] = d.text()
		}
	case "FixedString":
		var width int
		if _, err := fmt.Sscanf(typ, "FixedString(%d)", &width); err != nil {
			panic(err)
		}
		for i := range out {
			out[i] = string(d.take(width))
		}
	case "Float64":
		for i := range out {
			out[i] = math.Float64frombits(d.uint(8))
		}
	case "LowCardinality":
		return d.lowCardinality(arguments(typ, base)[0], n)
	case "Array", "Map":
		return d.nested(base, arguments(typ, base), n)
	case "Tuple":
		for i := range out {
			out[i] = []any{}
		}
		for _, arg := range arguments(typ, base) {
			for i, v := range d.values(arg, n) {
				out[i] = append(out[i].([]any), v)
			}
		}
	default:
		width, ok := widths[base]
		if !ok {
			panic(fmt.Errorf("unknown type %q", typ))
		}
		for i := range out {
			if width > 0 {
				out[i] = d.uint(width)
			} else {
				shift := 64 + 8*width
				out[i] = int64(d.uint(-width)<<shift) >> shift
			}
		}
	}
	return out
}

func (d *decoder) lowCardinality(typ string, n int) []any {
	if n == 0 {
		return nil
	}
	flags := d.uint(8)
	if flags&^3 != 1<<9|1<<10 {
		panic(fmt.Errorf("LowCardinality flags %#x", flags))
	}
	keys := d.values(typ, int(d.uint(8)))
	if rows := int(d.uint(8)); rows != n {
		panic(fmt.Errorf("LowCardinality with %d indexes for %d rows", rows, n))
	}
	out := make([]any, n)
	for i := range out {
		out[i] = keys[d.uint(1<<(flags&3))]
	}
	return out
}

func (d *decoder) nested(base string, args []string, n int) []any {
	ends := make([]int, n)
	total := 0
	for i := range ends {
		ends[i] = int(d.uint(8))
		if ends[i] < total {
			panic(fmt.Errorf("offset %d after %d", ends[i], total))
		}
		total = ends[i]
	}
	columns := make([][]any, len(args))
	for i, arg := range args {
		columns[i] = d.values(arg, total)
	}
	out := make([]any, n)
	from := 0
	for i, to := range ends {
		if base == "Array" {
			out[i] = append([]any{}, columns[0][from:to]...)
		} else {
			entries := [][2]string{}
			for j := from; j < to; j++ {
				entries = append(entries, [2]string{columns[0][j].(string), columns[1][j].(string)})
			}
			out[i] = entries
		}
		from = to
	}
	return out
}
