package budget

import "loadline/slo/budget/binomial"

// Alpha is how likely the bad events of a window may be by chance where the guard lets a tier speak.
const Alpha = binomial.Alpha

// Significant reports whether it has a probability of at most [Alpha] that at least bad of total events are bad when each
// is with probability p: the upper tail of the binomial distribution, decided exactly.
func Significant(bad, total uint64, p Ratio) bool {
	return binomial.Unlikely(bad, total, p.Num, p.Den)
}

// MinSignificant is the least number of bad events among total that is [Significant], total+1 if not even all are.
func MinSignificant(total uint64, p Ratio) uint64 {
	if n, ok := binomial.Least(total, p.Num, p.Den); ok {
		return n
	}
	return total + 1
}
