package rollup

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"loadline/query/querytest"
)

func histogramOf(values []float64) Histogram {
	var sum Accumulator
	for _, v := range values {
		sum.counts[BucketOf(time.Duration(v))]++
	}
	return sum.histogram()
}

// TestQuantileError compares percentiles with exact order statistics over random distributions of several shapes and
// sizes.
func TestQuantileError(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	shapes := map[string]func() func() float64{
		"lognormal": func() func() float64 {
			mu, sigma := 10+10*rng.Float64(), 0.1+1.5*rng.Float64()
			return func() float64 { return math.Exp(mu + sigma*rng.NormFloat64()) }
		},
		"exponential": func() func() float64 {
			mean := math.Exp(8 + 12*rng.Float64())
			return func() float64 { return mean * rng.ExpFloat64() }
		},
		"uniform": func() func() float64 {
			low := math.Exp(8 + 12*rng.Float64())
			width := low * 5 * rng.Float64()
			return func() float64 { return low + width*rng.Float64() }
		},
		"pareto": func() func() float64 {
			scale, alpha := math.Exp(8+8*rng.Float64()), 1+2*rng.Float64()
			return func() float64 { return scale / math.Pow(1-rng.Float64(), 1/alpha) }
		},
		"two modes": func() func() float64 {
			a, b, share := math.Exp(12+4*rng.Float64()), math.Exp(16+4*rng.Float64()), rng.Float64()
			return func() float64 {
				if rng.Float64() < share {
					return a * math.Exp(0.2*rng.NormFloat64())
				}
				return b * math.Exp(0.2*rng.NormFloat64())
			}
		},
	}
	for name, shape := range shapes {
		for range 100 {
			draw := shape()
			values := make([]float64, []int{1, 2, 10, 100, 1000, 20_000}[rng.IntN(6)])
			for i := range values {
				values[i] = max(math.Round(draw()), 1)
			}
			h := histogramOf(values)
			slices.Sort(values)
			for _, q := range []float64{0.5, 0.9, 0.95, 0.99} {
				exact := values[max(int(math.Ceil(q*float64(len(values))))-1, 0)]
				got := float64(h.Quantile(q))
				if e := math.Abs(got-exact) / exact; e > 0.045 && math.Abs(got-exact) > 1 {
					t.Errorf("%s of %d: p%v is %v, exactly %v, error %.1f %%", name, len(values), 100*q, got, exact, 100*e)
				}
			}
		}
	}
}

func TestQuantileEdges(t *testing.T) {
	f := func(h Histogram, q float64, want time.Duration) {
		t.Helper()
		if got := h.Quantile(q); !querytest.Within(got, want, 0.045) {
			t.Errorf("%+v at %v: %v, want %v", h, q, got, want)
		}
	}
	one := histogramOf([]float64{1e6})
	f(Histogram{}, 0.5, 0)
	f(one, 0, time.Millisecond)
	f(one, 1, time.Millisecond)
	f(one, 2, time.Millisecond)
	f(Histogram{Index: []int16{80, 160}, Count: []float64{0, 0}}, 0.5, 0)
	f(Histogram{Index: []int16{80, 160, 170}, Count: []float64{1, 1, 0}}, 1, time.Duration(math.Exp2(159.5/8)))
	f(Histogram{Index: []int16{160}, Count: []float64{0.25}}, 0.99, time.Duration(math.Exp2(159.5/8)))
}

func TestBucketOf(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 2, 3, 1023, 1024, 1025, time.Millisecond, time.Second, 1 << 40, 1<<40 + 1, math.MaxInt64} {
		i := BucketOf(d)
		if d > 1 && (float64(d) > BucketBound(i) || float64(d) <= BucketBound(i-1)) {
			t.Errorf("%v is not in bucket %d", d, i)
		}
	}
	if BucketOf(1<<20) != 160 || BucketOf(1<<20+1) != 161 {
		t.Error("bounds belong to the lower bucket")
	}
}

func TestNormalize(t *testing.T) {
	h := Histogram{Index: []int16{5, 3, 5, 4, 3}, Count: []float64{1, 2, 3, 4, 5}}
	h.normalize()
	if !slices.Equal(h.Index, []int16{3, 4, 5}) || !slices.Equal(h.Count, []float64{7, 4, 4}) {
		t.Errorf("%+v", h)
	}
}
