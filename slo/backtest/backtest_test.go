package backtest

import (
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
)

// t0 is a Sunday at midnight.
const t0 = int64(1772323200) // 2026-03-01T00:00:00Z

const day = int64(86400)

var month = budget.Window{Length: 30 * budget.Day}

func standard(t testing.TB) Objective {
	t.Helper()
	return Objective{Target: target(t, "99.9"), Window: month, Policy: budget.DefaultPolicy(month)}
}

// What happened is told in numbers: a month with one outage of ten minutes.
func TestResult(t *testing.T) {
	const outage = 20 * 8640 // slots before it
	slots := stream(t0, segment{outage, 1000, 0}, segment{60, 0, 1000}, segment{10*8640 - 60, 1000, 0})
	r := Run(standard(t), History{Slots: slots, Since: t0, From: t0, To: t0 + 30*day})
	if r.Bad != 60_000 || r.Total != 259_200_000 || r.Coverage != 1 {
		t.Errorf("%d of %d bad, coverage %v", r.Bad, r.Total, r.Coverage)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6 {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("attained", r.Attained, 1-60_000/259_200_000.0)
	near("budget", r.Left, 1-60_000/259_200.0)
	near("tightest", r.Tightest, 0.999768)
	near("pages a week", r.PagesPerWeek, 7.0/30)
	if r.Pages != 1 || r.Tickets != 1 || r.False != 0 {
		t.Errorf("%d pages, %d tickets, %d about nothing; want 1, 1 and 0", r.Pages, r.Tickets, r.False)
	}
	at := t0 + outage*slot
	want := Incident{From: at, To: at + 600, Bad: 60_000, Total: 60_000, Caught: true, Delay: time.Minute}
	if len(r.Incidents) != 1 || r.Incidents[0] != want || r.Caught != 1 || r.Missed != 0 || r.Delay != time.Minute {
		t.Errorf("incidents %+v, %d caught in %s, want %+v", r.Incidents, r.Caught, r.Delay, want)
	}
	if n := len(r.Points); n < 290 || n > maxPoints || r.Points[n-1].At != t0+30*day {
		t.Fatalf("%d points up to %d", n, r.Points[n-1].At-t0)
	}
	last := r.Points[len(r.Points)-1]
	near("last point", last.Left, r.Left)
	var peak float64
	for i, p := range r.Points {
		peak = max(peak, p.BurnShort)
		if i > 0 && p.At-r.Points[i-1].At != r.Points[1].At-r.Points[0].At {
			t.Fatalf("point %d is %d s after the one before", i, p.At-r.Points[i-1].At)
		}
	}
	near("highest burn rate", peak, 1000)
	if r.Alerting <= time.Hour || r.Alerting > 8*time.Hour {
		t.Errorf("alerting for %s", r.Alerting)
	}
}

// Without events there is nothing to attain.
func TestNothing(t *testing.T) {
	o := standard(t)
	o.Policy.NoDataAlert = budget.Page
	r := Run(o, History{From: t0, To: t0 + day/2, Since: t0, Grid: true})
	if !math.IsNaN(r.Attained) || r.Tightest != 0 || r.Left != 1 || len(r.Incidents) != 0 || len(r.Events) != 0 {
		t.Errorf("attained %v, tightest %v, left %v, incidents %v, events %v", r.Attained, r.Tightest, r.Left, r.Incidents, r.Events)
	}
	for _, c := range r.Grid {
		if c.PagesPerWeek+c.TicketsPerWeek != 0 || c.Left != 1 {
			t.Errorf("cell %+v", c)
		}
	}
	for _, p := range r.Points {
		if !math.IsNaN(p.Left) {
			t.Fatalf("point %+v", p)
		}
	}
	r = Run(o, History{From: t0, To: t0})
	if len(r.Points) != 1 || r.PagesPerWeek != 0 {
		t.Errorf("no time at all: %+v", r)
	}
}

// A service that falls silent is an alert where the policy says so.
func TestSilence(t *testing.T) {
	o := standard(t)
	o.Policy.NoDataAlert = budget.Page
	slots := stream(t0, segment{8640, 10, 0}, segment{360, 0, 0}, segment{8640, 10, 0})
	r := Run(o, History{Slots: slots, Since: t0, From: t0 + day/2, To: t0 + 2*day})
	if r.Pages != 1 || r.Alerting != 57*time.Minute+10*time.Second || r.False != 1 {
		t.Errorf("%d pages, %s, %d about nothing", r.Pages, r.Alerting, r.False)
	}
}

// busy is a month of a service with background errors, by day and night, and some outages.
func busy(r *rand.Rand, days int64) []ring.Slot {
	var slots []ring.Slot
	outage := int64(0)
	for n := range days * 8640 {
		if outage == 0 && r.IntN(2*8640) == 0 {
			outage = 1 + r.Int64N(200)
		}
		rate := 60 + 50*math.Sin(float64(n)/8640*2*math.Pi)
		total := int64(rate * (0.8 + 0.4*r.Float64()))
		bad := int64(0)
		if r.IntN(30) == 0 {
			bad = 1
		}
		if outage > 0 {
			outage--
			bad = total / 3
		}
		if total > 0 {
			slots = append(slots, ring.Slot{Start: t0 + n*slot, Bad: bad, Total: total})
		}
	}
	return slots
}

// The windows that are loaded at the beginning are those that went through all of it.
func TestBeginsInTheMiddle(t *testing.T) {
	o := standard(t)
	o.Policy.KeepFiring = 0
	slots := busy(rand.New(rand.NewPCG(3, 3)), 12)
	whole := Run(o, History{Slots: slots, From: t0, To: t0 + 12*day})
	half := Run(o, History{Slots: slots, From: t0 + 6*day, To: t0 + 12*day})
	after := func(r Result) []string {
		for i := range r.Events {
			if r.Events[i].At > t0+7*day {
				return told(r.Events[i:], t0)
			}
		}
		return nil
	}
	a, b := after(whole), after(half)
	if len(a) == 0 || len(a) != len(b) {
		t.Fatalf("%d events and %d", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("%s, want %s", b[i], a[i])
		}
	}
	if whole.Bad != half.Bad || whole.Total != half.Total {
		t.Errorf("%d of %d bad, want %d of %d", half.Bad, half.Total, whole.Bad, whole.Total)
	}
}

// Each cell of the grid is a run of its own.
func TestGrid(t *testing.T) {
	slots := busy(rand.New(rand.NewPCG(1, 2)), 4)
	o := standard(t)
	o.Target = target(t, "99.7")
	for _, own := range []budget.Policy{budget.DefaultPolicy(month), {Tiers: o.Policy.Tiers[:1], For: time.Minute}} {
		o.Policy = own
		h := History{Slots: slots, From: t0 + day, To: t0 + 4*day, Since: t0 - 30*day}
		h.Grid = true
		cells := Run(o, h).Grid
		if want := 6 * 3; len(own.Tiers) > 1 && len(cells) != want {
			t.Errorf("%d cells, want %d", len(cells), want)
		}
		if want := 6 * 4; len(own.Tiers) == 1 && len(cells) != want {
			t.Errorf("%d cells with a policy of its own, want %d", len(cells), want)
		}
		h.Grid = false
		for _, c := range cells {
			tried := o
			tried.Target = c.Target
			if c.Preset != "" {
				tried.Policy, _ = budget.Preset(c.Preset, month)
			}
			r := Run(tried, h)
			want := Cell{
				Target: c.Target, Preset: c.Preset, PagesPerWeek: r.PagesPerWeek, TicketsPerWeek: r.TicketsPerWeek,
				Caught: r.Caught, Delay: r.Delay, False: r.False, Left: r.Left,
			}
			if c != want {
				t.Errorf("cell %+v\nwant %+v", c, want)
			}
		}
	}
}

// Slices are made of slots, unless they are slices already.
func TestSlices(t *testing.T) {
	o := standard(t)
	o.Method = budget.Timeslices
	o.Slices = budget.Slices{Length: time.Minute, Target: target(t, "95"), Empty: budget.EmptyBad}
	slots := stream(t0, segment{12, 99, 1}, segment{6, 90, 10}, segment{6, 0, 0}, segment{4, 1, 0})
	r := Run(o, History{Slots: slots, Since: t0, From: t0, To: t0 + 300})
	if r.Bad != 2 || r.Total != 5 {
		t.Errorf("%d of %d slices bad, want 2 of 5", r.Bad, r.Total)
	}
	o.Slices = budget.Slices{Length: time.Minute}
	slots = []ring.Slot{{Start: t0 + 50, Bad: 1, Total: 1}, {Start: t0 + 110, Total: 1}}
	r = Run(o, History{Slots: slots, Sliced: true, Since: t0, From: t0, To: t0 + 300})
	if r.Bad != 1 || r.Total != 2 {
		t.Errorf("%d of %d slices bad, want 1 of 2", r.Bad, r.Total)
	}
	o.Method = budget.RatioTimeslices
	slots = nil
	for n := range int64(600) {
		bad := int64(0)
		if n >= 300 && n < 340 {
			bad = budget.Whole
		}
		slots = append(slots, ring.Slot{Start: t0 + 60*n, Bad: bad, Total: budget.Whole})
	}
	r = Run(o, History{Slots: slots, Sliced: true, Since: t0, From: t0, To: t0 + 36_000})
	if len(r.Incidents) != 1 || r.Incidents[0].Bad != 40 || r.Incidents[0].Total != 40 {
		t.Errorf("incidents %+v, want one of 40 slices", r.Incidents)
	}
}

// The tightest objective is met by every period of a calendar.
func TestTightestOfCalendar(t *testing.T) {
	o := standard(t)
	o.Window = budget.Window{Calendar: &budget.Calendar{Start: time.Unix(t0, 0).UTC(), Zone: "UTC", N: 1, Unit: 'd'}}
	slots := stream(t0, segment{8640, 99, 0}, segment{8640, 97, 3}, segment{8640, 99, 1}, segment{100, 1, 0})
	r := Run(o, History{Slots: slots, Since: t0, From: t0, To: t0 + 3*day + 1000})
	if r.Tightest != 0.97 || r.Left != 1 || r.Coverage != 1 {
		t.Errorf("tightest %v, left %v, coverage %v; want 0.97, 1 and 1", r.Tightest, r.Left, r.Coverage)
	}
}

func BenchmarkRun(b *testing.B) {
	slots := busy(rand.New(rand.NewPCG(1, 1)), 60)
	o := standard(b)
	h := History{Slots: slots, From: t0 + 30*day, To: t0 + 60*day, Since: t0 - day}
	run := func(b *testing.B) {
		began := cpu(b)
		for b.Loop() {
			Run(o, h)
		}
		b.ReportMetric(float64((cpu(b)-began).Milliseconds())/float64(b.N), "cpu-ms/op")
	}
	b.Run("month", run)
	h.Grid = true
	b.Run("grid", run)
}

// cpu is what the process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
