package kernel

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"

	"loadline/query/promql/series"
)

// equal compares to the last bit, so that Absent is itself.
func equal(a, b []float64) bool {
	return cmp.Equal(a, b, cmp.Comparer(func(x, y float64) bool {
		return math.Float64bits(x) == math.Float64bits(y) || math.IsNaN(x) && math.IsNaN(y) && !IsAbsent(x) && !IsAbsent(y)
	}))
}

func run(name string, c *series.Column, g Grid, window time.Duration) ([]float64, Usage) {
	out := make([]float64, g.Steps)
	u := New(name, g, window).Run(c, out)
	return out, u
}

func TestGrid(t *testing.T) {
	f := func(start, end, step int64, want Grid) {
		t.Helper()
		if got := NewGrid(start, end, step); got != want {
			t.Errorf("%d to %d by %d: %+v", start, end, step, got)
		}
	}
	f(10, 30, 10, Grid{10, 10, 3})
	f(10, 29, 10, Grid{10, 10, 2})
	f(10, 10, 0, Grid{10, 1, 1})
	f(10, 9, 10, Grid{10, 10, 0})
	f(-10, -5, 5, Grid{-10, 5, 2})
}

func TestFunctions(t *testing.T) {
	nan, inf, none := math.NaN(), math.Inf(1), Absent()
	// A sample each second: a reset, a stale marker, a gap.
	c := &series.Column{T: []int64{1000, 2000, 3000, 4000, 5000, 9000}, V: []float64{1, 3, 2, none, 5, 7}}
	odd := &series.Column{T: []int64{1000, 2000, 3000}, V: []float64{nan, math.Copysign(0, -1), inf}}
	f := func(name string, c *series.Column, want ...float64) {
		t.Helper()
		if got, _ := run(name, c, NewGrid(3000, 9000, 3000), 3*time.Second); !equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	// Windows are (0,3], (3,6] and (6,9] seconds.
	f("", c, 2, 5, 7)
	f("last_over_time", c, 2, 5, 7)
	f("count_over_time", c, 3, 1, 1)
	f("present_over_time", c, 1, 1, 1)
	f("sum_over_time", c, 6, 5, 7)
	f("avg_over_time", c, 2, 5, 7)
	f("min_over_time", c, 1, 5, 7)
	f("max_over_time", c, 3, 5, 7)
	f("changes", c, 2, 0, 0)
	f("resets", c, 1, 0, 0)
	f("irate", c, 2, none, none)
	f("idelta", c, -1, none, none)
	f("delta", c, 1.5, none, none)
	f("increase", c, (2-1+3)*(2+0.5)/2, none, none)
	f("min_over_time", odd, math.Copysign(0, -1), none, none)
	f("max_over_time", odd, inf, none, none)
	f("sum_over_time", odd, nan, none, none)
	f("changes", odd, 2, none, none)
	f("rate", &series.Column{}, none, none, none)
}

func TestUsageCountsWindows(t *testing.T) {
	c := &series.Column{}
	for i := range 100 {
		c.Append(int64(i)*1000, 0.5)
	}
	f := func(step int64, want Usage) {
		t.Helper()
		g := NewGrid(20_000, 40_000, step)
		k, out := New("sum_over_time", g, 10*time.Second), make([]float64, g.Steps)
		if got := k.Run(c, out); got != want {
			t.Errorf("step %d: %+v", step, got)
		}
		total, read := make([]int64, g.Steps), make([]int64, g.Steps)
		k.AddWindows(out, total, read)
		var sum Usage
		for i := range total {
			sum.Total += total[i]
			sum.Read += read[i]
		}
		if sum.Total != want.Total || sum.Read != want.Read {
			t.Errorf("step %d: windows add up to %+v", step, sum)
		}
	}
	f(5_000, Usage{Points: 5, Total: 50, Read: 30, Peak: 10})
	f(20_000, Usage{Points: 2, Total: 20, Read: 20, Peak: 10})
}

func TestIntegersAreSummedExactly(t *testing.T) {
	f := func(exact bool, v ...float64) {
		t.Helper()
		k := New("sum_over_time", NewGrid(0, 0, 1), time.Second)
		if got := k.exactSums(v); got != exact {
			t.Errorf("%v: %v", v, got)
		}
	}
	f(true, 1, -2, 3e15)
	f(true, math.Copysign(0, -1))
	f(false, 0.5)
	f(false, math.NaN())
	f(false, math.Inf(-1))
	f(false, 3e15, 3e15)
	f(false, 1e300)
}

func TestAverageDoesNotOverflow(t *testing.T) {
	if got := average([]float64{1e308, 1e308, 1e308}); got != 1e308 {
		t.Errorf("average %v", got)
	}
}

func TestGroupsAggregate(t *testing.T) {
	nan, none := math.NaN(), Absent()
	f := func(op parser.ItemType, want ...float64) {
		t.Helper()
		g := NewGroup(op, 4)
		g.Add([]float64{none, 1, nan, 1e100})
		g.Add([]float64{none, none, 2, 1})
		g.Add([]float64{none, 4, 3, -1e100})
		if got := g.Finish(); !equal(got, want) {
			t.Errorf("%s: %v, want %v", op, got, want)
		}
		if !Aggregates(op) {
			t.Errorf("%s is not known", op)
		}
	}
	f(parser.SUM, none, 5, nan, 1)
	f(parser.AVG, none, 2.5, nan, 1.0/3)
	f(parser.MIN, none, 1, 2, -1e100)
	f(parser.MAX, none, 4, 3, 1e100)
	f(parser.COUNT, none, 2, 3, 3)
	f(parser.GROUP, none, 1, 1, 1)
	if Aggregates(parser.QUANTILE) {
		t.Error("quantile is known")
	}
}

func TestAverageOfAGroupDoesNotOverflow(t *testing.T) {
	g := NewGroup(parser.AVG, 1)
	for range 3 {
		g.Add([]float64{1.5e308})
	}
	if got := g.Finish(); got[0] != 1.5e308 {
		t.Errorf("average %v", got)
	}
}

func BenchmarkFunctions(b *testing.B) {
	whole, broken := &series.Column{}, &series.Column{}
	for i := range 1422 {
		t := int64(i)*15_000 + int64(i%20/19*7)
		whole.Append(t, float64(1_000_000+i*50))
		broken.Append(t, float64(i%97)*0.1)
	}
	g := NewGrid(0, 359*60_000, 60_000)
	f := func(name, function string, c *series.Column) {
		b.Run(name, func(b *testing.B) {
			k, out := New(function, g, 5*time.Minute), make([]float64, g.Steps)
			for b.Loop() {
				k.Run(c, out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(c.T)), "ns/sample")
		})
	}
	f("rate", "rate", whole)
	f("selector", "", whole)
	f("sum of integers", "sum_over_time", whole)
	f("sum", "sum_over_time", broken)
	f("avg", "avg_over_time", broken)
	f("max", "max_over_time", broken)
}

func BenchmarkGroup(b *testing.B) {
	values := make([]float64, 360)
	for i := range values {
		values[i] = float64(i) * 0.1
	}
	g := NewGroup(parser.SUM, len(values))
	for b.Loop() {
		g.Add(values)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(values)), "ns/value")
}
