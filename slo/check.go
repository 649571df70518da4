package slo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

var mismatches = metrics.NewCounter(`loadline_slo_mismatches_total`)

// What is in memory is compared with what is stored now and then, for some objectives.
const (
	checkEvery = 10 * time.Minute
	checkSome  = 20
)

// check compares some objectives with what is stored. One that differs is told and read again.
func (e *Engine) check(ctx context.Context) error {
	views := e.Views()
	rand.Shuffle(len(views), func(i, j int) { views[i], views[j] = views[j], views[i] })
	var wrong []Ref
	err := e.cfg.Settled(ctx, func() error {
		quiet, err := e.counts.Quiet(ctx, func() error {
			if err := e.follow(ctx, time.Now()); err != nil {
				return err
			}
			for _, some := range views[:min(len(views), checkSome)] {
				v, ok := e.now().View(some.Ref)
				if !ok || v.Loading || v.Now == 0 {
					continue
				}
				same, err := e.Check(ctx, v)
				if err != nil {
					return err
				}
				if !same {
					wrong = append(wrong, Ref{SLO: v.SLO, Objective: v.Objective})
				}
			}
			return nil
		})
		if !quiet {
			wrong = nil // another node has changed something meanwhile
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("compare counts with storage: %w", err)
	}
	for _, ref := range wrong {
		mismatches.Inc()
		e.log.Error("counts in memory were not those in storage and are read again", "slo", ref.SLO, "objective", ref.Objective)
		e.now().Reset(ref)
	}
	return e.load(ctx, wrong)
}
