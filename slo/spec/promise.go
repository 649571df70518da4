package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/internal/sli"
	"loadline/slo/budget"
)

// Promise is an objective as a sentence for people, such as "99.9% of requests to checkout succeed within 400 ms, over
// 30 days".
func Promise(s *SLO, o *Objective) string {
	subject, verb := promised(s, o)
	var text string
	switch {
	case o.Indicator.Composite != nil:
		text = fmt.Sprintf("%s in %s of %s", subject, o.Target, slicesOf(o.Slices.Length))
		if o.Indicator.Composite.Method != budget.Any {
			text = fmt.Sprintf("%s on average %s good", subject, o.Target)
		}
	case o.Method == budget.Timeslices:
		text = fmt.Sprintf("in %s of %s, %s of %s %s", o.Target, slicesOf(o.Slices.Length), o.Slices.Target, subject, verb)
		if o.Slices.Target.Good.Num == o.Slices.Target.Good.Den {
			text = fmt.Sprintf("in %s of %s, all %s %s", o.Target, slicesOf(o.Slices.Length), subject, verb)
		}
	case o.Method == budget.RatioTimeslices:
		text = fmt.Sprintf("on average of %s, %s of %s %s", slicesOf(o.Slices.Length), o.Target, subject, verb)
	case o.Indicator.Threshold != nil:
		text = fmt.Sprintf("%s of the time, %s %s", o.Target, subject, verb)
	default:
		text = fmt.Sprintf("%s of %s %s", o.Target, subject, verb)
	}
	if o.Window.Calendar == nil {
		return text + ", over " + o.Window.String()
	}
	return text + ", each " + o.Window.String()
}

// promised returns what the promise is about, and what it does.
func promised(s *SLO, o *Objective) (subject, verb string) {
	switch i := &o.Indicator; {
	case i.Spans != nil:
		return events(i.Spans), succeed(i.Spans.Bad)
	case i.Threshold != nil:
		comparison := map[string]string{"<": "below", "<=": "at most", ">": "above", ">=": "at least"}[i.Threshold.Op]
		return shorten(i.Threshold.Query), "is " + comparison + " " + strconv.FormatFloat(i.Threshold.Value, 'g', -1, 64)
	case i.Composite != nil:
		return composite(i.Composite), ""
	}
	return "events of " + s.Service, "are good"
}

func composite(c *Composite) string {
	names := make([]string, len(c.Members))
	for i, m := range c.Members {
		if names[i] = m.SLO; m.Objective != "" {
			names[i] += "/" + m.Objective
		}
	}
	switch c.Method {
	case budget.Any:
		return join(names, "and") + " are all good"
	case budget.Worst:
		return "the worst of " + join(names, "and") + " is"
	}
	return join(names, "and") + " are"
}

// events names the events of an indicator.
func events(i *sli.Indicator) string {
	noun, preposition := "requests", "to"
	switch {
	case slices.Equal(i.Kinds, []string{"consumer"}):
		noun, preposition = "messages", "consumed by"
	case slices.Equal(i.Kinds, []string{"producer"}):
		noun, preposition = "messages", "sent by"
	case slices.Equal(i.Kinds, []string{"client"}):
		noun, preposition = "calls", "made by"
	case slices.Equal(i.Kinds, []string{"internal"}):
		noun, preposition = "operations", "in"
	}
	text := noun + " " + preposition + " " + i.Service
	switch n := len(i.Operations); {
	case n == 1 || n == 2:
		text = join(i.Operations, "and") + " " + noun + " " + preposition + " " + i.Service
	case n > 2:
		text = fmt.Sprintf("%s %s %d operations of %s", noun, preposition, n, i.Service)
	}
	if i.Env != "" {
		text += " in " + i.Env
	}
	if len(i.Matchers) > 0 {
		list := make([]string, len(i.Matchers))
		for k, m := range i.Matchers {
			list[k] = m.Key + " " + m.Op + " " + strconv.Quote(m.Value)
		}
		text += " where " + strings.Join(list, " and ")
	}
	return text
}

// succeed says what good events do.
func succeed(b sli.Bad) string {
	var parts []string
	if codes := slices.Concat(b.HTTP, b.GRPC); len(codes) > 0 {
		parts = append(parts, "get no "+join(codes, "or"))
	}
	if len(b.Matchers) > 0 {
		list := make([]string, len(b.Matchers))
		for k, m := range b.Matchers {
			list[k] = m.Key + " " + m.Op + " " + strconv.Quote(m.Value)
		}
		parts = append(parts, "are not "+strings.Join(list, " and "))
	}
	within := ""
	if b.Slower > 0 {
		within = " within " + spaced(b.Slower)
	}
	switch {
	case b.Errors:
		return join(append([]string{"succeed" + within}, parts...), "and")
	case within != "":
		return join(append([]string{"finish" + within}, parts...), "and")
	}
	return join(parts, "and")
}

// spaced writes a short duration exactly: 400 ms, 1.5 s, 2 min.
func spaced(d time.Duration) string {
	for _, u := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.length && (u.length <= time.Second || d%u.length == 0) {
			return strconv.FormatFloat(float64(d)/float64(u.length), 'f', -1, 64) + " " + u.name
		}
	}
	return fmt.Sprintf("%d ns", d)
}

// slicesOf names slices of time by their length.
func slicesOf(d time.Duration) string {
	switch d {
	case 0, time.Minute:
		return "minutes"
	case time.Hour:
		return "hours"
	}
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d-minute slices", d/time.Minute)
	}
	return fmt.Sprintf("%g-second slices", d.Seconds())
}

// shorten keeps a sentence readable that quotes a query.
func shorten(query string) string {
	query = strings.Join(strings.Fields(query), " ")
	if runes := []rune(query); len(runes) > 80 {
		return string(runes[:79]) + "…"
	}
	return query
}

// join writes a list the way people do: a, b and c.
func join(items []string, word string) string {
	if n := len(items); n > 1 {
		return strings.Join(items[:n-1], ", ") + " " + word + " " + items[n-1]
	}
	return strings.Join(items, "")
}
