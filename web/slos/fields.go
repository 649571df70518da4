package slos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"loadline/internal/sli"
	"loadline/query/indicator"
	"loadline/slo/budget"
	"loadline/web/panel"
	"loadline/web/slos/form"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/view"
)

// fields is the form with what was filled in.
func (s *Pages) fields(ctx context.Context, p view.Page, e *edit) page.Form {
	v := e.values
	f := page.Form{
		Title: "New SLO", Meta: "Everything on the right is computed from your last 30 days, as you type.",
		Action: p.Link("/slos/new"), Cancel: p.Link("/slos"), Submit: "Create SLO", Kind: v.Kind, Raw: v.Raw,
		Problems: screen.Problems(e.problems), Conflict: e.conflict, Source: e.source,
		Hidden: []view.Param{{Name: "sent", Value: "1"}, {Name: "revision", Value: v.Revision}},
	}
	if e.name != "" {
		f.Title, f.Submit = "Edit "+e.name, "Save"
		f.Action, f.Cancel = p.Link(screen.Path(e.name, "edit")), p.Link(screen.Path(e.name))
	}
	author := page.Field{Name: "author", Label: "Your name", Value: v.Author, Hint: "for the history"}
	if v.Raw {
		f.Hidden = append(f.Hidden, view.Param{Name: "mode", Value: "text"})
		f.Fields = []page.Field{{Name: "text", Label: "YAML", Value: v.Text, Rows: 26, Hint: "the short form, OpenSLO v1, or what Sloth or Pyrra read"}, author}
		return f
	}
	var services []string
	if list, err := s.config.Board.Services(ctx, panel.Scope{Length: "1d"}, patience); err == nil {
		for i := range list[:min(len(list), 300)] {
			services = append(services, list[i].Service)
		}
	}
	f.Fields = append(v.IndicatorFields(services), v.PromiseFields()...)
	f.More = append(v.MoreFields(e.name != ""), author)
	for _, list := range [][]page.Field{f.Fields, f.More} {
		for i := range list {
			list[i].Problem = e.mistakes[list[i].Name]
			f.MoreOpen = f.MoreOpen || list[i].Problem != "" && i < len(f.More) && &list[0] == &f.More[0]
		}
	}
	return f
}

// mistakeHints say below fields what is wrong with them.
func mistakeHints(m form.Mistakes) []page.Hint {
	var out []page.Hint
	for field, text := range m {
		out = append(out, page.Hint{Field: field, Text: text, Bad: true})
	}
	return out
}

// fieldHints say below fields what they come to.
func (s *Pages) fieldHints(ctx context.Context, e *edit) []page.Hint {
	o := &e.slo.Objectives[0]
	period := "over " + o.Window.String()
	out := []page.Hint{{Field: "objective", Text: "= " + budget.FormatDuration(budget.Allowance(o.Target, o.Window.Nominal())) + " of total outage " + period}}
	if len(o.Policy.Tiers) > 0 {
		out = append(out, page.Hint{Field: "alert", Text: strings.ReplaceAll(form.Tiers(o.Policy.Tiers), "\n", ", ")})
	}
	if e.values.Name == "" {
		out = append(out, page.Hint{Field: "name", Text: e.slo.Name})
	}
	if o.Indicator.Spans != nil {
		if text := s.matching(ctx, *o.Indicator.Spans); text != "" {
			out = append(out, page.Hint{Field: "operations", Text: text})
		}
	}
	return out
}

// matching says how many operations an indicator matches, and which.
func (s *Pages) matching(ctx context.Context, ind sli.Indicator) string {
	key := fmt.Sprintf("slo operations %q %q %q", ind.Env, ind.Service, ind.Operations)
	list, err := panel.Cached(ctx, s.config.Board, key, time.Minute, patience, func(ctx context.Context) ([]indicator.Operation, error) {
		return s.config.Engine.Operations(ctx, ind)
	})
	if err != nil || len(list) == 0 {
		return ""
	}
	var matches, others []string
	var requests float64
	for _, o := range list {
		if o.Matches {
			matches, requests = append(matches, o.Name), requests+o.Requests
		} else {
			others = append(others, o.Name)
		}
	}
	some := func(names []string) string {
		text := strings.Join(names[:min(len(names), 4)], ", ")
		if len(names) > 4 {
			text += " and others"
		}
		return text
	}
	if len(matches) == 0 {
		return "Matches none of " + view.Plural(len(list), "endpoint", "endpoints") + ": " + some(others)
	}
	return fmt.Sprintf("Matches %d of %s, %s requests a day: %s", len(matches), view.Plural(len(list), "endpoint", "endpoints"), view.Count(requests), some(matches))
}
