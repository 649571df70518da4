package sloapi

import (
	"fmt"
	"net/http"
	"slices"

	"loadline/slo"
	"loadline/slo/registry"
	"loadline/slo/spec"
	"loadline/slo/spec/definition"
	"loadline/web/sloapi/wire"
)

// object is the kind of object that the API reads and writes one by one. Others come along in what is applied.
const object = "SLO"

// source is what revisions that come this way say of themselves.
const source = "api"

// list answers with every objective, or with all definitions as YAML.
func (a *API) list(w http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	if q.Has("format") {
		all, _ := a.cfg.Engine.Registry().Current()
		return nil, export(w, "slos", definition.Format(q.Get("format")), all...)
	}
	keep := func(name, value string) bool { return !q.Has(name) || q.Get(name) == value }
	list := slices.DeleteFunc(a.cfg.Engine.Statuses(), func(s slo.Status) bool {
		return !keep("service", s.Service) || !keep("owner", s.Owner) || !keep("health", string(s.Health))
	})
	return wire.ObjectivesOf(list), nil
}

// export answers with definitions as YAML documents.
func export(w http.ResponseWriter, name string, format definition.Format, all ...spec.SLO) error {
	if !slices.Contains([]definition.Format{definition.Native, definition.OpenSLO, definition.Rules}, format) {
		return invalid("parameter \"format\": cannot use %q: want %s, %s or %s", format, definition.Native, definition.OpenSLO, definition.Rules)
	}
	var text []byte
	for _, s := range all {
		one, err := definition.Export(s, format)
		if err != nil {
			return invalid("export SLO %q as %s: %w", s.Name, format, err)
		}
		if len(text) > 0 {
			text = append(text, "---\n"...)
		}
		text = append(text, one...)
	}
	document(w, "application/yaml", name+".yaml", text)
	return nil
}

// change reads a change of definitions.
func change(w http.ResponseWriter, r *http.Request) (c registry.Change, err error) {
	if c.Text, err = body(w, r); err != nil {
		return c, err
	}
	if c.DryRun, err = flag(r, "dry_run"); err != nil {
		return c, err
	}
	if c.Create, err = flag(r, "create"); err != nil {
		return c, err
	}
	c.Expected, err = revision(r)
	c.Author, c.Source = author(r), source
	return c, err
}

// apply puts definitions in force, all or none of them.
func (a *API) apply(w http.ResponseWriter, r *http.Request) (any, error) {
	c, err := change(w, r)
	if err != nil {
		return nil, err
	}
	return a.enforce(r, c)
}

func (a *API) enforce(r *http.Request, c registry.Change) (any, error) {
	report, err := a.cfg.Engine.Registry().Apply(r.Context(), a.cfg.Now(), c)
	switch {
	case err != nil:
		return nil, err
	case report.Refused:
		return nil, refused(report.Problems)
	case len(report.Objects) == 0:
		return nil, invalid("the text defines nothing")
	}
	return wire.Applied{Report: report, Promises: promises(report.SLOs)}, nil
}

// promises are objectives as sentences.
func promises(all []spec.SLO) []string {
	out := []string{}
	for i := range all {
		for j := range all[i].Objectives {
			out = append(out, spec.Promise(&all[i], &all[i].Objectives[j]))
		}
	}
	return out
}

// validate looks at definitions as apply would, next to those that are in force.
func (a *API) validate(w http.ResponseWriter, r *http.Request) (any, error) {
	text, err := body(w, r)
	if err != nil {
		return nil, err
	}
	report, err := a.cfg.Engine.Registry().Apply(r.Context(), a.cfg.Now(), registry.Change{Author: author(r), Source: source, Text: text, DryRun: true})
	if err != nil {
		return nil, err
	}
	out := wire.Checked{Valid: !report.Refused, SLOs: []string{}, Promises: promises(report.SLOs), Problems: report.Problems}
	for _, s := range report.SLOs {
		out.SLOs = append(out.SLOs, s.Name)
	}
	if out.Problems == nil {
		out.Problems = []spec.Problem{}
	}
	return out, nil
}

// get answers with an SLO as it is defined, and how it does.
func (a *API) get(w http.ResponseWriter, r *http.Request) (any, error) {
	s, err := a.find(r)
	if err != nil {
		return nil, err
	}
	if q := r.URL.Query(); q.Has("format") {
		return nil, export(w, s.Name, definition.Format(q.Get("format")), s)
	}
	out := wire.Definition{Name: s.Name, Objectives: a.objectives(s)}
	if o, ok := a.cfg.Engine.Registry().Object(object, s.Name); ok {
		out.Revision, out.At, out.Author, out.Source, out.Text = o.Revision, o.At, o.Author, o.Source, o.Text
		w.Header().Set("ETag", etag(o.Revision))
	}
	return out, nil
}

// objectives are those of an SLO, as far as they were evaluated.
func (a *API) objectives(s spec.SLO) []wire.Objective {
	out := []wire.Objective{}
	for i := range s.Objectives {
		if status, ok := a.cfg.Engine.Status(slo.Ref{SLO: s.Name, Objective: s.Objectives[i].Name}); ok {
			out = append(out, wire.ObjectiveOf(&status))
		}
	}
	return out
}

// put replaces one SLO, or makes it.
func (a *API) put(w http.ResponseWriter, r *http.Request) (any, error) {
	c, err := change(w, r)
	if err != nil {
		return nil, err
	}
	objects, problems := definition.Parse("", []byte(c.Text))
	if spec.Failed(problems) {
		return nil, refused(problems)
	}
	name := r.PathValue("name")
	if len(objects) != 1 || objects[0].Kind != object || objects[0].Name != name {
		return nil, invalid("the text has to define SLO %q and nothing else: POST %s takes several objects", name, prefix)
	}
	return a.enforce(r, c)
}

// remove takes an SLO out of force.
func (a *API) remove(_ http.ResponseWriter, r *http.Request) (any, error) {
	d := registry.Deletion{Kind: object, Name: r.PathValue("name"), Author: author(r), Source: source}
	var err error
	if d.DryRun, err = flag(r, "dry_run"); err != nil {
		return nil, err
	}
	if d.Expected, err = revision(r); err != nil {
		return nil, err
	}
	report, err := a.cfg.Engine.Registry().Delete(r.Context(), a.cfg.Now(), d)
	switch {
	case err != nil:
		return nil, err
	case report.Refused:
		return nil, refused(report.Problems)
	}
	return wire.Applied{Report: report}, nil
}

// maxRevisions is how many revisions a request may ask for: each is compared with the one before.
const maxRevisions = 100

// history answers with the revisions of an SLO, deleted ones too.
func (a *API) history(_ http.ResponseWriter, r *http.Request) (any, error) {
	limit, err := number(r, "limit", 1, maxRevisions, 50)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	list, err := a.cfg.Engine.Registry().History(r.Context(), object, name, limit)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &failure{kind: notFound, err: fmt.Errorf("there never was an SLO %q", name)}
	}
	return wire.RevisionsOf(r.Context(), list)
}
