package promapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
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

// parseForm reads the parameters of a request, from its address and from its body of at most limit bytes.
func parseForm(w http.ResponseWriter, r *http.Request, limit int64) *failure {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := r.ParseMultipartForm(limit)
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return failf(badData, "error parsing form values: %w", err)
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

// timeParam returns a parameter that is a time, or otherwise when it is not given.
func timeParam(form url.Values, name string, otherwise time.Time) (time.Time, *failure) {
	s := form.Get(name)
	if s == "" {
		return otherwise, nil
	}
	t, err := parseTime(s)
	if err != nil {
		return t, invalid(name, fmt.Errorf("invalid time value for '%s': %w", name, err))
	}
	return t, nil
}

// rangeParams returns the parameters start and end of the requests in which they may be left out.
func rangeParams(form url.Values) (start, end time.Time, f *failure) {
	if start, f = timeParam(form, "start", minTime); f != nil {
		return start, end, f
	}
	end, f = timeParam(form, "end", maxTime)
	return start, end, f
}

func parseDuration(s string) (time.Duration, error) {
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

// limitParam returns the parameter limit, 0 when there is none.
func limitParam(form url.Values) (int, *failure) {
	s := form.Get("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err == nil && n < 0 {
		err = errors.New("limit must be non-negative")
	}
	if err != nil {
		return 0, invalid("limit", err)
	}
	return n, nil
}

// hintLimit is one more than a limit, by which one sees that there is more.
func hintLimit(limit int) int {
	if limit > 0 && limit < math.MaxInt {
		return limit + 1
	}
	return limit
}

// numberParam returns a parameter for which upstream says "must be a number", or otherwise.
func numberParam(form url.Values, name string, otherwise int) (int, *failure) {
	s := form.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, failf(badData, "%s must be a number", name)
	}
	return n, nil
}

// boolParam returns a parameter that is true or false, or otherwise.
func boolParam(form url.Values, name string, otherwise bool) (bool, error) {
	s := form.Get(name)
	if s == "" {
		return otherwise, nil
	}
	return strconv.ParseBool(s)
}

var errEmptyMatcher = errors.New("match[] must contain at least one non-empty matcher")

// parseMatchers parses selectors. Each has to have a matcher that does not match the empty string.
func parseMatchers(p parser.Parser, selectors []string) ([][]*labels.Matcher, error) {
	sets, err := p.ParseMetricSelectors(selectors)
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

// timeoutParam returns how long a request may take: the parameter timeout, but not more than most.
func timeoutParam(form url.Values, most time.Duration) (time.Duration, *failure) {
	s := form.Get("timeout")
	if s == "" {
		return most, nil
	}
	d, err := parseDuration(s)
	if err == nil && d <= 0 {
		err = fmt.Errorf("timeout must be positive, got %s", d)
	}
	if err != nil {
		return 0, invalid("timeout", err)
	}
	return min(d, most), nil
}

// steps are the times of a range query.
type steps struct {
	start, end time.Time
	step       time.Duration
}

func stepsParams(form url.Values) (s steps, f *failure) {
	var err error
	if s.start, err = parseTime(form.Get("start")); err != nil {
		return s, invalid("start", err)
	}
	if s.end, err = parseTime(form.Get("end")); err != nil {
		return s, invalid("end", err)
	}
	if s.end.Before(s.start) {
		return s, invalid("end", errors.New("end timestamp must not be before start time"))
	}
	if s.step, err = parseDuration(form.Get("step")); err != nil {
		return s, invalid("step", err)
	}
	if s.step <= 0 {
		return s, invalid("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	}
	if s.end.Sub(s.start)/s.step > maxPoints {
		return s, failf(badData, "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	return s, nil
}
