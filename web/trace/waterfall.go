// Package trace shapes one trace for its page: the rows of the waterfall, what stands out, the panel of a span, and
// the trace as a file.
package trace

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"loadline/query/trace"
	"loadline/web/view"
)

// plotWidth is the part of the waterfall's width that the trace takes, in percent. The rest is for labels.
const plotWidth = 97.0

// manyRows is how many rows a waterfall has as HTML. Longer ones are drawn from columns by the script.
const (
	manyRows  = 200
	firstRows = 60 // of a long waterfall, until the script takes over
)

// A line is a row of the waterfall: a span, a group of repeated spans, or one of its members.
type line struct {
	node   int           // in the tree; of a group the first member
	group  *trace.Repeat // of a group's own row
	depth  int
	parent int // line above, -1
	member bool
	kids   bool
}

// Waterfall is the rows of a trace in order.
type Waterfall struct {
	tree  *trace.Tree
	lines []line
	total time.Duration
}

// NewWaterfall arranges a tree as rows: three or more siblings that do the same stand under one row of their own.
func NewWaterfall(tree *trace.Tree) *Waterfall {
	w := &Waterfall{tree: tree, total: max(tree.Length, 1), lines: make([]line, 0, len(tree.Nodes))}
	w.add(tree.Roots, 0, -1, false)
	return w
}

func (w *Waterfall) add(nodes []int, depth, parent int, member bool) {
	groups := map[int]bool{}
	for _, n := range nodes {
		repeat := w.tree.Nodes[n].Repeat
		switch {
		case repeat < 0:
			w.addNode(n, depth, parent, member)
		case !groups[repeat]:
			groups[repeat] = true
			g := &w.tree.Repeats[repeat]
			at := len(w.lines)
			w.lines = append(w.lines, line{node: g.Nodes[0], group: g, depth: depth, parent: parent, member: member, kids: true})
			for _, m := range g.Nodes {
				w.addNode(m, depth+1, at, true)
			}
		}
	}
}

func (w *Waterfall) addNode(n, depth, parent int, member bool) {
	at := len(w.lines)
	children := w.tree.Nodes[n].Children
	w.lines = append(w.lines, line{node: n, depth: depth, parent: parent, member: member, kids: len(children) > 0})
	w.add(children, depth+1, at, member)
}

// Place is where a span's time is spent: the database or other peer that it calls, else its service.
func Place(s *trace.Span) string {
	switch s.PeerType {
	case "database", "cache", "queue", "external":
		if s.Peer != "" && (s.Kind == "client" || s.Kind == "producer") {
			return s.Peer
		}
	}
	return s.Service
}

// place is where the time of a node's span is spent. A call that nobody has answered with a span of its own was to
// something that sends none.
func (w *Waterfall) place(n *trace.Node) string {
	s := n.Span
	if s.Peer != "" && len(n.Children) == 0 && (s.Kind == "client" || s.Kind == "producer") {
		return s.Peer
	}
	return Place(s)
}

// extent is where a row's bar begins and ends, and what of it is on the critical path.
func (w *Waterfall) extent(l line) (from, to time.Duration, critical []trace.Segment) {
	if l.group == nil {
		n := &w.tree.Nodes[l.node]
		return n.Offset, n.Offset + n.Duration, n.Critical
	}
	from = w.tree.Nodes[l.group.Nodes[0]].Offset
	for _, m := range l.group.Nodes {
		n := &w.tree.Nodes[m]
		to = max(to, n.Offset+n.Duration)
		critical = append(critical, n.Critical...)
	}
	return from, to, joined(critical, w.total/500)
}

// joined merges stretches that are closer than a fifth of a percent of the trace, which nobody could tell apart.
func joined(list []trace.Segment, gap time.Duration) []trace.Segment {
	if len(list) < 2 {
		return list
	}
	slices.SortFunc(list, func(a, b trace.Segment) int { return cmp.Compare(a.From, b.From) })
	out := list[:1:1]
	for _, s := range list[1:] {
		if last := &out[len(out)-1]; s.From <= last.To+gap {
			last.To = max(last.To, s.To)
		} else {
			out = append(out, s)
		}
	}
	return out
}

func (w *Waterfall) percent(d time.Duration) float64 {
	return float64(d) / float64(w.total) * plotWidth
}

// Long reports whether there are too many rows for HTML.
func (w *Waterfall) Long() bool { return len(w.lines) > manyRows }

// Len is the number of rows.
func (w *Waterfall) Len() int { return len(w.lines) }

// Rows shapes the rows for HTML: all of them, or the first ones that are visible when there are too many.
func (w *Waterfall) Rows(p view.Page, traceID, selected string) []view.SpanRow {
	var rows []view.SpanRow
	chosen := false
	for _, l := range w.lines {
		if w.Long() && (l.member || len(rows) == firstRows) {
			continue
		}
		row := w.row(p, traceID, l)
		if !chosen && selected != "" && row.ID == selected && !row.Missing && (l.group != nil || !l.member || !w.inGroup(l)) {
			row.Selected, chosen = true, true
		}
		rows = append(rows, row)
	}
	return rows
}

// inGroup reports whether a line's group row stands for it: its first member shares the id with the group.
func (w *Waterfall) inGroup(l line) bool {
	r := w.tree.Nodes[l.node].Repeat
	return r >= 0 && w.tree.Repeats[r].Nodes[0] == l.node
}

func (w *Waterfall) row(p view.Page, traceID string, l line) view.SpanRow {
	n := &w.tree.Nodes[l.node]
	from, to, critical := w.extent(l)
	row := view.SpanRow{ID: n.ID.String(), Depth: l.depth, Parent: l.parent, Member: l.member, Kids: l.kids, Missing: n.Missing}
	x, width := w.percent(from), max(w.percent(to-from), 0.15)
	row.X, row.W = view.Position(x), view.Position(width)
	duration := n.Duration
	if n.Missing {
		row.Op, row.Service, row.Color = "missing parent", "", view.NoColor
	} else {
		row.Op, row.Service = n.Span.Operation, w.place(n)
		row.Color = view.Color(row.Service)
		row.Error = n.Span.Error
		row.Href = p.Trace(traceID, "span", row.ID)
	}
	if l.group != nil {
		row.Group, duration, row.Error = len(l.group.Nodes), l.group.Total, l.group.Errors > 0
	}
	if n.Skew > 0 && l.group == nil {
		row.Skew = " · clock off by " + view.Duration(n.Skew)
	}
	row.Duration = view.Duration(duration)
	switch {
	case x+width < 86 && (x+width < 72 || width < 30):
		row.LabelX, row.LabelDx = view.Position(x+width), "6"
	case x > 14 && width < 30:
		row.LabelX, row.LabelDx, row.LabelEnd = view.Position(x), "-6", true
	default: // no room on either side: inside of the bar
		row.LabelX, row.LabelDx, row.LabelEnd, row.LabelIn = view.Position(x+width), "-8", true, true
	}
	for _, c := range critical {
		row.Critical = append(row.Critical, view.Bit{X: view.Position(w.percent(c.From)), W: view.Position(max(w.percent(c.To-c.From), 0.1))})
	}
	row.Label = row.Service + " " + row.Op + ", " + row.Duration + ", starts at " + view.Duration(from)
	if row.Group > 0 {
		row.Label = strconv.Itoa(row.Group) + " times " + row.Label
	}
	if row.Error {
		row.Label += ", failed"
	}
	return row
}

// Columns is a waterfall as columns, for traces with too many rows. Times are microseconds.
type Columns struct {
	Total    int64              `json:"total"`
	Parent   []int              `json:"p"`
	Start    []int64            `json:"s"` // after the row before
	Duration []int64            `json:"w"`
	Op       []int              `json:"o"` // into Names
	Place    []int              `json:"v"` // into Places
	Names    []string           `json:"names"`
	Places   []string           `json:"places"`
	Colors   []int              `json:"colors"` // by place
	Groups   map[int]int        `json:"groups"` // size by row
	Errors   []int              `json:"errors"`
	Critical map[int][][2]int64 `json:"critical"` // start and length by row
	Missing  []int              `json:"missing"`
}

// Columns shapes all rows for the script.
func (w *Waterfall) Columns() Columns {
	c := Columns{Total: w.total.Microseconds(), Groups: map[int]int{}, Critical: map[int][][2]int64{}, Errors: []int{}, Missing: []int{}}
	names, places := map[string]int{}, map[string]int{}
	index := func(m map[string]int, list *[]string, text string) int {
		i, ok := m[text]
		if !ok {
			i = len(*list)
			m[text] = i
			*list = append(*list, text)
		}
		return i
	}
	var before int64
	for i, l := range w.lines {
		n := &w.tree.Nodes[l.node]
		from, to, critical := w.extent(l)
		start := from.Microseconds()
		c.Parent = append(c.Parent, l.parent)
		c.Start = append(c.Start, start-before)
		c.Duration = append(c.Duration, (to - from).Microseconds())
		before = start
		op, place, failed := "missing parent", "", false
		if n.Missing {
			c.Missing = append(c.Missing, i)
		} else {
			op, place, failed = n.Span.Operation, w.place(n), n.Span.Error
		}
		if l.group != nil {
			c.Groups[i], failed = len(l.group.Nodes), l.group.Errors > 0
		}
		c.Op = append(c.Op, index(names, &c.Names, op))
		c.Place = append(c.Place, index(places, &c.Places, place))
		if failed {
			c.Errors = append(c.Errors, i)
		}
		for _, s := range critical {
			c.Critical[i] = append(c.Critical[i], [2]int64{s.From.Microseconds(), (s.To - s.From).Microseconds()})
		}
	}
	for _, name := range c.Places {
		c.Colors = append(c.Colors, view.Color(name))
	}
	return c
}

// At returns the span of a row and the group that the row stands for, if it does. A row that does not exist or whose
// span is not stored has neither.
func (w *Waterfall) At(row int) (*trace.Span, *trace.Repeat) {
	if row < 0 || row >= len(w.lines) {
		return nil, nil
	}
	l := w.lines[row]
	return w.tree.Nodes[l.node].Span, l.group
}

// Find returns the span with an id, and the group that it is the first of.
func (w *Waterfall) Find(id string) (*trace.Span, *trace.Repeat) {
	for i := range w.lines {
		if n := &w.tree.Nodes[w.lines[i].node]; n.Span != nil && n.ID.String() == id {
			return n.Span, w.lines[i].group
		}
	}
	return nil, nil
}

// Notable is the span that a trace opens with: the longest group on the critical path, else the span with the most
// own time on it.
func (w *Waterfall) Notable() string {
	var best trace.SpanID
	var most time.Duration
	for i := range w.lines {
		l := &w.lines[i]
		n := &w.tree.Nodes[l.node]
		if n.Missing || (l.member && l.group == nil) {
			continue
		}
		_, _, critical := w.extent(*l)
		var sum time.Duration
		for _, c := range critical {
			sum += c.To - c.From
		}
		if sum > most {
			best, most = n.ID, sum
		}
	}
	if most == 0 {
		return ""
	}
	return best.String()
}

// criticalOf is the share of the trace's time for which the critical path goes through some nodes.
func (w *Waterfall) criticalOf(nodes ...int) float64 {
	var sum time.Duration
	for _, n := range nodes {
		for _, c := range w.tree.Nodes[n].Critical {
			sum += c.To - c.From
		}
	}
	return float64(sum) / float64(w.total)
}

// Shares says where the time of the trace went: own time of services and of what they call.
func (w *Waterfall) Shares() []view.ServiceShare {
	type sum struct {
		name           string
		self, critical time.Duration
		spans          int
	}
	index := map[string]*sum{}
	var list []*sum
	var all time.Duration
	for i := range w.tree.Nodes {
		n := &w.tree.Nodes[i]
		if n.Missing {
			continue
		}
		name := w.place(n)
		s := index[name]
		if s == nil {
			s = &sum{name: name}
			index[name] = s
			list = append(list, s)
		}
		s.self += n.Self
		s.spans++
		all += n.Self
		for _, c := range n.Critical {
			s.critical += c.To - c.From
		}
	}
	slices.SortStableFunc(list, func(a, b *sum) int { return cmp.Compare(b.self, a.self) })
	const most = 12
	var out []view.ServiceShare
	for _, s := range list[:min(len(list), most)] {
		share := float64(s.self) / float64(max(all, 1))
		out = append(out, view.ServiceShare{
			Name: s.name, Color: view.Color(s.name), Self: view.Duration(s.self), Critical: view.Whole(float64(s.critical) / float64(w.total)),
			Spans: strconv.Itoa(s.spans), Share: share * 100, Text: view.Whole(share),
		})
	}
	return out
}

// Operations sums up the spans of the trace by operation.
func (w *Waterfall) Operations() []view.OperationRow {
	type sum struct {
		service, op          string
		self, total, longest time.Duration
		spans, errors        int
	}
	index := map[[2]string]*sum{}
	var list []*sum
	var all time.Duration
	for i := range w.tree.Nodes {
		n := &w.tree.Nodes[i]
		if n.Missing {
			continue
		}
		key := [2]string{w.place(n), n.Span.Operation}
		s := index[key]
		if s == nil {
			s = &sum{service: key[0], op: key[1]}
			index[key] = s
			list = append(list, s)
		}
		s.self, s.total, s.longest, all = s.self+n.Self, s.total+n.Duration, max(s.longest, n.Duration), all+n.Self
		s.spans++
		if n.Span.Error {
			s.errors++
		}
	}
	slices.SortStableFunc(list, func(a, b *sum) int { return cmp.Compare(b.self, a.self) })
	const most = 200
	var out []view.OperationRow
	for _, s := range list[:min(len(list), most)] {
		share := float64(s.self) / float64(max(all, 1))
		out = append(out, view.OperationRow{
			Service: s.service, Op: s.op, Color: view.Color(s.service), Count: strconv.Itoa(s.spans), Self: view.Duration(s.self),
			Total: view.Duration(s.total), Longest: view.Duration(s.longest), Share: share * 100, ShareText: view.Whole(share), Errors: cmp.Or(view.Positive(float64(s.errors)), view.None),
		})
	}
	return out
}

// Verdict says in a sentence what most of the time went into, when one thing stands out.
func (w *Waterfall) Verdict(p view.Page, traceID string) *view.Headline {
	if len(w.tree.Repeats) > 0 {
		r := &w.tree.Repeats[0]
		for i := range w.tree.Repeats {
			if w.tree.Repeats[i].Total > r.Total {
				r = &w.tree.Repeats[i]
			}
		}
		share := max(w.criticalOf(r.Nodes...), 0)
		if share >= 0.3 {
			how := "at the same time"
			if r.Sequential {
				how = "one after the other"
			}
			return &view.Headline{
				State: "warn", Strong: view.Whole(share) + " of this request is one pattern: ",
				Rest:    r.Operation + " ran " + strconv.Itoa(len(r.Nodes)) + " times " + how + ", " + view.Duration(r.Total) + " in total.",
				Actions: []view.Choice{{Label: "Show it", Href: p.Trace(traceID, "span", w.tree.Nodes[r.Nodes[0]].ID.String())}},
			}
		}
	}
	best, share := -1, 0.0
	for i := range w.tree.Nodes {
		if s := w.criticalOf(i); s > share && !w.tree.Nodes[i].Missing {
			best, share = i, s
		}
	}
	if best < 0 || share < 0.5 || len(w.tree.Nodes) < 3 {
		return nil
	}
	n := &w.tree.Nodes[best]
	return &view.Headline{
		State: "warn", Strong: view.Whole(share) + " of this request is " + n.Span.Operation,
		Rest:    " in " + w.place(n) + ": " + view.Duration(time.Duration(share*float64(w.total))) + " of its own time on the critical path.",
		Actions: []view.Choice{{Label: "Show it", Href: p.Trace(traceID, "span", n.ID.String())}},
	}
}
