package budget

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// FormatDuration writes a duration for people in at most two units, rounded to the smaller of them: "43 min 12 s", "2 h 5
// min", "3 days 4 h", "30 days". Below ten seconds it has tenths, below one it is in milliseconds.
func FormatDuration(d time.Duration) string {
	if d < 0 {
		return "-" + FormatDuration(-max(d, -math.MaxInt64))
	}
	if d < time.Second {
		d = d.Round(time.Millisecond)
	}
	units := []struct {
		length    time.Duration
		one, many string
	}{{Day, "day", "days"}, {time.Hour, "h", "h"}, {time.Minute, "min", "min"}, {time.Second, "s", "s"}}
	for i := range units[:3] {
		d := d.Round(units[i+1].length)
		if d < units[i].length {
			continue
		}
		n, rest := int64(d/units[i].length), int64(d%units[i].length/units[i+1].length)
		text := plural(n, units[i].one, units[i].many)
		if rest > 0 {
			text += " " + plural(rest, units[i+1].one, units[i+1].many)
		}
		return text
	}
	switch {
	case d > 0 && d < time.Second:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	}
	return fmt.Sprintf("%d s", d.Round(time.Second)/time.Second)
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Allowance is how much of a period may be a total outage: the budget times the period.
func Allowance(target Target, period time.Duration) time.Duration {
	return time.Duration(target.Budget().Float() * float64(period))
}

// String is the window for people: "30 days" or "calendar month (Europe/Berlin)".
func (w Window) String() string {
	if w.Calendar == nil {
		return FormatDuration(w.Length)
	}
	return w.Calendar.String()
}

// String is the calendar for people: "calendar month (Europe/Berlin)".
func (c *Calendar) String() string {
	names := map[Unit]string{'m': "minute", 'h': "hour", 'd': "day", 'w': "week", 'M': "month", 'Q': "quarter", 'Y': "year"}
	if c.N == 1 {
		return fmt.Sprintf("calendar %s (%s)", names[c.Unit], c.Zone)
	}
	return fmt.Sprintf("%d calendar %ss (%s)", c.N, names[c.Unit], c.Zone)
}

// String is the method as OpenSLO writes it.
func (m Method) String() string {
	switch m {
	case Timeslices:
		return "Timeslices"
	case RatioTimeslices:
		return "RatioTimeslices"
	}
	return "Occurrences"
}
