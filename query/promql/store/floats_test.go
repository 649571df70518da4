package store

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"loadline/query/promql/series"
)

// counted returns what a metric counts while fn works.
func counted(name string, fn func()) uint64 {
	c := metrics.GetOrCreateCounter(name)
	before := c.Get()
	fn()
	return c.Get() - before
}

func sampleQueries(fn func()) uint64 { return counted("loadline_promql_sample_queries_total", fn) }

func TestEqualLabelsAreOneSeries(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("m", "gauge", 1, nil, "job", "a")
	f.series("m", "counter", 1, nil, "job", "a") // the same id, because the kind is no part of it
	f.series("m", "unknown", 2, nil, "job", "a")
	f.series("m", "delta", 3, nil, "job", "a")
	f.samples("m", "a", 1, 0, []int64{60, 0}, []float64{1, 0}) // not in order
	f.samples("m", "a", 1, 0, []int64{60, 120}, []float64{1, 2})
	f.samples("m", "a", 2, 0, []int64{90, 120}, []float64{7, 8})
	f.samples("m", "a", 3, base, []int64{200, 210, 220}, []float64{1, 2, 4})
	f.want(f.query(0, 200, "__name__=m"), `{__name__="m", job="a"} 0@0 1@60 7@90 8@120 1@200`)
}

func TestDeltasAreAddedUp(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("d", "delta", 1, nil, "job", "a")
	stale := math.Float64frombits(0x7ff0000000000002)
	f.samples("d", "a", 1, base, []int64{60}, []float64{1})
	f.samples("d", "a", 1, base+60_000, []int64{120}, []float64{2})
	f.samples("d", "a", 1, base+120_000, []int64{180}, []float64{stale})
	f.samples("d", "a", 1, base+180_000, []int64{240, 7300}, []float64{4, 8})
	f.want(f.query(0, 8000, "__name__=d"), `{__name__="d", job="a"} 1@60 3@120 NaN@180 7@240 15@7300`)
	f.want(f.query(61, 240, "__name__=d"), `{__name__="d", job="a"} 2@120 NaN@180 6@240`)
}

func TestClosedBucketsAreRemembered(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("m", "gauge", 1, nil, "job", "a")
	f.series("m", "gauge", 2, nil, "job", "a", "x", "absent")
	f.samples("m", "a", 1, 0, []int64{0, 60, 7260}, []float64{1, 2, 3})
	all := []string{`{__name__="m", job="a"} 1@0 2@60 3@7260`, `{__name__="m", job="a", x="absent"}`}
	f.want(f.query(0, 8000, "__name__=m"), all...)
	again := func(queries uint64, want ...string) {
		t.Helper()
		n := sampleQueries(func() { f.want(f.query(0, 8000, "__name__=m"), want...) })
		if n != queries {
			t.Errorf("%d queries for samples, want %d", n, queries)
		}
	}
	again(0, all...)

	f.compact(base)
	again(1, all...) // what samples had is gone, so the bucket has changed
	again(0, all...)
	f.exec("OPTIMIZE TABLE chunks FINAL")
	again(0, all...)

	late := []string{`{__name__="m", job="a"} 1@0 5@30 2@60 3@7260`, `{__name__="m", job="a", x="absent"} 9@40`}
	f.samples("m", "a", 1, 0, []int64{30}, []float64{5})
	f.samples("m", "a", 2, 0, []int64{40}, []float64{9})
	again(2, late...)
	again(0, late...)
	f.compact(base)
	again(1, late...)

	f.exec("ALTER TABLE chunks DROP PARTITION '2026-05-04'")
	f.want(f.query(0, 8000, "__name__=m"), `{__name__="m", job="a"} 3@7260`, `{__name__="m", job="a", x="absent"}`)
}

func TestOnlySomeSeriesAreRead(t *testing.T) {
	f := newFixture(t, Config{})
	f.exec(`INSERT INTO series (metric, service, series_id, labels, kind, first, last)
SELECT 'm', 'a', number, map('job', 'a', 'n', toString(number)), 'gauge', toDateTime('2026-05-04 00:00:00', 'UTC'), toDateTime('2026-05-05 00:00:00', 'UTC') FROM numbers(300)`)
	f.samples("m", "a", 7, 0, []int64{0}, []float64{7})
	f.samples("m", "a", 8, 0, []int64{0}, []float64{8})
	for _, c := range []struct {
		n       int
		queries uint64 // one for each table
	}{{7, 2}, {7, 0}, {8, 2}, {7, 0}, {8, 0}} {
		queries := sampleQueries(func() {
			f.want(f.query(0, 60, fmt.Sprintf("__name__=m n=%d", c.n)), fmt.Sprintf(`{__name__="m", job="a", n="%d"} %d@0`, c.n, c.n))
		})
		if queries != c.queries {
			t.Errorf("%d: %d queries, want %d", c.n, queries, c.queries)
		}
	}
	if n := len(f.query(0, 60, "__name__=m n=~1.*")); n != 111 {
		t.Errorf("%d series", n)
	}
	if n := sampleQueries(func() { f.query(0, 60, "__name__=m n=~1.*") }); n != 0 {
		t.Errorf("%d queries", n)
	}
}

// head is a Recent.
type head struct {
	from       int64
	generation uint64
	rows       []headRow
}

type headRow struct {
	metric, service string
	id              uint64
	st              int64
	t               []int64
	v               []float64
}

func (h *head) Floats(metric string, mint, maxt int64, fn func(service string, id uint64, st int64, t []int64, v []float64)) int64 {
	for _, r := range h.rows {
		if r.metric != metric {
			continue
		}
		var t []int64
		var v []float64
		for i := range r.t {
			if r.t[i] >= mint && r.t[i] <= maxt {
				t, v = append(t, r.t[i]), append(v, r.v[i])
			}
		}
		if len(t) > 0 {
			fn(r.service, r.id, r.st, t, v)
		}
	}
	return h.from
}

// FloatsOf implements Recent: nothing is wrong with giving more than was asked for.
func (h *head) FloatsOf(metric string, ids []uint64, mint, maxt int64, fn func(service string, id uint64, st int64, t []int64, v []float64)) int64 {
	of := head{from: h.from}
	for _, r := range h.rows {
		if slices.Contains(ids, r.id) {
			of.rows = append(of.rows, r)
		}
	}
	return of.Floats(metric, mint, maxt, fn)
}

func (h *head) Generation(string) uint64 { return h.generation }

func TestRecentSamplesNeedNoQuery(t *testing.T) {
	h := &head{from: base + 100_000, generation: 1}
	f := newFixture(t, Config{Recent: h, SoleWriter: true})
	f.series("m", "gauge", 1, nil, "job", "a")
	f.samples("m", "a", 1, 0, []int64{0, 60, 90, 120}, []float64{1, 2, 3, 99})
	h.rows = []headRow{
		{"m", "a", 1, 0, []int64{base + 80_000, base + 90_000, base + 120_000}, []float64{8, 3, 4}},
		{"m", "a", 1, base, []int64{base + 180_000}, []float64{5}},
		{"m", "b", 1, 0, []int64{base + 120_000}, []float64{6}},
	}
	f.want(f.query(0, 200, "__name__=m"), `{__name__="m", job="a"} 1@0 2@60 8@80 3@90 4@120 5@180/0`)
	queries := func() uint64 {
		return sampleQueries(func() {}) + counted("loadline_promql_part_queries_total", func() {
			if n := sampleQueries(func() {
				f.want(f.query(100, 200, "__name__=m"), `{__name__="m", job="a"} 4@120 5@180/0`)
			}); n > 0 {
				t.Errorf("%d queries", n)
			}
		})
	}
	if n := queries(); n > 0 {
		t.Errorf("%d queries for parts", n)
	}

	// A series that is new is found when the generation says so.
	f.series("m", "gauge", 2, nil, "job", "b")
	h.rows = append(h.rows, headRow{"m", "b", 2, 0, []int64{base + 150_000}, []float64{7}})
	f.want(f.query(100, 200, "__name__=m"), `{__name__="m", job="a"} 4@120 5@180/0`)
	h.generation++
	f.want(f.query(100, 200, "__name__=m"), `{__name__="m", job="a"} 4@120 5@180/0`, `{__name__="m", job="b"} 7@150`)
}

// Another process may write, too: what memory holds is not all.
func TestRecentSamplesAreNotAll(t *testing.T) {
	h := &head{from: base}
	f := newFixture(t, Config{Recent: struct{ Recent }{h}}) // which is not selective
	f.series("m", "gauge", 1, nil, "job", "a")
	f.samples("m", "a", 1, 0, []int64{0, 60}, []float64{1, 2})
	h.rows = []headRow{{"m", "a", 1, 0, []int64{base + 60_000, base + 90_000}, []float64{2, 3}}}
	f.want(f.query(0, 100, "__name__=m"), `{__name__="m", job="a"} 1@0 2@60 3@90`)
}

// TestAnyPlacement puts samples of one series anywhere they may be, and again elsewhere, and compares with a map.
func TestAnyPlacement(t *testing.T) {
	h := &head{from: math.MaxInt64}
	f := newFixture(t, Config{Recent: h, SoleWriter: true})
	r := rand.New(rand.NewPCG(1, 2))
	model := map[int64]float64{}
	f.series("m", "gauge", 1, nil, "job", "a")
	for round := range 12 {
		for range 3 {
			seconds := map[int64]bool{}
			for range 1 + r.IntN(6) {
				seconds[r.Int64N(3*7200)] = true
			}
			var times []int64
			var values []float64
			for s := range seconds {
				times = append(times, s)
			}
			slices.Sort(times)
			bucket := times[0] / 7200
			for _, s := range times {
				values = append(values, float64(s)/10)
			}
			switch r.IntN(3) {
			case 0:
				f.samples("m", "a", 1, 0, times, values)
			case 1:
				var ms []int64
				for _, s := range times {
					ms = append(ms, base+s*1000)
				}
				h.rows = append(h.rows, headRow{"m", "a", 1, 0, ms, values})
			case 2:
				times = slices.DeleteFunc(times, func(s int64) bool { return s/7200 != bucket })
				var off []uint32
				for _, s := range times {
					off = append(off, uint32(s-bucket*7200)*1000)
				}
				f.chunks("m", "a", 1, base+bucket*bucketMs, 0, off, values[:len(times)])
			}
			for _, s := range times {
				model[s] = float64(s) / 10
			}
		}
		if round%4 == 3 {
			f.compact(base + int64(r.IntN(2))*bucketMs)
		}
		for range 3 {
			from, to := r.Int64N(3*7200), r.Int64N(3*7200)
			from, to = min(from, to), max(from, to)
			line := `{__name__="m", job="a"}`
			var times []int64
			for s := range model {
				if s >= from && s <= to {
					times = append(times, s)
				}
			}
			slices.SortFunc(times, cmp.Compare)
			for _, s := range times {
				line += fmt.Sprintf(" %v@%v", model[s], float64(s))
			}
			f.want(f.query(from, to, "__name__=m"), line)
		}
	}
}

func TestConcurrentQueries(t *testing.T) {
	f := newFixture(t, Config{CacheBytes: 3000})
	f.step = 0
	f.exec(`INSERT INTO series (metric, service, series_id, labels, kind, first, last)
SELECT 'm', 'a', number, map('job', 'a', 'n', toString(number)), 'gauge', toDateTime('2026-05-04 00:00:00', 'UTC'), toDateTime('2026-05-05 00:00:00', 'UTC') FROM numbers(10)`)
	for i := range 10 {
		f.samples("m", "a", uint64(i), 0, []int64{0, 7200}, []float64{float64(i), float64(2 * i)})
	}
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			q, err := f.store.Querier(base, base+2*bucketMs)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 10 {
				n := (g + i) % 10
				set := q.Select(t.Context(), true, nil, matchers(t, fmt.Sprintf("__name__=m n=~%d|%d", n, (n+5)%10))...)
				count, sum := 0, 0.0
				var c series.Column
				for set.Next() {
					count++
					if _, err := set.At().(series.Floats).Floats(&c); err != nil {
						t.Error(err)
					}
					for _, v := range c.V {
						sum += v
					}
				}
				if want := float64(3 * (n + (n+5)%10)); set.Err() != nil || count != 2 || sum != want {
					t.Errorf("%d series, sum %v, want %v, %v", count, sum, want, set.Err())
				}
			}
		})
	}
	wait.Wait()
}
