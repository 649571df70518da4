// Package red counts spans into the rows of the RED tables: requests, errors and durations by service, operation and
// 10 s slice, and sums those rows into wider slices.
package red

import (
	"cmp"
	"math/big"
	"math/bits"
	"slices"

	"loadline/ingest/native"
)

// MaxOperations bounds the operations of one batch; what is beyond is counted under one name.
const (
	MaxOperations  = 20_000
	otherOperation = "(other)"
)

// Key identifies a RED row. Strings are numbers in the dictionaries of Names.
type Key struct {
	Slice                            uint32 // Unix seconds
	Service, Env, Version, Operation uint32
	Kind                             uint8 // as in OTLP
	Status                           uint8 // the class of the HTTP status code, 0 for none, or StatusError
	Root, Failed                     bool
}

// Span kinds of OTLP that are work for somebody else.
const (
	kindServer   = 2
	kindConsumer = 5
)

// inbound says whether the span is work that its service was asked for.
func (k *Key) inbound() bool { return k.Kind == kindServer || k.Kind == kindConsumer || k.Root }

// StatusError is the status of a failed span that has no HTTP status code.
const StatusError = 6

// statusNames are the statuses as stored.
var statusNames = [...]string{0: "ok", 1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx", StatusError: "error"}

const kindType = "Enum8('internal' = 1, 'server' = 2, 'client' = 3, 'producer' = 4, 'consumer' = 5)"

// row is a row of the table red_10s. Counts are adjusted for sampling, but for spans.
type row struct {
	key      Key
	spans    uint64
	requests float64
	duration float64
	buckets  []bucket
	slowest  uint64
	trace    [16]byte
}

// bucket is an entry of a sparse latency histogram.
type bucket struct {
	index int16
	count float64
}

// Rows aggregates the spans of a batch. It belongs to one goroutine.
type Rows struct {
	rows  []row // beyond len stand rows of earlier batches, whose buckets are reused
	index map[Key]int32
	block *block
}

// NewRows returns no rows.
func NewRows() *Rows { return &Rows{index: map[Key]int32{}, block: newBlock()} }

// Block returns the rows in the form of the RED tables. The numbers in their keys are those of names. The block is valid
// until the next call or Reset.
func (r *Rows) Block(names *Names) native.Block {
	r.block.fill(r.rows, names)
	return r.block.block
}

// Reset empties the rows and keeps their memory.
func (r *Rows) Reset() {
	r.rows = r.rows[:0]
	clear(r.index)
}

// Add counts one span that stands for weight spans.
func (r *Rows) Add(key Key, duration uint64, weight float64, trace []byte) {
	i, ok := r.index[key]
	if !ok {
		i = r.open(key)
	}
	row := &r.rows[i]
	row.spans++
	row.requests += weight
	row.duration += float64(duration) * weight
	row.count(BucketIndex(duration), weight)
	if duration >= row.slowest {
		row.slowest = duration
		copy(row.trace[:], trace)
	}
}

func (r *Rows) open(key Key) int32 {
	i := int32(len(r.rows))
	if int(i) < cap(r.rows) {
		r.rows = r.rows[:i+1]
		r.rows[i] = row{key: key, buckets: r.rows[i].buckets[:0]}
	} else {
		r.rows = append(r.rows, row{key: key})
	}
	r.index[key] = i
	return i
}

func (r *row) count(index int16, n float64) {
	i, ok := slices.BinarySearchFunc(r.buckets, index, func(b bucket, index int16) int { return cmp.Compare(b.index, index) })
	if !ok {
		r.buckets = slices.Insert(r.buckets, i, bucket{index: index})
	}
	r.buckets[i].count += n
}

// bucketsPerDoubling sets the width of a latency bucket: its bounds differ by the factor 2^(1/8), so that its
// geometric middle is within 4.5 % of every value in it.
const bucketsPerDoubling = 8

// bucketBounds are the upper bounds of the buckets between 2^63 and 2^64, but for the last, rounded down: a number is
// at most 2^(63+i/8) if it is at most the eighth root of 2^(504+i).
var bucketBounds = func() (bounds [bucketsPerDoubling - 1]uint64) {
	for i := range bounds {
		root := new(big.Int).Lsh(big.NewInt(1), uint(63*bucketsPerDoubling+i+1))
		for range bits.TrailingZeros(bucketsPerDoubling) {
			root.Sqrt(root)
		}
		bounds[i] = root.Uint64()
	}
	return bounds
}()

// BucketIndex is the i for which ns lies in (2^((i-1)/8), 2^(i/8)]; the index of 0 and 1 is 0.
func BucketIndex(ns uint64) int16 {
	if ns <= 1 {
		return 0
	}
	exponent := bits.Len64(ns) - 1
	if ns&(ns-1) == 0 {
		return int16(exponent * bucketsPerDoubling)
	}
	mantissa := ns << (63 - exponent)
	within := 1
	for _, bound := range bucketBounds {
		if mantissa <= bound {
			break
		}
		within++
	}
	return int16(exponent*bucketsPerDoubling + within)
}

// block is the form of the rows for the table red_10s.
type block struct {
	block              native.Block
	inbound            *native.Numbers[uint8]
	slice              *native.Numbers[uint32]
	service, env       *native.LowCardinality
	version, operation *native.LowCardinality
	status             *native.LowCardinality
	kind               *native.Numbers[int8]
	root, failed       *native.Numbers[uint8]
	spans              *native.Numbers[uint64]
	requests, duration *native.Numbers[float64]
	index              *native.Arrays[int16]
	count              *native.Arrays[float64]
	slowest            *native.Numbers[uint64]
	trace              *native.Fixed
	indexes            []int16   // of one row
	counts             []float64 // of one row
}

func newBlock() *block {
	b := &block{
		inbound:   native.NewNumbers[uint8]("Bool"),
		slice:     native.NewNumbers[uint32]("DateTime('UTC')"),
		service:   native.NewLowCardinality(),
		env:       native.NewLowCardinality(),
		version:   native.NewLowCardinality(),
		operation: native.NewLowCardinality(),
		status:    native.NewLowCardinality(),
		kind:      native.NewNumbers[int8](kindType),
		root:      native.NewNumbers[uint8]("Bool"),
		failed:    native.NewNumbers[uint8]("Bool"),
		spans:     native.NewNumbers[uint64]("SimpleAggregateFunction(sum, UInt64)"),
		requests:  native.NewNumbers[float64]("SimpleAggregateFunction(sum, Float64)"),
		duration:  native.NewNumbers[float64]("SimpleAggregateFunction(sum, Float64)"),
		index:     native.NewArrays[int16]("Array(Int16)"),
		count:     native.NewArrays[float64]("Array(Float64)"),
		slowest:   native.NewNumbers[uint64]("UInt64"),
		trace:     native.NewFixed(16),
	}
	b.block = native.Block{
		{Name: "inbound", Column: b.inbound},
		{Name: "slice", Column: b.slice},
		{Name: "service", Column: b.service},
		{Name: "env", Column: b.env},
		{Name: "version", Column: b.version},
		{Name: "operation", Column: b.operation},
		{Name: "kind", Column: b.kind},
		{Name: "root", Column: b.root},
		{Name: "status", Column: b.status},
		{Name: "error", Column: b.failed},
		{Name: "spans", Column: b.spans},
		{Name: "requests", Column: b.requests},
		{Name: "duration", Column: b.duration},
		{Name: "latency", Column: native.NewTuple(
			"SimpleAggregateFunction(sumMap, Tuple(Array(Int16), Array(Float64)))", b.index, b.count)},
		{Name: "slowest", Column: native.NewTuple(
			"SimpleAggregateFunction(max, Tuple(UInt64, FixedString(16)))", b.slowest, b.trace)},
	}
	return b
}

// Names are the dictionaries of the numbers in a Key.
type Names struct {
	Service, Env, Version, Operation *native.Dictionary
}

// operationOf is the name of the key's operation.
func (n *Names) operationOf(key *Key) string {
	if key.Operation >= MaxOperations {
		return otherOperation
	}
	return n.Operation.Value(key.Operation)
}

// fill replaces the block's content by the rows, whose keys' numbers are those of names.
func (b *block) fill(rows []row, names *Names) {
	b.block.Reset()
	for i := range rows {
		r := &rows[i]
		b.inbound.Append(native.Bool(r.key.inbound()))
		b.slice.Append(r.key.Slice)
		b.service.Append([]byte(names.Service.Value(r.key.Service)))
		b.env.Append([]byte(names.Env.Value(r.key.Env)))
		b.version.Append([]byte(names.Version.Value(r.key.Version)))
		b.operation.Append([]byte(names.operationOf(&r.key)))
		b.kind.Append(int8(r.key.Kind))
		b.root.Append(native.Bool(r.key.Root))
		b.status.Append([]byte(statusNames[r.key.Status]))
		b.failed.Append(native.Bool(r.key.Failed))
		b.spans.Append(r.spans)
		b.requests.Append(r.requests)
		b.duration.Append(r.duration)
		b.indexes, b.counts = b.indexes[:0], b.counts[:0]
		for _, bucket := range r.buckets {
			b.indexes = append(b.indexes, bucket.index)
			b.counts = append(b.counts, bucket.count)
		}
		b.index.Append(b.indexes...)
		b.count.Append(b.counts...)
		b.slowest.Append(r.slowest)
		b.trace.Append(r.trace[:])
	}
}
