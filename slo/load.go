package slo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"

	"loadline/slo/ring"
	"loadline/slo/rule"
	"loadline/slo/store/counts"
	"loadline/slo/tracker"
)

// open brings everything into memory: from the snapshot of the last process and what was counted since, or from what is
// stored.
func (e *Engine) open(ctx context.Context, now time.Time) error {
	if err := e.readCorrections(ctx); err != nil {
		return err
	}
	if err := e.counts.Finish(ctx); err != nil {
		return fmt.Errorf("finish counts: %w", err)
	}
	if err := e.countFirings(ctx, now); err != nil {
		return err
	}
	stored, err := e.store.States(ctx)
	if err != nil {
		return fmt.Errorf("read states: %w", err)
	}
	for _, s := range stored {
		// They are written anew once, whatever they are by now.
		e.saved[Ref{SLO: s.SLO, Objective: s.Objective, Group: s.Group}] = saved{rule: unknownRule}
	}
	refs, err := e.restore(now)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			e.log.Info("the snapshot of objectives is not used, they are read from storage", "reason", err)
		}
		return e.reload(ctx, now)
	}
	err = errors.Join(e.follow(ctx, now), e.load(ctx, refs))
	if errors.Is(err, counts.ErrBehind) {
		return e.reload(ctx, now)
	}
	return err
}

// unknownRule is none that an objective has.
const unknownRule = ^uint64(0)

// reload reads everything from storage.
func (e *Engine) reload(ctx context.Context, now time.Time) error {
	t := tracker.New(now.Add(-e.Delay()).Unix())
	refs := t.Define(e.definitions())
	clock := counts.Clock{}
	err := e.consistent(ctx, t, refs, func() (counts.Clock, error) {
		var err error
		clock, err = e.counts.Clock(ctx)
		return clock, err
	})
	if err != nil {
		return err
	}
	e.clock = clock
	e.mu.Lock()
	e.tracker = t
	e.mu.Unlock()
	e.counter.Each(t.SetFrom) // what was counted meanwhile
	return nil
}

// load reads the past of some objectives.
func (e *Engine) load(ctx context.Context, refs []Ref) error {
	if len(refs) == 0 {
		return nil
	}
	return e.consistent(ctx, e.now(), refs, func() (counts.Clock, error) {
		if err := e.follow(ctx, time.Now()); err != nil {
			return nil, err
		}
		return e.counts.Clock(ctx)
	})
}

// consistentTries is how often counts are read again because another node has inserted some meanwhile.
const consistentTries = 4

// consistent reads the past of objectives between two changes of what is stored. begin says which batches are in the tiers.
func (e *Engine) consistent(ctx context.Context, t *tracker.Tracker, refs []Ref, begin func() (counts.Clock, error)) error {
	same := true
	read := func() error {
		clock, err := begin()
		if err != nil {
			return err
		}
		if err := e.read(ctx, t, refs); err != nil || e.cfg.SoleWriter {
			return err
		}
		after, err := e.counts.Clock(ctx)
		same = maps.Equal(clock, after)
		return err
	}
	err := e.cfg.Settled(ctx, func() error {
		for try := 1; ; try++ {
			quiet, err := e.counts.Quiet(ctx, read)
			if err != nil || quiet && same {
				return err
			}
			if try == consistentTries {
				return errors.New("read counts: other nodes do not stop changing them")
			}
			for _, ref := range refs {
				t.Reset(ref)
			}
		}
	})
	if err != nil {
		return err
	}
	return e.finishLoad(ctx, t, refs)
}

// read gives objectives that are being loaded their stored counts.
func (e *Engine) read(ctx context.Context, t *tracker.Tracker, refs []Ref) error {
	var indicators []uint64
	var special []tracker.Needs
	for _, ref := range refs {
		n, ok := t.Needs(ref)
		if !ok {
			continue
		}
		if !n.Fine {
			indicators = append(indicators, n.Indicators...)
		}
		if n.Fine || len(n.Excluded) > 0 {
			special = append(special, n)
		}
	}
	if len(indicators) > 0 {
		from, middle, fine := t.Span()
		parts := counts.Span{From: from, Middle: middle, Fine: fine}.Parts(t.Now(), t.Periods()...)
		err := e.counts.Load(ctx, indicators, parts, func(indicator uint64, group string, p counts.Part, slots []counts.Slot) error {
			t.Load(indicator, group, p.Step, slots)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read counts: %w", err)
		}
	}
	for _, n := range special {
		if err := e.readFine(ctx, t, n); err != nil {
			return fmt.Errorf("read counts of %q: %w", n.SLO, err)
		}
	}
	return nil
}

// readFine gives an objective the slots that it needs beyond those that all get.
func (e *Engine) readFine(ctx context.Context, t *tracker.Tracker, n tracker.Needs) error {
	end := t.Now() + int64(time.Hour/time.Second)
	groups := []string{""}
	if n.Groups {
		sums, err := e.counts.Groups(ctx, n.Indicators, n.From, end)
		if err != nil {
			return err
		}
		for _, s := range sums {
			if s.Group != "" {
				groups = append(groups, s.Group)
			}
		}
	}
	for _, group := range groups {
		ref := n.Ref
		ref.Group = group
		if !n.Fine {
			for _, x := range n.Excluded {
				slots, err := e.Excluded(ctx, n.Indicators[0], group, x, t.Now())
				if err != nil {
					return err
				}
				t.LoadExcluded(ref, slots)
			}
			continue
		}
		sources := make([][]ring.Slot, len(n.Indicators))
		for i, indicator := range n.Indicators {
			var err error
			if sources[i], err = e.counts.Slots(ctx, counts.Tier10s, indicator, group, n.From, end, 0); err != nil {
				return err
			}
		}
		t.LoadSlices(ref, n.From, sources)
	}
	return nil
}

// finishLoad gives loaded objectives the states of their rules.
func (e *Engine) finishLoad(ctx context.Context, t *tracker.Tracker, refs []Ref) error {
	rows, err := e.store.States(ctx)
	if err != nil {
		return fmt.Errorf("read states: %w", err)
	}
	states := map[Ref][]rule.State{}
	for _, r := range rows {
		ref := Ref{SLO: r.SLO, Objective: r.Objective, Group: r.Group}
		if t.Rule(ref) != r.Rule {
			continue
		}
		states[ref] = append(states[ref], rule.State{
			Tier: r.Tier, Phase: rule.Phase(r.Phase), Since: r.Since, Keep: r.Keep, Held: r.Held, Guarded: r.Guarded,
		})
	}
	for _, ref := range refs {
		t.Loaded(ref, states)
	}
	return nil
}

// maxSnapshotAge is some hours less than the journal is kept.
const maxSnapshotAge = 36 * time.Hour

// restore makes the tracker from the snapshot, and returns the objectives that it does not have.
func (e *Engine) restore(now time.Time) ([]Ref, error) {
	if e.cfg.Snapshot == "" {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(e.cfg.Snapshot)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	t, clock, refs, err := tracker.Restore(f, e.definitions())
	if err != nil {
		return nil, err
	}
	if now.Unix()-t.Now() > int64(maxSnapshotAge/time.Second) {
		return nil, errors.New("it is older than what is kept of the journal")
	}
	e.clock = clock
	e.mu.Lock()
	e.tracker = t
	e.mu.Unlock()
	return refs, nil
}

// saveSnapshot writes the snapshot. One that cannot be written costs the next start some seconds. While there are events that
// are not stored there is none: the next process would not tell them.
func (e *Engine) saveSnapshot() {
	if e.cfg.Snapshot == "" || e.now().Now() == 0 || len(e.unsaved) > 0 {
		return
	}
	if err := e.writeSnapshot(); err != nil {
		e.log.Warn("the snapshot of objectives cannot be written", "error", err)
	}
}

func (e *Engine) writeSnapshot() (err error) {
	f, err := os.Create(e.cfg.Snapshot + ".tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = e.now().Snapshot(f, e.clock)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), e.cfg.Snapshot)
}
