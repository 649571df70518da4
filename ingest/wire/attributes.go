package wire

import "loadline/ingest/native"

// AttributeColumns collects the attributes of rows in a map column and their types, one letter each in map order, in
// another. Of equal keys of a row the last wins.
type AttributeColumns struct {
	Map    *native.Map
	Types  *native.LowCardinality
	latest []uint64 // of each key in the map's dictionary: the last attribute that had it
	serial uint64   // numbers attributes across rows
	keys   []uint32
	types  []byte
	text   []byte
}

// NewAttributeColumns returns empty columns.
func NewAttributeColumns() *AttributeColumns {
	return &AttributeColumns{Map: native.NewMap(), Types: native.NewLowCardinality()}
}

// Append adds one row.
func (c *AttributeColumns) Append(attributes []Attribute) {
	c.keys, c.types = c.keys[:0], c.types[:0]
	first := c.serial + 1
	for i := range attributes {
		key := c.Map.Keys.Number(Name(attributes[i].Key))
		if int(key) == len(c.latest) {
			c.latest = append(c.latest, 0)
		}
		c.keys = append(c.keys, key)
		c.serial++
		c.latest[key] = c.serial
	}
	for i := range attributes {
		if c.latest[c.keys[i]] != first+uint64(i) {
			continue
		}
		var text []byte
		var typ byte
		text, c.text, typ = attributes[i].Value.Text(c.text)
		c.Map.AppendNumber(c.keys[i], text)
		c.types = append(c.types, typ)
	}
	c.Map.Close()
	c.Types.Append(c.types)
}

// Reset empties the columns, which are also reset with the block that they stand in, and keeps their memory.
func (c *AttributeColumns) Reset() {
	c.Map.Reset()
	c.Types.Reset()
	c.latest = c.latest[:0]
}
