package history

import (
	"context"
	"time"

	"loadline/slo/budget"
	"loadline/slo/tracker"
)

// Check compares what a tracker has of an objective with what is stored, window by window, and reports whether all of it is
// equal. Nothing may be counted meanwhile.
func (h *History) Check(ctx context.Context, v tracker.View) (bool, error) {
	compare := func(from int64, window time.Duration, bad, total uint64) (bool, error) {
		sums, err := h.sums(ctx, v, from, []int64{v.Now}, tierOf(window))
		if err != nil {
			return false, err
		}
		storedBad, storedTotal := sums.between(from, v.Now)
		return storedBad == bad && storedTotal == total, nil
	}
	for _, r := range v.Rules {
		for _, w := range []struct {
			length     time.Duration
			bad, total uint64
		}{{r.Tier.Long, r.BadLong, r.TotalLong}, {r.Tier.Short, r.BadShort, r.TotalShort}} {
			if same, err := compare(budget.Start(v.Now, w.length), w.length, w.bad, w.total); err != nil || !same {
				return false, err
			}
		}
	}
	return compare(v.From, v.Of.Objective.Window.Nominal(), v.Bad, v.Total)
}
