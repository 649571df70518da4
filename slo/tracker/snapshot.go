package tracker

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"loadline/slo/ring"
	"loadline/slo/rule"
)

// snapshotVersion changes with what a snapshot means.
const snapshotVersion = 1

// ErrOther says that a snapshot is of another version.
var ErrOther = errors.New("snapshot is of another version")

// header is what a snapshot begins with. The sets of its classes follow, in their order.
type header struct {
	Version   int
	Now       int64
	Clock     map[uint64]uint64
	Classes   []string
	Instances []instanceHeader
}

type instanceHeader struct {
	Ref    Ref
	Counts uint64 // what its counts depend on
	Rule   uint64
	Class  string
	Number int
	Reload bool // its slices can still change, and those are not in the set
	States []rule.State
}

// Snapshot writes all counts and states, and with them the batches that are in the counts.
func (t *Tracker) Snapshot(to io.Writer, clock map[uint64]uint64) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	h := header{Version: snapshotVersion, Now: t.now, Clock: clock, Classes: slices.Sorted(maps.Keys(t.classes))}
	for _, name := range h.Classes {
		for _, i := range t.classes[name].used {
			if i == nil {
				continue
			}
			h.Instances = append(h.Instances, instanceHeader{
				Ref: i.ref, Counts: i.of.countKey(), Rule: i.of.rule.Hash(), Class: name, Number: i.number,
				Reload: i.loading || i.of.sliced(), States: i.states,
			})
		}
	}
	out := bufio.NewWriterSize(to, 1<<20)
	if err := gob.NewEncoder(out).Encode(h); err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	for _, name := range h.Classes {
		if err := t.classes[name].set.Snapshot(out); err != nil {
			return fmt.Errorf("write counts: %w", err)
		}
	}
	return out.Flush()
}

// Restore makes a tracker of a snapshot and the definitions of today. Objectives that the snapshot does not have, or that
// count something else by now, are returned as from Define.
func Restore(from io.Reader, defs []Definition) (t *Tracker, clock map[uint64]uint64, load []Ref, err error) {
	in := bufio.NewReaderSize(from, 1<<20)
	var h header
	if err := gob.NewDecoder(in).Decode(&h); err != nil {
		return nil, nil, nil, fmt.Errorf("read header: %w", err)
	}
	if h.Version != snapshotVersion {
		return nil, nil, nil, ErrOther
	}
	t = New(h.Now)
	t.restoring = true
	t.Define(defs)
	for _, name := range h.Classes {
		c := t.classes[name]
		if c == nil {
			return nil, nil, nil, fmt.Errorf("windows %s: %w", name, errNoClass)
		}
		set, err := ring.Restore(in, c.config)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("read counts: %w", err)
		}
		c.set = set
	}
	t.take(h)
	for ref, o := range t.objectives {
		if o.whole.loading {
			load = append(load, ref)
		}
	}
	return t, h.Clock, load, nil
}

// errNoClass says that no objective has the windows of a part of the snapshot, which cannot be skipped without them.
var errNoClass = errors.New("no objective has them any more")

// take gives the objectives the instances of the snapshot's sets, and removes what nobody has any more.
func (t *Tracker) take(h header) {
	t.restoring = false
	for _, was := range h.Instances {
		i := t.restored(was)
		if i == nil {
			t.classes[was.Class].set.Remove(was.Number)
			continue
		}
		i.take(was.Number)
		i.loading = false
		if was.Rule == i.of.rule.Hash() {
			i.states = i.of.rule.States(was.States...)
		}
		i.of.class.set.SetFrom(i.number, i.of.From)
	}
	for _, o := range t.objectives {
		for _, i := range o.instances() {
			if i.number == noNumber {
				i.take(o.class.set.Add(o.From))
			}
		}
	}
	t.link()
}

// restored is the instance that a part of a snapshot is for; nil if there is none any more.
func (t *Tracker) restored(was instanceHeader) *instance {
	o := t.objectives[was.Ref.whole()]
	switch {
	case o == nil || was.Reload || o.name != was.Class || o.countKey() != was.Counts:
		return nil
	case was.Ref.Group == "":
		return o.whole
	case !o.grouped():
		return nil
	}
	o.groups[was.Ref.Group] = &instance{of: o, ref: was.Ref, states: o.rule.States()}
	return o.groups[was.Ref.Group]
}
