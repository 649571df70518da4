package logs

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"loadline/ingest/native"
	"loadline/ingest/wire"
)

// columns are those of the table logs, in its order.
type columns struct {
	slice        *native.Numbers[uint32]
	ts, observed *native.Numbers[int64]
	traceID      *native.Fixed
	spanID       *native.Fixed
	env, service *native.LowCardinality
	severity     *native.Numbers[uint8]
	severityText *native.LowCardinality
	eventName    *native.LowCardinality
	body         *native.Strings
	bodyType     *native.LowCardinality
	resourceID   *native.Numbers[uint64]
	scope        *native.LowCardinality
	attributes   *wire.AttributeColumns
	extra        *native.LowCardinality
}

func newColumns() (*columns, native.Block) {
	c := &columns{
		slice:        native.NewNumbers[uint32]("DateTime('UTC')"),
		ts:           native.NewNumbers[int64]("DateTime64(9, 'UTC')"),
		observed:     native.NewNumbers[int64]("DateTime64(9, 'UTC')"),
		traceID:      native.NewFixed(16),
		spanID:       native.NewFixed(8),
		env:          native.NewLowCardinality(),
		service:      native.NewLowCardinality(),
		severity:     native.NewNumbers[uint8]("UInt8"),
		severityText: native.NewLowCardinality(),
		eventName:    native.NewLowCardinality(),
		body:         native.NewStrings(),
		bodyType:     native.NewLowCardinality(),
		resourceID:   native.NewNumbers[uint64]("UInt64"),
		scope:        native.NewLowCardinality(),
		attributes:   wire.NewAttributeColumns(),
		extra:        native.NewLowCardinality(),
	}
	return c, native.Block{
		{Name: "slice", Column: c.slice},
		{Name: "ts", Column: c.ts},
		{Name: "observed", Column: c.observed},
		{Name: "trace_id", Column: c.traceID},
		{Name: "span_id", Column: c.spanID},
		{Name: "env", Column: c.env},
		{Name: "service", Column: c.service},
		{Name: "severity", Column: c.severity},
		{Name: "severity_text", Column: c.severityText},
		{Name: "event_name", Column: c.eventName},
		{Name: "body", Column: c.body},
		{Name: "body_type", Column: c.bodyType},
		{Name: "resource_id", Column: c.resourceID},
		{Name: "scope", Column: c.scope},
		{Name: "attributes", Column: c.attributes.Map},
		{Name: "attribute_types", Column: c.attributes.Types},
		{Name: "extra", Column: c.extra},
	}
}

// Builder collects the log records of a batch. It belongs to one goroutine.
type Builder struct {
	resources *wire.Resources
	scopes    wire.Scopes
	block     native.Block
	*columns
	order []int32

	// of the resource and scope that are being read
	resource    *wire.Resource
	env         uint32
	service     uint32
	scope       uint32
	scopeSchema []byte

	// of the record that is being read
	record   record
	text     []byte
	rendered []byte
}

// NewBuilder returns an empty builder that notes the resources it sees in resources.
func NewBuilder(resources *wire.Resources) *Builder {
	b := &Builder{resources: resources, scopes: wire.Scopes{}}
	b.columns, b.block = newColumns()
	return b
}

// Reset empties the builder and keeps its memory.
func (b *Builder) Reset() {
	b.block.Reset()
	b.attributes.Reset()
}

// Rows is the number of records collected.
func (b *Builder) Rows() int { return len(b.ts.Values) }

// Add reads a request that Check accepted, skips what Check rejected and collects the rest. The window must be the one
// that Check had: it also dates records without any time.
func (b *Builder) Add(body []byte, window wire.Window) error {
	return wire.Walk(body, wire.Visitor{
		Resource: func(resource, schemaURL []byte) error {
			r, err := b.resources.Decode(resource, schemaURL)
			b.resource = r
			if errors.Is(err, wire.ErrTooDeep) {
				return nil
			}
			if err == nil {
				b.env = b.columns.env.Number([]byte(r.Env))
				b.service = b.columns.service.Number([]byte(r.Service))
			}
			return err
		},
		Scope: func(scope, schemaURL []byte) error {
			text, err := b.scopes.Text(scope)
			b.scope = b.columns.scope.Number([]byte(text))
			b.scopeSchema = schemaURL
			return err
		},
		Item: func(item []byte) error {
			if err := b.record.decode(item); err != nil {
				return err
			}
			b.record.settle(window)
			if b.resource != nil && b.record.check(window) == wire.Accepted {
				b.add(&b.record)
			}
			return nil
		},
	})
}

func (b *Builder) add(r *record) {
	slice := wire.Slice(r.time)
	b.resource.Observe(slice)

	c := b.columns
	c.slice.Append(slice)
	c.ts.Append(int64(r.time))
	c.observed.Append(int64(r.observed))
	c.traceID.Append(wire.ValidID(r.traceID, 16))
	c.spanID.Append(wire.ValidID(r.spanID, 8))
	c.env.AppendNumber(b.env)
	c.service.AppendNumber(b.service)
	c.severity.Append(uint8(r.severity))
	c.severityText.Append(wire.Name(r.severityText))
	c.eventName.Append(wire.Name(r.eventName))
	var text []byte
	var typ byte
	text, b.text, typ = r.body.Text(b.text)
	c.body.Append(text)
	c.bodyType.Append([]byte{typ})
	c.resourceID.Append(b.resource.ID)
	c.scope.AppendNumber(b.scope)
	c.attributes.Append(r.attributes)
	b.appendExtra(r)
}

// appendExtra stores what records rarely have as a JSON object, or an empty string.
func (b *Builder) appendExtra(r *record) {
	out := b.rendered[:0]
	out = append(out, '{')
	if r.flags != 0 {
		out = append(strconv.AppendUint(append(out, `"flags":`...), uint64(r.flags), 10), ',')
	}
	if r.droppedAttributes != 0 {
		out = append(strconv.AppendUint(append(out, `"dropped_attributes":`...), r.droppedAttributes, 10), ',')
	}
	if len(b.scopeSchema) > 0 {
		out = append(wire.AppendJSONString(append(out, `"schema_url":`...), b.scopeSchema), ',')
	}
	b.rendered = out
	if len(out) == 1 {
		b.extra.Append(nil)
		return
	}
	out[len(out)-1] = '}'
	b.extra.Append(out)
}

// Block returns the block of the table logs and the order of its rows by primary key. Both are valid until Reset.
func (b *Builder) Block() (native.Block, []int32) {
	b.sort()
	return b.block, b.order
}

// sort orders the rows by (slice, service, ts), the table's primary key.
func (b *Builder) sort() {
	type row struct {
		slice, service uint32
		ts             int64
		number         int32
	}
	ranks := b.columns.service.Ranks()
	rows := make([]row, b.Rows())
	for i := range rows {
		rows[i] = row{b.slice.Values[i], ranks[b.columns.service.Indexes[i]], b.ts.Values[i], int32(i)}
	}
	slices.SortFunc(rows, func(x, y row) int {
		if x.slice != y.slice {
			return cmp.Compare(x.slice, y.slice)
		}
		if x.service != y.service {
			return cmp.Compare(x.service, y.service)
		}
		if x.ts != y.ts {
			return cmp.Compare(x.ts, y.ts)
		}
		return cmp.Compare(x.number, y.number)
	})
	b.order = b.order[:0]
	for _, r := range rows {
		b.order = append(b.order, r.number)
	}
}
