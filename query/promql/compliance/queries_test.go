package compliance

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"

	loadline "loadline/query/promql"
	"loadline/query/promql/compliance/corpus"
	"loadline/query/promql/series"
)

// reference is Prometheus's own database with series in the order of their labels, which decides about the last bit of a
// sum. It does not know of columns.
type reference struct{ *teststorage.TestStorage }

// Querier implements storage.Queryable.
func (r reference) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := r.TestStorage.Querier(mint, maxt)
	return sorted{q}, err
}

type sorted struct{ storage.Querier }

// Select implements storage.Querier.
func (s sorted) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	return s.Querier.Select(ctx, true, hints, matchers...)
}

// fill appends series to a storage.
func fill(t testing.TB, s storage.Storage, all []*series.Series) {
	t.Helper()
	app := s.AppenderV2(t.Context())
	add := func(name labels.Labels, st, at int64, v float64, h *series.Histogram) {
		var err error
		if h == nil {
			_, err = app.Append(0, name, st, at, v, nil, nil, storage.AppendV2Options{})
		} else {
			_, err = app.Append(0, name, st, at, 0, nil, h.H, storage.AppendV2Options{})
		}
		if err != nil {
			t.Fatalf("%s at %d: %v", name, at, err)
		}
	}
	for _, one := range all {
		for i, at := range one.Column.T {
			add(one.Name, one.Column.Start(i), at, one.Column.V[i], nil)
		}
		for _, h := range one.Histograms {
			add(one.Name, h.ST, h.T, 0, &h)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// compare runs the queries of the corpus against Prometheus and against a system under test, which holds the metrics of
// the corpus. Everything has to be equal to the last bit.
func compare(t *testing.T, engine promql.QueryEngine, queryable storage.Queryable, queries []string) {
	t.Helper()
	ref := reference{promqltest.NewBuiltinTestStorage(t)}
	fill(t, ref, corpus.Metrics())
	upstream := promqltest.NewTestEngine(t, false, 0, maxSamples)
	before := paths()
	for _, q := range queries {
		for _, at := range []time.Time{corpus.Start.Add(2*time.Hour + 3*time.Second), corpus.End} {
			want := instant(t, upstream, ref, q, at)
			got := instant(t, engine, queryable, q, at)
			if diff := difference(q, want, got); diff != "" {
				t.Errorf("%s at %s: %s", q, at.Format(time.TimeOnly), diff)
			}
		}
		want, got := wide(t, upstream, ref, q), wide(t, engine, queryable, q)
		if diff := difference(q, want, got); diff != "" {
			t.Errorf("%s over a range: %s", q, diff)
		}
	}
	t.Logf("%d queries, each at two times and over a range%s", len(queries), since(before))
}

// maxSamples is Prometheus's default.
const maxSamples = 50_000_000

func instant(t *testing.T, engine promql.QueryEngine, queryable storage.Queryable, q string, at time.Time) *promql.Result {
	t.Helper()
	query, err := engine.NewInstantQuery(t.Context(), queryable, nil, q, at)
	if err != nil {
		return &promql.Result{Err: err}
	}
	result := query.Exec(t.Context()) // not closed: what it returned is still compared
	// Only sorting functions give a vector an order; that of others depends on the iteration over maps.
	if v, ok := result.Value.(promql.Vector); ok && !strings.HasPrefix(q, "sort") {
		slices.SortFunc(v, func(a, b promql.Sample) int { return labels.Compare(a.Metric, b.Metric) })
	}
	return result
}

// wide evaluates from the first minute to beyond the last sample, in steps that are no multiple of the interval.
func wide(t *testing.T, engine promql.QueryEngine, queryable storage.Queryable, q string) *promql.Result {
	t.Helper()
	query, err := engine.NewRangeQuery(t.Context(), queryable, nil, q, corpus.Start.Add(time.Minute), corpus.End.Add(3*time.Minute), 173*time.Second)
	if err != nil {
		return &promql.Result{Err: err}
	}
	return query.Exec(t.Context())
}

// difference says where two results differ, or "".
func difference(q string, want, got *promql.Result) string {
	if (want.Err == nil) != (got.Err == nil) || want.Err != nil && want.Err.Error() != got.Err.Error() {
		return fmt.Sprintf("error %v, want %v", got.Err, want.Err)
	}
	if want.Err != nil {
		return ""
	}
	if a, b := texts(q, want), texts(q, got); !slices.Equal(a, b) {
		return fmt.Sprintf("annotations %q, want %q", b, a)
	}
	switch want := want.Value.(type) {
	case promql.Matrix:
		got, ok := got.Value.(promql.Matrix)
		if !ok || len(want) != len(got) {
			return fmt.Sprintf("%d series, want %d", len(got), len(want))
		}
		for i := range want {
			if diff := differentSeries(want[i], got[i]); diff != "" {
				return diff
			}
		}
	case promql.Vector:
		got, ok := got.Value.(promql.Vector)
		if !ok || len(want) != len(got) {
			return fmt.Sprintf("%d samples, want %d", len(got), len(want))
		}
		for i := range want {
			a, b := want[i], got[i]
			if !labels.Equal(a.Metric, b.Metric) || a.T != b.T || !equal(a.F, b.F) || !equalHistograms(promql.HPoint{H: a.H}, promql.HPoint{H: b.H}) {
				return fmt.Sprintf("sample %d is %s, want %s", i, b, a)
			}
		}
	default:
		if want != got.Value && !nans(want, got.Value) {
			return fmt.Sprintf("%v, want %v", got.Value, want)
		}
	}
	return ""
}

func nans(a, b parser.Value) bool {
	x, ok1 := a.(promql.Scalar)
	y, ok2 := b.(promql.Scalar)
	return ok1 && ok2 && x.T == y.T && math.IsNaN(x.V) && math.IsNaN(y.V)
}

func differentSeries(want, got promql.Series) string {
	if !labels.Equal(want.Metric, got.Metric) {
		return fmt.Sprintf("series %s, want %s", got.Metric, want.Metric)
	}
	if len(want.Floats) != len(got.Floats) || len(want.Histograms) != len(got.Histograms) {
		return fmt.Sprintf("%s: %d floats and %d histograms, want %d and %d", want.Metric, len(got.Floats), len(got.Histograms), len(want.Floats), len(want.Histograms))
	}
	for i, p := range want.Floats {
		if p.T != got.Floats[i].T || !equal(p.F, got.Floats[i].F) {
			return fmt.Sprintf("%s: point %d is %s, want %s", want.Metric, i, got.Floats[i], p)
		}
	}
	for i, p := range want.Histograms {
		if !equalHistograms(p, got.Histograms[i]) {
			return fmt.Sprintf("%s: point %d is %s, want %s", want.Metric, i, got.Histograms[i], p)
		}
	}
	return ""
}

// equal tells 0 and -0 apart, and not one NaN from another: in JSON they are the same.
func equal(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

// equalHistograms compares all but the hint about counter resets, which in Prometheus depends on how its chunks fell.
func equalHistograms(a, b promql.HPoint) bool {
	if a.H == nil || b.H == nil {
		return a.H == b.H && a.T == b.T
	}
	return a.T == b.T && a.H.Copy().Compact(0).Equals(b.H.Copy().Compact(0))
}

// texts returns the annotations of a result of a query, sorted.
func texts(q string, r *promql.Result) []string {
	warnings, infos := r.Warnings.AsStrings(q, 0, 0)
	return slices.Sorted(slices.Values(append(warnings, infos...)))
}

// TestQueriesColumns compares the engine over columns in memory with Prometheus.
func TestQueriesColumns(t *testing.T) {
	c := newColumns(t)
	fill(t, c, corpus.Metrics())
	compare(t, loadline.NewEngine(loadline.Config{DelayedNameRemoval: true, StartTimestamps: true}), c, corpus.Queries())
}
