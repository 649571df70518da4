// Package param parses the parameters of the Prometheus HTTP API.
package param

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"loadline/web/promapi/failure"
)

// The bounds of a time range that is not given, and their names: Go's time package cannot parse such years.
var (
	minTime     = time.Unix(math.MinInt64/1000+62135596801, 0).UTC()
	maxTime     = time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC()
	minTimeText = minTime.Format(time.RFC3339Nano)
	maxTimeText = maxTime.Format(time.RFC3339Nano)
)

// maxPoints is how many steps a range query may have.
const maxPoints = 11000

// Form reads the parameters of a request, from its address and from its body of at most limit bytes.
func Form(w http.ResponseWriter, r *http.Request, limit int64) *failure.Error {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := r.ParseForm()
	if err == nil && strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		err = r.ParseMultipartForm(limit)
	}
	if err != nil {
		return failure.New(failure.BadData, "error parsing form values: %w", err)
	}
	return nil
}

func parseTime(s string) (time.Time, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		seconds, fraction := math.Modf(f)
		// Milliseconds are all that there is, and 0.29 is not 0.28999.
		fraction = math.Round(fraction*1000) / 1000
		return time.Unix(int64(seconds), int64(fraction*float64(time.Second))).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	switch s {
	case minTimeText:
		return minTime, nil
	case maxTimeText:
		return maxTime, nil
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", s)
}

// Time returns a parameter that is a time, or otherwise when it is not given.
func Time(form url.Values, name string, otherwise time.Time) (time.Time, *failure.Error) {
	s := form.Get(name)
	if s == "" {
		return otherwise, nil
	}
	t, err := parseTime(s)
	if err != nil {
		return t, failure.Invalid(name, fmt.Errorf("invalid time value for '%s': %w", name, err))
	}
	return t, nil
}

// Range returns the parameters start and end of the requests in which they may be left out.
func Range(form url.Values) (start, end time.Time, f *failure.Error) {
	if start, f = Time(form, "start", minTime); f != nil {
		return start, end, f
	}
	end, f = Time(form, "end", maxTime)
	return start, end, f
}

// Duration parses seconds or a duration such as 5m.
func Duration(s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		ns := f * float64(time.Second)
		// float64(math.MaxInt64) is 2^63, which int64 cannot hold, and NaN passes every comparison.
		if math.IsNaN(ns) || ns >= float64(math.MaxInt64) || ns < float64(math.MinInt64) {
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", s)
		}
		return time.Duration(ns), nil
	}
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", s)
}

// Limit returns the parameter limit, 0 when there is none.
func Limit(form url.Values) (int, *failure.Error) {
	s := form.Get("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err == nil && n < 0 {
		err = errors.New("limit must be non-negative")
	}
	if err != nil {
		return 0, failure.Invalid("limit", err)
	}
	return n, nil
}

// HintLimit is one more than a limit, by which one sees that there is more.
func HintLimit(limit int) int {
	if limit > 0 && limit < math.MaxInt {
		return limit + 1
	}
	return limit
}

// Number returns a parameter for which upstream says "must be a number", or otherwise.
func Number(form url.Values, name string, otherwise int) (int, *failure.Error) {
	s := form.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, failure.New(failure.BadData, "%s must be a number", name)
	}
	return n, nil
}

// Bool returns a parameter that is true or false, or otherwise.
func Bool(form url.Values, name string, otherwise bool) (bool, error) {
	s := form.Get(name)
	if s == "" {
		return otherwise, nil
	}
	return strconv.ParseBool(s)
}

// maxSelectors is how many selectors a request may have: each is looked up on its own.
const maxSelectors = 1000

var errEmptyMatcher = errors.New("match[] must contain at least one non-empty matcher")

// Selectors parses selectors, of which there may not be too many.
func Selectors(p parser.Parser, selectors []string) ([][]*labels.Matcher, error) {
	if len(selectors) > maxSelectors {
		return nil, fmt.Errorf("%d selectors are more than %d", len(selectors), maxSelectors)
	}
	return p.ParseMetricSelectors(selectors)
}

// Matchers parses selectors. Each has to have a matcher that does not match the empty string.
func Matchers(p parser.Parser, selectors []string) ([][]*labels.Matcher, error) {
	sets, err := Selectors(p, selectors)
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if !selective(set) {
			return nil, errEmptyMatcher
		}
	}
	return sets, nil
}

func selective(matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if m != nil && !m.Matches("") {
			return true
		}
	}
	return false
}

// maxQueryBytes is how long an expression may be, and maxNodes how many operators and parentheses it may have: parsing
// recurses into them and takes the square of their number. Formatting takes the cube, so that less may be formatted.
const (
	maxQueryBytes = 1 << 20
	maxNodes      = 2000
	maxFormatted  = 300
)

// Query returns the parameter query. It may be nonsense, but nothing that exhausts the stack or the processor.
func Query(form url.Values) (string, *failure.Error) {
	s := form.Get("query")
	if err := Readable(s); err != nil {
		return s, failure.Invalid("query", err)
	}
	return s, nil
}

// Readable returns why an expression is too large to be parsed, or nil.
func Readable(expr string) error { return atMost(expr, maxNodes) }

// Formattable returns why an expression is too large to be formatted, or nil.
func Formattable(expr string) error { return atMost(expr, maxFormatted) }

func atMost(expr string, most int) error {
	switch {
	case len(expr) <= most:
		return nil
	case len(expr) > maxQueryBytes:
		return fmt.Errorf("expression of %d bytes is longer than %d", len(expr), maxQueryBytes)
	case nodes(expr, most) > most:
		return fmt.Errorf("expression has more than %d operators and parentheses", most)
	}
	return nil
}

// nodes counts the operators and opening parentheses of an expression, until there are more than most.
func nodes(s string, most int) (n int) {
	lexer := parser.Lex(strings.Map(plainByte, s))
	for n <= most {
		var item parser.Item
		lexer.NextItem(&item)
		switch {
		case item.Typ == parser.EOF || item.Typ == parser.ERROR:
			return n
		case item.Typ == parser.LEFT_PAREN || item.Typ.IsOperator():
			n++
		}
	}
	return n
}

// plainByte turns what only some parsers take in names, letters that are not ASCII and dots, into what all take.
func plainByte(r rune) rune {
	switch {
	case r >= utf8.RuneSelf:
		return 'x'
	case r == '.':
		return '0'
	}
	return r
}

// Timeout returns how long a request may take: the parameter timeout, but not more than most.
func Timeout(form url.Values, most time.Duration) (time.Duration, *failure.Error) {
	s := form.Get("timeout")
	if s == "" {
		return most, nil
	}
	d, err := Duration(s)
	if err == nil && d <= 0 {
		err = fmt.Errorf("timeout must be positive, got %s", d)
	}
	if err != nil {
		return 0, failure.Invalid("timeout", err)
	}
	return min(d, most), nil
}

// Steps are the times of a range query.
type Steps struct {
	Start, End time.Time
	Step       time.Duration
}

// ParseSteps returns the parameters start, end and step of a range query.
func ParseSteps(form url.Values) (s Steps, f *failure.Error) {
	var err error
	if s.Start, err = parseTime(form.Get("start")); err != nil {
		return s, failure.Invalid("start", err)
	}
	if s.End, err = parseTime(form.Get("end")); err != nil {
		return s, failure.Invalid("end", err)
	}
	if s.End.Before(s.Start) {
		return s, failure.Invalid("end", errors.New("end timestamp must not be before start time"))
	}
	if s.Step, err = Duration(form.Get("step")); err != nil {
		return s, failure.Invalid("step", err)
	}
	if s.Step < time.Millisecond { // steps are counted in them
		return s, failure.Invalid("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	}
	if s.End.Sub(s.Start)/s.Step > maxPoints {
		return s, failure.New(failure.BadData, "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	return s, nil
}
