package trace

import (
	"cmp"
	"slices"
	"time"
)

// measureSelf fills the part of every node that none of its children covers. Children that overlap count once, and
// what lies outside of the parent does not count.
func (t *Tree) measureSelf() {
	for i := range t.Nodes {
		node := &t.Nodes[i]
		node.Self = node.Duration
		end := node.Offset // up to here the node is covered
		for _, c := range node.Children {
			from := max(t.Nodes[c].Offset, end)
			to := min(t.Nodes[c].end(), node.end())
			if to > from {
				node.Self -= to - from
				end = to
			}
		}
		if node.Missing {
			node.Self = 0
		}
	}
}

// ServiceTimes returns the services of the tree, the one with most self time first.
func (t *Tree) ServiceTimes() []ServiceTime {
	index := map[string]int{}
	var list []ServiceTime
	var total time.Duration
	for i := range t.Nodes {
		node := &t.Nodes[i]
		if node.Missing {
			continue
		}
		at, ok := index[node.Span.Service]
		if !ok {
			at = len(list)
			index[node.Span.Service] = at
			list = append(list, ServiceTime{Service: node.Span.Service})
		}
		s := &list[at]
		s.Spans++
		if node.Span.Error {
			s.Errors++
		}
		s.Self += node.Self
		total += node.Self
		for _, part := range node.Critical {
			s.Critical += part.To - part.From
		}
	}
	for i := range list {
		if total > 0 {
			list[i].Share = float64(list[i].Self) / float64(total)
		}
	}
	slices.SortStableFunc(list, func(a, b ServiceTime) int { return cmp.Compare(b.Self, a.Self) })
	return list
}

// minRepeats is how many equal siblings make a group.
const minRepeats = 3

// findRepeats groups siblings with the same service, operation, kind and peer.
func (t *Tree) findRepeats() {
	type same struct{ service, operation, kind, peer string }
	for parent := range t.Nodes {
		children := t.Nodes[parent].Children
		if len(children) < minRepeats {
			continue
		}
		groups := map[same][]int{}
		var order []same
		for _, c := range children {
			if t.Nodes[c].Missing {
				continue
			}
			span := t.Nodes[c].Span
			key := same{span.Service, span.Operation, span.Kind, span.Peer}
			if groups[key] == nil {
				order = append(order, key)
			}
			groups[key] = append(groups[key], c)
		}
		for _, key := range order {
			if nodes := groups[key]; len(nodes) >= minRepeats {
				t.Repeats = append(t.Repeats, t.repeat(key.service, key.operation, parent, nodes))
			}
		}
	}
	slices.SortStableFunc(t.Repeats, func(a, b Repeat) int { return cmp.Compare(len(b.Nodes), len(a.Nodes)) })
	for i, r := range t.Repeats {
		for _, n := range r.Nodes {
			t.Nodes[n].Repeat = i
		}
	}
}

func (t *Tree) repeat(service, operation string, parent int, nodes []int) Repeat {
	r := Repeat{Service: service, Operation: operation, Parent: parent, Nodes: nodes}
	var overlap, end time.Duration
	for i, n := range nodes {
		node := &t.Nodes[n]
		r.Total += node.Duration
		if node.Span.Error {
			r.Errors++
		}
		if i > 0 {
			overlap += max(min(end, node.end())-node.Offset, 0)
		}
		end = max(end, node.end())
	}
	r.Sequential = overlap*10 <= r.Total
	return r
}
