package budget

import (
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestParseRatio(t *testing.T) {
	f := func(text string, num, den uint64, back string) {
		t.Helper()
		r, err := ParseRatio(text)
		if err != nil || r != (Ratio{num, den}) || r.String() != back {
			t.Errorf("%q: got %v (%s), %v, want %d/%d (%s)", text, r, r, err, num, den, back)
		}
	}
	f("14.4", 72, 5, "14.4")
	f("0014.400000000000", 72, 5, "14.4")
	f("6", 6, 1, "6")
	f("0", 0, 1, "0")
	f("0.000001", 1, 1_000_000, "0.000001")
	f(".5", 1, 2, "0.5")
	f("999999999.999999", 999999999999999, 1_000_000, "999999999.999999")

	bad := func(text, want string) {
		t.Helper()
		if r, err := ParseRatio(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %q", text, r, err, want)
		}
	}
	for _, text := range []string{"", ".", "1.", "-1", "+1", "1e3", "1,5", " 1", "1 ", "0x1", "NaN", "1.2.3", "١"} {
		bad(text, "is not a decimal number")
	}
	bad("1.0000001", "more than 6 decimals")
	bad("1000000000", "is not below 1000000000")
	bad(strings.Repeat("9", 400), "is not below")
}

func TestRatio(t *testing.T) {
	f := func(got, want Ratio) {
		t.Helper()
		if got != want {
			t.Errorf("got %d/%d, want %d/%d", got.Num, got.Den, want.Num, want.Den)
		}
	}
	f(NewRatio(6, 4), Ratio{3, 2})
	f(NewRatio(0, 7), Ratio{0, 1})
	f(NewRatio(7, 0), Ratio{7, 1})
	f(Ratio{}.Mul(Ratio{3, 2}), Ratio{0, 1})
	f(Ratio{3, 2}.Mul(Ratio{2, 3}), Ratio{1, 1})
	f(Ratio{math.MaxUint64, 2}.Mul(Ratio{4, 3}), Ratio{math.MaxUint64 / 3 * 2, 1})
	f(Ratio{math.MaxUint64, 2}.Mul(Ratio{5, 2}), Ratio{math.MaxUint64, 1})
	f(Ratio{1, math.MaxUint64}.Mul(Ratio{1, 2}), Ratio{0, 1})
	if (Ratio{}).Float() != 0 || !(Ratio{}).IsZero() || (Ratio{}).String() != "0" || (Ratio{}).Cmp(Ratio{0, 1}) != 0 {
		t.Error("the zero value is not 0")
	}
	if got := (Ratio{1, 3}).String(); got != "0.333333" {
		t.Errorf("a third is %s", got)
	}
	if got := (Ratio{math.MaxUint64, 1}).String(); got != "18446744073709551616" {
		t.Errorf("the largest is %s", got)
	}
}

func FuzzRatio(f *testing.F) {
	f.Add(uint64(3), uint64(4), uint64(9), uint64(7))
	f.Add(uint64(0), uint64(1), uint64(math.MaxUint64), uint64(1))
	f.Add(uint64(math.MaxUint64), uint64(math.MaxUint64-1), uint64(math.MaxUint64-2), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, a, b, c, d uint64) {
		r, s := NewRatio(a, b), NewRatio(c, d)
		if got, want := r.Cmp(s), rat(r).Cmp(rat(s)); got != want {
			t.Errorf("%v and %v compare %d, want %d", r, s, got, want)
		}
		product := new(big.Rat).Mul(rat(r), rat(s))
		if !product.Num().IsUint64() || !product.Denom().IsUint64() {
			return
		}
		if got := r.Mul(s); rat(got).Cmp(product) != 0 {
			t.Errorf("%v times %v is %v, want %v", r, s, got, product)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"99.9", "0.999", "14.4", "0.9333", "99.99999%", ".", "0.0000000001"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := ParseRatio(text); err == nil {
			exact, ok := new(big.Rat).SetString(text)
			if !ok || exact.Cmp(rat(r)) != 0 {
				t.Errorf("%q is %v", text, r)
			}
			if again, err := ParseRatio(r.String()); err != nil || again != r {
				t.Errorf("%q becomes %q becomes %v, %v", text, r.String(), again, err)
			}
		}
		if target, err := ParseTarget(text); err == nil {
			if again, err := ParseTarget(target.Text()); err != nil || again != target {
				t.Errorf("%q becomes %q becomes %v, %v", text, target.Text(), again, err)
			}
			if again, err := ParsePercent(target.String()); err != nil || again != target {
				t.Errorf("%q becomes %q becomes %v, %v", text, target, again, err)
			}
			if target.Float() < 0 || target.Float() >= 1 {
				t.Errorf("%q is %v", text, target.Float())
			}
		}
	})
}

func TestTarget(t *testing.T) {
	f := func(text string, budget Ratio, share, shown string) {
		t.Helper()
		target := percent(t, text)
		if target.Budget() != budget || target.Text() != share || target.String() != shown {
			t.Errorf("%q: budget %v, %s, %s", text, target.Budget(), target.Text(), target)
		}
		if same, err := ParseTarget(share); err != nil || same != target {
			t.Errorf("%q is %v, %v", share, same, err)
		}
	}
	f("99.9", Ratio{1, 1000}, "0.999", "99.9%")
	f("99.90 %", Ratio{1, 1000}, "0.999", "99.9%")
	f("99.95%", Ratio{1, 2000}, "0.9995", "99.95%")
	f("99.9999999%", Ratio{1, 1_000_000_000}, "0.999999999", "99.9999999%")
	f("50", Ratio{1, 2}, "0.5", "50%")
	f("0", Ratio{1, 1}, "0", "0%")
	if (Target{}).Budget() != (Ratio{1, 1}) || (Target{}).String() != "0%" {
		t.Error("the zero value promises something")
	}

	bad := func(parse func(string) (Target, error), text, want string) {
		t.Helper()
		if target, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %q", text, target, err, want)
		}
	}
	bad(ParseTarget, "1", "leaves no budget")
	bad(ParseTarget, "99.9", "write a share such as 0.999")
	bad(ParseTarget, "0.9999999999", "more than 9 decimals")
	bad(ParsePercent, "100", "leaves no budget")
	bad(ParsePercent, "100.1%", "write percent such as 99.9%")
	bad(ParsePercent, "99.99999999", "more than 7 decimals")
	bad(ParsePercent, "%", "is not a decimal number")
	bad(ParseSliceTarget, "0", "not above 0")
	bad(ParseSliceTarget, "1.01", "at most 1")
	bad(ParseSliceTarget, "x", "slice target")
	if whole, err := ParseSliceTarget("1.0"); err != nil || whole.Good != (Ratio{1, 1}) || whole.Budget() != (Ratio{0, 1}) {
		t.Errorf("a slice target of 1 is %v, %v", whole, err)
	}
}
