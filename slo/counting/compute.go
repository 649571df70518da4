package counting

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"loadline/query/promql/expression"
	"loadline/slo/spec"
	"loadline/slo/store/counts"
)

// Indicators that are PromQL expressions are computed once a minute. What was missed is made up for as far back as
// computeReach.
const (
	ComputeEvery = time.Minute
	computeReach = 6 * time.Hour
	// Minutes without samples are asked for again as long as these, and those of an expression that fails are waited for.
	computeAgain, computePatience = 5, 5
)

// Compute evaluates the PromQL indicators for the minutes that have ended before now and are not yet counted. Of several nodes that do so
// one is heard.
func (c *Counter) Compute(ctx context.Context, now time.Time) error {
	list := c.list(func(i *counted) bool { return i.definition.Spans == nil })
	if len(list) == 0 || c.cfg.Query == nil {
		return nil
	}
	clock, err := c.cfg.Counts.Clock(ctx)
	if err != nil {
		return fmt.Errorf("read clock of counts: %w", err)
	}
	const minute = int64(ComputeEvery / time.Second)
	last := now.Unix() / minute
	first := max(int64(clock[counts.Computed])+1, c.asked-computeAgain, last-int64(computeReach/ComputeEvery)+1)
	if first > last {
		return nil
	}
	var failed error
	minutes := make([][]counts.Delta, last-first+1)
	for _, l := range list {
		from, to := time.Unix(first*minute, 0), time.Unix(last*minute, 0)
		bad, total, err := c.values(ctx, l.definition, from, to)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("compute indicator %d: %w", l.ID, err))
			if ctx.Err() != nil || last-first < computePatience {
				return failed // once a minute is counted for others, it is lost for this one
			}
		}
		for i := range minutes {
			start := (first + int64(i) - 1) * minute
			if start < l.Since || i >= len(total) || total[i] <= 0 {
				continue
			}
			minutes[i] = append(minutes[i], whole(l.ID, start, bad[i], total[i]))
		}
	}
	for i, deltas := range minutes {
		if len(deltas) == 0 {
			continue
		}
		if err := c.cfg.Counts.Insert(ctx, now, uint64(first+int64(i)), deltas); err != nil {
			return fmt.Errorf("store computed counts: %w", err)
		}
	}
	c.asked = last
	c.cfg.Counted()
	return failed
}

// Values evaluates a PromQL indicator for the minutes that end at from to to: events and bad ones.
func (c *Counter) Values(ctx context.Context, i spec.Indicator, from, to time.Time) (bad, total []float64, err error) {
	return c.values(ctx, indicatorDefinition{Ratio: i.Ratio, Threshold: i.Threshold}, from, to)
}

// whole rounds counts to whole events without bias: by a number that depends on the slot only, so that every node rounds
// alike.
func whole(id uint64, start int64, bad, total float64) counts.Delta {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, id, start)
	u := float64(h.Sum64()>>11) / (1 << 53)
	d := counts.Delta{Indicator: id, Slot: start, Total: int64(math.Floor(total + u))}
	d.Bad = min(int64(math.Floor(min(max(bad, 0), total)+u)), d.Total)
	return d
}

// values evaluates a definition for the minutes that end at from to to.
func (c *Counter) values(ctx context.Context, d indicatorDefinition, from, to time.Time) (bad, total []float64, err error) {
	if d.Threshold != nil {
		return c.thresholds(ctx, d.Threshold, from, to)
	}
	if total, err = c.sum(ctx, d.Ratio.Total, from, to); err != nil {
		return nil, nil, err
	}
	if d.Ratio.Bad != "" {
		bad, err = c.sum(ctx, d.Ratio.Bad, from, to)
		return bad, total, err
	}
	good, err := c.sum(ctx, d.Ratio.Good, from, to)
	bad = make([]float64, len(total))
	for i := range good {
		bad[i] = total[i] - good[i]
	}
	return bad, total, err
}

// sum adds the series of an expression up.
func (c *Counter) sum(ctx context.Context, expr string, from, to time.Time) ([]float64, error) {
	out := make([]float64, int(to.Sub(from)/ComputeEvery)+1)
	series, err := c.cfg.Query(ctx, expression.At(expr, ComputeEvery), from, to, ComputeEvery)
	for _, s := range series {
		for i, v := range s {
			if i < len(out) && !math.IsNaN(v) && !math.IsInf(v, 0) {
				out[i] += v
			}
		}
	}
	return out, err
}

// thresholds counts the series that have a value, and those for which the comparison does not hold.
func (c *Counter) thresholds(ctx context.Context, t *spec.Threshold, from, to time.Time) (bad, total []float64, err error) {
	n := int(to.Sub(from)/ComputeEvery) + 1
	bad, total = make([]float64, n), make([]float64, n)
	series, err := c.cfg.Query(ctx, t.Query, from, to, ComputeEvery)
	for _, s := range series {
		for i, v := range s {
			if i >= n || math.IsNaN(v) {
				continue
			}
			total[i]++
			if !holds(v, t.Op, t.Value) {
				bad[i]++
			}
		}
	}
	return bad, total, err
}

func holds(v float64, op string, limit float64) bool {
	switch op {
	case "<":
		return v < limit
	case "<=":
		return v <= limit
	case ">":
		return v > limit
	}
	return v >= limit
}
