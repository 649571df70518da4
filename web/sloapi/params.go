package sloapi

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"loadline/slo"
)

// maxBody is how long the text of definitions may be.
const maxBody = 1 << 20

// body reads the text that was sent.
func body(w http.ResponseWriter, r *http.Request) (string, error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return "", &failure{kind: tooLarge, err: fmt.Errorf("the body is longer than %d bytes: apply definitions in parts", maxBody)}
	case err != nil:
		return "", invalid("read the body: %w", err)
	}
	return string(text), nil
}

// author is who a change is said to be from.
func author(r *http.Request) string {
	for _, name := range []string{r.Header.Get("X-Loadline-User"), r.URL.Query().Get("author")} {
		if name = strings.TrimSpace(name); name != "" {
			return name
		}
	}
	return "api"
}

// revision is the one that a change is made to, as If-Match has it; 0 for any.
func revision(r *http.Request) (uint64, error) {
	text := strings.TrimSpace(r.Header.Get("If-Match"))
	if text == "" || text == "*" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.Trim(strings.TrimPrefix(text, "W/"), `"`), 10, 64)
	if err != nil || n == 0 {
		return 0, invalid("If-Match %q: want the revision that was edited, such as %q", text, `"12"`)
	}
	return n, nil
}

func etag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

// flag is a parameter that is true or false.
func flag(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, invalid("parameter %q: cannot use %q: want true or false", name, text)
	}
	return on, nil
}

// number is a parameter that is a whole number from low to high, or otherwise.
func number(r *http.Request, name string, low, high, otherwise int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, invalid("parameter %q: cannot use %q: want a number from %d to %d", name, text, low, high)
	}
	return n, nil
}

// Bounds of the ranges that requests ask about, whose cost grows with their length.
const (
	maxRange = 400 * day
	maxAge   = 10 * 365 * day // of the beginning; a window that reaches before 1970 has no slots
	maxAhead = time.Minute    // what clocks may differ by
)

// span is a range of time: the parameters from and to. Without them it is the length before now.
func span(r *http.Request, now time.Time, length time.Duration) (from, to time.Time, err error) {
	if to, err = moment(r, "to", now, now); err != nil {
		return from, to, err
	}
	if from, err = moment(r, "from", now, to.Add(-length)); err != nil {
		return from, to, err
	}
	if !from.Before(to) {
		return from, to, invalid("the range ends at %s, not after it begins at %s", to.Format(time.RFC3339), from.Format(time.RFC3339))
	}
	if to.After(now.Add(maxAhead)) {
		return from, to, invalid("the range ends at %s, which is in the future: give a time up to now, %s", to.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if to.Sub(from) > maxRange {
		return from, to, invalid("the range from %s to %s is longer than %d days: ask about parts of it", from.Format(time.RFC3339), to.Format(time.RFC3339), maxRange/day)
	}
	if from.Before(now.Add(-maxAge)) {
		return from, to, invalid("the range begins at %s, more than 10 years ago: give a later time", from.Format(time.RFC3339))
	}
	return from, to, nil
}

// moment is a parameter that is a time: RFC 3339, Unix seconds, or a length before now such as -7d. It is otherwise when
// it is not given.
func moment(r *http.Request, name string, now, otherwise time.Time) (time.Time, error) {
	text := strings.TrimSpace(r.URL.Query().Get(name))
	if text == "" {
		return otherwise.UTC().Truncate(time.Second), nil
	}
	t, ok := parseMoment(text, now)
	if !ok {
		return t, invalid("parameter %q: cannot use %q: want a time, such as 2026-03-01T08:00:00Z, 1772352000 or -7d", name, text)
	}
	return t, nil
}

func parseMoment(text string, now time.Time) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC().Truncate(time.Second), true
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		if d, ok := parseLength(ago); ok {
			return now.UTC().Add(-d).Truncate(time.Second), true
		}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0 && seconds <= math.MaxUint32) {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0).UTC(), true
}

// parseLength reads one number with one unit, such as 90m or 30d.
func parseLength(text string) (time.Duration, bool) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if text == "" {
		return 0, false
	}
	unit := units[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if err != nil || unit == 0 || n > uint64(maxAge/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// reference names an objective of the SLO in the path: the one that the parameter objective names, or the only one.
func (a *API) reference(r *http.Request) (slo.Ref, error) {
	s, err := a.find(r)
	if err != nil {
		return slo.Ref{}, err
	}
	q := r.URL.Query()
	ref := slo.Ref{SLO: s.Name, Objective: q.Get("objective"), Group: q.Get("group")}
	var names []string
	for i := range s.Objectives {
		names = append(names, s.Objectives[i].Name)
		if s.Objectives[i].Name == ref.Objective {
			return ref, nil
		}
	}
	if ref.Objective == "" && len(names) == 1 {
		ref.Objective = names[0]
		return ref, nil
	}
	if ref.Objective == "" {
		return ref, invalid("SLO %q has several objectives: name one with the parameter objective: %s", s.Name, strings.Join(names, ", "))
	}
	return ref, &failure{kind: notFound, err: fmt.Errorf("SLO %q has no objective %q: it has %s", s.Name, ref.Objective, strings.Join(names, ", "))}
}
