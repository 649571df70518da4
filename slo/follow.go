package slo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"loadline/internal/sli"
	"loadline/slo/history"
	"loadline/slo/rule"
	"loadline/slo/store"
	"loadline/slo/store/counts"
)

// slot is the length of a slot in seconds.
const slot = int64(sli.Slot / time.Second)

// tick takes in what was counted and evaluates the slots that are complete.
func (e *Engine) tick(ctx context.Context, now time.Time) error {
	if err := e.follow(ctx, now); err != nil {
		return err
	}
	e.mu.Lock()
	e.waits = e.delay.Measure(now)
	e.mu.Unlock()
	return e.evaluate(ctx, now)
}

// follow brings the counts of the journal into the tracker. To the delay count those of the write path only.
func (e *Engine) follow(ctx context.Context, now time.Time) error {
	deltas, err := e.counts.Follow(ctx, e.clock)
	if err != nil {
		return fmt.Errorf("follow counts: %w", err)
	}
	t := e.now()
	for _, d := range deltas {
		t.Put(d.Indicator, d.Group, d.Slot, d.Bad, d.Total)
		e.clock[d.Node] = max(e.clock[d.Node], d.Batch)
		if d.Node != counts.Computed && d.Node != counts.Recounted {
			e.delay.Observe(now, d.Slot+slot, d.Total)
		}
	}
	return nil
}

// quietAfter is how many slots are missed when nobody could have been told what happened meanwhile: then only the outcome is
// told.
const quietAfter = 12

// evaluate judges every slot that is complete.
func (e *Engine) evaluate(ctx context.Context, now time.Time) error {
	began := time.Now()
	t := e.now()
	wait := e.Delay()
	if behind := e.cfg.Behind(); behind > wait {
		wait += behind // what waits is not missing
	}
	from, to := t.Now(), now.Add(-wait).Unix()/slot*slot
	if to <= from {
		return e.record(ctx, nil)
	}
	var events []Event
	for _, c := range t.Advance(to, to-from > quietAfter*slot) {
		events = append(events, history.EventOf(c, now))
	}
	evaluateSeconds.UpdateDuration(began)
	err := e.record(ctx, events)
	e.tell()
	return err
}

// maxUnsaved bounds the events that wait for a database that is away.
const maxUnsaved = 100_000

// record stores events, then the states after them: states that are newer than the events would hide these at a restart.
func (e *Engine) record(ctx context.Context, events []Event) error {
	e.unsaved = append(e.unsaved, events...)
	if len(e.unsaved) > maxUnsaved {
		e.unsaved = slices.Delete(e.unsaved, 0, len(e.unsaved)-maxUnsaved)
	}
	if len(e.unsaved) > 0 {
		if err := e.Record(ctx, e.unsaved); err != nil {
			return err
		}
		for _, ev := range e.unsaved {
			if ev.State == rule.ChangeFiring {
				e.mu.Lock()
				e.firings[firing{ev.Ref, ev.Tier}]++
				e.mu.Unlock()
			}
		}
		e.unsaved = e.unsaved[:0]
	}
	return e.saveStates(ctx)
}

// saveStates stores the states that are not as they were stored last.
func (e *Engine) saveStates(ctx context.Context) error {
	var rows []store.State
	fresh := map[Ref]saved{}
	e.now().States(func(ref Ref, at int64, hash uint64, states []rule.State) {
		was := e.saved[ref]
		if was.rule == hash && slices.Equal(was.states, states) {
			return
		}
		fresh[ref] = saved{hash, slices.Clone(states)}
		for i, s := range states {
			// A rule that was never saved begins inactive.
			before := rule.State{Tier: s.Tier, Phase: rule.Inactive}
			if was.rule == hash && i < len(was.states) {
				before = was.states[i]
			}
			if before == s && (was.rule == hash || was.rule == 0) {
				continue
			}
			rows = append(rows, store.State{
				SLO: ref.SLO, Objective: ref.Objective, Group: ref.Group, Tier: s.Tier, Phase: string(s.Phase),
				Since: s.Since, Keep: s.Keep, Held: s.Held, Guarded: s.Guarded, At: at, Rule: hash,
			})
		}
	})
	if len(rows) > 0 {
		if err := e.store.SaveStates(ctx, rows); err != nil {
			return fmt.Errorf("store states: %w", err)
		}
	}
	for ref, s := range fresh {
		e.saved[ref] = s
	}
	return nil
}

// tell wakes those who watch.
func (e *Engine) tell() {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for c := range e.viewers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// firingDays is over how many days alerts are counted for people.
const firingDays = 30

func (e *Engine) countFirings(ctx context.Context, now time.Time) error {
	rows, err := e.store.Firings(ctx, now.AddDate(0, 0, -firingDays))
	if err != nil {
		return fmt.Errorf("count alerts: %w", err)
	}
	fired := map[firing]int{}
	for _, r := range rows {
		fired[firing{Ref{SLO: r.SLO, Objective: r.Objective, Group: r.Group}, r.Tier}] = int(r.Count)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.firings = fired
	return nil
}
