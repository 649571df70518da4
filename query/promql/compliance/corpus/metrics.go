package corpus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"loadline/query/promql/series"
)

// interval is the time between two samples of most series.
const interval = 15 * time.Second

// Metrics returns the metrics of a demo service with three instances, the same at each call: counters that are reset,
// gauges, classic and native histograms, special values, holes, stale markers, start timestamps and odd names.
func Metrics() []*series.Series {
	d := &demo{random: rand.New(rand.NewPCG(1, 2))}
	for n := 1; n <= 3; n++ {
		d.instance = fmt.Sprintf("web-%d", n)
		d.machine(n)
		d.requests()
		d.irregular(n)
		d.histograms(n)
	}
	d.specials()
	return d.all
}

type demo struct {
	random   *rand.Rand
	instance string
	all      []*series.Series
}

// add makes a series of the instance and a sample of it for each interval; sample returns false for none. The names are
// pairs of label names and values.
func (d *demo) add(name string, sample func(i int, t int64) (float64, bool), pairs ...string) *series.Series {
	pairs = append([]string{"__name__", name, "job", "demo"}, pairs...)
	if d.instance != "" {
		pairs = append(pairs, "instance", d.instance)
	}
	s := &series.Series{Name: labels.FromStrings(pairs...)}
	i := 0
	for at := Start; at.Before(End); at = at.Add(interval) {
		if v, ok := sample(i, at.UnixMilli()); ok {
			s.Column.Append(at.UnixMilli(), v)
		}
		i++
	}
	d.all = append(d.all, s)
	return s
}

// counter grows by a random number up to step each time, and starts anew at sample reset.
func (d *demo) counter(step float64, whole bool, reset int) func(int, int64) (float64, bool) {
	var v float64
	return func(i int, _ int64) (float64, bool) {
		if i == reset {
			v = 0
		}
		grown := d.random.Float64() * step
		if whole {
			grown = math.Floor(grown)
		}
		v += grown
		return v, true
	}
}

// walk is a gauge that wanders in steps of a unit.
func (d *demo) walk(v, unit float64) func(int, int64) (float64, bool) {
	return func(int, int64) (float64, bool) {
		v += math.Round((d.random.Float64()-0.5)*20) * unit
		return v, true
	}
}

func (d *demo) machine(n int) {
	for _, mode := range []string{"user", "system", "idle"} {
		reset := -1
		if n == 2 {
			reset = 500
		}
		d.add("demo_cpu_usage_seconds_total", d.counter(float64(3*n), false, reset), "mode", mode)
	}
	for _, kind := range []string{"used", "free", "buffers", "cached"} {
		d.add("demo_memory_usage_bytes", d.walk(1e8*float64(n+1), 4096), "type", kind)
	}
	for _, device := range []string{"sda", "sdb"} {
		d.add("demo_disk_usage_bytes", d.walk(1e10, 512.5), "device", device)
		d.add("demo_disk_total_bytes", func(int, int64) (float64, bool) { return 5e10, true }, "device", device)
	}
	d.add("demo_num_cpus", func(int, int64) (float64, bool) { return float64(int(1) << n), true })
	d.add("up", func(i int, _ int64) (float64, bool) { return float64(min(1, (i+n)%50)), true })
	d.add("target_info", func(int, int64) (float64, bool) { return 1, true }, "version", "1."+strconv.Itoa(n))
	d.add("demo_build_info", func(i int, _ int64) (float64, bool) { return 1, i < 600 }, "version", "old")
	d.add("demo_build_info", func(i int, _ int64) (float64, bool) { return 1, i > 640 }, "version", "new")
	d.add("demo_last_success_timestamp_seconds", func(_ int, t int64) (float64, bool) {
		return math.Floor(float64(t)/300_000)*300 + 0.125, true
	})
}

func (d *demo) requests() {
	for _, method := range []string{"GET", "POST"} {
		for _, path := range []string{"/", "/cart", "/ünïcode"} {
			for _, status := range []string{"200", "404", "500"} {
				d.add("demo_http_requests_total", d.counter(40, true, 900), "method", method, "path", path, "status", status)
			}
		}
	}
	bounds := []string{"0.01", "0.05", "0.1", "0.5", "1", "+Inf"}
	counts := make([][]float64, len(bounds))
	var sums, totals []float64
	var sum float64
	total := make([]float64, len(bounds))
	for range int(End.Sub(Start) / interval) {
		for range d.random.IntN(30) {
			seconds := d.random.ExpFloat64() * 0.2
			sum += seconds
			for b, bound := range bounds {
				if le, _ := strconv.ParseFloat(bound, 64); seconds <= le {
					total[b]++
				}
			}
		}
		for b := range bounds {
			counts[b] = append(counts[b], total[b])
		}
		sums, totals = append(sums, sum), append(totals, total[len(total)-1])
	}
	of := func(all []float64) func(int, int64) (float64, bool) {
		return func(i int, _ int64) (float64, bool) { return all[i], true }
	}
	for b, bound := range bounds {
		d.add("demo_duration_seconds_bucket", of(counts[b]), "le", bound)
	}
	d.add("demo_duration_seconds_sum", of(sums))
	d.add("demo_duration_seconds_count", of(totals))
}

// irregular makes series whose samples are not every 15 seconds.
func (d *demo) irregular(n int) {
	d.add("demo_intermittent", func(i int, _ int64) (float64, bool) {
		switch i % (90 + n) {
		case 60:
			return math.Float64frombits(value.StaleNaN), n != 3
		default:
			return float64(i), i%(90+n) < 60
		}
	})
	s := &series.Series{Name: labels.FromStrings("__name__", "demo_items_shipped_total", "job", "demo", "instance", d.instance)}
	var v float64
	for at := Start.UnixMilli() + int64(n)*1234; at < End.UnixMilli(); at += 1 + d.random.Int64N(40_000) {
		v += math.Round(d.random.ExpFloat64()*100) / 100
		s.Column.Append(at, v)
	}
	d.all = append(d.all, s)

	started := d.add("demo_started_total", d.counter(9, true, 400))
	for i, t := range started.Column.T {
		start := Start.UnixMilli() - 5000
		if i >= 400 {
			start = Start.UnixMilli() + 400*interval.Milliseconds() - 7000
		}
		if t < Start.UnixMilli()+int64(2*time.Hour/time.Millisecond) || n > 1 {
			started.Column.ST = append(started.Column.ST, start)
		} else {
			started.Column.ST = append(started.Column.ST, 0)
		}
	}
}

func (d *demo) histograms(n int) {
	sizes := d.native("demo_size_bytes", n, "path", "/")
	sizes.Name = labels.FromStrings("__name__", "demo_size_bytes", "job", "demo", "instance", d.instance, "path", "/")
	gauge := d.native("demo_queue_gauge", n)
	for i := range gauge.Histograms {
		gauge.Histograms[i].H.CounterResetHint = histogram.GaugeType
	}
	d.custom(n)
	// Half floats, half histograms.
	mixed := d.add("demo_mixed", d.counter(5, true, -1))
	half := len(mixed.Column.T) / 2
	if n != 2 {
		mixed.Column.T, mixed.Column.V = mixed.Column.T[:half], mixed.Column.V[:half]
	}
	if n == 3 {
		for _, h := range sizes.Histograms[half:] {
			mixed.Histograms = append(mixed.Histograms, series.Histogram{T: h.T, H: h.H.Copy()})
		}
	}
}

// native makes a native histogram with exponential buckets that starts anew at sample 700 and has holes.
func (d *demo) native(name string, n int, pairs ...string) *series.Series {
	s := d.add(name, func(int, int64) (float64, bool) { return 0, false }, pairs...)
	h := fresh(int32(n))
	i := 0
	for at := Start; at.Before(End); at = at.Add(interval) {
		if i == 700 {
			h = fresh(int32(n))
		}
		for range d.random.IntN(5) {
			b := d.random.IntN(len(h.PositiveBuckets))
			h.PositiveBuckets[b]++
			h.Count++
			h.Sum += math.Exp2(float64(b))
		}
		if d.random.IntN(4) == 0 {
			h.ZeroCount++
			h.Count++
		}
		if i++; i%200 < 180 {
			s.Histograms = append(s.Histograms, series.Histogram{T: at.UnixMilli(), H: h.Copy()})
		}
	}
	return s
}

func fresh(schema int32) *histogram.FloatHistogram {
	return &histogram.FloatHistogram{
		Schema: schema, ZeroThreshold: 0.001,
		PositiveSpans: []histogram.Span{{Offset: 2, Length: 4}, {Offset: 3, Length: 4}}, PositiveBuckets: make([]float64, 8),
		NegativeSpans: []histogram.Span{{Offset: -1, Length: 2}}, NegativeBuckets: make([]float64, 2),
	}
}

// custom makes a native histogram with custom buckets, which are other ones later.
func (d *demo) custom(n int) {
	s := d.add("demo_render_seconds", func(int, int64) (float64, bool) { return 0, false })
	counts := make([]float64, 4)
	var sum float64
	i := 0
	for at := Start; at.Before(End); at = at.Add(interval) {
		b := d.random.IntN(len(counts))
		counts[b]++
		sum += float64(b) / 3
		bounds := []float64{0.1, 0.5, 2}
		if i > 800 && n == 1 {
			bounds = []float64{0.1, 0.25, 2}
		}
		i++
		h := &histogram.FloatHistogram{
			Schema: histogram.CustomBucketsSchema, Sum: sum, CustomValues: bounds,
			PositiveSpans: []histogram.Span{{Length: 4}}, PositiveBuckets: append([]float64(nil), counts...),
		}
		for _, c := range counts {
			h.Count += c
		}
		s.Histograms = append(s.Histograms, series.Histogram{T: at.UnixMilli(), H: h})
	}
}

// specials makes series of special values and odd names that belong to no instance.
func (d *demo) specials() {
	d.instance = ""
	constant := func(v float64) func(int, int64) (float64, bool) {
		return func(int, int64) (float64, bool) { return v, true }
	}
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 5e-324, math.MaxFloat64, 0.1}
	for i, kind := range []string{"nan", "inf", "minus_inf", "minus_zero", "denormal", "huge", "tenth"} {
		d.add("demo_special", constant(values[i]), "kind", kind)
	}
	d.add("demo_special", func(i int, _ int64) (float64, bool) {
		return []float64{1, math.NaN(), 0, math.Inf(1), -1e300, 1e300}[i%6], true
	}, "kind", "changing")
	d.add("demo.sent.messages", d.counter(7, true, -1), "to.address", "a@example.org")
	d.add("demo.sent.messages", d.counter(7, true, -1), "to.address", "b@example.org")
}
