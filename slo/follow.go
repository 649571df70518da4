package slo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"loadline/internal/sli"
	"loadline/slo/rule"
	"loadline/slo/store"
	"loadline/slo/store/counts"
	"loadline/slo/tracker"
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
	from, to := t.Now(), now.Add(-e.Delay()).Unix()/slot*slot
	if to <= from {
		return e.record(ctx, nil)
	}
	var events []Event
	for _, c := range t.Advance(to, to-from > quietAfter*slot) {
		events = append(events, eventOf(c, now))
	}
	evaluateSeconds.UpdateDuration(began)
	err := e.record(ctx, events)
	e.tell()
	return err
}

func eventOf(c tracker.Event, seen time.Time) Event {
	return Event{
		Ref: c.Ref, Tier: c.Tier, Severity: string(c.Severity), State: c.State, At: time.Unix(c.At, 0).UTC(), Seen: seen,
		BurnLong: c.BurnLong, BurnShort: c.BurnShort, Threshold: c.Threshold, BadLong: c.BadLong, TotalLong: c.TotalLong,
		BadShort: c.BadShort, TotalShort: c.TotalShort, Left: c.Left, Coverage: c.Coverage, Reason: c.Reason,
	}
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
		rows := make([]store.Event, len(e.unsaved))
		for i, ev := range e.unsaved {
			rows[i] = storedEvent(ev)
		}
		if err := e.store.AddEvents(ctx, rows); err != nil {
			return fmt.Errorf("store events: %w", err)
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

func storedEvent(ev Event) store.Event {
	return store.Event{
		SLO: ev.SLO, Objective: ev.Objective, Group: ev.Group, Tier: ev.Tier, At: ev.At, State: ev.State, Severity: ev.Severity,
		Seen: ev.Seen, BurnLong: ev.BurnLong, BurnShort: ev.BurnShort, Threshold: ev.Threshold, BadLong: ev.BadLong,
		TotalLong: ev.TotalLong, BadShort: ev.BadShort, TotalShort: ev.TotalShort, Left: ev.Left, Coverage: ev.Coverage,
		Reason: ev.Reason,
	}
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
			if was.rule == hash && i < len(was.states) && was.states[i] == s {
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
