package slos

import (
	"math"
	"strconv"
	"strings"
	"time"

	"loadline/slo/budget"
	"loadline/web/sloapi/wire"
)

// percent spells a share with as many digits as its distance from all needs: 99.95%, 99.9991%, -3.2%.
func percent(n wire.Number) string {
	v := float64(n) * 100
	if math.IsNaN(v) {
		return "–"
	}
	digits := 1
	for rest := 100 - v; rest > 0 && rest < 10 && digits < 7; rest *= 10 {
		digits++
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" {
		text = "0"
	}
	return text + "%"
}

// factor spells a burn rate: 14.4x.
func factor(n wire.Number) string {
	v := float64(n)
	if math.IsNaN(v) {
		return "–"
	}
	digits := 1
	if v < 1 {
		digits = 2
	}
	if v >= 100 {
		digits = 0
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + "x"
}

// count spells a number of events with groups of three digits.
func count(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// seconds spells a length of time for people.
func seconds(n wire.Number) string {
	if math.IsNaN(float64(n)) {
		return "–"
	}
	return budget.FormatDuration(time.Duration(float64(n) * float64(time.Second)))
}

// clock spells a time.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// gone says when no budget is left at the present rate.
func gone(o *wire.Objective) string {
	switch {
	case o.Exhausted == nil:
		return "–"
	case *o.Exhausted <= 0:
		return "now"
	}
	return seconds(*o.Exhausted)
}

// state is the health of an objective and the rules that are not quiet.
func state(o *wire.Objective) string {
	words := []string{strings.ReplaceAll(o.Health, "_", " ")}
	for _, r := range o.Rules {
		if r.State != "ok" {
			words = append(words, r.Name+" "+r.State)
		}
	}
	if b := o.Backfill; b != nil && b.Share < 1 {
		words = append(words, "past counted to "+percent(b.Share))
	}
	return strings.Join(words, ", ")
}

// name is an SLO with its objective, unless that has no name of its own, and its group.
func name(o *wire.Objective) string {
	text := o.SLO
	if o.Objective != "default" {
		text += "/" + o.Objective
	}
	if o.Group != "" {
		text += "[" + o.Group + "]"
	}
	return text
}
