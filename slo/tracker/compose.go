package tracker

import (
	"time"

	"loadline/slo/budget"
	"loadline/slo/spec"
)

// lateness is for how long after its end a slice can change by what comes late. After that its instance has to be loaded
// again.
const lateness = int64(time.Hour / time.Second)

// compositeSlice is the length of the slices of a composite that does not say.
const compositeSlice = time.Minute

// composer makes the slices of a composite of the events of its members. A slice is counted when it has ended, in its last
// slot, and again when something comes late.
type composer struct {
	composite *spec.Composite
	targets   []budget.Target // of the members
	target    budget.Target   // of a member's slice, where the composite says
	length    int64
	parts     map[int64][]part // of the members, by start of the slice
	told      map[int64]part   // what was counted for the slice
	dirty     map[int64]bool
	now       int64
}

// part is events in a slice.
type part struct{ bad, total int64 }

func newComposer(o *spec.Objective, now int64) *composer {
	length := int64(o.Slices.Length / time.Second)
	if length == 0 {
		length = int64(compositeSlice / time.Second)
	}
	return &composer{
		composite: o.Indicator.Composite, targets: make([]budget.Target, len(o.Indicator.Composite.Members)), length: length, target: o.Slices.Target,
		parts: map[int64][]part{}, told: map[int64]part{}, dirty: map[int64]bool{}, now: now,
	}
}

// put adds events of a member to the slice that holds second start.
func (c *composer) put(member int, start, bad, total int64) {
	slice := start / c.length * c.length
	parts := c.parts[slice]
	if parts == nil {
		parts = make([]part, len(c.targets))
		c.parts[slice] = parts
	}
	parts[member].bad += bad
	parts[member].total += total
	c.dirty[slice] = true
}

// advance tells what is new or different of the slices that end by now, as changes of their last slots.
func (c *composer) advance(now int64, tell func(start, bad, total int64)) {
	c.now = now
	for slice := range c.dirty {
		if slice+c.length > now {
			continue
		}
		delete(c.dirty, slice)
		if is, was := c.count(c.parts[slice]), c.told[slice]; is != was {
			tell(slice+c.length-slot, is.bad-was.bad, is.total-was.total)
			c.told[slice] = is
		}
	}
	for slice := range c.parts {
		if slice+c.length < now-lateness {
			delete(c.parts, slice)
			delete(c.told, slice)
		}
	}
}

func (c *composer) count(parts []part) part {
	members := make([]budget.MemberSlice, len(parts))
	for n, p := range parts {
		target := c.targets[n]
		if c.target != (budget.Target{}) {
			target = c.target
		}
		members[n] = budget.MemberSlice{
			Bad: uint64(max(p.bad, 0)), Total: uint64(max(p.total, 0)), Target: target, Weight: c.composite.Members[n].Weight,
		}
	}
	bad, total := budget.Compose(c.composite.Method, members)
	return part{int64(bad), int64(total)}
}
