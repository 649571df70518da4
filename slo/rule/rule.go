// Package rule decides when an objective speaks. A rule is compiled from an objective's target, window and policy; what it
// says at an evaluation depends on the sums of its windows, the time, and its states after the evaluation before, and on
// nothing else. The live engine and the backtest run the same rule.
package rule

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"loadline/slo/budget"
)

// Phase is where a tier stands.
type Phase string

// The phases. A tier is pending from the first evaluation at which its condition holds, and firing once it has held for as
// long as the policy says.
const (
	Inactive Phase = "inactive"
	Pending  Phase = "pending"
	Firing   Phase = "firing"
)

// State is what a tier remembers from one evaluation to the next. States are comparable.
type State struct {
	Tier  string
	Phase Phase
	Since int64 // of the phase, Unix seconds of event time; 0 while inactive
	Keep  int64 // since when the condition of a firing tier does not hold; 0 while it does
	// Held and Guarded say that it has been told that there are no events to go by, and that there are too few bad ones.
	Held, Guarded bool
}

// NoData is the name under which it is said that there are no events, beside the tiers.
const NoData = "no-data"

// mark is a share of the budget at which it is said that no more is left, under a name beside the tiers.
type mark struct {
	name string
	left budget.Ratio
	back budget.Ratio // what must be left again before the mark of a rolling window speaks once more
}

// marks are in the order in which a budget passes them.
func marks() []mark {
	percent := func(n uint64) budget.Ratio { return budget.NewRatio(n, 100) }
	return []mark{
		{"budget-50", percent(50), percent(55)},
		{"budget-20", percent(20), percent(25)},
		{"budget-0", percent(0), percent(5)},
	}
}

// Input is what an evaluation goes by.
type Input struct {
	// Sum returns the events of a window that ends at the evaluation. It is asked for windows of [Rule.Windows] only.
	Sum func(window time.Duration) (bad, total uint64)
	// Covered is for how many seconds before the evaluation events were counted.
	Covered int64
	// Bad and Total are the events of the period, which began at From and ends at To. With a rolling window To is the
	// evaluation and From is not used.
	Bad, Total uint64
	From, To   int64
	// Last is the end of the newest slot with events, 0 if there was none.
	Last int64
}

// tier is a compiled tier of a policy.
type tier struct {
	budget.Tier
	condition budget.Condition
	wait      time.Duration // for which it is pending
	threshold float64
	limit     float64 // share of bad events
}

// Rule is an objective's policy, compiled. It does not change and may be used concurrently.
type Rule struct {
	target  budget.Target
	window  budget.Window
	method  budget.Method
	policy  budget.Policy
	unit    uint64 // what one event counts
	tiers   []tier
	absent  int64 // seconds without events after which it is said that there are none; 0 for never
	hash    uint64
	windows []time.Duration
	spare   float64 // the share of events that may be bad
	marks   []mark
}

// Compile makes the rule of an objective. Its policy is one that [budget.Policy.Validate] accepts for the window.
func Compile(target budget.Target, window budget.Window, method budget.Method, policy budget.Policy) *Rule {
	r := &Rule{target: target, window: window, method: method, policy: policy, unit: budget.PerEvent(method)}
	r.spare = target.Budget().Float()
	for _, t := range policy.Tiers {
		c := budget.Compile(target, t, policy, window.Nominal())
		threshold, _ := c.Threshold()
		wait := t.For
		if wait == 0 {
			wait = policy.For
		}
		r.tiers = append(r.tiers, tier{Tier: t, condition: c, wait: wait, threshold: threshold, limit: c.Limit().Float()})
		r.windows = append(r.windows, t.Long, t.Short)
	}
	if window.Rolling() {
		r.windows = append(r.windows, window.Length)
	}
	slices.Sort(r.windows)
	r.windows = slices.Compact(r.windows)
	if policy.NoDataAlert != "" {
		r.absent = int64(budget.AbsentAfter(target, policy, window.Nominal()) / time.Second)
	}
	if len(policy.Tiers) > 0 {
		r.marks = marks()
	}
	r.hash = hash(target, window, method, policy)
	return r
}

func hash(target budget.Target, window budget.Window, method budget.Method, policy budget.Policy) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%v %v %v %+v", target, window.Length, method, policy)
	if c := window.Calendar; c != nil {
		fmt.Fprintf(h, " %d %q %d %c", c.Start.Unix(), c.Zone, c.N, c.Unit)
	}
	return h.Sum64()
}

// Hash tells rules apart: states of a rule with another hash mean nothing to it.
func (r *Rule) Hash() uint64 { return r.hash }

// Windows are those whose sums the rule asks for, with the period if it rolls, from the shortest to the longest.
func (r *Rule) Windows() []time.Duration { return slices.Clone(r.windows) }

// States returns the states of a rule that was never evaluated: those of its tiers in the order of the policy, then those
// of what stands beside them. States of the same name in stored are taken from there.
func (r *Rule) States(stored ...State) []State {
	names := make([]string, 0, len(r.tiers)+len(r.marks)+1)
	for _, t := range r.tiers {
		names = append(names, t.Name)
	}
	for _, m := range r.marks {
		names = append(names, m.name)
	}
	if r.absent > 0 {
		names = append(names, NoData)
	}
	states := make([]State, len(names))
	for i, name := range names {
		states[i] = State{Tier: name, Phase: Inactive}
		if k := slices.IndexFunc(stored, func(s State) bool { return s.Tier == name }); k >= 0 {
			states[i] = stored[k]
		}
	}
	return states
}
