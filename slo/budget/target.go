package budget

import (
	"fmt"
	"strings"
)

// ParseTarget reads a target as a share, such as 0.999: at least 0, below 1, with at most nine decimals.
func ParseTarget(text string) (Target, error) {
	r, err := parseDecimal(text, 9)
	if err != nil {
		return Target{}, fmt.Errorf("target: %w", err)
	}
	return belowOne(r, text, "write a share such as 0.999")
}

// ParsePercent reads a target in percent, such as 99.9 or 99.9%: at least 0, below 100, with at most seven decimals.
func ParsePercent(text string) (Target, error) {
	r, err := parseDecimal(strings.TrimSpace(strings.TrimSuffix(text, "%")), 7)
	if err != nil {
		return Target{}, fmt.Errorf("target: %w", err)
	}
	return belowOne(NewRatio(r.Num, r.Den*100), text, "write percent such as 99.9%")
}

// ParseSliceTarget reads the target of a slice as a share: above 0, at most 1, with at most nine decimals.
func ParseSliceTarget(text string) (Target, error) {
	r, err := parseDecimal(text, 9)
	if err != nil {
		return Target{}, fmt.Errorf("slice target: %w", err)
	}
	if r.Num == 0 || r.Num > r.Den {
		return Target{}, fmt.Errorf("slice target %q is not above 0 and at most 1: write a share such as 0.95", text)
	}
	return Target{Good: r}, nil
}

func belowOne(r Ratio, text, remedy string) (Target, error) {
	if r.Num >= r.Den {
		return Target{}, fmt.Errorf("target %q leaves no budget, all events would have to be good: %s", text, remedy)
	}
	return Target{Good: r}, nil
}

// Budget is the share of events that may be bad: 1 minus the target.
func (t Target) Budget() Ratio {
	den := t.Good.den()
	return NewRatio(den-min(t.Good.Num, den), den)
}

// Float is the target as a floating-point number, for display.
func (t Target) Float() float64 { return t.Good.Float() }

// Text is the target as a share: 0.999.
func (t Target) Text() string { return t.Good.String() }

// String is the target in percent: 99.9%.
func (t Target) String() string {
	return t.Good.Mul(Ratio{Num: 100, Den: 1}).String() + "%"
}
