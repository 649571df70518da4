package trace

import (
	"cmp"
	"slices"
	"time"
)

// A Tree is the spans of a trace as parents and children, in the order in which a waterfall shows them.
type Tree struct {
	// Nodes are in depth-first order, children by start time: a node's descendants follow it directly.
	Nodes   []Node
	Roots   []int         // nodes without parent, by start time
	Start   time.Time     // of the earliest span
	Length  time.Duration // from Start to the latest end
	Repeats []Repeat      // groups of siblings that do the same, largest first

	Orphans int // spans whose parent is not stored; they stand under nodes that are Missing
	Cycles  int // spans whose chain of parents led back to themselves; one link of each chain was cut
	Skewed  int // spans that begin before or end after a synchronous parent in another service

	// CriticalProblem says why there is no critical path, "" when there is one.
	CriticalProblem string
}

// A Node is a span in a [Tree], or a stand-in for a parent that is not stored.
type Node struct {
	Span        *Span // nil when Missing
	ID          SpanID
	Missing     bool
	Parent      int // index of the parent node, -1 for a root
	Children    []int
	Depth       int
	Descendants int           // how many nodes follow that are below this one
	Offset      time.Duration // start relative to Tree.Start
	Duration    time.Duration // of a missing parent: from its first child's start to its last child's end
	Self        time.Duration // duration that no child covers
	Skew        time.Duration // how far a synchronous child lies outside of its parent; 0 when it does not
	Repeat      int           // index in Tree.Repeats of the group that the node is part of, -1 when none

	// Critical are the parts of this span that are on the critical path, in order of time.
	Critical []Segment
}

// A Segment is a stretch of time relative to Tree.Start.
type Segment struct {
	From, To time.Duration
}

// A Repeat is a group of three or more siblings that do the same: the sign of N+1 queries.
type Repeat struct {
	Service, Operation string
	Parent             int   // node under which they are
	Nodes              []int // in order of start
	Total              time.Duration
	Errors             int
	Sequential         bool // no two of them overlap by more than a tenth of their time
}

// A ServiceTime is the part of a trace that a service had.
type ServiceTime struct {
	Service  string
	Self     time.Duration // time in its spans that no child covers, summed
	Critical time.Duration // time on the critical path
	Spans    int
	Errors   int
	Share    float64 // of the self time of all services, 0 to 1
}

// BuildTree arranges spans, which must be of one trace. It never fails: spans with unknown parents stand under a
// stand-in, cycles are cut at their earliest span, and both are counted. The tree points into spans.
func BuildTree(spans []Span) *Tree {
	t := ArrangeTree(spans)
	t.findRepeats()
	t.findCritical()
	return t
}

// ArrangeTree is the part of [BuildTree] that the shares of services need: no repeats and no critical path.
func ArrangeTree(spans []Span) *Tree {
	b := newTreeBuilder(spans)
	b.adopt()
	t := b.arrange()
	t.measureSelf()
	return t
}

// A treeBuilder knows each span by its position in spans; stand-ins for missing parents come behind them.
type treeBuilder struct {
	spans    []Span
	missing  []SpanID
	parent   []int // of spans and stand-ins, -1 for roots
	children [][]int
	from, to []time.Time // stand-ins take theirs from their children
	cycles   int
	orphans  int
}

func newTreeBuilder(spans []Span) *treeBuilder {
	b := &treeBuilder{spans: spans, parent: make([]int, len(spans))}
	byID := make(map[SpanID]int, len(spans))
	for i := range spans {
		if _, ok := byID[spans[i].ID]; !ok {
			byID[spans[i].ID] = i
		}
		b.from, b.to = append(b.from, spans[i].Start), append(b.to, spans[i].End())
	}
	standIns := map[SpanID]int{}
	for i := range spans {
		id := spans[i].Parent
		b.parent[i] = -1
		if id.IsZero() {
			continue
		}
		parent, ok := byID[id]
		if !ok {
			b.orphans++
			if parent, ok = standIns[id]; !ok {
				parent = len(b.parent)
				standIns[id] = parent
				b.missing = append(b.missing, id)
				b.parent = append(b.parent, -1)
				b.from, b.to = append(b.from, spans[i].Start), append(b.to, spans[i].End())
			}
			b.from[parent] = earlier(b.from[parent], spans[i].Start)
			b.to[parent] = later(b.to[parent], spans[i].End())
		}
		b.parent[i] = parent
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// adopt cuts cycles and lists the children of every node by start time.
func (b *treeBuilder) adopt() {
	b.cutCycles()
	b.children = make([][]int, len(b.parent))
	for i, parent := range b.parent {
		if parent >= 0 {
			b.children[parent] = append(b.children[parent], i)
		}
	}
	for _, list := range b.children {
		slices.SortFunc(list, b.byStart)
	}
}

func (b *treeBuilder) byStart(i, j int) int {
	return cmp.Or(b.from[i].Compare(b.from[j]), -b.to[i].Compare(b.to[j]), cmp.Compare(i, j))
}

// cutCycles follows every chain of parents once. A chain that meets itself is a cycle; its earliest span becomes a
// root.
func (b *treeBuilder) cutCycles() {
	const unseen, onChain, done = 0, 1, 2
	state := make([]uint8, len(b.parent))
	var chain []int
	for start := range b.parent {
		chain = chain[:0]
		at := start
		for at >= 0 && state[at] == unseen {
			state[at] = onChain
			chain = append(chain, at)
			at = b.parent[at]
		}
		if at >= 0 && state[at] == onChain {
			cycle := chain[slices.Index(chain, at):]
			b.cycles += len(cycle)
			b.parent[slices.MinFunc(cycle, b.byStart)] = -1
		}
		for _, i := range chain {
			state[i] = done
		}
	}
}

// arrange numbers the nodes depth first. It keeps its own stack: a trace may be a chain of thousands of spans.
func (b *treeBuilder) arrange() *Tree {
	t := &Tree{Orphans: b.orphans, Cycles: b.cycles, Nodes: make([]Node, 0, len(b.parent))}
	if len(b.spans) == 0 {
		return t
	}
	t.Start = b.from[0]
	end := b.to[0]
	var roots []int
	for i, parent := range b.parent {
		t.Start, end = earlier(t.Start, b.from[i]), later(end, b.to[i])
		if parent < 0 {
			roots = append(roots, i)
		}
	}
	t.Length = end.Sub(t.Start)
	slices.SortFunc(roots, b.byStart)
	place := make([]int, len(b.parent)) // of a span among the nodes
	stack := slices.Clone(roots)
	slices.Reverse(stack)
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		place[i] = len(t.Nodes)
		node := b.node(t, i)
		if b.parent[i] >= 0 {
			node.Parent = place[b.parent[i]]
			node.Depth = t.Nodes[node.Parent].Depth + 1
			t.Nodes[node.Parent].Children = append(t.Nodes[node.Parent].Children, place[i])
		} else {
			t.Roots = append(t.Roots, place[i])
		}
		t.Nodes = append(t.Nodes, node)
		for _, child := range slices.Backward(b.children[i]) {
			stack = append(stack, child)
		}
	}
	for i := len(t.Nodes) - 1; i >= 0; i-- {
		if parent := t.Nodes[i].Parent; parent >= 0 {
			t.Nodes[parent].Descendants += t.Nodes[i].Descendants + 1
		}
		t.noteSkew(i)
	}
	return t
}

func (b *treeBuilder) node(t *Tree, i int) Node {
	node := Node{Parent: -1, Repeat: -1, Offset: b.from[i].Sub(t.Start), Duration: b.to[i].Sub(b.from[i])}
	if i < len(b.spans) {
		node.Span, node.ID = &b.spans[i], b.spans[i].ID
	} else {
		node.Missing, node.ID = true, b.missing[i-len(b.spans)]
	}
	return node
}

// noteSkew compares a server span with the client span that called it: the call cannot begin after nor end before
// what it waits for, so where it seems to, their clocks differ.
func (t *Tree) noteSkew(i int) {
	child := &t.Nodes[i]
	if child.Parent < 0 || child.Missing || t.Nodes[child.Parent].Missing {
		return
	}
	parent := &t.Nodes[child.Parent]
	if child.Span.Kind != "server" || parent.Span.Kind != "client" || child.Span.Service == parent.Span.Service {
		return
	}
	before := parent.Offset - child.Offset
	after := child.end() - parent.end()
	// A client that stopped waiting leaves a server that runs on: that is no skew.
	if before > 0 || after > 0 && child.Offset >= parent.end() {
		child.Skew = max(before, after)
		t.Skewed++
	}
}

func (n *Node) end() time.Duration { return n.Offset + n.Duration }
