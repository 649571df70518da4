package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"loadline/slo/spec"
	"loadline/slo/spec/definition"
	"loadline/slo/store"
)

// Change is text with definitions that somebody wants in force.
type Change struct {
	Author string
	Source string // api, ui or file:PATH
	Text   string // YAML of any format that loadline/slo/spec/definition reads
	DryRun bool   // check and report only
	// Expected is the revision that the author has seen, of the object or of all definitions: the change is refused if one of
	// its objects has a newer one. 0 asks for nothing.
	Expected uint64
	// Create refuses objects that exist.
	Create bool
}

// The actions of [Applied].
const (
	Created   = "created"
	Changed   = "changed"
	Unchanged = "unchanged"
	Deleted   = "deleted"
)

// Applied is what a change does to one object.
type Applied struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Action string `json:"action"` // created, changed, unchanged or deleted
	Diff   []Line `json:"diff,omitempty"`
}

// Report is what a change did, or would do.
type Report struct {
	Revision uint64         `json:"revision"` // of the definitions after it
	Objects  []Applied      `json:"objects"`
	SLOs     []spec.SLO     `json:"-"` // that the text defines, resolved
	Problems []spec.Problem `json:"problems,omitempty"`
	Refused  bool           `json:"refused,omitempty"` // because of an error among Problems
}

// ConflictError says that an object has another revision than the author of a change has seen.
type ConflictError struct {
	Kind, Name        string
	Expected, Current uint64 // Expected is 0 if there was to be no such object
	Author            string // of the current one
	At                time.Time
}

// Error is the conflict in a sentence.
func (e *ConflictError) Error() string {
	if e.Expected == 0 {
		return fmt.Sprintf("%s %q exists already; choose another name, or change the one that exists", e.Kind, e.Name)
	}
	return fmt.Sprintf("%s %q was changed by %q at %s, revision %d, after you read revision %d; read it again and repeat the change",
		e.Kind, e.Name, e.Author, e.At.UTC().Format(time.DateTime), e.Current, e.Expected)
}

// NotFoundError says that there is no such object.
type NotFoundError struct{ Kind, Name string }

// Error names the object.
func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no %s %q", e.Kind, e.Name) }

// attempts is how often a change is tried while other nodes change other definitions.
const attempts = 10

// Apply puts the objects of a text in force, all or none of them. A text with errors is refused: see Report.Problems; the
// error is nil then. It fails with a [*ConflictError] if somebody else was faster.
func (r *Registry) Apply(ctx context.Context, now time.Time, c Change) (Report, error) {
	file, _ := strings.CutPrefix(c.Source, fileSource)
	if file == c.Source {
		file = ""
	}
	objects, problems := definition.Parse(file, []byte(c.Text))
	problems = append(problems, twice(objects)...)
	if len(objects) == 0 && !spec.Failed(problems) {
		problems = append(problems, spec.Problem{
			Severity: spec.Error, File: file, Message: "the text defines nothing", Remedy: `begin with "slo: NAME", or with apiVersion: openslo/v1`,
		})
	}
	if spec.Failed(problems) {
		return Report{Revision: r.definitions().revision, Problems: problems, Refused: true}, nil
	}
	var edits []edit
	for _, o := range objects {
		edits = append(edits, edit{key: key{o.Kind, o.Name}, object: o, source: c.Source})
	}
	return r.change(ctx, now, request{author: c.Author, edits: edits, expected: c.Expected, create: c.Create, dryRun: c.DryRun, problems: problems})
}

// twice reports objects that a text defines more than once.
func twice(objects []definition.Object) []spec.Problem {
	var out []spec.Problem
	seen := map[key]definition.Object{}
	for _, o := range objects {
		k := key{o.Kind, o.Name}
		if first, ok := seen[k]; ok {
			out = append(out, spec.Problem{
				Severity: spec.Error, File: o.File, Line: o.Line, Column: 1, Object: k.String(),
				Message: fmt.Sprintf("%s is there twice, first in line %d of %q", k, first.Line, first.File), Remedy: "rename or remove one",
			})
		}
		seen[k] = o
	}
	return out
}

// Deletion asks that an object be no more.
type Deletion struct {
	Kind     string // empty means SLO
	Name     string
	Author   string
	Source   string
	Expected uint64 // as in [Change]
	DryRun   bool
}

// Delete takes an object out of force. It is refused, see Report.Problems, if others refer to it.
func (r *Registry) Delete(ctx context.Context, now time.Time, d Deletion) (Report, error) {
	if d.Kind == "" {
		d.Kind = "SLO"
	}
	e := edit{key: key{d.Kind, d.Name}, delete: true, source: d.Source}
	return r.change(ctx, now, request{author: d.Author, edits: []edit{e}, expected: d.Expected, dryRun: d.DryRun})
}

// request is a change of any origin.
type request struct {
	author   string
	edits    []edit
	expected uint64
	create   bool
	dryRun   bool
	problems []spec.Problem // warnings of the text
}

// change applies a request to the newest definitions.
func (r *Registry) change(ctx context.Context, now time.Time, q request) (Report, error) {
	r.write.Lock()
	defer r.write.Unlock()
	for range attempts {
		if err := r.sync(ctx); err != nil {
			return Report{}, err
		}
		base := r.definitions()
		for _, e := range q.edits {
			if err := q.conflict(base, e); err != nil {
				return Report{}, err
			}
		}
		report, needed := q.report(base)
		if report.Refused || q.dryRun || len(needed) == 0 {
			return report, nil
		}
		revision, err := r.commit(ctx, now, base, q.author, needed)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		report.Revision = revision
		return report, err
	}
	return Report{}, fmt.Errorf("apply definitions: other nodes were faster %d times; try again", attempts)
}

// conflict returns an error if somebody was faster with the object of an edit.
func (q *request) conflict(base *definitions, e edit) error {
	o, known := base.stored[e.key]
	there := known && !o.Deleted
	switch {
	case q.create && there:
		return &ConflictError{Kind: e.kind, Name: e.name, Current: o.Revision, Author: o.Author, At: o.At}
	case q.expected > 0 && known && o.Revision > q.expected:
		return &ConflictError{Kind: e.kind, Name: e.name, Expected: q.expected, Current: o.Revision, Author: o.Author, At: o.At}
	case e.delete && !there:
		return &NotFoundError{e.kind, e.name}
	}
	return nil
}

// report says what a request does to base, and returns the edits that change anything.
func (q *request) report(base *definitions) (Report, []edit) {
	after := base.edited(q.edits)
	report := Report{Revision: base.revision, Problems: slices.Concat(q.problems, after.newProblems(base))}
	report.Refused = spec.Failed(report.Problems)
	var needed []edit
	for _, e := range q.edits {
		o, known := base.stored[e.key]
		a := Applied{Kind: e.kind, Name: e.name, Action: Created}
		switch {
		case e.delete:
			a.Action = Deleted
		case known && !o.Deleted && o.Text == e.object.Text:
			a.Action = Unchanged
		case known && !o.Deleted:
			a.Action = Changed
		}
		if a.Action != Unchanged {
			needed = append(needed, e)
			before := o.Text
			if o.Deleted {
				before = ""
			}
			a.Diff = Diff(before, e.object.Text)
		}
		report.Objects = append(report.Objects, a)
		i := slices.IndexFunc(after.slos, func(s spec.SLO) bool { return e.kind == "SLO" && !e.delete && s.Name == e.name })
		if i >= 0 {
			report.SLOs = append(report.SLOs, after.slos[i])
		}
	}
	return report, needed
}

// commit stores edits as the revision after base, and publishes them.
func (r *Registry) commit(ctx context.Context, now time.Time, base *definitions, author string, edits []edit) (uint64, error) {
	objects := make([]store.Object, len(edits))
	for i, e := range edits {
		objects[i] = store.Object{
			Kind: e.kind, Name: e.name, At: now.UTC().Truncate(time.Millisecond), Author: author, Source: e.source, Text: e.object.Text, Deleted: e.delete,
		}
	}
	revision, err := r.store.Append(ctx, base.revision, objects)
	if err != nil {
		return 0, err
	}
	for i := range objects {
		objects[i].Revision = revision
	}
	r.publish(base.with(objects))
	return revision, nil
}
