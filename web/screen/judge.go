// Package screen turns the answers of package query into what pages show: texts, charts, tables, the rows of a
// waterfall, and a judgement of what needs attention. All of it is functions of values.
package screen

import (
	"fmt"
	"strings"
	"time"

	"loadline/query"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/web/view"
)

// Limits of the judgement. There are no objectives to measure against, so a service is compared with itself an hour
// before, and with limits that hold for any service.
const (
	fewRequests   = 20   // below this many requests a share says nothing
	manyErrors    = 0.05 // share of failed requests that is bad however it was before
	someErrors    = 0.01
	errorsWorse   = 3.0 // times as many as before
	muchSlower    = 3.0 // times p95 as before
	slower        = 1.5
	slowerAtLeast = 20 * time.Millisecond
)

// Judge says how a service is doing, from its numbers now and an hour before.
func Judge(now, before rollup.Totals) view.Health {
	if now.Requests <= 0 {
		return view.Health{State: "idle", Label: "Idle", Why: "no requests in this range"}
	}
	known := before.Requests >= fewRequests
	enough := now.Requests >= fewRequests
	errors := view.Percent(now.ErrorRate) + " of requests fail"
	worse := known && now.ErrorRate > errorsWorse*before.ErrorRate
	slow, ratio := false, 0.0
	if known && enough && before.P95 > 0 && now.P95-before.P95 >= slowerAtLeast {
		ratio = float64(now.P95) / float64(before.P95)
		slow = ratio >= slower
	}
	switch {
	case enough && now.ErrorRate >= manyErrors, enough && now.ErrorRate >= someErrors && worse:
		return view.Health{State: "crit", Label: "Failing", Why: errors}
	case ratio >= muchSlower:
		return view.Health{State: "crit", Label: "Slow", Why: fmt.Sprintf("p95 is %.1f× what it was an hour ago", ratio)}
	case enough && now.ErrorRate >= someErrors:
		return view.Health{State: "warn", Label: "Degraded", Why: errors}
	case slow:
		return view.Health{State: "warn", Label: "Slower", Why: fmt.Sprintf("p95 is %.1f× what it was an hour ago", ratio)}
	}
	return view.Health{State: "ok", Label: "Healthy", Why: "errors and p95 are as they were an hour ago"}
}

// rank orders states by how much they need attention.
func rank(state string) int {
	switch state {
	case "crit":
		return 0
	case "warn":
		return 1
	case "ok":
		return 2
	}
	return 3
}

// recentDeploy is how old a deployment may be to be named as what may have caused a change.
const recentDeploy = 2 * time.Hour

// Headline says in a sentence what is wrong with the service that needs attention most, or nothing when none does.
func Headline(p view.Page, services []query.ServiceRED) *view.Headline {
	var worst *query.ServiceRED
	var state view.Health
	var others int
	for i := range services {
		s := &services[i]
		h := Judge(s.Totals, s.Previous)
		if h.State != "crit" && h.State != "warn" {
			continue
		}
		others++
		if worst == nil || rank(h.State) < rank(state.State) || (h.State == state.State && s.Errors > worst.Errors) {
			worst, state = s, h
		}
	}
	if worst == nil {
		return nil
	}
	h := &view.Headline{Subject: worst.Service, State: state.State}
	failing := state.Label == "Failing" || state.Label == "Degraded"
	if failing {
		h.Strong = worst.Service + " fails " + view.Percent(worst.ErrorRate) + " of its requests"
		if c := view.Change(worst.ErrorRate, worst.Previous.ErrorRate); c != "" && worst.ErrorRate >= 2*worst.Previous.ErrorRate {
			h.Rest = ", " + c + " as many as an hour ago."
		} else {
			h.Rest = ", " + view.Count(worst.Errors) + " in this range."
		}
		if before := worst.Previous.P95; before > 0 && float64(worst.P95) >= slower*float64(before) {
			h.Rest = strings.TrimSuffix(h.Rest, ".") + fmt.Sprintf(", and takes %s at p95 (%.1f×).", view.Duration(worst.P95), float64(worst.P95)/float64(before))
		}
	} else {
		h.Strong = worst.Service + " takes " + view.Duration(worst.P95) + " at p95"
		h.Rest = fmt.Sprintf(", %.1f× what it took an hour ago (%s).", float64(worst.P95)/float64(worst.Previous.P95), view.Duration(worst.Previous.P95))
	}
	if d := worst.LastDeploy; d.Version != "" && len(worst.Versions) > 1 && p.Now.Sub(d.At) < recentDeploy {
		h.Second, h.Tag, h.Third = "Deployed "+view.Ago(p.Now.Sub(d.At))+":", view.Version(d.Version), ""
	} else if others > 1 {
		h.Second = view.Plural(others-1, "other service needs", "other services need") + " attention too."
	}
	matchers := []filter.Matcher{{Key: "service", Op: filter.Equal, Value: worst.Service}}
	if failing {
		matchers = append(matchers, filter.Matcher{Key: "status", Op: filter.Equal, Value: "error"})
	} else {
		matchers = append(matchers, filter.Matcher{Key: "duration", Op: filter.GreaterEqual, Value: worst.P95.Round(time.Millisecond).String()})
	}
	h.Actions = []view.Choice{
		{Label: "Example traces", Href: p.Link("/traces", "q", filter.Format(matchers))},
		{Label: "Open " + worst.Service, Href: p.Service(worst.Service)},
	}
	return h
}
