package promql

import (
	"context"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/schema"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"

	"loadline/query/promql/kernel"
	"loadline/query/promql/leaf"
	"loadline/query/promql/series"
)

// evaluation computes a leaf.
type evaluation struct {
	run     *run
	ctx     context.Context // the SeriesSet is only read while the query runs
	leaf    *leaf.Leaf
	subject string // of the selector
	input   storage.SeriesSet
	grid    kernel.Grid
	kernel  *kernel.Kernel
	column  series.Column
	err     error

	notes annotations.Annotations
	noted string // the metric that was annotated last

	names map[uint64]bool // hashes of labels without the metric's name, where these may be equal

	used           kernel.Usage
	selected, made int     // series
	given          int     // points that the upstream engine gets and counts
	total, read    []int64 // at each step what is to be added to the engine's counts, or nil
}

func (r *run) newEvaluation(ctx context.Context, l *leaf.Leaf, matchers []*labels.Matcher, hints *storage.SelectHints) *evaluation {
	v := &evaluation{run: r, ctx: ctx, leaf: l, subject: leaf.Subject(matchers), grid: r.gridOf(l, hints), notes: annotations.Annotations{}}
	window := l.Range
	if l.Func == "" {
		window = r.stmt.LookbackDelta
	}
	v.kernel = kernel.New(l.Func, v.grid, window)
	if l.DropsName() && leaf.Metric(matchers) == "" {
		v.names = map[uint64]bool{}
	}
	if r.perStep {
		v.total, v.read = make([]int64, v.grid.Steps), make([]int64, v.grid.Steps)
	}
	r.leaves = append(r.leaves, v)
	return v
}

// next advances the input to the next series, or returns nil at the end or after an error.
func (v *evaluation) next() series.Floats {
	if v.err = v.run.check(v.ctx); v.err != nil || !v.input.Next() {
		return nil
	}
	v.selected++
	s, ok := v.input.At().(series.Floats)
	if !ok {
		v.err = v.run.unfit(v.subject)
		return nil
	}
	if v.leaf.DropsName() && !v.run.engine.cfg.DelayedNameRemoval && !v.distinct(s.Labels()) {
		v.err = v.run.unfit(v.subject)
		return nil
	}
	return s
}

// distinct tells whether the labels of a series are others than those of the ones before when the metric's name, type
// and unit are left out. The upstream engine merges such series.
func (v *evaluation) distinct(ls labels.Labels) bool {
	if typed := ls.Has(model.MetricTypeLabel) || ls.Has(model.MetricUnitLabel); v.names == nil && typed && v.selected == 1 {
		v.names = map[uint64]bool{}
	} else if v.names == nil {
		return !typed // series of one metric differ in other labels than the name
	}
	hash := ls.DropReserved(schema.IsMetadataLabel).Hash()
	if v.names[hash] {
		return false
	}
	v.names[hash] = true
	return true
}

// Err implements storage.SeriesSet.
func (v *evaluation) Err() error {
	if v.err != nil {
		return v.err
	}
	return v.input.Err()
}

// Warnings implements storage.SeriesSet. The upstream engine asks before it iterates over the series, and reads the map
// after that, so that what comes up in between is in it.
func (v *evaluation) Warnings() annotations.Annotations { return v.notes.Merge(v.input.Warnings()) }

// compute writes the values of a series to out, and tells whether there is any.
func (v *evaluation) compute(s series.Floats, out []float64) (bool, error) {
	ok, err := s.Floats(&v.column)
	if err != nil {
		return false, v.run.stop(errorOf(s.Labels(), err))
	}
	if !ok || v.startTimes() {
		return false, v.run.unfit(v.subject)
	}
	used := v.kernel.Run(&v.column, out)
	v.used.Points += used.Points
	v.used.Total += used.Total
	v.used.Read += used.Read
	v.used.Peak = max(v.used.Peak, used.Peak)
	if v.used.Points+used.Peak > v.run.engine.cfg.MaxSamples {
		return false, v.run.stop(upstream.ErrTooManySamples(where))
	}
	if v.total != nil {
		v.kernel.AddWindows(out, v.total, v.read)
	}
	if used.Points == 0 {
		return false, nil
	}
	v.annotate(s.Labels())
	return true, nil
}

// annotate adds what the engine notes about a series that rate or increase has values of.
func (v *evaluation) annotate(ls labels.Labels) {
	if v.leaf.Func != "rate" && v.leaf.Func != "increase" {
		return
	}
	name := ls.Get(model.MetricNameLabel)
	if name == "" {
		return
	}
	if v.run.engine.cfg.TypeAndUnitLabels {
		kind := ls.Get(model.MetricTypeLabel)
		if kind != string(model.MetricTypeCounter) && kind != string(model.MetricTypeHistogram) {
			v.notes.Add(annotations.NewPossibleNonCounterLabelInfo(name, kind, v.leaf.Arg))
		}
		return
	}
	if name == v.noted || strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_bucket") {
		return
	}
	v.noted = name
	v.notes.Add(annotations.NewPossibleNonCounterInfo(name, v.leaf.Arg))
}

// startTimes tells whether the values depend on start timestamps, which kernels do not look at.
func (v *evaluation) startTimes() bool {
	if !v.run.startTimes || len(v.column.ST) == 0 {
		return false
	}
	switch v.leaf.Func {
	case "rate", "increase", "irate", "resets":
		return slices.ContainsFunc(v.column.ST, func(st int64) bool { return st != 0 })
	}
	return false
}

// give notes the values of a series that the upstream engine is given, and counts.
func (v *evaluation) give(values []float64) {
	for i, x := range values {
		if kernel.IsAbsent(x) {
			continue
		}
		v.given++
		if v.total != nil {
			v.total[i]--
			v.read[i]--
		}
	}
}

// count corrects the statistics of the upstream engine, which has counted the points it was given instead of the samples
// they were computed from. Inside a subquery it is left at that.
func (v *evaluation) count(samples *stats.QuerySamples) {
	samples.TotalSeries += int64(v.selected - v.made)
	samples.UpdatePeak(v.used.Points + v.used.Peak)
	if v.leaf.Subquery || v.grid.Steps == 0 {
		return
	}
	// With an @ it was evaluated once, and counts at every step.
	times := int64(1)
	if v.leaf.Fixed {
		times = int64(kernel.NewGrid(v.run.stmt.Start.UnixMilli(), v.run.stmt.End.UnixMilli(), v.run.stmt.Interval.Milliseconds()).Steps)
	}
	samples.TotalSamples += (v.used.Total - int64(v.given)) * times
	samples.SamplesRead += v.used.Read - int64(v.given)
	if v.total == nil {
		return
	}
	for i := range samples.TotalSamplesPerStep {
		if from := min(i, v.grid.Steps-1); i == from || v.leaf.Fixed {
			samples.TotalSamplesPerStep[i] += v.total[from]
		}
		if i < v.grid.Steps {
			samples.SamplesReadPerStep[i] += v.read[i]
		}
	}
}
