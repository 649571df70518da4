package history

import (
	"context"
	"fmt"
	"time"

	"loadline/internal/sli"
	"loadline/query/indicator"
	"loadline/slo/budget"
	"loadline/slo/tracker"
)

// NoSpansError says that an objective is not about spans, so that there are none to look at.
type NoSpansError struct{ Ref tracker.Ref }

// Error says what to look at instead.
func (err *NoSpansError) Error() string {
	return fmt.Sprintf("objective %q of %q does not count spans; look at the expression or the members that it is made of", err.Ref.Objective, err.Ref.SLO)
}

// spans is the indicator of an objective that counts spans, narrowed to a group.
func (h *History) spans(ref tracker.Ref) (sli.Indicator, error) {
	v, err := h.view(ref)
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
func (h *History) Spenders(ctx context.Context, ref tracker.Ref, from, to time.Time) (indicator.Spenders, error) {
	i, err := h.spans(ref)
	if err != nil {
		return indicator.Spenders{}, err
	}
	return indicator.WhoSpent(ctx, h.db, i, from, to)
}

// Examples returns bad events of [from, to).
func (h *History) Examples(ctx context.Context, ref tracker.Ref, from, to time.Time, limit int) ([]indicator.Example, error) {
	i, err := h.spans(ref)
	if err != nil {
		return nil, err
	}
	return indicator.Examples(ctx, h.db, i, from, to, limit)
}

// suggestFrom is how much of the past suggestions are made from.
const suggestFrom = 7 * budget.Day

// Suggestions returns objectives that suit the busiest endpoints of the last week.
func (h *History) Suggestions(ctx context.Context) ([]indicator.Suggestion, error) {
	now := time.Now()
	return indicator.Suggest(ctx, h.db, now.Add(-suggestFrom), now)
}

// Operations returns the operations of an indicator's service during the last day, and which of them it names.
func (h *History) Operations(ctx context.Context, i sli.Indicator) ([]indicator.Operation, error) {
	now := time.Now()
	return indicator.Operations(ctx, h.db, i, now.Add(-budget.Day), now)
}
