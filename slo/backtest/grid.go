package backtest

import (
	"reflect"
	"slices"
	"time"

	"loadline/slo/budget"
	"loadline/slo/rule"
)

// Cell is what another target and policy would have done.
type Cell struct {
	Target         budget.Target
	Preset         string // of the policy; empty for that of the objective
	PagesPerWeek   float64
	TicketsPerWeek float64
	Caught         int
	Delay          time.Duration // median
	False          int
	Left           float64
}

// targets are the usual ones and that of the objective, the strictest first.
func targets(o Objective) []budget.Target {
	list := []budget.Target{o.Target}
	for _, per100k := range []uint64{99_000, 99_500, 99_900, 99_950, 99_990} {
		list = append(list, budget.Target{Good: budget.NewRatio(per100k, 100_000)})
	}
	slices.SortFunc(list, func(a, b budget.Target) int { return b.Good.Cmp(a.Good) })
	return slices.CompactFunc(list, func(a, b budget.Target) bool { return a.Good.Cmp(b.Good) == 0 })
}

// column is one policy at all targets.
type column struct {
	preset  string
	policy  budget.Policy
	runners []runner // by target
}

// step evaluates the rules. From the first target at which everything is calm on, looser ones are calm too.
func (c *column) step(at int64, in rule.Input) {
	calm := false
	for i := range c.runners {
		r := &c.runners[i]
		if r.rule.Idle(r.states) {
			if calm = calm || r.rule.Calm(at, in); calm {
				continue
			}
		}
		r.step(at, in)
	}
}

// columns are the usual policies, and that of the objective if it is none of them.
func columns(o Objective) []column {
	var list []column
	own := column{policy: o.Policy}
	for _, name := range []string{"default", "sloth", "pyrra"} {
		policy, _ := budget.Preset(name, o.Window)
		list = append(list, column{preset: name, policy: policy})
	}
	for _, name := range budget.Presets() {
		if policy, _ := budget.Preset(name, o.Window); reflect.DeepEqual(policy, o.Policy) {
			own.preset = name
		}
	}
	if !slices.ContainsFunc(list, func(c column) bool { return c.preset == own.preset }) {
		list = append(list, own)
	}
	for i := range list {
		c := &list[i]
		c.policy.NoDataAlert = ""
		for _, t := range targets(o) {
			c.runners = append(c.runners, newRunner(rule.Compile(t, o.Window, o.Method, c.policy)))
		}
	}
	return list
}

// grid tries targets and presets on the slots of a history, which has been sliced.
func grid(o Objective, h History, found []Incident) []Cell {
	list := columns(o)
	var windows []time.Duration
	for _, c := range list {
		windows = append(windows, c.runners[0].rule.Windows()...)
	}
	r := &replay{o: o, h: h, at: h.From}
	r.fill(windows)
	for r.at < h.To {
		r.advance()
		for i := range list {
			list[i].step(r.at, r.in)
		}
	}
	return r.cells(list, targets(o), found)
}

func (r *replay) cells(columns []column, targets []budget.Target, found []Incident) []Cell {
	weeks := max(float64(r.h.To-r.h.From)/(7*86400), 1e-9)
	var cells []Cell
	for _, c := range columns {
		for i := range c.runners {
			run := &c.runners[i]
			run.end(r.h.To)
			cell := Cell{
				Target: targets[i], Preset: c.preset,
				PagesPerWeek: float64(len(run.pages)) / weeks, TicketsPerWeek: float64(len(run.tickets)) / weeks,
				Left: budget.Left(r.in.Bad, r.in.Total, targets[i]),
			}
			cell.Caught, cell.Delay, cell.False = judge(slices.Clone(found), run.pages)
			cells = append(cells, cell)
		}
	}
	return cells
}
