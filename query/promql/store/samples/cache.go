package samples

import (
	"container/list"
	"sync"
	"unsafe"

	"loadline/query/promql/store/index"
)

// blockKey names the samples of one metric and service in one bucket, given in Unix milliseconds.
type blockKey struct {
	metric, service string
	bucket          int64
}

// block is what is in memory of a key: the pieces of series by id, of all series or of those that were asked for. One
// without samples is there with no pieces.
type block struct {
	key     blockKey
	version version
	whole   bool
	series  map[uint64][]Piece
	bytes   int64
	element *list.Element
}

// cache holds the blocks of closed buckets that were used last.
type cache struct {
	limit int64

	mu     sync.Mutex
	blocks map[blockKey]*block
	used   list.List // those used last in front
	bytes  int64
}

// find appends the pieces of a group's rows to out. It returns false, and appends nothing, if it does not know all of them.
func (c *cache) find(key blockKey, v version, g *group, rows []*index.Row, out [][]*Piece) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.blocks[key]
	if b == nil {
		return false
	}
	if b.version != v {
		c.remove(b)
		return false
	}
	c.used.MoveToFront(b.element)
	if !b.whole {
		for _, i := range g.rows {
			if _, ok := b.series[rows[i].ID]; !ok {
				return false
			}
		}
	}
	for _, i := range g.rows {
		pieces := b.series[rows[i].ID]
		for j := range pieces {
			out[i] = append(out[i], &pieces[j])
		}
	}
	return true
}

// keep remembers a block that was read, and forgets others until there is room.
func (c *cache) keep(key blockKey, m *missing, whole bool, rows []*index.Row) {
	b := &block{key: key, version: m.bucket.version, whole: whole, series: make(map[uint64][]Piece, len(m.series))}
	for id, pieces := range m.series {
		packed, err := pack(pieces)
		if err != nil {
			return // the reader of the pieces will say so
		}
		b.series[id] = packed
	}
	if !whole {
		for _, i := range m.group.rows {
			if _, ok := b.series[rows[i].ID]; !ok {
				b.series[rows[i].ID] = nil
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.blocks[key]; old != nil {
		if old.version == b.version && !whole {
			for id, pieces := range old.series {
				if _, ok := b.series[id]; !ok {
					b.series[id] = pieces
				}
			}
			b.whole = old.whole
		}
		c.remove(old)
	}
	b.bytes = b.size()
	if b.bytes > c.limit {
		return
	}
	c.blocks[key] = b
	b.element = c.used.PushFront(b)
	c.bytes += b.bytes
	for c.bytes > c.limit {
		c.remove(c.used.Back().Value.(*block))
	}
}

func (c *cache) remove(b *block) {
	delete(c.blocks, b.key)
	c.used.Remove(b.element)
	c.bytes -= b.bytes
}

// size estimates the memory of a block.
func (b *block) size() int64 {
	const perSeries, perPiece = 64, int64(unsafe.Sizeof(Piece{})) + 48 // a map entry; the rest of the row that T and V are of
	size := int64(300)
	for _, pieces := range b.series {
		size += perSeries
		for i := range pieces {
			size += perPiece + int64(len(pieces[i].T)+len(pieces[i].V))
		}
	}
	return size
}
