package samples

import (
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

func TestSendersHints(t *testing.T) {
	var run Run
	f := func(want Hint, h Histogram) {
		t.Helper()
		if got := run.Hint(&h); got != want {
			t.Errorf("%+v: hint %d, want %d", h, got, want)
		}
	}
	above := func(index int32, count float64) []Bucket { return []Bucket{{Index: index, Count: count}} }
	f(UnknownReset, Histogram{Time: 1, Count: 1, Above: above(1, 1)})
	f(NotReset, Histogram{Time: 2, Count: 1, Above: above(1, 1)})
	f(NotReset, Histogram{Time: 3, Count: 3, Above: []Bucket{{Index: 0, Count: 1}, {Index: 1, Count: 2}}, Hint: NotReset})
	f(UnknownReset, Histogram{Time: 2, Count: 9, Above: above(1, 9)}) // late, and it is forgotten
	f(NotReset, Histogram{Time: 4, Count: 3, Above: []Bucket{{Index: 0, Count: 1}, {Index: 1, Count: 2}}})
	f(UnknownReset, Histogram{Time: 5, Count: 9, Above: above(1, 9)}) // without bucket 0
	f(UnknownReset, Histogram{Time: 6, Count: 9, Above: above(1, 9), Hint: Reset})
	f(UnknownReset, Histogram{Time: 7, Count: 9, Above: above(1, 8), ZeroCount: 1})
	f(UnknownReset, Histogram{Time: 8, Count: 8, Above: above(1, 8)})
	f(NotReset, Histogram{Time: 9, Count: 9, Above: above(1, 8), Below: above(1, 1)})
	f(UnknownReset, Histogram{Time: 10, Count: 9, Above: above(1, 9)})
	f(UnknownReset, Histogram{Time: 11, Count: 10, Above: above(1, 10), Schema: 1})
	f(UnknownReset, Histogram{Time: 12, Count: 10, Above: above(1, 10), Schema: 1, ZeroThreshold: 1})
	f(UnknownReset, Histogram{Time: 13, Count: 10, Above: above(1, 10)})
	f(UnknownReset, Histogram{Time: 16, Stale: true})
	f(UnknownReset, Histogram{Time: 17, Count: 10})
	f(NotReset, Histogram{Time: 18, Count: 10})
	f(GaugeHint, Histogram{Time: 19, Count: 1, Hint: GaugeHint})
	f(UnknownReset, Histogram{Time: 20, Count: 2})
	f(NotReset, Histogram{Time: 21, Count: 2})
	f(GaugeHint, Histogram{Time: 20, Count: 2, Hint: GaugeHint})
	f(NotReset, Histogram{Time: 22, Count: 2})
}

// TestHintsOfPrometheus compares with where Prometheus' storage begins another chunk, on random series.
func TestHintsOfPrometheus(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[Hint]int{}
	for range 300 {
		var run Run
		var appender chunkenc.Appender
		var gauge bool
		counts := make([]float64, 4)
		schema, threshold := int32(1), 0.25
		for ms := range int64(100) {
			h := &histogram.FloatHistogram{Sum: 1, CounterResetHint: histogram.UnknownCounterReset}
			counts[random.IntN(len(counts))] += float64(random.IntN(3))
			switch random.IntN(25) {
			case 0:
				clear(counts)
			case 1:
				counts[random.IntN(len(counts))] /= 2
			case 2:
				schema = 3 - schema
			case 3:
				threshold = 0.75 - threshold
			case 4:
				h.CounterResetHint = histogram.CounterReset
			case 5:
				h.CounterResetHint = histogram.GaugeType
			case 6:
				h.CounterResetHint = histogram.NotCounterReset
			}
			h.Schema, h.ZeroThreshold = schema, threshold
			row := Histogram{Time: ms, Schema: int8(schema), ZeroThreshold: threshold, Hint: Hint(h.CounterResetHint)}
			for i, count := range counts {
				switch {
				case i == 0:
					h.ZeroCount, row.ZeroCount = count, count
				case count > 0:
					h.PositiveSpans = append(h.PositiveSpans, histogram.Span{Offset: int32(i) - next(h.PositiveSpans), Length: 1})
					h.PositiveBuckets = append(h.PositiveBuckets, count)
					row.Above = append(row.Above, Bucket{Index: int32(i), Count: count})
				}
				h.Count += count
			}
			row.Count = h.Count

			want := UnknownReset
			isGauge := h.CounterResetHint == histogram.GaugeType
			if appender == nil || gauge != isGauge { // the head does not mix gauges and counters in a chunk
				appender = newChunk(t)
			} else {
				want = NotReset
			}
			chunk, recoded, next, err := appender.AppendFloatHistogram(nil, 0, ms, h, false)
			if err != nil {
				t.Fatal(err)
			}
			if chunk != nil && !recoded {
				want = UnknownReset
			}
			appender, gauge = next, isGauge
			if isGauge {
				want = GaugeHint
			}
			if got := run.Hint(&row); got != want {
				t.Fatalf("%d: %+v: hint %d, want %d", ms, row, got, want)
			}
			seen[want]++
		}
	}
	for _, hint := range []Hint{UnknownReset, NotReset, GaugeHint} {
		if seen[hint] < 500 {
			t.Errorf("hint %d only %d times", hint, seen[hint])
		}
	}
}

// next is the index of the bucket behind spans.
func next(spans []histogram.Span) (index int32) {
	for _, s := range spans {
		index += s.Offset + int32(s.Length)
	}
	return index
}

func newChunk(t *testing.T) chunkenc.Appender {
	t.Helper()
	appender, err := chunkenc.NewFloatHistogramChunk().Appender()
	if err != nil {
		t.Fatal(err)
	}
	return appender
}
