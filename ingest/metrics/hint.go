package metrics

import "loadline/ingest/points"

// Counter reset hints, as in the table histograms.
const (
	hintUnknown  = 0
	hintNotReset = 2
)

// counted is what the builder remembers of a histogram to tell whether the next one of its series goes on from it.
type counted struct {
	time             uint64
	st               int64
	schema           int8
	zeroThreshold    float64
	count, zeroCount uint64
	above, below     []points.Bucket
}

// hint says how a histogram stands to the one before it, and remembers it for the next. It only says "not reset" when
// that is sure, because readers then look no further.
func (s *series) hint(p *points.Point, schema int8, st int64) int8 {
	if s.kind != points.KindHistogram {
		return hintUnknown
	}
	last := s.counted
	if last != nil && p.Time <= last.time {
		return hintUnknown
	}
	if p.Stale() {
		s.counted = nil
		return hintUnknown
	}
	goesOn := last != nil && last.st == st && last.schema == schema && last.zeroThreshold == p.ZeroThreshold &&
		last.count <= p.Count && last.zeroCount <= p.ZeroCount && grown(last.above, p.Above) && grown(last.below, p.Below)
	if last == nil {
		last = &counted{}
		s.counted = last
	}
	*last = counted{
		time: p.Time, st: st, schema: schema, zeroThreshold: p.ZeroThreshold, count: p.Count, zeroCount: p.ZeroCount,
		above: append(last.above[:0], p.Above...), below: append(last.below[:0], p.Below...),
	}
	if goesOn {
		return hintNotReset
	}
	return hintUnknown
}

// grown says whether every bucket has at least the count that it had. Buckets are in the order of their indexes.
func grown(before, after []points.Bucket) bool {
	i := 0
	for _, b := range before {
		for i < len(after) && after[i].Index < b.Index {
			i++
		}
		if i == len(after) || after[i].Index != b.Index || after[i].Count < b.Count {
			return false
		}
	}
	return true
}
