package tally

import (
	"slices"
	"time"

	"loadline/ingest/native"
)

// Batch adds up the records of many segments and makes the rows of them. It belongs to one goroutine.
type Batch struct {
	rowOf  map[key]int32
	rows   []row
	marks  []mark
	groups native.Dictionary // so that equal groups are one string

	slots   slotBlock
	journal journalBlock
	late    lateBlock
}

// row is a row of counts.
type row struct {
	key
	bad, total int64
}

// Table is a block and the table that it is for.
type Table struct {
	Name  string
	Block native.Block
}

// NewBatch returns an empty batch.
func NewBatch() *Batch {
	return &Batch{rowOf: map[key]int32{}, slots: newSlotBlock(), journal: newJournalBlock(), late: newLateBlock()}
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	clear(b.rowOf)
	b.groups.Reset()
	b.rows, b.marks = b.rows[:0], b.marks[:0]
}

// Add adds a record that [Counter.Count] wrote. An error says that it is damaged; what stands before the damage counts.
func (b *Batch) Add(record []byte) error {
	in := reader{data: record}
	if version := in.take(1); version == nil || version[0] != recordVersion {
		return errDamaged
	}
	for n := in.uvarint(); n > 0; n-- {
		k := key{indicator: in.uint64()}
		k.group = b.groups.Value(b.groups.Number(in.take(in.uvarint())))
		k.slot = in.uint32()
		bad, total := in.uvarint(), in.uvarint()
		if in.damaged || bad > total || total > maxCount {
			return errDamaged
		}
		b.add(k, int64(bad), int64(total))
	}
	for len(in.data) > 0 {
		m := mark{in.uint64(), in.uint32()}
		if in.damaged {
			return errDamaged
		}
		b.marks = append(b.marks, m)
	}
	if in.damaged {
		return errDamaged
	}
	return nil
}

func (b *Batch) add(k key, bad, total int64) {
	n, ok := b.rowOf[k]
	if !ok {
		n = int32(len(b.rows))
		b.rowOf[k] = n
		b.rows = append(b.rows, row{key: k})
	}
	b.rows[n].bad += bad
	b.rows[n].total += total
}

// Events is how many events of all indicators are in the batch; an event of two indicators is two.
func (b *Batch) Events() int {
	var n int64
	for i := range b.rows {
		if b.rows[i].group == "" {
			n += b.rows[i].total
		}
	}
	return int(n)
}

// Each calls insert for the blocks of the batch, whose rows are in the order of their table, and stops at an error. Those
// who follow the journal find everything else in place, because it comes last. The batch is of a node, has a number, and
// is as old as its newest record; the same records make the same blocks but for the number. A block is valid during the
// call.
func (b *Batch) Each(node, number uint64, at time.Time, insert func(Table) error) error {
	slices.SortFunc(b.rows, func(x, y row) int { return x.compare(y.key) })
	slices.SortFunc(b.marks, mark.compare)
	b.marks = slices.Compact(b.marks)
	tables := []struct {
		name string
		fill func() native.Block
	}{
		{"slo_slots_10s", func() native.Block { return b.slots.fill(b.rows, 1) }},
		{"slo_slots_5m", func() native.Block { return b.slots.fill(b.rows, 300) }},
		{"slo_slots_1h", func() native.Block { return b.slots.fill(b.rows, 3600) }},
		{"slo_late", func() native.Block { return b.late.fill(b.marks, at) }},
		{"slo_journal", func() native.Block { return b.journal.fill(b.rows, node, number, at) }},
	}
	for _, t := range tables {
		if err := insert(Table{t.name, t.fill()}); err != nil {
			return err
		}
	}
	return nil
}
