// Package binomial says whether a number of failures is more than chance explains.
package binomial

import (
	"math"
	"math/big"
	"math/bits"
)

// Alpha is how likely a number of failures may be that is no chance.
const Alpha = 1e-4

// Unlikely reports whether it has a probability of at most [Alpha] that at least bad of total events are bad when each is
// with probability num/den: the upper tail of the binomial distribution. A den of 0 counts as 1.
//
// The tail is summed in floating point until bounds decide it. Where they do not, because it is within a thousand
// millionth of the limit, or exactly the limit as for two of two events at 1 %, it is computed again in 512 bits.
func Unlikely(bad, total, num, den uint64) bool {
	bad, den = min(bad, total), max(den, 1)
	if bad == 0 || !above(bad, total, num, den) {
		return false
	}
	if bad >= plenty && above(bad/timesMean, total, num, den) {
		return true
	}
	const margin = 1e-9
	n := float64(total)
	odds := float64(num) / float64(den-num)
	term, sum := mass(bad, total, float64(num)/float64(den), float64(den-num)/float64(den)), 0.0
	for k := float64(bad); ; k++ {
		sum += term
		ratio := (n - k) / (k + 1) * odds // of the next term to this one; it falls
		rest := term * ratio / max(1-ratio, 1e-300)
		switch {
		case sum > Alpha*(1+margin):
			return false
		case sum+rest <= Alpha*(1-margin):
			return true
		case rest <= sum*margin/10:
			if bad > mostTerms {
				return sum <= Alpha
			}
			return exactlyUnlikely(bad, total, num, den)
		}
		term *= ratio
	}
}

// So many bad events that are so many times the mean are unlikely enough, whatever the mean: the tail is at most
// exp(-mean) * (e*mean/bad)^bad (Chernoff), which for a mean of bad/4 is 0.53^bad.
const (
	plenty    = 18
	timesMean = 4
)

// Least is the smallest number of bad events among total that is [Unlikely], and false if not even all are.
func Least(total, num, den uint64) (uint64, bool) {
	low, high := uint64(0), total
	if !Unlikely(total, total, num, den) {
		return 0, false
	}
	for low < high {
		if mid := low + (high-low)/2; Unlikely(mid, total, num, den) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low, true
}

// above reports whether bad is above the mean, total*num/den.
func above(bad, total, num, den uint64) bool {
	high, low := bits.Mul64(bad, den)
	meanHigh, meanLow := bits.Mul64(total, num)
	return high > meanHigh || high == meanHigh && low > meanLow
}

// mostTerms bounds the sum of exactlyUnlikely. With more bad events than that floating point decides: the next number of
// them is hardly less likely.
const mostTerms = 100_000

// exactlyUnlikely is [Unlikely] in 512 bits, where a tail that differs from the limit by less than 2^-300 is the limit.
func exactlyUnlikely(bad, total, num, den uint64) bool {
	number := func(n uint64) *big.Float { return new(big.Float).SetPrec(512).SetUint64(n) }
	good, odds := number(den-num), number(num)
	odds.Quo(odds, good)
	good.Quo(good, number(den))
	term := number(1) // becomes good^total, the probability of no bad event
	for n := total; n > 0; n >>= 1 {
		if n&1 == 1 {
			term.Mul(term, good)
		}
		good.Mul(good, good)
	}
	below := number(0)
	for k := range bad {
		below.Add(below, term)
		term.Mul(term, number(total-k)).Mul(term, odds).Quo(term, number(k+1))
	}
	limit := number(1)
	limit.Quo(limit, number(1/Alpha))
	excess := number(1)
	excess.Sub(excess, below).Sub(excess, limit)
	return excess.Sign() <= 0 || excess.MantExp(nil) < -300
}

// mass is the probability of exactly k of n, with k from 1 to n and p between 0 and 1, to about fourteen digits also for
// great n (C. Loader, Fast and Accurate Computation of Binomial Probabilities, 2000).
func mass(k, n uint64, p, q float64) float64 {
	x, size := float64(k), float64(n)
	if k == n {
		return math.Pow(p, size)
	}
	log := stirlingError(size) - stirlingError(x) - stirlingError(size-x) - deviance(x, size*p) - deviance(size-x, size*q)
	return math.Exp(log) * math.Sqrt(size/(2*math.Pi*x*(size-x)))
}

// stirlingError is the error of Stirling's formula for log n!, n of at least 1.
func stirlingError(n float64) float64 {
	if n < 16 {
		factorial, _ := math.Lgamma(n + 1)
		return factorial - (n+0.5)*math.Log(n) + n - math.Log(2*math.Pi)/2
	}
	s := 1 / (n * n)
	return (1.0/12 - s*(1.0/360-s*(1.0/1260-s*(1.0/1680-s/1188)))) / n
}

// deviance is x*log(x/mean) + mean - x, also where x is close to the mean.
func deviance(x, mean float64) float64 {
	d := x - mean
	if math.Abs(d) >= 0.1*(x+mean) {
		return x*math.Log(x/mean) - d
	}
	v := d / (x + mean)
	sum, power := d*v, 2*x*v
	for j := 3.0; ; j += 2 {
		power *= v * v
		next := sum + power/j
		if next == sum {
			return sum
		}
		sum = next
	}
}
