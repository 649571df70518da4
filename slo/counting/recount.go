package counting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/query/indicator"
	"loadline/slo/store"
	"loadline/slo/store/counts"
)

var backfillEvents = metrics.NewCounter(`loadline_slo_backfill_events_total`)

// How the past is counted: in stretches that take about chunkTime, the newest first.
const (
	firstChunk = 10 * time.Minute
	maxChunk   = 7 * 24 * time.Hour
	chunkTime  = time.Second
)

// coarse is the tier of counts that are older than those of slots, in seconds.
const coarse = int64(counts.Tier5m)

// otherNodes is how long the other nodes of the write path may take to hear of an indicator. Spans that they read before are
// counted by nobody else.
const otherNodes = 15 * time.Second

// Recount counts in SQL what the write path does not: the time before an indicator's first slot, and spans of then that came
// late. To stop it in the middle does no harm: what is there is compared with what there should be.
func (c *Counter) Recount(ctx context.Context, now time.Time) error {
	if err := c.recountLate(ctx, now); err != nil {
		return err
	}
	var failed error
	skip := map[uint64]bool{} // what has failed is tried again by the next call
	chunks := map[uint64]time.Duration{}
	for ctx.Err() == nil {
		kept, err := indicator.FindKept(ctx, c.cfg.DB)
		if err != nil {
			return errors.Join(failed, fmt.Errorf("find the oldest span: %w", err))
		}
		progress := false
		for _, i := range c.unfinished(now) {
			if skip[i.ID] {
				continue
			}
			if err := c.backfill(ctx, i, kept, chunks); err != nil {
				skip[i.ID] = true
				i.backfill.Error = err.Error()
				failed = errors.Join(failed, fmt.Errorf("count the past of indicator %d: %w", i.ID, err), c.keep(ctx, i.backfill))
			}
			progress = true
		}
		if !progress {
			break
		}
		if err := c.recountLate(ctx, now); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// unfinished are the indicators whose past can be counted: what the write path counts without them is in ClickHouse.
func (c *Counter) unfinished(now time.Time) []counted {
	return c.list(func(i *counted) bool {
		ready := c.cfg.SoleWriter || now.Sub(i.installed) > otherNodes
		return ready && !i.backfill.Finished && (i.definition.Spans != nil || c.cfg.Query != nil)
	})
}

// backfill counts one more stretch of an indicator's past.
func (c *Counter) backfill(ctx context.Context, i counted, kept indicator.Kept, chunks map[uint64]time.Duration) error {
	began := time.Now()
	length := cmp.Or(chunks[i.ID], firstChunk)
	b := i.backfill
	wanted := b.Wanted
	if i.definition.Spans != nil {
		wanted = b.Done
		if first := kept.Of(*i.definition.Spans); !first.IsZero() {
			wanted = max(b.Wanted, first.Unix())
		}
	}
	// The oldest counts are kept by 5 minutes only.
	wanted = wanted / coarse * coarse
	from := max((b.Done-int64(length/time.Second))/coarse*coarse, wanted)
	silent := false
	if from < b.Done {
		slots, err := c.countPast(ctx, i, kept, from, b.Done)
		if err != nil {
			if length > firstChunk && ctx.Err() == nil {
				chunks[i.ID] = firstChunk
				return nil // perhaps it was too much at once
			}
			return err
		}
		for _, s := range slots {
			if s.Group == "" {
				b.Events += uint64(max(s.Total, 0))
				backfillEvents.Add(int(max(s.Total, 0)))
			}
		}
		silent = len(slots) == 0
	}
	if i.definition.Spans == nil && silent && length == maxChunk {
		wanted, from = b.Done, b.Done // a week without a sample: there was nothing to measure before
	}
	b.Done, b.Error = min(b.Done, from), ""
	b.Finished = b.Done <= wanted
	if took := time.Since(began); took < chunkTime/2 {
		chunks[i.ID] = min(2*length, maxChunk)
	} else if took > 2*chunkTime {
		chunks[i.ID] = max(length/2, firstChunk)
	}
	return c.keep(ctx, b)
}

// countPast makes the stored counts of [from, to) those that spans or samples give.
func (c *Counter) countPast(ctx context.Context, i counted, kept indicator.Kept, from, to int64) ([]indicator.Slot, error) {
	slots, err := c.read(ctx, i, kept, from, to)
	if err != nil {
		return nil, err
	}
	recount := counts.Recount{Indicator: i.ID, From: from, To: to, Counts: make([]counts.Count, len(slots))}
	for n, s := range slots {
		recount.Counts[n] = counts.Count{Group: s.Group, Slot: s.Start, Bad: s.Bad, Total: s.Total}
	}
	if _, err := c.cfg.Counts.Replace(ctx, time.Now(), []counts.Recount{recount}); err != nil {
		return nil, fmt.Errorf("store counts: %w", err)
	}
	return slots, nil
}

func (c *Counter) read(ctx context.Context, i counted, kept indicator.Kept, from, to int64) ([]indicator.Slot, error) {
	if i.definition.Spans == nil {
		return c.readSamples(ctx, i, from, to)
	}
	return c.readSpans(ctx, i, kept, from, to)
}

// readSpans counts spans, and before the first that is kept what the rollups know exactly.
func (c *Counter) readSpans(ctx context.Context, i counted, kept indicator.Kept, from, to int64) ([]indicator.Slot, error) {
	var known []string
	if i.definition.Spans.GroupBy != "" {
		groups, err := c.groups(ctx, []uint64{i.ID}, i.Since)
		if err != nil {
			return nil, err
		}
		known = groups[i.ID]
	}
	return indicator.CountKept(ctx, c.cfg.DB, *i.definition.Spans, kept, time.Unix(from, 0), time.Unix(to, 0), known...)
}

// readSamples evaluates a PromQL indicator for the minutes of [from, to).
func (c *Counter) readSamples(ctx context.Context, i counted, from, to int64) ([]indicator.Slot, error) {
	const minute = int64(ComputeEvery / time.Second)
	bad, total, err := c.values(ctx, i.definition, time.Unix(from+minute, 0), time.Unix(to, 0))
	if err != nil {
		return nil, err
	}
	var slots []indicator.Slot
	for n := range total {
		if d := whole(i.ID, from+int64(n)*minute, bad[n], total[n]); d.Total > 0 {
			slots = append(slots, indicator.Slot{Start: d.Slot, Bad: d.Bad, Total: d.Total})
		}
	}
	return slots, nil
}

// keep stores how far a backfill is, and says so to the objectives.
func (c *Counter) keep(ctx context.Context, b store.Backfill) error {
	if err := c.cfg.Store.SaveBackfill(ctx, time.Now(), b); err != nil {
		return fmt.Errorf("store the progress of a backfill: %w", err)
	}
	c.mu.Lock()
	if i := c.active[b.Indicator]; i != nil {
		b.Finished = b.Finished && b.Wanted <= i.backfill.Wanted
		b.Wanted = min(b.Wanted, i.backfill.Wanted)
		i.backfill = b
	}
	c.mu.Unlock()
	c.cfg.From(b.Indicator, b.Done)
	c.cfg.Counted()
	return nil
}

// lateReach is how old spans that come late may be and still be counted in SQL: counts of slots are kept for a little longer.
const lateReach = 33 * 24 * time.Hour

// recountLate counts the slots again for which spans came that the write path did not count.
func (c *Counter) recountLate(ctx context.Context, now time.Time) error {
	late, err := c.cfg.Counts.Late(ctx, now.Add(-lateReach))
	if err != nil || len(late) == 0 {
		return err
	}
	kept, err := indicator.FindKept(ctx, c.cfg.DB)
	if err != nil {
		return fmt.Errorf("find the oldest span: %w", err)
	}
	settled := late[:0:0]
	for len(late) > 0 {
		n := stretch(late)
		for _, i := range c.list(func(i *counted) bool { return i.ID == late[0].Indicator }) { // none if nobody counts it any more
			if err := c.recountSlots(ctx, now, i, kept, late[:n]); err != nil {
				return errors.Join(fmt.Errorf("count late spans of indicator %d: %w", i.ID, err), c.cfg.Counts.Settle(ctx, now, settled))
			}
		}
		settled = append(settled, late[:n]...)
		late = late[n:]
	}
	return c.cfg.Counts.Settle(ctx, now, settled)
}

// recountSlots counts some slots of an indicator again. It leaves those alone that would have less than they had: their spans
// are past retention.
func (c *Counter) recountSlots(ctx context.Context, now time.Time, i counted, kept indicator.Kept, late []counts.Late) error {
	from, to := late[0].Slot, min(late[len(late)-1].Slot+slot, i.Since)
	if from < i.backfill.Done && i.backfill.Finished {
		// There is more past than there was.
		i.backfill.Finished = false
		if err := c.keep(ctx, i.backfill); err != nil {
			return err
		}
	}
	if from = max(from, i.backfill.Done); from >= to {
		return nil
	}
	slots, err := c.read(ctx, i, kept, from, to)
	if err != nil {
		return err
	}
	stored, err := c.cfg.Counts.Slots(ctx, counts.Tier10s, i.ID, "", from, to, 0)
	if err != nil {
		return fmt.Errorf("read counts: %w", err)
	}
	had := map[int64]int64{}
	for _, s := range stored {
		had[s.Start] = s.Total
	}
	bySlot := map[int64][]counts.Count{}
	for _, s := range slots {
		bySlot[s.Start] = append(bySlot[s.Start], counts.Count{Group: s.Group, Slot: s.Start, Bad: s.Bad, Total: s.Total})
		if s.Group == "" {
			had[s.Start] -= s.Total
		}
	}
	var recounts []counts.Recount
	for _, l := range late {
		if l.Slot >= from && l.Slot < to && had[l.Slot] <= 0 {
			recounts = append(recounts, counts.Recount{Indicator: i.ID, From: l.Slot, To: l.Slot + slot, Counts: bySlot[l.Slot]})
		}
	}
	if _, err := c.cfg.Counts.Replace(ctx, now, recounts); err != nil {
		return fmt.Errorf("store counts: %w", err)
	}
	return nil
}

// stretch is how many of the first marks are of one indicator and near one another: they are counted together.
func stretch(late []counts.Late) int {
	const near, longest = int64(10 * time.Minute / time.Second), int64(6 * time.Hour / time.Second)
	for i := 1; i < len(late); i++ {
		if late[i].Indicator != late[0].Indicator || late[i].Slot-late[i-1].Slot > near || late[i].Slot-late[0].Slot > longest {
			return i
		}
	}
	return len(late)
}
