package rule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
)

// Stopped at any time, an engine that is restored from its snapshot and states says what one says that was never stopped.
func TestRestart(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 5))
		target, window, policy := randomPolicy(r)
		compiled := Compile(target, window, budget.Occurrences, policy)
		whole, parts := newEngine(compiled, window, t0, t0), newEngine(compiled, window, t0, t0)
		f := &traffic{r: r}
		for at := t0; at < t0+8000; at += 10 {
			bad, total := f.next()
			slot := at + 10*int64(r.IntN(9)-5)
			whole.set.Put(0, slot, bad, total)
			parts.set.Put(0, slot, bad, total)
			if r.IntN(30) == 0 {
				parts = restarted(t, parts)
			}
			whole.step(at + 10)
			parts.step(at + 10)
		}
		saidIs(t, parts.said, whole.said...)
	}
}

func restarted(t *testing.T, e *engine) *engine {
	t.Helper()
	var b bytes.Buffer
	if err := e.set.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	set, err := ring.Restore(&b, e.config)
	if err != nil {
		t.Fatal(err)
	}
	stored := slices.Clone(e.states)
	slices.Reverse(stored)
	return &engine{rule: e.rule, config: e.config, set: set, states: e.rule.States(stored...), said: e.said}
}

// An objective that is created later, and whose past is then counted, says what one says that was always there.
func TestBackfill(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 6))
		target, window, policy := randomPolicy(r)
		policy.For, policy.KeepFiring, policy.HoldNoData = 0, 0, false // no memory of what was said before
		for k := range policy.Tiers {
			policy.Tiers[k].For = 0
		}
		compiled := Compile(target, window, budget.Occurrences, policy)
		old := newEngine(compiled, window, t0-43200, t0)
		f := &traffic{r: r}
		past := make([]ring.Slot, 0, 600)
		at := t0
		next := func(engines ...*engine) {
			bad, total := f.next()
			past = append(past, ring.Slot{Start: at, Bad: bad, Total: total})
			for _, e := range engines {
				e.set.Put(0, at, bad, total)
				e.step(at + 10)
			}
			at += 10
		}
		for range 400 {
			next(old)
		}
		young := newEngine(compiled, window, at, at)
		created := len(past)
		for range 100 {
			next(old, young)
		}
		// Newest first, chunk by chunk, until everything is counted.
		for to := created; to > 0; to = max(to-90, 0) {
			for _, s := range past[max(to-90, 0):to] {
				young.set.Put(0, s.Start, s.Bad, s.Total)
			}
			young.set.SetFrom(0, past[max(to-90, 0)].Start)
			next(old, young)
		}
		young.set.SetFrom(0, t0-43200)
		next(old, young) // what had been said in between is corrected here
		begin, beginYoung := len(old.said), len(young.said)
		for range 200 {
			next(old, young)
		}
		saidIs(t, tiersOnly(young.said[beginYoung:]), tiersOnly(old.said[begin:])...)
	}
}

// tiersOnly leaves out what is told once for a long time.
func tiersOnly(said []string) []string { return only(said, "firing", "resolved") }

// Counts that arrive late end up in the same sums as those that are on time: what is said after that is the same.
func TestLate(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		target, window, policy := randomPolicy(r)
		policy.For, policy.KeepFiring, policy.HoldNoData = 0, 0, false
		for k := range policy.Tiers {
			policy.Tiers[k].For = 0
		}
		compiled := Compile(target, window, budget.Occurrences, policy)
		punctual, late := newEngine(compiled, window, t0, t0), newEngine(compiled, window, t0, t0)
		f := &traffic{r: r}
		waiting := make(map[int64][]ring.Slot)
		const lastLate = 3000
		begin, beginLate := 0, 0
		for at := t0; at < t0+6000; at += 10 {
			bad, total := f.next()
			punctual.set.Put(0, at, bad, total)
			arrives := at
			if at < t0+lastLate-900 {
				arrives += 10 * int64(r.IntN(90))
			}
			waiting[arrives] = append(waiting[arrives], ring.Slot{Start: at, Bad: bad, Total: total})
			for _, s := range waiting[at] {
				late.set.Put(0, s.Start, s.Bad, s.Total)
			}
			punctual.step(at + 10)
			late.step(at + 10)
			if at == t0+lastLate {
				begin, beginLate = len(punctual.said), len(late.said)
			}
		}
		saidIs(t, tiersOnly(late.said[beginLate:]), tiersOnly(punctual.said[begin:])...)
	}
}

// V16: the budget of a calendar month in Berlin.
func TestCalendarVector(t *testing.T) {
	var v struct {
		Budget struct {
			T0       time.Time
			Segments []([3]int64)
			Checks   []struct {
				T           time.Time
				PeriodStart int64 `json:"period_start"`
				PeriodEnd   int64 `json:"period_end"`
				Good, Bad   uint64
				SoFar       float64 `json:"remaining_so_far"`
				Projected   float64 `json:"remaining_projected"`
			}
		}
	}
	text, err := os.ReadFile("testdata/vectors/V16-calendar.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	w := budget.Window{Calendar: &budget.Calendar{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Zone: "Europe/Berlin", N: 1, Unit: 'M'}}
	target := percent(t, "99.9")
	at := v.Budget.T0.Unix()
	e := newEngine(Compile(target, w, budget.Occurrences, plain()), w, at, at)
	checks := v.Budget.Checks
	for _, s := range v.Budget.Segments {
		for range s[0] {
			e.set.Put(0, at, s[2], s[1]+s[2])
			at += 10
			e.set.Advance(at)
			if len(checks) == 0 || checks[0].T.Unix() != at {
				continue
			}
			c, in := checks[0], e.input()
			checks = checks[1:]
			if in.From != c.PeriodStart || in.To != c.PeriodEnd || in.Bad != c.Bad || in.Total-in.Bad != c.Good {
				t.Errorf("at %s: %d of %d bad in (%d, %d]", c.T, in.Bad, in.Total, in.From, in.To)
			}
			near(t, "budget", budget.Left(in.Bad, in.Total, target), &c.SoFar)
			projected := budget.Projected(in.Bad, in.Total, target, seconds(at-in.From), seconds(in.To-in.From))
			near(t, "projected budget", projected, &c.Projected)
		}
	}
	if len(checks) > 0 {
		t.Errorf("%d checks are after the end of the stream", len(checks))
	}
}

// V24: an outage is detected in the slot that the closed form says, and the pages reset when it says.
func TestClosedForms(t *testing.T) {
	var v struct {
		Rows []map[string]json.RawMessage
	}
	text, err := os.ReadFile("testdata/vectors/V24-closed-forms.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	for _, row := range v.Rows {
		var target, share string
		if json.Unmarshal(row["target"], &target) != nil || json.Unmarshal(row["error_ratio"], &share) != nil {
			t.Fatalf("row %v has no target", row)
		}
		ratio, err := budget.ParseRatio(share)
		if err != nil {
			t.Fatal(err)
		}
		const rate, outage = 10_000, 2700 // slots: longer than any detection and than the short windows of pages
		bad := int64(rate * ratio.Float())
		said := watch(t, target, month, plain(), budget.Slices{}, 259_200, segment{25_920, rate, 0}, segment{outage, rate - bad, bad}, segment{200, rate, 0})
		for name, raw := range row {
			var form *struct {
				Detect float64 `json:"detect_slot_s"`
				Reset  float64 `json:"reset_s_if_lasted_short"`
			}
			if !strings.HasPrefix(name, "page-") && !strings.HasPrefix(name, "ticket-") || json.Unmarshal(raw, &form) != nil {
				continue
			}
			switch {
			case form == nil || form.Detect > 10*outage:
				saidIs(t, only(said, name))
			case strings.HasPrefix(name, "page-"):
				saidIs(t, only(said, name), fmt.Sprintf("%.0f %s firing", form.Detect, name),
					fmt.Sprintf("%d %s resolved", 10*(outage+int64((form.Reset+9.999)/10)), name))
			default:
				// The windows of tickets are up to 0.35 % longer than the closed form has them.
				var at float64
				if _, err := fmt.Sscanf(strings.Join(only(said, name), ""), "%f "+name+" firing", &at); err != nil {
					t.Errorf("target %s, share %s: %s said %q", target, share, name, only(said, name))
				}
				if at < form.Detect || at > 1.0035*form.Detect+10 {
					t.Errorf("target %s, share %s: %s fires at %.0f, want %.0f", target, share, name, at, form.Detect)
				}
			}
		}
	}
}
