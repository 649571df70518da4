package promql

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/promql/kernel"
	"loadline/query/promql/memory"
	"loadline/query/promql/series"
)

// randomData returns series with all that is awkward: resets, gaps, jitter, stale markers, NaN, infinities, negative
// zero, start timestamps, and histograms instead of and among floats.
func randomData(r *rand.Rand, base int64) memory.Storage {
	var all []*series.Series
	for _, name := range []string{"requests_total", "events", "temperature", "queue", "latency_bucket", "mixed", "native"} {
		for i := range 2 + r.IntN(8) {
			ls := []string{"__name__", name, "job", pick(r, "a", "b"), "instance", fmt.Sprint(i)}
			if name == "latency_bucket" {
				ls = append(ls, "le", []string{"0.1", "0.5", "1", "+Inf"}[i%4], "instance", fmt.Sprint(i/4))
			}
			all = append(all, randomSeries(r, name, labels.FromStrings(ls...), base))
		}
	}
	return memory.New(all...)
}

func randomSeries(r *rand.Rand, name string, ls labels.Labels, base int64) *series.Series {
	s := &series.Series{Name: ls}
	t, v := base+int64(r.IntN(60_000)), 0.0
	starts, every := r.IntN(4) == 0, []int64{5_000, 15_000, 15_000, 60_000}[r.IntN(4)]
	odd := r.IntN(3) == 0 // has odd values
	for t < base+3_600_000 {
		switch name {
		case "temperature":
			v += r.Float64()*10 - 5
		case "queue":
			v = float64(r.IntN(50) - 10)
		default:
			v += float64(r.IntN(20))
			if r.IntN(60) == 0 {
				v = float64(r.IntN(3))
			}
		}
		x := v
		if odd && r.IntN(20) == 0 {
			x = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, kernel.Absent(), 1e308, -1e308, 1e-300}[r.IntN(9)]
		}
		if name == "native" || name == "mixed" && r.IntN(9) == 0 {
			s.Histograms = append(s.Histograms, series.Histogram{T: t, H: randomHistogram(v)})
		} else {
			s.Column.T, s.Column.V = append(s.Column.T, t), append(s.Column.V, x)
			if starts {
				s.Column.ST = append(s.Column.ST, base-int64(r.IntN(2)))
			}
		}
		switch t += every; r.IntN(40) {
		case 0:
			t += int64(r.IntN(900_000))
		case 1, 2, 3, 4:
			t += int64(r.IntN(100))
		}
	}
	return s
}

func randomHistogram(v float64) *histogram.FloatHistogram {
	return &histogram.FloatHistogram{
		Schema: 1, Count: v, Sum: v * 3, ZeroThreshold: 0.001,
		PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}}, PositiveBuckets: []float64{v},
	}
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// expressions makes random expressions.
type expressions struct {
	r *rand.Rand
}

func (x expressions) pick(of ...string) string { return pick(x.r, of...) }

func (x expressions) selector() string {
	s := x.pick("requests_total", "requests_total", "events", "temperature", "queue", "latency_bucket", "requests_total", "mixed", "native", `{__name__=~"events|queue"}`, "nothing")
	if x.r.IntN(3) == 0 && !strings.HasPrefix(s, "{") {
		s += x.pick(`{job="a"}`, `{instance=~"[0-3]"}`, `{job!="a",instance!="2"}`)
	}
	return s
}

func (x expressions) modifier() string {
	if x.r.IntN(4) > 0 {
		return ""
	}
	return x.pick(" offset 5m", " offset -3m", " offset 7s", " @ 1000900", " @ start()", " @ end()", " @ 1001000 offset 2m", " offset step()", " @ end() offset -1m", " offset (1m+30s)")
}

func (x expressions) duration() string {
	return x.pick("1m", "5m", "5m", "90s", "15s", "20m", "1h", "100ms", "step()*2", "2m+1s")
}

func (x expressions) function() string {
	f := x.pick("rate", "rate", "increase", "delta", "irate", "idelta", "sum_over_time", "avg_over_time", "min_over_time",
		"max_over_time", "count_over_time", "last_over_time", "present_over_time", "changes", "resets", "stddev_over_time", "deriv", "absent_over_time", "first_over_time")
	return f + "(" + x.selector() + "[" + x.duration() + "]" + x.modifier() + ")"
}

func (x expressions) grouping() string {
	return x.pick("", " by (job)", " by (instance, job)", " without (instance)", " by (le)", " by (__name__)", " without (job, le)", " by (missing)", " by (__name__, job)", " by ()", " without ()")
}

func (x expressions) aggregation(depth int) string {
	op := x.pick("sum", "avg", "min", "max", "count", "group", "stddev", "sum")
	inner := x.vector(depth)
	if x.r.IntN(2) == 0 {
		return op + x.grouping() + " (" + inner + ")"
	}
	return op + "(" + inner + ")" + x.grouping()
}

func (x expressions) subquery(depth int) string {
	f := x.pick("max_over_time", "sum_over_time", "avg_over_time", "rate", "last_over_time", "count_over_time", "absent_over_time")
	return f + "((" + x.vector(depth) + ")[" + x.pick("5m", "20m", "1h") + ":" + x.pick("", "1m", "17s", "5m") + "]" + x.pick("", "", " offset 3m", " @ 1001000", " @ end()", " offset -1m") + ")"
}

// vector returns an expression of an instant vector.
func (x expressions) vector(depth int) string {
	if depth == 0 {
		if x.r.IntN(3) == 0 {
			return x.selector() + x.modifier()
		}
		return x.function()
	}
	depth--
	switch x.r.IntN(16) {
	case 0, 1, 2, 3, 4:
		return x.aggregation(depth)
	case 5, 6:
		return "(" + x.vector(depth) + x.pick(" / ", " - ", " > ", " * on(job) group_left ", " and on(job) ", " or ", " unless ", " == bool ", " + ignoring(le) ") + x.vector(depth) + ")"
	case 7:
		return "(" + x.vector(depth) + x.pick(" * 3", " > 2", " ^ 2", " - time()", " < bool 7") + ")"
	case 8:
		return x.pick("topk(2, ", "bottomk(1, ", "quantile(0.7, ", "count_values(\"v\", ", "limitk(2, ", "limit_ratio(0.5, ") + x.vector(depth) + ")" + x.grouping()
	case 9:
		return x.subquery(depth)
	case 10:
		return x.pick("abs", "-", "ceil", "sort", "sort_desc", "timestamp", "absent", "sgn", "histogram_count", "histogram_sum", "(", "scalar", "hour") + "(" + x.vector(depth) + ")"
	case 11:
		return `label_replace(` + x.vector(depth) + `, "dst", "$1-x", "` + x.pick("job", "__name__", "instance") + `", "(.*)")`
	case 12:
		return "histogram_quantile(0.9, " + x.pick("sum by (le) ", "sum without (instance) ", "sum by (job) ", "") + "(" + x.function() + "))"
	case 13:
		return "clamp_max(" + x.vector(depth) + ", scalar(" + x.vector(depth) + "))"
	case 14:
		return `label_join(` + x.vector(depth) + `, "` + x.pick("job", "dst", "__name__") + `", "-", "job", "instance")`
	}
	return x.vector(depth)
}

// randomTimes returns when to evaluate over random data.
func randomTimes(r *rand.Rand, base int64) times {
	start := time.UnixMilli(base + int64(r.IntN(2_000_000)))
	if r.IntN(3) == 0 {
		return times{start: start, end: start}
	}
	step := []time.Duration{time.Minute, 15 * time.Second, 7 * time.Second, 10 * time.Minute, 1333 * time.Millisecond}[r.IntN(5)]
	return times{start: start, end: start.Add(time.Duration(r.IntN(60)) * step).Add(time.Duration(r.IntN(1000)) * time.Millisecond), step: step}
}
