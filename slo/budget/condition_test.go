package budget

import (
	"math/big"
	"testing"
	"time"
)

// seconds are the whole seconds of a duration as a rational number.
func seconds(d time.Duration) *big.Rat { return big.NewRat(int64(d/time.Second), 1) }

// FuzzExceeds holds conditions against the definitions in fractions.
func FuzzExceeds(f *testing.F) {
	f.Add(uint64(6000), uint64(360_000), uint64(999_000_000), uint64(14_400_000), int64(3600), int64(3600), true, false)
	f.Add(uint64(144), uint64(10_000), uint64(999_000_000), uint64(14_400_000), int64(3600), int64(3600), false, false)
	f.Add(uint64(145), uint64(10_000), uint64(999_000_000), uint64(14_400_000), int64(3590), int64(3600), false, true)
	f.Add(uint64(1)<<63, ^uint64(0), uint64(999_999_999), uint64(933_300), int64(1), int64(31_622_400), true, true)
	f.Add(^uint64(0), ^uint64(0), uint64(0), uint64(10_000_000_000), int64(-5), int64(10), false, false)
	f.Fuzz(func(t *testing.T, bad, total, good, burn uint64, covered, window int64, byBudget, clamp bool) {
		good, burn = good%1_000_000_000, burn%10_000_000_001
		window, covered = abs(window)%31_622_400+10, covered%40_000_000
		if burn == 0 {
			return
		}
		target := Target{Good: NewRatio(good, 1_000_000_000)}
		tier := Tier{Long: time.Duration(window) * time.Second, Short: time.Second, Burn: NewRatio(burn, 1_000_000)}
		policy := Policy{Clamp: clamp}
		if byBudget {
			policy.Mode = ByBudget
		}
		c := Compile(target, tier, policy, 30*Day)
		got := c.Exceeds(bad, total, time.Duration(covered)*time.Second, tier.Long)

		// bad/total*covered/window > burn*(1-T), without dividing by total.
		b := big.NewRat(int64(1_000_000_000-good), 1_000_000_000)
		threshold := new(big.Rat).Mul(big.NewRat(int64(burn), 1_000_000), b)
		if half := big.NewRat(1, 2); clamp && threshold.Cmp(half) > 0 {
			threshold = half
		}
		known := big.NewRat(max(covered, 0), 1)
		if !byBudget && covered >= window {
			known = seconds(tier.Long)
		}
		left := new(big.Rat).Mul(new(big.Rat).SetInt(new(big.Int).SetUint64(bad)), known)
		right := new(big.Rat).SetInt(new(big.Int).SetUint64(total))
		right.Mul(right, threshold).Mul(right, seconds(tier.Long))
		if want := left.Cmp(right) > 0; got != want {
			t.Errorf("%d of %d in %d of %d s at %v, %v: got %v", bad, total, covered, window, target, tier.Burn, got)
		}
	})
}

func abs(n int64) int64 {
	if n < 0 {
		return max(-n, 0)
	}
	return n
}

func TestExceeds(t *testing.T) {
	f := func(p Policy, bad, total uint64, covered time.Duration, want bool) {
		t.Helper()
		tier := Tier{Long: time.Hour, Short: 5 * time.Minute, Burn: ratio(t, "14.4")}
		if got := Compile(percent(t, "99.9"), tier, p, 30*Day).Exceeds(bad, total, covered, time.Hour); got != want {
			t.Errorf("%d of %d covered %v: got %v", bad, total, covered, got)
		}
	}
	rate, byBudget := Policy{}, Policy{Mode: ByBudget}
	f(rate, 144, 10_000, time.Hour, false)
	f(rate, 145, 10_000, time.Hour, true)
	f(rate, 145, 10_000, 2*time.Hour, true)
	f(rate, 0, 0, time.Hour, false)
	// Ten minutes old, total outage since ten seconds: not yet; since a minute: as if it had been there for an hour.
	f(rate, 50, 600, 600*time.Second, false)
	f(rate, 52, 600, 600*time.Second, true)
	f(rate, 60, 600, 0, false)
	// By budget: 720,000 events a month, 720 of which may be bad, 14.4 of them an hour.
	f(byBudget, 14, 720_000, 30*Day, false)
	f(byBudget, 15, 720_000, 30*Day, true)
	f(byBudget, 14, 360_000, 15*Day, false)
	f(byBudget, 15, 360_000, 15*Day, true)
	f(byBudget, 15, 0, 0, false)
}

func TestClamp(t *testing.T) {
	f := func(target, burn string, clamp bool, want float64, clamped, reachable bool) {
		t.Helper()
		tier := Tier{Long: time.Hour, Short: 5 * time.Minute, Burn: ratio(t, burn)}
		c := Compile(percent(t, target), tier, Policy{Clamp: clamp}, 30*Day)
		got, lowered := c.Threshold()
		if got != want || lowered != clamped || c.Reachable() != reachable {
			t.Errorf("%s at %s: threshold %v, clamped %v, reachable %v", target, burn, got, lowered, c.Reachable())
		}
	}
	f("99.9", "14.4", true, 14.4, false, true)
	f("90", "14.4", false, 14.4, false, false)
	f("90", "14.4", true, 5, true, true)
	f("90", "5", true, 5, false, true)
	f("90", "10", false, 10, false, false)
	f("93.06", "14.4", false, 14.4, false, true)
	f("0", "1", true, 0.5, true, true)
	f("0", "0.5", true, 0.5, false, true)

	// A total outage at 90 % pages after half an hour with the clamp, by the slower tier after 3.6 h without.
	detect := func(clamp bool, want time.Duration) {
		t.Helper()
		least := Day
		for _, tier := range DefaultTiers(Window{Length: 30 * Day})[:2] {
			if after, _, ok := Compile(percent(t, "90"), tier, Policy{Clamp: clamp}, 30*Day).Detect(Ratio{1, 1}); ok {
				least = min(least, after)
			}
		}
		if least != want {
			t.Errorf("clamp %v: a page after %v, want %v", clamp, least, want)
		}
	}
	detect(true, 30*time.Minute)
	detect(false, 216*time.Minute)
}

func TestConditionNeeds(t *testing.T) {
	f := func(p Policy, target string, total, burn, guard uint64) {
		t.Helper()
		tier := Tier{Long: time.Hour, Short: 5 * time.Minute, Burn: ratio(t, "14.4")}
		c := Compile(percent(t, target), tier, p, 30*Day)
		b, g := c.Needs(total)
		if b != burn || g != guard {
			t.Errorf("%d at %s: needs %d and %d, want %d and %d", total, target, b, g, burn, guard)
		}
		if b <= total && (c.Exceeds(b-1, total, time.Hour, time.Hour) || !c.Exceeds(b, total, time.Hour, time.Hour)) {
			t.Errorf("%d at %s: %d is not where the burn rate is exceeded", total, target, b)
		}
	}
	f(Policy{Guard: true}, "99.9", 40, 1, 3)
	f(Policy{}, "99.9", 40, 1, 0)
	f(Policy{MinBad: 5}, "99.9", 40, 1, 5)
	f(Policy{Guard: true, MinBad: 2}, "99.9", 40, 1, 3)
	f(Policy{}, "99.9", 10_000, 145, 0)
	f(Policy{}, "90", 10_000, 10_001, 0)
	f(Policy{}, "99.9", 0, 1, 0)
	f(Policy{}, "99.9", 1<<60, 16602069666338597, 0)
}

func TestSignificantOfUnits(t *testing.T) {
	tier := Tier{Long: time.Hour, Short: 5 * time.Minute, Burn: ratio(t, "14.4")}
	c := Compile(percent(t, "99.9"), tier, Policy{Guard: true, MinBad: 2}, 30*Day)
	f := func(bad, total, unit uint64, want bool) {
		t.Helper()
		if got := c.Significant(bad, total, unit); got != want {
			t.Errorf("%d of %d in units of %d: got %v", bad, total, unit, got)
		}
	}
	f(3, 60, 1, true)
	f(2, 60, 1, false)
	f(1, 1, 1, false)
	// 2.9 of 60 slices are bad, and then 3.
	f(2_900_000, 60_000_000, Whole, false)
	f(3_000_000, 60_000_000, Whole, true)
	f(3, 60, 0, true)
}

func TestMinSignificant(t *testing.T) {
	f := func(total uint64, p Ratio, want uint64) {
		t.Helper()
		if got := MinSignificant(total, p); got != want {
			t.Errorf("of %d at %v: got %d, want %d", total, p, got, want)
		}
	}
	f(10, Ratio{1, 1000}, 2)
	f(1, Ratio{1, 10_000}, 1)
	f(1, Ratio{1, 9999}, 2)
	f(0, Ratio{1, 1000}, 1)
	f(3, Ratio{1, 2}, 4)
}

func TestAbsentAfter(t *testing.T) {
	f := func(target string, p Policy, want time.Duration) {
		t.Helper()
		if got := AbsentAfter(percent(t, target), p, 30*Day); got != want {
			t.Errorf("%s: after %v, want %v", target, got, want)
		}
	}
	p := DefaultPolicy(Window{Length: 30 * Day})
	f("99.9", p, 3*time.Minute)
	f("99.99", p, 3*time.Minute)
	f("99.5", p, 6*time.Minute)
	f("99", p, 11*time.Minute)
	f("90", p, 32*time.Minute)
	f("99", Policy{}, 3*time.Minute)
}

func TestResetAndExhausts(t *testing.T) {
	tier := DefaultTiers(Window{Length: 30 * Day})[0]
	c := Compile(percent(t, "99.9"), tier, Policy{}, 30*Day)
	if got := c.Exhausts(); got != 50*time.Hour {
		t.Errorf("a budget lasts %v at the threshold", got)
	}
	if got := c.Reset(Ratio{1, 1000}); got != 0 {
		t.Errorf("what never fired resets after %v", got)
	}
	if got := c.Limit(); got != (Ratio{9, 625}) {
		t.Errorf("limit %v", got)
	}
	// Detection at the end of a slot is seen one slot later, because the burn rate has to be above.
	after, seen, ok := c.Detect(Ratio{18, 625})
	if after != 30*time.Minute || seen != 30*time.Minute+10*time.Second || !ok {
		t.Errorf("detected after %v, seen after %v, %v", after, seen, ok)
	}
}

func BenchmarkCondition(b *testing.B) {
	tier := DefaultTiers(Window{Length: 30 * Day})[0]
	c := Compile(percent(b, "99.9"), tier, DefaultPolicy(Window{Length: 30 * Day}), 30*Day)
	b.Run("rate", func(b *testing.B) {
		for b.Loop() {
			c.Exceeds(100, 1_000_000, time.Hour, time.Hour)
		}
	})
	b.Run("young", func(b *testing.B) {
		for b.Loop() {
			c.Exceeds(100, 1_000_000, time.Minute, time.Hour)
		}
	})
	b.Run("guard", func(b *testing.B) {
		for b.Loop() {
			c.Significant(20, 1000, 1)
		}
	})
}
