package request

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/VictoriaMetrics/easyproto"

	"loadline/ingest/points"
	"loadline/ingest/samples"
	"loadline/ingest/wire"
)

// Schemas of native histograms. Those above maxSchema are reserved and are stored in its resolution, as Prometheus does.
const (
	minSchema      = -4
	maxSchema      = 8
	reservedSchema = 52
)

// maxBuckets bounds one side of a histogram, and its custom bounds. The whole range of floats has half a million buckets
// in the finest schema, but what is observed lies closer together.
const maxBuckets = 1 << 14

// Histogram is a decoded Histogram of either version.
type Histogram struct {
	Time, Start      int64 // in Unix milliseconds; Start is 0 when the sender does not know it
	Schema           int32 // -4 to 8, or points.CustomSchema
	Count, ZeroCount float64
	Sum              float64
	ZeroThreshold    float64
	Hint             samples.Hint     // the sender's
	Bounds           []float64        // of the custom schema
	BoundsHash       uint64           // of Bounds
	Above, Below     []samples.Bucket // on either side of zero; an index is Prometheus', or into the custom bounds

	integer                  bool
	count, zero              uint64
	crowded                  bool
	spansAbove, spansBelow   []span
	deltasAbove, deltasBelow []int64
	countsAbove, countsBelow []float64
}

type span struct {
	offset int32
	length uint32
}

// Stale says whether the histogram ends its series instead of telling a value.
func (h *Histogram) Stale() bool {
	return math.Float64bits(h.Sum) == math.Float64bits(points.StaleNaN())
}

// Decode reads a Histogram message into h, whose slices are reused. The error is an *Invalid where it cannot be stored.
func (h *Histogram) Decode(data []byte) error {
	*h = Histogram{
		Bounds: h.Bounds[:0], Above: h.Above[:0], Below: h.Below[:0],
		spansAbove: h.spansAbove[:0], spansBelow: h.spansBelow[:0], deltasAbove: h.deltasAbove[:0], deltasBelow: h.deltasBelow[:0],
		countsAbove: h.countsAbove[:0], countsBelow: h.countsBelow[:0], integer: true,
	}
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read histogram: %w", err)
		}
		if !h.set(&fc) {
			return fmt.Errorf("read histogram: field %d is malformed", fc.FieldNum)
		}
	}
	if h.Stale() {
		h.empty()
		return nil
	}
	if detail := h.check(); detail != "" {
		return &Invalid{wire.BadHistogram, detail}
	}
	return nil
}

// set takes over one field and says whether it is well-formed.
func (h *Histogram) set(fc *easyproto.FieldContext) (ok bool) {
	ok = true
	switch fc.FieldNum {
	case 1:
		h.count, ok = fc.Uint64()
		h.integer = true
	case 2:
		h.Count, ok = fc.Double()
		h.integer = false
	case 3:
		h.Sum, ok = fc.Double()
	case 4:
		h.Schema, ok = fc.Sint32()
	case 5:
		h.ZeroThreshold, ok = fc.Double()
	case 6:
		h.zero, ok = fc.Uint64()
	case 7:
		h.ZeroCount, ok = fc.Double()
	case 8:
		h.spansBelow, ok = h.appendSpan(h.spansBelow, fc)
	case 9:
		h.deltasBelow, ok = unpack(h, h.deltasBelow, fc, 1, fc.UnpackSint64s)
	case 10:
		h.countsBelow, ok = unpack(h, h.countsBelow, fc, 8, fc.UnpackDoubles)
	case 11:
		h.spansAbove, ok = h.appendSpan(h.spansAbove, fc)
	case 12:
		h.deltasAbove, ok = unpack(h, h.deltasAbove, fc, 1, fc.UnpackSint64s)
	case 13:
		h.countsAbove, ok = unpack(h, h.countsAbove, fc, 8, fc.UnpackDoubles)
	case 14:
		var hint uint64
		if hint, ok = fc.Uint64(); hint <= uint64(samples.GaugeHint) { // both versions number them as the table does
			h.Hint = samples.Hint(hint)
		}
	case 15:
		h.Time, ok = fc.Int64()
	case 16:
		h.Bounds, ok = unpack(h, h.Bounds, fc, 8, fc.UnpackDoubles)
	case 17:
		h.Start, ok = fc.Int64()
	}
	return ok
}

// unpack appends the values of a repeated field, packed or not, of at least size bytes each, unless there are too many.
func unpack[T int64 | float64](h *Histogram, dst []T, fc *easyproto.FieldContext, size int, all func([]T) ([]T, bool)) ([]T, bool) {
	packed, isPacked := fc.Bytes()
	// A varint of ten bytes is rare enough that a field of them is taken for too many.
	if len(dst) >= maxBuckets || isPacked && len(packed) > maxBuckets*max(size, 5) {
		h.crowded = true
		return dst, true
	}
	dst, ok := all(dst)
	h.crowded = h.crowded || len(dst) > maxBuckets
	return dst, ok
}

func (h *Histogram) appendSpan(dst []span, fc *easyproto.FieldContext) ([]span, bool) {
	data, ok := fc.MessageData()
	if !ok {
		return dst, false
	}
	if len(dst) == maxBuckets {
		h.crowded = true
		return dst, true
	}
	var s span
	var inner easyproto.FieldContext
	for len(data) > 0 {
		var err error
		if data, err = inner.NextField(data); err != nil {
			return dst, false
		}
		switch inner.FieldNum {
		case 1:
			s.offset, ok = inner.Sint32()
		case 2:
			s.length, ok = inner.Uint32()
		}
		if !ok {
			return dst, false
		}
	}
	return append(dst, s), true
}

// empty takes everything out of a stale histogram: what else the sender wrote does not count.
func (h *Histogram) empty() {
	h.Schema, h.Count, h.ZeroCount, h.ZeroThreshold, h.Hint, h.Bounds = 0, 0, 0, 0, samples.UnknownReset, h.Bounds[:0]
}

// check brings the buckets into the form in which they are stored, and says what is wrong with the histogram, or nothing.
// The rules are those of Prometheus' histogram.Histogram.Validate and histogram.FloatHistogram.Validate.
func (h *Histogram) check() string {
	custom := h.Schema == points.CustomSchema
	switch {
	case h.crowded:
		return fmt.Sprintf("more than %d buckets", maxBuckets)
	case !custom && (h.Schema < minSchema || h.Schema > reservedSchema):
		return fmt.Sprintf("schema %d is neither %d to %d nor %d", h.Schema, minSchema, maxSchema, points.CustomSchema)
	case !custom && len(h.Bounds) > 0:
		return fmt.Sprintf("schema %d has no custom values", h.Schema)
	case h.ZeroThreshold < 0 || math.IsNaN(h.ZeroThreshold):
		return fmt.Sprintf("the zero threshold is %v", h.ZeroThreshold)
	}
	if custom {
		if detail := h.checkCustom(); detail != "" {
			return detail
		}
	}
	total := h.zero
	var detail string
	if h.Above, detail = h.sparse(h.Above, h.spansAbove, h.deltasAbove, h.countsAbove, &total); detail != "" {
		return "positive side: " + detail
	}
	if h.Below, detail = h.sparse(h.Below, h.spansBelow, h.deltasBelow, h.countsBelow, &total); detail != "" {
		return "negative side: " + detail
	}
	if !h.integer {
		if h.Count < 0 || h.ZeroCount < 0 {
			return fmt.Sprintf("count %v or zero count %v is negative", h.Count, h.ZeroCount)
		}
		h.reduce()
		return ""
	}
	// Observations of NaN are counted in no bucket and make the sum NaN.
	if total > h.count || total < h.count && !math.IsNaN(h.Sum) {
		return fmt.Sprintf("%d observations in the buckets, but the count is %d", total, h.count)
	}
	h.Count, h.ZeroCount = float64(h.count), float64(h.zero)
	h.reduce()
	return ""
}

// checkCustom checks what is special about custom bounds.
func (h *Histogram) checkCustom() string {
	if h.zero != 0 || h.ZeroCount != 0 || h.ZeroThreshold != 0 || len(h.spansBelow) > 0 || len(h.deltasBelow) > 0 || len(h.countsBelow) > 0 {
		return "custom buckets have neither a zero bucket nor negative buckets"
	}
	for i, bound := range h.Bounds {
		if math.IsNaN(bound) || math.IsInf(bound, 1) || i > 0 && bound <= h.Bounds[i-1] {
			return fmt.Sprintf("the custom values do not ascend, or are not finite: %v at place %d", bound, i)
		}
		h.BoundsHash = points.Mix(h.BoundsHash, math.Float64bits(bound))
	}
	end := int64(0)
	for _, s := range h.spansAbove {
		if s.offset < 0 {
			return "a span of custom buckets goes back"
		}
		end += int64(s.offset) + int64(s.length)
	}
	if end > int64(len(h.Bounds))+1 {
		return fmt.Sprintf("the spans reach to %d buckets, beyond the %d custom values", end, len(h.Bounds))
	}
	return ""
}

// sparse appends the buckets of one side, and adds integer counts to total.
func (h *Histogram) sparse(dst []samples.Bucket, spans []span, deltas []int64, counts []float64, total *uint64) ([]samples.Bucket, string) {
	values := len(counts)
	if h.integer {
		values = len(deltas)
	}
	next, used := int64(0), int64(0) // bucket index, values
	var count, carry uint64
	for i, s := range spans {
		if i > 0 && s.offset < 0 {
			return dst, fmt.Sprintf("span %d goes back", i+1)
		}
		next += int64(s.offset)
		if used+int64(s.length) > int64(values) || next < math.MinInt32+1 || next+int64(s.length)-1 > math.MaxInt32 {
			return dst, fmt.Sprintf("span %d is beyond the %d buckets, or beyond all indexes", i+1, values)
		}
		for range s.length {
			b := samples.Bucket{Index: int32(next)}
			if h.integer {
				delta := deltas[used]
				// Counting below zero ends above the largest count of the signed deltas.
				if count += uint64(delta); int64(count) < 0 {
					return dst, fmt.Sprintf("bucket %d has a negative count", used+1)
				}
				if *total, carry = bits.Add64(*total, count, 0); carry > 0 {
					return dst, "the counts add up to more than can be counted"
				}
				b.Count = float64(count)
			} else if b.Count = counts[used]; b.Count < 0 {
				return dst, fmt.Sprintf("bucket %d has the count %v", used+1, b.Count)
			}
			dst = append(dst, b) // also when it is empty: a quantile next to zero depends on which side has buckets
			next++
			used++
		}
	}
	if used != int64(values) {
		return dst, fmt.Sprintf("spans of %d buckets, but %d buckets", used, values)
	}
	return dst, ""
}

// reduce merges the buckets of a schema that is too fine.
func (h *Histogram) reduce() {
	if h.Schema <= maxSchema {
		return
	}
	down := uint(h.Schema - maxSchema)
	h.Schema = maxSchema
	for _, side := range []*[]samples.Bucket{&h.Above, &h.Below} {
		merged := (*side)[:0]
		for _, b := range *side {
			// The bucket's upper bound lies in (i-1, i] of the coarser schema.
			b.Index = int32((int64(b.Index)-1)>>down + 1)
			if last := len(merged) - 1; last >= 0 && merged[last].Index == b.Index {
				merged[last].Count += b.Count
				continue
			}
			merged = append(merged, b)
		}
		*side = merged
	}
}
