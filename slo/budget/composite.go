package budget

import (
	"fmt"
	"math/big"
	"math/bits"
)

// The ways in which objectives make a composite: a slice is bad if any member's is, its share of bad events is the weighted
// mean of the members', or it is that of the worst member.
const (
	Any      = "any"
	Weighted = "weighted"
	Worst    = "worst"
)

// ValidateComposite refuses a method that is none of those above.
func ValidateComposite(method string) error {
	switch method {
	case Any, Weighted, Worst:
		return nil
	}
	return fmt.Errorf("composite method %q is none of any, weighted and worst", method)
}

// MemberSlice are the events of a member in a slice of time.
type MemberSlice struct {
	Bad, Total uint64
	Target     Target // at which the slice of the member is good; [Any] only
	Weight     Ratio  // [Weighted] only; a weight of 0 does not count
}

// Compose is what a slice of a composite counts: 0 or 1 bad of 1 with [Any], else millionths of [Whole]. Members without
// events do not count, and if none has any the composite counts nothing.
func Compose(method string, members []MemberSlice) (bad, total uint64) {
	var weights, sum, high uint64 // the sum of weighted shares has 128 bits
	for _, m := range members {
		if m.Total == 0 {
			continue
		}
		switch method {
		case Any:
			total = 1
			if !SliceGood(m.Bad, m.Total, m.Target) {
				bad = 1
			}
		case Worst:
			total = Whole
			bad = max(bad, share(m.Bad, m.Total))
		case Weighted:
			w := m.Weight.Mul(Ratio{Num: Whole, Den: 1})
			weight := w.Num / w.den()
			weights += weight
			h, l := bits.Mul64(weight, share(m.Bad, m.Total))
			var carry uint64
			sum, carry = bits.Add64(sum, l, 0)
			high += h + carry
		}
	}
	if weights > 0 {
		sum, carry := bits.Add64(sum, weights/2, 0)
		bad, _ = bits.Div64(high+carry, sum, weights)
		return bad, Whole
	}
	return bad, total
}

// SumBurn is the burn rate of a composite as OpenSLO defines it for occurrences: the weighted sum of its members' burn
// rates. weights and burns have the same length.
func SumBurn(weights []Ratio, burns []float64) float64 {
	var sum float64
	for i, w := range weights {
		sum += w.Float() * burns[i]
	}
	return sum
}

// Series is the share of good events that a service can promise if each of them needs every dependency to be good, and
// these fail independently.
func Series(dependencies []Target) float64 {
	share, _ := series(dependencies).Float64()
	return share
}

// Parallel is the share of good events if each of them needs only one of the redundant dependencies.
func Parallel(dependencies []Target) float64 {
	bad := big.NewRat(1, 1)
	for _, t := range dependencies {
		b := t.Budget()
		bad.Mul(bad, rat(b))
	}
	share, _ := bad.Sub(big.NewRat(1, 1), bad).Float64()
	return share
}

// Feasible reports whether a target is at most what its dependencies in series promise, exactly.
func Feasible(target Target, dependencies []Target) bool {
	return rat(target.Good).Cmp(series(dependencies)) <= 0
}

func series(dependencies []Target) *big.Rat {
	good := big.NewRat(1, 1)
	for _, t := range dependencies {
		good.Mul(good, rat(t.Good))
	}
	return good
}

func rat(r Ratio) *big.Rat {
	return new(big.Rat).SetFrac(new(big.Int).SetUint64(r.Num), new(big.Int).SetUint64(r.den()))
}
