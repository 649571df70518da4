package promql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"loadline/query/promql/memory"
	"loadline/query/promql/series"
)

// counter returns a series that goes up by one each 10 s from second 0 on.
func counter(n int, ls ...string) *series.Series {
	s := &series.Series{Name: labels.FromStrings(ls...)}
	for i := range n {
		s.Column.Append(int64(i)*10_000, float64(i))
	}
	return s
}

func second(s int) time.Time { return time.UnixMilli(int64(s) * 1000) }

func TestLeavesAreComputed(t *testing.T) {
	data := memory.New(counter(100, "__name__", "a_total", "job", "x"), counter(100, "__name__", "a_total", "job", "y"))
	f := func(text, want string) {
		t.Helper()
		before := queriesLeaves.Get()
		got, q := evaluate(t, NewEngine(Config{}), data, nil, text, times{start: second(900)})
		if first, _, _ := strings.Cut(got, "\nwarnings"); first != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if queriesLeaves.Get() != before+1 {
			t.Errorf("%s: no leaf was computed", text)
		}
		if !strings.Contains(q.Statement().String(), "a_total") || strings.Contains(q.Statement().String(), "leaf") {
			t.Errorf("statement is %q", q.Statement())
		}
	}
	f(`sum(rate(a_total[1m]))`, "vector\n{} 0.2/3fc999999999999a @900000")
	f(`sum by (job) (a_total{job="x"})`, "vector\n{job=\"x\"} 90/4056800000000000 @900000")
	f(`count_over_time(a_total{job="y"}[1m] offset 1m)`, "vector\n{job=\"y\"} 6/4018000000000000 @900000")
	f(`max_over_time(sum(a_total)[1m:10s])`, "vector\n{} 180/4066800000000000 @900000")
	f(`-a_total{job="x"} @ 100`, "vector\n{job=\"x\"} -10/c024000000000000 @900000")
}

func TestQueryWithoutLeavesIsPlain(t *testing.T) {
	data := memory.New(counter(10, "__name__", "a_total"))
	f := func(text string) {
		t.Helper()
		before := queriesPlain.Get()
		evaluate(t, NewEngine(Config{}), data, nil, text, times{start: second(60)})
		if queriesPlain.Get() != before+1 {
			t.Errorf("%s: did not run as it is", text)
		}
	}
	f(`1 + 1`)
	f(`a_total[1m]`)
	f(`stddev_over_time(a_total[1m])`)
	f(`timestamp(a_total)`)
	f(`histogram_count(a_total)`)
	f(`rate(a_total[1m] smoothed)`)
	f(`a_total{"__loadline_leaf__"=""}`)
	f(`sum(`)
}

func TestFallbackHappensOnce(t *testing.T) {
	native := &series.Series{Name: labels.FromStrings("__name__", "native"), Histograms: []series.Histogram{
		{T: 0, H: &histogram.FloatHistogram{Count: 1, Sum: 1}}, {T: 30_000, H: &histogram.FloatHistogram{Count: 4, Sum: 7}},
	}}
	data := memory.New(native, counter(10, "__name__", "a_total"))
	e := NewEngine(Config{})
	text := `sum(rate(native[1m])) or sum(rate(a_total[1m]))`
	want, _ := evaluate(t, e.plain, data, nil, text, times{start: second(60)})
	for _, again := range []uint64{1, 0} {
		before := queriesFallback.Get()
		got, _ := evaluate(t, e, data, nil, text, times{start: second(60)})
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if n := queriesFallback.Get() - before; n != again {
			t.Errorf("fell back %d times, want %d", n, again)
		}
	}
}

func TestLimitsHoldInLeaves(t *testing.T) {
	data := memory.New(counter(100, "__name__", "a_total", "job", "x"), counter(100, "__name__", "a_total", "job", "y"))
	f := func(maxSamples int, want error) {
		t.Helper()
		q, err := NewEngine(Config{MaxSamples: maxSamples}).NewRangeQuery(context.Background(), data, nil, `sum(rate(a_total[1m]))`, second(0), second(600), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		if got := q.Exec(context.Background()).Err; !errors.Is(got, want) {
			t.Errorf("at most %d samples: %v, want %v", maxSamples, got, want)
		}
	}
	f(126, nil)
	f(125, upstream.ErrTooManySamples("query execution"))
	f(10, upstream.ErrTooManySamples("query execution"))
}

// stopping is a storage that cancels a query when the n-th series is read.
type stopping struct {
	memory.Storage
	left   int
	cancel func()
}

func (s *stopping) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := s.Storage.Querier(mint, maxt)
	return stoppingQuerier{q, s}, err
}

type stoppingQuerier struct {
	storage.Querier
	*stopping
}

func (q stoppingQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	return stoppingSet{q.Querier.Select(ctx, sorted, hints, matchers...), q.stopping}
}

type stoppingSet struct {
	storage.SeriesSet
	*stopping
}

func (s stoppingSet) Next() bool {
	if s.left--; s.left == 0 {
		s.cancel()
	}
	return s.SeriesSet.Next()
}

func TestCancelStopsALeaf(t *testing.T) {
	var all []*series.Series
	for i := range 50 {
		all = append(all, counter(100, "__name__", "a_total", "i", fmt.Sprint(i)))
	}
	data := &stopping{Storage: memory.New(all...), left: 3}
	q, err := NewEngine(Config{}).NewInstantQuery(context.Background(), data, nil, `sum(rate(a_total[1m]))`, second(600))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	data.cancel = q.Cancel
	if got, want := q.Exec(context.Background()).Err, upstream.ErrQueryCanceled("expression evaluation"); !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
	if data.left < -3 {
		t.Errorf("%d series were read after the end", -data.left)
	}
}

func TestTimeoutStopsALeaf(t *testing.T) {
	data := memory.New(counter(100, "__name__", "a_total"))
	q, err := NewEngine(Config{Timeout: time.Nanosecond}).NewInstantQuery(context.Background(), data, nil, `sum(rate(a_total[1m]))`, second(600))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var timeout upstream.ErrQueryTimeout
	if err := q.Exec(context.Background()).Err; !errors.As(err, &timeout) {
		t.Errorf("error %v", err)
	}
}

// failing is a series that cannot be read.
type failing struct {
	*series.Series
	err error
}

func (f failing) Floats(*series.Column) (bool, error) { return false, f.err }

type broken struct{ err error }

func (b broken) Querier(int64, int64) (storage.Querier, error) {
	q, err := memory.New().Querier(0, 0)
	return brokenQuerier{q, b.err}, err
}

type brokenQuerier struct {
	storage.Querier
	err error
}

func (q brokenQuerier) Select(context.Context, bool, *storage.SelectHints, ...*labels.Matcher) storage.SeriesSet {
	return series.NewSet([]storage.Series{failing{counter(9, "__name__", "a_total"), q.err}}, nil)
}

func TestErrorsOfSeriesAreReported(t *testing.T) {
	gone := errors.New("disk is gone")
	for _, text := range []string{`sum(a_total)`, `rate(a_total[1m])`} {
		q, err := NewEngine(Config{}).NewInstantQuery(context.Background(), broken{gone}, nil, text, second(60))
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Exec(context.Background()).Err; !errors.Is(err, gone) || !strings.Contains(err.Error(), "a_total") {
			t.Errorf("%s: error %v", text, err)
		}
		q.Close()
	}
}

func TestTypeAndUnitLabels(t *testing.T) {
	data := memory.New(
		counter(100, "__name__", "a", "__type__", "counter", "i", "1"),
		counter(100, "__name__", "a", "__type__", "gauge", "i", "2"),
		counter(100, "__name__", "b", "i", "1"),
		counter(100, "__name__", "b", "__unit__", "seconds", "i", "2"),
	)
	for _, labelled := range []bool{false, true} {
		e := NewEngine(Config{TypeAndUnitLabels: labelled})
		for _, text := range []string{`rate(a[1m])`, `sum(increase(a[1m]))`, `rate(b[1m])`, `sum by (__type__) (rate(a[1m]))`, `sum without (i) (a)`, `count by (__type__, __name__) (a)`} {
			want, _ := evaluate(t, e.plain, data, nil, text, times{start: second(600)})
			got, _ := evaluate(t, e, data, nil, text, times{start: second(600)})
			if got != want {
				t.Errorf("%s: got %s, want %s", text, got, want)
			}
		}
	}
}

func TestParserKnowsWhatIsExperimental(t *testing.T) {
	for _, text := range []string{`sort_by_label(a, "b")`, `rate(a[5m * 2])`, `a + fill(0) b`, `http.server.duration`, `limitk(1, a)`} {
		if _, err := Parser().ParseExpr(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestUnfitForgets(t *testing.T) {
	u := newUnfit()
	for i := range unfitLimit + 1 {
		u.add(fmt.Sprint(i))
	}
	if len(u.until) != 1 || !u.has(fmt.Sprint(unfitLimit)) || u.has("0") {
		t.Errorf("remembers %d metrics", len(u.until))
	}
	u.until["old"] = time.Now().Add(-time.Second)
	if u.has("old") {
		t.Error("remembers for ever")
	}
}

func TestSubqueryStepIsConfigured(t *testing.T) {
	data := memory.New(counter(100, "__name__", "a_total"))
	var results []string
	for _, step := range []time.Duration{0, time.Minute, 20 * time.Second} {
		got, _ := evaluate(t, NewEngine(Config{SubqueryStep: step}), data, nil, `count_over_time(sum(a_total)[5m:])`, times{start: second(600)})
		value, _, _ := strings.Cut(got, "\nwarnings")
		results = append(results, value)
	}
	if want := []string{"vector\n{} 5/4014000000000000 @600000", "vector\n{} 5/4014000000000000 @600000", "vector\n{} 15/402e000000000000 @600000"}; !slices.Equal(results, want) {
		t.Errorf("results %q", results)
	}
}
