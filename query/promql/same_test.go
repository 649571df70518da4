package promql

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// recorder is a storage that writes down what it is asked.
type recorder struct {
	storage.Queryable
	asked []string
}

func (r *recorder) Querier(mint, maxt int64) (storage.Querier, error) {
	r.asked = append(r.asked, fmt.Sprintf("querier %d-%d", mint, maxt))
	q, err := r.Queryable.Querier(mint, maxt)
	return recording{q, r}, err
}

type recording struct {
	storage.Querier
	to *recorder
}

func (r recording) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	r.to.asked = append(r.to.asked, fmt.Sprintf("select %v %+v %v", sorted, *hints, matchers))
	return r.Querier.Select(ctx, sorted, hints, matchers...)
}

// counted describes what a query counted, except the peak.
func counted(q upstream.Query) string {
	s := q.Stats().Samples
	return fmt.Sprint(s.TotalSamples, s.SamplesRead, s.TotalSeries, s.TotalSamplesPerStep, s.SamplesReadPerStep)
}

// times is what a query is evaluated at.
type times struct {
	start, end time.Time
	step       time.Duration // 0 for an instant query at start
}

// reference returns the upstream engine with the configuration of an engine.
func reference(cfg Config) *upstream.Engine { return NewEngine(cfg).plain }

// evaluate runs a query and describes its result to the last bit. NaNs are alike.
func evaluate(t testing.TB, e upstream.QueryEngine, q storage.Queryable, opts upstream.QueryOpts, text string, at times) (result string, query upstream.Query) {
	t.Helper()
	var err error
	if at.step == 0 {
		query, err = e.NewInstantQuery(context.Background(), q, opts, text, at.start)
	} else {
		query, err = e.NewRangeQuery(context.Background(), q, opts, text, at.start, at.end, at.step)
	}
	if err != nil {
		return "not a query: " + err.Error(), nil
	}
	t.Cleanup(query.Close)
	r := query.Exec(context.Background())
	if r.Err != nil {
		return fmt.Sprintf("error %T: %v", r.Err, r.Err), query
	}
	warnings, infos := r.Warnings.AsStrings(text, 0, 0)
	slices.Sort(warnings)
	slices.Sort(infos)
	return fmt.Sprintf("%s\nwarnings %q\ninfos %q", describe(r.Value), warnings, infos), query
}

func describe(v parser.Value) string {
	s := string(v.Type())
	switch v := v.(type) {
	case upstream.Matrix:
		for _, x := range v {
			s += "\n" + x.Metric.String()
			for _, p := range x.Floats {
				s += fmt.Sprintf(" %s@%d", bits(p.F), p.T)
			}
			for _, p := range x.Histograms {
				s += fmt.Sprintf(" %s@%d", bitsOf(p.H), p.T)
			}
		}
	case upstream.Vector:
		for _, x := range v {
			s += fmt.Sprintf("\n%s %s %s@%d", x.Metric.String(), bits(x.F), bitsOf(x.H), x.T)
		}
	case upstream.Scalar:
		s += fmt.Sprintf(" %s@%d", bits(v.V), v.T)
	default:
		s += v.String()
	}
	return s
}

func bits(f float64) string {
	if math.IsNaN(f) {
		return "NaN"
	}
	return fmt.Sprintf("%v/%x", f, math.Float64bits(f))
}

func bitsOf(h *histogram.FloatHistogram) string {
	if h == nil {
		return ""
	}
	return fmt.Sprintf("%s sum %s", h.String(), bits(h.Sum))
}
