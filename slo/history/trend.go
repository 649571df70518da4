package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"loadline/slo/store/counts"
	"loadline/slo/tracker"
)

// Trends are for the list of objectives, so they are kept: with each call those of some objectives are made anew.
const (
	trendAge    = 15 * time.Minute
	trendsAtOne = 60
	trendPoints = 30
)

// trend is how much of a budget was left at trendPoints moments of the objective's window.
type trend struct {
	made time.Time
	left []float64
}

// Trend returns how much of an objective's budget was left at some moments of its window, as RefreshTrends has found out; nil
// where it has not. The caller changes nothing.
func (h *History) Trend(ref tracker.Ref) []float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trends[ref].left
}

// RefreshTrends makes the trends of objectives that have none or an old one, for some of them.
func (h *History) RefreshTrends(ctx context.Context, now time.Time) error {
	for _, v := range h.dueTrends(now) {
		left, err := h.left(ctx, v, trendMoments(v), projected)
		if err != nil {
			return fmt.Errorf("trend of %q: %w", v.SLO, err)
		}
		made := now
		if past, ok := h.counter.Past(v.Of.Indicator); ok && !past.Finished {
			made = now.Add(-trendAge) // there is more past in a minute
		}
		h.mu.Lock()
		h.trends[v.Ref] = trend{made, left}
		h.mu.Unlock()
	}
	return nil
}

// trendMoments divide the window of an objective evenly.
func trendMoments(v tracker.View) []int64 {
	step := int64(v.Of.Objective.Window.Nominal()/time.Second) / (trendPoints - 1)
	unit := int64(counts.Tier5m)
	if step < unit {
		unit = slot
	}
	step = step / unit * unit
	at := make([]int64, trendPoints)
	for i := range at {
		at[i] = v.Now/unit*unit - int64(trendPoints-1-i)*step
	}
	return at
}

// dueTrends are the objectives whose trends are the oldest. It forgets those of objectives that are no more.
func (h *History) dueTrends(now time.Time) []tracker.View {
	views := h.tracker().Views()
	var due []tracker.View
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := map[tracker.Ref]trend{}
	for _, v := range views {
		old, ok := h.trends[v.Ref]
		if ok {
			kept[v.Ref] = old
		}
		if !v.Loading && now.Sub(old.made) >= trendAge {
			due = append(due, v)
		}
	}
	h.trends = kept
	slices.SortStableFunc(due, func(a, b tracker.View) int { return kept[a.Ref].made.Compare(kept[b.Ref].made) })
	return due[:min(len(due), trendsAtOne)]
}
