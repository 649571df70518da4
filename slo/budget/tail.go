package budget

import "math"

// tail is the probability of at least k successes in n trials.
func tail(k, n uint64, p float64) float64 {
	if k == 0 {
		return 1
	}
	if k > n {
		return 0
	}
	a, _ := math.Lgamma(float64(n) + 1)
	b, _ := math.Lgamma(float64(k) + 1)
	c, _ := math.Lgamma(float64(n-k) + 1)
	term := math.Exp(a - b - c + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
	sum := term
	for j := k; j < n && term > sum*1e-17; j++ {
		term *= float64(n-j) / float64(j+1) * p / (1 - p)
		sum += term
	}
	return sum
}
