package ring

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"loadline/slo/budget"
)

const day = int64(24 * time.Hour / time.Second)

// start is a Sunday at midnight.
const start = int64(1772323200) // 2026-03-01T00:00:00Z

// oracle is what a set should say, from a list of all that ever happened.
type oracle struct {
	config Config
	t      int64
	slots  []map[int64]counts // by instance
}

func (o *oracle) put(i int, at, bad, total int64) {
	at -= at % 10
	c := o.slots[i][at]
	c.add(counts{bad, total})
	o.slots[i][at] = c
}

func (o *oracle) sum(i int, from, to int64) (bad, total uint64) {
	var sum counts
	for at, c := range o.slots[i] {
		if at >= from && at < to && at < o.t {
			sum.add(c)
		}
	}
	return sum.clamped()
}

func (o *oracle) check(t *testing.T, s *Set, i int) {
	t.Helper()
	for _, w := range o.config.Windows {
		bad, total := s.Sum(i, w)
		wantBad, wantTotal := o.sum(i, budget.Start(o.t, w), o.t)
		if bad != wantBad || total != wantTotal {
			t.Fatalf("at %d, instance %d, window %s: %d of %d bad, want %d of %d", o.t-start, i, w, bad, total, wantBad, wantTotal)
		}
	}
	if o.config.Calendar != nil {
		from, to := o.config.Calendar.Period(o.t)
		bad, total := s.CalendarSum(i)
		wantBad, wantTotal := o.sum(i, from, to)
		if bad != wantBad || total != wantTotal {
			t.Fatalf("at %d, instance %d, calendar: %d of %d bad, want %d of %d", o.t-start, i, bad, total, wantBad, wantTotal)
		}
	}
}

// windows are some of each grain.
func windows(r *rand.Rand) []time.Duration {
	all := []time.Duration{
		time.Minute, 70 * time.Second, 5 * time.Minute, 30 * time.Minute, time.Hour, 84 * time.Minute, 2 * time.Hour,
		6 * time.Hour, 24 * time.Hour, 72 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour,
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+r.IntN(len(all))]
}

func calendar(r *rand.Rand) *budget.Calendar {
	zones := []string{"UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham"}
	units := []budget.Unit{'d', 'w', 'M', 'h'}
	if r.IntN(2) == 0 {
		return nil
	}
	return &budget.Calendar{
		Start: time.Date(2026, 1, 31, r.IntN(24), r.IntN(60), 0, 0, time.UTC), N: 1,
		Zone: zones[r.IntN(len(zones))], Unit: units[r.IntN(len(units))],
	}
}

// step is how far a random stream advances: mostly a slot, now and then very far.
func step(r *rand.Rand) int64 {
	switch r.IntN(40) {
	case 0:
		return r.Int64N(100 * day)
	case 1, 2:
		return r.Int64N(3 * day)
	case 3, 4, 5, 6:
		return r.Int64N(7200)
	}
	return r.Int64N(40)
}

func random(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	c := Config{Windows: windows(r), Calendar: calendar(r), Now: start + r.Int64N(day)}
	o := &oracle{config: c, t: c.Now - c.Now%10}
	s := New(c)
	var alive []int
	for range 400 {
		switch k := r.IntN(20); {
		case k == 0 || len(alive) == 0:
			i := s.Add(o.t)
			if i == len(o.slots) {
				o.slots = append(o.slots, nil)
			}
			o.slots[i] = make(map[int64]counts)
			alive = append(alive, i)
		case k == 1 && r.IntN(4) == 0:
			n := r.IntN(len(alive))
			s.Remove(alive[n])
			alive = slices.Delete(alive, n, n+1)
			continue
		case k == 2:
			var b bytes.Buffer
			if err := s.Snapshot(&b); err != nil {
				t.Fatal(err)
			}
			restored, err := Restore(&b, c)
			if err != nil {
				t.Fatal(err)
			}
			s = restored
		case k < 8:
			o.t += step(r)
			o.t -= o.t % 10
			s.Advance(o.t + r.Int64N(10))
		default:
			i := alive[r.IntN(len(alive))]
			at := o.t - r.Int64N(1+r.Int64N(1+r.Int64N(31*day))) + r.Int64N(60)
			if r.IntN(10) == 0 {
				at = o.t + r.Int64N(2*day)
			}
			total := r.Int64N(1 << r.IntN(34))
			bad := r.Int64N(total + 1)
			if r.IntN(10) == 0 {
				bad, total = -bad, -total
			}
			s.Put(i, at, bad, total)
			o.put(i, at, bad, total)
		}
		if len(alive) > 0 {
			o.check(t, s, alive[r.IntN(len(alive))])
		}
	}
	for _, i := range alive {
		o.check(t, s, i)
	}
	if s.Len() != len(alive) || s.Now() != o.t {
		t.Errorf("%d instances at %d, want %d at %d", s.Len(), s.Now(), len(alive), o.t)
	}
}

func TestSetAgreesWithOracle(t *testing.T) {
	for seed := range uint64(40) {
		random(t, seed)
	}
}

func FuzzSet(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(random)
}

// An instance that is filled from stored tiers is the same as one that saw every slot.
func TestLoadAgreesWithPut(t *testing.T) {
	for seed := range uint64(15) {
		loaded(t, seed)
	}
}

func loaded(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	c := Config{Windows: windows(r), Calendar: calendar(r), Now: start - 40*day + r.Int64N(day)}
	seen := New(c)
	i := seen.Add(c.Now)
	tiers := map[int64]map[int64]counts{10: {}, 300: {}, 3600: {}}
	put := func(at int64) {
		total := r.Int64N(1 << r.IntN(34))
		bad := r.Int64N(total + 1)
		seen.Put(i, at, bad, total)
		for grain, slots := range tiers {
			c := slots[at-at%grain]
			c.add(counts{bad, total})
			slots[at-at%grain] = c
		}
	}
	for range 3000 {
		put(seen.Now() + r.Int64N(300))
		if r.IntN(10) == 0 {
			put(max(seen.Now()-r.Int64N(3*day), c.Now))
		}
		seen.Advance(seen.Now() + 10*r.Int64N(300))
	}
	c.Now = seen.Now()
	set := New(c)
	for range 5 {
		set.Add(0)
	}
	from, middle, fine := set.Span()
	for grain, bounds := range map[int64][2]int64{10: {fine, c.Now + day}, 300: {middle, fine}, 3600: {from, middle}} {
		var slots []Slot
		for at, v := range tiers[grain] {
			if at >= bounds[0] && at < bounds[1] {
				slots = append(slots, Slot{Start: at, Bad: v.bad, Total: v.total})
			}
		}
		half := len(slots) / 2
		set.Load(3, grain, slots[:half])
		set.Load(3, grain, slots[half:])
	}
	for range 40 {
		same(t, set, 3, seen, i)
		at := seen.Now() + step(r)
		late := at - r.Int64N(3*day)
		seen.Put(i, late, 1, 3)
		set.Put(3, late, 1, 3)
		seen.Advance(at)
		set.Advance(at)
	}
}

func same(t *testing.T, a *Set, i int, b *Set, j int) {
	t.Helper()
	for _, w := range a.config.Windows {
		bad, total := a.Sum(i, w)
		wantBad, wantTotal := b.Sum(j, w)
		if bad != wantBad || total != wantTotal {
			t.Fatalf("at %d, window %s: %d of %d bad, want %d of %d", a.Now()-start, w, bad, total, wantBad, wantTotal)
		}
	}
	bad, total := a.CalendarSum(i)
	wantBad, wantTotal := b.CalendarSum(j)
	if bad != wantBad || total != wantTotal {
		t.Fatalf("at %d, calendar: %d of %d bad, want %d of %d", a.Now()-start, bad, total, wantBad, wantTotal)
	}
}
