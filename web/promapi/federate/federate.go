// Package federate answers Prometheus's federation requests: the latest sample of each selected series, in the format
// that a scraper reads.
package federate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"loadline/web/promapi/failure"
	"loadline/web/promapi/param"
)

// Config says what is federated. All of it has to be there.
type Config struct {
	Store    storage.Queryable
	Parser   parser.Parser
	Lookback time.Duration // how old a sample may be
	Now      func() time.Time
	// Acquire waits for leave to read. Release gives it back.
	Acquire func(context.Context) *failure.Error
	Release func()
}

// Handler answers federation requests whose form is parsed. It is safe for concurrent use.
type Handler struct {
	cfg Config
}

// New returns a handler.
func New(cfg Config) *Handler { return &Handler{cfg} }

// ServeHTTP implements http.Handler. Errors are answered as text, as Prometheus does.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sets, err := param.Selectors(h.cfg.Parser, r.Form["match[]"])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx := r.Context()
	if f := h.cfg.Acquire(ctx); f != nil {
		http.Error(w, f.Err.Error(), f.Kind.Code())
		return
	}
	defer h.cfg.Release()
	found, err := h.latest(ctx, sets)
	if err != nil {
		code := http.StatusInternalServerError
		if failure.In(ctx, err).Kind == failure.Timeout {
			code = http.StatusServiceUnavailable
		}
		http.Error(w, err.Error(), code)
		return
	}
	format := expfmt.NegotiateAccept(r.Header, expfmt.NewFormat(expfmt.TypeProtoDelim), expfmt.NewFormat(expfmt.TypeProtoText), expfmt.NewFormat(expfmt.TypeProtoCompact), expfmt.NewFormat(expfmt.TypeTextPlain))
	w.Header().Set("Content-Type", string(format))
	out := expfmt.NewEncoder(w, format)
	for _, family := range families(found, format.FormatType() != expfmt.TypeTextPlain) {
		if out.Encode(family) != nil {
			return // the client went away
		}
	}
}

// latest returns the latest sample of each series, if it is recent enough and no stale marker, sorted by name.
func (h *Handler) latest(ctx context.Context, selectors [][]*labels.Matcher) (promql.Vector, error) {
	now := h.cfg.Now()
	mint, maxt := timestamp.FromTime(now.Add(-h.cfg.Lookback)), timestamp.FromTime(now)
	q, err := h.cfg.Store.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	hints := &storage.SelectHints{Start: mint, End: maxt}
	sets := make([]storage.SeriesSet, 0, len(selectors))
	for _, matchers := range selectors {
		sets = append(sets, q.Select(ctx, true, hints, matchers...))
	}
	set := storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
	var out promql.Vector
	var it chunkenc.Iterator
	for set.Next() {
		s := set.At()
		it = s.Iterator(it)
		sample, ok := last(it, maxt)
		if err := it.Err(); err != nil {
			return nil, fmt.Errorf("read series %s: %w", s.Labels(), err)
		}
		if ok && !value.IsStaleNaN(sample.F) && (sample.H == nil || !value.IsStaleNaN(sample.H.Sum)) {
			sample.Metric = s.Labels()
			out = append(out, sample)
		}
	}
	slices.SortStableFunc(out, func(a, b promql.Sample) int {
		return strings.Compare(a.Metric.Get(model.MetricNameLabel), b.Metric.Get(model.MetricNameLabel))
	})
	return out, set.Err()
}

// last returns the last sample up to maxt.
func last(it chunkenc.Iterator, maxt int64) (s promql.Sample, ok bool) {
	for kind := it.Next(); kind != chunkenc.ValNone && it.AtT() <= maxt; kind = it.Next() {
		ok = true
		if kind == chunkenc.ValFloat {
			s = promql.Sample{}
			s.T, s.F = it.At()
		} else {
			s.F = 0
			s.T, s.H = it.AtFloatHistogram(s.H)
		}
	}
	return s, ok
}

// families groups samples, which are sorted by name, by name and type. Exponential histograms have no form in text, so
// that they are left out unless native is set.
func families(found promql.Vector, native bool) []*dto.MetricFamily {
	var out []*dto.MetricFamily
	for i := range found {
		s := &found[i]
		name := s.Metric.Get(model.MetricNameLabel)
		if name == "" || s.H != nil && !s.H.UsesCustomBuckets() && !native {
			continue
		}
		kind := typeOf(s)
		if len(out) == 0 || out[len(out)-1].GetName() != name || out[len(out)-1].GetType() != kind {
			out = append(out, &dto.MetricFamily{Name: &name, Type: &kind})
		}
		family := out[len(out)-1]
		family.Metric = append(family.Metric, metric(s))
	}
	return out
}

func typeOf(s *promql.Sample) dto.MetricType {
	switch {
	case s.H == nil:
		return dto.MetricType_UNTYPED
	case s.H.CounterResetHint == histogram.GaugeType:
		return dto.MetricType_GAUGE_HISTOGRAM
	}
	return dto.MetricType_HISTOGRAM
}

// metric converts a sample. It gets an empty label instance when it has none, so that the scraper does not put its own
// there.
func metric(s *promql.Sample) *dto.Metric {
	m := &dto.Metric{TimestampMs: &s.T}
	add := func(name, value string) { m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: &value}) }
	s.Metric.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel && l.Value != "" {
			add(l.Name, l.Value)
		}
	})
	if s.Metric.Get(model.InstanceLabel) == "" {
		add(model.InstanceLabel, "")
	}
	switch {
	case s.H == nil:
		m.Untyped = &dto.Untyped{Value: &s.F}
	case s.H.UsesCustomBuckets():
		m.Histogram = classic(s.H)
	default:
		m.Histogram = exponential(s.H)
	}
	return m
}

func exponential(h *histogram.FloatHistogram) *dto.Histogram {
	return &dto.Histogram{
		SampleCountFloat: &h.Count, SampleSum: &h.Sum, Schema: &h.Schema, ZeroThreshold: &h.ZeroThreshold, ZeroCountFloat: &h.ZeroCount,
		PositiveSpan: spans(h.PositiveSpans), PositiveCount: h.PositiveBuckets,
		NegativeSpan: spans(h.NegativeSpans), NegativeCount: h.NegativeBuckets,
	}
}

func spans(all []histogram.Span) []*dto.BucketSpan {
	var out []*dto.BucketSpan
	for i := range all {
		out = append(out, &dto.BucketSpan{Offset: &all[i].Offset, Length: &all[i].Length})
	}
	return out
}

// classic converts a histogram with bounds of its own. The encoder adds the bucket +Inf where its format needs it.
func classic(h *histogram.FloatHistogram) *dto.Histogram {
	out := &dto.Histogram{SampleCountFloat: &h.Count, SampleSum: &h.Sum}
	counts := make([]float64, len(h.CustomValues)+1)
	for it := h.PositiveBucketIterator(); it.Next(); {
		if b := it.At(); b.Index >= 0 && int(b.Index) < len(counts) {
			counts[b.Index] = b.Count
		}
	}
	cumulative := 0.0
	for i := range h.CustomValues {
		cumulative += counts[i]
		sum := cumulative
		out.Bucket = append(out.Bucket, &dto.Bucket{UpperBound: &h.CustomValues[i], CumulativeCountFloat: &sum})
	}
	return out
}
