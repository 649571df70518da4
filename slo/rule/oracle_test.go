package rule

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
)

// t0 is a Sunday at midnight.
const t0 = int64(1772323200) // 2026-03-01T00:00:00Z

// oracle says the same as rings and rules, slowly: it keeps every slot and adds them up for each question.
type oracle struct {
	target budget.Target
	window budget.Window
	policy budget.Policy
	from   int64 // events are counted from here on
	slots  map[int64][2]int64
	tiers  map[string]*oracleTier
	spent  map[string]int64 // when a mark of the budget was passed
	absent bool
	said   []string
}

type oracleTier struct {
	phase         string
	since, keep   int64
	told, guarded bool
}

func (o *oracle) events(from, to int64) (bad, total int64) {
	for at := from - from%10; at < to; at += 10 {
		if at >= from {
			bad += o.slots[at][0]
			total += o.slots[at][1]
		}
	}
	return bad, total
}

func (o *oracle) in(w time.Duration, at int64) (bad, total int64) {
	grain := int64(10)
	for _, g := range [][2]int64{{3600, 60}, {6 * 3600, 300}, {86400, 900}, {3 * 86400, 3600}, {31 * 86400, 10800}} {
		if int64(w/time.Second) > g[0] {
			grain = g[1]
		}
	}
	edge := at - int64(w/time.Second)
	return o.events(edge-edge%grain, at)
}

// period is the current period: its bounds and how much of it has counts.
func (o *oracle) period(at int64) (bad, total, whole, elapsed, counted int64) {
	counted = at - o.from
	if o.window.Calendar != nil {
		from, to := o.window.Calendar.Period(at)
		bad, total = o.events(from, at)
		return bad, total, to - from, at - from, min(counted, at-from)
	}
	bad, total = o.in(o.window.Length, at)
	whole = int64(o.window.Length / time.Second)
	counted = min(counted, whole)
	return bad, total, whole, counted, counted
}

func rat(r budget.Ratio) *big.Rat { return big.NewRat(int64(r.Num), int64(max(r.Den, 1))) }

func (o *oracle) spare() *big.Rat {
	return new(big.Rat).Sub(big.NewRat(1, 1), rat(o.target.Good))
}

// limit is the burn rate of a tier, after the clamp.
func (o *oracle) limit(t budget.Tier) *big.Rat {
	b := rat(t.Burn)
	if half := new(big.Rat).Quo(big.NewRat(1, 2), o.spare()); o.policy.Clamp && b.Cmp(half) > 0 {
		return half
	}
	return b
}

// burn is bad/total/(1-target), lowered while the window is not covered; by budget, total is an even share of the period's.
func (o *oracle) burn(w time.Duration, at int64) *big.Rat {
	bad, total := o.in(w, at)
	length := int64(w / time.Second)
	covered := min(at-o.from, length)
	if o.policy.Mode == budget.ByBudget {
		total, covered = o.traffic(at)
	}
	if total == 0 {
		return new(big.Rat)
	}
	burn := new(big.Rat).Quo(big.NewRat(bad, total), o.spare())
	return burn.Mul(burn, big.NewRat(covered, length))
}

// traffic is how many events there were in how many seconds: in the period, or in the longest window of a tier where a
// calendar's period has just begun.
func (o *oracle) traffic(at int64) (total, covered int64) {
	_, total, _, elapsed, covered := o.period(at)
	var longest time.Duration
	for _, t := range o.policy.Tiers {
		longest = max(longest, t.Long)
	}
	if o.window.Calendar != nil && elapsed < int64(longest/time.Second) {
		_, total = o.in(longest, at)
		covered = min(at-o.from, int64(longest/time.Second))
	}
	return total, covered
}

// chance is the probability of at least so many bad events if a share p of all is.
func chance(bad, total int64, p float64) float64 {
	factorial := func(n int64) float64 {
		v, _ := math.Lgamma(float64(n) + 1)
		return v
	}
	var sum float64
	for k := bad; k <= total; k++ {
		ways := factorial(total) - factorial(k) - factorial(total-k)
		sum += math.Exp(ways + float64(k)*math.Log(p) + float64(total-k)*math.Log(1-p))
	}
	return sum
}

func (o *oracle) enough(t budget.Tier, at int64) bool {
	bad, total := o.in(t.Long, at)
	if uint64(bad) < o.policy.MinBad {
		return false
	}
	if !o.policy.Guard {
		return true
	}
	limit, _ := o.limit(t).Float64()
	spare, _ := o.spare().Float64()
	return chance(bad, total, spare*min(1, limit/4)) <= 1e-4*(1+1e-9) // 4 of 4 at 10 % is 1e-4
}

func (o *oracle) say(at int64, tier, state string) {
	o.said = append(o.said, fmt.Sprintf("%d %s %s", at-t0, tier, state))
}

func (o *oracle) step(at int64) {
	for _, t := range o.policy.Tiers {
		o.stepTier(t, o.tiers[t.Name], at)
	}
	o.stepBudget(at)
	o.stepAbsence(at)
}

func (o *oracle) stepTier(t budget.Tier, s *oracleTier, at int64) {
	if _, total := o.in(t.Short, at); total == 0 && s.phase != "inactive" && o.policy.HoldNoData {
		if !s.told {
			o.say(at, t.Name, "held")
		}
		s.told = true
		return
	}
	s.told = false
	long := o.burn(t.Long, at).Cmp(o.limit(t)) > 0
	both := long && o.burn(t.Short, at).Cmp(o.limit(t)) > 0
	holds := both && o.enough(t, at)
	wait := t.For
	if wait == 0 {
		wait = o.policy.For
	}
	before := s.phase
	switch {
	case holds && s.phase == "inactive":
		s.phase, s.since = "pending", at
	case !holds && s.phase == "pending":
		s.phase = "inactive"
	}
	if holds && s.phase == "pending" && at-s.since >= int64(wait/time.Second) {
		s.phase = "firing"
	}
	if holds {
		s.keep = 0
	} else if s.phase == "firing" {
		if s.keep == 0 {
			s.keep = at
		}
		if at-s.keep >= int64(o.policy.KeepFiring/time.Second) {
			s.phase, s.keep = "inactive", 0
		}
	}
	switch {
	case before == "pending" && s.phase == "inactive":
		o.say(at, t.Name, "lapsed")
	case before == "firing" && s.phase == "inactive":
		o.say(at, t.Name, "resolved")
	case before != s.phase:
		o.say(at, t.Name, s.phase)
	case both && !holds && !s.guarded && s.phase == "inactive":
		o.say(at, t.Name, "guarded")
	}
	fires := before != "firing" && s.phase == "firing"
	s.guarded = both && !holds || s.guarded && long && !fires
}

func (o *oracle) stepBudget(at int64) {
	if len(o.policy.Tiers) == 0 {
		return
	}
	bad, total, whole, elapsed, _ := o.period(at)
	left := big.NewRat(1, 1)
	if total > 0 {
		spent := new(big.Rat).Quo(big.NewRat(bad, total), o.spare())
		if elapsed < whole {
			spent.Mul(spent, big.NewRat(elapsed, whole))
		}
		left.Sub(left, spent)
	}
	last := ""
	for _, n := range []int64{50, 20, 0} {
		name := fmt.Sprintf("budget-%d", n)
		if o.spent[name] != 0 {
			again := left.Cmp(big.NewRat(n+5, 100)) >= 0
			if o.window.Calendar != nil {
				from, _ := o.window.Calendar.Period(at)
				again = o.spent[name] <= from
			}
			if again {
				delete(o.spent, name)
			}
		}
		if o.spent[name] == 0 && bad > 0 && left.Cmp(big.NewRat(n, 100)) <= 0 {
			o.spent[name], last = at, name
		}
	}
	if last != "" {
		o.say(at, last, "budget")
	}
}

func (o *oracle) stepAbsence(at int64) {
	if o.policy.NoDataAlert == "" {
		return
	}
	last := int64(0)
	for slot, c := range o.slots {
		if slot < at && c[1] > 0 {
			last = max(last, slot+10)
		}
	}
	after := int64(budget.AbsentAfter(o.target, o.policy, o.window.Nominal()) / time.Second)
	silent := min(at-last, at-o.from)
	total, counted := o.traffic(at)
	expected := float64(total) * float64(silent) / float64(counted)
	switch {
	case !o.absent && silent >= after && (!o.policy.Guard || expected >= 9.21 || total == 0 && silent >= 86400):
		o.absent = true
		o.say(at, "no-data", "no_data")
	case o.absent && at-last < after:
		o.absent = false
		o.say(at, "no-data", "data")
	}
}

// engine is a rule with its rings, as they run live.
type engine struct {
	rule   *Rule
	config ring.Config
	set    *ring.Set
	states []State
	said   []string
}

func newEngine(r *Rule, w budget.Window, from, now int64) *engine {
	c := ring.Config{Windows: r.Windows(), Calendar: w.Calendar, Now: now}
	e := &engine{rule: r, config: c, set: ring.New(c), states: r.States()}
	e.set.Add(from)
	return e
}

func (e *engine) input() Input {
	in := Input{
		Sum:     func(w time.Duration) (bad, total uint64) { return e.set.Sum(0, w) },
		Covered: e.set.Covered(0), Last: e.set.Last(0), To: e.set.Now(),
	}
	if e.config.Calendar != nil {
		in.From, in.To = e.set.Calendar()
		in.Bad, in.Total = e.set.CalendarSum(0)
	} else {
		in.Bad, in.Total = e.set.Sum(0, e.rule.window.Length)
	}
	return in
}

func (e *engine) step(at int64) []Change {
	e.set.Advance(at)
	changes := e.rule.Step(at, e.input(), e.states)
	for _, c := range changes {
		e.said = append(e.said, fmt.Sprintf("%d %s %s", c.At-t0, c.Tier, c.State))
	}
	return changes
}

// randomPolicy is one whose windows are short, so that much happens in few slots.
func randomPolicy(r *rand.Rand) (budget.Target, budget.Window, budget.Policy) {
	w := budget.Window{Length: time.Duration(1+r.IntN(12)) * time.Hour}
	if r.IntN(4) == 0 {
		w = budget.Window{Calendar: &budget.Calendar{Start: time.Unix(t0, 0).UTC(), Zone: "Europe/Berlin", N: 1 + r.IntN(3), Unit: 'h'}}
	}
	target, err := budget.ParsePercent([]string{"50", "90", "99", "99.5", "99.9"}[r.IntN(5)])
	if err != nil {
		panic(err)
	}
	p := budget.Policy{
		For: seconds(int64(r.IntN(4)) * 30), KeepFiring: seconds(int64(r.IntN(4)) * 60), MinBad: uint64(r.IntN(4)),
		Guard: r.IntN(2) == 0, HoldNoData: r.IntN(2) == 0, Clamp: r.IntN(2) == 0, Mode: budget.Mode(r.IntN(2)),
	}
	if r.IntN(2) == 0 {
		p.NoDataAlert = budget.Ticket
	}
	for k := range r.IntN(4) {
		short := time.Duration(1+r.IntN(20)) * 30 * time.Second
		p.Tiers = append(p.Tiers, budget.Tier{
			Name: fmt.Sprint("tier", k), Severity: budget.Page, Short: short, Long: min(short*time.Duration(1+r.IntN(12)), w.Nominal()),
			Burn: budget.NewRatio(uint64(1+r.IntN(150)), 10), For: seconds(int64(r.IntN(3)) * 20),
		})
	}
	return target, w, p
}

// traffic is a random stream that changes its mood: quiet, healthy, failing, gone.
type traffic struct {
	r          *rand.Rand
	left       int
	rate, fail float64
}

func (f *traffic) next() (bad, total int64) {
	if f.left--; f.left < 0 {
		f.left = f.r.IntN(80)
		f.rate = []float64{0, 0.1, 1, 20}[f.r.IntN(4)]
		f.fail = []float64{0, 0, 0, 0.002, 0.02, 0.3, 1}[f.r.IntN(7)]
	}
	total = int64(f.rate*f.r.ExpFloat64() + f.r.Float64())
	for range total {
		if f.r.Float64() < f.fail {
			bad++
		}
	}
	return bad, total
}

func agree(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 4))
	target, window, policy := randomPolicy(r)
	from := t0 - int64(r.IntN(3))*3600
	o := &oracle{
		target: target, window: window, policy: policy, from: from,
		slots: make(map[int64][2]int64), tiers: make(map[string]*oracleTier), spent: make(map[string]int64),
	}
	for _, tier := range policy.Tiers {
		o.tiers[tier.Name] = &oracleTier{phase: "inactive"}
	}
	e := newEngine(Compile(target, window, budget.Occurrences, policy), window, from, t0)
	f := &traffic{r: r}
	at := t0
	for range 500 {
		bad, total := f.next()
		slot := at
		if r.IntN(5) == 0 {
			slot = max(at-10*int64(r.IntN(60)), t0)
		}
		e.set.Put(0, slot, bad, total)
		c := o.slots[slot]
		o.slots[slot] = [2]int64{c[0] + bad, c[1] + total}
		at += 10
		e.step(at)
		o.step(at)
		if !slices.Equal(e.said, o.said) {
			t.Fatalf("seed %d: target %s, window %s, policy %+v\nsaid\n%s\nwant\n%s", seed, target, window, policy,
				strings.Join(e.said, "\n"), strings.Join(o.said, "\n"))
		}
	}
}

func TestAgreesWithOracle(t *testing.T) {
	for seed := range uint64(60) {
		agree(t, seed)
	}
}

func FuzzOracle(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(agree)
}
