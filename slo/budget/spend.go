package budget

import (
	"math"
	"time"
)

// Attained is the share of good events, NaN without events.
func Attained(bad, total uint64) float64 {
	if total == 0 {
		return math.NaN()
	}
	return 1 - float64(bad)/float64(total)
}

// Burn is how fast the budget is spent: 1 spends it evenly over the window. It is 0 without events.
func Burn(bad, total uint64, target Target) float64 {
	if total == 0 {
		return 0
	}
	return float64(bad) / float64(total) / target.Budget().Float()
}

// BurnCovered is [Burn] in a window of which only the part covered has counts, as [Condition.Exceeds] sees it by rate.
func BurnCovered(bad, total uint64, target Target, covered, window time.Duration) float64 {
	burn := Burn(bad, total, target)
	if covered < window {
		burn *= max(covered, 0).Seconds() / window.Seconds()
	}
	return burn
}

// BurnOfBudget is how fast the budget is spent where it is the period's events that make it: bad events of a window against
// an even share of the budget that periodTotal events in the covered part of the period give.
func BurnOfBudget(bad, periodTotal uint64, target Target, covered, window time.Duration) float64 {
	if periodTotal == 0 {
		return 0
	}
	return Burn(bad, periodTotal, target) * max(covered, 0).Seconds() / window.Seconds()
}

// Left is the share of the budget that is left, below 0 when more than all of it is spent and 1 without events.
func Left(bad, total uint64, target Target) float64 { return 1 - Burn(bad, total, target) }

// CmpLeft compares the share of the budget that is left with a share between 0 and 1, exactly: -1, 0 or 1 where less,
// equal or more is left.
func CmpLeft(bad, total uint64, target Target, share Ratio) int {
	if total == 0 {
		return Ratio{Num: 1, Den: 1}.Cmp(share)
	}
	spent := NewRatio(share.den()-min(share.Num, share.den()), share.den()).Mul(target.Budget())
	return cmp3(total, spent.Num, 1, bad, spent.den(), 1)
}

// Projected is the share of a calendar period's budget that is left if its rest has as much traffic as its beginning and no
// bad events. elapsed is how much of the period is past.
func Projected(bad, total uint64, target Target, elapsed, period time.Duration) float64 {
	if total == 0 || elapsed <= 0 || elapsed >= period {
		return Left(bad, total, target)
	}
	return 1 - Burn(bad, total, target)*elapsed.Seconds()/period.Seconds()
}

// Exhausted is after how long no budget is left at a burn rate. rest is how long what is spent counts: until the end of a
// calendar period, or the length of a rolling window. It reports false if the budget lasts that long.
func Exhausted(left, burn float64, period, rest time.Duration) (time.Duration, bool) {
	if left <= 0 {
		return 0, true
	}
	if burn <= 0 {
		return 0, false
	}
	after := left * float64(period) / burn
	return time.Duration(min(after, float64(rest))), after < float64(rest)
}

// OneBad is the share of the budget that one bad event of total takes; 0 without events.
func OneBad(total uint64, target Target) float64 { return Burn(1, total, target) }

// Wilson bounds the share of good events that the counted ones are a sample of, with 95 % confidence (Wilson's score
// interval); 0 and 1 without events.
func Wilson(bad, total uint64) (low, high float64) {
	if total == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	n, p := float64(total), 1-float64(bad)/float64(total)
	middle := p + z*z/(2*n)
	reach := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max((middle-reach)/(1+z*z/n), 0), min((middle+reach)/(1+z*z/n), 1)
}

// CmpProjected compares [Projected] with a share between 0 and 1, exactly: -1, 0 or 1 where less, equal or more is left.
func CmpProjected(bad, total uint64, target Target, share Ratio, elapsed, period time.Duration) int {
	if total == 0 || elapsed <= 0 || elapsed >= period {
		return CmpLeft(bad, total, target, share)
	}
	spent := NewRatio(share.den()-min(share.Num, share.den()), share.den()).Mul(target.Budget())
	return cmp3(total, spent.Num, uint64(period/time.Second), bad, spent.den(), uint64(elapsed/time.Second))
}
