package budget

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// FuzzCmpLeft holds the comparisons of budgets against fractions.
func FuzzCmpLeft(f *testing.F) {
	f.Add(uint64(500), uint64(1_000_000), uint64(999_000_000), uint64(500_000), int64(100), int64(200))
	f.Add(uint64(501), uint64(1_000_000), uint64(999_000_000), uint64(500_000), int64(0), int64(200))
	f.Add(uint64(0), uint64(0), uint64(0), uint64(1_000_000), int64(5), int64(2))
	f.Fuzz(func(t *testing.T, bad, total, good, part uint64, elapsed, period int64) {
		good, part = good%1_000_000_000, part%1_000_001
		period = abs(period)%40_000_000 + 1
		elapsed %= 40_000_000
		target, share := Target{Good: NewRatio(good, 1_000_000_000)}, NewRatio(part, 1_000_000)

		left := big.NewRat(1, 1)
		spent := new(big.Rat)
		if total > 0 {
			spent.SetFrac(new(big.Int).SetUint64(bad), new(big.Int).SetUint64(total))
			spent.Quo(spent, big.NewRat(int64(1_000_000_000-good), 1_000_000_000))
		}
		want := new(big.Rat).Sub(left, spent).Cmp(rat(share))
		if got := CmpLeft(bad, total, target, share); got != want {
			t.Errorf("%d bad of %d at %v: left compares %d with %v, want %d", bad, total, target, got, share, want)
		}
		if elapsed > 0 && elapsed < period {
			spent.Mul(spent, big.NewRat(elapsed, period))
		}
		want = new(big.Rat).Sub(left, spent).Cmp(rat(share))
		got := CmpProjected(bad, total, target, share, time.Duration(elapsed)*time.Second, time.Duration(period)*time.Second)
		if got != want {
			t.Errorf("%d bad of %d at %v after %d of %d: projected compares %d with %v, want %d",
				bad, total, target, elapsed, period, got, share, want)
		}
	})
}

func TestSpend(t *testing.T) {
	target := percent(t, "99.9")
	f := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12 && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	f("attained", Attained(1, 1000), 0.999)
	f("attained of nothing", Attained(0, 0), math.NaN())
	f("burn", Burn(144, 10_000, target), 14.4)
	f("burn of nothing", Burn(0, 0, target), 0)
	f("burn at 0 %", Burn(1, 2, Target{}), 0.5)
	f("burn, young", BurnCovered(144, 10_000, target, 30*time.Minute, time.Hour), 7.2)
	f("burn, old", BurnCovered(144, 10_000, target, 2*time.Hour, time.Hour), 14.4)
	f("burn, no age", BurnCovered(144, 10_000, target, -time.Second, time.Hour), 0)
	f("burn of the budget", BurnOfBudget(14, 720_000, target, 30*Day, time.Hour), 14)
	f("burn of no budget", BurnOfBudget(0, 0, target, 30*Day, time.Hour), 0)
	f("left", Left(250, 1_000_000, target), 0.75)
	f("left of nothing", Left(0, 0, target), 1)
	f("overspent", Left(3000, 1_000_000, target), -2)
	f("projected", Projected(500, 1_000_000, target, 15*Day, 30*Day), 0.75)
	f("projected at the end", Projected(500, 1_000_000, target, 30*Day, 30*Day), 0.5)
	f("projected at the start", Projected(0, 0, target, 0, 30*Day), 1)
	f("one bad", OneBad(40_000, target), 0.025)
	f("one bad of nothing", OneBad(0, target), 0)
}

// TestBurnAgreesWithConditions looks at burn rates where rounding cannot matter: what is shown above a threshold exceeds it.
func TestBurnAgreesWithConditions(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		mode := Mode(random.IntN(2))
		tier := Tier{Long: time.Duration(1+random.IntN(8640)) * 10 * time.Second, Burn: NewRatio(1+random.Uint64N(20_000_000), 1_000_000)}
		target := Target{Good: NewRatio(random.Uint64N(1_000_000), 1_000_000)}
		c := Compile(target, tier, Policy{Clamp: true, Mode: mode}, 30*Day)
		covered := time.Duration(1+random.IntN(10_000)) * 10 * time.Second
		total := random.Uint64N(1_000_000)
		bad := random.Uint64N(total + 1)
		burn := BurnCovered(bad, total, target, covered, tier.Long)
		if mode == ByBudget {
			burn = BurnOfBudget(bad, total, target, covered, tier.Long)
		}
		threshold, _ := c.Threshold()
		if math.Abs(burn/threshold-1) < 1e-9 {
			continue
		}
		if got := c.Exceeds(bad, total, covered, tier.Long); got != (burn > threshold) {
			t.Fatalf("%d of %d, covered %v of %v at %v: burn %v above %v, exceeds %v", bad, total, covered, tier.Long, target, burn, threshold, got)
		}
	}
}

func TestExhausted(t *testing.T) {
	f := func(left, burn float64, rest, want time.Duration, wantOK bool) {
		t.Helper()
		got, ok := Exhausted(left, burn, 30*Day, rest)
		if ok != wantOK || ok && got.Round(time.Second) != want {
			t.Errorf("%v left at %v for %v: got %v, %v, want %v, %v", left, burn, rest, got, ok, want, wantOK)
		}
	}
	f(1, 14.4, 30*Day, 50*time.Hour, true)
	f(0.5, 14.4, 30*Day, 25*time.Hour, true)
	f(0.5, 14.4, 24*time.Hour, 0, false)
	f(1, 1, 30*Day, 0, false)
	f(0.1, 0.5, 30*Day, 6*Day, true)
	f(0.1, 0, 30*Day, 0, false)
	f(0, 0, 30*Day, 0, true)
	f(-1, 5, 30*Day, 0, true)
	f(1, 1e-300, 30*Day, 0, false)
}

func TestWilson(t *testing.T) {
	f := func(bad, total uint64, low, high float64) {
		t.Helper()
		l, h := Wilson(bad, total)
		if math.Abs(l-low) > 1e-6 || math.Abs(h-high) > 1e-6 {
			t.Errorf("%d bad of %d: got %v to %v, want %v to %v", bad, total, l, h, low, high)
		}
	}
	f(0, 0, 0, 1)
	f(0, 1, 0.206549, 1)
	f(1, 1, 0, 0.793451)
	f(2, 10, 0.490162, 0.943318)
	f(5, 10, 0.236593, 0.763407)
	f(10, 100, 0.825634, 0.944771)
	for _, total := range []uint64{1, 7, 1000, 1 << 40} {
		for _, bad := range []uint64{0, 1, total / 3, total} {
			low, high := Wilson(bad, total)
			if p := Attained(bad, total); low < 0 || high > 1 || low > p+1e-12 || high < p-1e-12 {
				t.Errorf("%d bad of %d: %v to %v", bad, total, low, high)
			}
		}
	}
}
