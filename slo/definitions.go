package slo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"loadline/slo/tracker"
)

// Load reads the definitions and gives the write path what it counts. It must have returned before the write path runs, which
// counts what an earlier process has left.
func (e *Engine) Load(ctx context.Context, now time.Time) error {
	if err := e.cfg.Registry.Load(ctx, now); err != nil {
		return fmt.Errorf("load objectives: %w", err)
	}
	return e.activate(ctx, now)
}

func (e *Engine) activate(ctx context.Context, now time.Time) error {
	slos, _ := e.cfg.Registry.Current()
	return e.counter.Activate(ctx, now, slos)
}

// reconcile takes in definitions and corrections that have changed.
func (e *Engine) reconcile(ctx context.Context, now time.Time) error {
	if err := e.activate(ctx, now); err != nil {
		return err
	}
	if err := e.readCorrections(ctx); err != nil {
		return err
	}
	e.wake(e.past)
	t := e.now()
	refs := t.Define(e.definitions())
	e.counter.Each(t.SetFrom) // what was counted meanwhile
	if err := e.load(ctx, refs); err != nil {
		return err
	}
	return e.tick(ctx, now)
}

// definitions are the objectives in force with what they are counted by.
func (e *Engine) definitions() []tracker.Definition {
	slos, _ := e.cfg.Registry.Current()
	e.mu.RLock()
	all := e.corrections
	e.mu.RUnlock()
	return e.counter.Definitions(slos, func(name string) []tracker.Interval {
		var out []tracker.Interval
		for _, c := range all {
			if c.SLO == name && !c.Withdrawn {
				out = append(out, tracker.Interval{From: c.From.Unix(), To: c.To.Unix()})
			}
		}
		slices.SortFunc(out, func(a, b tracker.Interval) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
		return merged(out)
	})
}

// merged joins intervals that overlap, so that nothing is taken off twice. They are in order.
func merged(all []tracker.Interval) []tracker.Interval {
	var out []tracker.Interval
	for _, x := range all {
		if n := len(out); n > 0 && x.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, x.To)
		} else {
			out = append(out, x)
		}
	}
	return out
}
