package chunk_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"loadline/internal/chunk"
)

var stale = math.Float64frombits(0x7ff0000000000002)

// kinds are generators of n values each.
var kinds = map[string]func(r *rand.Rand, n int) []float64{
	"counter": func(r *rand.Rand, n int) []float64 {
		return walk(n, float64(r.IntN(1e9)), func(v float64) float64 { return v + float64(r.IntN(200)) })
	},
	"counter with resets": func(r *rand.Rand, n int) []float64 {
		return walk(n, 1e6, func(v float64) float64 {
			if r.IntN(50) == 0 {
				return 0
			}
			return v + float64(r.IntN(100))
		})
	},
	"constant": func(_ *rand.Rand, n int) []float64 { return walk(n, 42.5, func(v float64) float64 { return v }) },
	"gauge of 2 decimals": func(r *rand.Rand, n int) []float64 {
		cents := float64(r.IntN(1e6))
		return walk(n, cents/100, func(float64) float64 {
			cents += float64(r.IntN(200) - 100)
			return cents / 100
		})
	},
	"full precision": func(r *rand.Rand, n int) []float64 {
		return walk(n, r.Float64()*100, func(v float64) float64 { return v + r.NormFloat64() })
	},
	"random bits": func(r *rand.Rand, n int) []float64 {
		return walk(n, 1, func(float64) float64 { return math.Float64frombits(r.Uint64()) })
	},
	"random decimals": func(r *rand.Rand, n int) []float64 {
		return walk(n, 1, func(float64) float64 {
			return float64(r.Int64N(1<<53)-1<<52) / math.Pow10(r.IntN(20))
		})
	},
	"specials": func(r *rand.Rand, n int) []float64 {
		specials := []float64{
			stale, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, 1, 0.1, 0.1 + 0.2, 5e-324, math.MaxFloat64,
			1<<53 - 1, 1 << 53, 1<<53 + 2, -1 << 53, 1 << 51, 1<<51 - 1, 1<<50 + 0.5, 1e15, 1e-15, 1e-16, 123456.789,
		}
		return walk(n, 1, func(float64) float64 { return specials[r.IntN(len(specials))] })
	},
	"counter that ends stale": func(r *rand.Rand, n int) []float64 {
		v := walk(n, 1000, func(v float64) float64 { return v + float64(r.IntN(20)) })
		v[n-1] = stale
		return v
	},
	"counter that comes and goes": func(r *rand.Rand, n int) []float64 {
		v := walk(n, 1000, func(v float64) float64 { return v + float64(r.IntN(20)) })
		for i := range v {
			if r.IntN(100) == 0 {
				v[i] = stale
			}
		}
		return v
	},
	"wide and narrow decimals": func(r *rand.Rand, n int) []float64 {
		return walk(n, 0.001, func(v float64) float64 {
			if r.IntN(30) == 0 {
				return []float64{1e14, 0.001, 7, 1e15 + 1}[r.IntN(4)]
			}
			return v
		})
	},
}

func walk(n int, v float64, next func(float64) float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = v
		v = next(v)
	}
	return values
}

// spacings are generators of n offsets each.
var spacings = map[string]func(r *rand.Rand, n int) []uint32{
	"regular": func(r *rand.Rand, n int) []uint32 {
		return spaced(r.IntN(100), n, func() int { return 7_199_000 / n })
	},
	"jitter": func(r *rand.Rand, n int) []uint32 {
		return spaced(0, n, func() int { return 7_000_000/n + r.IntN(20) })
	},
	"gaps": func(r *rand.Rand, n int) []uint32 {
		return spaced(0, n, func() int { return 1 + r.IntN(7_000_000/n) })
	},
	"repeated": func(r *rand.Rand, n int) []uint32 { return spaced(5, n, func() int { return r.IntN(2) }) },
	"end of the bucket": func(_ *rand.Rand, n int) []uint32 {
		return spaced(7_200_000-n, n, func() int { return 1 })
	},
}

func spaced(at, n int, next func() int) []uint32 {
	offsets := make([]uint32, n)
	for i := range offsets {
		offsets[i] = uint32(at)
		at += next()
	}
	return offsets
}

func TestRoundTrip(t *testing.T) {
	const base = 1_700_000_000_000
	r := rand.New(rand.NewPCG(1, 2))
	for kind, value := range kinds {
		for spacing, offset := range spacings {
			for _, n := range []int{1, 2, 3, 4, 7, 8, 9, 60, 480, 1 + r.IntN(2000)} {
				offsets, values := offset(r, n), value(r, n)
				chunks := chunk.Append(nil, offsets, values)
				if most := 4 + n/64; len(chunks) > most {
					t.Errorf("%s, %s: %d samples became %d chunks", kind, spacing, n, len(chunks))
				}
				// What is there already has to stay.
				at, v := []int64{1, 2}, []float64{3}
				var err error
				for i := range chunks {
					if at, v, err = chunks[i].Decode(base, at, v); err != nil {
						t.Fatalf("%s, %s, %d samples: %v", kind, spacing, n, err)
					}
				}
				if len(at) != n+2 || len(v) != n+1 || at[1] != 2 || v[0] != 3 {
					t.Fatalf("%s, %s: %d samples became %d times and %d values", kind, spacing, n, len(at)-2, len(v)-1)
				}
				for i := range n {
					if at[i+2] != base+int64(offsets[i]) || math.Float64bits(v[i+1]) != math.Float64bits(values[i]) {
						t.Fatalf("%s, %s, sample %d of %d: %d %v (%x), want %d %v (%x)", kind, spacing, i, n,
							at[i+2]-base, v[i+1], math.Float64bits(v[i+1]), offsets[i], values[i], math.Float64bits(values[i]))
					}
				}
			}
		}
	}
	if got := chunk.Append(nil, nil, nil); len(got) != 0 {
		t.Errorf("no samples became %d chunks", len(got))
	}
}

// scales returns "scale x samples" of each chunk.
func scales(values []float64) string {
	offsets := spaced(0, len(values), func() int { return 15 })
	var s []string
	for _, c := range chunk.Append(nil, offsets, values) {
		s = append(s, strings.Join([]string{itoa(int(c.Scale)), itoa(int(c.N))}, "x"))
	}
	return strings.Join(s, " ")
}

func itoa(i int) string {
	if i < 0 {
		return "raw"
	}
	return strings.TrimLeft(string([]byte{byte('0' + i/100), byte('0' + i/10%10)}), "0") + string(byte('0'+i%10))
}

func TestSplit(t *testing.T) {
	repeat := func(n int, vs ...float64) (out []float64) {
		for range n {
			out = append(out, vs...)
		}
		return out
	}
	join := func(parts ...[]float64) (out []float64) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	pi := []float64{math.Pi}
	f := func(name string, values []float64, want string) {
		t.Helper()
		if got := scales(values); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("integers", repeat(100, 1, 2), "0x200")
	f("the smallest scale", join(repeat(10, 1), repeat(10, 1.5), repeat(10, 1.25)), "2x30")
	f("cents", repeat(50, 0.29, 0.57, 1.15), "2x150")
	f("fifteen places", repeat(5, 1e-15, 0.1), "15x10")
	f("sixteen places", repeat(5, 1e-16, 3e-16), "rawx10")
	f("one no decimal", pi, "rawx1")
	f("a stale end", join(repeat(99, 1), []float64{stale}), "0x99 rawx1")
	f("a stale marker inside", join(repeat(50, 1), []float64{stale}, repeat(49, 2)), "0x50 rawx1 0x49")
	f("a few decimals before", join(repeat(7, 1), repeat(20, math.Pi)), "rawx27")
	f("a few decimals after", join(repeat(20, math.Pi), repeat(7, 1)), "rawx27")
	f("enough decimals after", join(repeat(20, math.Pi), repeat(8, 1)), "rawx20 0x8")
	f("alternating", repeat(100, 1, math.Pi), "rawx200")
	f("many runs", repeat(10, join(repeat(10, 1), pi)...), "rawx110")
	f("runs that pay", repeat(4, join(repeat(100, 1), pi)...), "0x100 rawx1 0x100 rawx1 0x100 rawx1 0x100 rawx1")
	f("too wide for one scale", join(repeat(20, 0.001), repeat(20, 1e14)), "3x20 0x20")
	f("too narrow for one scale", join(repeat(20, 1e14), repeat(20, 0.001)), "0x20 3x20")
	f("minus zero", join(repeat(20, 0), repeat(20, math.Copysign(0, -1))), "0x20 rawx20")
	f("infinite", join(repeat(20, math.Inf(1)), repeat(20, 5)), "rawx20 0x20")
	f("largest integers", repeat(4, 1<<53-1, 1-1<<53), "0x8")
	f("beyond the largest integer", repeat(4, 1<<53), "rawx4")
}

// A value that is a decimal of some scale must be found to be one, or series would be split for nothing.
func TestDecimalsAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200_000 {
		scale := r.IntN(16)
		m := r.Int64N(1 << (1 + r.IntN(51)))
		v := float64(m) / math.Pow10(scale)
		if r.IntN(2) == 0 {
			v = 0 - v
		}
		if got := chunk.Append(nil, []uint32{1}, []float64{v}); got[0].Scale == chunk.Raw || int(got[0].Scale) > scale {
			t.Fatalf("%d / 10^%d = %v has scale %d", m, scale, v, got[0].Scale)
		}
	}
}

func TestDecodeCorrupt(t *testing.T) {
	offsets := spaced(0, 100, func() int { return 15_000 })
	whole := chunk.Append(nil, offsets, walk(100, 1, func(v float64) float64 { return v + 3 }))[0]
	f := func(name string, damage func(c *chunk.Chunk), want string) {
		t.Helper()
		c := whole
		damage(&c)
		at, v, err := c.Decode(0, []int64{7}, nil)
		if err == nil || !strings.Contains(err.Error(), want) || len(at) != 1 || len(v) != 0 {
			t.Errorf("%s: %d times, %d values, error %v, want one that says %q", name, len(at), len(v), err, want)
		}
	}
	f("empty", func(c *chunk.Chunk) { c.N = 0 }, "number of samples")
	f("too many", func(c *chunk.Chunk) { c.N = 7_200_001 }, "number of samples")
	f("scale", func(c *chunk.Chunk) { c.Scale = 16 }, "scale")
	f("negative scale", func(c *chunk.Chunk) { c.Scale = -2 }, "scale")
	f("short times", func(c *chunk.Chunk) { c.T = "abc" }, "length of the times")
	f("three bytes wide", func(c *chunk.Chunk) { c.T = strings.Repeat("\x00", 3*98) }, "length of the times")
	f("short values", func(c *chunk.Chunk) { c.V = c.V[1:] }, "length of the values")
	f("one sample with values", func(c *chunk.Chunk) { c.N, c.T = 1, "" }, "length of the values")
	f("after the bucket", func(c *chunk.Chunk) { c.DT = 1 << 31 }, "leave the bucket")
	f("starts after the bucket", func(c *chunk.Chunk) { c.T0 = 7_200_000 }, "leave the bucket")
	f("backwards", func(c *chunk.Chunk) { c.DT, c.T = 1, strings.Repeat("\x01", 98) }, "descend")
	f("beyond 64 bits", func(c *chunk.Chunk) { c.T = strings.Repeat("\xfe", 8*98) }, "descend")
	f("one sample after the bucket", func(c *chunk.Chunk) { *c = chunk.Chunk{N: 1, T0: 7_200_000} }, "leave the bucket")
}

func FuzzDecode(f *testing.F) {
	f.Add(uint32(3), uint32(1), uint32(2), "a", int8(2), int64(5), "abcd")
	f.Add(uint32(1), uint32(0), uint32(0), "", int8(-1), int64(5), "")
	f.Add(uint32(4), uint32(0), uint32(9), "\x01\x02\x03\x04", int8(0), int64(5), strings.Repeat("x", 24))
	f.Add(uint32(10), uint32(7_199_999), uint32(0), "", int8(15), int64(-5), "")
	f.Fuzz(func(t *testing.T, n, t0, dt uint32, packed string, scale int8, v0 int64, v string) {
		c := chunk.Chunk{N: n % 8_000_000, T0: t0, DT: dt, T: packed, Scale: scale, V0: v0, V: v}
		at, values, err := c.Decode(1000, nil, nil)
		if err != nil {
			if len(at) != 0 || len(values) != 0 {
				t.Fatalf("%d times and %d values beside an error", len(at), len(values))
			}
			return
		}
		if len(at) != int(c.N) || len(values) != int(c.N) {
			t.Fatalf("%d times and %d values of %d", len(at), len(values), c.N)
		}
		before := int64(1000)
		for _, ms := range at {
			if ms < before || ms >= 1000+7_200_000 {
				t.Fatalf("time %d after %d", ms, before)
			}
			before = ms
		}
	})
}

func FuzzAppend(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var offsets []uint32
		var values []float64
		for at := uint32(0); len(data) >= 10; data = data[10:] {
			at += uint32(data[0]) | uint32(data[1])<<8
			bits := uint64(0)
			for _, b := range data[2:10] {
				bits = bits<<8 | uint64(b)
			}
			if at < 7_200_000 {
				offsets, values = append(offsets, at), append(values, math.Float64frombits(bits))
			}
		}
		var at []int64
		var v []float64
		for _, c := range chunk.Append(nil, offsets, values) {
			var err error
			if at, v, err = c.Decode(0, at, v); err != nil {
				t.Fatal(err)
			}
		}
		if len(at) != len(offsets) {
			t.Fatalf("%d samples came back of %d", len(at), len(offsets))
		}
		for i := range at {
			if at[i] != int64(offsets[i]) || math.Float64bits(v[i]) != math.Float64bits(values[i]) {
				t.Fatalf("sample %d: %d %v, want %d %v", i, at[i], v[i], offsets[i], values[i])
			}
		}
	})
}

// TestSize prints what a sample takes before compression.
func TestSize(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, kind := range []string{"counter", "gauge of 2 decimals", "full precision", "constant", "counter that ends stale"} {
		bytes := 0
		chunks := chunk.Append(nil, spacings["jitter"](r, 480), kinds[kind](r, 480))
		for _, c := range chunks {
			bytes += len(c.T) + len(c.V) + 4 + 4 + 4 + 1 + 8
		}
		perSample := float64(bytes) / 480
		t.Logf("%s: %.2f bytes a sample in %d chunks", kind, perSample, len(chunks))
		if limit := 9.1; perSample > limit {
			t.Errorf("%s: more than %.1f bytes a sample", kind, limit)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, spacing := range []string{"regular", "jitter"} {
		for _, kind := range []string{"constant", "counter", "gauge of 2 decimals", "full precision"} {
			b.Run(spacing+"/"+kind, func(b *testing.B) {
				chunks := chunk.Append(nil, spacings[spacing](r, 480), kinds[kind](r, 480))
				var t []int64
				var v []float64
				for b.Loop() {
					t, v = t[:0], v[:0]
					for i := range chunks {
						t, v, _ = chunks[i].Decode(0, t, v)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/480, "ns/sample")
				b.ReportMetric(float64(len(chunks[0].V))/float64(chunks[0].N), "B/value")
			})
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, kind := range []string{"counter", "gauge of 2 decimals", "full precision", "counter that comes and goes"} {
		b.Run(kind, func(b *testing.B) {
			offsets, values := spacings["jitter"](r, 480), kinds[kind](r, 480)
			var chunks []chunk.Chunk
			for b.Loop() {
				chunks = chunk.Append(chunks[:0], offsets, values)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/480, "ns/sample")
		})
	}
}
