package trial

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/query/indicator"
	"loadline/slo"
	"loadline/web/slos/form"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/view"
)

// maxSuggestions is how many suggestions are shown.
const maxSuggestions = 6

// Suggestions are for endpoints of services that have no SLO yet come first; those that have one are left out.
func Suggestions(p view.Page, list []indicator.Suggestion, all []slo.Status) []page.Suggestion {
	covered := map[string]bool{}
	for i := range all {
		covered[all[i].SLO] = true
	}
	var out []page.Suggestion
	for _, sg := range list {
		v := form.Suggested(sg)
		definition, mistakes := v.SLO()
		if len(out) == maxSuggestions || len(mistakes) > 0 || covered[definition.Name] || sg.LatencyTarget == "" && sg.AvailabilityTarget == "" {
			continue
		}
		params := v.Params()
		out = append(out, page.Suggestion{
			Title:  sg.Operation + " of " + sg.Service + ": " + suggested(sg),
			Text:   "you meet " + met(sg) + " in " + view.Count(sg.Requests) + " requests",
			Adjust: p.Link("/slos/new", pairs(params)...), Fields: Hidden(params, "do", "save"),
		})
	}
	return out
}

func suggested(sg indicator.Suggestion) string {
	if sg.LatencyTarget != "" {
		return sg.LatencyTarget + "% under " + round(sg.Threshold)
	}
	return sg.AvailabilityTarget + "% without error"
}

// round writes a duration that is a round number: 20 ms, 1.5 s.
func round(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatFloat(float64(d)/1e6, 'f', -1, 64) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

func met(sg indicator.Suggestion) string {
	if sg.LatencyTarget != "" {
		return screen.Percent(sg.Fast)
	}
	return screen.Percent(sg.Availability)
}

// pairs are parameters in the order of their names.
func pairs(values url.Values) []string {
	var out []string
	for _, f := range Hidden(values) {
		out = append(out, f.Name, f.Value)
	}
	return out
}

// Hidden are the fields that a form sends along.
func Hidden(values url.Values, more ...string) []view.Param {
	var out []view.Param
	for name := range values {
		out = append(out, view.Param{Name: name, Value: values.Get(name)})
	}
	slices.SortFunc(out, func(a, b view.Param) int { return strings.Compare(a.Name, b.Name) })
	for i := 0; i+1 < len(more); i += 2 {
		out = append(out, view.Param{Name: more[i], Value: more[i+1]})
	}
	return out
}
