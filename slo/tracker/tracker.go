// Package tracker keeps the windows and rules of all objectives in memory and moves them through event time. What is
// counted comes in as deltas of slots, in any order; what the rules did comes out. It does no input or output, and has no
// clock.
package tracker

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"loadline/internal/sli"
	"loadline/slo/ring"
	"loadline/slo/rule"
	"loadline/slo/spec"
)

// Ref names an objective, or one group of it.
type Ref struct {
	SLO       string `json:"slo"`
	Objective string `json:"objective"`
	Group     string `json:"group,omitempty"` // empty for all events
}

// Interval is a stretch of time, [From, To) in Unix seconds.
type Interval struct{ From, To int64 }

// Definition is an objective with what it is counted by.
type Definition struct {
	SLO       *spec.SLO
	Objective *spec.Objective
	Indicator uint64     // 0 for composites
	From      int64      // events are counted from here on
	Excluded  []Interval // do not count
}

// Event is what a rule did.
type Event struct {
	Ref
	rule.Change
}

// Tracker is all objectives at one moment of event time. It is safe for concurrent use.
type Tracker struct {
	mu         sync.RWMutex
	now        int64
	classes    map[string]*class
	objectives map[Ref]*objective      // by Ref without group
	feeds      map[feed][]*instance    // who is fed by the counts of an indicator and group
	byCount    map[uint64][]*objective // by indicator
	members    map[uint64][]membership // by indicator
	restoring  bool                    // instances get their numbers from a snapshot
}

// feed is counts that instances read.
type feed struct {
	indicator uint64
	group     string
}

// membership is an objective that a composite is made of.
type membership struct {
	composite *instance
	number    int // among the composite's members
	of        *objective
}

// class is the instances that have the same windows.
type class struct {
	config ring.Config
	set    *ring.Set
	used   []*instance // by number in set; nil where free
}

// objective is a Definition at work.
type objective struct {
	Definition
	ref    Ref
	rule   *rule.Rule
	class  *class
	name   string // of the class
	counts string // what has to be the same for counts to be kept
	whole  *instance
	groups map[string]*instance
	stale  bool // something came that is too late for its slices
}

// instance is an objective or one group of it.
type instance struct {
	of      *objective
	ref     Ref
	number  int // in the class's set
	states  []rule.State
	loading bool // the past comes first

	// Those that count slices of time have one of these.
	slicer   *ring.Slicer
	composer *composer
}

// New returns a tracker without objectives at a moment, which is the end of a slot.
func New(now int64) *Tracker {
	return &Tracker{
		now: align(now), classes: map[string]*class{}, objectives: map[Ref]*objective{}, feeds: map[feed][]*instance{},
		byCount: map[uint64][]*objective{}, members: map[uint64][]membership{},
	}
}

// slot is the length of a slot in seconds.
const slot = int64(sli.Slot / time.Second)

func align(t int64) int64 { return t / slot * slot }

// Now is the end of the newest slot that is in the numbers.
func (t *Tracker) Now() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.now
}

// Define makes the objectives those of defs, whose names are unique and whose composites' members are among them. What
// counts the same as before keeps its counts, what judges the same its states. It returns the instances whose past has to
// be loaded: they take nothing in before Loaded.
func (t *Tracker) Define(defs []Definition) (load []Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.objectives
	t.objectives = make(map[Ref]*objective, len(defs))
	compiled := make(map[Ref]*objective, len(defs))
	for _, d := range defs {
		o := t.compile(d)
		compiled[o.ref] = o
	}
	for _, o := range compiled {
		t.composed(o, compiled)
		if before := old[o.ref]; before != nil && before.counts == o.counts {
			t.adopt(o, before)
			delete(old, o.ref)
		} else {
			o.whole = t.newInstance(o, "")
		}
		t.objectives[o.ref] = o
	}
	for _, o := range old {
		t.remove(o)
	}
	t.link()
	for _, o := range t.objectives {
		if o.whole.loading {
			load = append(load, o.ref)
		}
	}
	return load
}

func (t *Tracker) compile(d Definition) *objective {
	o := &objective{Definition: d, ref: Ref{SLO: d.SLO.Name, Objective: d.Objective.Name}, groups: map[string]*instance{}}
	o.rule = rule.Compile(d.Objective.Target, d.Objective.Window, d.Objective.Method, d.Objective.Policy)
	windows := append(o.rule.Windows(), time.Hour)
	if d.Objective.Window.Rolling() {
		windows = append(windows, d.Objective.Window.Length)
	}
	slices.Sort(windows)
	windows = slices.Compact(windows)
	name := fmt.Sprint(windows)
	if c := d.Objective.Window.Calendar; c != nil {
		name += fmt.Sprint(c.Start.Unix(), c.Zone, c.N, c.Unit)
	}
	o.name, o.class = name, t.classes[name]
	if o.class == nil {
		config := ring.Config{Windows: windows, Calendar: d.Objective.Window.Calendar, Now: t.now}
		o.class = &class{config: config, set: ring.New(config)}
		t.classes[name] = o.class
	}
	o.counts = fmt.Sprint(d.Indicator, "|", name, "|", d.Objective.Method, d.Objective.Slices, d.Excluded)
	return o
}

// composed adds to what a composite's counts depend on what its members count.
func (t *Tracker) composed(o *objective, all map[Ref]*objective) {
	c := o.Objective.Indicator.Composite
	if c == nil {
		return
	}
	o.counts += fmt.Sprint(*c)
	for _, m := range c.Members {
		if member := memberOf(all, m); member != nil {
			o.counts += fmt.Sprint("|", member.Indicator, member.Objective.Target, member.Excluded)
		}
	}
}

// adopt gives a new definition the instances of the old one.
func (t *Tracker) adopt(o, before *objective) {
	o.whole, o.groups = before.whole, before.groups
	o.stale = before.stale || o.sliced() && o.From != before.From
	judged := o.rule.Hash() == before.rule.Hash()
	for _, i := range o.instances() {
		i.of = o
		o.class.set.SetFrom(i.number, o.From)
		if !judged {
			i.states = o.rule.States(i.states...) // an alert goes on under another policy if its tier does
		}
	}
}

func (o *objective) instances() []*instance {
	all := []*instance{o.whole}
	for _, i := range o.groups {
		all = append(all, i)
	}
	return all
}

func (t *Tracker) newInstance(o *objective, group string) *instance {
	i := &instance{of: o, ref: o.ref, number: noNumber, states: o.rule.States(), loading: true}
	i.ref.Group = group
	switch {
	case o.Objective.Indicator.Composite != nil:
		i.composer = newComposer(o.Objective, t.now)
	case o.sliced():
		i.slicer = t.newSlicer(i, t.now)
	}
	if !t.restoring {
		i.take(o.class.set.Add(o.From))
	}
	return i
}

// noNumber is that of an instance that is in no set yet.
const noNumber = -1

// take gives the instance a number of its class's set.
func (i *instance) take(number int) {
	c := i.of.class
	i.number = number
	c.used = append(c.used, make([]*instance, max(number+1-len(c.used), 0))...)
	c.used[number] = i
}

func (t *Tracker) remove(o *objective) {
	for _, i := range o.instances() {
		o.class.set.Remove(i.number)
		o.class.used[i.number] = nil
	}
}

// link finds out who is fed by what.
func (t *Tracker) link() {
	clear(t.feeds)
	clear(t.members)
	clear(t.byCount)
	for _, o := range t.objectives {
		if c := o.Objective.Indicator.Composite; c != nil {
			for n, m := range c.Members {
				target := t.member(m)
				if target == nil {
					continue // its definition has a problem, which the registry tells
				}
				o.whole.composer.targets[n] = target.Objective.Target
				t.members[target.Indicator] = append(t.members[target.Indicator], membership{o.whole, n, target})
			}
			continue
		}
		t.byCount[o.Indicator] = append(t.byCount[o.Indicator], o)
		for _, i := range o.instances() {
			key := feed{o.Indicator, i.ref.Group}
			t.feeds[key] = append(t.feeds[key], i)
		}
	}
	for name, c := range t.classes {
		if c.set.Len() == 0 && !t.restoring {
			delete(t.classes, name)
		}
	}
}

// member finds the objective that a member of a composite means.
func (t *Tracker) member(m spec.Member) *objective { return memberOf(t.objectives, m) }

func memberOf(all map[Ref]*objective, m spec.Member) *objective {
	if m.Objective != "" {
		return all[Ref{SLO: m.SLO, Objective: m.Objective}]
	}
	for ref, o := range all {
		if ref.SLO == m.SLO {
			return all[Ref{SLO: m.SLO, Objective: o.SLO.Objectives[0].Name}]
		}
	}
	return nil
}

// Put adds counts to the slot that holds second start of everything that reads an indicator and group.
func (t *Tracker) Put(indicator uint64, group string, start, bad, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(indicator, group, start, bad, total)
}

func (t *Tracker) put(indicator uint64, group string, start, bad, total int64) {
	key := feed{indicator, group}
	readers, known := t.feeds[key]
	if !known && group != "" {
		readers = t.addGroup(key)
	}
	for _, i := range readers {
		if !i.loading && !i.of.excludes(start) {
			t.enter(i, start, bad, total)
		}
	}
	if group != "" {
		return
	}
	for _, m := range t.members[indicator] {
		c := m.composite
		if !c.loading && !c.of.excludes(start) && !m.of.excludes(start) {
			if start < t.now-lateness {
				c.of.stale = true // its slice is not held any more
			} else {
				c.composer.put(m.number, start, bad, total)
			}
		}
	}
}

// addGroup makes the instances of a group that comes for the first time: nothing of it is stored that is not in deltas.
func (t *Tracker) addGroup(key feed) []*instance {
	for _, o := range t.byCount[key.indicator] {
		t.instance(o, key.group)
	}
	return t.feeds[key]
}

// enter adds counts to an instance.
func (t *Tracker) enter(i *instance, start, bad, total int64) {
	if i.slicer == nil {
		i.of.class.set.Put(i.number, start, bad, total)
		return
	}
	i.of.stale = i.of.stale || start < t.now-lateness
	i.slicer.Put(start, bad, total)
}

func (o *objective) excludes(start int64) bool { return Excludes(o.Excluded, start) }

// Excludes reports whether a slot does not count.
func Excludes(excluded []Interval, start int64) bool {
	for _, e := range excluded {
		if start >= e.From && start < e.To {
			return true
		}
	}
	return false
}

// quietReach is how much of a missed time is judged: what rules wait for is over by then.
const quietReach = int64(6 * time.Hour / time.Second)

// Advance moves time to the end of slot `to` and judges every objective at each slot's end. quiet is for time in which nobody
// could be told: it says only what is different at the end.
func (t *Tracker) Advance(to int64, quiet bool) []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	var before map[*instance][]rule.State
	if quiet {
		before = t.phases()
	}
	var events []Event
	for to = align(to); t.now < to; {
		t.now += slot
		for _, c := range t.classes {
			c.slice(t.now)
			c.set.Advance(t.now)
		}
		if !quiet || t.now > to-quietReach {
			events = t.judge(events)
		}
	}
	if quiet {
		events = net(events, before)
	}
	slices.SortFunc(events, func(a, b Event) int { return strings.Compare(a.name(), b.name()) })
	return events
}

func (t *Tracker) phases() map[*instance][]rule.State {
	out := map[*instance][]rule.State{}
	for _, o := range t.objectives {
		for _, i := range o.instances() {
			out[i] = slices.Clone(i.states)
		}
	}
	return out
}

// net leaves the last event of each tier whose phase is another one than before.
func net(events []Event, before map[*instance][]rule.State) []Event {
	type tier struct {
		Ref
		name string
	}
	last := map[tier]int{}
	for n, e := range events {
		last[tier{e.Ref, e.Tier}] = n
	}
	same := map[tier]bool{}
	for i, states := range before {
		for n, s := range states {
			if n < len(i.states) && i.states[n].Phase == s.Phase {
				same[tier{i.ref, s.Tier}] = true
			}
		}
	}
	var out []Event
	for n, e := range events {
		if k := (tier{e.Ref, e.Tier}); last[k] == n && !same[k] {
			out = append(out, e)
		}
	}
	return out
}

func (e *Event) name() string {
	return fmt.Sprintf("%020d", e.At) + e.SLO + "\x00" + e.Objective + "\x00" + e.Group + "\x00" + e.Tier
}

// slice brings the slices that end by now into the set.
func (c *class) slice(now int64) {
	for _, i := range c.used {
		switch {
		case i == nil || i.loading:
		case i.slicer != nil:
			i.slicer.Advance(now)
		case i.composer != nil:
			i.composer.advance(now, func(start, bad, total int64) { c.set.Put(i.number, start, bad, total) })
		}
	}
}

// judge steps all rules.
func (t *Tracker) judge(events []Event) []Event {
	for _, c := range t.classes {
		for _, i := range c.used {
			if i == nil || i.loading {
				continue
			}
			for _, change := range i.of.rule.Step(t.now, i.input(t.now), i.states) {
				events = append(events, Event{i.ref, change})
			}
		}
	}
	return events
}

// input is what an evaluation of the instance goes by.
func (i *instance) input(now int64) rule.Input {
	set := i.of.class.set
	in := rule.Input{
		Sum:     func(w time.Duration) (bad, total uint64) { return set.Sum(i.number, w) },
		Covered: set.Covered(i.number),
		Last:    set.Last(i.number),
		To:      now,
	}
	if w := i.of.Objective.Window; w.Rolling() {
		in.Bad, in.Total = set.Sum(i.number, w.Length)
		in.From = now - int64(w.Length/time.Second)
	} else {
		in.Bad, in.Total = set.CalendarSum(i.number)
		in.From, in.To = set.Calendar()
	}
	return in
}

// Sizes says how many instances there are and how much memory their counts take.
func (t *Tracker) Sizes() (instances int, bytes int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, c := range t.classes {
		instances += c.set.Len()
		bytes += c.set.Bytes()
	}
	return instances, bytes
}

// countKey names what the counts of the objective depend on.
func (o *objective) countKey() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(o.counts))
	return h.Sum64()
}
