// Package block inserts rows into ClickHouse. It encodes them in the Native format, column by column, because the insert
// by which a block is recognised when it comes again takes no other.
package block

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"time"

	"loadline/internal/clickhouse"
)

// Column is an encoded column.
type Column struct {
	name, typ string
	data      []byte
}

// Insert stores rows of the given columns, which all have as many values. A block with the token of an earlier one is not
// stored again, also if it is another one. Without a token every block is stored.
func Insert(ctx context.Context, db *clickhouse.DB, table, token string, rows int, columns ...Column) error {
	if rows == 0 {
		return nil
	}
	if token == "" {
		token = rand.Text()
	}
	names := make([]string, len(columns))
	data := binary.AppendUvarint(nil, uint64(len(columns)))
	data = binary.AppendUvarint(data, uint64(rows))
	for i, c := range columns {
		names[i] = c.name
		data = appendText(data, c.name)
		data = appendText(data, c.typ)
		data = append(data, c.data...)
	}
	return db.InsertNative(ctx, table, names, token, data)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// UInt64 is a column of that type.
func UInt64[R any](name string, rows []R, value func(*R) uint64) Column {
	return fixed64(name, "UInt64", rows, value)
}

// Int64 is a column of that type.
func Int64[R any](name string, rows []R, value func(*R) int64) Column {
	return fixed64(name, "Int64", rows, func(r *R) uint64 { return uint64(value(r)) })
}

// Float64 is a column of that type.
func Float64[R any](name string, rows []R, value func(*R) float64) Column {
	return fixed64(name, "Float64", rows, func(r *R) uint64 { return math.Float64bits(value(r)) })
}

// Millis is a column of DateTime64(3, 'UTC').
func Millis[R any](name string, rows []R, value func(*R) time.Time) Column {
	return fixed64(name, "DateTime64(3, 'UTC')", rows, func(r *R) uint64 { return uint64(value(r).UnixMilli()) })
}

func fixed64[R any](name, typ string, rows []R, value func(*R) uint64) Column {
	data := make([]byte, 0, 8*len(rows))
	for i := range rows {
		data = binary.LittleEndian.AppendUint64(data, value(&rows[i]))
	}
	return Column{name, typ, data}
}

// Seconds is a column of DateTime('UTC'). What a DateTime cannot hold becomes its first or last second.
func Seconds[R any](name string, rows []R, value func(*R) int64) Column {
	data := make([]byte, 0, 4*len(rows))
	for i := range rows {
		data = binary.LittleEndian.AppendUint32(data, uint32(min(max(value(&rows[i]), 0), math.MaxUint32)))
	}
	return Column{name, "DateTime('UTC')", data}
}

// Bool is a column of that type.
func Bool[R any](name string, rows []R, value func(*R) bool) Column {
	data := make([]byte, len(rows))
	for i := range rows {
		if value(&rows[i]) {
			data[i] = 1
		}
	}
	return Column{name, "Bool", data}
}

// String is a column of that type.
func String[R any](name string, rows []R, value func(*R) string) Column {
	var data []byte
	for i := range rows {
		data = appendText(data, value(&rows[i]))
	}
	return Column{name, "String", data}
}

// Flags of LowCardinality, from ClickHouse's SerializationLowCardinality: the block brings its own keys, and they replace
// what was before. The low byte is the width of an index: 2 stands for 32 bits.
const (
	dictionaryVersion = 1
	dictionaryFlags   = 1<<9 | 1<<10 | 2
)

// LowCardinality is a column of LowCardinality(String).
func LowCardinality[R any](name string, rows []R, value func(*R) string) Column {
	numbers := map[string]uint32{"": 0} // the first key stands for the type's default
	keys := []byte{0}
	indexes := make([]byte, 0, 4*len(rows))
	for i := range rows {
		v := value(&rows[i])
		n, known := numbers[v]
		if !known {
			n = uint32(len(numbers))
			numbers[v] = n
			keys = appendText(keys, v)
		}
		indexes = binary.LittleEndian.AppendUint32(indexes, n)
	}
	data := binary.LittleEndian.AppendUint64(nil, dictionaryVersion)
	data = binary.LittleEndian.AppendUint64(data, dictionaryFlags)
	data = binary.LittleEndian.AppendUint64(data, uint64(len(numbers)))
	data = append(data, keys...)
	data = binary.LittleEndian.AppendUint64(data, uint64(len(rows)))
	return Column{name, "LowCardinality(String)", append(data, indexes...)}
}

// Array makes a column of n plain values the one value, an array, of a block of one row.
func Array(n int, values Column) Column {
	return Column{values.name, "Array(" + values.typ + ")", append(binary.LittleEndian.AppendUint64(nil, uint64(n)), values.data...)}
}
