package rule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
)

// segment is so many slots with the same counts.
type segment struct{ slots, good, bad int64 }

var month = budget.Window{Length: 30 * budget.Day}

// plain is the workbook's policy with nothing else.
func plain() budget.Policy {
	return budget.Policy{Tiers: budget.DefaultTiers(month)}
}

// watch evaluates a stream from a time on, after the slots before have been taken in, and returns what was said, with
// times from there on.
func watch(t *testing.T, target string, w budget.Window, p budget.Policy, of budget.Slices, from int64, stream ...segment) []string {
	t.Helper()
	method := budget.Occurrences
	if of != (budget.Slices{}) {
		method = budget.Timeslices
	}
	e := newEngine(Compile(percent(t, target), w, method, p), w, t0, t0)
	put := func(start, bad, total int64) { e.set.Put(0, start, bad, total) }
	slicer := ring.NewSlicer(method, of, t0, t0, put)
	if method != budget.Occurrences {
		put = slicer.Put
	}
	var said []string
	at := t0
	for _, s := range stream {
		for range s.slots {
			put(at, s.bad, s.good+s.bad)
			at += 10
			slicer.Advance(at)
			e.set.Advance(at)
			if at-t0 <= from {
				continue
			}
			for _, c := range e.step(at) {
				said = append(said, fmt.Sprintf("%d %s %s", at-t0-from, c.Tier, c.State))
			}
		}
	}
	return said
}

func only(said []string, words ...string) []string {
	return slices.DeleteFunc(slices.Clone(said), func(s string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
	})
}

func saidIs(t *testing.T, said []string, want ...string) {
	t.Helper()
	if !slices.Equal(said, want) {
		t.Errorf("said\n\t%s\nwant\n\t%s", strings.Join(said, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// healthy is a month of 100 events a second.
const healthy = 259_200

var before = segment{healthy, 1000, 0}

// V02b: a blip of a minute fires, and resolves 300 s after its end.
func TestBlip(t *testing.T) {
	said := watch(t, "99.9", month, plain(), budget.Slices{}, healthy*10, before, segment{6, 0, 1000}, segment{400, 1000, 0})
	saidIs(t, said, "60 page-fast firing", "360 page-fast resolved")
}

// V15: with other periods the windows of tiers are others, and so are the seconds at which a total outage is seen.
func TestOtherPeriods(t *testing.T) {
	f := func(days int64, want ...string) {
		t.Helper()
		w := budget.Window{Length: time.Duration(days) * budget.Day}
		p := budget.Policy{Tiers: budget.DefaultTiers(w)}
		said := watch(t, "99.9", w, p, budget.Slices{}, days*86_400, segment{days * 8640, 1000, 0}, segment{60, 0, 1000})
		saidIs(t, only(said, "page"), want...)
	}
	f(7, "20 page-fast firing", "40 page-slow firing")
	f(28, "50 page-fast firing", "130 page-slow firing")
	f(90, "60 page-fast firing", "130 page-slow firing")
}

// V05b: a burn rate of 10 pages only after 3.6 hours.
func TestBlindSpot(t *testing.T) {
	said := watch(t, "99.9", month, plain(), budget.Slices{}, healthy*10, before, segment{1400, 990, 10})
	saidIs(t, only(said, "page"), "12970 page-slow firing")
}

// V11b: where the target makes 14.4 unreachable, the clamp lowers it.
func TestClamp(t *testing.T) {
	p := plain()
	p.Clamp = true
	said := watch(t, "90", month, p, budget.Slices{}, healthy*10, before, segment{200, 0, 1000})
	saidIs(t, only(said, "page"), "1810 page-fast firing")
}

// V14: slices of a minute without data are good, bad or nothing.
func TestEmptySlices(t *testing.T) {
	of := budget.Slices{Length: time.Minute, Target: percent(t, "95")}
	for _, empty := range []budget.Empty{budget.EmptyIgnored, budget.EmptyGood} {
		of.Empty = empty
		said := watch(t, "99.9", month, plain(), of, healthy*10, before, segment{360, 0, 0}, segment{60, 1000, 0})
		saidIs(t, said)
	}
	of.Empty = budget.EmptyBad
	said := watch(t, "99.9", month, plain(), of, healthy*10, before, segment{60, 0, 0}, segment{60, 1000, 0})
	saidIs(t, only(said, "page-fast"), "60 page-fast firing", "900 page-fast resolved")
}

// V10c and d: at peak, the mode by budget is faster than that by rate.
func TestModeByBudget(t *testing.T) {
	var stream []segment
	for range 30 {
		stream = append(stream, segment{2160, 20, 0}, segment{1080, 200, 0}, segment{3960, 2000, 0}, segment{1440, 500, 0})
	}
	stream = append(stream, segment{2160, 20, 0}, segment{1080, 200, 0}, segment{1980, 2000, 0}, segment{60, 1600, 400})
	from := int64(healthy+2160+1080+1980) * 10
	p := plain()
	saidIs(t, only(watch(t, "99.9", month, p, budget.Slices{}, from, stream...), "page-fast"), "260 page-fast firing")
	p.Mode = budget.ByBudget
	saidIs(t, only(watch(t, "99.9", month, p, budget.Slices{}, from, stream...), "page-fast"), "140 page-fast firing")
}

// V22: marks of the budget in a total outage.
func TestMarks(t *testing.T) {
	said := watch(t, "99.9", month, plain(), budget.Slices{}, healthy*10, before, segment{400, 0, 1000})
	saidIs(t, only(said, "budget"), "1300 budget-50 budget", "2080 budget-20 budget", "2600 budget-0 budget")
}

// A mark speaks again when there was some of the budget again.
func TestMarksAgain(t *testing.T) {
	w := budget.Window{Length: time.Hour}
	p := budget.Policy{Tiers: []budget.Tier{{Name: "t", Severity: budget.Page, Long: time.Hour, Short: time.Hour, Burn: budget.NewRatio(9, 1)}}}
	bad := segment{1, 0, 20} // more than half of the budget of 3600 events
	quiet := segment{359, 10, 0}
	said := watch(t, "99", w, p, budget.Slices{}, 3600, segment{360, 10, 0}, bad, segment{30, 10, 0}, bad, quiet, quiet, bad, quiet)
	saidIs(t, said, "10 budget-50 budget", "320 budget-0 budget", "7510 budget-50 budget")
}

// In a calendar's period a mark speaks once, and again in the next period.
func TestMarksOfCalendar(t *testing.T) {
	w := budget.Window{Calendar: &budget.Calendar{Start: time.Unix(t0, 0).UTC(), Zone: "UTC", N: 1, Unit: 'h'}}
	p := budget.Policy{Tiers: []budget.Tier{{Name: "t", Severity: budget.Page, Long: time.Hour, Short: time.Hour, Burn: budget.NewRatio(40, 1)}}}
	hour := []segment{{100, 10, 0}, {1, 0, 20}, {159, 10, 0}, {1, 0, 20}, {99, 10, 0}}
	said := watch(t, "99", w, p, budget.Slices{}, 0, slices.Concat(hour, hour)...)
	saidIs(t, said, "1010 budget-50 budget", "2610 budget-0 budget", "4610 budget-50 budget", "6210 budget-0 budget")
	// What is said at the end of a period is said of that period.
	hour = []segment{{359, 10, 0}, {1, 0, 20}}
	said = watch(t, "99", w, p, budget.Slices{}, 0, slices.Concat(hour, hour)...)
	saidIs(t, said, "3600 budget-50 budget", "7200 budget-50 budget")
}

// V25: ten minutes after its creation an objective fires as a mature one does, and not four tiers at the first bad event.
func TestYoung(t *testing.T) {
	said := watch(t, "99.9", month, plain(), budget.Slices{}, 600, segment{60, 1000, 0}, segment{6, 0, 1000})
	saidIs(t, said, "60 page-fast firing")
}

// One error of 40 requests an hour pages nobody, and the reason is told.
func TestLowTraffic(t *testing.T) {
	p := budget.DefaultPolicy(month)
	p.NoDataAlert = budget.Ticket
	var stream []segment
	for range 40 * 24 * 3 {
		stream = append(stream, segment{1, 1, 0}, segment{8, 0, 0})
	}
	stream = append(stream, segment{1, 0, 1}, segment{8, 0, 0}, segment{1, 1, 0}, segment{40, 0, 0})
	from := int64(40*24*3*9) * 10
	saidIs(t, watch(t, "99.9", month, p, budget.Slices{}, from, stream...), "10 page-fast guarded")
	p.Guard = false
	said := watch(t, "99.9", month, p, budget.Slices{}, from, stream...)
	saidIs(t, said, "10 page-fast firing", "280 no-data no_data", "400 page-fast held")
}

// A service that falls silent is told once the silence is no coincidence, and once more when there are events again.
func TestSilence(t *testing.T) {
	p := budget.DefaultPolicy(month)
	p.NoDataAlert = budget.Page
	stream := []segment{{8640, 10, 0}, {60, 0, 0}, {10, 10, 0}}
	saidIs(t, watch(t, "99.9", month, p, budget.Slices{}, 86400, stream...), "180 no-data no_data", "610 no-data data")
}

// That a calendar's period begins anew hides no silence.
func TestSilenceOverABoundary(t *testing.T) {
	w := budget.Window{Calendar: &budget.Calendar{Start: time.Unix(t0, 0).UTC(), Zone: "UTC", N: 1, Unit: 'd'}}
	p := budget.DefaultPolicy(w)
	p.NoDataAlert = budget.Ticket
	said := watch(t, "99.9", w, p, budget.Slices{}, 86_300, segment{8630, 10, 0}, segment{60, 0, 0})
	saidIs(t, said, "180 no-data no_data")
}

// An objective that never has events is told after a day.
func TestNeverAnything(t *testing.T) {
	p := budget.DefaultPolicy(month)
	p.NoDataAlert = budget.Ticket
	saidIs(t, watch(t, "99.9", month, p, budget.Slices{}, 0, segment{9000, 0, 0}, segment{1, 1, 0}), "86400 no-data no_data", "90010 no-data data")
}

// A tier that fires keeps firing while nothing is measured, and says so once.
func TestHold(t *testing.T) {
	p := plain()
	p.HoldNoData = true
	stream := []segment{before, {30, 0, 1000}, {120, 0, 0}, {30, 1000, 0}, {30, 0, 0}, {60, 1000, 0}}
	saidIs(t, only(watch(t, "99.9", month, p, budget.Slices{}, healthy*10, stream...), "page-fast"),
		"60 page-fast firing", "600 page-fast held", "1510 page-fast resolved")
}

func TestPendingAndLapse(t *testing.T) {
	p := budget.Policy{Tiers: []budget.Tier{{Name: "t", Severity: budget.Page, Long: time.Minute, Short: time.Minute, Burn: budget.NewRatio(400, 1), For: 30 * time.Second}}}
	stream := []segment{before, {4, 0, 1000}, {10, 1000, 0}, {10, 0, 1000}, {10, 1000, 0}}
	saidIs(t, only(watch(t, "99.9", month, p, budget.Slices{}, healthy*10, stream...), " t "),
		"30 t pending", "60 t firing", "80 t resolved", "170 t pending", "200 t firing", "280 t resolved")
	stream[1].slots, p.Tiers[0].For = 3, 50*time.Second
	saidIs(t, only(watch(t, "99.9", month, p, budget.Slices{}, healthy*10, stream[:3]...), " t "), "30 t pending", "70 t lapsed")
}
