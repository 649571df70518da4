package backtest

import (
	"slices"
	"time"

	"loadline/slo/budget"
	"loadline/slo/rule"
)

// span is a stretch of time.
type span struct{ from, to int64 }

// runner evaluates a rule and keeps what it said.
type runner struct {
	rule    *rule.Rule
	states  []rule.State
	events  []rule.Change
	firing  map[budget.Severity]int // tiers that fire
	pages   []span
	tickets []span
}

func newRunner(r *rule.Rule) runner {
	return runner{rule: r, states: r.States(), firing: make(map[budget.Severity]int)}
}

func (r *runner) step(at int64, in rule.Input) {
	for _, c := range r.rule.Step(at, in, r.states) {
		r.events = append(r.events, c)
		switch c.State {
		case rule.ChangeFiring, rule.ChangeNoData:
			if r.firing[c.Severity]++; r.firing[c.Severity] == 1 {
				alerts := r.alerts(c.Severity)
				*alerts = append(*alerts, span{from: at})
			}
		case rule.ChangeResolved, rule.ChangeData:
			if r.firing[c.Severity]--; r.firing[c.Severity] == 0 {
				(*r.alerts(c.Severity))[len(*r.alerts(c.Severity))-1].to = at
			}
		}
	}
}

func (r *runner) alerts(s budget.Severity) *[]span {
	if s == budget.Page {
		return &r.pages
	}
	return &r.tickets
}

// end ends what still fires.
func (r *runner) end(at int64) {
	for severity, n := range r.firing {
		if alerts := *r.alerts(severity); n > 0 {
			alerts[len(alerts)-1].to = at
		}
	}
}

// alerting is how long anything was firing.
func (r *runner) alerting() time.Duration {
	all := slices.Concat(r.pages, r.tickets)
	slices.SortFunc(all, func(a, b span) int { return int(a.from - b.from) })
	var sum, until int64
	for _, s := range all {
		sum += max(s.to-max(s.from, until), 0)
		until = max(until, s.to)
	}
	return time.Duration(sum) * time.Second
}

// grace is for how long after an incident a page still is about it.
const grace = int64(5 * time.Minute / time.Second)

// judge says which incidents were caught by a page that began before they were over, or soon after, how long that took in
// the median, and how many pages were about nothing.
func judge(incidents []Incident, pages []span) (caught int, median time.Duration, wrong int) {
	about := make([]bool, len(pages))
	var delays []time.Duration
	for i := range incidents {
		n := &incidents[i]
		for k, p := range pages {
			if p.from > n.To+grace || p.to <= n.From {
				continue
			}
			about[k] = true
			if !n.Caught {
				n.Caught, n.Delay = true, time.Duration(max(p.from-n.From, 0))*time.Second
				delays = append(delays, n.Delay)
			}
		}
	}
	for _, ok := range about {
		if !ok {
			wrong++
		}
	}
	slices.Sort(delays)
	if k := len(delays); k > 0 {
		median = (delays[(k-1)/2] + delays[k/2]) / 2
	}
	return len(delays), median, wrong
}
