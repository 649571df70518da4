package budget

import (
	"math"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestSlicesValidate(t *testing.T) {
	good := Slices{Length: time.Minute, Target: percent(t, "95")}
	f := func(m Method, change func(*Slices), want string) {
		t.Helper()
		s := good
		change(&s)
		err := s.Validate(m)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v %+v: got %v, want %q", m, s, err, want)
		}
	}
	f(Timeslices, func(*Slices) {}, "")
	f(Timeslices, func(s *Slices) { s.Target.Good = Ratio{1, 1} }, "")
	f(RatioTimeslices, func(s *Slices) { s.Target = Target{} }, "")
	f(Timeslices, func(s *Slices) { s.Length = time.Hour }, "")
	f(Occurrences, func(s *Slices) { *s = Slices{} }, "")
	f(Occurrences, func(*Slices) {}, "not counted in slices")
	f(Timeslices, func(s *Slices) { s.Target = Target{} }, "not above 0")
	f(Timeslices, func(s *Slices) { s.Target.Good = Ratio{3, 2} }, "at most 1")
	f(Timeslices, func(s *Slices) { s.Length = 0 }, "not a multiple of 10 s that divides an hour")
	f(Timeslices, func(s *Slices) { s.Length = 7 * time.Minute }, "slice of 7 min is not a multiple")
	f(Timeslices, func(s *Slices) { s.Length = 2 * time.Hour }, "not a multiple")
	f(Timeslices, func(s *Slices) { s.Empty = 3 }, "meaning 3 of empty slices")
	f(9, func(*Slices) {}, "method 9 is not known")
}

func TestMethodString(t *testing.T) {
	for m, want := range []string{"Occurrences", "Timeslices", "RatioTimeslices"} {
		if got := Method(m).String(); got != want {
			t.Errorf("method %d is %s, want %s", m, got, want)
		}
	}
}

func TestSlicesCount(t *testing.T) {
	f := func(m Method, e Empty, target string, bad, total, wantBad, wantTotal uint64) {
		t.Helper()
		s := Slices{Length: time.Minute, Target: percent(t, target), Empty: e}
		b, n := s.Count(m, bad, total)
		if b != wantBad || n != wantTotal {
			t.Errorf("%v of %d bad of %d: got %d of %d, want %d of %d", m, bad, total, b, n, wantBad, wantTotal)
		}
	}
	f(Occurrences, EmptyBad, "95", 3, 7, 3, 7)
	f(Occurrences, EmptyBad, "95", 0, 0, 0, 0)
	f(Timeslices, EmptyIgnored, "95", 5, 100, 0, 1)
	f(Timeslices, EmptyIgnored, "95", 6, 100, 1, 1)
	f(Timeslices, EmptyIgnored, "95", 0, 0, 0, 0)
	f(Timeslices, EmptyGood, "95", 0, 0, 0, 1)
	f(Timeslices, EmptyBad, "95", 0, 0, 1, 1)
	f(RatioTimeslices, EmptyBad, "0", 0, 0, Whole, Whole)
	f(RatioTimeslices, EmptyIgnored, "0", 1, 3, 333_333, Whole)
	f(RatioTimeslices, EmptyIgnored, "0", 2, 3, 666_667, Whole)
	f(RatioTimeslices, EmptyIgnored, "0", 1, 2_000_000, 1, Whole)
	f(RatioTimeslices, EmptyIgnored, "0", 1, 2_000_001, 0, Whole)
	f(RatioTimeslices, EmptyIgnored, "0", math.MaxUint64, math.MaxUint64, Whole, Whole)
	f(RatioTimeslices, EmptyIgnored, "0", 9, 3, Whole, Whole)
}

func FuzzSlices(f *testing.F) {
	f.Add(uint64(5), uint64(100), uint64(950_000_000))
	f.Add(uint64(1), ^uint64(0), uint64(1_000_000_000))
	f.Fuzz(func(t *testing.T, bad, total, target uint64) {
		total = max(total, 1)
		bad %= total
		s := Slices{Target: Target{Good: NewRatio(target%1_000_000_001, 1_000_000_000)}}
		share := new(big.Rat).SetFrac(new(big.Int).SetUint64(total-bad), new(big.Int).SetUint64(total))
		if got, want := SliceGood(bad, total, s.Target), share.Cmp(rat(s.Target.Good)) >= 0; got != want {
			t.Errorf("%d bad of %d at %v: good is %v", bad, total, s.Target, got)
		}
		got, _ := s.Count(RatioTimeslices, bad, total)
		off := share.Sub(big.NewRat(1, 1), share).Sub(share, big.NewRat(int64(got), Whole))
		if off.Abs(off).Cmp(big.NewRat(1, 2*Whole)) > 0 {
			t.Errorf("%d bad of %d count %d millionths", bad, total, got)
		}
	})
}

func TestCompose(t *testing.T) {
	member := func(bad, total uint64, weight string) MemberSlice {
		return MemberSlice{Bad: bad, Total: total, Weight: ratio(t, weight), Target: percent(t, "99")}
	}
	f := func(method string, wantBad, wantTotal uint64, members ...MemberSlice) {
		t.Helper()
		if bad, total := Compose(method, members); bad != wantBad || total != wantTotal {
			t.Errorf("%s of %v: got %d of %d, want %d of %d", method, members, bad, total, wantBad, wantTotal)
		}
	}
	f(Any, 0, 0)
	f(Any, 0, 0, member(0, 0, "1"))
	f(Any, 0, 1, member(0, 0, "1"), member(1, 100, "1"))
	f(Any, 1, 1, member(0, 5, "1"), member(2, 100, "1"))
	f(Worst, 20_000, Whole, member(0, 5, "1"), member(2, 100, "1"), member(1, 100, "1"), member(0, 0, "1"))
	f(Worst, 0, 0, member(0, 0, "1"))
	f(Weighted, 0, 0, member(0, 0, "1"))
	f(Weighted, 0, 0, member(1, 1, "0"))
	f(Weighted, 500_000, Whole, member(0, 5, "1"), member(5, 5, "1"))
	f(Weighted, 250_000, Whole, member(0, 5, "1.5"), member(5, 5, "0.5"))
	f(Weighted, Whole, Whole, member(0, 0, "100"), member(5, 5, "0.000001"))
	f(Weighted, 333_333, Whole, member(0, 7, "2"), member(7, 7, "1"))
	f(Weighted, 500_000, Whole, member(0, 7, "999999999.999999"), member(1<<63, 1<<63, "999999999.999999"))
	many := make([]MemberSlice, 1000)
	for i := range many {
		many[i] = member(uint64(i%2), 1, "999999999")
	}
	f(Weighted, 500_000, Whole, many...)
	if ValidateComposite(Worst) != nil || ValidateComposite("all") == nil || ValidateComposite("") == nil {
		t.Error("methods")
	}
}

func TestFeasible(t *testing.T) {
	f := func(target string, want bool, dependencies ...string) {
		t.Helper()
		var targets []Target
		for _, d := range dependencies {
			targets = append(targets, percent(t, d))
		}
		if got := Feasible(percent(t, target), targets); got != want {
			t.Errorf("%s over %v: got %v", target, dependencies, got)
		}
	}
	f("99.9", true)
	f("98.01", true, "99", "99")
	f("98.02", false, "99", "99")
	f("99.9", false, "99.9", "99.95", "99.99")
	f("99.84", true, "99.9", "99.95", "99.99")
}
