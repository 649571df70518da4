package screen

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"loadline/slo"
	"loadline/slo/budget"
	"loadline/web/slos/page"
	"loadline/web/view"
)

// Head is what all tabs of the page have.
func Head(p view.Page, st *slo.Status, only bool) page.Detail {
	d := page.Detail{
		Title: st.Title, Promise: st.Promise, Service: st.Service, Owner: st.Owner, Health: Health(st), Tab: p.Query.Get("tab"),
		Edit: p.Link(Path(st.SLO, "edit")), Report: p.Link(Path(st.SLO, "report")), YAML: p.Link(Path(st.SLO), "tab", "definition"),
	}
	if !only {
		d.Title += " · " + st.Objective
	}
	if st.Group != "" {
		d.Title += " · " + st.Group
	}
	if st.Service != "" {
		d.ServiceHref = p.Service(st.Service)
	}
	if st.Runbook != "" {
		d.Runbook, d.RunbookText = st.Runbook, "runbook"
	}
	for key, values := range st.Labels {
		for _, v := range values {
			d.Labels = append(d.Labels, key+"="+v)
		}
	}
	slices.Sort(d.Labels)
	d.Headline, d.Notices, d.Progress = Headline(p, st), Notices(st), Progress(st)
	return d
}

// GroupChoices lets choose a group, the worst ones first.
func GroupChoices(p view.Page, groups []slo.Status, current string) []view.Choice {
	const limit = 6
	if len(groups) == 0 {
		return nil
	}
	out := []view.Choice{{Label: "All", Href: p.With("group", ""), Current: current == ""}}
	for i := range groups {
		if i < limit || groups[i].Group == current {
			out = append(out, view.Choice{Label: groups[i].Group, Href: p.With("group", groups[i].Group), Current: groups[i].Group == current})
		}
	}
	return out
}

// Tabs are the parts of the page.
func Tabs(p view.Page, groups int) []view.Choice {
	current := p.Query.Get("tab")
	var out []view.Choice
	for _, t := range []struct{ id, label string }{{"", "Overview"}, {"alerts", "Alerts"}, {"groups", "Groups"}, {"corrections", "Corrections"}, {"definition", "Definition"}} {
		c := view.Choice{Label: t.label, Href: p.With("tab", t.id, "revision", "", "format", ""), Current: t.id == current}
		if t.id == "groups" {
			if groups == 0 {
				continue
			}
			c.Count = strconv.Itoa(groups)
		}
		out = append(out, c)
	}
	return out
}

// Figures are the key figures of an objective.
func Figures(st *slo.Status) []page.Figure {
	period := window(st.Window)
	good := page.Figure{
		ID: "slo.a", Label: "Attained, " + period, Value: Attained(st.Attained), Unit: " %", Note: "objective " + st.Target.String(), NoteClass: "good",
		Title: "between " + Percent(st.Low) + " and " + Percent(st.High) + " with 95% confidence",
	}
	if st.Attained < st.Target.Float() {
		good.NoteClass = "bad"
	}
	rest := page.Figure{ID: "slo.l", Label: "Budget left", Value: Left(st.Left), Note: allowance(st), Title: "what is left of the bad events, or of the bad time, that the objective allows"}
	if st.Left <= 0 {
		rest.NoteClass = "bad"
	}
	burn := page.Figure{ID: "slo.b", Label: "Burn rate, 1 h", Value: BurnRate(st.Burn1h), Note: "1× lasts exactly the window"}
	if page := lowestPage(st); page > 0 {
		burn.Note = "page at " + threshold(page)
		if st.Burn1h > page {
			burn.NoteClass = "bad"
		}
	}
	gone := page.Figure{ID: "slo.x", Label: "Exhausted in", Value: exhausted(st), Note: "if nothing changes"}
	if soon(st) {
		gone.NoteClass = "bad"
	}
	bad := page.Figure{ID: "slo.n", Label: badLabel(st) + ", " + period, Value: view.Count(float64(st.Bad)), Note: "of " + view.Count(float64(st.Total)) + " " + eventNoun(st)}
	if st.Total == 0 {
		for _, f := range []*page.Figure{&good, &bad} {
			f.Value, f.Unit, f.Note, f.NoteClass, f.Title = view.None, "", "no events in the window", "", ""
		}
	}
	return []page.Figure{good, rest, burn, gone, bad}
}

func badLabel(st *slo.Status) string {
	if st.Method == budget.Occurrences {
		return "Bad events"
	}
	return "Bad slices"
}

func eventNoun(st *slo.Status) string {
	if st.Method == budget.Occurrences {
		return "events"
	}
	return "slices"
}

// lowestPage is the burn rate from which on somebody is woken up soonest: that of the fastest page; 0 without one.
func lowestPage(st *slo.Status) float64 {
	var out float64
	for i := range st.Rules {
		if st.Rules[i].Severity == string(budget.Page) {
			out = max(out, st.Rules[i].Threshold)
		}
	}
	return out
}

// allowance says what is left of the budget as the length of a total outage.
func allowance(st *slo.Status) string {
	if math.IsNaN(st.Left) {
		return "no events in the window"
	}
	whole := budget.Allowance(st.Target, st.Window.Nominal())
	of := " of " + budget.FormatDuration(whole)
	if st.Left < 0 {
		return budget.FormatDuration(time.Duration(-st.Left*float64(whole))) + " over" + of
	}
	return budget.FormatDuration(time.Duration(min(st.Left, 1)*float64(whole))) + of
}

// Headline says what is wrong when a rule fires.
func Headline(p view.Page, st *slo.Status) *view.Headline {
	r := firing(st)
	if r == nil {
		return nil
	}
	h := &view.Headline{Subject: st.SLO, State: "warn", Strong: st.Title + " burns its budget " + BurnRate(r.BurnLong) + " as fast as it may"}
	if r.Severity == string(budget.Page) {
		h.State = "crit"
	}
	if !r.Since.IsZero() {
		h.Rest = ", since " + Moment(p, r.Since) + " (" + p.Ago(r.Since) + ")."
	}
	h.Second = r.Reason
	h.Actions = []view.Choice{{Label: "Bad events", Href: p.With("tab", "") + "#examples"}, {Label: "Who spent it", Href: p.With("tab", "") + "#spent"}}
	return h
}

// Notices are what somebody has to know to read the numbers.
func Notices(st *slo.Status) []string {
	var out []string
	switch {
	case st.Total == 0 && st.Backfill == nil:
		out = append(out, "No event was counted in the window, so nothing is said about the objective. Check that "+orService(st)+" sends spans that match the definition.")
	case st.Coverage > 0 && st.Coverage < 0.995 && st.Backfill == nil:
		out = append(out, "Events were counted in "+view.Whole(st.Coverage)+" of the window; the rest is neither good nor bad.")
	}
	if st.OneBad >= 0.005 && st.Total > 0 {
		out = append(out, fmt.Sprintf("Little traffic: one bad event takes %s of the budget, and what was attained lies between %s and %s with 95%% confidence. Rules ask for significance before they page.", Left(st.OneBad), Percent(st.Low), Percent(st.High)))
	}
	return append(out, st.Problems...)
}

func orService(st *slo.Status) string {
	if st.Service == "" {
		return "somebody"
	}
	return st.Service
}

// Progress is how far the past is counted; nil when all of it is.
func Progress(st *slo.Status) *page.Progress {
	b := st.Backfill
	if b == nil {
		return nil
	}
	return &page.Progress{
		Share: b.Share * 100, Problem: b.Problem,
		Text: fmt.Sprintf("Counting the past from stored spans: %.0f%%, %s so far. The numbers grow until it is done; alerts work already.", b.Share*100, view.Plural(int(b.Events), "event", "events")),
	}
}

// GroupTable is all groups of an objective, the worst first.
func GroupTable(p view.Page, groups []slo.Status) view.Plain {
	t := view.Plain{Title: "Groups", Sub: "each has a budget of its own", Empty: "No group was counted yet.", Heads: []view.Column{
		{Label: "Group"},
		{Label: "State"},
		{Label: "Attained", Numeric: true},
		{Label: "Budget left", Numeric: true},
		{Label: "Burn 1 h", Numeric: true},
		{Label: "Exhausted in", Numeric: true},
		{Label: "Bad", Numeric: true},
		{Label: "Events", Numeric: true},
	}}
	for i := range groups {
		g := &groups[i]
		t.Rows = append(t.Rows, []view.Cell{
			{Text: g.Group, Href: p.With("group", g.Group, "tab", "")},
			{Text: Health(g).Label, Title: Health(g).Why},
			{Text: Percent(g.Attained)},
			{Text: Left(g.Left)},
			{Text: BurnRate(g.Burn1h)},
			{Text: exhausted(g)},
			{Text: view.Count(float64(g.Bad))},
			{Text: view.Count(float64(g.Total))},
		})
	}
	return t
}
