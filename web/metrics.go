package web

import (
	"net/http"

	"loadline/web/view"
)

// metrics answers the page of metrics.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if s.redirected(w, r) {
		return
	}
	p := s.page(r, "metrics", "Metrics")
	p.Crumbs = []view.Crumb{{Label: "Metrics"}}
	p.Script = "explorer.js"
	s.render(w, r, http.StatusOK, view.ExplorerPage(p, s.config.Metrics.Page(r.Context(), p)))
}
