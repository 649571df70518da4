package red

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"loadline/query/rollup"
)

// entryOf counts durations as the rollups do.
func entryOf(durations []time.Duration) entry {
	counts := map[int16]float64{}
	e := entry{cell: 1, count: float64(len(durations))}
	for _, d := range durations {
		e.sum += float64(d)
		counts[int16(rollup.BucketOf(d))]++
	}
	for index := range counts {
		e.latency.Index = append(e.latency.Index, index)
	}
	slices.Sort(e.latency.Index)
	for _, index := range e.latency.Index {
		e.latency.Count = append(e.latency.Count, counts[index])
	}
	return e
}

func histogramOf(durations []time.Duration) *histogram.FloatHistogram {
	return newCumulative(newBounds()).histograms([]entry{entryOf(durations)}, false)[1]
}

func quantile(t *testing.T, q float64, h *histogram.FloatHistogram) float64 {
	t.Helper()
	v, warnings := promql.HistogramQuantile(q, h, "", posrange.PositionRange{})
	if len(warnings) > 0 {
		t.Fatal(warnings)
	}
	return v
}

// TestAccuracy bounds the error of percentiles and fractions that the package comment tells.
func TestAccuracy(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var worstQuantile, worstFraction, biasQuantile, meanQuantile float64
	n := 0
	for round := range 300 {
		durations := make([]time.Duration, 5000)
		middle, width := math.Exp(random.Float64()*12+9), 0.1+random.Float64()
		for i := range durations {
			d := middle * math.Exp(width*random.NormFloat64())
			if round%2 == 1 && i%3 == 0 {
				d *= 10
			}
			durations[i] = time.Duration(d)
		}
		h := histogramOf(durations)
		if err := h.Validate(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(durations)
		for _, q := range []float64{0.5, 0.9, 0.95, 0.99} {
			exact := durations[int(math.Ceil(q*float64(len(durations))))-1]
			off := quantile(t, q, h)/exact.Seconds() - 1
			worstQuantile, biasQuantile, meanQuantile = max(worstQuantile, math.Abs(off)), biasQuantile+off, meanQuantile+math.Abs(off)
			n++
			limit := exact.Seconds() * (0.8 + 0.4*random.Float64())
			below, _ := slices.BinarySearch(durations, time.Duration(limit*1e9)+1)
			got, _ := promql.HistogramFraction(math.Inf(-1), limit, h, "", posrange.PositionRange{})
			worstFraction = max(worstFraction, math.Abs(got-float64(below)/float64(len(durations))))
		}
	}
	if worstQuantile > 0.0906 || math.Abs(biasQuantile)/float64(n) > 0.005 || meanQuantile/float64(n) > 0.01 || worstFraction > 0.02 {
		t.Errorf("quantiles: worst %v, mean %v, bias %v; fraction: worst %v", worstQuantile, meanQuantile/float64(n), biasQuantile/float64(n), worstFraction)
	}
}

// TestBounds checks that a duration of any length lies within the bucket that its histogram counts it in.
func TestBounds(t *testing.T) {
	f := func(d time.Duration) {
		t.Helper()
		h := histogramOf([]time.Duration{d})
		it := h.AllBucketIterator()
		for it.Next() {
			b := it.At()
			if s := d.Seconds(); b.Count == 1 && (s <= b.Lower || s > b.Upper) {
				t.Errorf("%v is counted in (%v, %v]", d, b.Lower, b.Upper)
			}
		}
		if h.Count != 1 || h.Sum != float64(d)/1e9 {
			t.Errorf("%v: count %v, sum %v", d, h.Count, h.Sum)
		}
	}
	f(0)
	f(1)
	f(1023)
	f(1024)
	f(1025)
	f(time.Second)
	f(1 << 30)
	f(1<<47 - 1)
	f(1 << 47)
	f(1<<47 + 1)
	f(math.MaxInt64)
}

func TestCumulative(t *testing.T) {
	all := newCumulative(newBounds()).histograms([]entry{
		entryOf([]time.Duration{time.Millisecond, time.Second, 100 * 24 * time.Hour}),
		entryOf([]time.Duration{time.Millisecond, 10 * time.Second}),
	}, false)
	var counts []float64
	for _, h := range all {
		if err := h.Validate(); err != nil {
			t.Error(err)
		}
		counts = append(counts, h.Count)
	}
	if !slices.Equal(counts, []float64{0, 3, 5}) || !slices.Equal(all[1].PositiveBuckets, []float64{1, 1, 0, 1}) || !slices.Equal(all[2].PositiveBuckets, []float64{2, 1, 1, 1}) {
		t.Errorf("%v", all)
	}
	high := newCumulative(newBounds()).histograms([]entry{entryOf([]time.Duration{1}), entryOf([]time.Duration{2})}, true)
	if high[0].Count != 2 || high[2].Count != 4 || !near(high[2].Sum, 6e-9, 1e-12) {
		t.Errorf("%v", high)
	}
	if q := quantile(t, 1, all[2]); q != all[2].CustomValues[len(all[2].CustomValues)-1] {
		t.Errorf("p100 %v", q)
	}
}
