package clickhouse_test

import "encoding/binary"

// idBlock is a Native block of one column `id UInt64` that counts from first.
func idBlock(first uint64, rows int) []byte {
	b := binary.AppendUvarint(nil, 1)
	b = binary.AppendUvarint(b, uint64(rows))
	for _, s := range []string{"id", "UInt64"} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for i := range rows {
		b = binary.LittleEndian.AppendUint64(b, first+uint64(i))
	}
	return b
}
