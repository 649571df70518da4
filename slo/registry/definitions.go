package registry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"loadline/slo/spec"
	"loadline/slo/spec/definition"
	"loadline/slo/store"
)

// key names an object.
type key struct{ kind, name string }

func (k key) String() string { return fmt.Sprintf("%s %q", k.kind, k.name) }

// definitions are all definitions at a revision. They do not change once they are published.
type definitions struct {
	revision uint64
	stored   map[key]store.Object // the newest revision of each object, deleted ones too
	parsed   map[key]definition.Object
	slos     []spec.SLO
	problems []spec.Problem
	broken   map[key][]spec.Problem // of what cannot be read, such as what a newer program has stored
}

func newDefinitions() *definitions {
	return &definitions{stored: map[key]store.Object{}, parsed: map[key]definition.Object{}, broken: map[key][]spec.Problem{}}
}

// keys returns the keys of what is in force, in order.
func (d *definitions) keys() []key {
	return slices.DeleteFunc(sorted(d.stored), func(k key) bool { return d.stored[k].Deleted })
}

// sorted returns the keys of a map in order.
func sorted[V any](m map[key]V) []key {
	return slices.SortedFunc(maps.Keys(m), func(a, b key) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	})
}

func (d *definitions) clone() *definitions {
	return &definitions{revision: d.revision, stored: maps.Clone(d.stored), parsed: maps.Clone(d.parsed), broken: maps.Clone(d.broken)}
}

// with returns the definitions with newer revisions of some objects.
func (d *definitions) with(objects []store.Object) *definitions {
	out := d.clone()
	for _, o := range objects {
		k := key{o.Kind, o.Name}
		out.revision = max(out.revision, o.Revision)
		out.stored[k] = o
		delete(out.parsed, k)
		delete(out.broken, k)
		if o.Deleted {
			continue
		}
		read, problems := definition.Parse(place(o), []byte(o.Text))
		if len(read) != 1 || read[0].Kind != o.Kind || read[0].Name != o.Name {
			out.broken[k] = append(problems, spec.Problem{
				Severity: spec.Error, Object: k.String(), Message: fmt.Sprintf("revision %d cannot be read as this object", o.Revision),
				Remedy: "apply it again",
			})
			continue
		}
		out.parsed[k] = read[0]
	}
	out.resolve()
	return out
}

// place is what problems of a stored object call its file.
func place(o store.Object) string {
	if path, ok := strings.CutPrefix(o.Source, fileSource); ok {
		return path
	}
	return o.Kind + "/" + o.Name
}

// edit is an object that is to be in force, or no more.
type edit struct {
	key
	object definition.Object // what it becomes
	delete bool
	source string
}

// edited returns the definitions as they would be, for their problems.
func (d *definitions) edited(edits []edit) *definitions {
	out := d.clone()
	for _, e := range edits {
		delete(out.parsed, e.key)
		delete(out.broken, e.key)
		if !e.delete {
			out.parsed[e.key] = e.object
		}
	}
	out.resolve()
	return out
}

// resolve works out the SLOs and problems.
func (d *definitions) resolve() {
	keys := sorted(d.parsed)
	objects := make([]definition.Object, len(keys))
	for i, k := range keys {
		objects[i] = d.parsed[k]
	}
	d.slos, d.problems = definition.Resolve(objects)
	for _, k := range sorted(d.broken) {
		d.problems = append(d.problems, d.broken[k]...)
	}
}

// newProblems returns the problems that d has and base does not.
func (d *definitions) newProblems(base *definitions) []spec.Problem {
	type what struct{ object, field, message string }
	known := map[what]bool{}
	for _, p := range base.problems {
		known[what{p.Object, p.Field, p.Message}] = true
	}
	var out []spec.Problem
	for _, p := range d.problems {
		if !known[what{p.Object, p.Field, p.Message}] {
			out = append(out, p)
		}
	}
	return out
}
