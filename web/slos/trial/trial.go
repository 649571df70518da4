// Package trial shows what a definition of an objective would have done, and which ones would have been kept.
package trial

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"loadline/query/indicator"
	"loadline/slo"
	"loadline/slo/backtest"
	"loadline/slo/budget"
	"loadline/slo/rule"
	"loadline/slo/spec"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/view"
)

// Length is how much of the past a definition is tried on.
const Length = 30 * 24 * time.Hour

// Show shows what a definition would have done.
func Show(p view.Page, out *page.Preview, s *spec.SLO, v *slo.Preview) {
	o := &s.Objectives[0]
	out.Promise = spec.Promise(s, o)
	out.Took = view.Duration(v.Took)
	out.Note = qualityNote(p, &v.Quality)
	if len(v.Points) == 0 || v.Total == 0 {
		out.Empty = "Nothing of the last 30 days matches. Check the service and its endpoints; what arrives from now on will be counted."
		return
	}
	out.Facts = facts(o, &v.Result)
	out.Budget, out.Burn = charts(o, &v.Result)
	out.Alerts = alerts(p, v.Events)
	out.Incidents = incidents(p, v.Incidents)
}

// qualityNote says how exact a preview is.
func qualityNote(p view.Page, q *indicator.Quality) string {
	switch {
	case q.Approximate:
		return fmt.Sprintf("about: durations are known by buckets, bad events are between %s and %s", view.Count(float64(q.BadLow)), view.Count(float64(q.BadHigh)))
	case q.Source == indicator.FromSpans && !q.From.IsZero() && p.Now.Sub(q.From) < Length-time.Hour:
		return "from spans since " + screen.Moment(p, q.From) + "; the rest is counted after you save, in about " + view.Span(max(q.Full, time.Second))
	case q.Resolution > 10*time.Second:
		return "older counts are known by " + view.Span(q.Resolution)
	}
	return "exact"
}

func facts(o *spec.Objective, r *backtest.Result) []page.Figure {
	good := page.Figure{Label: "You would have attained", Value: screen.Percent(r.Attained), NoteClass: "good"}
	if r.Attained < o.Target.Float() {
		good.NoteClass = "bad"
	}
	rest := page.Figure{Label: "Budget left today", Value: screen.Left(r.Left)}
	if r.Left <= 0 {
		rest.NoteClass = "bad"
	}
	caught := page.Figure{Label: "Caught real incidents", Value: fmt.Sprintf("%d of %d", r.Caught, len(r.Incidents)), Title: "incidents are stretches of time with unusually many bad events"}
	if len(r.Incidents) == 0 {
		caught.Value = "none to catch"
	}
	delay := page.Figure{Label: "Median time to detect", Value: view.None}
	if r.Caught > 0 {
		delay.Value = view.Span(r.Delay)
	}
	tightest := page.Figure{Label: "Tightest objective you meet", Value: screen.Percent(r.Tightest)}
	if r.Tightest <= 0 {
		tightest.Value = view.None
	}
	return []page.Figure{
		good, rest,
		{Label: "Pages / tickets", Value: fmt.Sprintf("%d / %d", r.Pages, r.Tickets), Title: fmt.Sprintf("%.1f pages and %.1f tickets a week; %d pages outside of incidents", r.PagesPerWeek, r.TicketsPerWeek, r.False)},
		caught, delay, tightest,
	}
}

// charts are the budget and the burn rate over the whole time.
func charts(o *spec.Objective, r *backtest.Result) (left, burn page.Chart) {
	points := counted(r.Points)
	n := len(points)
	first, last := points[0].At, points[n-1].At
	step := max((last-first)/int64(max(n-1, 1)), 1)
	even, rest, long, short := make([]float64, n), make([]float64, n), make(view.Numbers, n), make(view.Numbers, n)
	for i, pt := range points {
		even[i], rest[i], long[i], short[i] = 1-float64(i)/float64(max(n-1, 1)), pt.Left, pt.BurnLong, pt.BurnShort
	}
	st := slo.Status{Window: o.Window, Target: o.Target}
	left = screen.Budget(&st, slo.BudgetChart{From: time.Unix(first, 0), Step: time.Duration(step) * time.Second, Left: rest, Even: even, Incidents: r.Incidents}, nil, nil)
	left.Sub, left.Size, left.Fixed = "incidents are tinted", "", true
	burn = page.Chart{Chart: view.Chart{
		ID: "burn", Title: "Burn rate", Sub: alertsTinted, Unit: "burn", Empty: "No rule to compare with",
		Columns: view.Columns{T0: first, Step: step}, Series: []view.Series{{Label: "long", Color: "c1"}, {Label: "short", Color: "err"}},
	}, Zones: alertZones(r.Events, last), Fixed: true}
	if tiers := o.Policy.Tiers; len(tiers) > 0 {
		burn.Series[0].Label, burn.Series[1].Label = view.Span(tiers[0].Long), view.Span(tiers[0].Short)
	}
	burn.Y = []view.Numbers{long, short}
	burn.Lines, burn.Floor = screen.Lines(screen.Levels(o.Target, o.Window, o.Policy))
	if screen.Bound(&burn); burn.Sub != alertsTinted {
		burn.Sub = alertsTinted + "; " + burn.Sub
	}
	return left, burn
}

// alertsTinted says what the tinted stretches of the burn rate are.
const alertsTinted = "alerts are tinted"

// counted are the points from the first one with events on: what is before would be an empty chart.
func counted(points []backtest.Point) []backtest.Point {
	for i := range points {
		if !math.IsNaN(points[i].Left) {
			return points[max(min(i, len(points)-2), 0):]
		}
	}
	return points
}

// maxZones is how many stretches of a chart are tinted. More hide it.
const maxZones = 24

// alertZones are the longest times in which rules would have fired.
func alertZones(events []rule.Change, end int64) []page.Zone {
	open := map[string]int{}
	var out []page.Zone
	for i := range events {
		e := &events[i]
		switch e.State {
		case "firing":
			color := "warn"
			if e.Severity == budget.Page {
				color = "crit"
			}
			open[e.Tier] = len(out)
			out = append(out, page.Zone{From: e.At, To: end, Color: color})
		case "resolved":
			if j, ok := open[e.Tier]; ok {
				out[j].To = e.At
				delete(open, e.Tier)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b page.Zone) int { return cmp.Compare(b.To-b.From, a.To-a.From) })
	return out[:min(len(out), maxZones)]
}

// maxAlerts is how many alerts the preview lists.
const maxAlerts = 8

// alerts lists the alerts that there would have been, the newest first.
func alerts(p view.Page, events []rule.Change) view.Plain {
	t := view.Plain{Title: "Alerts that there would have been", Empty: "Nobody would have been told anything.", Heads: []view.Column{
		{Label: "Time"}, {Label: "What"}, {Label: "Burn", Numeric: true}, {Label: "Lasted", Numeric: true},
	}}
	ends := map[string]int64{}
	fired := 0
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		switch e.State {
		case "resolved":
			ends[e.Tier] = e.At
		case "firing":
			fired++
			if fired > maxAlerts {
				continue
			}
			lasted := "goes on"
			if end, ok := ends[e.Tier]; ok {
				lasted = view.Span(time.Duration(end-e.At) * time.Second)
			}
			at := time.Unix(e.At, 0)
			t.Rows = append(t.Rows, []view.Cell{
				{Text: screen.Moment(p, at), Title: p.Moment(at)}, {Text: screen.Severity(string(e.Severity)), Title: e.Reason}, {Text: screen.BurnRate(e.BurnLong)}, {Text: lasted},
			})
			delete(ends, e.Tier)
		}
	}
	if fired > maxAlerts {
		t.Sub = fmt.Sprintf("the newest %d of %d", maxAlerts, fired)
	}
	return t
}

// incidents lists the incidents that should have been noticed, the newest first.
func incidents(p view.Page, list []backtest.Incident) view.Plain {
	t := view.Plain{Title: "Incidents", Sub: "unusually many bad events", Empty: "No stretch of time had unusually many bad events.", Heads: []view.Column{
		{Label: "Time"}, {Label: "Length", Numeric: true}, {Label: "Bad", Numeric: true}, {Label: "Noticed", Numeric: true},
	}}
	for i := len(list) - 1; i >= 0 && len(t.Rows) < maxAlerts; i-- {
		in := &list[i]
		noticed := "no"
		if in.Caught {
			noticed = "after " + view.Span(in.Delay)
		}
		at := time.Unix(in.From, 0)
		t.Rows = append(t.Rows, []view.Cell{
			{Text: screen.Moment(p, at), Title: p.Moment(at)}, {Text: view.Span(time.Duration(in.To-in.From) * time.Second)}, {Text: view.Count(float64(in.Bad))}, {Text: noticed},
		})
	}
	if len(list) > maxAlerts {
		t.Sub = fmt.Sprintf("the newest %d of %d", maxAlerts, len(list))
	}
	return t
}
