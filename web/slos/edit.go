package slos

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"loadline/slo/registry"
	"loadline/slo/spec"
	"loadline/slo/spec/definition"
	"loadline/web/panel"
	"loadline/web/slos/form"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/slos/trial"
	"loadline/web/view"
)

// maxText bounds a definition that is written as text.
const maxText = 1 << 20

// An edit is what somebody has filled in, and what has become of it so far.
type edit struct {
	values   form.Values
	name     string // of the SLO that is edited; empty for a new one
	mistakes form.Mistakes
	problems []spec.Problem
	conflict string
	source   string
	slo      *spec.SLO // the definition; nil when it has mistakes
	text     string    // as it would be stored
}

// create answers the form for a new SLO.
func (s *Pages) create(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	if r.Method == http.MethodPost {
		values = r.PostForm
	}
	s.form(w, r, edit{values: form.Read(values)})
}

// edit answers the form of an SLO that there is.
func (s *Pages) edit(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	stored, ok := s.config.Engine.SLO(name)
	object, known := s.config.Engine.Registry().Object(kind, name)
	if !ok && !known {
		s.missing(w, r, name)
		return
	}
	e := edit{name: name}
	filled, expressible := form.Of(stored)
	if r.Method == http.MethodPost {
		e.values = form.Read(r.PostForm)
		e.values.Raw = e.values.Raw || !expressible
	} else {
		e.values = filled
		e.values.Raw = !expressible || r.URL.Query().Get("mode") == "text"
		e.values.Text, e.values.Revision = object.Text, strconv.FormatUint(object.Revision, 10)
	}
	e.values.Name = name
	switch {
	case strings.HasPrefix(object.Source, "file:"):
		e.source = "This SLO comes from the " + sourceOf(object.Source) + ". What you save here holds until that file changes."
	case !expressible:
		e.source = "This definition says more than the form can, so it is edited as text."
	}
	s.form(w, r, e)
}

// form checks what was filled in and shows it, with what it would have done, or stores it.
func (s *Pages) form(w http.ResponseWriter, r *http.Request, e edit) {
	known, _ := s.config.Engine.Registry().Current() // that the definition may refer to
	switch r.PostForm.Get("switch") {
	case "text":
		e.write(known)
	case "form":
		e.readText(known)
	}
	e.check(known)
	switch do := r.PostForm.Get("do"); {
	case r.Method != http.MethodPost:
	case do == "part":
		s.part(w, r, &e)
		return
	case do == "save" && e.slo != nil:
		if s.save(w, r, &e) {
			return
		}
	}
	label := "New SLO"
	if e.name != "" {
		label = "Edit"
	}
	p := s.config.Page(r, "slos", label)
	p.Live, p.Script = false, "slo.js"
	p.Crumbs = crumbs(p, view.Crumb{Label: label})
	if e.name != "" {
		p.Crumbs = crumbs(p, view.Crumb{Label: e.name, Href: p.Link(screen.Path(e.name))}, view.Crumb{Label: label})
	}
	f := s.fields(r.Context(), p, &e)
	f.Preview = s.preview(r.Context(), p, &e)
	code := http.StatusOK
	if r.PostForm.Get("do") == "save" {
		code = http.StatusUnprocessableEntity
		if e.conflict != "" {
			code = http.StatusConflict
		}
	}
	s.config.Render(w, r, code, page.FormPage(p, f))
}

// part answers the preview alone, for the script.
func (s *Pages) part(w http.ResponseWriter, r *http.Request, e *edit) {
	p := s.config.Page(r, "slos", "")
	html, err := panel.Markup(r.Context(), page.PreviewPart(s.preview(r.Context(), p, e)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(html)) // the browser went away: nobody is left to tell
}

// write turns the form into text, if it describes a definition.
func (e *edit) write(known []spec.SLO) {
	if e.check(known); e.text != "" {
		e.values.Raw, e.values.Text = true, e.text
	}
}

// readText turns text into the form, if the form can say all of it.
func (e *edit) readText(known []spec.SLO) {
	e.values.Raw = true
	if e.check(known); e.slo == nil {
		return
	}
	filled, expressible := form.Of(*e.slo)
	if !expressible {
		e.source = "The definition says more than the form can, so it stays text."
		return
	}
	filled.Author, filled.Revision = e.values.Author, e.values.Revision
	e.values = filled
}

// check makes a definition of what was filled in, or says what is wrong with it. It may refer to known ones.
func (e *edit) check(known []spec.SLO) {
	e.mistakes, e.problems, e.slo, e.text = nil, nil, nil, ""
	if e.values.Raw {
		e.checkText(known)
		return
	}
	made, mistakes := e.values.SLO()
	e.mistakes = mistakes
	if len(mistakes) > 0 {
		return
	}
	text, err := definition.Export(made, definition.Native)
	if err != nil {
		e.problems = []spec.Problem{{Severity: spec.Error, Message: err.Error()}}
		return
	}
	// What is stored is the text: what it reads as is what is tried.
	e.text = string(text)
	read, problems := definition.Read("", text, known...)
	e.problems = problems
	if !spec.Failed(problems) && len(read) == 1 {
		e.slo = &read[0]
	}
}

func (e *edit) checkText(known []spec.SLO) {
	if e.values.Text == "" {
		e.problems = []spec.Problem{{Severity: spec.Error, Message: "there is no definition", Remedy: "Write one in YAML: the short form, OpenSLO, or what Sloth or Pyrra read."}}
		return
	}
	if len(e.values.Text) > maxText {
		e.problems = []spec.Problem{{Severity: spec.Error, Message: "the text has more than 1 MiB", Remedy: "Write what does not belong together as several definitions."}}
		return
	}
	e.text = e.values.Text
	read, problems := definition.Read("", []byte(e.text), known...)
	e.problems = problems
	if spec.Failed(problems) {
		return
	}
	for i := range read {
		if e.name == "" || read[i].Name == e.name {
			e.slo = &read[i]
			return
		}
	}
	e.problems = append(e.problems, spec.Problem{Severity: spec.Error, Message: "the text does not define " + strconv.Quote(e.name), Remedy: "Keep its name, or write a new SLO."})
}

// save puts the definition in force, and reports whether it has answered.
func (s *Pages) save(w http.ResponseWriter, r *http.Request, e *edit) bool {
	revision, _ := strconv.ParseUint(e.values.Revision, 10, 64) // 0 asks for none
	report, err := s.config.Engine.Registry().Apply(r.Context(), s.config.Now(), registry.Change{
		Author: authorOf(r), Source: "ui", Text: e.text, Expected: revision, Create: e.name == "",
	})
	var conflict *registry.ConflictError
	switch {
	case errors.As(err, &conflict) && e.name == "":
		e.conflict = "There is an SLO called " + conflict.Name + " already. Choose another name, or edit that one."
	case errors.As(err, &conflict):
		e.conflict = conflictText(conflict) + "."
	case err != nil:
		s.config.Logger.Warn("SLO not stored", "slo", e.slo.Name, "err", err)
		e.problems = append(e.problems, spec.Problem{Severity: spec.Error, Message: "it could not be stored: " + err.Error()})
	case report.Refused:
		e.problems = report.Problems
	default:
		p := s.config.Page(r, "slos", "")
		http.Redirect(w, r, p.Link(screen.Path(e.slo.Name)), http.StatusSeeOther)
		return true
	}
	return false
}

// preview is what the definition would have done.
func (s *Pages) preview(ctx context.Context, p view.Page, e *edit) page.Preview {
	out := page.Preview{Title: "If you had this SLO for the last 30 days", YAML: e.text, Problems: screen.Problems(e.problems)}
	out.Hints = s.hints(ctx, e)
	if e.slo == nil {
		out.Empty = "Fill in what is missing, and see here what it would have done."
		if spec.Failed(e.problems) {
			out.Empty = "The definition has mistakes, which are named beside it."
			for _, pr := range out.Problems {
				if !pr.Warning {
					out.Empty = strings.TrimSpace(pr.Where + " " + capital(pr.Text) + " " + pr.Remedy)
					break
				}
			}
		}
		return out
	}
	v, err := s.runner.Try(ctx, e.slo, e.text, s.config.Now())
	if err != nil {
		out.Error = s.config.Board.Failure("The preview", err)
		return out
	}
	trial.Show(p, &out, e.slo, &v)
	return out
}

// hints are texts below fields: what is wrong with them, or what they come to.
func (s *Pages) hints(ctx context.Context, e *edit) []page.Hint {
	out := mistakeHints(e.mistakes)
	if e.slo == nil || e.values.Raw {
		return out
	}
	return append(out, s.fieldHints(ctx, e)...)
}
