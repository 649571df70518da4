package view

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// None stands for a number that does not exist. Nothing is ever shown as 0 that was not counted.
const None = "–"

// Duration writes a latency with three digits: 4.02 ms, 237 ms, 1.39 s. From a minute on it counts minutes and seconds.
func Duration(d time.Duration) string {
	switch ns := float64(d); {
	case d < 0:
		return "−" + Duration(-d)
	case d == 0:
		return "0 ms"
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + " ns"
	case ns < 999.5e3:
		return digits(ns/1e3) + " µs"
	case ns < 999.5e6:
		return digits(ns/1e6) + " ms"
	case d < time.Minute:
		return digits(ns/1e9) + " s"
	default:
		return Span(d)
	}
}

// Latency writes a percentile: nothing when there were no requests.
func Latency(d time.Duration, requests float64) string {
	if requests <= 0 {
		return None
	}
	return Duration(d)
}

// Span writes a long duration in its two largest units.
func Span(d time.Duration) string {
	d = d.Round(time.Second)
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.size && i < len(units)-1 {
			continue
		}
		text := strconv.FormatInt(int64(d/u.size), 10) + " " + u.name
		if rest := d % u.size; i+1 < len(units) && rest >= units[i+1].size && d/u.size < 10 {
			text += " " + strconv.FormatInt(int64(rest/units[i+1].size), 10) + " " + units[i+1].name
		}
		return text
	}
	return "0 s"
}

// Ago writes an age.
func Ago(d time.Duration) string {
	switch {
	case d < 0:
		return "just now"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s ago"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s ago"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min ago"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h ago"
	default:
		return strconv.Itoa(int(d.Hours()/24)) + " d ago"
	}
}

// digits writes a number below 1,000 with three digits.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
}

// Rate writes requests per second, or any number that may be large: 0.42, 18.9, 2.03k, 1.2M.
func Rate(v float64) string {
	switch {
	case math.IsNaN(v):
		return None
	case v == 0:
		return "0"
	case v < 0.01:
		return "<0.01"
	case v < 999.5:
		return digits(v)
	case v < 999.5e3:
		return digits(v/1e3) + "k"
	case v < 999.5e6:
		return digits(v/1e6) + "M"
	default:
		return digits(v/1e9) + "G"
	}
}

// Number writes any number with three digits: very small ones with an exponent.
func Number(v float64) string {
	if v > 0 && v < 0.01 {
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	return Rate(v)
}

// Percent writes a share between 0 and 1.
func Percent(share float64) string {
	switch v := share * 100; {
	case math.IsNaN(v):
		return None
	case v == 0:
		return "0%"
	case v < 0.01:
		return "<0.01%"
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64) + "%"
	case v > 99.95 && v < 100:
		return strconv.FormatFloat(math.Floor(v*1000)/1000, 'f', -1, 64) + "%"
	default:
		return strconv.FormatFloat(v, 'f', 1, 64) + "%"
	}
}

// ErrorShare writes the share of failed requests: nothing when there were none.
func ErrorShare(share, requests float64) string {
	if requests <= 0 {
		return None
	}
	return Percent(share)
}

// Whole writes a share as whole percents.
func Whole(share float64) string {
	if share > 0 && share < 0.005 {
		return "<1%"
	}
	return strconv.FormatFloat(share*100, 'f', 0, 64) + "%"
}

// Count writes a whole number with thin spaces between groups of three digits, from a million on with three digits.
func Count(n float64) string {
	if n >= 999_999.5 {
		return Rate(n)
	}
	text := strconv.FormatFloat(n, 'f', 0, 64)
	if len(text) <= 3 {
		return text
	}
	return text[:len(text)-3] + "\u2009" + text[len(text)-3:]
}

// Plural writes a count with its noun.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(float64(n)) + " " + many
}

// Bytes writes a size.
func Bytes(n uint64) string {
	switch v := float64(n); {
	case n < 1000:
		return strconv.FormatUint(n, 10) + " B"
	case v < 999.5e3:
		return digits(v/1e3) + " kB"
	case v < 999.5e6:
		return digits(v/1e6) + " MB"
	case v < 999.5e9:
		return digits(v/1e9) + " GB"
	default:
		return digits(v/1e12) + " TB"
	}
}

// Change compares a number with an earlier one: +6.2%, −12%, 2.4×, or nothing when there is nothing to compare.
func Change(now, before float64) string {
	switch {
	case before <= 0 || math.IsNaN(before) || math.IsNaN(now):
		return ""
	case now >= 2*before:
		return digits(now/before) + "×"
	}
	v := (now/before - 1) * 100
	switch {
	case math.Abs(v) < 0.05:
		return "±0%"
	case v < 0:
		return "−" + strconv.FormatFloat(-v, 'f', decimals(v), 64) + "%"
	default:
		return "+" + strconv.FormatFloat(v, 'f', decimals(v), 64) + "%"
	}
}

func decimals(v float64) int {
	if math.Abs(v) < 9.95 {
		return 1
	}
	return 0
}

// Version writes a version with a v in front unless it has one or is no number.
func Version(v string) string {
	if v != "" && v[0] >= '0' && v[0] <= '9' {
		return "v" + v
	}
	return v
}

// Short cuts a text in its middle, where ids differ least.
func Short(text string, limit int) string {
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit*2/3]) + "…" + string(runes[len(runes)-limit/3:])
}

// number writes a coordinate or length for SVG.
func number(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// precise writes a percentage for SVG.
func precise(v float64) string {
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) + "%"
}

func itoa(i int) string { return strconv.Itoa(i) }

func boolean(b bool) string { return strconv.FormatBool(b) }

// Positive writes a count, or nothing for none.
func Positive(n float64) string {
	if n < 0.5 {
		return ""
	}
	return Count(n)
}
