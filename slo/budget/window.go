package budget

import (
	"errors"
	"fmt"
	"time"

	"loadline/internal/sli"
)

// Day is 24 hours; days of a calendar may differ.
const Day = 24 * time.Hour

// The bounds of an objective's window. Counts are kept for a little longer than the longest.
const (
	MinWindow = time.Hour
	MaxWindow = 366 * Day
)

// Grain is how finely the trailing edge of a window moves: a sixtieth of its length at most, and at most 0.35 % in the
// windows of a month's tiers.
func Grain(window time.Duration) time.Duration {
	switch {
	case window <= time.Hour:
		return sli.Slot
	case window <= 6*time.Hour:
		return time.Minute
	case window <= Day:
		return 5 * time.Minute
	case window <= 3*Day:
		return 15 * time.Minute
	case window <= 31*Day:
		return time.Hour
	}
	return 3 * time.Hour
}

// Start is the first second of a window that ends before second t: its trailing edge.
func Start(t int64, window time.Duration) int64 {
	grain := int64(Grain(window) / time.Second)
	edge := t - int64(window/time.Second)
	return edge - ((edge%grain)+grain)%grain
}

// Validate refuses windows that cannot be kept.
func (w Window) Validate() error {
	if w.Calendar != nil {
		if w.Length != 0 {
			return errors.New("window is both rolling and of a calendar: leave one out")
		}
		return w.Calendar.Validate()
	}
	switch {
	case w.Length < MinWindow || w.Length > MaxWindow:
		return fmt.Errorf("window %s is not between 1 hour and 366 days", FormatDuration(w.Length))
	case w.Length%sli.Slot != 0:
		return fmt.Errorf("window %s is not a multiple of 10 s", FormatDuration(w.Length))
	}
	return nil
}

// Rolling reports whether the window ends now rather than with a calendar's period.
func (w Window) Rolling() bool { return w.Calendar == nil }

// Nominal is the length of the window, by which policies scale: of a calendar, with months of 30 days, quarters of 90 and
// years of 365. [Calendar.Period] has the length of one period.
func (w Window) Nominal() time.Duration {
	if w.Calendar == nil {
		return w.Length
	}
	return time.Duration(w.Calendar.N) * w.Calendar.Unit.nominal()
}

// Period is the time over which the objective holds at second t, without its end: the period of the calendar, as
// [Calendar.Period] says, or the window that ends before t.
func (w Window) Period(t int64) (from, to int64) {
	if w.Calendar != nil {
		return w.Calendar.Period(t)
	}
	return Start(t, w.Length), t
}
