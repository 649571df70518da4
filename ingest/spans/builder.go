package spans

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"loadline/ingest/native"
	"loadline/ingest/red"
	"loadline/ingest/wire"
)

const kindType = "Enum8('internal' = 1, 'server' = 2, 'client' = 3, 'producer' = 4, 'consumer' = 5)"

// columns are those of the table spans, in its order.
type columns struct {
	slice          *native.Numbers[uint32]
	ts             *native.Numbers[int64]
	duration       *native.Numbers[uint64]
	traceID        *native.Fixed
	spanID         *native.Fixed
	parentID       *native.Fixed
	env            *native.LowCardinality
	service        *native.LowCardinality
	version        *native.LowCardinality
	operation      *native.LowCardinality
	name           *native.LowCardinality
	kind           *native.Numbers[int8]
	status         *native.Numbers[int8]
	statusMessage  *native.Strings
	failed         *native.Numbers[uint8]
	errorType      *native.LowCardinality
	httpStatus     *native.Numbers[uint16]
	peer           *native.LowCardinality
	peerType       *native.LowCardinality
	weight         *native.Numbers[float64]
	resourceID     *native.Numbers[uint64]
	scope          *native.LowCardinality
	attributes     *native.Map
	attributeTypes *native.LowCardinality
	events         *native.Strings
	links          *native.Strings
	traceState     *native.Strings
	extra          *native.LowCardinality
}

func newColumns() (*columns, native.Block) {
	c := &columns{
		slice:          native.NewNumbers[uint32]("DateTime('UTC')"),
		ts:             native.NewNumbers[int64]("DateTime64(9, 'UTC')"),
		duration:       native.NewNumbers[uint64]("UInt64"),
		traceID:        native.NewFixed(16),
		spanID:         native.NewFixed(8),
		parentID:       native.NewFixed(8),
		env:            native.NewLowCardinality(),
		service:        native.NewLowCardinality(),
		version:        native.NewLowCardinality(),
		operation:      native.NewLowCardinality(),
		name:           native.NewLowCardinality(),
		kind:           native.NewNumbers[int8](kindType),
		status:         native.NewNumbers[int8]("Enum8('unset' = 0, 'ok' = 1, 'error' = 2)"),
		statusMessage:  native.NewStrings(),
		failed:         native.NewNumbers[uint8]("Bool"),
		errorType:      native.NewLowCardinality(),
		httpStatus:     native.NewNumbers[uint16]("UInt16"),
		peer:           native.NewLowCardinality(),
		peerType:       native.NewLowCardinality(),
		weight:         native.NewNumbers[float64]("Float64"),
		resourceID:     native.NewNumbers[uint64]("UInt64"),
		scope:          native.NewLowCardinality(),
		attributes:     native.NewMap(),
		attributeTypes: native.NewLowCardinality(),
		events:         native.NewStrings(),
		links:          native.NewStrings(),
		traceState:     native.NewStrings(),
		extra:          native.NewLowCardinality(),
	}
	return c, native.Block{
		{Name: "slice", Column: c.slice},
		{Name: "ts", Column: c.ts},
		{Name: "duration", Column: c.duration},
		{Name: "trace_id", Column: c.traceID},
		{Name: "span_id", Column: c.spanID},
		{Name: "parent_id", Column: c.parentID},
		{Name: "env", Column: c.env},
		{Name: "service", Column: c.service},
		{Name: "version", Column: c.version},
		{Name: "operation", Column: c.operation},
		{Name: "name", Column: c.name},
		{Name: "kind", Column: c.kind},
		{Name: "status", Column: c.status},
		{Name: "status_message", Column: c.statusMessage},
		{Name: "error", Column: c.failed},
		{Name: "error_type", Column: c.errorType},
		{Name: "http_status", Column: c.httpStatus},
		{Name: "peer", Column: c.peer},
		{Name: "peer_type", Column: c.peerType},
		{Name: "weight", Column: c.weight},
		{Name: "resource_id", Column: c.resourceID},
		{Name: "scope", Column: c.scope},
		{Name: "attributes", Column: c.attributes},
		{Name: "attribute_types", Column: c.attributeTypes},
		{Name: "events", Column: c.events},
		{Name: "links", Column: c.links},
		{Name: "trace_state", Column: c.traceState},
		{Name: "extra", Column: c.extra},
	}
}

// Builder collects the spans of a batch. It belongs to one goroutine.
type Builder struct {
	resources *wire.Resources
	seen      map[uint64]*wire.Resource // those of the batch, by id
	scopes    wire.Scopes
	block     native.Block
	*columns
	red   *red.Rows
	index traceIndex
	order []int32

	// of the resource and scope that are being read
	resource              *wire.Resource
	env, service, version uint32
	scope                 uint32
	scopeSchema           []byte

	// of the span that is being read
	span     span
	facts    facts
	keys     []uint32  // dictionary numbers of the attributes' keys
	meaning  []meaning // of each key in the dictionary
	old      []bool    // whether that key is an old spelling
	latest   []uint64  // of each key in the dictionary: the last attribute that had it
	serial   uint64    // numbers attributes across spans
	text     []byte
	types    []byte
	rendered []byte
}

// NewBuilder returns an empty builder that notes the resources it sees in resources.
func NewBuilder(resources *wire.Resources) *Builder {
	b := &Builder{resources: resources, seen: map[uint64]*wire.Resource{}, scopes: wire.Scopes{}, red: red.NewRows()}
	b.columns, b.block = newColumns()
	b.index = newTraceIndex()
	return b
}

// Reset empties the builder and keeps its memory.
func (b *Builder) Reset() {
	b.block.Reset()
	b.red.Reset()
	clear(b.seen)
	b.meaning, b.old, b.latest = b.meaning[:0], b.old[:0], b.latest[:0]
}

// Rows is the number of spans collected.
func (b *Builder) Rows() int { return len(b.ts.Values) }

// Add reads a request that Check accepted, skips what Check rejected and collects the rest.
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
				b.version = b.columns.version.Number([]byte(r.Version))
				b.seen[r.ID] = r
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
			if err := b.span.decode(item); err != nil {
				return err
			}
			if b.resource != nil && b.span.check(window) == wire.Accepted {
				b.add(&b.span)
			}
			return nil
		},
	})
}

func (b *Builder) add(s *span) {
	if s.kind < kindInternal || s.kind > kindConsumer {
		s.kind = kindInternal
	}
	if s.status < 0 || s.status > statusError {
		s.status = 0
	}
	slice, duration := wire.Slice(s.start), s.duration()
	b.resource.Observe(slice)

	c := b.columns
	c.slice.Append(slice)
	c.ts.Append(int64(s.start))
	c.duration.Append(duration)
	c.traceID.Append(s.traceID)
	c.spanID.Append(s.spanID)
	if s.root() {
		s.parentID = nil
	}
	c.parentID.Append(s.parentID)
	c.env.AppendNumber(b.env)
	c.service.AppendNumber(b.service)
	c.version.AppendNumber(b.version)
	c.name.Append(wire.Name(s.name))
	c.kind.Append(int8(s.kind))
	c.status.Append(int8(s.status))
	c.statusMessage.Append(wire.Text(s.statusMessage))
	c.resourceID.Append(b.resource.ID)
	c.scope.AppendNumber(b.scope)
	b.appendAttributes(s)
	b.appendEvents(s)
	b.appendLinks(s)
	c.traceState.Append(wire.Text(s.traceState))
	b.appendExtra(s)
	b.derive(s, slice, duration)
}

// derive fills the columns that are computed from the span and counts it in RED.
func (b *Builder) derive(s *span, slice uint32, duration uint64) {
	c := b.columns
	status := b.facts.status()
	failed := failed(s, status)
	weight := wire.Weight(s.traceState)
	b.text = b.facts.operation(b.text[:0], s)
	operation := c.operation.Append(wire.Name(b.text))
	c.failed.Append(native.Bool(failed))
	c.errorType.Append(wire.Name(b.facts.text(errorType)))
	c.httpStatus.Append(status)
	peer, peerType := b.facts.peer(b.text[:0], s)
	c.peer.Append(wire.Name(peer))
	c.peerType.Append(peerType)
	c.weight.Append(weight)

	key := red.Key{
		Slice: slice, Service: b.service, Env: b.env, Version: b.version, Operation: min(operation, red.MaxOperations),
		Kind: uint8(s.kind), Status: uint8(status / 100), Root: len(s.parentID) == 0, Failed: failed,
	}
	if status == 0 && failed {
		key.Status = red.StatusError
	}
	b.red.Add(key, duration, weight, s.traceID)
}

// appendAttributes stores the span's attributes and notes those with a meaning in b.facts. Of equal keys the last wins.
func (b *Builder) appendAttributes(s *span) {
	b.facts = facts{}
	b.keys, b.types = b.keys[:0], b.types[:0]
	first := b.serial + 1
	for i := range s.attributes {
		key := b.attributes.Keys.Number(wire.Name(s.attributes[i].Key))
		if int(key) == len(b.meaning) {
			convention := conventions[string(s.attributes[i].Key)]
			b.meaning = append(b.meaning, convention.meaning)
			b.old = append(b.old, convention.old)
			b.latest = append(b.latest, 0)
		}
		b.keys = append(b.keys, key)
		b.serial++
		b.latest[key] = b.serial
	}
	for i := range s.attributes {
		key, value := b.keys[i], &s.attributes[i].Value
		if b.latest[key] != first+uint64(i) {
			continue
		}
		if m := b.meaning[key]; m != unknown && (b.facts[m] == nil || !b.old[key]) {
			b.facts[m] = value
		}
		var text []byte
		var typ byte
		text, b.text, typ = value.Text(b.text)
		b.attributes.AppendNumber(key, text)
		b.types = append(b.types, typ)
	}
	b.attributes.Close()
	b.attributeTypes.Append(b.types)
}

// Block returns the block of the table spans and the order of its rows by primary key. Both are valid until Reset.
func (b *Builder) Block() (native.Block, []int32) {
	b.sort()
	return b.block, b.order
}

// Derived returns the blocks of the tables trace_index and red_10s. Block must have been called before.
func (b *Builder) Derived() (traceIndex, rates native.Block) {
	b.index.fill(b.columns, b.order)
	return b.index.block, b.red.Block(b.names())
}

// AppendRollup appends the RED rows of the batch to dst, in the form that red.Rollup.Add reads.
func (b *Builder) AppendRollup(dst []byte) []byte {
	return b.red.Append(dst, b.names())
}

func (b *Builder) names() *red.Names {
	c := b.columns
	return &red.Names{
		Service: &c.service.Dictionary, Env: &c.env.Dictionary, Version: &c.version.Dictionary,
		Operation: &c.operation.Dictionary,
	}
}

// sort orders the rows by (slice, service, trace_id), the table's primary key, and inside a trace by time, which costs
// little here and saves bytes there.
func (b *Builder) sort() {
	type row struct {
		slice   uint32
		service uint32
		prefix  uint64 // of the trace id
		number  int32
	}
	ranks := b.columns.service.Ranks()
	rows := make([]row, b.Rows())
	for i := range rows {
		rows[i] = row{
			slice: b.slice.Values[i], service: ranks[b.columns.service.Indexes[i]],
			prefix: binary.BigEndian.Uint64(b.traceID.Row(i)), number: int32(i),
		}
	}
	slices.SortFunc(rows, func(x, y row) int {
		if x.slice != y.slice {
			return cmp.Compare(x.slice, y.slice)
		}
		if x.service != y.service {
			return cmp.Compare(x.service, y.service)
		}
		if x.prefix != y.prefix {
			return cmp.Compare(x.prefix, y.prefix)
		}
		if d := bytes.Compare(b.traceID.Row(int(x.number)), b.traceID.Row(int(y.number))); d != 0 {
			return d
		}
		return cmp.Compare(b.ts.Values[x.number], b.ts.Values[y.number])
	})
	b.order = b.order[:0]
	for _, r := range rows {
		b.order = append(b.order, r.number)
	}
}

// traceIndex is the block of the table trace_index.
type traceIndex struct {
	block   native.Block
	traceID *native.Fixed
	slice   *native.Numbers[uint32]
	places  []place
}

// place is a slice that holds spans of a trace.
type place struct {
	trace [16]byte
	slice uint32
}

func newTraceIndex() traceIndex {
	t := traceIndex{traceID: native.NewFixed(16), slice: native.NewNumbers[uint32]("DateTime('UTC')")}
	t.block = native.Block{{Name: "trace_id", Column: t.traceID}, {Name: "slice", Column: t.slice}}
	return t
}

// fill replaces the content by the distinct places of the traces in c, by the table's primary key. Most rows of one
// place are neighbours in the given order.
func (t *traceIndex) fill(c *columns, order []int32) {
	t.block.Reset()
	t.places = t.places[:0]
	for _, row := range order {
		p := place{trace: [16]byte(c.traceID.Row(int(row))), slice: c.slice.Values[row]}
		if n := len(t.places); n == 0 || t.places[n-1] != p {
			t.places = append(t.places, p)
		}
	}
	slices.SortFunc(t.places, func(x, y place) int {
		if d := bytes.Compare(x.trace[:], y.trace[:]); d != 0 {
			return d
		}
		return cmp.Compare(x.slice, y.slice)
	})
	t.places = slices.Compact(t.places)
	for i := range t.places {
		t.traceID.Append(t.places[i].trace[:])
		t.slice.Append(t.places[i].slice)
	}
}
