package tracker

import (
	"slices"
	"strings"
	"time"

	"loadline/slo/rule"
	"loadline/slo/spec"
)

// View is an objective, or one group of it, at the tracker's moment.
type View struct {
	Ref
	Of         Definition
	Now        int64
	From, To   int64 // of the period
	Covered    int64 // seconds of it, as far as it is past, in which events were counted
	Bad, Total uint64
	Last       int64 // end of the newest slot with events, 0 if there was none
	Loading    bool
	// BadHour and TotalHour are the events of the last hour.
	BadHour, TotalHour uint64
	Rules              []rule.View
	States             []rule.State
	Rule               uint64 // tells the rule from others, see rule.Rule
}

// Views returns all objectives, without groups, by name.
func (t *Tracker) Views() []View {
	t.mu.RLock()
	defer t.mu.RUnlock()
	views := make([]View, 0, len(t.objectives))
	for _, o := range t.objectives {
		views = append(views, t.view(o.whole))
	}
	slices.SortFunc(views, compare)
	return views
}

// Groups returns the groups of an objective, by name.
func (t *Tracker) Groups(ref Ref) []View {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.objectives[ref.whole()]
	if o == nil {
		return nil
	}
	var views []View
	for _, i := range o.groups {
		views = append(views, t.view(i))
	}
	slices.SortFunc(views, compare)
	return views
}

func compare(a, b View) int {
	if c := strings.Compare(a.SLO, b.SLO); c != 0 {
		return c
	}
	if c := strings.Compare(a.Objective, b.Objective); c != 0 {
		return c
	}
	return strings.Compare(a.Group, b.Group)
}

// View returns an objective, or a group of one. An empty objective is the first one of the SLO.
func (t *Tracker) View(ref Ref) (View, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.member(spec.Member{SLO: ref.SLO, Objective: ref.Objective})
	if o == nil {
		return View{}, false
	}
	i := o.whole
	if ref.Group != "" {
		i = o.groups[ref.Group]
	}
	if i == nil {
		return View{}, false
	}
	return t.view(i), true
}

func (t *Tracker) view(i *instance) View {
	set := i.of.class.set
	in := i.input(t.now)
	v := View{
		Ref: i.ref, Of: i.of.Definition, Now: t.now, From: in.From, To: in.To, Bad: in.Bad, Total: in.Total, Last: in.Last,
		Loading: i.loading, Rule: i.of.rule.Hash(), States: slices.Clone(i.states),
	}
	v.Covered = max(min(t.now, in.To)-max(in.From, i.of.From), 0)
	v.BadHour, v.TotalHour = set.Sum(i.number, time.Hour)
	v.Rules = i.of.rule.View(t.now, in, i.states)
	return v
}

// States calls fn with the states of every rule that is at work. fn changes nothing and keeps nothing.
func (t *Tracker) States(fn func(ref Ref, at int64, hash uint64, states []rule.State)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, o := range t.objectives {
		for _, i := range o.instances() {
			if !i.loading {
				fn(i.ref, t.now, o.rule.Hash(), i.states)
			}
		}
	}
}

// Rule tells the rule of an objective from others, see [rule.Rule.Hash]; 0 if there is none.
func (t *Tracker) Rule(ref Ref) uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if o := t.objectives[ref.whole()]; o != nil {
		return o.rule.Hash()
	}
	return 0
}
