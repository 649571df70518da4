package red

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactIndex is the i for which ns lies in (2^((i-1)/8), 2^(i/8)]: the smallest i with ns^8 <= 2^i.
func exactIndex(ns uint64) int16 {
	if ns <= 1 {
		return 0
	}
	power := new(big.Int).Exp(new(big.Int).SetUint64(ns), big.NewInt(bucketsPerDoubling), nil)
	power.Sub(power, big.NewInt(1))
	return int16(power.BitLen())
}

func TestBucketIndex(t *testing.T) {
	check := func(ns uint64) {
		t.Helper()
		if got, want := BucketIndex(ns), exactIndex(ns); got != want {
			t.Errorf("%d ns: bucket %d, want %d", ns, got, want)
		}
	}
	for ns := range uint64(5000) {
		check(ns)
	}
	for i := range 64 * bucketsPerDoubling {
		root := new(big.Int).Lsh(big.NewInt(1), uint(i))
		bound := root.Sqrt(root.Sqrt(root.Sqrt(root))).Uint64()
		for _, ns := range []uint64{bound - 1, bound, bound + 1} {
			check(ns)
		}
	}
	for _, ns := range []uint64{1 << 52, 1<<52 + 1, 1 << 63, 1<<63 + 1, math.MaxUint64} {
		check(ns)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		ns := random.Uint64() >> random.IntN(62)
		check(ns)
		if ns > 1 {
			if approx := math.Log2(float64(ns)) * bucketsPerDoubling; math.Abs(float64(BucketIndex(ns))-math.Ceil(approx)) > 1 {
				t.Errorf("%d ns: bucket %d, log2 says %v", ns, BucketIndex(ns), approx)
			}
		}
	}
}
