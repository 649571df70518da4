package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"loadline/internal/clickhouse/chtest"
)

var (
	ctx = context.Background()
	now = time.Date(2026, 11, 22, 9, 40, 0, int(123*time.Millisecond), time.UTC)
)

// equal fails unless an answer is what is wanted.
func equal[T any](t *testing.T, what string, want T) func(got T, err error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func object(name, text string) Object {
	return Object{Kind: "SLO", Name: name, At: now, Author: "ada", Source: "api", Text: text}
}

func revised(o Object, revision uint64) Object {
	o.Revision = revision
	return o
}

func TestObjects(t *testing.T) {
	s := New(chtest.New(t))
	equal(t, "revision of nothing", uint64(0))(s.Revision(ctx))
	equal(t, "nothing", []Object(nil))(s.Newest(ctx, 0))

	a, b := object("a", "a: 'ü\n;\x00'\n"), object("b", "b")
	equal(t, "first", uint64(1))(s.Append(ctx, 0, []Object{b, a}))
	policy := Object{Kind: "AlertPolicy", Name: "a", At: now.Add(time.Second), Author: "bob", Source: "file:x.yaml", Text: "p"}
	a2 := object("a", "a2")
	a2.Deleted = true
	equal(t, "second", uint64(2))(s.Append(ctx, 1, []Object{a2, policy}))

	equal(t, "newest", []Object{revised(policy, 2), revised(a2, 2), revised(b, 1)})(s.Newest(ctx, 0))
	equal(t, "newest since", []Object{revised(policy, 2), revised(a2, 2)})(s.Newest(ctx, 1))
	equal(t, "newest since then", []Object(nil))(s.Newest(ctx, 2))
	equal(t, "from files", []Object{revised(policy, 2)})(s.FromFiles(ctx))
	equal(t, "history", []Object{revised(a2, 2), revised(a, 1)})(s.History(ctx, "SLO", "a", 10))
	equal(t, "short history", []Object{revised(a2, 2)})(s.History(ctx, "SLO", "a", 1))
	equal(t, "history of nothing", []Object(nil))(s.History(ctx, "SLI", "a", 10))
	equal(t, "revision", uint64(2))(s.Revision(ctx))
	equal(t, "no objects", uint64(2))(s.Append(ctx, 2, nil))

	if _, err := s.Append(ctx, 1, []Object{b}); !errors.Is(err, ErrConflict) {
		t.Errorf("error %v, want a conflict", err)
	}
}

// Of several that write the next revision at once one succeeds, and the others know it.
func TestAppendAtOnce(t *testing.T) {
	db := chtest.New(t)
	const rounds, writers = 3, 4
	for round := range uint64(rounds) {
		var wg sync.WaitGroup
		won := make(chan string, writers)
		for i := range writers {
			wg.Go(func() {
				name := fmt.Sprintf("%d-%d", round, i)
				_, err := New(db).Append(ctx, round, []Object{object(name, name), object("shared", name)})
				switch {
				case err == nil:
					won <- name
				case !errors.Is(err, ErrConflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("round %d: %d succeeded", round, len(won))
		}
		name := <-won
		equal(t, "what is stored", []Object{revised(object(name, name), round+1), revised(object("shared", name), round+1)})(New(db).Newest(ctx, round))
	}
}

// A block whose token was stored without it does not stop anybody.
func TestAppendAfterLostBlock(t *testing.T) {
	db := chtest.New(t)
	s := New(db)
	ok(t, s.insertObjects(ctx, 1, "revision 1, 0", []Object{object("lost", "")}))
	ok(t, db.Exec(ctx, "ALTER TABLE slo_objects DELETE WHERE 1 SETTINGS mutations_sync = 1"))
	equal(t, "revision", uint64(1))(s.Append(ctx, 0, []Object{object("a", "a")}))
	equal(t, "newest", []Object{revised(object("a", "a"), 1)})(s.Newest(ctx, 0))
}

func TestIndicatorsAndBackfills(t *testing.T) {
	s := New(chtest.New(t))
	one := Indicator{math.MaxUint64, `{"service":"x"}`, now.Unix() - 3, false}
	two := Indicator{7, "{}", now.Unix(), false}
	ok(t, s.SaveIndicators(ctx, now, []Indicator{one, two}))
	equal(t, "both", []Indicator{two, one})(s.Indicators(ctx))
	two.Retired = true
	ok(t, s.SaveIndicators(ctx, now.Add(time.Second), []Indicator{two}))
	equal(t, "one", []Indicator{one})(s.Indicators(ctx))
	ok(t, s.SaveIndicators(ctx, now, nil))

	b := Backfill{Indicator: 7, Wanted: now.Unix() - 86400, Done: now.Unix() - 10}
	ok(t, s.SaveBackfill(ctx, now, b))
	b.Done, b.Events, b.Finished, b.Error = b.Wanted, 12, true, "query raw spans: timeout"
	ok(t, s.SaveBackfill(ctx, now.Add(time.Second), b))
	ok(t, s.SaveBackfill(ctx, now, Backfill{Indicator: 9}))
	equal(t, "backfills", []Backfill{b, {Indicator: 9}})(s.Backfills(ctx))
}

func TestCorrections(t *testing.T) {
	s := New(chtest.New(t))
	from := now.Truncate(time.Second)
	a := Correction{math.MaxUint64, "a", from.Add(-time.Hour), from, "load test", "ada", now, false}
	b := Correction{2, "b", from, from.Add(time.Hour), "", "", now, false}
	ok(t, s.SaveCorrection(ctx, a))
	ok(t, s.SaveCorrection(ctx, b))
	equal(t, "all", []Correction{b, a})(s.Corrections(ctx, ""))
	a.Withdrawn, a.At = true, now.Add(time.Millisecond)
	ok(t, s.SaveCorrection(ctx, a))
	equal(t, "of one", []Correction{a})(s.Corrections(ctx, "a"))
	equal(t, "of none", []Correction(nil))(s.Corrections(ctx, "c"))
}

func TestEvents(t *testing.T) {
	s := New(chtest.New(t))
	at := now.Truncate(time.Second)
	event := func(slo, group, tier, state string, at time.Time) Event {
		return Event{
			SLO: slo, Objective: "default", Group: group, Tier: tier, At: at, State: state, Severity: "page", Seen: now,
			BurnLong: 14.5, BurnShort: math.Inf(1), Threshold: 14.4, BadLong: 1, TotalLong: 2, BadShort: 3, TotalShort: math.MaxUint64,
			Left: math.NaN(), Coverage: 0.5, Reason: "burns",
		}
	}
	one := event("a", "", "fast", "firing", at.Add(-time.Hour))
	two := event("a", "", "fast", "resolved", at)
	three := event("a", "tenant", "fast", "firing", at)
	four := event("b", "", "slow", "firing", at.Add(-48*time.Hour))
	all := []Event{one, two, three, four}
	for range 2 { // a node that starts again tells what it has told
		ok(t, s.AddEvents(ctx, all))
	}
	f := func(name string, q EventQuery, want ...Event) {
		t.Helper()
		equal(t, name, want)(s.Events(ctx, q))
	}
	f("all", EventQuery{}, two, three, one, four)
	f("limit", EventQuery{Limit: 2}, two, three)
	f("of an SLO", EventQuery{SLO: "a"}, two, three, one)
	f("of an objective", EventQuery{SLO: "a", Objective: "other"})
	f("of a group", EventQuery{SLO: "a", Objective: "default", Group: "tenant"}, three)
	f("firing", EventQuery{States: []string{"firing"}}, three, one, four)
	f("time", EventQuery{From: at.Add(-time.Hour), To: at}, one)
	equal(t, "firings", []Firings{{"a", "default", "", "fast", 1}, {"a", "default", "tenant", "fast", 1}})(s.Firings(ctx, at.Add(-time.Hour)))
	ok(t, s.AddEvents(ctx, nil))
}

func TestStates(t *testing.T) {
	s := New(chtest.New(t))
	a := State{"a", "default", "", "fast", "firing", now.Unix() - 60, 0, true, false, now.Unix(), math.MaxUint64}
	b := State{"a", "default", "g", "fast", "pending", now.Unix(), now.Unix(), false, true, now.Unix(), 1}
	ok(t, s.SaveStates(ctx, []State{b, a}))
	equal(t, "states", []State{a, b})(s.States(ctx))
	a.Phase, a.At = "inactive", a.At+10
	ok(t, s.SaveStates(ctx, []State{a}))
	equal(t, "newer states", []State{a, b})(s.States(ctx))
}
