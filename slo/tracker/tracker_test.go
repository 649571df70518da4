package tracker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
	"loadline/slo/budget"
	"loadline/slo/ring"
	"loadline/slo/rule"
	"loadline/slo/spec"
)

// begin is a moment at which the tests begin to count: a whole hour.
const begin = int64(1_790_000_000) / 3600 * 3600

// objectiveOf makes an SLO with one objective that counts the spans of a service of its name.
func objectiveOf(t *testing.T, name, target string, change func(*spec.Objective)) *spec.SLO {
	t.Helper()
	goal, err := budget.ParsePercent(target)
	if err != nil {
		t.Fatal(err)
	}
	o := spec.Objective{
		Name: "default", Target: goal, Window: budget.Window{Length: 7 * budget.Day},
		Indicator: spec.Indicator{Spans: &sli.Indicator{Service: name}},
	}
	o.Policy = budget.DefaultPolicy(o.Window)
	if change != nil {
		change(&o)
	}
	return &spec.SLO{Name: name, Service: name, Objectives: []spec.Objective{o}}
}

func definitionOf(s *spec.SLO, indicator uint64) Definition {
	return Definition{SLO: s, Objective: &s.Objectives[0], Indicator: indicator, From: begin}
}

// several are objectives of every kind.
func several(t *testing.T) []Definition {
	grouped := objectiveOf(t, "grouped", "99.9", func(o *spec.Objective) { o.Indicator.Spans.GroupBy = "tenant" })
	minutes := objectiveOf(t, "minutes", "99", func(o *spec.Objective) {
		o.Method = budget.Timeslices
		good, err := budget.ParseSliceTarget("0.95")
		if err != nil {
			t.Fatal(err)
		}
		o.Slices = budget.Slices{Length: time.Minute, Target: good}
	})
	month := objectiveOf(t, "month", "99", func(o *spec.Objective) {
		o.Window = budget.Window{Calendar: &budget.Calendar{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Zone: "Europe/Berlin", N: 1, Unit: 'M'}}
		o.Policy = budget.DefaultPolicy(o.Window)
	})
	both := objectiveOf(t, "both", "99", func(o *spec.Objective) {
		o.Method = budget.Timeslices
		o.Indicator = spec.Indicator{Composite: &spec.Composite{Method: "any", Members: []spec.Member{
			{SLO: "grouped", Weight: budget.NewRatio(1, 1)}, {SLO: "month", Weight: budget.NewRatio(1, 1)},
		}}}
	})
	return []Definition{definitionOf(grouped, 1), definitionOf(minutes, 1), definitionOf(month, 2), definitionOf(both, 0)}
}

func loaded(t *Tracker, refs []Ref) {
	for _, ref := range refs {
		t.Loaded(ref, nil)
	}
}

// delta is what is counted at a time.
type delta struct {
	at                int64
	indicator         uint64
	group             string
	start, bad, total int64
}

// traffic makes an hour of counts in the order in which they come: some late, some early.
func traffic(random *rand.Rand) []delta {
	var out []delta
	for start := begin; start < begin+3600; start += slot {
		for indicator := uint64(1); indicator <= 2; indicator++ {
			bad := int64(0)
			if start > begin+1800 && start < begin+2400 {
				bad = random.Int64N(60)
			}
			late := random.Int64N(30)
			if random.IntN(20) == 0 {
				late = random.Int64N(1200)
			}
			out = append(out, delta{start + late, indicator, "", start, bad, 100})
			if indicator == 1 {
				out = append(out, delta{start + late, 1, fmt.Sprint("tenant", random.IntN(3)), start, min(bad, 30), 30})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b delta) int { return int(a.at - b.at) })
	return out
}

// play gives a tracker what comes in (from, to] and returns what happened.
func play(t *Tracker, all []delta, from, to int64) []Event {
	var events []Event
	next, _ := slices.BinarySearchFunc(all, from, func(d delta, at int64) int { return int(d.at - at) })
	for at := from + slot; at <= to; at += slot {
		for ; next < len(all) && all[next].at < at; next++ {
			d := all[next]
			t.Put(d.indicator, d.group, d.start, d.bad, d.total)
		}
		events = append(events, t.Advance(at, false)...)
	}
	return events
}

func all(t *Tracker) []string {
	var out []string
	for _, v := range t.Views() {
		for _, w := range append([]View{v}, t.Groups(v.Ref)...) {
			line := fmt.Sprint(w.Ref, w.Now, w.From, w.To, w.Covered, w.Bad, w.Total, w.BadHour, w.TotalHour, w.States)
			for _, r := range w.Rules {
				line += fmt.Sprint(r.BadLong, r.TotalLong, r.BadShort, r.TotalShort, r.State)
			}
			out = append(out, line)
		}
	}
	return out
}

// TestRestore stops a tracker at a random moment and goes on from its snapshot: what happens is the same.
func TestRestore(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 1))
		counts, end := traffic(random), begin+2*3600
		whole := New(begin)
		loaded(whole, whole.Define(several(t)))
		want := play(whole, counts, begin, end)
		if !slices.ContainsFunc(want, func(e Event) bool { return e.State == rule.ChangeFiring }) {
			t.Fatal("nothing fires")
		}

		first := New(begin)
		loaded(first, first.Define(several(t)))
		stop := begin + random.Int64N(7000)/slot*slot
		got := play(first, counts, begin, stop)
		var file bytes.Buffer
		if err := first.Snapshot(&file, map[uint64]uint64{9: 17}); err != nil {
			t.Fatal(err)
		}
		second, clock, refs, err := Restore(&file, several(t))
		if err != nil {
			t.Fatal(err)
		}
		if clock[9] != 17 {
			t.Errorf("clock %v", clock)
		}
		states := map[Ref][]rule.State{}
		first.States(func(ref Ref, _ int64, _ uint64, s []rule.State) { states[ref] = s })
		for _, ref := range refs { // those that count slices
			reload(second, ref, counts, stop)
			second.Loaded(ref, states)
		}
		got = append(got, play(second, counts, stop, end)...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d, stopped after %d s (-whole +restored):\n%s", seed, stop-begin, diff)
		}
		if diff := cmp.Diff(all(whole), all(second)); diff != "" {
			t.Fatalf("seed %d (-whole +restored):\n%s", seed, diff)
		}
	}
}

// reload gives an objective that counts slices what has come before a moment.
func reload(t *Tracker, ref Ref, all []delta, before int64) {
	n, _ := t.Needs(ref)
	sources := make([][]ring.Slot, len(n.Indicators))
	for i, indicator := range n.Indicators {
		for _, d := range all {
			if d.indicator == indicator && d.group == "" && d.at < before {
				sources[i] = append(sources[i], ring.Slot{Start: d.start, Bad: d.bad, Total: d.total})
			}
		}
		slices.SortStableFunc(sources[i], func(a, b ring.Slot) int { return int(a.Start - b.Start) })
	}
	t.LoadSlices(ref, n.From, sources)
}

// TestQuiet moves over an outage that nobody was told of: what is over by the end is not told at all.
func TestQuiet(t *testing.T) {
	outage := func(t *Tracker, from, to, bad int64) {
		for start := from; start < to; start += slot {
			t.Put(1, "", start, bad, 100)
		}
	}
	f := func(over bool) []string {
		tr := New(begin)
		loaded(tr, tr.Define([]Definition{definitionOf(objectiveOf(t, "shop", "99.9", nil), 1)}))
		outage(tr, begin, begin+3600, 0)
		tr.Advance(begin+3600, false)
		outage(tr, begin+3600, begin+4200, 100)
		end := begin + 4200
		if over {
			end = begin + 24*3600
			outage(tr, begin+4200, end, 0)
		}
		var told []string
		for _, e := range tr.Advance(end, true) {
			if e.Severity == budget.Page {
				told = append(told, e.Tier+" "+e.State)
			}
		}
		return told
	}
	if diff := cmp.Diff([]string{"page-fast firing", "page-slow firing"}, f(false)); diff != "" {
		t.Errorf("during an outage (-want +got):\n%s", diff)
	}
	if got := f(true); len(got) > 0 {
		t.Errorf("after an outage: %v", got)
	}
}

// TestDefine changes definitions: what counts the same keeps its counts, what judges the same its states.
func TestDefine(t *testing.T) {
	tr := New(begin)
	one := objectiveOf(t, "shop", "99", nil)
	loaded(tr, tr.Define([]Definition{definitionOf(one, 1)}))
	for start := begin; start < begin+600; start += slot {
		tr.Put(1, "", start, 50, 100)
	}
	tr.Advance(begin+600, false)
	ref := Ref{SLO: "shop", Objective: "default"}
	check := func(what string, d Definition, load bool, total uint64, firing bool) {
		t.Helper()
		refs := tr.Define([]Definition{d})
		if (len(refs) > 0) != load {
			t.Errorf("%s: to load: %v", what, refs)
		}
		loaded(tr, refs)
		v, ok := tr.View(ref)
		if !ok || v.Total != total || (v.States[0].Phase == rule.Firing) != firing {
			t.Errorf("%s: %d events, state %v", what, v.Total, v.States[0])
		}
	}
	described := objectiveOf(t, "shop", "99", nil)
	described.Description = "another word"
	check("a description", definitionOf(described, 1), false, 6000, true)
	check("a target", definitionOf(objectiveOf(t, "shop", "95", nil), 1), false, 6000, true)
	excluded := definitionOf(objectiveOf(t, "shop", "95", nil), 1)
	excluded.Excluded = []Interval{{begin, begin + 60}}
	check("a correction", excluded, true, 0, false)
	check("an indicator", definitionOf(objectiveOf(t, "shop", "95", nil), 2), true, 0, false)
	if tr.Define(nil); len(tr.Views()) != 0 {
		t.Error("an SLO outlives its definition")
	}
	if n, bytes := tr.Sizes(); n != 0 || bytes != 0 {
		t.Errorf("%d instances, %d bytes of nothing", n, bytes)
	}
}

// TestLateSlices changes slices that are over, and says when that is not possible any more.
func TestLateSlices(t *testing.T) {
	tr := New(begin)
	loaded(tr, tr.Define(several(t)))
	for start := begin; start < begin+3*3600; start += slot {
		tr.Put(1, "", start, 0, 10)
		tr.Put(2, "", start, 0, 10)
		tr.Advance(start+slot, false)
	}
	bad := func(name string) uint64 {
		v, _ := tr.View(Ref{SLO: name})
		return v.Bad
	}
	tr.Put(1, "", begin+3*3600-1800, 60, 60)
	tr.Advance(begin+3*3600+slot, false)
	if bad("minutes") != 1 || bad("both") != 1 || len(tr.Stale()) != 0 {
		t.Errorf("late: %d and %d bad slices", bad("minutes"), bad("both"))
	}
	tr.Put(1, "", begin+60, 60, 60)
	if stale := tr.Stale(); len(stale) != 2 {
		t.Errorf("too late: to load again %v", stale)
	}
}

func TestDelay(t *testing.T) {
	var d Delay
	now := time.Unix(begin, 0)
	if got := d.Measure(now); got != DefaultDelay {
		t.Errorf("of nothing: %v", got)
	}
	d.Observe(now, begin-7, 990)
	d.Observe(now, begin-40, 9)
	d.Observe(now, begin-100_000, 1_000_000) // that is late, not slow
	if got := d.Measure(now); got != 7*time.Second {
		t.Errorf("got %v, want 7s", got)
	}
	d.Observe(now, begin-40, 500)
	if got := d.Measure(now); got != 40*time.Second {
		t.Errorf("got %v, want 40s", got)
	}
	// Half is forgotten in ten minutes, and in a day all.
	later := now.Add(24 * time.Hour)
	d.Measure(later)
	d.Observe(later, later.Unix()+5, 1000) // clocks that are ahead
	if got := d.Measure(later); got != 2*time.Second {
		t.Errorf("got %v, want 2s", got)
	}
}
