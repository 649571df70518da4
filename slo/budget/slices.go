package budget

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"loadline/internal/sli"
)

// Whole is what a slice counts where its share of bad events counts rather than whether it is bad.
const Whole = 1_000_000

// PerEvent is what one event, or one slice, counts by a method: a guard that asks how many there are divides by it.
func PerEvent(method Method) uint64 {
	if method == RatioTimeslices {
		return Whole
	}
	return 1
}

// Validate refuses slices that cannot be counted by a method.
func (s Slices) Validate(method Method) error {
	switch {
	case method > RatioTimeslices:
		return fmt.Errorf("budgeting method %d is not known", method)
	case method == Occurrences:
		if s != (Slices{}) {
			return errors.New("occurrences are not counted in slices: leave the slices out")
		}
	case s.Length < sli.Slot || s.Length%sli.Slot != 0 || s.Length > time.Hour || time.Hour%s.Length != 0:
		return fmt.Errorf("slice of %s is not a multiple of 10 s that divides an hour", FormatDuration(s.Length))
	case method == Timeslices && (s.Target.Good.Num == 0 || s.Target.Good.Num > s.Target.Good.den()):
		return fmt.Errorf("slice target %s is not above 0 and at most 1", s.Target.Text())
	case s.Empty > EmptyBad:
		return fmt.Errorf("meaning %d of empty slices is not known", s.Empty)
	}
	return nil
}

// SliceGood reports whether the share of good events is at least the target, exactly. A slice without events is good.
func SliceGood(bad, total uint64, target Target) bool {
	return !exceeds(bad, total, NewRatio(target.Good.den()-target.Good.Num, target.Good.den()))
}

// Count is what a slice with these events counts by a method: 0 or 1 bad of 1, the share of its bad events in
// millionths of [Whole], or nothing if it is empty and ignored. By occurrences it counts its events.
func (s Slices) Count(method Method, bad, total uint64) (sliceBad, sliceTotal uint64) {
	unit := PerEvent(method)
	switch {
	case method == Occurrences:
		return bad, total
	case total == 0:
		return s.Empty.Count(unit)
	case method == RatioTimeslices:
		return share(bad, total), unit
	case SliceGood(bad, total, s.Target):
		return 0, 1
	}
	return 1, 1
}

// Count is what an empty slice counts where one slice counts unit.
func (e Empty) Count(unit uint64) (bad, total uint64) {
	switch e {
	case EmptyGood:
		return 0, unit
	case EmptyBad:
		return unit, unit
	}
	return 0, 0
}

// share is bad/total in millionths, rounded to the nearest. total is not 0.
func share(bad, total uint64) uint64 {
	high, low := bits.Mul64(min(bad, total), Whole)
	low, carry := bits.Add64(low, total/2, 0)
	quotient, _ := bits.Div64(high+carry, low, total)
	return quotient
}
