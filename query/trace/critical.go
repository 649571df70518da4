package trace

import (
	"slices"
	"time"
)

// The critical path of a trace is the chain of spans that its root waited for: shortening anything else does not make
// the request faster. It is found backwards in time. At the end of a span, look for the child that ended last: the
// span waited for it, so the path goes through that child, down to the child's start; before that, the span waited
// for the child that ended last before then, and so on. Time in between is the span's own. A child that was still
// running when the path moved on to a later one ran in parallel and held nothing up.
//
// Children are cut to their parent's time: what runs on after the parent has returned does not delay it. So the path
// covers every instant of the root exactly once, which the test checks against a search instant by instant.

// findCritical fills Node.Critical along the path of the main root.
func (t *Tree) findCritical() {
	root := t.mainRoot()
	if root < 0 {
		t.CriticalProblem = "the trace has no spans"
		return
	}
	if t.Nodes[root].Duration <= 0 {
		t.CriticalProblem = "the root span has no duration"
		return
	}
	type visit struct {
		node     int
		from, to time.Duration
	}
	stack := []visit{{root, t.Nodes[root].Offset, t.Nodes[root].end()}}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		node := &t.Nodes[v.node]
		// Children by end, as far as the parent's time goes; of equal ends the longest first.
		children := t.within(node.Children, v.from, v.to)
		at := v.to
		for _, c := range children {
			if c.To > at {
				continue // ran in parallel to the path
			}
			if c.To < at {
				node.Critical = append(node.Critical, Segment{c.To, at})
			}
			stack = append(stack, visit{c.node, c.From, c.To})
			at = c.From
		}
		if at > v.from {
			node.Critical = append(node.Critical, Segment{v.from, at})
		}
		slices.Reverse(node.Critical)
	}
}

type childSegment struct {
	node int
	Segment
}

// within returns the children that run between from and to, cut to that time, the last to end first.
func (t *Tree) within(children []int, from, to time.Duration) []childSegment {
	list := make([]childSegment, 0, len(children))
	for _, c := range children {
		s := Segment{max(t.Nodes[c].Offset, from), min(t.Nodes[c].end(), to)}
		if s.To > s.From {
			list = append(list, childSegment{c, s})
		}
	}
	slices.SortStableFunc(list, func(a, b childSegment) int {
		if a.To != b.To {
			return int(max(min(b.To-a.To, 1), -1))
		}
		return int(max(min(a.From-b.From, 1), -1))
	})
	return list
}

// mainRoot is the root that the trace is about: the longest among those that are stored, else the longest stand-in.
func (t *Tree) mainRoot() int {
	best := -1
	for _, root := range t.Roots {
		if best < 0 {
			best = root
			continue
		}
		a, b := &t.Nodes[root], &t.Nodes[best]
		if a.Missing != b.Missing {
			if b.Missing {
				best = root
			}
		} else if a.Duration > b.Duration {
			best = root
		}
	}
	return best
}

// CriticalPath returns the nodes on the critical path in the order in which a waterfall shows them.
func (t *Tree) CriticalPath() []int {
	var list []int
	for i := range t.Nodes {
		if len(t.Nodes[i].Critical) > 0 {
			list = append(list, i)
		}
	}
	return list
}
