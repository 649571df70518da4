package rule

import (
	"math"
	"testing"
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
)

// sums are the events of windows, for what is told of them.
func sums(m map[time.Duration][2]uint64) func(time.Duration) (bad, total uint64) {
	return func(w time.Duration) (bad, total uint64) { return m[w][0], m[w][1] }
}

func pageFast(p budget.Policy) budget.Policy {
	p.Tiers = budget.DefaultTiers(month)[:1]
	return p
}

func TestViews(t *testing.T) {
	r := Compile(percent(t, "99.9"), month, budget.Occurrences, pageFast(budget.DefaultPolicy(month)))
	f := func(badLong, totalLong, badShort, totalShort uint64, s State, wantState, wantReason string) {
		t.Helper()
		in := Input{
			Sum:     sums(map[time.Duration][2]uint64{time.Hour: {badLong, totalLong}, 5 * time.Minute: {badShort, totalShort}}),
			Covered: always, Bad: badLong, Total: totalLong,
		}
		s.Tier = "page-fast"
		v := r.View(1000, in, []State{s})[0]
		if v.State != wantState || v.Reason != wantReason {
			t.Errorf("%s: %s\nwant %s: %s", v.State, v.Reason, wantState, wantReason)
		}
		if v.BadLong != badLong || v.TotalLong != totalLong || v.BadShort != badShort || v.TotalShort != totalShort ||
			v.Threshold != 14.4 || v.Clamped || v.Exhausted != 50*time.Hour || v.Since != s.Since {
			t.Errorf("view %+v", v)
		}
	}
	inactive := State{Phase: Inactive}
	firing := State{Phase: Firing, Since: 700}
	f(10, 36000, 1, 3000, inactive, ViewOK,
		"Burn rate 0.278 over 1 h (10 of 36,000 events bad) and 0.333 over 5 min are not above 14.4.")
	f(0, 0, 0, 0, inactive, ViewOK, "There were no events for 1 h.")
	f(100, 36000, 100, 3000, inactive, ViewRising,
		"Burn rate 33.3 over 5 min (100 of 3,000 events bad) is above 14.4, burn rate 2.78 over 1 h (100 of 36,000 events bad) not yet.")
	f(6000, 36000, 0, 3000, inactive, ViewRecovering,
		"Burn rate 167 over 1 h (6,000 of 36,000 events bad) is above 14.4, burn rate 0 over 5 min (0 of 3,000 events bad) no longer.")
	f(6000, 36000, 3000, 3000, firing, ViewFiring, "Burn rate 167 over 1 h (6,000 of 36,000 events bad) and 1,000 over 5 min are above 14.4.")
	firing.Keep = 900
	f(6000, 36000, 0, 3000, firing, ViewFiring,
		"Burn rate 0 over 5 min (0 of 3,000 events bad) is not above 14.4 any more. It resolves in 3 min 20 s if that lasts.")
	firing.Keep, firing.Held = 0, true
	f(6000, 36000, 0, 0, firing, ViewFiring, "There were no events for 5 min: it stays firing until there are some.")
	f(1, 40, 1, 3, State{Phase: Inactive, Guarded: true}, ViewRising,
		"Burn rate 25 over 1 h (1 of 40 events bad) is above 14.4, but so few bad events may be chance: of 40 it takes 3.")
}

// What is told when something changes.
func TestReasons(t *testing.T) {
	f := func(what string, p budget.Policy, target string, method budget.Method, in Input, s State, want ...string) {
		t.Helper()
		r := Compile(percent(t, target), month, method, pageFast(p))
		states := r.States()
		states[0] = s
		var got []string
		for _, c := range r.Step(1000, in, states) {
			got = append(got, c.State+": "+c.Reason)
		}
		t.Log(what)
		saidIs(t, got, want...)
	}
	window := func(badLong, totalLong, badShort, totalShort uint64) Input {
		return Input{
			Sum:     sums(map[time.Duration][2]uint64{time.Hour: {badLong, totalLong}, 5 * time.Minute: {badShort, totalShort}}),
			Covered: always, Bad: 0, Total: 1_000_000, Last: 990,
		}
	}
	inactive, firing := State{Phase: Inactive}, State{Phase: Firing, Since: 10}
	p := budget.DefaultPolicy(month)
	f("fires", p, "99.9", budget.Occurrences, window(600, 36000, 600, 3000), inactive,
		"firing: Burn rate 16.7 over 1 h (600 of 36,000 events bad) and 200 over 5 min are above 14.4.")
	f("fires by the clamp", p, "90", budget.Occurrences, window(20000, 36000, 3000, 3000), inactive,
		"firing: Burn rate 5.56 over 1 h (20,000 of 36,000 events bad) and 10 over 5 min are above 5, lowered from 14.4 because a target of 90% cannot burn that fast.")
	f("counts slices", p, "99.9", budget.Timeslices, window(20, 60, 5, 5), inactive,
		"firing: Burn rate 333 over 1 h (20 of 60 slices bad) and 1,000 over 5 min are above 14.4.")
	f("counts parts of slices", p, "99.9", budget.RatioTimeslices, window(20_500_000, 60_000_000, 5_000_000, 5_000_000), inactive,
		"firing: Burn rate 342 over 1 h (20.5 of 60 slices bad) and 1,000 over 5 min are above 14.4.")
	f("is guarded", p, "99.9", budget.Occurrences, window(1, 40, 1, 3), inactive,
		"guarded: Burn rate 25 over 1 h (1 of 40 events bad) is above 14.4, but so few bad events may be chance: of 40 it takes 3.")
	f("has been guarded", p, "99.9", budget.Occurrences, window(1, 40, 1, 3), State{Phase: Inactive, Guarded: true})
	p.MinBad = 5
	f("has too few", p, "99.9", budget.Occurrences, window(4, 40, 3, 3), inactive,
		"guarded: Burn rate 100 over 1 h (4 of 40 events bad) is above 14.4, but the policy asks for 5 bad events.")
	p = budget.DefaultPolicy(month)
	f("is held", p, "99.9", budget.Occurrences, window(600, 3600, 0, 0), firing,
		"held: There were no events for 5 min: it stays firing until there are some.")
	p.KeepFiring, p.For = 0, time.Minute
	f("waits", p, "99.9", budget.Occurrences, window(600, 36000, 600, 3000), inactive,
		"pending: Burn rate 16.7 over 1 h (600 of 36,000 events bad) and 200 over 5 min are above 14.4; it fires if that lasts 1 min.")
	f("resolves", p, "99.9", budget.Occurrences, window(600, 36000, 1, 3000), firing,
		"resolved: Burn rate 0.333 over 5 min (1 of 3,000 events bad) is not above 14.4 any more.")
	f("resolves by the long window", p, "99.9", budget.Occurrences, window(100, 36000, 100, 3000), firing,
		"resolved: Burn rate 2.78 over 1 h (100 of 36,000 events bad) is not above 14.4 any more.")
	f("resolves for want of significance", p, "99.9", budget.Occurrences, window(1, 40, 1, 3), firing,
		"resolved: Burn rate 25 over 1 h (1 of 40 events bad) is above 14.4, but so few bad events may be chance: of 40 it takes 3.")
	quiet := window(0, 36000, 0, 3000)
	quiet.Bad = 700
	f("half of the budget", p, "99.9", budget.Occurrences, quiet, inactive,
		"budget: 30% of the budget is left, not more than 50%: 700 of 1,000,000 events were bad.")
	quiet.Bad = 1001
	f("no budget", p, "99.9", budget.Occurrences, quiet, inactive,
		"budget: No budget is left: 1,001 of 1,000,000 events were bad.")
	p.NoDataAlert = budget.Ticket
	quiet = window(0, 0, 0, 0)
	quiet.Last, quiet.Total, quiet.Covered = 700, 1_000_000, 10_000
	f("nothing", p, "99.9", budget.Occurrences, quiet, inactive, "no_data: There was no event for 5 min: nothing can be said.")
	p.Guard, quiet.Last, quiet.Total = false, 0, 0
	f("never anything", p, "99.9", budget.Occurrences, quiet, inactive, "no_data: There was no event in 2 h 47 min.")
}

// A change carries what decided, and how much of the period is counted.
func TestNumbersOfChanges(t *testing.T) {
	w := budget.Window{Length: 2 * time.Hour}
	p := budget.Policy{Tiers: []budget.Tier{{Name: "t", Severity: budget.Page, Long: time.Hour, Short: 5 * time.Minute, Burn: budget.NewRatio(2, 1)}}}
	e := newEngine(Compile(percent(t, "90"), w, budget.Occurrences, p), w, t0-1800, t0)
	e.set.Put(0, t0, 60, 100)
	e.set.Put(0, t0-600, 0, 20)
	c := e.step(t0 + 10)[0]
	// Half an hour of the hour is counted: half the burn rate. A quarter of the period is.
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-3 {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("long burn rate", c.BurnLong, 5*1810.0/3600)
	near("short burn rate", c.BurnShort, 6)
	near("budget", c.Left, -4)
	near("coverage", c.Coverage, 1810.0/7200)
	if c.Tier != "t" || c.Severity != budget.Page || c.State != ChangeFiring || c.At != t0+10 || c.Threshold != 2 ||
		c.BadLong != 60 || c.TotalLong != 120 || c.BadShort != 60 || c.TotalShort != 100 {
		t.Errorf("change %+v", c)
	}
}

// Restored states are those of the same names; what is new begins anew, what is gone is forgotten.
func TestStates(t *testing.T) {
	p := pageFast(budget.DefaultPolicy(month))
	p.NoDataAlert = budget.Ticket
	r := Compile(percent(t, "99.9"), month, budget.Occurrences, p)
	stored := []State{{Tier: "other", Phase: Firing}, {Tier: NoData, Phase: Firing, Since: 5}}
	want := []State{
		{Tier: "page-fast", Phase: Inactive},
		{Tier: "budget-50", Phase: Inactive},
		{Tier: "budget-20", Phase: Inactive},
		{Tier: "budget-0", Phase: Inactive},
		{Tier: NoData, Phase: Firing, Since: 5},
	}
	got := r.States(stored...)
	if len(got) != len(want) {
		t.Fatalf("%d states, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("state %+v, want %+v", got[i], want[i])
		}
	}
	if n := len(Compile(percent(t, "99.9"), month, budget.Occurrences, budget.Policy{}).States()); n != 0 {
		t.Errorf("a policy that says nothing has %d states", n)
	}
}

// Everything that a rule is made of tells it from others.
func TestHash(t *testing.T) {
	p := budget.DefaultPolicy(month)
	seen := make(map[uint64]string)
	f := func(what, target string, w budget.Window, m budget.Method, p budget.Policy) {
		t.Helper()
		h := Compile(percent(t, target), w, m, p).Hash()
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", what, other)
		}
		if again := Compile(percent(t, target), w, m, p).Hash(); again != h {
			t.Errorf("%s has two hashes", what)
		}
		seen[h] = what
	}
	calendar := func(zone string) budget.Window {
		return budget.Window{Calendar: &budget.Calendar{Start: time.Unix(t0, 0).UTC(), Zone: zone, N: 1, Unit: 'M'}}
	}
	f("the default", "99.9", month, budget.Occurrences, p)
	f("another target", "99", month, budget.Occurrences, p)
	f("another window", "99.9", budget.Window{Length: 28 * budget.Day}, budget.Occurrences, p)
	f("a calendar", "99.9", calendar("UTC"), budget.Occurrences, p)
	f("another zone", "99.9", calendar("Europe/Berlin"), budget.Occurrences, p)
	f("another method", "99.9", month, budget.Timeslices, p)
	p.MinBad++
	f("another policy", "99.9", month, budget.Occurrences, p)
}

// evaluated is a rule over a set of full windows, for benchmarks.
func BenchmarkStep(b *testing.B) {
	r := Compile(percentOf(b, "99.9"), month, budget.Occurrences, budget.DefaultPolicy(month))
	set := ring.New(ring.Config{Windows: r.Windows(), Now: t0})
	const n = 1000
	states := make([][]State, n)
	for i := range n {
		set.Add(t0 - 90*86400)
		set.Put(i, t0, 1, 1000)
		states[i] = r.States()
	}
	set.Advance(t0 + 10)
	var i int
	in := Input{Sum: func(w time.Duration) (bad, total uint64) { return set.Sum(i, w) }, Covered: always, To: t0 + 10}
	b.ReportAllocs()
	for b.Loop() {
		for i = range n {
			in.Bad, in.Total = set.Sum(i, month.Length)
			r.Step(t0+10, in, states[i])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/objective")
}

func percentOf(b *testing.B, text string) budget.Target {
	b.Helper()
	target, err := budget.ParsePercent(text)
	if err != nil {
		b.Fatal(err)
	}
	return target
}
