package tracker

import (
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
	"loadline/slo/rule"
)

// Needs is what has to be read to load an objective.
type Needs struct {
	Ref
	Indicators []uint64 // one, or those of the members of a composite, in their order
	From       int64    // the beginning of its longest window
	// Fine asks for slots of 10 s for all of it: slices cannot be made of anything coarser.
	Fine bool
	// Excluded are stretches whose slots of 10 s are needed too, to be taken off coarser ones.
	Excluded []Interval
	Groups   bool
}

// Needs returns what an objective needs to be loaded.
func (t *Tracker) Needs(ref Ref) (Needs, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.objectives[ref]
	if o == nil {
		return Needs{}, false
	}
	n := Needs{Ref: ref, Fine: o.sliced(), Excluded: o.Excluded, Groups: o.grouped()}
	from, _, _ := o.class.set.Span()
	n.From = max(from, o.From)
	if c := o.Objective.Indicator.Composite; c != nil {
		for _, m := range c.Members {
			indicator := uint64(0) // counts nothing: the member is not defined yet
			if member := t.member(m); member != nil {
				indicator = member.Indicator
			}
			n.Indicators = append(n.Indicators, indicator)
		}
	} else {
		n.Indicators = []uint64{o.Indicator}
	}
	return n, true
}

// sliced reports whether the objective counts slices of time.
func (o *objective) sliced() bool {
	return o.Objective.Method != budget.Occurrences || o.Objective.Indicator.Composite != nil
}

func (o *objective) grouped() bool {
	s := o.Objective.Indicator.Spans
	return s != nil && s.GroupBy != ""
}

// Span says which stored counts fill every instance: slots of one hour in [from, middle), of 5 minutes in [middle, fine),
// of 10 seconds from fine on.
func (t *Tracker) Span() (from, middle, fine int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	from, middle, fine = t.now, t.now, t.now
	for _, c := range t.classes {
		f, m, s := c.set.Span()
		from, middle, fine = min(from, f), min(middle, m), min(fine, s)
	}
	const hour, minutes = int64(time.Hour / time.Second), int64(5 * time.Minute / time.Second)
	return from / hour * hour, middle / hour * hour, fine / minutes * minutes
}

// Periods are the beginnings of the calendars' current periods.
func (t *Tracker) Periods() []int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []int64
	for _, c := range t.classes {
		if from, to := c.set.Calendar(); to > 0 {
			out = append(out, from)
		}
	}
	return out
}

// Load adds stored counts of a tier, whose slots are of grain seconds, to all instances of an indicator and group that are
// being loaded and do not count slices. Corrections come off by LoadExcluded.
func (t *Tracker) Load(indicator uint64, group string, grain int64, slots []ring.Slot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.byCount[indicator] {
		if i := t.instance(o, group); i != nil && i.loading && !o.sliced() {
			o.class.set.Load(i.number, grain, slots)
		}
	}
}

// instance finds or makes the instance of a group, and is nil for an objective without groups.
func (t *Tracker) instance(o *objective, group string) *instance {
	if group == "" {
		return o.whole
	}
	if i := o.groups[group]; i != nil || !o.grouped() {
		return i
	}
	i := t.newInstance(o, group)
	i.loading = o.whole.loading
	o.groups[group] = i
	key := feed{o.Indicator, group}
	t.feeds[key] = append(t.feeds[key], i)
	return i
}

// LoadExcluded takes slots of 10 s that do not count off an instance that is being loaded.
func (t *Tracker) LoadExcluded(ref Ref, slots []ring.Slot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.objectives[ref.whole()]
	if o == nil || o.sliced() {
		return
	}
	i := t.instance(o, ref.Group)
	if i == nil || !i.loading {
		return
	}
	for _, s := range slots {
		if o.excludes(s.Start) {
			o.class.set.Put(i.number, s.Start, -s.Bad, -s.Total)
		}
	}
}

func (r Ref) whole() Ref { return Ref{SLO: r.SLO, Objective: r.Objective} }

// LoadSlices makes the slices of an instance that is being loaded from the slots of 10 s of what it counts, in order of
// time; of a composite, from those of each member.
func (t *Tracker) LoadSlices(ref Ref, from int64, sources [][]ring.Slot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.objectives[ref.whole()]
	if o == nil || !o.sliced() {
		return
	}
	i := t.instance(o, ref.Group)
	if i == nil || !i.loading {
		return
	}
	emit := func(start, bad, total int64) { o.class.set.Put(i.number, start, bad, total) }
	if i.composer == nil {
		i.slicer = t.newSlicer(i, from)
	}
	for n, slots := range sources {
		var member *objective
		if i.composer != nil {
			member = t.member(o.Objective.Indicator.Composite.Members[n])
		}
		for _, s := range slots {
			switch {
			case o.excludes(s.Start) || member != nil && member.excludes(s.Start):
			case i.composer != nil:
				i.composer.put(n, s.Start, s.Bad, s.Total)
			default:
				i.slicer.Put(s.Start, s.Bad, s.Total)
			}
		}
	}
	if i.composer != nil {
		i.composer.advance(t.now, emit)
	} else {
		i.slicer.Advance(t.now)
	}
}

func (t *Tracker) newSlicer(i *instance, now int64) *ring.Slicer {
	o := i.of
	s := ring.NewSlicer(o.Objective.Method, o.Objective.Slices, max(o.From, 0), now,
		func(start, bad, total int64) { i.of.class.set.Put(i.number, start, bad, total) })
	s.Skip = func(start int64) bool { return i.of.excludes(start) }
	return s
}

// Loaded says that everything of an objective has been added. states are those stored for its rules, by the objective and
// its groups.
func (t *Tracker) Loaded(ref Ref, states map[Ref][]rule.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.objectives[ref]
	if o == nil {
		return
	}
	for _, i := range o.instances() {
		if i.loading {
			i.loading = false
			if stored := states[i.ref]; stored != nil {
				i.states = o.rule.States(stored...)
			}
		}
	}
}

// Stale empties the objectives for which something came so late that they have to be loaded again, and those whose load has
// failed, and returns them.
func (t *Tracker) Stale() []Ref {
	t.mu.Lock()
	defer t.mu.Unlock()
	var refs []Ref
	for ref, o := range t.objectives {
		if o.stale || o.whole.loading {
			t.reset(o)
			refs = append(refs, ref)
		}
	}
	return refs
}

// Reset empties an objective, so that it can be loaded again, and reports whether there is such.
func (t *Tracker) Reset(ref Ref) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.objectives[ref]
	if o != nil {
		t.reset(o)
	}
	return o != nil
}

// reset keeps the states of the rules.
func (t *Tracker) reset(o *objective) {
	o.stale = false
	for _, i := range o.instances() {
		o.class.set.Remove(i.number)
		o.class.used[i.number] = nil
		fresh := t.newInstance(o, i.ref.Group)
		fresh.states = i.states
		if i.ref.Group == "" {
			o.whole = fresh
		} else {
			o.groups[i.ref.Group] = fresh
		}
	}
	t.link()
}

// SetFrom says that what an indicator counts is counted from second from on.
func (t *Tracker) SetFrom(indicator uint64, from int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.byCount[indicator] {
		t.setFrom(o, from)
	}
}

func (t *Tracker) setFrom(o *objective, from int64) {
	if o.From == from {
		return
	}
	o.From = from
	o.stale = o.stale || o.sliced() // slices that were not whole are by now
	for _, i := range o.instances() {
		o.class.set.SetFrom(i.number, from)
	}
	for _, c := range t.members[o.Indicator] {
		latest := from
		for _, m := range c.composite.of.Objective.Indicator.Composite.Members {
			if member := t.member(m); member != nil {
				latest = max(latest, member.From)
			}
		}
		t.setFrom(c.composite.of, latest)
	}
}
