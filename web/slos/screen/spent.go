package screen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/query/indicator"
	"loadline/slo"
	"loadline/web/screen"
	"loadline/web/slos/page"
	"loadline/web/timerange"
	"loadline/web/view"
)

// MaxExamples is how many bad events the page shows.
const MaxExamples = 10

// SpentRange is the time whose bad events are looked at: the page's range when it is past, else the last hour, day or
// window before the evaluation.
func SpentRange(p view.Page, st *slo.Status) (from, to time.Time) {
	to = st.Evaluated
	if to.IsZero() {
		to = p.Now
	}
	switch p.Query.Get("spent") {
	case "day":
		return to.Add(-24 * time.Hour), to
	case "window":
		if !st.From.IsZero() && st.From.Before(to) {
			return st.From, to
		}
		return to.Add(-st.Window.Nominal()), to
	case "hour":
		return to.Add(-time.Hour), to
	}
	if p.Range.Past {
		return p.Range.From, p.Range.To
	}
	return to.Add(-time.Hour), to
}

// spentLabel names that time.
func spentLabel(p view.Page) string {
	switch spent := p.Query.Get("spent"); {
	case spent == "day":
		return "last day"
	case spent == "window":
		return "in the window"
	case spent == "" && p.Range.Past:
		return p.Range.Label
	}
	return "last 1 h"
}

func spentChoices(p view.Page) []view.Choice {
	var out []view.Choice
	current := p.Query.Get("spent")
	if current == "" && !p.Range.Past {
		current = "hour"
	}
	for _, c := range []struct{ id, label string }{{"hour", "1 h"}, {"day", "1 d"}, {"window", "Window"}} {
		out = append(out, view.Choice{Label: c.label, Href: p.With("spent", c.id) + "#spent", Current: c.id == current})
	}
	return out
}

// Spenders says what the bad events have in common, by one dimension.
func Spenders(p view.Page, st *slo.Status, s indicator.Spenders) page.Spenders {
	out := page.Spenders{Sub: "bad events, " + spentLabel(p), Spans: spentChoices(p), Empty: "No bad event, " + spentLabel(p) + "."}
	if len(s.Dimensions) == 0 {
		return out
	}
	chosen := telling(s.Dimensions)
	for i, d := range s.Dimensions {
		if d.Name == p.Query.Get("by") {
			chosen = i
		}
	}
	for i, d := range s.Dimensions {
		out.Dimensions = append(out.Dimensions, view.Choice{Label: Title(d.Name), Href: p.With("by", d.Name) + "#spent", Current: i == chosen})
	}
	if s.Bad == 0 {
		return out
	}
	d := s.Dimensions[chosen]
	for i := range d.Values {
		out.Rows = append(out.Rows, spender(p, st, d.Name, &d.Values[i]))
	}
	if n := d.Others.Bad; n > 0 {
		out.Rest = "others " + view.Whole(d.Others.ShareBad) + "; "
	}
	out.Rest += fmt.Sprintf("%s bad of %s events", view.Count(float64(s.Bad)), view.Count(float64(s.Total)))
	if s.Covered > 0 && s.Covered < 0.995 {
		out.Rest += ", from the newest " + view.Whole(s.Covered) + " of the bad ones"
	}
	if d.Sampled > 0 {
		out.Rest += fmt.Sprintf(", from %s that were looked at", view.Plural(d.Sampled, "event", "events"))
	}
	return out
}

// telling is the dimension that tells bad events from good ones best; the first one among those that are about as good.
func telling(list []indicator.Dimension) int {
	best := 0
	for i, d := range list {
		if len(d.Values) == 0 || d.Values[0].Value == indicator.Unknown || d.Name == "status" { // that bad events failed is no news
			continue
		}
		if b := list[best]; b.Name == "status" || len(b.Values) == 0 || d.Telling > b.Telling+0.05 {
			best = i
		}
	}
	return best
}

// Title writes a name with a capital letter.
func Title(name string) string {
	if name == "" {
		return name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// searched is the field of spans and its value that a value of a dimension stands for; an empty key is none. A status is the
// one of HTTP, else the type of the error, else the one of the span, and says besides whether the event was slow.
func searched(dimension, value string) (key, text string) {
	switch {
	case value == indicator.Unknown:
		return "", ""
	case dimension == "operation", dimension == "version":
		return dimension, value
	case dimension != "status":
		return "", ""
	}
	value = strings.TrimSuffix(value, " slow")
	switch _, err := strconv.ParseUint(value, 10, 16); {
	case err == nil:
		return "http.response.status_code", value
	case value == "error", value == "ok", value == "unset":
		return "status", value
	}
	return "error.type", value
}

// spentLink is a search in the time whose bad events are shown, which the page's own range need not be.
func spentLink(p view.Page, st *slo.Status, search string) string {
	from, to := SpentRange(p, st)
	return p.Link("/traces", append(timerange.Selection{From: from, To: to}.Absolute(), "q", search)...)
}

func spender(p view.Page, st *slo.Status, dimension string, v *indicator.Spender) page.Spender {
	out := page.Spender{
		Value: v.Value, Share: v.ShareBad * 100, ShareText: view.Whole(v.ShareBad), Class: "acc",
		GoodText: view.Whole(v.ShareGood) + " of good",
		Title:    view.Count(float64(v.Bad)) + " bad and " + view.Count(float64(v.Good)) + " good events",
	}
	switch {
	case v.Good == 0:
		out.GoodText = "no good one"
	case v.Lift >= 1.5:
		out.Title += "; a bad event is so " + strconv.FormatFloat(v.Lift, 'f', 1, 64) + " times as often as a good one"
	}
	if v.ShareBad >= 0.5 {
		out.Class = "crit"
	} else if v.ShareBad >= 0.1 {
		out.Class = "warn"
	}
	if key, value := searched(dimension, v.Value); key != "" && st.Service != "" {
		out.Href = spentLink(p, st, screen.Filter("service", st.Service, key, value))
	}
	if method, route, ok := strings.Cut(v.Value, " "); ok && dimension == "operation" && method == strings.ToUpper(method) {
		out.Method, out.Value = method, route
	}
	return out
}

// Examples are bad events that lead to their traces.
func Examples(p view.Page, st *slo.Status, list []indicator.Example) page.Examples {
	out := page.Examples{Sub: spentLabel(p) + ", spread over their causes", Empty: "No bad event, " + spentLabel(p) + "."}
	for i := range list {
		e := &list[i]
		r := page.Example{
			Time: p.Moment(e.Time), Stamp: e.Time.UTC().Format(time.RFC3339Nano), Title: p.Ago(e.Time), Href: p.Trace(e.TraceID, "span", e.SpanID),
			Operation: e.Operation, Status: "ok", Class: "ok", Kind: e.ErrorType, Duration: view.Duration(e.Duration), Slow: e.Slow, Where: e.Instance,
		}
		if e.Error {
			r.Status, r.Class = "error", "crit"
		}
		if e.HTTPStatus > 0 {
			r.Status = strconv.Itoa(e.HTTPStatus)
		}
		if e.Slow && r.Kind == "" {
			r.Kind = "slow"
		}
		out.Rows = append(out.Rows, r)
	}
	if st.Service != "" && len(list) > 0 {
		out.More = view.Choice{Label: "All requests of that time", Href: spentLink(p, st, screen.Filter("service", st.Service))}
		if !slices.ContainsFunc(list, func(e indicator.Example) bool { return !e.Error }) { // else some are only slow
			out.More = view.Choice{Label: "All failed requests", Href: spentLink(p, st, screen.Filter("service", st.Service, "status", "error"))}
		}
	}
	return out
}
