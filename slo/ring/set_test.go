package ring

import (
	"testing"
	"time"

	"loadline/slo/budget"
)

func expect(t *testing.T, s *Set, i int, w time.Duration, wantBad, wantTotal uint64) {
	t.Helper()
	if bad, total := s.Sum(i, w); bad != wantBad || total != wantTotal {
		t.Errorf("window %s: %d of %d bad, want %d of %d", w, bad, total, wantBad, wantTotal)
	}
}

func TestSlotsEnterAndLeave(t *testing.T) {
	s := New(Config{Windows: []time.Duration{time.Minute, time.Hour}, Now: start})
	i := s.Add(start)
	s.Put(i, start, 1, 10)
	s.Put(i, start+19, 2, 20) // not aligned
	expect(t, s, i, time.Minute, 0, 0)
	s.Advance(start + 10)
	expect(t, s, i, time.Minute, 1, 10)
	s.Advance(start + 20)
	expect(t, s, i, time.Minute, 3, 30)
	s.Advance(start + 70)
	expect(t, s, i, time.Minute, 2, 20)
	s.Put(i, start, 5, 5) // has left the minute
	expect(t, s, i, time.Minute, 2, 20)
	expect(t, s, i, time.Hour, 8, 35)
	s.Advance(start + 80)
	expect(t, s, i, time.Minute, 0, 0)
	if s.Covered(i) != 80 || s.Last(i) != start+20 {
		t.Errorf("covered %d, last %d; want 80 and %d", s.Covered(i), s.Last(i), start+20)
	}
	s.SetFrom(i, start-day)
	if s.From(i) != start-day || s.Covered(i) != day+80 {
		t.Errorf("counted from %d for %d, want from %d for %d", s.From(i), s.Covered(i), start-day, day+80)
	}
}

// A bucket of an hour of a very busy service does not fit into 32 bits.
func TestLargeCounts(t *testing.T) {
	const many = 3_000_000_000
	s := New(Config{Windows: []time.Duration{time.Hour, 30 * 24 * time.Hour}, Now: start})
	for range 3 {
		s.Add(start)
	}
	before := s.Bytes()
	for n := range int64(12) {
		s.Put(1, start+10*n, many, many)
		s.Put(2, start+10*n, 1, 2)
	}
	s.Advance(start + 120)
	s.Put(1, start+60, many, many)
	expect(t, s, 1, time.Hour, 13*many, 13*many)
	expect(t, s, 1, 30*24*time.Hour, 13*many, 13*many)
	expect(t, s, 2, 30*24*time.Hour, 12, 24)
	expect(t, s, 0, 30*24*time.Hour, 0, 0)
	if s.Bytes() <= before {
		t.Errorf("%d bytes with large counts, %d without", s.Bytes(), before)
	}
	s.Advance(start + 31*day)
	expect(t, s, 1, 30*24*time.Hour, 0, 0)
}

// Corrections come in any order: what is negative for a while is told as zero and is not lost.
func TestNegativeCounts(t *testing.T) {
	s := New(Config{Windows: []time.Duration{time.Hour}, Now: start + 600})
	i := s.Add(start)
	s.Put(i, start, -3, -10)
	expect(t, s, i, time.Hour, 0, 0)
	s.Put(i, start, 5, 12)
	expect(t, s, i, time.Hour, 2, 2)
	s.Put(i, start, -5, 1)
	expect(t, s, i, time.Hour, 0, 3)
}

// Instances of a removed number begin with nothing, and many of them have blocks of their own.
func TestManyInstances(t *testing.T) {
	const n = 3*blockSize + 5
	s := New(Config{Windows: []time.Duration{time.Hour}, Now: start})
	for i := range n {
		if got := s.Add(start - int64(i)); got != i {
			t.Fatalf("instance %d has number %d", i, got)
		}
		s.Put(i, start, int64(i), int64(2*i))
		s.Put(i, start+day, 1, 1)
	}
	s.Advance(start + 10)
	s.Remove(7)
	s.Remove(blockSize)
	if s.Len() != n-2 {
		t.Errorf("%d instances, want %d", s.Len(), n-2)
	}
	if a, b := s.Add(start), s.Add(start); a+b != blockSize+7 {
		t.Errorf("new instances have numbers %d and %d, want %d and 7", a, b, blockSize)
	}
	for i := range n {
		want := uint64(i)
		if i == 7 || i == blockSize {
			want = 0
		}
		expect(t, s, i, time.Hour, want, 2*want)
	}
	s.Advance(start + day + 10)
	expect(t, s, 7, time.Hour, 0, 0)
	expect(t, s, 8, time.Hour, 1, 1)
}

// At the boundary of two periods an evaluation is of the one that ends.
func TestCalendarBoundary(t *testing.T) {
	c := &budget.Calendar{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Zone: "UTC", N: 1, Unit: 'd'}
	s := New(Config{Windows: []time.Duration{time.Hour}, Calendar: c, Now: start - 20})
	i := s.Add(start - day)
	for n := int64(-2); n < 2; n++ {
		s.Put(i, start+10*n, 1, 5)
	}
	at := func(t0, wantFrom int64, wantTotal uint64) {
		t.Helper()
		s.Advance(t0)
		from, to := s.Calendar()
		if _, total := s.CalendarSum(i); total != wantTotal || from != wantFrom || to != wantFrom+day {
			t.Errorf("at %d: %d events in (%d, %d]", t0-start, total, from-start, to-start)
		}
	}
	at(start-10, start-day, 5)
	at(start, start-day, 10)
	s.Put(i, start-day, 1, 1) // late, for the period that ends now
	at(start, start-day, 11)
	at(start+10, start, 5)
	s.Put(i, start-10, 1, 1)
	at(start+20, start, 10)
	at(start+5*day, start+4*day, 0)
}

func TestUnknownWindow(t *testing.T) {
	s := New(Config{Windows: []time.Duration{time.Hour}, Now: start})
	i := s.Add(start)
	defer func() {
		if recover() == nil {
			t.Error("the sum of a window that is not kept is answered")
		}
	}()
	s.Sum(i, time.Minute)
}
