package compact

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"loadline/internal/chunk"
	"loadline/internal/clickhouse"
)

// row is a row of the table samples. The arrays are RowBinary: the driver decodes arrays element by element with
// reflection, which would cost several times what packing does.
type row struct {
	metric, service string
	id              uint64
	st              int64
	offsets, values string
}

// sameKey reports whether two rows are about the same samples.
func (r *row) sameKey(other *row) bool {
	return r.id == other.id && r.st == other.st && r.metric == other.metric && r.service == other.service
}

// packer packs the rows of a bucket, one key after the other, into blocks that it inserts.
type packer struct {
	*Compactor
	bucket int64  // its start in Unix seconds
	block  *block // of megabytes, which are not kept for the next bucket: that comes in two hours
	run    samples
	before row
	chunks []chunk.Chunk
	result totals
}

// add takes the next row in the order of the key.
func (p *packer) add(ctx context.Context, r *row) error {
	if len(p.run.offsets) > 0 && !r.sameKey(&p.before) {
		if err := p.pack(ctx); err != nil {
			return err
		}
	}
	if err := p.run.add(r.offsets, r.values); err != nil {
		return fmt.Errorf("read samples of series %d of %q: %w", r.id, r.metric, err)
	}
	p.before = *r
	return nil
}

// pack ends the run of rows of one key.
func (p *packer) pack(ctx context.Context) error {
	p.run.order()
	p.chunks = chunk.Append(p.chunks[:0], p.run.offsets, p.run.values)
	for i := range p.chunks {
		p.block.add(&p.before, p.bucket, &p.chunks[i])
	}
	p.result.samples += len(p.run.offsets)
	p.result.chunks += len(p.chunks)
	p.run.reset()
	return p.flush(ctx, maxBlockBytes)
}

// flush inserts the block if it has rows and at least so many bytes.
func (p *packer) flush(ctx context.Context, least int) error {
	if p.block.rows() == 0 || p.block.size() < least {
		return nil
	}
	n, err := p.block.insert(ctx, p.db)
	p.result.blocks++
	p.result.bytes += n
	return err
}

// move reads the rows of a bucket's parts and inserts them as chunks. Parts that a merge has replaced meanwhile are not
// read. Memory is bounded by a block and the samples of one row.
func (c *Compactor) move(ctx context.Context, of partition) (totals, error) {
	// Blocks of few rows, since a row may have thousands of samples; and as much time as it takes.
	rows, err := c.db.Query(ctx, `
SELECT metric, service, series_id, st, formatRow('RowBinary', off), formatRow('RowBinary', value)
FROM samples
WHERE bucket = toDateTime({bucket:UInt32}, 'UTC') AND _part IN {parts:Array(String)}
ORDER BY metric, service, bucket, series_id, st
SETTINGS optimize_read_in_order = 1, max_threads = 1, max_block_size = 1024, max_execution_time = 0`,
		clickhouse.Named("bucket", of.bucket), clickhouse.Named("parts", of.parts))
	if err != nil {
		return totals{}, fmt.Errorf("read samples: %w", err)
	}
	defer rows.Close()
	p := &packer{Compactor: c, bucket: of.bucket, block: newBlock()}
	var r row
	for rows.Next() {
		if err := rows.Scan(&r.metric, &r.service, &r.id, &r.st, &r.offsets, &r.values); err != nil {
			return p.result, fmt.Errorf("read samples: %w", err)
		}
		if err := p.add(ctx, &r); err != nil {
			return p.result, err
		}
	}
	if err := rows.Err(); err != nil {
		return p.result, fmt.Errorf("read samples: %w", err)
	}
	if err := c.read(); err != nil {
		return p.result, err
	}
	if err := p.pack(ctx); err != nil {
		return p.result, err
	}
	return p.result, p.flush(ctx, 0)
}

// samples are the samples of rows with the same key.
type samples struct {
	offsets []uint32
	values  []float64
	sorted  []sample
}

type sample struct {
	offset uint32
	value  float64
}

func (s *samples) reset() { s.offsets, s.values = s.offsets[:0], s.values[:0] }

var (
	errArray  = errors.New("array is cut off")
	errLength = errors.New("as many times as values are wanted")
	errOffset = errors.New("time is outside its bucket")
)

// add appends the arrays of a row.
func (s *samples) add(offsets, values string) error {
	offsets, n, err := array(offsets, 4)
	if err != nil {
		return err
	}
	values, m, err := array(values, 8)
	if err != nil {
		return err
	}
	if n != m {
		return fmt.Errorf("%w: %d and %d", errLength, n, m)
	}
	s.offsets, s.values = slices.Grow(s.offsets, n), slices.Grow(s.values, n)
	for i := range n {
		offset := binary.LittleEndian.Uint32([]byte(offsets[4*i : 4*i+4]))
		if offset >= uint32(bucketLength/time.Millisecond) {
			return fmt.Errorf("%w: %d ms after its start", errOffset, offset)
		}
		s.offsets = append(s.offsets, offset)
		s.values = append(s.values, math.Float64frombits(binary.LittleEndian.Uint64([]byte(values[8*i:8*i+8]))))
	}
	return nil
}

// array returns the elements of a RowBinary array and how many there are.
func array(s string, width int) (elements string, n int, err error) {
	var count uint64
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		count |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			elements = s[i+1:]
			if count > uint64(len(elements)/width) || int(count)*width != len(elements) {
				break
			}
			return elements, int(count), nil
		}
	}
	return "", 0, errArray
}

// order puts the samples in the order of time and keeps one of those that have the same time, in the way of ClickHouse's
// time series functions: the larger value, and a number rather than NaN. Which one was written last is not known.
func (s *samples) order() {
	if ascending(s.offsets) {
		return
	}
	s.sorted = s.sorted[:0]
	for i, offset := range s.offsets {
		s.sorted = append(s.sorted, sample{offset, s.values[i]})
	}
	slices.SortFunc(s.sorted, func(x, y sample) int {
		return cmp.Or(cmp.Compare(x.offset, y.offset), cmp.Compare(y.value, x.value),
			cmp.Compare(math.Float64bits(x.value), math.Float64bits(y.value))) // -0 and 0, and NaN of different bits
	})
	s.reset()
	for i, one := range s.sorted {
		if i == 0 || one.offset != s.sorted[i-1].offset {
			s.offsets, s.values = append(s.offsets, one.offset), append(s.values, one.value)
		}
	}
}

func ascending(offsets []uint32) bool {
	for i := 1; i < len(offsets); i++ {
		if offsets[i] <= offsets[i-1] {
			return false
		}
	}
	return true
}
