package history

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"loadline/internal/sli"
	"loadline/query/indicator"
	"loadline/slo/backtest"
	"loadline/slo/budget"
	"loadline/slo/budget/forecast"
	"loadline/slo/counting"
	"loadline/slo/ring"
	"loadline/slo/spec"
	"loadline/slo/store/counts"
	"loadline/slo/tracker"
)

// Preview is what an objective would have done.
type Preview struct {
	backtest.Result
	Quality indicator.Quality
	Took    time.Duration
}

// Preview tries an objective of a definition on [from, to), whether it is in force or not. With grid it tries other targets and
// policies too, which takes several times as long.
func (h *History) Preview(ctx context.Context, s spec.SLO, objective int, from, to time.Time, grid bool) (Preview, error) {
	began := time.Now()
	o := &s.Objectives[objective]
	from, to = from.Truncate(sli.Slot), to.Truncate(sli.Slot)
	first, _ := o.Window.Period(from.Unix())
	slots, quality, err := h.tried(ctx, o, moment(min(first, budget.Start(from.Unix(), longestWindow(o.Policy)))), to)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Quality: quality}
	p.Result = backtest.Run(
		backtest.Objective{Target: o.Target, Window: o.Window, Method: o.Method, Slices: o.Slices, Policy: o.Policy},
		backtest.History{
			Slots: slots, Sliced: o.Indicator.Composite != nil, Grid: grid,
			Since: quality.From.Unix() / slot * slot, From: from.Unix(), To: to.Unix(),
		},
	)
	// What counts slices by their ratios counts in fractions of one.
	unit := budget.PerEvent(o.Method)
	p.Bad, p.Total = p.Bad/unit, p.Total/unit
	for i := range p.Incidents {
		p.Incidents[i].Bad, p.Incidents[i].Total = p.Incidents[i].Bad/unit, p.Incidents[i].Total/unit
	}
	p.Took = time.Since(began)
	return p, nil
}

func longestWindow(p budget.Policy) time.Duration {
	var out time.Duration
	for _, t := range p.Tiers {
		out = max(out, t.Long)
	}
	return out
}

// triesKept is how many tries are kept: typing changes the objective, and seldom what is counted and when.
const triesKept = 8

// try is what an indicator would have counted.
type try struct {
	key     string
	slots   []ring.Slot
	quality indicator.Quality
}

// tried are the slots that an objective would have counted.
func (h *History) tried(ctx context.Context, o *spec.Objective, from, to time.Time) ([]ring.Slot, indicator.Quality, error) {
	encoded, err := json.Marshal(o.Indicator)
	if err != nil {
		return nil, indicator.Quality{}, err
	}
	key := fmt.Sprint(string(encoded), o.Slices, from.Unix(), to.Unix())
	h.mu.Lock()
	for _, t := range h.tries {
		if t.key == key {
			h.mu.Unlock()
			return t.slots, t.quality, nil
		}
	}
	h.mu.Unlock()
	slots, quality, err := h.try(ctx, o, from, to)
	if err != nil {
		return nil, quality, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries = append([]try{{key, slots, quality}}, h.tries[:min(len(h.tries), triesKept-1)]...)
	return slots, quality, nil
}

// try reads them: they are stored, or spans and samples say them.
func (h *History) try(ctx context.Context, o *spec.Objective, from, to time.Time) ([]ring.Slot, indicator.Quality, error) {
	if o.Indicator.Composite != nil {
		return h.triedComposite(ctx, o, from, to)
	}
	if id, begin, ok := h.counter.Whole(o.Indicator); ok {
		slots, err := h.counts.Slots(ctx, counts.Tier10s, id, "", from.Unix(), to.Unix(), 0)
		quality := indicator.Quality{Source: FromCounts, From: moment(max(begin, from.Unix())), Resolution: sli.Slot}
		return slots, quality, err
	}
	if o.Indicator.Spans != nil {
		return h.triedSpans(ctx, *o.Indicator.Spans, from, to)
	}
	return h.triedSamples(ctx, o.Indicator, from, to)
}

// The sources of previews beside those of package indicator.
const (
	FromCounts  indicator.Source = "counts"
	FromSamples indicator.Source = "samples"
)

func (h *History) triedSpans(ctx context.Context, i sli.Indicator, from, to time.Time) ([]ring.Slot, indicator.Quality, error) {
	rows, quality, err := indicator.Preview(ctx, h.db, i, from, to)
	slots := make([]ring.Slot, len(rows))
	for n, r := range rows {
		slots[n] = ring.Slot{Start: r.Start, Bad: r.Bad, Total: r.Total}
	}
	return slots, quality, err
}

func (h *History) triedSamples(ctx context.Context, i spec.Indicator, from, to time.Time) ([]ring.Slot, indicator.Quality, error) {
	const minute = int64(counting.ComputeEvery / time.Second)
	begin := from.Unix() / minute * minute
	bad, total, err := h.counter.Values(ctx, i, moment(begin+minute), moment(to.Unix()/minute*minute))
	var slots []ring.Slot
	for n := range total {
		if events := int64(math.Round(total[n])); events > 0 {
			slots = append(slots, ring.Slot{Start: begin + int64(n)*minute, Bad: min(int64(math.Round(max(bad[n], 0))), events), Total: events})
		}
	}
	quality := indicator.Quality{Source: FromSamples, From: to, Resolution: counting.ComputeEvery}
	if len(slots) > 0 {
		quality.From = moment(slots[0].Start)
	}
	return slots, quality, err
}

// triedComposite makes a composite's slices of the stored counts of its members.
func (h *History) triedComposite(ctx context.Context, o *spec.Objective, from, to time.Time) ([]ring.Slot, indicator.Quality, error) {
	quality := indicator.Quality{Source: FromCounts, From: from, Resolution: sli.Slot}
	members := h.members(o)
	var sources [][]ring.Slot
	for i, m := range o.Indicator.Composite.Members {
		if members[i].Objective == nil {
			return nil, quality, &NotFoundError{tracker.Ref{SLO: m.SLO, Objective: m.Objective}}
		}
		slots, err := h.counts.Slots(ctx, counts.Tier10s, members[i].Indicator, "", from.Unix(), to.Unix(), 0)
		if err != nil {
			return nil, quality, fmt.Errorf("read counts of %q: %w", m.SLO, err)
		}
		sources = append(sources, slots)
		quality.From = moment(max(quality.From.Unix(), members[i].From))
	}
	excludes := func(source int, start int64) bool { return tracker.Excludes(members[source].Excluded, start) }
	return tracker.Slices(o, from.Unix()/slot*slot, to.Unix()/slot*slot, sources, targets(members), excludes), quality, nil
}

// forecastFrom is how much of the past beyond the period a forecast is made from.
const forecastFrom = 28 * budget.Day

// Forecast says how the budget of an objective is likely to go on.
func (h *History) Forecast(ctx context.Context, ref tracker.Ref) (forecast.Forecast, error) {
	v, err := h.view(ref)
	if err != nil {
		return forecast.Forecast{}, err
	}
	const hour = int64(counts.Tier1h)
	from := (v.From - int64(forecastFrom/time.Second)) / hour * hour
	slots, err := h.slots(ctx, v, from, v.Now, counts.Tier1h)
	if err != nil {
		return forecast.Forecast{}, err
	}
	var hours []forecast.Spend
	for _, s := range slots {
		start := s.Start / hour * hour
		if len(hours) == 0 || hours[len(hours)-1].Start != start {
			hours = append(hours, forecast.Spend{Start: start})
		}
		last := &hours[len(hours)-1]
		last.Bad += uint64(max(s.Bad, 0))
		last.Total += uint64(max(s.Total, 0))
	}
	return forecast.Predict(hours, v.Now, v.Of.Objective.Target, v.Of.Objective.Window), nil
}
