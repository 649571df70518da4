package slo

import (
	"context"
	"fmt"
	"time"
)

// Trends are for the list of objectives, so they are kept: each minute those of some objectives are made anew.
const (
	trendEvery  = time.Minute
	trendAge    = 15 * time.Minute
	trendsAtOne = 60
	trendPoints = 30
)

// trend is how much of a budget was left at trendPoints moments of the objective's window.
type trend struct {
	made time.Time
	left []float64
}

// refreshTrends makes the trends of objectives that have none or an old one.
func (e *Engine) refreshTrends(ctx context.Context, now time.Time) error {
	made := 0
	for _, v := range e.now().Views() {
		e.mu.RLock()
		old, ok := e.trends[v.Ref]
		e.mu.RUnlock()
		if v.Loading || ok && now.Sub(old.made) < trendAge {
			continue
		}
		if made++; made > trendsAtOne {
			return nil
		}
		left, err := e.Trend(ctx, v, trendPoints)
		if err != nil {
			return fmt.Errorf("trend of %q: %w", v.SLO, err)
		}
		at := now
		if past, ok := e.counter.Past(v.Of.Indicator); ok && !past.Finished {
			at = now.Add(-trendAge) // there is more past in a minute
		}
		e.mu.Lock()
		e.trends[v.Ref] = trend{at, left}
		e.mu.Unlock()
	}
	return nil
}
