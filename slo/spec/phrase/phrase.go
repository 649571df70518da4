// Package phrase reads and writes the short sentences of which definitions are made: "no errors and within 400ms",
// "99.9% over 30 days", "page at 14.4x over 1h and 5m". Every function that reads has one that writes what it reads; an
// error says what was not understood and how to write it.
package phrase

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
)

// Error is a sentence that was not understood.
type Error struct {
	Message string // what is wrong with it
	Remedy  string // what to write instead
}

// Error joins both parts.
func (e *Error) Error() string { return e.Message + "; " + e.Remedy }

// Report records an error of a sentence, if there is one, at the value that holds it.
func Report(v document.Value, err error) {
	if err == nil {
		return
	}
	var e *Error
	if errors.As(err, &e) {
		v.Error(e.Message, e.Remedy)
		return
	}
	v.Error(spec.Explain(err))
}

// explained is an error of another package as one of a sentence, with a remedy in case it has none.
func explained(err error, remedy string) *Error {
	message, own := spec.Explain(err)
	return &Error{Message: message, Remedy: cmp.Or(own, remedy)}
}

func fail(remedy, format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

// unit is a unit of time by its names; the first is the short one that is written, the second the word for one of them.
type unit struct {
	names  []string
	length time.Duration
}

// units returns the units of time, the longest first.
func units() []unit {
	return []unit{
		{[]string{"w", "week", "weeks"}, 7 * budget.Day},
		{[]string{"d", "day", "days"}, budget.Day},
		{[]string{"h", "hour", "hours", "hr", "hrs"}, time.Hour},
		{[]string{"m", "minute", "minutes", "min", "mins"}, time.Minute},
		{[]string{"s", "second", "seconds", "sec", "secs"}, time.Second},
		{[]string{"ms", "millisecond", "milliseconds"}, time.Millisecond},
		{[]string{"us", "microsecond", "microseconds", "µs"}, time.Microsecond},
		{[]string{"ns", "nanosecond", "nanoseconds"}, time.Nanosecond},
	}
}

func unitOf(name string) (unit, bool) {
	for _, u := range units() {
		for _, n := range u.names {
			if n == name {
				return u, true
			}
		}
	}
	return unit{}, false
}

const durationRemedy = `write for example 400ms, 1.5s, 5m, "30 days" or 1h30m`

// ParseDuration reads a fixed length of time above 0: 400ms, 1.5 s, 90 minutes, 30 days, 1h30m. Months, quarters and
// years have no fixed length and are refused.
func ParseDuration(text string) (time.Duration, error) {
	rest := strings.ToLower(strings.TrimSpace(text))
	if rest == "" {
		return 0, fail(durationRemedy, "no duration")
	}
	var sum float64
	for rest != "" {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		value, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, fail(durationRemedy, "%q is no duration", text)
		}
		rest = strings.TrimLeft(rest[n:], " ")
		n = len(rest) - len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzµ"))
		name := rest[:n]
		rest = strings.TrimLeft(rest[n:], " ")
		switch name {
		case "":
			return 0, fail(durationRemedy, "%q has no unit", text)
		case "month", "months", "mo", "quarter", "quarters", "q", "year", "years", "y":
			return 0, fail(`write 30 days, 90 days or 365 days; a calendar's period is written "each month"`, "%q has no fixed length", text)
		}
		u, ok := unitOf(name)
		if !ok {
			return 0, fail(durationRemedy, "%q has an unknown unit %q", text, name)
		}
		sum += value * float64(u.length)
	}
	whole := math.Round(sum)
	if whole < 1 || whole > math.MaxInt64/2 || math.Abs(sum-whole) > 0.01 {
		return 0, fail(durationRemedy, "%q is no whole number of nanoseconds, or too long", text)
	}
	return time.Duration(whole), nil
}

// FormatDuration writes a duration the short way: 400ms, 1.5s, 1h30m, 30d.
func FormatDuration(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d >= time.Second && d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
	}
	var b strings.Builder
	for _, u := range units()[1:] {
		if n := d / u.length; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.names[0])
			d -= n * u.length
		}
	}
	return b.String()
}

// words writes a duration as a count of its largest whole unit below a week: 30 days, 1 hour, 90 minutes.
func words(d time.Duration) string {
	for _, u := range units()[1:] {
		if d >= u.length && d%u.length == 0 {
			if d == u.length {
				return "1 " + u.names[1]
			}
			return fmt.Sprintf("%d %s", d/u.length, u.names[2])
		}
	}
	return FormatDuration(d)
}
