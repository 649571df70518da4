package phrase

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/slo/budget"
)

// Goal is how much of what has to be good over which time: "99.9% over 30 days", "99.5% of minutes each month".
type Goal struct {
	Target budget.Target
	Method budget.Method
	Slice  time.Duration // of the methods that count slices
	Window budget.Window
}

const (
	goalRemedy  = `write for example "99.9% over 30 days", "99.9% each month in Europe/Berlin" or "99.5% of minutes over 28 days"`
	defaultSpan = 30 * budget.Day
)

// anchor is where calendars begin that do not say: a Monday, and the first day of a month, a quarter and a year.
func anchor() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }

// ParseGoal reads a percentage, what it is of, and the window:
//
//	99.9% over 30 days                   of events
//	99.5% of minutes over 30 days        of good minutes
//	99.5% on average of minutes over 30 days
//	99.9% each month in Europe/Berlin    a calendar's period; also "each 2 weeks from 2026-01-05"
//
// Without a window it is 30 days.
func ParseGoal(text string) (Goal, error) {
	p := goalParser{words: strings.Fields(text)}
	g := Goal{Window: budget.Window{Length: defaultSpan}}
	if len(p.words) == 0 {
		return g, fail(goalRemedy, "there is no percentage")
	}
	var err error
	if g.Target, err = ParseShare(p.take()); err != nil {
		return g, err
	}
	if err := p.method(&g); err != nil {
		return g, err
	}
	switch word := strings.ToLower(p.take()); word {
	case "":
	case "over":
		if g.Window.Length, err = ParseDuration(strings.Join(p.words, " ")); err != nil {
			return g, err
		}
		p.words = nil
	case "each", "every", "per":
		if g.Window, err = p.calendar(); err != nil {
			return g, err
		}
	default:
		return g, fail(goalRemedy, `%q is not understood in %q`, word, text)
	}
	if len(p.words) > 0 {
		return g, fail(goalRemedy, "%q is not understood in %q", p.words[0], text)
	}
	if err := g.Window.Validate(); err != nil {
		return g, explained(err, goalRemedy)
	}
	return g, nil
}

// ParseShare reads a percentage below 100.
func ParseShare(text string) (budget.Target, error) {
	const remedy = "write a percentage below 100 such as 99.9%"
	number, percent := strings.CutSuffix(text, "%")
	if x, err := strconv.ParseFloat(number, 64); err == nil && !percent && x > 0 && x <= 1 {
		return budget.Target{}, fail(fmt.Sprintf("write %.10g%% if a share is meant", x*100), "%q has no percent sign", text)
	}
	target, err := budget.ParsePercent(text)
	if err != nil {
		return target, explained(err, remedy)
	}
	return target, nil
}

type goalParser struct{ words []string }

func (p *goalParser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return strings.ToLower(p.words[0])
}

func (p *goalParser) take() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// until takes the words before one of those given.
func (p *goalParser) until(ends ...string) string {
	n := 0
	for n < len(p.words) && !slices.Contains(ends, strings.ToLower(p.words[n])) {
		n++
	}
	text := strings.ToLower(strings.Join(p.words[:n], " "))
	p.words = p.words[n:]
	return text
}

func (p *goalParser) method(g *Goal) error {
	average := p.peek() == "on" || p.peek() == "averaged"
	if average {
		p.until("of", "over", "each", "every", "per")
	}
	if p.peek() != "of" {
		if average {
			return fail(goalRemedy, "the average is of nothing")
		}
		return nil
	}
	p.take()
	what := p.until("over", "each", "every", "per")
	if slices.Contains([]string{"requests", "events", "spans", "calls", "messages", "jobs", "all", "the time", "time"}, what) && !average {
		return nil
	}
	slice, err := parseSlice(what)
	if err != nil {
		return err
	}
	g.Slice, g.Method = slice, budget.Timeslices
	if average {
		g.Method = budget.RatioTimeslices
	}
	return nil
}

// parseSlice reads "minutes", "5 minutes" and "5-minute slices".
func parseSlice(text string) (time.Duration, error) {
	plain := strings.TrimSpace(strings.TrimSuffix(strings.ReplaceAll(text, "-", " "), "slices"))
	if u, ok := unitOf(plain); ok {
		return u.length, nil
	}
	d, err := ParseDuration(plain)
	if err != nil {
		return 0, fail(`write requests, minutes, hours or "5-minute slices"`, "%q are neither events nor slices of time", text)
	}
	return d, nil
}

// calendarUnits are the words for periods of calendars.
func calendarUnits() map[string]budget.Unit {
	return map[string]budget.Unit{
		"hour": 'h', "day": 'd', "week": 'w', "month": 'M', "quarter": 'Q', "year": 'Y',
	}
}

func (p *goalParser) calendar() (budget.Window, error) {
	const remedy = `write "each month", "each 2 weeks from 2026-01-05" or "each quarter in Europe/Berlin"`
	c := &budget.Calendar{Start: anchor(), Zone: "UTC", N: 1}
	if n, err := strconv.Atoi(p.peek()); err == nil {
		c.N = n
		p.take()
	}
	name := strings.ToLower(p.take())
	var ok bool
	if c.Unit, ok = calendarUnits()[strings.TrimSuffix(name, "s")]; !ok {
		return budget.Window{}, fail(remedy, "%q is no period of a calendar", name)
	}
	if p.peek() == "from" {
		p.take()
		start, err := p.moment()
		if err != nil {
			return budget.Window{}, err
		}
		c.Start = start
	}
	if p.peek() == "in" {
		p.take()
		if c.Zone = p.take(); c.Zone == "" {
			return budget.Window{}, fail(remedy, "the time zone is missing")
		}
	}
	return budget.Window{Calendar: c}, nil
}

func (p *goalParser) moment() (time.Time, error) {
	text := p.take()
	layout := time.DateOnly
	if strings.Contains(p.peek(), ":") {
		text += " " + p.take()
		layout = time.DateTime
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return t, fail("write it as 2026-01-05 or 2026-01-05 06:00:00", "%q is no date", text)
	}
	return t, nil
}

// String writes the goal.
func (g Goal) String() string {
	text := g.Target.String()
	switch g.Method {
	case budget.Timeslices:
		text += " of " + Slices(g.Slice)
	case budget.RatioTimeslices:
		text += " on average of " + Slices(g.Slice)
	}
	return text + " " + FormatWindow(g.Window)
}

// Slices writes slices of a length: minutes, hours, 5-minute slices.
func Slices(d time.Duration) string {
	count, name, _ := strings.Cut(words(d), " ")
	if count == "1" {
		return name + "s"
	}
	if name == "" {
		return count + " slices"
	}
	return count + "-" + strings.TrimSuffix(name, "s") + " slices"
}

// FormatWindow writes a window: over 30 days, each month in Europe/Berlin.
func FormatWindow(w budget.Window) string {
	if w.Calendar == nil {
		return "over " + words(w.Length)
	}
	c := w.Calendar
	text := "each "
	if c.N > 1 {
		text += strconv.Itoa(c.N) + " "
	}
	for name, unit := range calendarUnits() {
		if unit == c.Unit {
			text += name
		}
	}
	if c.N > 1 {
		text += "s"
	}
	if !c.Start.Equal(anchor()) {
		layout := time.DateOnly
		if c.Start.Hour()+c.Start.Minute()+c.Start.Second() > 0 {
			layout = time.DateTime
		}
		text += " from " + c.Start.Format(layout)
	}
	if c.Zone != "UTC" {
		text += " in " + c.Zone
	}
	return text
}
