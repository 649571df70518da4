package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	upstream "github.com/prometheus/prometheus/promql"

	"loadline/cmd/loadline/fault"
	"loadline/ingest/tally"
	"loadline/internal/sli"
	"loadline/query/promql/objectives"
	"loadline/query/promql/store"
	"loadline/slo"
	"loadline/slo/budget"
	"loadline/slo/registry"
	"loadline/slo/rule"
	slostore "loadline/slo/store"
	"loadline/slo/tracker"
	"loadline/web/sloapi"
)

// indicators is what the write path counts at the moment.
type indicators struct{ set atomic.Pointer[tally.Set] }

// install makes the write path count these from its next segment on.
func (i *indicators) install(list []sli.Counted) error {
	set, err := tally.NewSet(list)
	if err != nil {
		return err
	}
	i.set.Store(set)
	return nil
}

// openObjectives makes the SLO engine and tells the write path, which does not run yet, what it counts.
func (s *Server) openObjectives(ctx context.Context) error {
	s.objectives = slo.New(slo.Config{
		DB:         s.storage.db,
		Registry:   registry.New(slostore.New(s.storage.db), registry.Config{Path: s.cfg.SLO.Path}),
		Install:    s.indicators.install,
		Settled:    s.pipeline.Settled,
		Behind:     func() time.Duration { return s.pipeline.Status().Log.OldestAge },
		Query:      s.queryRange,
		Snapshot:   filepath.Join(s.cfg.Storage.Path, "objectives.snapshot"),
		SoleWriter: s.storage.engine != nil,
		Logger:     s.log,
	})
	if err := s.objectives.Load(ctx, time.Now()); err != nil {
		return &fault.Error{Code: fault.Storage, Err: err, Hint: "the message above is ClickHouse's or the disk's; nothing was started"}
	}
	var err error
	if s.objectivesAPI, err = sloapi.New(sloapi.Config{Engine: s.objectives, Logger: s.log.With("component", "slo api")}); err != nil {
		return err
	}
	for _, p := range s.objectives.Registry().Problems() {
		s.log.Warn("a definition of an SLO is not in force", "problem", p.Error())
	}
	return nil
}

// Define puts the definitions of SLOs in a text in force. It may be called while the server runs.
func (s *Server) Define(ctx context.Context, author, text string) error {
	report, err := s.objectives.Registry().Apply(ctx, time.Now(), registry.Change{Author: author, Source: "api", Text: text})
	if err == nil && report.Refused {
		err = report.Problems[0]
	}
	return err
}

// queryRange evaluates a PromQL expression for the SLO engine. Counters are taken from their start timestamps, so that the
// first event of a series counts.
func (s *Server) queryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([][]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Query.Timeout)
	defer cancel()
	starts := true
	q, err := s.metrics.engine.NewRangeQuery(ctx, s.metrics.store, upstream.NewPrometheusQueryOpts(false, 0, &starts), expr, from, to, step)
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", expr, err)
	}
	defer q.Close()
	result := q.Exec(ctx)
	matrix, err := result.Matrix()
	if err = errors.Join(result.Err, err); err != nil {
		return nil, fmt.Errorf("query %q: %w", expr, err)
	}
	out := make([][]float64, len(matrix))
	for i, series := range matrix {
		out[i] = make([]float64, int(to.Sub(from)/step)+1)
		for n := range out[i] {
			out[i][n] = math.NaN()
		}
		for _, p := range series.Floats {
			out[i][(p.T-from.UnixMilli())/step.Milliseconds()] = p.F
		}
	}
	return out, nil
}

// objectiveMetrics are the metrics of SLOs.
func (s *Server) objectiveMetrics() store.Virtual {
	e := s.objectives
	return objectives.New(s.storage.db, objectives.Config{
		Objectives: s.listObjectives,
		Left: func(ctx context.Context, o *objectives.Objective, at objectives.Moments) ([]float64, error) {
			return e.LeftAt(ctx, refOf(o), ends(at))
		},
		Burn: func(ctx context.Context, o *objectives.Objective, window time.Duration, at objectives.Moments) ([]float64, error) {
			return e.BurnAt(ctx, refOf(o), window, ends(at))
		},
	})
}

func refOf(o *objectives.Objective) slo.Ref {
	return slo.Ref{SLO: o.SLO, Objective: o.Name, Group: o.Group}
}

func ends(m objectives.Moments) []int64 {
	at := make([]int64, m.N)
	for i := range at {
		at[i] = m.From.Add(time.Duration(i) * m.Step).Unix()
	}
	return at
}

// listObjectives are all objectives and their groups as the metrics need them.
func (s *Server) listObjectives() ([]objectives.Objective, time.Time) {
	views := s.objectives.Views()
	var out []objectives.Objective
	var evaluated time.Time
	for _, v := range views {
		evaluated = time.Unix(v.Now, 0)
		out = append(out, metricsOf(v))
	}
	return out, evaluated
}

func metricsOf(v tracker.View) objectives.Objective {
	o := objectives.Objective{
		SLO: v.SLO, Name: v.Objective, Group: v.Group, Service: v.Of.SLO.Service, Owner: v.Of.SLO.Owner,
		Target: v.Of.Objective.Target.Float(), Left: budget.Left(v.Bad, v.Total, v.Of.Objective.Target), Indicator: v.Of.Indicator,
	}
	if v.Total == 0 {
		o.Left = math.NaN()
	}
	rates := map[time.Duration]float64{}
	for _, r := range v.Rules {
		rates[r.Tier.Short], rates[r.Tier.Long] = r.BurnShort, r.BurnLong
	}
	for _, window := range slices.Sorted(maps.Keys(rates)) {
		o.Burns = append(o.Burns, objectives.Burn{Window: window, Rate: rates[window]})
	}
	states := map[rule.Phase]objectives.State{rule.Pending: objectives.Pending, rule.Firing: objectives.Firing}
	for i, r := range v.Rules {
		// The states of the tiers stand first, in the order of the policy.
		o.Rules = append(o.Rules, objectives.Rule{
			Tier: r.Tier.Name, Severity: string(r.Tier.Severity), State: states[v.States[i].Phase],
		})
	}
	return o
}
