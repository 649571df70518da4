package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// value is one setting as text: it parses what a person wrote and prints what it holds in the same form. An error says
// which form is accepted; whoever asked adds the key and where the text stood.
type value interface {
	Set(text string) error
	String() string
	// Type is the short word that help prints behind the flag.
	Type() string
}

type stringValue struct{ p *string }

func (v stringValue) Set(s string) error { *v.p = s; return nil }
func (v stringValue) String() string     { return *v.p }
func (v stringValue) Type() string       { return "text" }

type boolValue struct{ p *bool }

func (v boolValue) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New("want true or false")
	}
	*v.p = b
	return nil
}
func (v boolValue) String() string { return strconv.FormatBool(*v.p) }
func (v boolValue) Type() string   { return "bool" }

type intValue struct{ p *int }

func (v intValue) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return errors.New("want a whole number that is not negative, such as 2")
	}
	*v.p = n
	return nil
}
func (v intValue) String() string { return strconv.Itoa(*v.p) }
func (v intValue) Type() string   { return "number" }

// choiceValue is one of a few words.
type choiceValue struct {
	p       *string
	choices []string
}

func (v choiceValue) Set(s string) error {
	for _, c := range v.choices {
		if strings.EqualFold(s, c) {
			*v.p = c
			return nil
		}
	}
	return fmt.Errorf("want one of %s", strings.Join(v.choices, ", "))
}
func (v choiceValue) String() string { return *v.p }
func (v choiceValue) Type() string   { return strings.Join(v.choices, "|") }

// addrValue is HOST:PORT. An empty host means all interfaces, as everywhere in Go; Validate has an opinion on that.
type addrValue struct{ p *string }

func (v addrValue) Set(s string) error {
	const form = "want HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New(form)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New(form)
	}
	*v.p = s
	return nil
}
func (v addrValue) String() string { return *v.p }
func (v addrValue) Type() string   { return "host:port" }

// optionalAddrValue is an address, or empty for "do not listen".
type optionalAddrValue struct{ addrValue }

func (v optionalAddrValue) Set(s string) error {
	if s == "" {
		*v.p = ""
		return nil
	}
	return v.addrValue.Set(s)
}

// urlValue is an absolute http or https URL, or empty.
type urlValue struct{ p *string }

func (v urlValue) Set(s string) error {
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		return errors.New("want a URL, such as https://loadline.example.com")
	}
	*v.p = strings.TrimSuffix(s, "/")
	return nil
}
func (v urlValue) String() string { return *v.p }
func (v urlValue) Type() string   { return "url" }

type durationValue struct{ p *time.Duration }

func (v durationValue) Set(s string) error {
	d, err := ParseDuration(s)
	if err != nil {
		return err
	}
	*v.p = d
	return nil
}
func (v durationValue) String() string { return FormatDuration(*v.p) }
func (v durationValue) Type() string   { return "duration" }

type sizeValue struct{ p *int64 }

func (v sizeValue) Set(s string) error {
	n, err := ParseSize(s)
	if err != nil {
		return err
	}
	*v.p = n
	return nil
}
func (v sizeValue) String() string { return FormatSize(*v.p) }
func (v sizeValue) Type() string   { return "size" }

const day = 24 * time.Hour

// durationUnits are ordered so that a unit is tried before any prefix of it.
var durationUnits = []struct {
	name string
	unit time.Duration
}{
	{"ms", time.Millisecond},
	{"w", 7 * day},
	{"d", day},
	{"h", time.Hour},
	{"m", time.Minute},
	{"s", time.Second},
}

// ParseDuration reads durations such as 15d, 1d12h, 90m or 250ms. Units are ms, s, m, h, d (24 hours) and w (7 days);
// only a bare 0 may go without one.
func ParseDuration(s string) (time.Duration, error) {
	const form = "want a duration, such as 15d, 12h or 1m30s"
	if s == "0" {
		return 0, nil
	}
	var total float64
	rest := s
	for rest != "" {
		number, after := leadingNumber(rest)
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0, errors.New(form)
		}
		known := false
		for _, u := range durationUnits {
			if tail, ok := strings.CutPrefix(after, u.name); ok {
				total += n * float64(u.unit)
				rest, known = tail, true
				break
			}
		}
		if !known {
			return 0, errors.New(form)
		}
	}
	if s == "" {
		return 0, errors.New(form)
	}
	if total > math.MaxInt64/2 {
		return 0, errors.New("want a duration of less than 146 years")
	}
	return time.Duration(total), nil
}

// FormatDuration prints a duration in the form that ParseDuration reads, largest unit first.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	days := d / day
	if days > 0 && d%day == 0 {
		return fmt.Sprintf("%dd", days)
	}
	text := (d % day).String()
	// "12h0m0s" is what time.Duration prints for 12h.
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if days > 0 {
		return fmt.Sprintf("%dd%s", days, text)
	}
	return text
}

// sizeUnits are ordered so that the longest suffix wins.
var sizeUnits = []struct {
	name string
	unit int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

// ParseSize reads sizes such as 10GiB, 512MiB, 1.5GB or a number of bytes.
func ParseSize(s string) (int64, error) {
	const form = "want a size, such as 10GiB or 512MiB"
	number, suffix := leadingNumber(s)
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, errors.New(form)
	}
	unit := int64(1)
	if suffix = strings.TrimSpace(suffix); suffix != "" {
		unit = 0
		for _, u := range sizeUnits {
			if strings.EqualFold(suffix, u.name) {
				unit = u.unit
			}
		}
		if unit == 0 {
			return 0, errors.New(form)
		}
	}
	if n *= float64(unit); n > math.MaxInt64/2 {
		return 0, errors.New("want a size of less than 4 EiB")
	}
	return int64(n), nil
}

// FormatSize prints a size with the largest binary unit that divides it.
func FormatSize(n int64) string {
	if n == 0 {
		return "0"
	}
	for _, u := range sizeUnits {
		if strings.HasSuffix(u.name, "iB") && n%u.unit == 0 {
			return strconv.FormatInt(n/u.unit, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// leadingNumber splits "15d" into "15" and "d".
func leadingNumber(s string) (number, rest string) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	return s[:i], s[i:]
}
