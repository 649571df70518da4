package compact

import (
	"context"
	"crypto/sha256"
	"fmt"

	"loadline/ingest/native"
	"loadline/internal/chunk"
	"loadline/internal/clickhouse"
)

const (
	// maxBlockBytes bounds a block: as much as the other tables' blocks have.
	maxBlockBytes = 16 << 20
	// rowBytes is about what the columns of fixed width take in a row.
	rowBytes = 60
)

// block is a block of the table chunks under construction.
type block struct {
	columns         native.Block
	metric, service *native.LowCardinality
	bucket          *native.Numbers[uint32]
	id              *native.Numbers[uint64]
	st              *native.Numbers[int64]
	n, t0, dt       *native.Numbers[uint32]
	t, v            *native.Strings
	scale           *native.Numbers[int8]
	v0              *native.Numbers[int64]

	bytes   int
	encoded []byte
}

func newBlock() *block {
	b := &block{
		metric:  native.NewLowCardinality(),
		service: native.NewLowCardinality(),
		bucket:  native.NewNumbers[uint32]("DateTime('UTC')"),
		id:      native.NewNumbers[uint64]("UInt64"),
		st:      native.NewNumbers[int64]("Int64"),
		n:       native.NewNumbers[uint32]("UInt32"),
		t0:      native.NewNumbers[uint32]("UInt32"),
		dt:      native.NewNumbers[uint32]("UInt32"),
		t:       native.NewStrings(),
		scale:   native.NewNumbers[int8]("Int8"),
		v0:      native.NewNumbers[int64]("Int64"),
		v:       native.NewStrings(),
	}
	b.columns = native.Block{
		{Name: "metric", Column: b.metric},
		{Name: "service", Column: b.service},
		{Name: "bucket", Column: b.bucket},
		{Name: "series_id", Column: b.id},
		{Name: "st", Column: b.st},
		{Name: "n", Column: b.n},
		{Name: "t0", Column: b.t0},
		{Name: "dt", Column: b.dt},
		{Name: "t", Column: b.t},
		{Name: "scale", Column: b.scale},
		{Name: "v0", Column: b.v0},
		{Name: "v", Column: b.v},
	}
	return b
}

func (b *block) reset() {
	b.columns.Reset()
	b.bytes = 0
}

func (b *block) rows() int { return b.columns.Rows() }

// size is about how many bytes the block has.
func (b *block) size() int { return b.bytes }

// add appends a chunk of the series that r is of. Rows come in the order of the table's key.
func (b *block) add(r *row, bucket int64, c *chunk.Chunk) {
	b.metric.Append([]byte(r.metric))
	b.service.Append([]byte(r.service))
	b.bucket.Append(uint32(bucket))
	b.id.Append(r.id)
	b.st.Append(r.st)
	b.n.Append(c.N)
	b.t0.Append(c.T0)
	b.dt.Append(c.DT)
	b.t.AppendString(c.T)
	b.scale.Append(c.Scale)
	b.v0.Append(c.V0)
	b.v.AppendString(c.V)
	b.bytes += rowBytes + len(c.T) + len(c.V)
}

// insert brings the block into the table, empties it, and returns its bytes. The token is made from the content, so that
// packing the same samples again, after a crash or on another node, stores nothing twice.
func (b *block) insert(ctx context.Context, db *clickhouse.DB) (int, error) {
	b.encoded = b.columns.Encode(b.encoded[:0], nil)
	token := fmt.Sprintf("compact-%x", sha256.Sum256(b.encoded))
	if err := db.InsertNative(ctx, "chunks", b.columns.Names(), token, b.encoded); err != nil {
		return 0, err
	}
	b.reset()
	return len(b.encoded), nil
}
