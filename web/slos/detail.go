package slos

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"loadline/query"
	"loadline/query/indicator"
	"loadline/slo"
	"loadline/slo/budget/forecast"
	"loadline/web/panel"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/view"
)

// detail answers the page of one objective, or of one group of it.
func (s *Pages) detail(w http.ResponseWriter, r *http.Request) {
	if s.config.Redirected(w, r) {
		return
	}
	name := r.PathValue("name")
	definition, ok := s.config.Engine.SLO(name)
	if !ok {
		s.missing(w, r, name)
		return
	}
	p := s.config.Page(r, "slos", definition.Title())
	p.Crumbs = crumbs(p, view.Crumb{Label: definition.Title()})
	p.Script = "slo.js"
	ref := slo.Ref{SLO: name, Objective: p.Query.Get("objective"), Group: p.Query.Get("group")}
	if ref.Objective == "" && len(definition.Objectives) > 0 {
		ref.Objective = definition.Objectives[0].Name
	}
	st, evaluated := s.config.Engine.Status(ref)
	ok = evaluated
	for i := range definition.Objectives {
		if o := &definition.Objectives[i]; !evaluated && o.Name == ref.Objective && ref.Group == "" {
			st, ok = screen.Unevaluated(&definition, o), true
		}
	}
	if !ok {
		s.missing(w, r, name+", "+ref.Objective+" "+ref.Group)
		return
	}
	only := len(definition.Objectives) == 1
	d := screen.Head(p, &st, only)
	d.Saved = !evaluated
	for i := range definition.Objectives {
		o := &definition.Objectives[i]
		d.Objectives = append(d.Objectives, view.Choice{Label: o.Name, Href: p.With("objective", o.Name, "group", ""), Current: o.Name == ref.Objective})
	}
	groups := s.config.Engine.Groups(name, ref.Objective)
	d.Groups = screen.GroupChoices(p, groups, ref.Group)
	d.Tabs = screen.Tabs(p, len(groups))
	s.fill(r.Context(), p, &d, &st, groups)
	s.config.Render(w, r, http.StatusOK, page.DetailPage(p, d))
}

// fill computes what the page's tab shows.
func (s *Pages) fill(ctx context.Context, p view.Page, d *page.Detail, st *slo.Status, groups []slo.Status) {
	d.Rules = screen.Rules(st)
	topic := func(kind string, more ...string) string {
		return topicOf(kind, p.Query, append([]string{"name", st.SLO, "objective", st.Objective, "group", st.Group}, more...)...)
	}
	d.Topic, d.Rules.Topic = topic("slo"), topic("slo-rules")
	d.BadgeTopic, d.HeadlineTopic = topic("slo-badge"), topic("slo-headline", "zone", p.ZoneName(), "of", p.Query.Get("objective")) // it has times and links
	if !p.Range.Past {
		d.Burn.Topic = topic("slo-burn")
	}
	switch d.Tab {
	case "alerts":
		d.Events = s.events(ctx, p, st)
	case "groups":
		d.GroupTable = screen.GroupTable(p, groups)
	case "corrections":
		d.Corrections = s.corrections(ctx, p, st.SLO)
	case "definition":
		d.Definition = s.definition(ctx, p, st.SLO)
	default:
		d.Figures = screen.Figures(st)
		if d.Saved {
			return
		}
		s.overview(ctx, p, d, st)
	}
}

// overview computes the panels of the first tab at the same time.
func (s *Pages) overview(ctx context.Context, p view.Page, d *page.Detail, st *slo.Status) {
	board := s.config.Board
	from, to := screen.SpentRange(p, st)
	var (
		left      slo.BudgetChart
		burn      slo.BurnChart
		spent     indicator.Spenders
		bad       []indicator.Example
		deploys   []query.Deployment
		ahead     forecast.Forecast
		corrected []slo.Correction

		leftErr, burnErr, spentErr, badErr, aheadErr error
	)
	board.Together(
		panel.Task{Err: &leftErr, Do: func() (err error) { left, err = s.budget(ctx, st); return err }},
		panel.Task{Err: &burnErr, Do: func() (err error) { burn, err = s.burn(ctx, p, st); return err }},
		panel.Task{Err: &spentErr, Do: func() error {
			return late(ctx, func(ctx context.Context) (err error) {
				spent, err = s.config.Engine.Spenders(ctx, st.Ref, from, to)
				return err
			})
		}},
		panel.Task{Err: &badErr, Do: func() error {
			return late(ctx, func(ctx context.Context) (err error) {
				bad, err = s.config.Engine.Examples(ctx, st.Ref, from, to, screen.MaxExamples)
				return err
			})
		}},
		panel.Task{Do: func() (err error) {
			deploys, err = board.Deployments(ctx, panel.Scope{Service: st.Service, Length: "30d"}, patience)
			return err
		}},
		panel.Task{Err: &aheadErr, Do: func() (err error) { ahead, err = s.config.Engine.Forecast(ctx, st.Ref); return err }},
		panel.Task{Do: func() (err error) { corrected, err = s.config.Engine.Corrections(ctx, st.SLO); return err }},
	)
	marks := screen.Deploys(st, deploys)
	d.Budget = screen.Budget(st, left, marks, corrected)
	d.Budget.Error = board.Failure("The budget", leftErr)
	topic := d.Burn.Topic
	d.Burn = screen.Burn(st, burn, marks)
	d.Burn.Topic = topic
	d.Burn.Error = board.Failure("The burn rate", burnErr)
	d.Spenders = screen.Spenders(p, st, spent)
	d.Spenders.Error = board.Failure("Who spent the budget", spentErr)
	d.Examples = screen.Examples(p, st, bad)
	d.Examples.Error = board.Failure("The bad events", badErr)
	d.Forecast = screen.Outlook(p, st, ahead)
	d.Forecast.Error = board.Failure("The forecast", aheadErr)
}

// maxEvents is how many events the history of alerts shows.
const maxEvents = 100

// events is what the rules of an objective did in its window, the newest first.
func (s *Pages) events(ctx context.Context, p view.Page, st *slo.Status) view.Plain {
	t := view.Plain{Title: "What happened", Sub: "every change of a rule, and every time that one was held back", Empty: "No rule has changed in the window.", Heads: []view.Column{
		{Label: "Time"}, {Label: "What"}, {Label: "Rule"}, {Label: "Burn", Numeric: true}, {Label: "Bad of all", Numeric: true}, {Label: "Budget left", Numeric: true}, {Label: "Why"},
	}}
	from := p.Now.Add(-st.Window.Nominal())
	if p.Range.Past {
		from = p.Range.From
	}
	to := p.Now
	if p.Range.Past {
		to = p.Range.To
	}
	list, err := s.config.Engine.Events(ctx, slo.EventFilter{Ref: st.Ref, Whole: st.Group == "", From: from, To: to, Limit: maxEvents})
	t.Error = s.config.Board.Failure("The history of alerts", err)
	for i := range list {
		t.Rows = append(t.Rows, screen.EventRow(p, &list[i]))
	}
	if len(list) == maxEvents {
		t.Sub = fmt.Sprintf("the newest %d changes", maxEvents)
	}
	return t
}

// chartPoints is how many points a chart has: more than pixels are not seen.
const chartPoints = 240

// budget returns the budget over the objective's whole window, whatever the page's range: it is what the budget is of.
func (s *Pages) budget(ctx context.Context, st *slo.Status) (slo.BudgetChart, error) {
	from, to := st.From, st.Evaluated
	if to.IsZero() {
		to = s.config.Now()
	}
	if from.IsZero() || !from.Before(to) {
		from = to.Add(-st.Window.Nominal())
	}
	if counted := time.Duration(st.Coverage * float64(to.Sub(from))); counted > 0 && counted < to.Sub(from)/4 && st.Backfill == nil {
		from = to.Add(-max(counted, time.Hour)).Truncate(10 * time.Second) // the rest would be an empty chart
	}
	return panel.Cached(ctx, s.config.Board, cacheKey("budget", st.Ref, from, to), 20*time.Second, patience, func(ctx context.Context) (slo.BudgetChart, error) {
		return s.config.Engine.Budget(ctx, st.Ref, from, to, chartPoints)
	})
}

// burn returns the burn rates over the page's range.
func (s *Pages) burn(ctx context.Context, p view.Page, st *slo.Status) (slo.BurnChart, error) {
	from, to := p.Range.From, p.Range.To
	if !p.Range.Past && !st.Evaluated.IsZero() {
		from, to = st.Evaluated.Add(-to.Sub(from)), st.Evaluated
	}
	return panel.Cached(ctx, s.config.Board, cacheKey("burn", st.Ref, from, to), 5*time.Second, patience, func(ctx context.Context) (slo.BurnChart, error) {
		return s.config.Engine.BurnChart(ctx, st.Ref, from, to, chartPoints)
	})
}

func cacheKey(what string, ref slo.Ref, from, to time.Time) string {
	return "slo " + what + " " + ref.SLO + "\x00" + ref.Objective + "\x00" + ref.Group + from.UTC().Format(" 2006-01-02T15:04:05") + to.UTC().Format(" 2006-01-02T15:04:05")
}
