package web

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/a-h/templ"

	"loadline/web/view"
)

// policy is the Content-Security-Policy of every page. Nothing inline runs, and text becomes markup only through the
// script's one trusted type.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types loadline"

// render writes a page. It is rendered as a whole first, so that an error is an error and not half a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, code int, c templ.Component) {
	var b bytes.Buffer
	if err := c.Render(r.Context(), &b); err != nil {
		if r.Context().Err() != nil {
			return // the browser went away
		}
		s.config.Logger.Error("page failed", "path", r.URL.Path, "err", err)
		http.Error(w, "the page could not be rendered; the server's log says why", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Speculation-Rules", `"`+s.assets.URL("speculation.json")+`"`)
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // the browser went away: nobody is left to tell
}

// writeJSON answers with JSON.
func (s *Server) writeJSON(w http.ResponseWriter, r *http.Request, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.config.Logger.Error("answer failed", "path", r.URL.Path, "err", err)
		http.Error(w, "the answer could not be encoded; the server's log says why", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache")
	_, _ = w.Write(b)
}

// message shows a page that only says something.
func (s *Server) message(w http.ResponseWriter, r *http.Request, code int, m view.Message) {
	p := s.page(r, "", m.Title)
	p.Live = false
	s.render(w, r, code, view.MessagePage(p, m))
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	p := s.page(r, "", "Not found")
	s.message(w, r, http.StatusNotFound, view.Message{
		Title:   "There is no such page",
		Text:    "Nothing is at " + r.URL.Path + ".",
		Actions: []view.Choice{{Label: "Overview", Href: p.Link("/")}, {Label: "Traces", Href: p.Link("/traces")}},
	})
}
