package indicator

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
	"loadline/query/indicator/events"
	"loadline/query/querytest"
	"loadline/query/rollup"
)

// traffic is 40 minutes of requests to web, one a second, of two versions; those of the minutes 20 and 21 fail.
func traffic() []querytest.Span {
	rng := rand.New(rand.NewPCG(3, 4))
	var list []querytest.Span
	for i := range 2400 {
		s := querytest.Span{
			At: time.Duration(i) * time.Second, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /cart", Version: "1.0", HTTP: 200,
			Duration: time.Duration(50e6 * math.Exp(0.5*rng.NormFloat64())), Attributes: querytest.Attributes{{"tenant", "acme"}},
		}
		if i%3 == 0 {
			s.Version, s.Operation = "1.1", "POST /cart"
		}
		if i/60 == 20 || i/60 == 21 {
			s.HTTP = 503
		}
		if i%7 == 0 {
			s.HTTP = 429
		}
		list = append(list, s, querytest.Span{At: s.At, Trace: i + 1, Span: 2, Parent: 1, Service: "web", Operation: "GET", Kind: "client", Error: i%2 == 0})
	}
	return list
}

func sums(list []Slot) (bad, total int64) {
	for _, s := range list {
		bad, total = bad+s.Bad, total+s.Total
	}
	return bad, total
}

// TestPreviewAgrees compares previews with counts: where rollups know the answer it is the same in every slot, and where
// they know durations by bucket only the truth is within what they promise.
func TestPreviewAgrees(t *testing.T) {
	db := querytest.New(t, traffic()...)
	from, to := querytest.Base, querytest.Base.Add(40*time.Minute)
	f := func(ind sli.Indicator, source Source, approximate bool) {
		t.Helper()
		ind.Service = "web"
		whole := ind
		whole.GroupBy = ""
		exact, err := Count(t.Context(), db, whole, from, to)
		if err != nil {
			t.Fatal(err)
		}
		got, q, err := Preview(t.Context(), db, ind, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if q.Source != source || q.Approximate != approximate || !q.From.Equal(from) || q.Resolution != sli.Slot {
			t.Errorf("%+v: %+v", ind, q)
		}
		bad, total := sums(got)
		wantBad, wantTotal := sums(exact)
		if wantBad == 0 || total != wantTotal || q.BadLow > wantBad || q.BadHigh < wantBad || bad < q.BadLow || bad > q.BadHigh {
			t.Errorf("%+v: %d of %d, between %d and %d, want %d of %d", ind, bad, total, q.BadLow, q.BadHigh, wantBad, wantTotal)
		}
		if !approximate {
			if diff := cmp.Diff(exact, got); diff != "" || q.BadLow != q.BadHigh {
				t.Errorf("%+v: %+v\n%s", ind, q, diff)
			}
		}
	}
	f(sli.Indicator{Bad: sli.Bad{Errors: true}}, FromRollups, false)
	f(sli.Indicator{Bad: sli.Bad{HTTP: []string{"4xx"}}, Env: "production"}, FromRollups, false)
	f(sli.Indicator{Bad: sli.Bad{Errors: true}, Kinds: []string{"client"}}, FromRollups, false)
	f(sli.Indicator{Bad: sli.Bad{Errors: true}, Operations: []string{"POST *"}, GroupBy: "version"}, FromRollups, false)
	f(sli.Indicator{Bad: sli.Bad{Matchers: []sli.Matcher{{Key: "version", Op: "=~", Value: `1\.1`}}}}, FromRollups, false)
	f(sli.Indicator{Bad: sli.Bad{Slower: 80 * time.Millisecond}}, FromRollups, true)
	f(sli.Indicator{Bad: sli.Bad{Errors: true, Slower: 40 * time.Millisecond}}, FromRollups, true)
	f(sli.Indicator{Bad: sli.Bad{Slower: 1 << 26}}, FromRollups, false)
	f(sli.Indicator{Bad: sli.Bad{HTTP: []string{"429"}}}, FromSpans, false)
	f(sli.Indicator{Bad: sli.Bad{Errors: true}, Matchers: []sli.Matcher{{Key: "tenant", Op: "=", Value: "acme"}}}, FromSpans, false)
}

// TestPreviewRange looks at ranges that cut blocks and slots, and at one that is empty.
func TestPreviewRange(t *testing.T) {
	db := querytest.New(t, traffic()...)
	f := func(from, to time.Duration, total int64) {
		t.Helper()
		list, _, err := Preview(t.Context(), db, sli.Indicator{Service: "web", Bad: sli.Bad{Errors: true}}, querytest.Base.Add(from), querytest.Base.Add(to))
		if _, got := sums(list); err != nil || got != total {
			t.Errorf("%v to %v: %d, %v", from, to, got, err)
		}
	}
	f(0, time.Hour, 2400)
	f(7*time.Minute, 8*time.Minute, 60)
	f(7*time.Minute+time.Second, 31*time.Minute+5*time.Second, 1450) // whole slots
	f(-30*24*time.Hour, 10*time.Minute, 600)
	f(2*time.Hour, 3*time.Hour, 0)
}

func TestRefine(t *testing.T) {
	f := func(coarse, fine, want []events.Measure) {
		t.Helper()
		if diff := cmp.Diff(want, refine(coarse, fine)); diff != "" {
			t.Error(diff)
		}
	}
	a, b := events.Measure{Start: 300, Length: 300, Total: 5}, events.Measure{Start: 600, Length: 300, Total: 100}
	part := func(start int64, total float64) events.Measure {
		return events.Measure{Start: start, Length: 10, Total: total}
	}
	f(nil, nil, nil)
	f([]events.Measure{a, b}, nil, []events.Measure{a, b})
	f([]events.Measure{a, b}, []events.Measure{part(300, 3), part(590, 2)}, []events.Measure{part(300, 3), part(590, 2), b})
	f([]events.Measure{a, b}, []events.Measure{part(590, 5), part(600, 98)}, []events.Measure{part(590, 5), b})
	f([]events.Measure{a, b}, []events.Measure{part(600, 90), part(610, 10)}, []events.Measure{a, part(600, 90), part(610, 10)})
}

// TestSpread compares what blocks add up to, because where in a block its events are put is not told.
func TestSpread(t *testing.T) {
	r := rollup.Range{From: time.Unix(310, 0), To: time.Unix(1180, 0)}
	f := func(list []events.Measure, limit events.Bound, resolution time.Duration, want ...Slot) {
		t.Helper()
		slots, res := spread(r, list, limit)
		var got []Slot
		for i, s := range slots {
			if i > 0 && s.Start <= slots[i-1].Start || s.Bad > s.Total || s.Start < 310 || s.Start >= 1180 {
				t.Errorf("slot %+v", s)
			}
			block := s.Start / 300 * 300
			if len(got) == 0 || got[len(got)-1].Start != block {
				got = append(got, Slot{Start: block})
			}
			got[len(got)-1].Bad += s.Bad
			got[len(got)-1].Total += s.Total
		}
		if diff := cmp.Diff(want, got); diff != "" || res != resolution {
			t.Errorf("%v %s", res, diff)
		}
	}
	f(nil, events.Bound{}, sli.Slot)
	f([]events.Measure{{Start: 600, Length: 10, Total: 3}, {Start: 890, Length: 10, Total: 2, Bad: 1}}, events.Bound{}, sli.Slot, Slot{Start: 600, Bad: 1, Total: 5})
	// Without bad events it does not matter where good ones are.
	f([]events.Measure{{Start: 600, Length: 300, Total: 7}}, events.Bound{}, sli.Slot, Slot{Start: 600, Total: 7})
	f([]events.Measure{{Start: 600, Length: 300, Total: 7, Bad: 2}}, events.Bound{}, 5*time.Minute, Slot{Start: 600, Bad: 2, Total: 7})
	// The ends of the range cut blocks.
	f([]events.Measure{{Start: 300, Length: 300, Total: 30}, {Start: 900, Length: 300, Total: 60, Bad: 30}}, events.Bound{}, 5*time.Minute, Slot{Start: 300, Total: 29}, Slot{Start: 900, Bad: 28, Total: 56})
	// A bad block outside of the range does not make what is inside coarse.
	f([]events.Measure{{Start: 0, Length: 300, Total: 30, Bad: 1}, {Start: 600, Length: 10, Total: 1, Bad: 1}}, events.Bound{}, sli.Slot, Slot{Start: 600, Bad: 1, Total: 1})
	// A quarter of a bucket, and certain ones.
	f([]events.Measure{{Start: 600, Length: 10, Total: 8, Above: 1, Cut: 4}}, events.Bound{Bucket: 3, Share: 0.25}, sli.Slot, Slot{Start: 600, Bad: 2, Total: 8})
}

// TestWeights counts spans that stand for others: sums are right although no slot's is whole, and what is rare in every
// slot is not lost.
func TestWeights(t *testing.T) {
	var spans []querytest.Span
	var bad, total float64
	for i := range 3600 {
		s := querytest.Span{At: time.Duration(i) * time.Second, Span: i + 1, Service: "web", Operation: "GET /", HTTP: 200, Weight: 12.3}
		if i%20 == 0 {
			s.HTTP, s.Weight = 500, 0.4
			bad += s.Weight
		}
		total += s.Weight
		spans = append(spans, s)
	}
	db := querytest.New(t, spans...)
	ind := sli.Indicator{Service: "web", Bad: sli.Bad{Errors: true}}
	from, to := querytest.Base, querytest.Base.Add(time.Hour)
	counted, err := Count(t.Context(), db, ind, from, to)
	if err != nil {
		t.Fatal(err)
	}
	previewed, _, err := Preview(t.Context(), db, ind, from, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]Slot{counted, previewed} {
		if b, n := sums(list); math.Abs(float64(b)-bad) > 0.2*bad || math.Abs(float64(n)-total) > 0.001*total {
			t.Errorf("%d of %d, want %v of %v", b, n, bad, total)
		}
	}
}

func TestBadBetween(t *testing.T) {
	r := rollup.Range{From: time.Unix(310, 0), To: time.Unix(1180, 0)}
	f := func(limit events.Bound, low, high int64, list ...events.Measure) {
		t.Helper()
		if l, h := badBetween(r, list, limit); l != low || h != high {
			t.Errorf("%+v: %d to %d, want %d to %d", list, l, h, low, high)
		}
	}
	f(events.Bound{}, 0, 0)
	f(events.Bound{}, 3, 3, events.Measure{Start: 600, Length: 10, Bad: 1, Above: 2, Cut: 4})
	f(events.Bound{Share: 0.1}, 3, 7, events.Measure{Start: 600, Length: 10, Bad: 1, Above: 2, Cut: 4})
	f(events.Bound{}, 28, 28, events.Measure{Start: 0, Length: 300, Bad: 9}, events.Measure{Start: 900, Length: 300, Bad: 30})
}

func TestLevelsOf(t *testing.T) {
	now := querytest.Base
	since10s, since5m, since1h := now.Add(-15*24*time.Hour), now.Add(-100*24*time.Hour), now.Add(-400*24*time.Hour)
	f := func(from, to time.Duration, durations bool, want ...string) {
		t.Helper()
		var got []string
		for _, l := range levelsOf(rollup.Range{From: now.Add(-from), To: now.Add(-to)}, since10s, since5m, since1h, durations) {
			got = append(got, fmt.Sprint(l.tier.Table, " ", l.worst))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v to %v ago: %s", from, to, diff)
		}
	}
	const day = 24 * time.Hour
	f(time.Hour, 0, true, "red_10s 0")
	f(day, 0, true, "red_5m 0", "red_10s 288")
	f(16*day, 16*day-time.Hour, true, "red_5m 0", "red_10s 288")
	f(30*day, 0, false, "red_5m 0", "red_10s 288")
	f(30*day, 0, true, "red_1h 0", "red_5m 72", "red_10s 72")
	f(90*day, 0, false, "red_1h 0", "red_5m 72", "red_10s 288")
	f(200*day, 200*day-time.Hour, false, "red_1h 0", "red_5m 72", "red_10s 288")
	// Where a finer tier has all that there is, the range need not be.
	since1h = since5m.Add(-20 * time.Minute)
	f(200*day, 190*day, false, "red_5m 0", "red_10s 288")
	since10s, since5m = time.Time{}, time.Time{}
	f(time.Hour, 0, true, "red_1h 0", "red_5m 72", "red_10s 288")
}

// TestRounder spreads random counts: sums stay within one of the truth, and no slot has more bad events than events.
func TestRounder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	bad, total := newRounder(1), newRounder(1)
	var badSum, totalSum float64
	var gotBad, gotTotal int64
	for range 10_000 {
		n := rng.ExpFloat64()
		b := n * rng.Float64()
		badSum, totalSum = badSum+b, totalSum+n
		events := total.next(n, math.MaxInt64)
		failed := bad.next(b, events)
		if failed < 0 || failed > events {
			t.Fatalf("%d of %d", failed, events)
		}
		gotBad, gotTotal = gotBad+failed, gotTotal+events
	}
	if math.Abs(float64(gotBad)-badSum) > 2 || math.Abs(float64(gotTotal)-totalSum) > 1 {
		t.Errorf("%d of %d, want %v of %v", gotBad, gotTotal, badSum, totalSum)
	}
}

func TestWorst(t *testing.T) {
	list := []events.Measure{{Start: 0, Length: 60, Bad: 9}, {Start: 1, Length: 10}, {Start: 2, Length: 10, Bad: 1}, {Start: 3, Length: 10, Cut: 9}, {Start: 4, Length: 10, Above: 2}, {Start: 5, Length: 10}}
	f := func(limit events.Bound, n int, want ...int64) {
		t.Helper()
		var got []int64
		for _, m := range worst(list, 10*time.Second, limit, n) {
			got = append(got, m.Start)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v %d: %s", limit, n, diff)
		}
	}
	f(events.Bound{}, 1, 5, 1, 4)
	f(events.Bound{Share: 1}, 2, 5, 1, 3, 4)
	f(events.Bound{}, 4, 5, 1, 4, 2, 3)
	f(events.Bound{}, 5, 1, 2, 3, 4, 5)
	list = nil
	f(events.Bound{}, 5)
}

// TestPreviewLevels compares what levels of different coarseness make of the same traffic.
func TestPreviewLevels(t *testing.T) {
	db := querytest.New(t, traffic()...)
	f := func(ind sli.Indicator, length time.Duration, resolution time.Duration) {
		t.Helper()
		ind.Service = "web"
		to := querytest.Base.Add(40 * time.Minute)
		want, q, err := Preview(t.Context(), db, ind, querytest.Base, to)
		if err != nil || q.Resolution != resolution {
			t.Fatalf("%+v, %v", q, err)
		}
		got, q, err := Preview(t.Context(), db, ind, to.Add(-length), to)
		if diff := cmp.Diff(want, got); err != nil || diff != "" || q.Resolution != resolution {
			t.Errorf("%v: %+v, %v\n%s", length, q, err, diff)
		}
	}
	errors, slow := sli.Indicator{Bad: sli.Bad{Errors: true}}, sli.Indicator{Bad: sli.Bad{Slower: 1 << 26}}
	for _, length := range []time.Duration{time.Hour, 24 * time.Hour, 30 * 24 * time.Hour} {
		f(errors, length, sli.Slot)
		f(slow, length, sli.Slot)
	}
}

// TestPreviewPast asks about times of which only coarser tiers are kept: parts of a range add up to the whole, however
// they are cut.
func TestPreviewPast(t *testing.T) {
	db := querytest.New(t, traffic()...)
	ind := sli.Indicator{Service: "web", Bad: sli.Bad{Errors: true}}
	f := func(resolution time.Duration) {
		t.Helper()
		whole, q, err := Preview(t.Context(), db, ind, querytest.Base.Add(-24*time.Hour), querytest.Base.Add(24*time.Hour))
		if bad, total := sums(whole); err != nil || total != 2400 || bad != 103 || q.Resolution != resolution || q.BadLow != 103 || q.BadHigh != 103 {
			t.Errorf("%d of %d, %+v, %v", bad, total, q, err)
		}
		var parts []Slot
		for at := -50 * time.Second; at < 2*time.Hour; at += 7*time.Minute + 10*time.Second {
			list, _, err := Preview(t.Context(), db, ind, querytest.Base.Add(at), querytest.Base.Add(at+7*time.Minute+10*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, list...)
		}
		if diff := cmp.Diff(whole, parts); diff != "" {
			t.Errorf("of %v: %s", resolution, diff)
		}
	}
	f(sli.Slot)
	querytest.Exec(t, db, "TRUNCATE TABLE red_10s")
	f(5 * time.Minute)
	querytest.Exec(t, db, "TRUNCATE TABLE red_5m")
	f(time.Hour)
}

// TestWhole loses nothing of what is rare in every slot.
func TestWhole(t *testing.T) {
	var sum int64
	for slot := range int64(100_000) {
		if n := whole(slot*10, 3); n != 3 {
			t.Fatalf("3 became %d", n)
		}
		bad, total := whole(slot*10, 0.1), whole(slot*10, 2.5)
		if bad > total {
			t.Fatalf("%d of %d", bad, total)
		}
		sum += bad
	}
	if sum < 9700 || sum > 10_300 {
		t.Errorf("0.1 in 100,000 slots: %d", sum)
	}
}
