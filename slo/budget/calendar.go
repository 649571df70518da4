package budget

import (
	"fmt"
	"time"
	_ "time/tzdata" // zones also where the machine has none

	"loadline/internal/sli"
)

// ParseUnit reads a unit of calendar periods: m, h, d, w, M, Q or Y.
func ParseUnit(text string) (Unit, error) {
	if len(text) == 1 && Unit(text[0]).nominal() != 0 {
		return Unit(text[0]), nil
	}
	return 0, fmt.Errorf("unit %q is none of m, h, d, w, M, Q and Y", text)
}

// nominal is the length of a unit where no date says better, 0 for what is no unit.
func (u Unit) nominal() time.Duration {
	switch u {
	case 'm':
		return time.Minute
	case 'h':
		return time.Hour
	case 'd':
		return Day
	case 'w':
		return 7 * Day
	case 'M':
		return 30 * Day
	case 'Q':
		return 90 * Day
	case 'Y':
		return 365 * Day
	}
	return 0
}

// Validate refuses calendars that divide no time.
func (c *Calendar) Validate() error {
	nominal := c.Unit.nominal()
	switch {
	case nominal == 0:
		return fmt.Errorf("calendar unit %q is none of m, h, d, w, M, Q and Y", string(rune(c.Unit)))
	case c.N < 1 || c.N > int(MaxWindow/time.Minute) || time.Duration(c.N)*nominal < MinWindow ||
		time.Duration(c.N)*nominal > MaxWindow:
		return fmt.Errorf("calendar period of %d%c is not between 1 hour and 366 days", c.N, c.Unit)
	case c.Start.Year() < 1972 || c.Start.Year() > 9000:
		return fmt.Errorf("calendar start %q is not after 1971", c.Start.Format(time.DateTime))
	case c.Start.Location() != time.UTC:
		return fmt.Errorf("calendar start %q is not in UTC: its fields are local time of the zone", c.Start)
	case c.Start.Nanosecond() != 0 || c.Start.Unix()%int64(sli.Slot/time.Second) != 0:
		return fmt.Errorf("calendar start %q is not a multiple of 10 s", c.Start.Format(time.DateTime))
	case c.Zone == "" || c.Zone == "Local":
		return fmt.Errorf("calendar zone %q is no IANA name: write one such as Europe/Berlin or UTC", c.Zone)
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		return fmt.Errorf("calendar zone %q is not known: write an IANA name such as Europe/Berlin or UTC", c.Zone)
	}
	return nil
}

// Period returns the bounds of the period that holds second at, in Unix seconds. A period is without its start and with
// its end: an evaluation at the boundary still reports the period that ends there. There are periods before Start too.
// The calendar has to be valid. Its zone is read each time: keep the result until at is past to.
func (c *Calendar) Period(at int64) (from, to int64) {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		zone = time.UTC
	}
	length := int64(c.N) * int64(c.Unit.nominal()/time.Second)
	k := (at - c.Start.Unix()) / length
	for c.boundary(k, zone) < at {
		k++
	}
	for c.boundary(k, zone) >= at {
		k--
	}
	return c.boundary(k, zone), c.boundary(k+1, zone)
}

// boundary is the Unix second at which period k begins. Days and longer units are added to the local time, hours and
// minutes are always of 60 minutes and seconds.
func (c *Calendar) boundary(k int64, zone *time.Location) int64 {
	n := k * int64(c.N)
	switch c.Unit {
	case 'd':
		return instant(c.Start.AddDate(0, 0, int(n)), zone)
	case 'w':
		return instant(c.Start.AddDate(0, 0, int(7*n)), zone)
	case 'M':
		return instant(addMonths(c.Start, int(n)), zone)
	case 'Q':
		return instant(addMonths(c.Start, int(3*n)), zone)
	case 'Y':
		return instant(addMonths(c.Start, int(12*n)), zone)
	}
	return instant(c.Start, zone) + n*int64(c.Unit.nominal()/time.Second)
}

// addMonths adds months to a date and stays in the month it reaches: a month after January 31 is February 28 or 29.
func addMonths(t time.Time, months int) time.Time {
	year, month, day := t.Date()
	last := time.Date(year, month+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC)
	hour, minute, second := t.Clock()
	return time.Date(last.Year(), last.Month(), min(day, last.Day()), hour, minute, second, 0, time.UTC)
}

// instant is the Unix second of a local time whose fields are those of wall. A time that the zone skips, or has twice, is
// taken with the offset before the change; [time.Date] does not say which it takes.
func instant(wall time.Time, zone *time.Location) int64 {
	const reach = 15 * 3600 // no zone is further from UTC
	u := wall.Unix()
	offset := func(at int64) int64 {
		_, seconds := time.Unix(at, 0).In(zone).Zone()
		return int64(seconds)
	}
	before, after := offset(u-reach), offset(u+reach)
	if offset(u-before) != before && offset(u-after) == after {
		return u - after
	}
	return u - before
}
