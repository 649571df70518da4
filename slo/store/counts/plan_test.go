package counts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
)

var ctx = context.Background()

// now is the time of these tests, in the middle of an hour.
var now = time.Date(2026, 11, 22, 9, 40, 0, 0, time.UTC)

// key is a slot of an indicator and group.
type key struct {
	indicator uint64
	group     string
	slot      int64
}

// pair is the counts of a key.
type pair struct{ bad, total int64 }

// sums reads what a table has, without what is zero.
func sums(t testing.TB, db *clickhouse.DB, table string) map[key]pair {
	t.Helper()
	rows, err := db.Query(ctx, "SELECT indicator, grp, slice, sum(bad) AS b, sum(total) AS t FROM "+table+
		" GROUP BY indicator, grp, slice HAVING b != 0 OR t != 0")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[key]pair{}
	for rows.Next() {
		var k key
		var p pair
		var slot time.Time
		if err := rows.Scan(&k.indicator, &k.group, &slot, &p.bad, &p.total); err != nil {
			t.Fatal(err)
		}
		k.slot = slot.Unix()
		out[k] = p
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// rounded adds up counts to the slots of a tier.
func rounded(counts map[key]pair, tier Tier) map[key]pair {
	out := map[key]pair{}
	for k, p := range counts {
		k.slot = tier.floor(k.slot)
		p.bad += out[k].bad
		p.total += out[k].total
		out[k] = p
	}
	return out
}

// same fails unless all tiers and the journal have just these counts.
func same(t testing.TB, db *clickhouse.DB, want map[key]pair) {
	t.Helper()
	for _, tier := range tiers {
		if d := cmp.Diff(rounded(want, tier), sums(t, db, tier.table()), cmp.AllowUnexported(key{}, pair{})); d != "" {
			t.Errorf("%s: %s", tier.table(), d)
		}
	}
	if d := cmp.Diff(want, sums(t, db, "slo_journal"), cmp.AllowUnexported(key{}, pair{})); d != "" {
		t.Errorf("journal: %s", d)
	}
}

func of(recounts []Recount) map[key]pair {
	out := map[key]pair{}
	for _, r := range recounts {
		for _, c := range r.Counts {
			out[key{r.Indicator, c.Group, c.Slot}] = pair{c.Bad, c.Total}
		}
	}
	return out
}

func replace(t testing.TB, s *Store, recounts ...Recount) int {
	t.Helper()
	n, err := s.Replace(ctx, now, recounts)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReplace(t *testing.T) {
	db := chtest.New(t)
	s := New(db)
	from := now.Unix() - 7200
	first := Recount{7, from, from + 3600, []Count{{"", from, 1, 10}, {"", from + 10, 0, 5}, {"a", from, 1, 4}, {"", from + 3590, 2, 2}}}
	other := Recount{8, from, from + 20, []Count{{"", from + 10, 3, 30}}}
	if n := replace(t, s, first, other); n != 5 {
		t.Errorf("%d changes, want 5", n)
	}
	same(t, db, of([]Recount{first, other}))
	if n := replace(t, s, first, other); n != 0 {
		t.Errorf("%d changes when repeated, want 0", n)
	}

	// Late spans add to one slot, another one is gone, and only a part of the time is recounted.
	second := Recount{7, from, from + 20, []Count{{"", from, 2, 11}, {"a", from, 2, 5}}}
	if n := replace(t, s, second); n != 3 {
		t.Errorf("%d changes, want 3", n)
	}
	want := of([]Recount{first, other})
	want[key{7, "", from}] = pair{2, 11}
	want[key{7, "a", from}] = pair{2, 5}
	delete(want, key{7, "", from + 10})
	same(t, db, want)

	// The other node reads what was counted.
	deltas, err := New(db).Follow(ctx, Clock{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[key]pair{}
	for _, d := range deltas {
		k := key{d.Indicator, d.Group, d.Slot}
		got[k] = pair{got[k].bad + d.Bad, got[k].total + d.Total}
		if d.Node != Recounted {
			t.Errorf("node %d, want %d", d.Node, Recounted)
		}
	}
	want[key{7, "", from + 10}] = pair{}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(key{}, pair{})); d != "" {
		t.Error(d)
	}
}

func TestReplaceRefuses(t *testing.T) {
	f := func(name string, recounts ...Recount) {
		t.Helper()
		if err := check(now, recounts); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	from, old := now.Unix(), now.Add(-35*24*time.Hour).Unix()
	f("an odd beginning", Recount{1, from + 1, from + 10, nil})
	f("an odd end", Recount{1, from, from + 15, nil})
	f("a slot outside", Recount{1, from, from + 10, []Count{{"", from + 10, 0, 1}}})
	f("an odd slot", Recount{1, from, from + 10, []Count{{"", from + 5, 0, 1}}})
	f("two of the same slots", Recount{1, from, from + 20, nil}, Recount{1, from + 10, from + 30, nil})
	f("an old beginning that is not whole", Recount{1, old + 10, from, nil})
	if err := check(now, []Recount{{1, from, from + 20, nil}, {1, from + 20, from + 30, nil}, {2, from, from + 20, nil}}); err != nil {
		t.Error(err)
	}
}

// What is older than the finest tier is kept in the others only, and is as idempotent there.
func TestReplaceOld(t *testing.T) {
	db := chtest.New(t)
	s := New(db)
	edge := coarse(now)
	r := Recount{7, edge - 600, edge + 20, []Count{{"", edge - 600, 1, 10}, {"", edge - 590, 1, 10}, {"", edge - 10, 0, 3}, {"", edge, 0, 7}}}
	for range 2 {
		replace(t, s, r)
		if d := cmp.Diff(map[key]pair{{7, "", edge}: {0, 7}}, sums(t, db, "slo_slots_10s"), cmp.AllowUnexported(key{}, pair{})); d != "" {
			t.Error(d)
		}
		want := map[key]pair{{7, "", edge - 600}: {2, 20}, {7, "", edge - 300}: {0, 3}, {7, "", edge}: {0, 7}}
		if d := cmp.Diff(want, sums(t, db, "slo_slots_5m"), cmp.AllowUnexported(key{}, pair{})); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(want, sums(t, db, "slo_journal"), cmp.AllowUnexported(key{}, pair{})); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(rounded(want, Tier1h), sums(t, db, "slo_slots_1h"), cmp.AllowUnexported(key{}, pair{})); d != "" {
			t.Error(d)
		}
	}
}

// A node dies after each of the statements that a change consists of; the next one has other counts by then.
func TestReplaceStopped(t *testing.T) {
	from := now.Unix() - 7200
	first := Recount{7, from, from + 3600, []Count{{"", from, 1, 10}, {"", from + 10, 0, 5}, {"a", from, 1, 4}}}
	second := Recount{7, from, from + 3600, []Count{{"", from, 2, 12}, {"", from + 500, 1, 1}}}
	p := newPlan(Recounted, uint64(now.UnixMilli()), now, []Delta{
		{Indicator: 7, Slot: from, Bad: 1, Total: 10}, {Indicator: 7, Slot: from + 10, Total: 5}, {Indicator: 7, Group: "a", Slot: from, Bad: 1, Total: 4},
	})
	steps := []func(s *Store) error{
		func(s *Store) error { _, err := s.propose(ctx, p, 0); return err },
		func(s *Store) error { return s.insertTier(ctx, Tier10s, p) },
		func(s *Store) error { return s.insertTier(ctx, Tier5m, p) },
		func(s *Store) error { return s.insertTier(ctx, Tier1h, p) },
		func(s *Store) error { return s.insertJournal(ctx, p) },
		func(s *Store) error { return s.Finish(ctx) },
	}
	for stop := range len(steps) + 1 {
		for name, next := range map[string]Recount{"the same": first, "others": second} {
			t.Run(fmt.Sprintf("after %d, then %s", stop, name), func(t *testing.T) {
				db := chtest.New(t)
				for _, step := range steps[:stop] {
					if err := step(New(db)); err != nil {
						t.Fatal(err)
					}
				}
				replace(t, New(db), next)
				same(t, db, of([]Recount{next}))
			})
		}
	}
}

// What is left of a plan is applied once, however many nodes do it, and also when its tokens are forgotten.
func TestFinish(t *testing.T) {
	db := chtest.New(t)
	slot := now.Unix() - 7200
	p := newPlan(Recounted, 5, now, []Delta{{Indicator: 7, Slot: slot, Bad: 1, Total: 10}})
	if _, err := New(db).propose(ctx, p, 0); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := New(db).Finish(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want := map[key]pair{{7, "", slot}: {1, 10}}
	same(t, db, want)
	for _, table := range []string{"slo_slots_10s", "slo_slots_5m", "slo_slots_1h", "slo_journal", "slo_plans"} {
		if err := db.Exec(ctx, "ALTER TABLE "+table+" MODIFY SETTING non_replicated_deduplication_window = 0"); err != nil {
			t.Fatal(err)
		}
	}
	// One is applied, but that is not noted.
	replace(t, New(db), Recount{8, slot, slot + 10, []Count{{"", slot, 0, 3}}})
	want[key{8, "", slot}] = pair{0, 3}
	for range 2 {
		if err := New(db).Finish(ctx); err != nil {
			t.Fatal(err)
		}
		same(t, db, want)
	}
	// Then the journal forgets it too.
	if err := db.Exec(ctx, "TRUNCATE TABLE slo_journal"); err != nil {
		t.Fatal(err)
	}
	if err := New(db).Finish(ctx); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, sums(t, db, "slo_slots_10s"), cmp.AllowUnexported(key{}, pair{})); d != "" {
		t.Error(d)
	}
}

// What is read quietly agrees with the journal, however much is changed meanwhile by this store and by other nodes.
func TestQuiet(t *testing.T) {
	db := chtest.New(t)
	s, slot := New(db), now.Unix()-7200
	changing, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, node := range []*Store{s, New(db)} {
		wg.Go(func() {
			for n := int64(1); changing.Err() == nil; n++ {
				_, err := node.Replace(changing, now, []Recount{{7, slot, slot + 10, []Count{{"", slot, 0, n}}}})
				if err != nil && changing.Err() == nil && !errors.Is(err, ErrOvertaken) {
					t.Error(err)
				}
			}
		})
	}
	quiet := 0
	for try := 0; quiet < 3 && try < 200; try++ {
		var tier, journal map[key]pair
		ok, err := s.Quiet(ctx, func() error {
			tier = sums(t, db, "slo_slots_5m")
			journal = rounded(sums(t, db, "slo_journal"), Tier5m)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tier, journal, cmp.AllowUnexported(key{}, pair{})); ok && d != "" {
			t.Errorf("tier and journal differ: %s", d)
		}
		if ok {
			quiet++
		}
		if try > 20 {
			stop() // the other node leaves no gap
		}
	}
	stop()
	wg.Wait()
	if quiet < 3 {
		t.Error("never quiet")
	}
	// Another node has noted that all is done.
	if err := New(db).Finish(ctx); err != nil {
		t.Fatal(err)
	}
	if ok, err := New(db).Quiet(ctx, func() error { return nil }); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	wrong := errors.New("wrong")
	if ok, err := s.Quiet(ctx, func() error { return wrong }); ok || !errors.Is(err, wrong) {
		t.Errorf("%v, %v", ok, err)
	}
}

// Only the newest plan is kept, however the rows of the table are merged, and the number goes on from it.
func TestPlansAreFew(t *testing.T) {
	db := chtest.New(t)
	s := New(db)
	slot := now.Unix() - 7200
	for i := range int64(4) {
		replace(t, s, Recount{7, slot, slot + 10, []Count{{"", slot, 0, i + 1}}})
	}
	if err := s.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(ctx, "OPTIMIZE TABLE slo_plans FINAL"); err != nil {
		t.Fatal(err)
	}
	var rows uint64
	if err := db.QueryRow(ctx, "SELECT count() FROM slo_plans").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
	replace(t, s, Recount{7, slot, slot + 10, []Count{{"", slot, 0, 9}}})
	clock, err := s.Clock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Clock{Recounted: uint64(now.UnixMilli()) + 4}); !cmp.Equal(clock, want) {
		t.Errorf("clock %v, want %v", clock, want)
	}
	same(t, db, map[key]pair{{7, "", slot}: {0, 9}})
}

// Of two nodes that make the next plan, the first one wins, and both see that, whatever their clocks say.
func TestFirstPlanWins(t *testing.T) {
	db := chtest.New(t)
	slot := now.Unix() - 7200
	for _, batch := range []uint64{20, 30, 10} {
		p := newPlan(Recounted, batch, now, []Delta{{Indicator: batch, Slot: slot, Total: 1}})
		newest, err := New(db).propose(ctx, p, 0)
		if err != nil || newest.batch != 20 || len(newest.deltas) != 1 || newest.deltas[0].Indicator != 20 {
			t.Errorf("plan %d: newest %+v, %v", batch, newest, err)
		}
	}
}

// A token whose block was lost does not stop anybody.
func TestPlanAfterLostBlock(t *testing.T) {
	db := chtest.New(t)
	lost := newPlan(Recounted, 5, now, []Delta{{Indicator: 7, Slot: now.Unix() - 7200, Total: 10}})
	if err := New(db).insertPlan(ctx, lost, "plan 1 after 0, 0"); err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(ctx, "ALTER TABLE slo_plans DELETE WHERE 1 SETTINGS mutations_sync = 1"); err != nil {
		t.Fatal(err)
	}
	r := Recount{7, now.Unix() - 7200, now.Unix() - 7190, []Count{{"", now.Unix() - 7200, 1, 2}}}
	replace(t, New(db), r)
	same(t, db, of([]Recount{r}))
}

// Several nodes recount the same slots at once, each with what it found, and some are stopped. In the end one counts
// alone.
func TestReplaceAtOnce(t *testing.T) {
	db := chtest.New(t)
	from := now.Unix() - 7200
	var all []Recount
	for indicator := range uint64(3) {
		r := Recount{Indicator: indicator, From: from, To: from + 600}
		for slot := from; slot < r.To; slot += 10 {
			r.Counts = append(r.Counts, Count{"", slot, int64(indicator), 10 + slot%7})
		}
		all = append(all, r)
	}
	var wg sync.WaitGroup
	for node := range uint64(4) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, node))
			for range 6 {
				some := slices.Clone(all)
				for i := range some {
					a, b := random.Int64N(60), random.Int64N(60)
					some[i] = cut(some[i], from+10*min(a, b), from+10*max(a, b), int64(random.IntN(3)))
				}
				limited, cancel := context.WithCancel(ctx)
				stop := context.AfterFunc(ctx, cancel)
				if random.IntN(3) == 0 {
					time.AfterFunc(time.Duration(random.IntN(60))*time.Millisecond, cancel)
				}
				_, err := New(db).Replace(limited, now, some)
				if err != nil && limited.Err() == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrOvertaken) {
					t.Error(err)
				}
				stop()
				cancel()
			}
		})
	}
	wg.Wait()
	replace(t, New(db), all...)
	same(t, db, of(all))
}

// cut returns the part of a recount in a stretch of time, with more events in each slot.
func cut(r Recount, from, to, more int64) Recount {
	out := Recount{Indicator: r.Indicator, From: from, To: to}
	for _, c := range r.Counts {
		if c.Slot >= from && c.Slot < to {
			c.Total += more
			out.Counts = append(out.Counts, c)
		}
	}
	return out
}

func TestInsert(t *testing.T) {
	db := chtest.New(t)
	slot := now.Unix() - 60
	var wg sync.WaitGroup
	for node := range int64(4) {
		wg.Go(func() {
			for minute := range int64(5) {
				at := slot + 60*minute
				// Each node finds other counts.
				err := New(db).Insert(ctx, now, uint64(at/60), []Delta{
					{Indicator: 1, Slot: at, Bad: node, Total: 100}, {Indicator: 2, Slot: at, Total: 50}, {Indicator: 1, Slot: at, Total: 1}, {Indicator: 3, Slot: at},
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := sums(t, db, "slo_slots_10s")
	if len(got) != 10 {
		t.Errorf("%d slots, want 10: %v", len(got), got)
	}
	for k, p := range got {
		if want := map[uint64]int64{1: 101, 2: 50}[k.indicator]; p.total != want {
			t.Errorf("%v: %d events, want %d", k, p.total, want)
		}
	}
	same(t, db, got)
	if err := New(db).Insert(ctx, now, uint64(slot/60), []Delta{{Indicator: 1, Slot: slot, Total: 7}}); err != nil {
		t.Fatal(err)
	}
	same(t, db, got)
}
