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

// maxExpression bounds the form with an expression that an editor sends.
const maxExpression = 1 << 20

// checkExpression tells the editor what is wrong with an expression. Unlike the API it answers a wrong one with status
// 200, since browsers note every other as a failure of the page.
func (s *Server) checkExpression(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxExpression)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	s.writeJSON(w, r, s.config.Metrics.Check(r.PostForm.Get("q")))
}
