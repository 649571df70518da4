// Package timerange reads the time range of a page from its address: a length such as 30m, two moments, or what people
// type, such as "yesterday 14:00" or "2026-11-20 10:00 – 11:00".
package timerange

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Default is the range of a page whose address says nothing.
const Default = 30 * time.Minute

// Bounds of a range that can be asked for.
const (
	shortest = time.Minute
	longest  = 400 * 24 * time.Hour
)

// Presets are the ranges that the picker offers.
var Presets = []string{"5m", "15m", "30m", "1h", "3h", "6h", "1d", "2d", "7d", "30d"}

// A Selection is what a page shows. Relative is its length when it ends now, else 0.
type Selection struct {
	From, To time.Time
	Relative time.Duration
}

// Past reports whether the range is fixed, so that nothing in it changes by itself.
func (s Selection) Past() bool { return s.Relative == 0 }

// Length is how long the range is.
func (s Selection) Length() time.Duration { return s.To.Sub(s.From) }

// Params are the parameters that name this range in an address.
func (s Selection) Params() []string {
	if s.Relative > 0 {
		return []string{"range", Text(s.Relative), "from", "", "to", ""}
	}
	return s.Absolute()
}

// Absolute are parameters that name the range by its moments, for links that others will open later.
func (s Selection) Absolute() []string {
	return []string{"range", "", "from", strconv.FormatInt(s.From.Unix(), 10), "to", strconv.FormatInt(s.To.Unix(), 10)}
}

// Shift moves the range by a share of its length. A range never ends after now.
func (s Selection) Shift(share float64, now time.Time) Selection {
	d := time.Duration(float64(s.Length()) * share)
	to := s.To.Add(d)
	if !to.Before(now) {
		return last(s.Length(), now)
	}
	return Selection{From: s.From.Add(d), To: to}
}

// Widen doubles the range around its middle, or into the past when it ends now.
func (s Selection) Widen(now time.Time) Selection {
	length := min(2*s.Length(), longest)
	if s.Relative > 0 {
		return last(length, now)
	}
	half := s.Length() / 2
	to := s.To.Add(half)
	if !to.Before(now) {
		to = now
	}
	return Selection{From: to.Add(-length), To: to}
}

// Latest is the range of the same length that ends now.
func (s Selection) Latest(now time.Time) Selection { return last(s.Length(), now) }

func last(length time.Duration, now time.Time) Selection {
	length = length.Round(time.Second)
	return Selection{From: now.Add(-length), To: now, Relative: length}
}

// Parse reads the parameters range, from and to. It always returns something to show; the error says, in words for the
// user, what could not be read and that the default is shown.
func Parse(values url.Values, now time.Time, zone *time.Location) (Selection, error) {
	from, to := values.Get("from"), values.Get("to")
	if from != "" || to != "" {
		s, err := between(from, to, now, zone)
		if err != nil {
			return last(Default, now), fmt.Errorf("time range from %q to %q: %w; showing the last 30 minutes", from, to, err)
		}
		return s, nil
	}
	text := strings.TrimSpace(values.Get("range"))
	if text == "" {
		return last(Default, now), nil
	}
	s, err := Read(text, now, zone)
	if err != nil {
		return last(Default, now), fmt.Errorf("time range %q: %w; showing the last 30 minutes", text, err)
	}
	return s, nil
}

// Canonical reports whether a range parameter is in the short form that addresses should have.
func Canonical(text string) bool {
	d, err := length(text)
	return err == nil && Text(d) == text
}

var separator = regexp.MustCompile(`\s+(?:-|–|—|to|until|\.\.)\s+|\s*(?:–|—|\.\.)\s*`)

// Read understands what people type.
func Read(text string, now time.Time, zone *time.Location) (Selection, error) {
	text = strings.TrimSpace(strings.ToLower(text))
	text = strings.TrimPrefix(strings.TrimPrefix(text, "last "), "past ")
	if text == "" {
		return Selection{}, errors.New("empty")
	}
	if d, err := length(text); err == nil {
		return bounded(now.Add(-d), now, now, true)
	}
	if parts := separator.Split(text, -1); len(parts) == 2 {
		return between(parts[0], parts[1], now, zone)
	}
	if day, ok := wholeDay(text, now, zone); ok {
		return bounded(day, day.AddDate(0, 0, 1), now, false)
	}
	from, err := moment(text, now, now, zone)
	if err != nil {
		return Selection{}, err
	}
	return bounded(from, now, now, strings.HasPrefix(text, "now"))
}

func between(from, to string, now time.Time, zone *time.Location) (Selection, error) {
	start, err := moment(strings.TrimSpace(strings.ToLower(from)), now, now, zone)
	if err != nil {
		return Selection{}, err
	}
	end := now
	to = strings.TrimSpace(strings.ToLower(to))
	if to != "" && to != "now" {
		if end, err = moment(to, now, start, zone); err != nil {
			return Selection{}, err
		}
	}
	return bounded(start, end, now, (to == "" || to == "now") && strings.HasPrefix(strings.TrimSpace(from), "now"))
}

// bounded checks a range. Times after now are cut, since nothing can be there.
func bounded(from, to, now time.Time, relative bool) (Selection, error) {
	if to.After(now) {
		to = now
	}
	switch {
	case !from.Before(to):
		return Selection{}, errors.New("it ends before it begins")
	case to.Sub(from) > longest:
		return Selection{}, errors.New("it is longer than 400 days")
	case to.Sub(from) < shortest:
		from = to.Add(-shortest)
	}
	s := Selection{From: from, To: to}
	if relative {
		s = last(to.Sub(from), now)
	}
	return s, nil
}

var lengthPart = regexp.MustCompile(`^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*`)

// length reads 90m, 1h30m, 2 hours, 7d.
func length(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, errors.New("empty")
	}
	var sum float64
	for text != "" {
		m := lengthPart.FindStringSubmatch(text)
		if m == nil {
			return 0, fmt.Errorf("%q is no length of time", text)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no number", m[1])
		}
		unit := unitOf(m[2])
		if unit == 0 {
			return 0, fmt.Errorf("%q is no unit of time", m[2])
		}
		sum += n * float64(unit)
		text = text[len(m[0]):]
	}
	if sum <= 0 || sum > float64(longest) || math.IsNaN(sum) {
		return 0, errors.New("it has to be between a minute and 400 days")
	}
	return max(time.Duration(sum), shortest), nil
}

func unitOf(name string) time.Duration {
	switch name {
	case "s", "sec", "secs", "second", "seconds":
		return time.Second
	case "m", "min", "mins", "minute", "minutes":
		return time.Minute
	case "h", "hr", "hrs", "hour", "hours":
		return time.Hour
	case "d", "day", "days":
		return 24 * time.Hour
	case "w", "week", "weeks":
		return 7 * 24 * time.Hour
	}
	return 0
}

// Text writes a length in the form that addresses have.
func Text(d time.Duration) string {
	switch {
	case d >= 24*time.Hour && d%(24*time.Hour) == 0:
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	case d >= time.Hour && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	default:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
}

var layouts = []string{
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02",
	"2006/01/02 15:04:05", "2006/01/02 15:04", "2006/01/02", time.RFC3339Nano,
}

// moment reads one moment. Times of day without a date are on the day of near.
func moment(text string, now, near time.Time, zone *time.Location) (time.Time, error) {
	if rest, ok := strings.CutPrefix(text, "now"); ok {
		return beforeNow(strings.TrimSpace(rest), now)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 1e8 && n < 1e17 {
		switch {
		case n > 1e14:
			return time.UnixMicro(n), nil
		case n > 1e11:
			return time.UnixMilli(n), nil
		}
		return time.Unix(n, 0), nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, strings.ToUpper(text), zone); err == nil {
			return t, nil
		}
	}
	name, clock, _ := strings.Cut(text, " ")
	day, ok := wholeDay(name, now, zone)
	if !ok {
		day, clock = midnight(near, zone), text
	}
	if clock == "" {
		return day, nil
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, strings.TrimSpace(clock)); err == nil {
			return time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no moment: write 90m, now-2h, yesterday 14:00, 2026-11-20 10:00 or unix seconds", text)
}

func beforeNow(rest string, now time.Time) (time.Time, error) {
	if rest == "" {
		return now, nil
	}
	back, ok := strings.CutPrefix(rest, "-")
	if !ok {
		return now, fmt.Errorf("%q after now: only times before now exist", rest)
	}
	d, err := length(back)
	return now.Add(-d), err
}

func wholeDay(text string, now time.Time, zone *time.Location) (time.Time, bool) {
	switch text {
	case "today":
		return midnight(now, zone), true
	case "yesterday":
		return midnight(now, zone).AddDate(0, 0, -1), true
	}
	if t, err := time.ParseInLocation("2006-01-02", text, zone); err == nil {
		return t, true
	}
	return time.Time{}, false
}

func midnight(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone)
}
