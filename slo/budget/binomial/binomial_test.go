package binomial

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// slow is [Unlikely] in fractions, for small numbers.
func slow(bad, total, num, den uint64) bool {
	if bad == 0 || total == 0 {
		return false
	}
	integer := func(n uint64) *big.Int { return new(big.Int).SetUint64(n) }
	sum := new(big.Int)
	for k := min(bad, total); k <= total; k++ {
		term := new(big.Int).Binomial(int64(total), int64(k))
		term.Mul(term, new(big.Int).Exp(integer(num), integer(k), nil))
		sum.Add(sum, term.Mul(term, new(big.Int).Exp(integer(den-num), integer(total-k), nil)))
	}
	all := new(big.Int).Exp(integer(den), integer(total), nil)
	return sum.Mul(sum, integer(10_000)).Cmp(all) <= 0
}

func TestUnlikelyExactly(t *testing.T) {
	f := func(bad, total, num, den uint64, want bool) {
		t.Helper()
		if got := Unlikely(bad, total, num, den); got != want {
			t.Errorf("%d of %d at %d/%d: got %v", bad, total, num, den, got)
		}
	}
	// Where the probability is the limit itself.
	f(1, 1, 1, 10_000, true)
	f(2, 2, 1, 100, true)
	f(4, 4, 1, 10, true)
	f(4, 4, 2, 20, true)
	f(4, 4, 100_000_001, 1_000_000_000, false)
	f(4, 4, 99_999_999, 1_000_000_000, true)
	f(1, 1, 100_001, 1_000_000_000, false)

	f(0, 0, 1, 1000, false)
	f(0, 10, 1, 1000, false)
	f(1, 0, 1, 1000, false)
	f(1, 10, 0, 1000, true)
	f(10, 10, 0, 0, true)
	f(10, 10, 1, 1, false)
	f(10, 10, 2, 1, false)
	f(20, 10, 1, 1000, true)
	f(math.MaxUint64, math.MaxUint64, 1, 1000, true)
	f(math.MaxUint64/1000, math.MaxUint64, 1, 1000, false)
	f(math.MaxUint64/999, math.MaxUint64, 1, 1000, true)
}

func TestUnlikelyAgainstFractions(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	answers := map[bool]int{}
	for range 3000 {
		den := uint64(math.Pow(10, float64(1+random.IntN(6))))
		num, total := random.Uint64N(den), 1+random.Uint64N(60)
		mean := float64(total) * float64(num) / float64(den)
		bad := uint64(mean + random.Float64()*(6*math.Sqrt(mean)+4))
		got, want := Unlikely(bad, total, num, den), slow(min(bad, total), total, num, den)
		if got != want {
			t.Fatalf("%d of %d at %d/%d: got %v", bad, total, num, den, got)
		}
		if bad <= total && num > 0 && bad > 0 && exactlyUnlikely(bad, total, num, den) != want {
			t.Fatalf("%d of %d at %d/%d: not %v in 512 bits", bad, total, num, den, want)
		}
		answers[got]++
	}
	if answers[true] < 500 || answers[false] < 500 {
		t.Errorf("answers are %v", answers)
	}
}

// TestLeast looks at the numbers on both sides of the limit in 512 bits.
func TestLeast(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 150 {
		den := uint64(math.Pow(10, float64(2+random.IntN(4))))
		num := 1 + random.Uint64N(den/2)
		total := 1 + uint64(math.Pow(10, random.Float64()*4.5))
		k, ok := Least(total, num, den)
		if !ok {
			if total > 0 && exactlyUnlikely(total, total, num, den) {
				t.Errorf("all of %d at %d/%d are no chance", total, num, den)
			}
			continue
		}
		if !exactlyUnlikely(k, total, num, den) || exactlyUnlikely(k-1, total, num, den) {
			t.Errorf("%d of %d at %d/%d is not where the limit is", k, total, num, den)
		}
	}
	if k, ok := Least(0, 1, 1000); ok {
		t.Errorf("of no events %d are no chance", k)
	}
	if k, ok := Least(10, 0, 1); k != 1 || !ok {
		t.Errorf("what cannot be is no chance from %d on, %v", k, ok)
	}
}

// TestUnlikelyOfMany compares with the normal distribution where that is close: 3.719 standard deviations.
func TestUnlikelyOfMany(t *testing.T) {
	for _, total := range []uint64{1e10, 1e12, 1e14} {
		k, ok := Least(total, 1, 1000)
		mean := float64(total) / 1000
		deviations := (float64(k) - mean) / math.Sqrt(mean*0.999)
		if !ok || math.Abs(deviations-3.719) > 0.002 {
			t.Errorf("of %d: %d, %.4f standard deviations", total, k, deviations)
		}
	}
}

func TestMass(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for range 2000 {
		n := 2 + random.Uint64N(3000)
		k, num := 1+random.Uint64N(n), 1+random.Uint64N(999)
		p := new(big.Float).SetPrec(300).SetRat(big.NewRat(int64(num), 1000))
		q := new(big.Float).SetPrec(300).SetRat(big.NewRat(int64(1000-num), 1000))
		want := new(big.Float).SetPrec(300).SetInt(new(big.Int).Binomial(int64(n), int64(k)))
		for range k {
			want.Mul(want, p)
		}
		for range n - k {
			want.Mul(want, q)
		}
		exact, _ := want.Float64()
		got := mass(k, n, float64(num)/1000, float64(1000-num)/1000)
		if exact > 1e-12 && math.Abs(got/exact-1) > 1e-12 {
			t.Errorf("%d of %d at %d/1000: got %g, want %g", k, n, num, got, exact)
		}
	}
}

func FuzzUnlikely(f *testing.F) {
	f.Add(uint64(4), uint64(4), uint64(100_000_000))
	f.Add(uint64(11), uint64(100), uint64(30_000_000))
	f.Fuzz(func(t *testing.T, bad, total, num uint64) {
		num, total = num%1_000_000_001, total%200
		bad %= total + 2
		got := Unlikely(bad, total, num, 1_000_000_000)
		if want := slow(bad, total, num, 1_000_000_000); got != want {
			t.Errorf("%d of %d at %d: got %v", bad, total, num, got)
		}
		if got && !Unlikely(bad+1, total, num, 1_000_000_000) {
			t.Errorf("%d of %d at %d is no chance, one more is", bad, total, num)
		}
	})
}

func BenchmarkUnlikely(b *testing.B) {
	f := func(name string, bad, total uint64) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Unlikely(bad, total, 1, 1000)
			}
		})
	}
	f("clear", 20, 1000)
	f("close", 7, 1000)
	f("million", 1120, 1_000_000)
	f("many", 1_003_720, 1_000_000_000)
}
