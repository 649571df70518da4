// Package registry holds the definitions of SLOs that are in force. They come from files, the API and pages; the last
// writer wins, and every revision is kept.
package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"loadline/slo/spec"
	"loadline/slo/store"
)

// Config says where definitions are besides the database.
type Config struct {
	Path string        // file or directory of YAML files; empty means none
	Poll time.Duration // how often files and the database are looked at; 0 means 5 s
}

// defaultPoll is how soon a change on another node or of a file is seen.
const defaultPoll = 5 * time.Second

// Registry is the definitions in force. It is safe for concurrent use.
type Registry struct {
	store *store.Store
	cfg   Config

	write sync.Mutex // held while definitions are changed
	files files      // under write

	mu      sync.Mutex // of the rest
	current *definitions
	wrong   []spec.Problem // with files
	failure error          // of the last load by Run
	changed chan struct{}
}

// New returns a registry that knows nothing until [Registry.Load] or [Registry.Run].
func New(st *store.Store, cfg Config) *Registry {
	if cfg.Poll <= 0 {
		cfg.Poll = defaultPoll
	}
	return &Registry{store: st, cfg: cfg, current: newDefinitions(), changed: make(chan struct{})}
}

// Load reads the database, then applies files that have changed. What is wrong with files is among Problems, not an error.
func (r *Registry) Load(ctx context.Context, now time.Time) error {
	r.write.Lock()
	defer r.write.Unlock()
	if err := r.sync(ctx); err != nil {
		return err
	}
	if r.cfg.Path == "" {
		return nil
	}
	problems, err := r.loadFiles(ctx, now)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.wrong = problems
	r.mu.Unlock()
	return nil
}

// Run loads again and again until ctx is done. What fails is among Problems until it works.
func (r *Registry) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.cfg.Poll)
	defer ticker.Stop()
	for {
		err := r.Load(ctx, time.Now())
		if ctx.Err() != nil {
			return nil
		}
		r.mu.Lock()
		r.failure = err
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// sync takes in what this and other nodes have stored.
func (r *Registry) sync(ctx context.Context) error {
	base := r.definitions()
	objects, err := r.store.Newest(ctx, base.revision)
	if err != nil {
		return fmt.Errorf("read definitions: %w", err)
	}
	if len(objects) > 0 {
		r.publish(base.with(objects))
	}
	return nil
}

func (r *Registry) definitions() *definitions {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

func (r *Registry) publish(d *definitions) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = d
	close(r.changed)
	r.changed = make(chan struct{})
}

// Current returns the SLOs in force, by name, and the revision of the definitions. The caller changes nothing in them.
func (r *Registry) Current() ([]spec.SLO, uint64) {
	d := r.definitions()
	return d.slos, d.revision
}

// SLO returns an SLO in force.
func (r *Registry) SLO(name string) (spec.SLO, bool) {
	slos := r.definitions().slos
	i, found := slices.BinarySearchFunc(slos, name, func(s spec.SLO, name string) int { return strings.Compare(s.Name, name) })
	if !found {
		return spec.SLO{}, false
	}
	return slos[i], true
}

// Object returns an object in force as it was written.
func (r *Registry) Object(kind, name string) (store.Object, bool) {
	o, found := r.definitions().stored[key{kind, name}]
	return o, found && !o.Deleted
}

// Objects returns all objects in force as they were written, by kind and name.
func (r *Registry) Objects() []store.Object {
	d := r.definitions()
	var out []store.Object
	for _, k := range d.keys() {
		out = append(out, d.stored[k])
	}
	return out
}

// Revision is a revision of an object.
type Revision struct {
	store.Object
	before string // the text of the revision before
}

// Diff works out what the revision changed, which may take tens of milliseconds for long texts.
func (r *Revision) Diff() []Line { return Diff(r.before, r.Text) }

// History returns up to limit revisions of an object, the newest first.
func (r *Registry) History(ctx context.Context, kind, name string, limit int) ([]Revision, error) {
	objects, err := r.store.History(ctx, kind, name, limit+1)
	if err != nil {
		return nil, fmt.Errorf("read history of %s %q: %w", kind, name, err)
	}
	var out []Revision
	for i, o := range objects[:min(len(objects), limit)] {
		revision := Revision{Object: o}
		if i+1 < len(objects) {
			revision.before = objects[i+1].Text
		}
		out = append(out, revision)
	}
	return out, nil
}

// Problems returns what is wrong with files, and with definitions in force, since the last load.
func (r *Registry) Problems() []spec.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Concat(r.wrong, r.current.problems)
	if r.failure != nil {
		out = append(out, spec.Problem{
			Severity: spec.Error, Message: r.failure.Error(), Remedy: "the definitions from before stay in force until it works again",
		})
	}
	return out
}

// Changed returns a channel that is closed when the definitions in force change. Ask for it before reading them.
func (r *Registry) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}
