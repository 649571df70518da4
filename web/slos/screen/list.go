package screen

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"loadline/slo"
	"loadline/slo/spec"
	"loadline/web/slos/form"
	"loadline/web/slos/page"
	"loadline/web/view"
)

// maxRows is how many SLOs the list shows unless all are asked for; with manySLOs one wants to search.
const (
	maxRows  = 60
	manySLOs = 10
)

// Rows is the list for a page's filter, order and grouping.
func Rows(p view.Page, all []slo.Status) page.List {
	several := map[string]int{}
	for i := range all {
		several[all[i].SLO]++
	}
	find := strings.ToLower(strings.TrimSpace(p.Query.Get("find")))
	counts := map[slo.Health]int{}
	var shown []*slo.Status
	for i := range all {
		st := &all[i]
		counts[st.Health]++
		if h := p.Query.Get("health"); (h == "" || h == string(st.Health)) && found(st, find) {
			shown = append(shown, st)
		}
	}
	sortStatuses(shown, p.Query.Get("sort"))
	l := page.List{Meta: summary(all, counts), Filters: filters(p, len(all), counts)}
	if len(all) > 1 {
		l.Grouping = groupings(p)
	}
	l.Table.Columns = columns(p)
	l.Table.Empty = empty(p, len(all))
	l.Find, l.Searchable, l.Rest = p.Query.Get("find"), len(all) > manySLOs, p.Rest("find")
	if len(shown) > maxRows && p.Query.Get("all") == "" {
		l.More = view.Choice{Label: fmt.Sprintf("Show all %s; %d are here", view.Count(float64(len(shown))), maxRows), Href: p.With("all", "1")}
		shown = shown[:maxRows]
	}
	index := map[string]int{}
	for _, st := range shown {
		title := groupOf(st, p.Query.Get("group"))
		i, ok := index[title]
		if !ok {
			i = len(l.Groups)
			index[title] = i
			l.Groups = append(l.Groups, page.Group{Title: title})
		}
		l.Groups[i].Rows = append(l.Groups[i].Rows, row(p, st, several[st.SLO] == 1))
	}
	return l
}

// found reports whether a status has a text in what the list shows of it.
func found(st *slo.Status, find string) bool {
	return find == "" || strings.Contains(strings.ToLower(st.SLO+" "+st.Title+" "+st.Service+" "+st.Owner), find)
}

func groupOf(st *slo.Status, by string) string {
	switch by {
	case "service":
		return cmp.Or(st.Service, "no service")
	case "owner":
		return cmp.Or(st.Owner, "no owner")
	}
	return ""
}

// sortStatuses puts those that need attention first unless a column is chosen. What is not known comes last.
func sortStatuses(list []*slo.Status, by string) {
	number := func(v float64) float64 {
		if math.IsNaN(v) {
			return math.Inf(1)
		}
		return v
	}
	gone := func(st *slo.Status) float64 {
		if st.Exhausted == nil {
			return math.Inf(1)
		}
		return st.Exhausted.Seconds()
	}
	down := strings.HasPrefix(by, "-")
	slices.SortStableFunc(list, func(a, b *slo.Status) int {
		var c int
		switch strings.TrimPrefix(by, "-") {
		case "name":
			c = cmp.Compare(a.Title, b.Title)
		case "objective":
			c = a.Target.Good.Cmp(b.Target.Good)
		case "attained":
			c = cmp.Compare(number(a.Attained), number(b.Attained))
		case "burn":
			c = cmp.Compare(number(a.Burn1h), number(b.Burn1h))
		case "exhausted":
			c = cmp.Compare(gone(a), gone(b))
		default:
			c = cmp.Compare(number(a.Left), number(b.Left))
		}
		if down {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.SLO, b.SLO), cmp.Compare(a.Objective, b.Objective))
	})
}

func columns(p view.Page) []view.Column {
	sorted := cmp.Or(p.Query.Get("sort"), "left")
	out := []view.Column{
		{Label: "SLO", Href: "name"},
		{Label: "State"},
		{Label: "Objective", Href: "objective", Numeric: true},
		{Label: "Window"},
		{Label: "Attained", Href: "attained", Numeric: true},
		{Label: "Budget left", Href: "left"},
		{Label: "Burn 1 h", Href: "-burn", Numeric: true},
		{Label: "Exhausted in", Href: "exhausted", Numeric: true},
		{Label: "Trend"},
		{Label: "Owner"},
	}
	for i := range out {
		c := &out[i]
		if c.Href == "" {
			continue
		}
		key := strings.TrimPrefix(c.Href, "-")
		switch sorted {
		case key:
			c.Sorted, c.Href = "ascending", "-"+key
		case "-" + key:
			c.Sorted, c.Href = "descending", key
		}
		c.Href = p.With("sort", c.Href)
	}
	return out
}

// healths are the states by which the list can be filtered, the worst first.
func healths() []form.Choice {
	return []form.Choice{
		{Value: string(slo.Breached), Label: "Breached"},
		{Value: string(slo.AtRisk), Label: "At risk"},
		{Value: string(slo.Healthy), Label: "Met"},
		{Value: string(slo.Counting), Label: "Counting"},
		{Value: string(slo.NoData), Label: "No data"},
	}
}

func filters(p view.Page, all int, counts map[slo.Health]int) []view.Choice {
	if all == 0 {
		return nil
	}
	chosen := p.Query.Get("health")
	out := []view.Choice{{Label: "All", Count: strconv.Itoa(all), Href: p.With("health", ""), Current: chosen == ""}}
	for _, h := range healths() {
		if n := counts[slo.Health(h.Value)]; n > 0 || chosen == h.Value {
			out = append(out, view.Choice{Label: h.Label, Count: strconv.Itoa(n), Href: p.With("health", h.Value), Current: chosen == h.Value})
		}
	}
	return out
}

func groupings(p view.Page) []view.Choice {
	var out []view.Choice
	for _, g := range []form.Choice{{Value: "", Label: "List"}, {Value: "service", Label: "By service"}, {Value: "owner", Label: "By owner"}} {
		out = append(out, view.Choice{Label: g.Label, Href: p.With("group", g.Value), Current: p.Query.Get("group") == g.Value})
	}
	return out
}

func summary(all []slo.Status, counts map[slo.Health]int) []string {
	if len(all) == 0 {
		return []string{"promises that are kept, and how much may still go wrong"}
	}
	var out []string
	for _, h := range healths() {
		if n := counts[slo.Health(h.Value)]; n > 0 {
			out = append(out, strconv.Itoa(n)+" "+strings.ToLower(h.Label))
		}
	}
	return out
}

func empty(p view.Page, all int) view.Empty {
	if all > 0 {
		return view.Empty{Text: "None of " + view.Plural(all, "SLO", "SLOs") + " is like that.", Action: view.Choice{Label: "Show all", Href: p.With("health", "", "find", "")}}
	}
	return view.Empty{
		Text:   "No service level objective yet. Say what a user may expect, and Loadline tells how much of the error budget is left and who spends it.",
		Action: view.Choice{Label: "Write the first one", Href: p.Link("/slos/new")},
	}
}

func row(p view.Page, st *slo.Status, only bool) page.Row {
	r := page.Row{
		Key: st.SLO + "/" + st.Objective, Title: st.Title, Promise: st.Promise, About: st.Service, Owner: st.Owner,
		Href:      p.Link(Path(st.SLO), RefPairs(st.Ref, only)...),
		Objective: st.Target.String(), Window: window(st.Window), Attained: Percent(st.Attained),
		Left: st.Left * 100, LeftText: Left(st.Left), LeftClass: meterClass(st.Left),
		Burn: BurnRate(st.Burn1h), BurnBad: firing(st) != nil, Exhausted: exhausted(st), ExhaustedBad: soon(st),
		Health: Health(st), Spark: view.Spark(st.Trend), SparkClass: "sp-rate",
	}
	if math.IsNaN(st.Left) {
		r.Left = 0
	}
	if !only {
		r.Part = st.Objective
	}
	if st.Backfill != nil {
		r.About += " · " + strconv.Itoa(int(st.Backfill.Share*100)) + "% of the past counted"
	}
	switch r.LeftClass {
	case "crit":
		r.SparkClass = "sp-err"
	case "warn":
		r.SparkClass = "sp-warn"
	}
	return r
}

// Problems are mistakes in definitions as pages show them, at most ten.
func Problems(list []spec.Problem) []page.Problem {
	var out []page.Problem
	for _, p := range list[:min(len(list), 10)] {
		where := p.File
		if p.Line > 0 {
			where += ":" + strconv.Itoa(p.Line)
		}
		text := p.Message
		if p.Field != "" {
			text = p.Field + ": " + text
		}
		out = append(out, page.Problem{Where: strings.TrimPrefix(where, ":"), Text: text, Remedy: p.Remedy, Warning: p.Severity == spec.Warning})
	}
	return out
}
