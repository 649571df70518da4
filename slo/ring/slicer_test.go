package ring

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"loadline/slo/budget"
)

func target(t testing.TB, text string) budget.Target {
	t.Helper()
	v, err := budget.ParseTarget(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// given collects what a slicer gives, summed by slot.
func given() (map[int64]counts, func(start, bad, total int64)) {
	sums := make(map[int64]counts)
	return sums, func(start, bad, total int64) {
		c := sums[start]
		c.add(counts{bad, total})
		sums[start] = c
		if c == (counts{}) {
			delete(sums, start)
		}
	}
}

// Slices are the same whatever order their slots come in, as long as none is too late.
func TestSlicerAgreesWithOracle(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 3))
		of := budget.Slices{
			Length: []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, time.Hour}[r.IntN(4)],
			Target: target(t, "0.95"), Empty: budget.Empty(r.IntN(3)),
		}
		method := budget.Timeslices + budget.Method(r.IntN(2))
		got, emit := given()
		length := int64(of.Length / time.Second)
		from := start + r.Int64N(7200)
		s := NewSlicer(method, of, from, start, emit)
		slots := make(map[int64]counts) // by slice
		now := start
		for range 500 {
			now += r.Int64N(60)
			s.Advance(now)
			at := now + r.Int64N(600) - r.Int64N(3600)
			if r.IntN(20) == 0 {
				at = now + r.Int64N(day)
			}
			at = max(at, start)
			total := r.Int64N(100)
			bad := min(r.Int64N(10), total)
			s.Put(at, bad, total)
			c := slots[at-at%length]
			c.add(counts{bad, total})
			slots[at-at%length] = c
		}
		want := make(map[int64]counts)
		for at := start; at+length <= now; at += length {
			bad, total := of.Count(method, uint64(slots[at].bad), uint64(slots[at].total))
			if c := (counts{int64(bad), int64(total)}); c != (counts{}) && at >= from {
				want[at+length-10] = c
			}
		}
		for at := range got {
			if got[at] != want[at] {
				t.Fatalf("seed %d, slice that ends at %d: %+v, want %+v", seed, at+10-start, got[at], want[at])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("seed %d: %d slices, want %d", seed, len(got), len(want))
		}
	}
}

// The example of the three ways to count: V17 of the vectors.
func TestSlicerMethods(t *testing.T) {
	stream := []struct{ slots, good, bad int64 }{{360, 1000, 0}, {30, 900, 100}, {12, 0, 1000}, {60, 0, 0}, {258, 1000, 0}}
	f := func(method budget.Method, empty budget.Empty, wantBad, wantTotal int64) {
		t.Helper()
		sums, emit := given()
		of := budget.Slices{Length: time.Minute, Target: target(t, "0.95"), Empty: empty}
		s := NewSlicer(method, of, start, start, emit)
		at := start
		for _, p := range stream {
			for range p.slots {
				s.Put(at, p.bad, p.good+p.bad)
				at += 10
				s.Advance(at)
			}
		}
		var sum counts
		for _, c := range sums {
			sum.add(c)
		}
		if want := (counts{wantBad, wantTotal}); sum != want {
			t.Errorf("method %d, empty %d: %+v, want %+v", method, empty, sum, want)
		}
	}
	f(budget.Timeslices, budget.EmptyIgnored, 7, 110)
	f(budget.Timeslices, budget.EmptyGood, 7, 120)
	f(budget.Timeslices, budget.EmptyBad, 17, 120)
	f(budget.RatioTimeslices, budget.EmptyIgnored, 2_500_000, 110_000_000)
	f(budget.RatioTimeslices, budget.EmptyGood, 2_500_000, 120_000_000)
	f(budget.RatioTimeslices, budget.EmptyBad, 12_500_000, 120_000_000)
}

func TestSlicerCorrections(t *testing.T) {
	sums, emit := given()
	s := NewSlicer(budget.Timeslices, budget.Slices{Length: time.Minute, Target: target(t, "0.5"), Empty: budget.EmptyBad}, start, start, emit)
	s.Skip = func(at int64) bool { return at >= start+90 && at < start+150 }
	s.Put(start+130, 0, 1)
	s.Advance(start + 240)
	want := map[int64]counts{start + 50: {1, 1}, start + 170: {0, 1}, start + 230: {1, 1}}
	for at, c := range want {
		if sums[at] != c {
			t.Errorf("slot %d: %+v, want %+v", at-start, sums[at], c)
		}
	}
	if len(sums) != len(want) {
		t.Errorf("%d slices count, want %d", len(sums), len(want))
	}
}

// A slice changes for an hour after its end, and not after that.
func TestSlicerLate(t *testing.T) {
	var changes []Slot
	s := NewSlicer(budget.Timeslices, budget.Slices{Length: time.Minute, Target: target(t, "0.9")}, start, start,
		func(at, bad, total int64) { changes = append(changes, Slot{at, bad, total}) })
	s.Put(start, 0, 100)
	s.Advance(start + 3600)
	s.Put(start, 10, 10) // 90.9 % good
	s.Put(start, 2, 2)   // 89.3 %
	s.Put(start, -2, -2)
	s.Advance(start + 3660)
	s.Put(start, 100, 100)
	want := []Slot{{start + 50, 0, 1}, {start + 50, 1, 0}, {start + 50, -1, 0}}
	if !slices.Equal(changes, want) {
		t.Errorf("changes %v, want %v", changes, want)
	}
}
