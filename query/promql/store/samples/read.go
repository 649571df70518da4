package samples

import (
	"context"
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/sql"
)

// read fills the missing blocks. It asks for samples before chunks: a compaction in between then shows its samples twice
// and not never.
func (r *Reader) read(ctx context.Context, want *request) error {
	want.whole = want.readsWhole()
	metrics, services, hot, all := map[string]bool{}, map[string]bool{}, map[uint32]bool{}, map[uint32]bool{}
	for key, m := range want.missing {
		metrics[key.metric], services[key.service] = true, true
		second := uint32(key.bucket / 1000)
		// A bucket that lies in the past may have been packed since its parts were looked up.
		all[second] = m.bucket.cold || m.bucket.hot && m.bucket.closed || all[second]
		if m.bucket.hot {
			hot[second] = true
		}
	}
	maps.DeleteFunc(all, func(_ uint32, cold bool) bool { return !cold })
	where := func(buckets map[uint32]bool) *sql.Where {
		w := &sql.Where{}
		w.Add("metric IN " + w.Texts(slices.Sorted(maps.Keys(metrics))))
		w.Add("service IN " + w.Texts(slices.Sorted(maps.Keys(services))))
		w.Add("bucket IN " + w.Slices(slices.Sorted(maps.Keys(buckets))))
		if !want.whole {
			w.Add("series_id IN " + w.Bind("Array(UInt64)", want.ids))
		}
		return w
	}
	if len(hot) > 0 {
		w := where(hot)
		off, value := "off", "value"
		if cut := want.cut(); cut > 0 {
			from := w.Bind("UInt32", cut)
			off, value = "arrayFilter(o -> o >= "+from+", off)", "arrayFilter((v, o) -> o >= "+from+", value, off)"
		}
		if err := r.scan(ctx, want, `
SELECT formatRow('RowBinary', metric, service, toUInt32(bucket), series_id, st, `+off+`, `+value+`)
FROM samples
WHERE `+w.String(), w.Args, readArrays); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	w := where(all)
	return r.scan(ctx, want, `
SELECT formatRow('RowBinary', metric, service, toUInt32(bucket), series_id, st, n, t0, dt, scale, v0, t, v)
FROM chunks
WHERE `+w.String()+`
SETTINGS max_block_size = 512`, w.Args, readChunk) // larger blocks are copied more often while they grow
}

// cut is the offset from which on samples of hot buckets are wanted. It is 0 when they are wanted from the start, or will be
// remembered: queries about the last minutes of the current bucket should not read hours.
func (want *request) cut() uint32 {
	cut := int64(math.MaxUint32)
	for key, m := range want.missing {
		if m.bucket.closed {
			return 0
		}
		cut = min(cut, max(want.mint-key.bucket, 0))
	}
	return uint32(cut)
}

// scan reads the rows of a statement into the missing blocks.
func (r *Reader) scan(ctx context.Context, want *request, statement string, args []any, read func(*sql.Binary, *Piece)) error {
	readQueries.Inc()
	var last *missing
	var lastKey blockKey
	return sql.Scan(ctx, r.db, "samples", statement, args, func(rows driver.Rows) error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		b := sql.NewBinary(text)
		key := blockKey{b.Text(), b.Text(), 0}
		key.bucket = 1000 * int64(number32(b))
		id := b.Uint64()
		p := Piece{Base: key.bucket, ST: int64(b.Uint64())}
		read(b, &p)
		if err := b.Err(); err != nil {
			return err
		}
		if last == nil || key != lastKey {
			last, lastKey = want.missing[key], key
		}
		if last != nil {
			last.series[id] = append(last.series[id], p)
		}
		return nil
	})
}

// readChunk reads the columns of a packed row.
func readChunk(b *sql.Binary, p *Piece) {
	p.N, p.T0, p.DT = number32(b), number32(b), number32(b)
	if scale := b.Take(1); scale != "" {
		p.Scale = int8(scale[0])
	}
	p.V0 = int64(b.Uint64())
	p.T, p.V = b.Text(), b.Text()
}

// readArrays reads the arrays of a row that is not packed yet.
func readArrays(b *sql.Binary, p *Piece) {
	p.Scale = arrays
	p.T = b.Take(4 * b.Size(4))
	p.V = b.Take(8 * b.Size(8))
	p.N = uint32(min(len(p.T)/4, len(p.V)/8))
	if p.N > 0 {
		p.T0 = binary.LittleEndian.Uint32([]byte(p.T[:4]))
	}
}

func number32(b *sql.Binary) uint32 {
	part := b.Take(4)
	if part == "" {
		return 0
	}
	return binary.LittleEndian.Uint32([]byte(part))
}
