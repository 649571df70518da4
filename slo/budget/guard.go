package budget

// Alpha is how unlikely the bad events of a window must be to speak about them.
const Alpha = 1e-4

// Significant reports whether at least bad of total events being bad has a probability of at most [Alpha] if each is bad
// with probability p: the exact upper tail of the binomial distribution.
func Significant(bad, total uint64, p Ratio) bool {
	return tail(bad, total, p.Float()) <= Alpha
}

// MinSignificant is the least number of bad events among total that is [Significant], total+1 if not even all are.
func MinSignificant(total uint64, p Ratio) uint64 {
	low, high := uint64(0), total+1
	for low < high {
		if mid := low + (high-low)/2; mid > total || Significant(mid, total, p) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}
