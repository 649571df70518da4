package spans

import (
	"cmp"
	"math/big"
	"math/bits"
	"slices"

	"loadline/ingest/native"
)

// maxOperations bounds the operations of one batch; what is beyond is counted under otherOperation.
const (
	maxOperations  = 20_000
	otherOperation = "(other)"
)

// redKey identifies a RED row. Strings are numbers in the dictionaries of the span columns.
type redKey struct {
	slice                            uint32
	service, env, version, operation uint32
	kind, status                     uint8
	root, failed                     bool
}

// redRow is a row of the table red_10s. Counts are adjusted for sampling, but for spans.
type redRow struct {
	key      redKey
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

// red aggregates the spans of a batch.
type red struct {
	rows  []redRow // beyond len stand rows of earlier batches, whose buckets are reused
	index map[redKey]int32
}

func (r *red) reset() {
	r.rows = r.rows[:0]
	clear(r.index)
}

// add counts one span that stands for weight spans.
func (r *red) add(key redKey, duration uint64, weight float64, trace []byte) {
	i, ok := r.index[key]
	if !ok {
		i = r.open(key)
	}
	row := &r.rows[i]
	row.spans++
	row.requests += weight
	row.duration += float64(duration) * weight
	row.count(bucketIndex(duration), weight)
	if duration >= row.slowest {
		row.slowest = duration
		copy(row.trace[:], trace)
	}
}

func (r *red) open(key redKey) int32 {
	i := int32(len(r.rows))
	if int(i) < cap(r.rows) {
		r.rows = r.rows[:i+1]
		r.rows[i] = redRow{key: key, buckets: r.rows[i].buckets[:0]}
	} else {
		r.rows = append(r.rows, redRow{key: key})
	}
	r.index[key] = i
	return i
}

func (r *redRow) count(index int16, n float64) {
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

// bucketIndex is the i for which ns lies in (2^((i-1)/8), 2^(i/8)]; the index of 0 and 1 is 0.
func bucketIndex(ns uint64) int16 {
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

// redBlock is the form of the rows for the table red_10s.
type redBlock struct {
	block              native.Block
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

func newRedBlock() *redBlock {
	b := &redBlock{
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

// redNames are the dictionaries of the numbers in a redKey.
type redNames struct {
	service, env, version, operation *native.Dictionary
}

// operationOf is the name of the key's operation.
func (n *redNames) operationOf(key *redKey) string {
	if key.operation >= maxOperations {
		return otherOperation
	}
	return n.operation.Value(key.operation)
}

// fill replaces the block's content by the rows, whose keys' numbers are those of names.
func (b *redBlock) fill(rows []redRow, names *redNames) {
	b.block.Reset()
	for i := range rows {
		r := &rows[i]
		b.slice.Append(r.key.slice)
		b.service.Append([]byte(names.service.Value(r.key.service)))
		b.env.Append([]byte(names.env.Value(r.key.env)))
		b.version.Append([]byte(names.version.Value(r.key.version)))
		b.operation.Append([]byte(names.operationOf(&r.key)))
		b.kind.Append(int8(r.key.kind))
		b.root.Append(boolByte(r.key.root))
		b.status.Append([]byte(statusNames[r.key.status]))
		b.failed.Append(boolByte(r.key.failed))
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

func boolByte(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
