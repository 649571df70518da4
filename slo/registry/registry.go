// Package registry holds the definitions of SLOs that are in force. They come from files, the API and pages; the last
// writer wins, and every revision is kept.
package registry

import (
	"context"
	"time"

	"loadline/slo/spec"
	"loadline/slo/store"
)

// Config says where definitions are besides the database.
type Config struct {
	Path string        // file or directory of YAML files; empty means none
	Poll time.Duration // how often files and the database are looked at; 0 means 5 s
}

// Registry is the definitions in force. It is safe for concurrent use.
type Registry struct {
	store *store.Store
	cfg   Config
}

// New returns a registry that knows nothing until [Registry.Load] or [Registry.Run].
func New(st *store.Store, cfg Config) *Registry { return &Registry{store: st, cfg: cfg} }

// Load reads the database, then applies files that have changed. What is wrong with files is among Problems, not an error.
func (r *Registry) Load(ctx context.Context, now time.Time) error { return nil }

// Run loads again and again until ctx is done. What fails is among Problems until it works.
func (r *Registry) Run(ctx context.Context) error { return nil }

// Change is text with definitions that somebody wants in force.
type Change struct {
	Author string
	Source string // api, ui or file:PATH
	Text   string // YAML of any format that loadline/slo/spec/definition reads
	DryRun bool   // check and report only
	// Expected is the revision that the author has edited: the change is refused if one of its objects has another one. 0
	// means that the author has seen none, and asks for nothing.
	Expected uint64
	// Create refuses objects that exist.
	Create bool
}

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
	Expected, Current uint64
	Author            string // of the current one
	At                time.Time
}

// Error is the conflict in a sentence.
func (e *ConflictError) Error() string { return "" }

// NotFoundError says that there is no such object.
type NotFoundError struct{ Kind, Name string }

// Error names the object.
func (e *NotFoundError) Error() string { return "" }

// Apply puts the objects of a text in force, all or none of them. A text with errors is refused: see Report.Problems; the
// error is nil then. It fails with a [*ConflictError] if somebody else was faster.
func (r *Registry) Apply(ctx context.Context, now time.Time, c Change) (Report, error) {
	return Report{}, nil
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
	return Report{}, nil
}

// Current returns the SLOs in force, by name, and the revision of the definitions. The caller changes nothing in them.
func (r *Registry) Current() ([]spec.SLO, uint64) { return nil, 0 }

// SLO returns an SLO in force.
func (r *Registry) SLO(name string) (spec.SLO, bool) { return spec.SLO{}, false }

// Object returns an object in force as it was written.
func (r *Registry) Object(kind, name string) (store.Object, bool) { return store.Object{}, false }

// Objects returns all objects in force as they were written, by kind and name.
func (r *Registry) Objects() []store.Object { return nil }

// Revision is a revision of an object and what it changed.
type Revision struct {
	store.Object
	Diff []Line // to the revision before
}

// History returns up to limit revisions of an object, the newest first.
func (r *Registry) History(ctx context.Context, kind, name string, limit int) ([]Revision, error) {
	return nil, nil
}

// Problems returns what is wrong with files, and with definitions in force, since the last load.
func (r *Registry) Problems() []spec.Problem { return nil }

// Changed returns a channel that is closed when the definitions in force change. Ask for it before reading them.
func (r *Registry) Changed() <-chan struct{} { return nil }
