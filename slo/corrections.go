package slo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"loadline/internal/sli"
	"loadline/slo/budget"
	"loadline/slo/history"
	"loadline/slo/registry"
	"loadline/slo/store"
)

// maxCorrection bounds a correction: what is longer is a change of the objective.
const maxCorrection = 31 * budget.Day

// ErrCorrection says that a correction cannot be.
var ErrCorrection = errors.New("correction refused")

// Correct takes a stretch of time out of an SLO. Its bounds become whole slots. The reason and the author are asked for, since
// both are what an audit reads.
func (e *Engine) Correct(ctx context.Context, c Correction) (Correction, error) {
	// Counts of long ago are known by 5 minutes only.
	unit := sli.Slot
	if time.Since(c.From) > history.FineReach {
		unit = 5 * time.Minute
	}
	c.From, c.To = c.From.UTC().Truncate(unit), c.To.UTC()
	if up := c.To.Truncate(unit); !up.Equal(c.To) {
		c.To = up.Add(unit)
	}
	switch {
	case c.Reason == "":
		return c, fmt.Errorf("%w: say why the time does not count (reason)", ErrCorrection)
	case c.Author == "":
		return c, fmt.Errorf("%w: say who decides so (author)", ErrCorrection)
	case !c.From.Before(c.To):
		return c, fmt.Errorf("%w: it ends at %s, which is not after its start %s", ErrCorrection, c.To.Format(time.RFC3339), c.From.Format(time.RFC3339))
	case c.To.Sub(c.From) > maxCorrection:
		return c, fmt.Errorf("%w: it is longer than %s; change the objective instead", ErrCorrection, budget.FormatDuration(maxCorrection))
	}
	if _, ok := e.SLO(c.SLO); !ok {
		return c, &registry.NotFoundError{Kind: "SLO", Name: c.SLO}
	}
	c.ID, c.At, c.Withdrawn = rand.Uint64(), time.Now().UTC().Truncate(time.Millisecond), false
	return c, e.correct(ctx, c)
}

// Withdraw makes a correction void.
func (e *Engine) Withdraw(ctx context.Context, id uint64, author string) error {
	e.mu.RLock()
	var found *Correction
	for i := range e.corrections {
		if e.corrections[i].ID == id && !e.corrections[i].Withdrawn {
			c := e.corrections[i]
			found = &c
		}
	}
	e.mu.RUnlock()
	if found == nil {
		return fmt.Errorf("%w: there is no correction %d in force", ErrCorrection, id)
	}
	found.Withdrawn, found.Author, found.At = true, author, time.Now().UTC().Truncate(time.Millisecond)
	return e.correct(ctx, *found)
}

func (e *Engine) readCorrections(ctx context.Context) error {
	all, err := e.Corrections(ctx, "")
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.corrections = all
	return nil
}

// correct stores a correction and has it taken in.
func (e *Engine) correct(ctx context.Context, c Correction) error {
	if err := e.store.SaveCorrection(ctx, store.Correction(c)); err != nil {
		return fmt.Errorf("store correction: %w", err)
	}
	e.wake(e.corrected)
	return nil
}
