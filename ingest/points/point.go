package points

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/cespare/xxhash/v2"

	"loadline/ingest/wire"
)

// Limits on one data point.
const (
	maxBuckets   = 4096 // non-empty ones of an exponential histogram, all of an explicit one
	maxQuantiles = 128  // of a summary; further ones are dropped
	maxExemplars = 256  // further ones are dropped
)

// Schemas of Prometheus native histograms. A schema above maxSchema is downscaled, one below minSchema rejected.
const (
	minSchema = -4
	maxSchema = 8
	// CustomSchema is that of histograms with explicit bounds.
	CustomSchema = -53
)

// noRecordedValue is the data point flag that ends a series.
const noRecordedValue = 1

// role is what a field of a data point message means.
type role uint8

const (
	unknown role = iota
	attribute
	startTime
	eventTime
	asDouble
	asInt
	count
	sum
	least
	most
	bucketCounts
	explicitBounds
	scale
	zeroCount
	zeroThreshold
	positive
	negative
	quantileValue
	exemplarField
	flags
)

// roles gives the field numbers of the four data point messages.
// Source: opentelemetry-proto 1.x, metrics/v1/metrics.proto.
var roles = [shapes][15]role{
	Number: {
		2: startTime, 3: eventTime, 4: asDouble, 5: exemplarField, 6: asInt, 7: attribute, 8: flags,
	},
	Histogram: {
		2: startTime, 3: eventTime, 4: count, 5: sum, 6: bucketCounts, 7: explicitBounds, 8: exemplarField, 9: attribute,
		10: flags, 11: least, 12: most,
	},
	Exponential: {
		1: attribute, 2: startTime, 3: eventTime, 4: count, 5: sum, 6: scale, 7: zeroCount, 8: positive, 9: negative,
		10: flags, 11: exemplarField, 12: least, 13: most, 14: zeroThreshold,
	},
	Summary: {
		2: startTime, 3: eventTime, 4: count, 5: sum, 6: quantileValue, 7: attribute, 8: flags,
	},
}

// Point is a decoded data point of any shape; all bytes view the request body.
type Point struct {
	Attributes         [][]byte // encoded KeyValues
	Exemplars          [][]byte // encoded Exemplars, for Exemplar.Decode
	Quantiles          [][]byte // encoded ValueAtQuantiles, for Quantile
	Start, Time        uint64   // Unix time in nanoseconds
	Flags              uint64
	Value              float64
	HasValue           bool
	Count, ZeroCount   uint64
	Sum, Min, Max      float64 // NaN when absent
	hasSum             bool
	ZeroThreshold      float64
	Scale              int32
	Positive, Negative []byte // encoded Buckets
	Counts             []uint64
	Bounds             []float64
	BoundsHash         uint64 // of Bounds
	crowded            bool   // more than maxBuckets explicit buckets

	// Set by Check: the non-empty buckets on either side of zero.
	Above, Below []Bucket
}

// Bucket is an entry of a sparse histogram. Index counts explicit buckets from 0; exponential ones have the index that
// Prometheus gives them, that of their upper bound.
type Bucket struct {
	Index int32
	Count uint64
}

// Decode reads a data point of the given shape into p, whose slices are reused. The attributes' bytes are also written
// to digest where that is not nil; they are not decoded.
func (p *Point) Decode(s Shape, data []byte, digest *xxhash.Digest) error {
	nan := math.NaN()
	*p = Point{
		Attributes: p.Attributes[:0], Exemplars: p.Exemplars[:0], Quantiles: p.Quantiles[:0],
		Counts: p.Counts[:0], Bounds: p.Bounds[:0], Above: p.Above[:0], Below: p.Below[:0], Sum: nan, Min: nan, Max: nan,
	}
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		field := data
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read data point: %w", err)
		}
		if fc.FieldNum >= uint32(len(roles[s])) {
			continue
		}
		role := roles[s][fc.FieldNum]
		if role == attribute && digest != nil {
			_, _ = digest.Write(field[:len(field)-len(data)])
		}
		if !p.set(role, &fc) {
			return fmt.Errorf("read data point: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	return nil
}

// set takes over one field and says whether it has the right type.
func (p *Point) set(role role, fc *easyproto.FieldContext) (ok bool) {
	ok = true
	switch role {
	case attribute:
		p.Attributes, ok = appendMessage(p.Attributes, fc, wire.MaxAttributes)
	case startTime:
		p.Start, ok = fc.Fixed64()
	case eventTime:
		p.Time, ok = fc.Fixed64()
	case asDouble:
		p.Value, ok = fc.Double()
		p.HasValue = true
	case asInt:
		var n int64
		n, ok = fc.Sfixed64()
		p.Value, p.HasValue = float64(n), true
	case count:
		p.Count, ok = fc.Fixed64()
	case sum:
		p.Sum, ok = fc.Double()
		p.hasSum = true
	case least:
		p.Min, ok = fc.Double()
	case most:
		p.Max, ok = fc.Double()
	case bucketCounts, explicitBounds:
		ok = p.setBuckets(role, fc)
	case scale:
		p.Scale, ok = fc.Sint32()
	case zeroCount:
		p.ZeroCount, ok = fc.Fixed64()
	case zeroThreshold:
		p.ZeroThreshold, ok = fc.Double()
	case positive:
		p.Positive, ok = fc.MessageData()
	case negative:
		p.Negative, ok = fc.MessageData()
	case quantileValue:
		p.Quantiles, ok = appendMessage(p.Quantiles, fc, maxQuantiles)
	case exemplarField:
		p.Exemplars, ok = appendMessage(p.Exemplars, fc, maxExemplars)
	case flags:
		p.Flags, ok = fc.Uint64()
	}
	return ok
}

func appendMessage(dst [][]byte, fc *easyproto.FieldContext, limit int) ([][]byte, bool) {
	message, ok := fc.MessageData()
	if ok && len(dst) < limit {
		dst = append(dst, message)
	}
	return dst, ok
}

// setBuckets reads bucket counts or bounds, packed or not, unless there are too many.
func (p *Point) setBuckets(role role, fc *easyproto.FieldContext) (ok bool) {
	if len(p.Counts) > maxBuckets || len(p.Bounds) > maxBuckets {
		p.crowded = true
		return true
	}
	packed, isPacked := fc.Bytes()
	if isPacked && len(packed) > 8*(maxBuckets+1) {
		p.crowded = true
		return true
	}
	if role == bucketCounts {
		p.Counts, ok = fc.UnpackFixed64s(p.Counts)
		return ok
	}
	before := len(p.Bounds)
	p.Bounds, ok = fc.UnpackDoubles(p.Bounds)
	for _, bound := range p.Bounds[before:] {
		p.BoundsHash = Mix(p.BoundsHash, math.Float64bits(bound))
	}
	return ok
}

// Mix derives a hash from a hash and a number. Source: the finalizer of splitmix64.
func Mix(hash, n uint64) uint64 {
	hash = (hash ^ n) + 0x9e3779b97f4a7c15
	hash = (hash ^ hash>>30) * 0xbf58476d1ce4e5b9
	hash = (hash ^ hash>>27) * 0x94d049bb133111eb
	return hash ^ hash>>31
}

// Stale says whether the point ends its series instead of telling a value.
func (p *Point) Stale() bool { return p.Flags&noRecordedValue != 0 }

// StaleNaN is the value by which Prometheus ends a series.
func StaleNaN() float64 { return math.Float64frombits(0x7ff0000000000002) }

// empty takes all values out of a stale point: what the sender wrote there does not count.
func (p *Point) empty() {
	p.Value, p.Sum, p.Min, p.Max = StaleNaN(), StaleNaN(), math.NaN(), math.NaN()
	p.Count, p.ZeroCount, p.ZeroThreshold, p.Scale, p.BoundsHash = 0, 0, 0, 0, 0
	p.Counts, p.Bounds, p.Exemplars = p.Counts[:0], p.Bounds[:0], p.Exemplars[:0]
}

// Check says whether the point can be stored and brings its buckets into the form in which they are. It reports an
// error where bytes are malformed that Decode did not look at.
func (p *Point) Check(s Shape, window wire.Window) (wire.Reason, error) {
	if p.Time == 0 {
		return wire.NoTime, nil
	}
	if reason := window.Check(p.Time); reason != wire.Accepted {
		return reason, nil
	}
	if p.Stale() {
		p.empty()
		return wire.Accepted, nil
	}
	switch s {
	case Number:
		if !p.HasValue {
			return wire.NoValue, nil
		}
	case Histogram:
		if p.crowded || !p.checkExplicit() {
			return wire.BadHistogram, nil
		}
	case Exponential:
		return p.checkExponential()
	}
	return wire.Accepted, nil
}

// checkExplicit turns the counts of a histogram with explicit bounds into buckets above. One without buckets has a
// single one from -Inf to +Inf, and a bound of +Inf, which says nothing, is left out.
func (p *Point) checkExplicit() bool {
	if len(p.Counts) == 0 && len(p.Bounds) == 0 {
		p.Counts = append(p.Counts, p.Count)
	}
	if len(p.Counts) != len(p.Bounds)+1 {
		return false
	}
	if n := len(p.Bounds); n > 0 && math.IsInf(p.Bounds[n-1], 1) {
		var carry uint64
		p.Counts[n-1], carry = bits.Add64(p.Counts[n-1], p.Counts[n], 0)
		if carry > 0 {
			return false
		}
		p.Counts, p.Bounds = p.Counts[:n], p.Bounds[:n-1]
	}
	previous := math.Inf(-1)
	for _, bound := range p.Bounds {
		if !(bound > previous) || math.IsInf(bound, 1) {
			return false
		}
		previous = bound
	}
	var total, carry uint64
	for i, n := range p.Counts {
		if n == 0 {
			continue
		}
		p.Above = append(p.Above, Bucket{int32(i), n})
		if total, carry = bits.Add64(total, n, 0); carry > 0 {
			return false
		}
	}
	return total == p.Count
}

// checkExponential reads the buckets of an exponential histogram.
func (p *Point) checkExponential() (wire.Reason, error) {
	if p.Scale < minSchema {
		return wire.BadScale, nil
	}
	if p.ZeroThreshold < 0 || math.IsNaN(p.ZeroThreshold) {
		return wire.BadHistogram, nil
	}
	down := uint(max(p.Scale-maxSchema, 0))
	p.Scale -= int32(down)
	total, good := p.ZeroCount, true
	var err error
	for _, side := range []struct {
		message []byte
		dst     *[]Bucket
	}{{p.Positive, &p.Above}, {p.Negative, &p.Below}} {
		if *side.dst, err = sparse(*side.dst, side.message, down, &total, &good); err != nil {
			return wire.BadHistogram, err
		}
	}
	// Observations of NaN are counted in no bucket and make the sum NaN.
	unbucketed := p.hasSum && math.IsNaN(p.Sum)
	if !good || total > p.Count || total < p.Count && !unbucketed {
		return wire.BadHistogram, nil
	}
	return wire.Accepted, nil
}

// sparse appends the non-empty buckets of a Buckets message, merged to a scale coarser by down, and adds their counts
// to total. Prometheus numbers a bucket by its upper bound, OTLP by its lower. Memory is bounded by the number of
// non-empty buckets, whatever the offset; good becomes false where there are too many or numbers overflow.
func sparse(dst []Bucket, message []byte, down uint, total *uint64, good *bool) ([]Bucket, error) {
	offset, _, err := easyproto.GetSint32(message, 1)
	if err != nil {
		return dst, fmt.Errorf("read buckets: %w", err)
	}
	next := int64(offset)
	add := func(n uint64) {
		index := next>>down + 1
		next++
		if n == 0 || !*good {
			return
		}
		var carry uint64
		if *total, carry = bits.Add64(*total, n, 0); carry > 0 || index > math.MaxInt32 {
			*good = false
			return
		}
		if last := len(dst) - 1; last >= 0 && int64(dst[last].Index) == index {
			dst[last].Count += n
			return
		}
		if *good = len(dst) < maxBuckets; *good {
			dst = append(dst, Bucket{int32(index), n})
		}
	}
	var fc easyproto.FieldContext
	for len(message) > 0 {
		if message, err = fc.NextField(message); err != nil {
			return dst, fmt.Errorf("read buckets: %w", err)
		}
		if fc.FieldNum != 2 {
			continue
		}
		if n, ok := fc.Uint64(); ok {
			add(n)
			continue
		}
		packed, ok := fc.Bytes()
		if !ok {
			return dst, errors.New("read bucket counts: wrong wire type")
		}
		for len(packed) > 0 {
			n, size := binary.Uvarint(packed)
			if size <= 0 {
				return dst, errors.New("read bucket counts: malformed varint")
			}
			packed = packed[size:]
			add(n)
		}
	}
	return dst, nil
}

// Exemplar is a decoded Exemplar without its attributes, which are its field 7; all bytes view the request body.
type Exemplar struct {
	Time            uint64 // Unix time in nanoseconds, 0 when absent
	Value           float64
	HasValue        bool
	TraceID, SpanID []byte
}

// Decode reads an Exemplar message into e.
func (e *Exemplar) Decode(data []byte) error {
	*e = Exemplar{}
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read exemplar: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 2:
			e.Time, ok = fc.Fixed64()
		case 3:
			e.Value, ok = fc.Double()
			e.HasValue = true
		case 4:
			e.SpanID, ok = fc.Bytes()
		case 5:
			e.TraceID, ok = fc.Bytes()
		case 6:
			var n int64
			n, ok = fc.Sfixed64()
			e.Value, e.HasValue = float64(n), true
		}
		if !ok {
			return fmt.Errorf("read exemplar: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	return nil
}

// Quantile reads a ValueAtQuantile message.
func Quantile(data []byte) (q, value float64, err error) {
	if q, _, err = easyproto.GetDouble(data, 1); err == nil {
		value, _, err = easyproto.GetDouble(data, 2)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read quantile: %w", err)
	}
	return q, value, nil
}
