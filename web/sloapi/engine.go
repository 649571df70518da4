package sloapi

import (
	"context"
	"time"

	"loadline/query/indicator"
	"loadline/slo"
	"loadline/slo/registry"
	"loadline/slo/spec"
)

// engine is what the API asks of the engine.
type engine interface {
	Statuses() []slo.Status
	Status(ref slo.Ref) (slo.Status, bool)
	Groups(name, objective string) []slo.Status
	SLO(name string) (spec.SLO, bool)
	Spenders(ctx context.Context, ref slo.Ref, from, to time.Time) (indicator.Spenders, error)
	Examples(ctx context.Context, ref slo.Ref, from, to time.Time, limit int) ([]indicator.Example, error)
	Suggestions(ctx context.Context) ([]indicator.Suggestion, error)
	Corrections(ctx context.Context, name string) ([]slo.Correction, error)
	Correct(ctx context.Context, c slo.Correction) (slo.Correction, error)
	Withdraw(ctx context.Context, id uint64, author string) error
	Registry() *registry.Registry
}
