package budget

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// NewRatio returns num/den in lowest terms. A den of 0 counts as 1.
func NewRatio(num, den uint64) Ratio {
	if den == 0 {
		den = 1
	}
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	return Ratio{Num: num / a, Den: den / a}
}

// ParseRatio reads a decimal number such as 14.4, below a thousand million and with at most six decimals.
func ParseRatio(text string) (Ratio, error) {
	return parseDecimal(text, 6)
}

// parseDecimal reads a decimal number without sign and exponent, with at most nine digits before the point and places
// after it.
func parseDecimal(text string, places int) (Ratio, error) {
	whole, fraction, point := strings.Cut(text, ".")
	if whole == "" && fraction == "" || point && fraction == "" {
		return Ratio{}, fmt.Errorf("number %q is not a decimal number such as 14.4", text)
	}
	for _, c := range whole + fraction {
		if c < '0' || c > '9' {
			return Ratio{}, fmt.Errorf("number %q is not a decimal number such as 14.4", text)
		}
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if len(fraction) > places {
		return Ratio{}, fmt.Errorf("number %q has more than %d decimals", text, places)
	}
	if len(whole) > 9 {
		return Ratio{}, fmt.Errorf("number %q is not below 1000000000", text)
	}
	num, err := strconv.ParseUint("0"+whole+fraction, 10, 64)
	if err != nil {
		return Ratio{}, fmt.Errorf("number %q: %w", text, err)
	}
	return NewRatio(num, pow10(len(fraction))), nil
}

func pow10(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// den is the denominator, also of the zero value.
func (r Ratio) den() uint64 { return max(r.Den, 1) }

// Float is the nearest floating-point number.
func (r Ratio) Float() float64 { return float64(r.Num) / float64(r.den()) }

// IsZero reports whether the ratio is 0.
func (r Ratio) IsZero() bool { return r.Num == 0 }

// Cmp is -1, 0 or 1 where r is less than, equal to or greater than s.
func (r Ratio) Cmp(s Ratio) int { return cmp3(r.Num, s.den(), 1, s.Num, r.den(), 1) }

// Mul is the product. What does not fit becomes the largest ratio: a rate of bad events that is never reached.
func (r Ratio) Mul(s Ratio) Ratio {
	a, b := NewRatio(r.Num, s.den()), NewRatio(s.Num, r.den())
	high, num := bits.Mul64(a.Num, b.Num)
	over, den := bits.Mul64(a.Den, b.Den)
	switch {
	case high == 0 && over == 0:
		return NewRatio(num, den)
	case high == 0:
		return Ratio{Num: 0, Den: 1}
	}
	return Ratio{Num: math.MaxUint64, Den: 1}
}

// String is the number in decimals, rounded to six where it has more than nine.
func (r Ratio) String() string {
	if text, ok := decimal(r); ok {
		return text
	}
	text := strconv.FormatFloat(r.Float(), 'f', 6, 64)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

// decimal writes a ratio that is a decimal number of at most nine places.
func decimal(r Ratio) (string, bool) {
	const places = 9
	scale := pow10(places)
	if scale%r.den() != 0 {
		return "", false
	}
	high, n := bits.Mul64(r.Num, scale/r.den())
	if high != 0 {
		return "", false
	}
	text := fmt.Sprintf("%d.%09d", n/scale, n%scale)
	return strings.TrimRight(strings.TrimRight(text, "0"), "."), true
}

// mul3 is a*b*c in 192 bits, the most significant word first.
func mul3(a, b, c uint64) [3]uint64 {
	high, low := bits.Mul64(a, b)
	lowHigh, word0 := bits.Mul64(low, c)
	highHigh, highLow := bits.Mul64(high, c)
	word1, carry := bits.Add64(lowHigh, highLow, 0)
	return [3]uint64{highHigh + carry, word1, word0}
}

// cmp3 compares a*b*c with x*y*z exactly.
func cmp3(a, b, c, x, y, z uint64) int {
	p, q := mul3(a, b, c), mul3(x, y, z)
	for i := range p {
		switch {
		case p[i] < q[i]:
			return -1
		case p[i] > q[i]:
			return 1
		}
	}
	return 0
}
