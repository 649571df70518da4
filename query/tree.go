package query

import "time"

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
// stand-in, cycles are cut at their earliest span, and both are counted.
func BuildTree(spans []Span) *Tree {
	return &Tree{}
}

// ServiceTimes returns the services of the tree, the one with most self time first.
func (t *Tree) ServiceTimes() []ServiceTime {
	return nil
}
