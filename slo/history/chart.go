// Package history says what objectives did before now: charts of budgets and burn rates, previews of objectives that are not
// in force, forecasts and reports. It reads the stored counts.
package history

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/slo/backtest"
	"loadline/slo/budget"
	"loadline/slo/counting"
	"loadline/slo/ring"
	"loadline/slo/spec"
	"loadline/slo/store"
	"loadline/slo/store/counts"
	"loadline/slo/tracker"
)

// History reads what objectives did. It is safe for concurrent use.
type History struct {
	db      *clickhouse.DB
	store   *store.Store
	counts  *counts.Store
	counter *counting.Counter
	tracker func() *tracker.Tracker

	mu     sync.Mutex
	tries  []try // the newest first
	trends map[tracker.Ref]trend
}

// New returns the history of the objectives that a tracker has. present returns the one at work.
func New(db *clickhouse.DB, stored *counts.Store, counter *counting.Counter, present func() *tracker.Tracker) *History {
	return &History{db: db, store: store.New(db), counts: stored, counter: counter, tracker: present, trends: map[tracker.Ref]trend{}}
}

// BudgetChart is how much of a budget was left at moments that are Step apart, the first at From.
type BudgetChart struct {
	From      time.Time           `json:"from"`
	Step      time.Duration       `json:"step"`
	Left      []float64           `json:"left"` // NaN where unknown
	Even      []float64           `json:"even"` // what would be left if the budget were spent evenly over the chart
	Incidents []backtest.Incident `json:"incidents"`
}

// BurnChart is burn rates at moments that are Step apart, the first at From.
type BurnChart struct {
	From  time.Time     `json:"from"`
	Step  time.Duration `json:"step"`
	Lines []BurnLine    `json:"lines"`
}

// BurnLine is the burn rate over a window; NaN where unknown.
type BurnLine struct {
	Window time.Duration `json:"window"`
	Values []float64     `json:"values"`
}

// NotFoundError says that there is no such objective.
type NotFoundError struct{ Ref tracker.Ref }

// Error names the objective.
func (err *NotFoundError) Error() string {
	if err.Ref.Objective == "" {
		return fmt.Sprintf("there is no SLO %q", err.Ref.SLO)
	}
	return fmt.Sprintf("there is no objective %q of an SLO %q", err.Ref.Objective, err.Ref.SLO)
}

// view finds an objective.
func (h *History) view(ref tracker.Ref) (tracker.View, error) {
	v, ok := h.tracker().View(ref)
	if !ok {
		return v, &NotFoundError{ref}
	}
	return v, nil
}

// slot is the length of a slot in seconds.
const slot = int64(sli.Slot / time.Second)

func moment(t int64) time.Time      { return time.Unix(t, 0).UTC() }
func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// moments are at most n of them, of which the last is at the last slot before to or the newest that was evaluated. Their
// step is whole slots, or whole 5 minutes where it is longer than that.
func moments(from, to time.Time, n int, newest int64) []int64 {
	end := min(to.Unix(), newest)
	step := (end - from.Unix() + int64(max(n-1, 1)) - 1) / int64(max(n-1, 1))
	unit := slot
	if step > int64(counts.Tier5m) {
		unit = int64(counts.Tier5m)
	}
	step = max((step+unit-1)/unit*unit, unit)
	end = end / unit * unit
	var out []int64
	for t := end; t >= from.Unix() && len(out) < n; t -= step {
		out = append(out, t)
	}
	slices.Reverse(out)
	return out
}

func stepOf(at []int64) time.Duration {
	if len(at) < 2 {
		return time.Duration(slot) * time.Second
	}
	return seconds(at[1] - at[0])
}

// Budget returns how much of an objective's budget was left at up to points moments of [from, to].
func (h *History) Budget(ctx context.Context, ref tracker.Ref, from, to time.Time, points int) (BudgetChart, error) {
	v, err := h.view(ref)
	if err != nil {
		return BudgetChart{}, err
	}
	at := moments(from, to, points, v.Now)
	c := BudgetChart{From: from, Step: stepOf(at)}
	if len(at) == 0 {
		return c, nil
	}
	c.From = moment(at[0])
	if c.Left, err = h.left(ctx, v, at, projected); err != nil {
		return c, err
	}
	for i := range at {
		c.Even = append(c.Even, 1-float64(i)/float64(max(len(at)-1, 1)))
	}
	slots, err := h.slots(ctx, v, at[0], at[len(at)-1], counts.Tier10s)
	c.Incidents = backtest.Incidents(slots)
	return c, err
}

// LeftAt returns how much of an objective's budget was left at moments, which are ends of slots in order; NaN where unknown.
func (h *History) LeftAt(ctx context.Context, ref tracker.Ref, at []int64) ([]float64, error) {
	v, err := h.view(ref)
	if err != nil || len(at) == 0 {
		return nil, err
	}
	return h.left(ctx, v, at, soFar)
}

// leftOf says what is left of a budget by the events of the covered part of a period.
type leftOf func(bad, total uint64, target budget.Target, covered, period time.Duration) float64

func soFar(bad, total uint64, target budget.Target, _, _ time.Duration) float64 {
	return budget.Left(bad, total, target)
}

// projected does not let a period begin with a budget of nothing.
func projected(bad, total uint64, target budget.Target, covered, period time.Duration) float64 {
	return budget.Projected(bad, total, target, covered, period)
}

func (h *History) left(ctx context.Context, v tracker.View, at []int64, of leftOf) ([]float64, error) {
	w := v.Of.Objective.Window
	first, _ := w.Period(at[0])
	sums, err := h.sums(ctx, v, min(first, at[0]), at, tierOf(w.Nominal()))
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(at))
	for i, t := range at {
		from, to := w.Period(t)
		bad, total := sums.between(from, t)
		out[i] = of(bad, total, v.Of.Objective.Target, seconds(t-max(from, v.Of.From)), seconds(to-from))
		if t > v.Now || t <= v.Of.From {
			out[i] = math.NaN()
		}
	}
	return out, nil
}

// BurnChart returns the burn rates over the windows of an objective's first tier at up to points moments of [from, to].
func (h *History) BurnChart(ctx context.Context, ref tracker.Ref, from, to time.Time, points int) (BurnChart, error) {
	v, err := h.view(ref)
	if err != nil {
		return BurnChart{}, err
	}
	at := moments(from, to, points, v.Now)
	c := BurnChart{From: from, Step: stepOf(at)}
	windows := []time.Duration{time.Hour, 5 * time.Minute}
	if tiers := v.Of.Objective.Policy.Tiers; len(tiers) > 0 {
		windows = []time.Duration{tiers[0].Long, tiers[0].Short}
	}
	if len(at) == 0 {
		return c, nil
	}
	c.From = moment(at[0])
	for _, w := range windows {
		values, err := h.burn(ctx, v, w, at)
		if err != nil {
			return c, err
		}
		c.Lines = append(c.Lines, BurnLine{Window: w, Values: values})
	}
	return c, nil
}

// BurnAt returns an objective's burn rates over a window that ends at moments, which are ends of slots in order; NaN where
// unknown.
func (h *History) BurnAt(ctx context.Context, ref tracker.Ref, window time.Duration, at []int64) ([]float64, error) {
	v, err := h.view(ref)
	if err != nil || len(at) == 0 {
		return nil, err
	}
	return h.burn(ctx, v, window, at)
}

func (h *History) burn(ctx context.Context, v tracker.View, window time.Duration, at []int64) ([]float64, error) {
	sums, err := h.sums(ctx, v, budget.Start(at[0], window), at, tierOf(window))
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(at))
	for i, t := range at {
		bad, total := sums.between(budget.Start(t, window), t)
		out[i] = budget.BurnCovered(bad, total, v.Of.Objective.Target, seconds(max(t-v.Of.From, 0)), window)
		if t > v.Now || t <= v.Of.From {
			out[i] = math.NaN()
		}
	}
	return out, nil
}

// tierOf is the coarsest tier that knows the trailing edge of a window.
func tierOf(window time.Duration) counts.Tier {
	switch grain := budget.Grain(window); {
	case grain >= time.Hour:
		return counts.Tier1h
	case grain >= 5*time.Minute:
		return counts.Tier5m
	}
	return counts.Tier10s
}

// running is sums of events from a beginning on.
type running struct {
	starts     []int64
	bad, total []int64 // before starts[i]
}

// between is the events of slots that start in [from, to).
func (r *running) between(from, to int64) (bad, total uint64) {
	i := sort.Search(len(r.starts), func(i int) bool { return r.starts[i] >= from })
	j := sort.Search(len(r.starts), func(i int) bool { return r.starts[i] >= to })
	return uint64(max(r.bad[j]-r.bad[i], 0)), uint64(max(r.total[j]-r.total[i], 0))
}

// sums reads the events from `from` to the last of the moments: before the first moment in a coarse tier, from there on as
// finely as the moments need.
func (h *History) sums(ctx context.Context, v tracker.View, from int64, at []int64, coarse counts.Tier) (*running, error) {
	fine := counts.Tier5m
	for _, t := range at {
		if t%int64(counts.Tier5m) != 0 {
			fine = counts.Tier10s
		}
	}
	fine = min(fine, coarse)
	const hour = int64(counts.Tier1h)
	split := max(at[0]/hour*hour, from)
	slots, err := h.slots(ctx, v, from, split, coarse)
	if err != nil {
		return nil, err
	}
	newer, err := h.slots(ctx, v, split, at[len(at)-1], fine)
	if err != nil {
		return nil, err
	}
	r := &running{bad: []int64{0}, total: []int64{0}}
	var bad, total int64
	for _, s := range append(slots, newer...) {
		bad, total = bad+s.Bad, total+s.Total
		r.starts, r.bad, r.total = append(r.starts, s.Start), append(r.bad, bad), append(r.total, total)
	}
	return r, nil
}

// slots reads what an objective counted in [from, to), in order of time. Objectives that count slices of time need slots of
// 10 s whatever the tier.
func (h *History) slots(ctx context.Context, v tracker.View, from, to int64, tier counts.Tier) ([]ring.Slot, error) {
	if from >= to {
		return nil, nil
	}
	needs, ok := h.tracker().Needs(tracker.Ref{SLO: v.SLO, Objective: v.Objective})
	if !ok {
		return nil, &NotFoundError{v.Ref}
	}
	if needs.Fine {
		tier = counts.Tier10s
	}
	sources := make([][]ring.Slot, len(needs.Indicators))
	for i, indicator := range needs.Indicators {
		var err error
		if sources[i], err = h.counts.Slots(ctx, tier, indicator, v.Group, from, to, 0); err != nil {
			return nil, fmt.Errorf("read counts: %w", err)
		}
	}
	if needs.Fine || tier == counts.Tier10s {
		members := h.members(v.Of.Objective)
		excludes := func(source int, start int64) bool {
			return tracker.Excludes(v.Of.Excluded, start) || members != nil && tracker.Excludes(members[source].Excluded, start)
		}
		return tracker.Slices(v.Of.Objective, from, to, sources, targets(members), excludes), nil
	}
	slots := sources[0]
	for _, x := range v.Of.Excluded {
		taken, err := h.Excluded(ctx, needs.Indicators[0], v.Group, tracker.Interval{From: max(x.From, from), To: min(x.To, to)}, v.Now)
		if err != nil {
			return nil, err
		}
		for _, s := range taken {
			slots = append(slots, ring.Slot{Start: s.Start / int64(tier) * int64(tier), Bad: -s.Bad, Total: -s.Total})
		}
	}
	slices.SortFunc(slots, func(a, b ring.Slot) int { return cmp.Compare(a.Start, b.Start) })
	return slots, nil
}

// FineReach is for how long slots of 10 s are kept, and a day less: older ones are known by 5 minutes.
const FineReach = 34 * budget.Day

// Excluded reads what a correction takes off the counts of an indicator and group.
func (h *History) Excluded(ctx context.Context, indicator uint64, group string, x tracker.Interval, now int64) ([]ring.Slot, error) {
	const coarse = int64(counts.Tier5m)
	fine := max((now-int64(FineReach/time.Second))/coarse*coarse, x.From)
	var out []ring.Slot
	for _, part := range []struct {
		tier     counts.Tier
		from, to int64
	}{{counts.Tier5m, x.From, min(fine, x.To)}, {counts.Tier10s, fine, x.To}} {
		if part.from >= part.to {
			continue
		}
		slots, err := h.counts.Slots(ctx, part.tier, indicator, group, part.from, part.to, 0)
		if err != nil {
			return nil, fmt.Errorf("read counts: %w", err)
		}
		out = append(out, slots...)
	}
	return out, nil
}

// members are the definitions of a composite's members; nil for anything else.
func (h *History) members(o *spec.Objective) []tracker.Definition {
	c := o.Indicator.Composite
	if c == nil {
		return nil
	}
	out := make([]tracker.Definition, len(c.Members))
	for i, m := range c.Members {
		if v, err := h.view(tracker.Ref{SLO: m.SLO, Objective: m.Objective}); err == nil {
			out[i] = v.Of
		}
	}
	return out
}

func targets(members []tracker.Definition) []budget.Target {
	out := make([]budget.Target, len(members))
	for i, m := range members {
		if m.Objective != nil {
			out[i] = m.Objective.Target
		}
	}
	return out
}
