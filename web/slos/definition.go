package slos

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"loadline/slo/registry"
	"loadline/slo/spec"
	"loadline/slo/spec/definition"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/view"
)

// kind of the objects that the pages edit.
const kind = "SLO"

// maxRevisions is how much of a definition's history is shown.
const maxRevisions = 50

// definition is the tab with an SLO as it was written, in other formats, and what it was before.
func (s *Pages) definition(ctx context.Context, p view.Page, name string) page.Definition {
	out := page.Definition{Delete: p.Link(screen.Path(name, "delete"))}
	object, ok := s.config.Engine.Registry().Object(kind, name)
	if !ok {
		return out
	}
	out.Text, out.Source, out.Revision = object.Text, "from "+sourceOf(object.Source), strconv.FormatUint(object.Revision, 10)
	format := p.Query.Get("format")
	for _, f := range []struct{ id, label string }{{"", "As written"}, {string(definition.Native), "Short form"}, {string(definition.OpenSLO), "OpenSLO"}, {string(definition.Rules), "Prometheus rules"}} {
		out.Formats = append(out.Formats, view.Choice{Label: f.label, Href: p.With("format", f.id), Current: f.id == format})
	}
	if format != "" {
		if slo, ok := s.config.Engine.SLO(name); ok {
			text, err := definition.Export(slo, definition.Format(format))
			if err != nil {
				out.Problems = append(out.Problems, page.Problem{Text: capital(err.Error())})
			}
			out.Text = string(text)
		}
	}
	history, err := s.config.Engine.Registry().History(ctx, kind, name, maxRevisions)
	out.Error = s.config.Board.Failure("The history", err)
	chosen := p.Query.Get("revision")
	for i := range history {
		r := &history[i]
		number := strconv.FormatUint(r.Revision, 10)
		out.Revisions = append(out.Revisions, page.Revision{
			Number: number, At: screen.Moment(p, r.At), Author: r.Author, Source: sourceOf(r.Source), Href: p.With("revision", number, "format", ""),
			Current: i == 0, Deleted: r.Deleted,
		})
		if number == chosen {
			out.Text, out.Source = r.Text, "revision "+number
			out.Diff, out.DiffTitle = diff(r.Diff()), "What revision "+number+" changed"
		}
	}
	return out
}

// sourceOf says in words where a definition comes from.
func sourceOf(source string) string {
	switch file, ok := strings.CutPrefix(source, "file:"); {
	case ok:
		return "file " + file
	case source == "ui":
		return "the dashboard"
	case source == "api":
		return "the API"
	}
	return source
}

func diff(lines []registry.Line) []page.DiffLine {
	var out []page.DiffLine
	for _, l := range lines {
		d := page.DiffLine{Op: l.Op, Text: l.Text}
		switch l.Op {
		case "+":
			d.Class = "add"
		case "-":
			d.Op, d.Class = "−", "del"
		}
		out = append(out, d)
	}
	return out
}

// remove deletes an SLO.
func (s *Pages) remove(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	p := s.config.Page(r, "slos", name)
	revision, _ := strconv.ParseUint(r.PostForm.Get("revision"), 10, 64) // 0 asks for none
	report, err := s.config.Engine.Registry().Delete(r.Context(), s.config.Now(), registry.Deletion{Name: name, Author: authorOf(r), Source: "ui", Expected: revision})
	if err == nil && report.Refused {
		err = firstError(report.Problems)
	}
	if err != nil {
		s.refuse(w, r, "The SLO was not deleted", err, p.Link(screen.Path(name), "tab", "definition"))
		return
	}
	http.Redirect(w, r, p.Link("/slos"), http.StatusSeeOther)
}

// firstError is the first problem that is no warning.
func firstError(list []spec.Problem) error {
	for _, p := range list {
		if p.Severity == spec.Error {
			return p
		}
	}
	return nil
}
