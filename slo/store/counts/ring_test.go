package counts

import (
	"math/rand/v2"
	"testing"
	"time"

	"loadline/internal/clickhouse/chtest"
	"loadline/slo/budget"
	"loadline/slo/ring"
)

// A ring that is filled from the tiers has the sums of one that saw every event, then and for as long as it goes on, in
// windows of all lengths and in periods that begin at odd times.
func TestLoadFillsRings(t *testing.T) {
	db := chtest.New(t)
	s := New(db)
	random := rand.New(rand.NewPCG(3, 4))
	at := now.Unix() - 130
	windows := []time.Duration{
		time.Minute, 5 * time.Minute, 28 * time.Minute, time.Hour, 2 * time.Hour, 336 * time.Minute, 6 * time.Hour, 24 * time.Hour,
		33 * time.Hour, 72 * time.Hour, 9 * 24 * time.Hour, 30 * 24 * time.Hour,
	}
	ago := func(d, past time.Duration) time.Time { return now.Add(-d).Truncate(time.Hour).Add(past) }
	calendars := map[string]*budget.Calendar{
		"rolling":       nil,
		"days":          {Start: ago(2400*time.Hour, 0).Truncate(24 * time.Hour), Zone: "UTC", N: 1, Unit: 'd'},
		"odd hours":     {Start: ago(31*time.Hour, 10*time.Minute+30*time.Second), Zone: "UTC", N: 2, Unit: 'h'},
		"odd days":      {Start: ago(50*time.Hour, 5*time.Minute), Zone: "UTC", N: 4, Unit: 'd'},
		"half an hour":  {Start: ago(2400*time.Hour, 0).Truncate(24 * time.Hour), Zone: "Asia/Kolkata", N: 1, Unit: 'w'},
		"odd fortnight": {Start: ago(12*24*time.Hour, 10*time.Second), Zone: "UTC", N: 2, Unit: 'w'},
	}
	r := Recount{Indicator: 7, From: Tier1h.floor(at - 31*86400), To: at + 600}
	add := func(slot int64) {
		if slot >= r.From {
			r.Counts = append(r.Counts, Count{Slot: slot, Bad: 1, Total: 1 + random.Int64N(9)})
		}
	}
	for range 6000 {
		// Half of the events are of the last hours.
		reach := []int64{2 * 3600, 7 * 3600, 86400, 4 * 86400, 31 * 86400}[random.IntN(5)]
		add(Tier10s.floor(at + 590 - random.Int64N(reach)))
	}
	for _, c := range calendars {
		if c != nil {
			begin, _ := c.Period(at)
			add(begin - 10)
			add(begin)
		}
	}
	replace(t, s, r)

	for name, calendar := range calendars {
		filled, saw := ring.New(ring.Config{Windows: windows, Calendar: calendar, Now: at}), ring.New(ring.Config{Windows: windows, Calendar: calendar, Now: at})
		i, k := filled.Add(r.From), saw.Add(r.From)
		for _, c := range r.Counts {
			saw.Put(k, c.Slot, c.Bad, c.Total)
		}
		from, middle, fine := filled.Span()
		begin, _ := filled.Calendar()
		err := s.Load(ctx, []uint64{7}, Span{from, middle, fine}.Parts(at, begin), func(_ uint64, _ string, p Part, slots []Slot) error {
			filled.Load(i, p.Step, slots)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, later := range []int64{0, 10, 600, 3600, 3 * 3600, 25 * 3600, 80 * 3600} {
			filled.Advance(at + later)
			saw.Advance(at + later)
			for _, w := range windows {
				gotBad, gotTotal := filled.Sum(i, w)
				wantBad, wantTotal := saw.Sum(k, w)
				if gotBad != wantBad || gotTotal != wantTotal {
					t.Errorf("%s, %d s later, %v: %d of %d, want %d of %d", name, later, w, gotBad, gotTotal, wantBad, wantTotal)
				}
			}
			gotBad, gotTotal := filled.CalendarSum(i)
			wantBad, wantTotal := saw.CalendarSum(k)
			if gotBad != wantBad || gotTotal != wantTotal {
				t.Errorf("%s, %d s later, period: %d of %d, want %d of %d", name, later, gotBad, gotTotal, wantBad, wantTotal)
			}
		}
	}
}
