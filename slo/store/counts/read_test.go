package counts

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/slo/store/block"
)

// journal inserts a batch as the write path does.
func journal(t testing.TB, db *clickhouse.DB, node, batch uint64, deltas ...Delta) {
	t.Helper()
	p := newPlan(node, batch, now, deltas)
	if err := New(db).insertJournal(ctx, p); err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	db := chtest.New(t)
	s := New(db)
	one := []Delta{{11, 1, 5, "", 100, 1, 2}, {11, 1, 5, "ü", 100, -1, -2}}
	two := []Delta{{11, 2, 5, "", 110, 0, 3}}
	third := []Delta{{12, 1, 6, "", 100, 4, 5}}
	journal(t, db, 11, 1, one...)
	journal(t, db, 11, 2, two...)
	journal(t, db, 12, 1, third...)
	f := func(applied Clock, want ...Delta) {
		t.Helper()
		got, err := s.Follow(ctx, applied)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b Delta) bool { return fmt.Sprint(a) < fmt.Sprint(b) })); d != "" {
			t.Errorf("%v: %s", applied, d)
		}
	}
	f(nil, append(append(one, two...), third...)...)
	f(Clock{11: 1}, append(two, third...)...)
	f(Clock{11: 1, 12: 1}, two...)
	f(Clock{11: 2, 12: 1})
	f(Clock{11: 2, 12: 1, 99: 7})
	clock, err := s.Clock(ctx)
	if err != nil || !cmp.Equal(clock, Clock{11: 2, 12: 1}) {
		t.Errorf("clock %v, %v", clock, err)
	}
	journal(t, db, math.MaxUint64, 9, Delta{Indicator: 1, Slot: 100, Total: 1})
	journal(t, db, 0, 3, Delta{Indicator: 1, Slot: 100, Total: 1})
	clock, err = s.Clock(ctx)
	if err != nil || !cmp.Equal(clock, Clock{0: 3, 11: 2, 12: 1, math.MaxUint64: 9}) {
		t.Errorf("clock %v, %v", clock, err)
	}
	if _, err := s.follow(ctx, nil, 5); !errors.Is(err, ErrBehind) {
		t.Errorf("error %v, want ErrBehind", err)
	}
	if got, err := s.follow(ctx, nil, 6); err != nil || len(got) != 6 {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

func TestParts(t *testing.T) {
	at := now.Unix()
	full := Span{From: Tier1h.floor(at - 30*86400), Middle: Tier1h.floor(at - 3*86400), Fine: Tier5m.floor(at - 6*3600)}
	f := func(name string, s Span, edges []int64, want ...Part) {
		t.Helper()
		if d := cmp.Diff(want, s.Parts(at, edges...)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	hour, day := at-3600, at-86400
	hour -= hour % 60
	day -= day % 900
	f("month", full, nil,
		Part{Tier1h, 3600, full.From, full.Middle}, Part{Tier5m, 900, full.Middle, day}, Part{Tier5m, 300, day, full.Fine},
		Part{Tier10s, 60, full.Fine, hour}, Part{Tier10s, 10, hour, at}, Part{Tier10s, 10, at, always})
	f("a period that begins at an odd time", full, []int64{full.Middle + 300},
		Part{Tier1h, 3600, full.From, full.Middle}, Part{Tier5m, 300, full.Middle, day}, Part{Tier5m, 300, day, full.Fine},
		Part{Tier10s, 60, full.Fine, hour}, Part{Tier10s, 10, hour, at}, Part{Tier10s, 10, at, always})
	short := Span{From: Tier1h.floor(at - 1200), Middle: Tier1h.floor(at - 1200), Fine: Tier5m.floor(at - 1200)}
	f("20 minutes", short, nil, Part{Tier5m, 300, short.Middle, short.Fine}, Part{Tier10s, 10, short.Fine, at}, Part{Tier10s, 10, at, always})
	f("nothing", Span{at, at, at}, nil, Part{Tier10s, 10, at, always})
}

// Load gives what the slots of the tiers add up to, whatever the numbers are and wherever they lie.
func TestLoad(t *testing.T) {
	db := chtest.New(t)
	s := New(db)
	at := now.Unix()
	random := rand.New(rand.NewPCG(7, 7))
	largest := []int64{0, 1, 200, 255, 256, 60_000, 65_536, 1 << 31, 1 << 32, 1 << 40}
	// Two blocks each, whose rows are not merged.
	for range 2 {
		for _, tier := range tiers {
			var rows []Delta
			for i, most := range largest {
				for range 200 {
					ago := map[Tier]int64{Tier10s: 7 * 3600, Tier5m: 4 * 86400, Tier1h: 40 * 86400}[tier]
					d := Delta{Indicator: uint64(i) << 60, Slot: tier.floor(at + 1200 - random.Int64N(ago)), Total: random.Int64N(most + 1)}
					d.Bad = random.Int64N(d.Total + 1)
					if random.IntN(10) == 0 {
						d.Group, d.Bad, d.Total = "group", -d.Bad, -d.Total
					}
					rows = append(rows, d)
				}
			}
			if err := block.Insert(ctx, db, tier.table(), "", len(rows), columns(rows)...); err != nil {
				t.Fatal(err)
			}
		}
	}
	span := Span{From: Tier1h.floor(at - 30*86400), Middle: Tier1h.floor(at - 3*86400), Fine: Tier5m.floor(at - 6*3600)}
	parts := span.Parts(at)
	many := slices.Repeat([]uint64{3 << 60, 1 << 60, 8 << 60}, shareSize) // two objectives of one indicator name it twice
	for name, indicators := range map[string][]uint64{"all": nil, "three": {1 << 60, 3 << 60, 8 << 60}, "three, often": many, "none": {}} {
		want := map[Part]map[key]pair{}
		for _, p := range parts {
			for k, v := range sums(t, db, p.Tier.table()) {
				start := k.slot - k.slot%p.Step
				if k.slot < p.From || k.slot >= p.To || indicators != nil && !slices.Contains(indicators, k.indicator) {
					continue
				}
				k.slot = start
				if want[p] == nil {
					want[p] = map[key]pair{}
				}
				old := want[p][k]
				want[p][k] = pair{old.bad + v.bad, old.total + v.total}
			}
			for k, v := range want[p] {
				if v == (pair{}) {
					delete(want[p], k)
				}
			}
		}
		got := map[Part]map[key]pair{}
		err := s.Load(ctx, indicators, parts, func(indicator uint64, group string, p Part, slots []Slot) error {
			if got[p] == nil {
				got[p] = map[key]pair{}
			}
			for i, slot := range slots {
				k := key{indicator, group, slot.Start}
				if _, twice := got[p][k]; twice || i > 0 && slots[i-1].Start >= slot.Start {
					t.Errorf("slot %v is not in order", k)
				}
				got[p][k] = pair{slot.Bad, slot.Total}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(key{}, pair{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	stop := errors.New("stop")
	if err := s.Load(ctx, nil, parts, func(uint64, string, Part, []Slot) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want the callback's", err)
	}
}

func TestSlotsAndGroups(t *testing.T) {
	db := chtest.New(t)
	s := New(db)
	hour := now.Unix() - now.Unix()%3600
	replace(t, s, Recount{7, hour - 3600, hour + 600, []Count{
		{"", hour - 10, 1, 10}, {"", hour, 1, 10}, {"", hour + 10, 0, 5}, {"", hour + 310, 2, 2}, {"a", hour, 1, 4}, {"b", hour - 10, 0, 4},
	}}, Recount{8, hour, hour + 10, []Count{{"a", hour, 3, 3}}})
	f := func(tier Tier, group string, from, to, step int64, want ...Slot) {
		t.Helper()
		got, err := s.Slots(ctx, tier, 7, group, from, to, step)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%d %q %d: %s", tier, group, step, d)
		}
	}
	f(Tier10s, "", hour, hour+310, 0, Slot{Start: hour, Bad: 1, Total: 10}, Slot{Start: hour + 10, Bad: 0, Total: 5})
	f(Tier10s, "", hour-3600, hour+600, 60, Slot{Start: hour - 60, Bad: 1, Total: 10}, Slot{Start: hour, Bad: 1, Total: 15}, Slot{Start: hour + 300, Bad: 2, Total: 2})
	f(Tier5m, "", hour-3600, hour+600, 0, Slot{Start: hour - 300, Bad: 1, Total: 10}, Slot{Start: hour, Bad: 1, Total: 15}, Slot{Start: hour + 300, Bad: 2, Total: 2})
	f(Tier1h, "", hour-3600, hour+600, 0, Slot{Start: hour - 3600, Bad: 1, Total: 10}, Slot{Start: hour, Bad: 3, Total: 17})
	f(Tier1h, "a", hour-3600, hour+600, 0, Slot{Start: hour, Bad: 1, Total: 4})
	f(Tier1h, "z", hour-3600, hour+600, 0)

	groups := func(indicators []uint64, from int64, want ...GroupSum) {
		t.Helper()
		got, err := s.Groups(ctx, indicators, from, hour+10)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("groups of %v: %s", indicators, d)
		}
	}
	groups(nil, hour, GroupSum{7, "a", 1, 4}, GroupSum{8, "a", 3, 3})
	groups([]uint64{7}, hour-1, GroupSum{7, "a", 1, 4}, GroupSum{7, "b", 0, 4})
	groups([]uint64{}, hour)
}

// Marks stand until they are settled; those that come meanwhile stand on.
func TestLate(t *testing.T) {
	db := chtest.New(t)
	s := New(db)
	slot := now.Unix() - 7200
	mark := func(indicator uint64, slot int64) {
		t.Helper()
		rows := []Late{{Indicator: indicator, Slot: slot}}
		err := block.Insert(ctx, db, "slo_late", "", 1,
			block.UInt64("indicator", rows, func(l *Late) uint64 { return l.Indicator }),
			block.Seconds("slice", rows, func(l *Late) int64 { return l.Slot }),
			block.Seconds("at", rows, func(*Late) int64 { return now.Unix() }))
		if err != nil {
			t.Fatal(err)
		}
	}
	late := func(want ...Late) []Late {
		t.Helper()
		got, err := s.Late(ctx, time.Unix(slot-3600, 0))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		return got
	}
	settle := func(l []Late) {
		t.Helper()
		if err := s.Settle(ctx, now, l); err != nil {
			t.Fatal(err)
		}
	}
	late()
	mark(7, slot)
	mark(7, slot)
	mark(7, slot+10)
	mark(8, slot-3610) // before the time that is asked for
	seen := late(Late{7, slot, 2}, Late{7, slot + 10, 1})
	mark(7, slot)
	settle(seen)
	seen = late(Late{7, slot, 3})
	settle(seen)
	settle(seen)
	late()
	mark(7, slot)
	late(Late{7, slot, 4})
}
