package budget

import (
	"math"
	"math/big"
	"math/bits"
	"time"

	"loadline/internal/sli"
)

// Condition is a tier compiled for a target. It is a value of a few words: evaluating it allocates nothing.
type Condition struct {
	limit   Ratio // share of bad events above which it holds: burn rate times budget
	null    Ratio // share of bad events that the guard supposes
	burn    Ratio
	clamped bool
	guard   bool
	mode    Mode
	minBad  uint64
	long    time.Duration
	short   time.Duration
	period  time.Duration
}

// Compile makes a tier of a policy ready for a target and the length of a window, see [Window.Nominal]. With Clamp a burn
// rate that needs more than half of all events to be bad is lowered to just that.
func Compile(target Target, tier Tier, policy Policy, period time.Duration) Condition {
	c := Condition{
		burn:   tier.Burn,
		guard:  policy.Guard,
		mode:   policy.Mode,
		minBad: policy.MinBad,
		long:   tier.Long,
		short:  tier.Short,
		period: period,
	}
	b := target.Budget()
	if half := NewRatio(b.Den, 2*b.Num); policy.Clamp && c.burn.Cmp(half) > 0 {
		c.burn, c.clamped = half, true
	}
	c.limit = c.burn.Mul(b)
	c.null = b
	if c.burn.Cmp(Ratio{Num: 4, Den: 1}) < 0 {
		c.null = c.limit.Mul(Ratio{Num: 1, Den: 4})
	}
	return c
}

// Exceeds reports whether a window's burn rate is above that of the tier, exactly.
//
// By rate, total are the events of the window and covered is how long there have been counts at all: an objective
// younger than the window burns as if the time before it had had as many events, all of them good. By budget, total are
// the events of the period and covered is how much of the period they cover, at most its length.
func (c Condition) Exceeds(bad, total uint64, covered, window time.Duration) bool {
	if c.mode == ByRate && covered >= window {
		return exceeds(bad, total, c.limit)
	}
	return cmp3(bad, c.limit.den(), uint64(max(covered, 0)/time.Second),
		total, c.limit.Num, uint64(window/time.Second)) > 0
}

// exceeds reports whether bad/total is above a limit.
func exceeds(bad, total uint64, limit Ratio) bool {
	high, low := bits.Mul64(bad, limit.den())
	limitHigh, limitLow := bits.Mul64(total, limit.Num)
	return high > limitHigh || high == limitHigh && low > limitLow
}

// Significant reports whether the counts of the long window are enough to speak: at least the policy's MinBad are bad
// and, with Guard, they are hardly a coincidence, see [Significant]. The guard supposes that the budget is spent evenly, or
// a quarter of the tier's burn rate where that is less. Ask only when the burn rate is exceeded. unit is what one event
// counts, see [PerEvent].
func (c Condition) Significant(bad, total, unit uint64) bool {
	unit = max(unit, 1)
	return bad/unit >= c.minBad && (!c.guard || Significant(bad/unit, total/unit, c.null))
}

// Needs says how many bad events of total hold in a fully covered window by rate: for the burn rate to be exceeded and for
// the guard; both are needed. What no number reaches is total+1; without a guard it asks for MinBad.
func (c Condition) Needs(total uint64) (burn, guard uint64) {
	high, low := bits.Mul64(total, c.limit.Num)
	burn = total + 1
	if high < c.limit.den() {
		quotient, _ := bits.Div64(high, low, c.limit.den())
		burn = min(quotient+1, total+1)
	}
	if c.guard {
		guard = MinSignificant(total, c.null)
	}
	return burn, max(guard, c.minBad)
}

// Threshold is the burn rate above which the condition holds, and whether the clamp lowered it.
func (c Condition) Threshold() (burn float64, clamped bool) { return c.burn.Float(), c.clamped }

// Limit is the share of bad events above which the condition holds by rate: burn rate times budget.
func (c Condition) Limit() Ratio { return c.limit }

// Reachable reports whether a total outage makes the condition hold.
func (c Condition) Reachable() bool { return c.limit.Cmp(Ratio{Num: 1, Den: 1}) < 0 }

// Detect is after how long the condition holds when, after a time without bad events and with even traffic, the given
// share of events is bad, and the end of the slot in which that is seen. It reports false if it never does.
func (c Condition) Detect(share Ratio) (after, seen time.Duration, ok bool) {
	if share.Cmp(c.limit) <= 0 {
		return 0, 0, false
	}
	exact := rat(c.limit)
	exact.Quo(exact, rat(share)).Mul(exact, big.NewRat(int64(c.long), 1))
	after = time.Duration(new(big.Int).Quo(exact.Num(), exact.Denom()).Int64())
	return after, (after/sli.Slot + 1) * sli.Slot, true
}

// Reset is after how long the condition no longer holds once an incident with that share of bad events, at least as long
// as the short window, is over.
func (c Condition) Reset(share Ratio) time.Duration {
	if share.Cmp(c.limit) <= 0 {
		return 0
	}
	return time.Duration(math.Round(float64(c.short) * (1 - c.limit.Float()/share.Float())))
}

// SpentAtDetection is the share of the budget that is spent when the condition begins to hold, whatever the share of bad
// events is.
func (c Condition) SpentAtDetection() float64 {
	return c.burn.Float() * c.long.Seconds() / c.period.Seconds()
}

// Exhausts is how long a full budget lasts at the threshold.
func (c Condition) Exhausts() time.Duration {
	return time.Duration(float64(c.period) / c.burn.Float())
}

// AbsentAfter is after how long without events there should be an alert: when missing events, taken for bad ones, would
// have made the fastest tier hold, and two minutes more, in whole minutes and at least three.
func AbsentAfter(target Target, policy Policy, period time.Duration) time.Duration {
	const least, grace = 3 * time.Minute, 2 * time.Minute
	fastest := time.Duration(math.MaxInt64)
	for _, tier := range policy.Tiers {
		if after, _, ok := Compile(target, tier, policy, period).Detect(Ratio{Num: 1, Den: 1}); ok {
			fastest = min(fastest, after)
		}
	}
	if fastest == math.MaxInt64 {
		return least
	}
	return max(least, (fastest + grace + time.Minute/2).Truncate(time.Minute))
}
