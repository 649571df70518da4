package tally

import (
	"time"

	"loadline/ingest/native"
)

const seconds = "DateTime('UTC')"

// slotBlock is a block of the tables slo_slots_10s, slo_slots_5m and slo_slots_1h.
type slotBlock struct {
	block      native.Block
	indicator  *native.Numbers[uint64]
	group      *native.LowCardinality
	slice      *native.Numbers[uint32]
	bad, total *native.Numbers[int64]
}

func newSlotBlock() slotBlock {
	b := slotBlock{
		indicator: native.NewNumbers[uint64]("UInt64"), group: native.NewLowCardinality(),
		slice: native.NewNumbers[uint32](seconds), bad: native.NewNumbers[int64]("Int64"), total: native.NewNumbers[int64]("Int64"),
	}
	b.block = native.Block{
		{Name: "indicator", Column: b.indicator},
		{Name: "grp", Column: b.group},
		{Name: "slice", Column: b.slice},
		{Name: "bad", Column: b.bad},
		{Name: "total", Column: b.total},
	}
	return b
}

// fill replaces the content by rows, which are in order, added up to slots of the given width in seconds.
func (b *slotBlock) fill(rows []row, width uint32) native.Block {
	b.block.Reset()
	var last key
	for i := range rows {
		r := &rows[i]
		k := r.key
		k.slot -= k.slot % width
		if n := len(b.bad.Values) - 1; n >= 0 && k == last {
			b.bad.Values[n] += r.bad
			b.total.Values[n] += r.total
			continue
		}
		last = k
		b.append(k, r)
	}
	return b.block
}

func (b *slotBlock) append(k key, r *row) {
	b.indicator.Append(k.indicator)
	b.group.Append([]byte(k.group))
	b.slice.Append(k.slot)
	b.bad.Append(r.bad)
	b.total.Append(r.total)
}

// journalBlock is a block of the table slo_journal.
type journalBlock struct {
	block       native.Block
	node, batch *native.Numbers[uint64]
	at          *native.Numbers[uint32]
	slots       slotBlock
}

func newJournalBlock() journalBlock {
	b := journalBlock{
		node: native.NewNumbers[uint64]("UInt64"), batch: native.NewNumbers[uint64]("UInt64"),
		at: native.NewNumbers[uint32](seconds), slots: newSlotBlock(),
	}
	b.block = append(native.Block{
		{Name: "node", Column: b.node},
		{Name: "batch", Column: b.batch},
		{Name: "at", Column: b.at},
	}, b.slots.block...)
	return b
}

func (b *journalBlock) fill(rows []row, node, batch uint64, at time.Time) native.Block {
	b.block.Reset()
	for i := range rows {
		b.node.Append(node)
		b.batch.Append(batch)
		b.at.Append(uint32(at.Unix()))
		b.slots.append(rows[i].key, &rows[i])
	}
	return b.block
}

// lateBlock is a block of the table slo_late.
type lateBlock struct {
	block     native.Block
	indicator *native.Numbers[uint64]
	slice, at *native.Numbers[uint32]
}

func newLateBlock() lateBlock {
	b := lateBlock{
		indicator: native.NewNumbers[uint64]("UInt64"), slice: native.NewNumbers[uint32](seconds),
		at: native.NewNumbers[uint32](seconds),
	}
	b.block = native.Block{
		{Name: "indicator", Column: b.indicator},
		{Name: "slice", Column: b.slice},
		{Name: "at", Column: b.at},
	}
	return b
}

func (b *lateBlock) fill(marks []mark, at time.Time) native.Block {
	b.block.Reset()
	for _, m := range marks {
		b.indicator.Append(m.indicator)
		b.slice.Append(m.slot)
		b.at.Append(uint32(at.Unix()))
	}
	return b.block
}
