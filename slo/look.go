package slo

import (
	"context"
	"fmt"
	"time"

	"loadline/internal/sli"
	"loadline/query/indicator"
	"loadline/slo/budget"
	"loadline/slo/store"
	"loadline/slo/tracker"
)

// EventFilter selects events. Empty texts and zero times select any; a Limit of 0 means 1000.
type EventFilter struct {
	Ref
	From, To time.Time
	Limit    int
}

// Events returns what rules did, the newest first.
func (e *Engine) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	rows, err := e.store.Events(ctx, store.EventQuery{
		SLO: f.SLO, Objective: f.Objective, Group: f.Group, From: f.From, To: f.To, Limit: f.Limit,
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	out := make([]Event, len(rows))
	for i, r := range rows {
		out[i] = Event{
			Ref: Ref{SLO: r.SLO, Objective: r.Objective, Group: r.Group}, Tier: r.Tier, Severity: r.Severity, State: r.State,
			At: r.At, Seen: r.Seen, BurnLong: r.BurnLong, BurnShort: r.BurnShort, Threshold: r.Threshold, BadLong: r.BadLong,
			TotalLong: r.TotalLong, BadShort: r.BadShort, TotalShort: r.TotalShort, Left: r.Left, Coverage: r.Coverage, Reason: r.Reason,
		}
	}
	return out, nil
}

// view finds an objective; an empty one is the first of its SLO.
func (e *Engine) view(ref Ref) (tracker.View, error) {
	if ref.Objective == "" {
		if s, ok := e.SLO(ref.SLO); ok {
			ref.Objective = s.Objectives[0].Name
		}
	}
	v, ok := e.now().View(ref)
	if !ok {
		return v, &NotFoundError{Ref: ref}
	}
	return v, nil
}

// NoSpansError says that an objective is not about spans, so that there are none to look at.
type NoSpansError struct{ Ref Ref }

// Error says what to look at instead.
func (err *NoSpansError) Error() string {
	return fmt.Sprintf("objective %q of %q does not count spans; look at the expression or the members that it is made of", err.Ref.Objective, err.Ref.SLO)
}

// spans is the indicator of an objective that counts spans, narrowed to a group.
func (e *Engine) spans(ref Ref) (sli.Indicator, error) {
	v, err := e.view(ref)
	if err != nil {
		return sli.Indicator{}, err
	}
	if v.Of.Objective.Indicator.Spans == nil {
		return sli.Indicator{}, &NoSpansError{v.Ref}
	}
	i := *v.Of.Objective.Indicator.Spans
	if v.Group != "" {
		i.Matchers = append(i.Matchers[:len(i.Matchers):len(i.Matchers)], sli.Matcher{Key: i.GroupBy, Op: "=", Value: v.Group})
		i.GroupBy = ""
	}
	return i, nil
}

// Spenders says what the bad events of [from, to) have in common that good ones have not.
func (e *Engine) Spenders(ctx context.Context, ref Ref, from, to time.Time) (indicator.Spenders, error) {
	i, err := e.spans(ref)
	if err != nil {
		return indicator.Spenders{}, err
	}
	return indicator.WhoSpent(ctx, e.cfg.DB, i, from, to)
}

// Examples returns bad events of [from, to).
func (e *Engine) Examples(ctx context.Context, ref Ref, from, to time.Time, limit int) ([]indicator.Example, error) {
	i, err := e.spans(ref)
	if err != nil {
		return nil, err
	}
	return indicator.Examples(ctx, e.cfg.DB, i, from, to, limit)
}

// suggestFrom is how much of the past suggestions are made from.
const suggestFrom = 7 * budget.Day

// Suggestions returns objectives that suit the busiest endpoints of the last week.
func (e *Engine) Suggestions(ctx context.Context) ([]indicator.Suggestion, error) {
	now := time.Now()
	return indicator.Suggest(ctx, e.cfg.DB, now.Add(-suggestFrom), now)
}

// Operations returns the operations of an indicator's service during the last day, and which of them it names.
func (e *Engine) Operations(ctx context.Context, i sli.Indicator) ([]indicator.Operation, error) {
	now := time.Now()
	return indicator.Operations(ctx, e.cfg.DB, i, now.Add(-budget.Day), now)
}
