package trace

import (
	gocmp "cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/query/querytest"
)

// treeSpan is a span of milliseconds for tests of trees.
func treeSpan(id, parent byte, from, to int, service, operation string) Span {
	return Span{
		ID: SpanID{7: id}, Parent: SpanID{7: parent}, Start: querytest.Base.Add(time.Duration(from) * time.Millisecond),
		Duration: time.Duration(to-from) * time.Millisecond, Service: service, Operation: operation, Kind: "internal",
	}
}

// shape renders a tree as ids by depth.
func shape(t *Tree) string {
	var out []byte
	for _, n := range t.Nodes {
		for range n.Depth {
			out = append(out, '.')
		}
		if n.Missing {
			out = append(out, '?')
		}
		out = append(out, 'a'+n.ID[7]-1, ' ')
	}
	return string(out)
}

func TestBuildTree(t *testing.T) {
	f := func(spans []Span, wantShape string, orphans, cycles int) *Tree {
		t.Helper()
		tree := BuildTree(spans)
		if got := shape(tree); got != wantShape || tree.Orphans != orphans || tree.Cycles != cycles {
			t.Errorf("%q, %d orphans, %d in cycles; want %q, %d, %d", got, tree.Orphans, tree.Cycles, wantShape, orphans, cycles)
		}
		return tree
	}
	f(nil, "", 0, 0)
	tree := f([]Span{
		treeSpan(3, 1, 50, 90, "b", "y"), treeSpan(1, 0, 0, 100, "a", "x"), treeSpan(2, 1, 10, 40, "b", "x"), treeSpan(4, 2, 12, 20, "c", "z"),
	}, "a .b ..d .c ", 0, 0)
	if n := tree.Nodes[0]; n.Descendants != 3 || n.Self != 30*time.Millisecond || !slices.Equal(n.Children, []int{1, 3}) {
		t.Errorf("root %+v", n)
	}
	if tree.Length != 100*time.Millisecond || tree.Nodes[2].Offset != 12*time.Millisecond || tree.Nodes[2].Parent != 1 {
		t.Errorf("%+v", tree)
	}
	tree = f([]Span{treeSpan(2, 9, 10, 40, "b", "x"), treeSpan(3, 9, 30, 60, "b", "x")}, "?i .b .c ", 2, 0)
	if n := tree.Nodes[0]; n.Duration != 50*time.Millisecond || n.Self != 0 || n.Span != nil {
		t.Errorf("stand-in %+v", n)
	}
	f([]Span{treeSpan(1, 1, 0, 10, "a", "x")}, "a ", 0, 1)
	f([]Span{treeSpan(1, 2, 5, 10, "a", "x"), treeSpan(2, 3, 0, 10, "a", "x"), treeSpan(3, 1, 7, 10, "a", "x"), treeSpan(4, 3, 8, 9, "a", "x")}, "b .a ..c ...d ", 0, 3)
	f([]Span{treeSpan(1, 0, 0, 10, "a", "x"), treeSpan(2, 0, 20, 30, "a", "x")}, "a b ", 0, 0)
}

func TestBuildTreeDeepChain(t *testing.T) {
	spans := make([]Span, 50_000)
	for i := range spans {
		spans[i] = Span{ID: SpanID{4: byte(i >> 16), 5: byte(i >> 8), 6: byte(i), 7: 1}, Start: querytest.Base.Add(time.Duration(i)), Duration: time.Duration(100_000 - 2*i)}
		if i > 0 {
			spans[i].Parent = spans[i-1].ID
		}
	}
	tree := BuildTree(spans)
	if tree.Nodes[0].Descendants != len(spans)-1 || tree.Nodes[len(spans)-1].Depth != len(spans)-1 {
		t.Errorf("%d descendants", tree.Nodes[0].Descendants)
	}
}

func TestRepeats(t *testing.T) {
	spans := []Span{treeSpan(1, 0, 0, 100, "shop", "GET /cart")}
	for i := range 5 {
		spans = append(spans, treeSpan(byte(10+i), 1, 10*i, 10*i+10, "shop", "SELECT line_items"))
	}
	spans[3].Error = true
	spans = append(spans, treeSpan(20, 1, 60, 70, "shop", "SELECT carts"), treeSpan(21, 1, 70, 80, "shop", "SELECT carts"))
	for i := range 3 {
		spans = append(spans, treeSpan(byte(30+i), 1, 80, 90, "price", "GET"))
	}
	tree := BuildTree(spans)
	want := []Repeat{
		{Service: "shop", Operation: "SELECT line_items", Parent: 0, Nodes: []int{1, 2, 3, 4, 5}, Total: 50 * time.Millisecond, Errors: 1, Sequential: true},
		{Service: "price", Operation: "GET", Parent: 0, Nodes: []int{8, 9, 10}, Total: 30 * time.Millisecond},
	}
	if diff := cmp.Diff(want, tree.Repeats); diff != "" {
		t.Error(diff)
	}
	if tree.Nodes[2].Repeat != 0 || tree.Nodes[6].Repeat != -1 || tree.Nodes[9].Repeat != 1 {
		t.Error("nodes do not know their groups")
	}
}

func TestServiceTimes(t *testing.T) {
	tree := BuildTree([]Span{
		treeSpan(1, 0, 0, 100, "web", "x"), treeSpan(2, 1, 10, 60, "shop", "x"), treeSpan(3, 1, 40, 80, "shop", "x"), treeSpan(4, 1, 90, 130, "mail", "x"),
	})
	want := []ServiceTime{
		{Service: "shop", Self: 90 * time.Millisecond, Critical: 40 * time.Millisecond, Spans: 2, Share: 90.0 / 150},
		{Service: "mail", Self: 40 * time.Millisecond, Critical: 10 * time.Millisecond, Spans: 1, Share: 40.0 / 150},
		{Service: "web", Self: 20 * time.Millisecond, Critical: 50 * time.Millisecond, Spans: 1, Share: 20.0 / 150},
	}
	if diff := cmp.Diff(want, tree.ServiceTimes()); diff != "" {
		t.Error(diff)
	}
}

func TestSkew(t *testing.T) {
	f := func(from, to int, want time.Duration) {
		t.Helper()
		client, server := treeSpan(1, 0, 100, 200, "web", "GET"), treeSpan(2, 1, from, to, "shop", "GET /")
		client.Kind, server.Kind = "client", "server"
		if got := BuildTree([]Span{client, server}).Nodes; got[len(got)-1].Skew != want && got[0].Skew != want {
			t.Errorf("server from %d to %d: skew %v, want %v", from, to, got[1].Skew, want)
		}
	}
	f(110, 190, 0)
	f(110, 400, 0) // the client timed out
	f(70, 150, 30*time.Millisecond)
	f(220, 260, 60*time.Millisecond)
}

// slowCriticalPath finds the owner of every millisecond of a span by going back through time in single steps.
func slowCriticalPath(spans []Span, at int, from, to time.Time, owner map[time.Time]SpanID) {
	clock := to
next:
	for clock.After(from) {
		best, bestFrom := -1, clock
		for i := range spans {
			if spans[i].Parent != spans[at].ID || i == at {
				continue
			}
			start, end := later(spans[i].Start, from), earlier(spans[i].End(), to)
			if end.Equal(clock) && start.Before(bestFrom) {
				best, bestFrom = i, start
			}
		}
		if best >= 0 {
			slowCriticalPath(spans, best, bestFrom, clock, owner)
			clock = bestFrom
			continue next
		}
		clock = clock.Add(-time.Millisecond)
		owner[clock] = spans[at].ID
	}
}

// TestCriticalPath compares the path of random traces with a search instant by instant, and checks that it covers the
// root exactly once.
func TestCriticalPath(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		spans := []Span{treeSpan(1, 0, 0, 40, "a", "x")}
		for i := range 1 + rng.IntN(14) {
			from := rng.IntN(45) - 2
			spans = append(spans, treeSpan(byte(i+2), byte(1+rng.IntN(i+1)), from, from+rng.IntN(30), "a", "x"))
		}
		tree := BuildTree(slices.Clone(spans))
		got := map[time.Time]SpanID{}
		for _, n := range tree.CriticalPath() {
			node := &tree.Nodes[n]
			for _, part := range node.Critical {
				if part.From < node.Offset || part.To > node.end() || part.From >= part.To {
					t.Fatalf("part %v outside of its span", part)
				}
				for at := part.From; at < part.To; at += time.Millisecond {
					clock := tree.Start.Add(at)
					if _, ok := got[clock]; ok {
						t.Fatalf("two spans own %v", clock)
					}
					got[clock] = node.ID
				}
			}
		}
		root := tree.Nodes[tree.mainRoot()]
		if root.ID != spans[0].ID {
			t.Fatalf("root %v", root.ID)
		}
		want := map[time.Time]SpanID{}
		from, to := spans[0].Start, spans[0].End()
		// Of children that are equal within their parent's time, the first in the waterfall counts.
		slices.SortStableFunc(spans, func(a, b Span) int { return gocmp.Or(a.Start.Compare(b.Start), b.End().Compare(a.End())) })
		slowCriticalPath(spans, slices.IndexFunc(spans, func(s Span) bool { return s.ID == root.ID }), from, to, want)
		if diff := cmp.Diff(want, got); diff != "" || len(got) != 40 {
			t.Fatalf("%d ms on the path\n%s", len(got), diff)
		}
	}
}

func TestCriticalPathProblems(t *testing.T) {
	if p := BuildTree(nil).CriticalProblem; p == "" {
		t.Error("no spans: no problem")
	}
	if p := BuildTree([]Span{treeSpan(1, 0, 5, 5, "a", "x")}).CriticalProblem; p == "" {
		t.Error("no duration: no problem")
	}
	if p := BuildTree([]Span{treeSpan(1, 0, 5, 9, "a", "x")}).CriticalProblem; p != "" {
		t.Errorf("problem %q", p)
	}
}
