package slos

import (
	"context"
	"net/http"
	"time"

	"loadline/query/indicator"
	"loadline/web/panel"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/slos/trial"
	"loadline/web/view"
)

// list answers the page of all SLOs.
func (s *Pages) list(w http.ResponseWriter, r *http.Request) {
	if s.config.Redirected(w, r) {
		return
	}
	p := s.config.Page(r, "slos", "SLOs")
	p.Crumbs = []view.Crumb{{Label: "SLOs"}}
	p.Script = "slo.js"
	all := s.config.Engine.Statuses()
	l := screen.Rows(p, all)
	l.New = p.Link("/slos/new")
	l.Table.Topic = topicOf("slos", p.Query)
	l.Problems = screen.Problems(s.config.Engine.Registry().Problems())
	if len(all) < fewSLOs {
		suggested, err := s.suggestions(r.Context())
		l.Suggestions, l.SuggestErr = trial.Suggestions(p, suggested, all), s.config.Board.Failure("Suggestions", err)
	}
	s.config.Render(w, r, http.StatusOK, page.ListPage(p, l))
}

// fewSLOs is up to how many SLOs there are suggestions: who has more knows how to write one.
const fewSLOs = 50

func (s *Pages) suggestions(ctx context.Context) ([]indicator.Suggestion, error) {
	return panel.Cached(ctx, s.config.Board, "slo suggestions", 30*time.Second, patience, s.config.Engine.Suggestions)
}
