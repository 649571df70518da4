package head_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"loadline/ingest/head"
	"loadline/ingest/samples"
)

var now = time.Date(2026, 11, 22, 11, 58, 0, 0, time.UTC)

// row is a row of the given samples, which lie in one bucket.
func row(metric string, id uint64, st int64, at time.Time, step time.Duration, values ...float64) samples.Row {
	r := samples.Row{Metric: metric, Service: fmt.Sprint("s", id%3), ID: id, ST: st, Values: values}
	for i := range values {
		bucket, offset := samples.Split(uint64(at.Add(time.Duration(i) * step).UnixNano()))
		if i == 0 {
			r.Bucket = bucket
		}
		r.Offsets = append(r.Offsets, offset+(bucket-r.Bucket)*1000)
	}
	return r
}

// sample is what Floats tells of one.
type sample struct {
	Service string
	ID      uint64
	ST, T   int64
	V       float64
}

// read returns the samples in a range, each once, and the watermark.
func read(t testing.TB, h *head.Head, metric string, mint, maxt int64) ([]sample, int64) {
	t.Helper()
	var got []sample
	from := h.Floats(metric, mint, maxt, func(service string, id uint64, st int64, times []int64, values []float64) {
		if len(times) == 0 || len(times) != len(values) || !slices.IsSorted(times) {
			t.Errorf("series %d comes with times %v and %d values", id, times, len(values))
		}
		for i := range times {
			got = append(got, sample{service, id, st, times[i], values[i]})
		}
	})
	slices.SortFunc(got, func(a, b sample) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.T, b.T)) })
	return slices.Compact(got), from
}

func all(t testing.TB, h *head.Head, metric string) []sample {
	t.Helper()
	got, _ := read(t, h, metric, 0, 1<<62)
	return got
}

func ms(d time.Duration) int64 { return now.Add(d).UnixMilli() }

func TestFloats(t *testing.T) {
	h := head.New(head.Config{}, now)
	h.Add(now, []samples.Row{
		row("a", 1, 5, now, time.Second, 1, 2, 3),
		row("a", 2, 0, now, time.Second, 4),
		row("b", 1, 5, now, time.Second, 9),
	})
	h.Add(now, []samples.Row{
		row("a", 1, 5, now.Add(time.Second), time.Second, 7, 7, 5), // the first two are there
		row("a", 1, 5, now.Add(-time.Second), time.Second, 0),      // out of order
		row("a", 2, 8, now.Add(time.Second), time.Second, 6),       // began to count again
	})
	want := []sample{
		{"s1", 1, 5, ms(-time.Second), 0},
		{"s1", 1, 5, ms(0), 1},
		{"s1", 1, 5, ms(time.Second), 2},
		{"s1", 1, 5, ms(2 * time.Second), 3},
		{"s1", 1, 5, ms(3 * time.Second), 5},
		{"s2", 2, 0, ms(0), 4},
		{"s2", 2, 8, ms(time.Second), 6},
	}
	if d := gocmp.Diff(want, all(t, h, "a")); d != "" {
		t.Error(d)
	}
	got, from := read(t, h, "a", ms(time.Second), ms(2*time.Second))
	if d := gocmp.Diff([]sample{want[2], want[3], want[6]}, got); d != "" {
		t.Error(d)
	}
	if from != ms(time.Minute) {
		t.Errorf("complete from %d, want a minute after the start", from)
	}
	h.CompleteFrom(now.Add(time.Second))
	h.CompleteFrom(now.Add(time.Hour))
	if _, from := read(t, h, "a", 0, 0); from != ms(time.Hour) {
		t.Errorf("complete from %d, want an hour after the start", from)
	}
	if got := all(t, h, "nothing"); got != nil || h.Series() != 3 {
		t.Errorf("%v and %d series", got, h.Series())
	}
}

// TestAgainstMap feeds random samples, some late, some twice, and compares with a map: nothing that is not flushed may be
// missing, nor anything from the watermark on.
func TestAgainstMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	h := head.New(head.Config{MaxBytes: 60_000, Window: 40 * time.Minute}, now)
	type moment struct {
		id uint64
		t  int64
	}
	batches := map[moment]uint64{}
	values := map[moment]float64{}
	at, flushed := now, uint64(0)
	for range 2000 {
		at = at.Add(5 * time.Second)
		var rows []samples.Row
		var moments []moment
		for range 1 + random.IntN(8) {
			when := at.Add(-time.Duration(random.IntN(30_000)) * time.Millisecond)
			if random.IntN(10) == 0 {
				when = at.Add(-time.Duration(random.IntN(3600)) * time.Second)
			}
			id := random.Uint64N(5)
			m := moment{id, when.UnixMilli()}
			v, ok := values[m]
			if !ok {
				v = random.Float64()
			}
			values[m] = v
			rows = append(rows, row("m", id, int64(random.IntN(2)), when, 0, v))
			moments = append(moments, m)
		}
		batch := h.Add(at, rows)
		for _, m := range moments {
			if batches[m] == 0 {
				batches[m] = batch
			}
		}
		if random.IntN(12) == 0 {
			flushed = batch - min(batch, random.Uint64N(6))
			h.Flushed(at, flushed)
		}
		if random.IntN(20) == 0 {
			got, from := read(t, h, "m", 0, 1<<62)
			found := map[moment]bool{}
			for _, s := range got {
				m := moment{s.ID, s.T}
				found[m] = true
				if v, ok := values[m]; !ok || v != s.V {
					t.Fatalf("found %+v, want %v", s, v)
				}
			}
			for m, batch := range batches {
				if !found[m] && (m.t >= from || batch > flushed) {
					t.Fatalf("sample of %s before the last and batch %d is missing; the watermark is %s ago, flushed %d",
						at.Sub(time.UnixMilli(m.t)), batch, at.Sub(time.UnixMilli(from)), flushed)
				}
			}
		}
	}
	if _, from := read(t, h, "m", 0, 0); from < at.Add(-45*time.Minute).UnixMilli() || from > at.UnixMilli() {
		t.Errorf("the watermark is %s behind", at.Sub(time.UnixMilli(from)))
	}
}

// fill adds n series at each of count moments, and flushes now and then.
func fill(h *head.Head, at time.Time, n, count int, step time.Duration) {
	rows := make([]samples.Row, n)
	offsets, values := make([]uint32, n), make([]float64, n)
	for i := range count {
		when := at.Add(time.Duration(i) * step)
		for id := range rows {
			bucket, offset := samples.Split(uint64(when.UnixNano()))
			offsets[id], values[id] = offset, float64(i)
			rows[id] = samples.Row{
				Metric: "m", Service: "s", Bucket: bucket, ID: uint64(id) * 0x9e3779b97f4a7c15,
				Offsets: offsets[id : id+1], Values: values[id : id+1],
			}
		}
		batch := h.Add(when, rows)
		if i%4 == 3 {
			h.Flushed(when, batch)
		}
	}
}

// TestBytes: the bound holds, the window ends, and what is empty costs nothing.
func TestBytes(t *testing.T) {
	h := head.New(head.Config{MaxBytes: 2 << 20}, now)
	fill(h, now, 1000, 480, 15*time.Second)
	if n := h.Bytes(); n > 2<<20+200_000 || n < 1<<20 {
		t.Errorf("%d bytes, want at most 2 MiB and a little", n)
	}
	end := now.Add(479 * 15 * time.Second)
	got, from := read(t, h, "m", 0, 1<<62)
	if behind := end.UnixMilli() - from; behind < 20*60_000 || behind > 100*60_000 {
		t.Errorf("the watermark is %d ms behind", behind)
	}
	if len(got) < 1000*int(end.UnixMilli()-from)/15_000 {
		t.Errorf("%d samples", len(got))
	}
	later := end.Add(3 * time.Hour)
	h.Flushed(later, h.Add(later, nil))
	later = later.Add(3 * time.Hour)
	h.Add(later, nil)
	if h.Bytes() != 0 || h.Series() != 0 {
		t.Errorf("%d bytes and %d series are left of nothing", h.Bytes(), h.Series())
	}
}

// TestUnflushed: what is not in ClickHouse stays, whatever the bound.
func TestUnflushed(t *testing.T) {
	h := head.New(head.Config{MaxBytes: 100_000}, now)
	rows := []samples.Row{row("m", 1, 0, now, time.Second, make([]float64, 100)...)}
	first := h.Add(now, rows)
	for i := range 200 {
		at := now.Add(time.Duration(i) * time.Minute)
		h.Add(at, []samples.Row{row("n", uint64(i), 0, at, 0, 1), row("old", uint64(i), 0, at.Add(-48*time.Hour), 0, 1)})
	}
	if n := len(all(t, h, "m")); n != 100 {
		t.Errorf("%d of 100 samples are left", n)
	}
	if n := len(all(t, h, "old")); n != 200 {
		t.Errorf("%d of 200 late samples are left", n)
	}
	at := now.Add(200 * time.Minute)
	h.Flushed(at, first)
	if n := len(all(t, h, "n")) + len(all(t, h, "old")); n != 400 {
		t.Errorf("%d of 400 samples are left", n)
	}
	h.Flushed(at, first+200)
	h.Flushed(at, h.Add(at, []samples.Row{row("n", 1, 0, at, 0, 1)}))
	if n := len(all(t, h, "m")) + len(all(t, h, "old")); n != 0 {
		t.Errorf("%d samples are left", n)
	}
}

func TestGeneration(t *testing.T) {
	h := head.New(head.Config{}, now)
	a, b, any := h.Generation("a"), h.Generation("b"), h.Generation("")
	h.Announce([]string{"a"})
	h.Announce(nil)
	if h.Generation("a") == a || h.Generation("b") != b || h.Generation("") == any {
		t.Errorf("generations %d %d %d", h.Generation("a"), h.Generation("b"), h.Generation(""))
	}
}

// TestConcurrently reads while samples come and go.
func TestConcurrently(t *testing.T) {
	h := head.New(head.Config{MaxBytes: 300_000, Window: 10 * time.Minute}, now)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, from := read(t, h, "m", 0, 1<<62)
				seen := map[uint64]int64{}
				for _, s := range got {
					if last := seen[s.ID]; last >= from && s.T-last > 15_000 {
						t.Errorf("a gap of %d ms behind the watermark", s.T-last)
						return
					}
					seen[s.ID] = s.T
				}
				h.Generation("m")
			}
		})
	}
	fill(h, now, 100, 1000, 15*time.Second)
	close(done)
	readers.Wait()
}

func BenchmarkAdd(b *testing.B) {
	f := func(name string, series, count int) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h := head.New(head.Config{MaxBytes: 1 << 30}, now)
				fill(h, now, series, count, 15*time.Second)
				b.ReportMetric(float64(h.Bytes())/float64(series*count), "bytes/sample")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*series*count), "ns/sample")
		})
	}
	f("10k series", 10_000, 480)
	f("1M series", 1_000_000, 2)
}

func BenchmarkFloats(b *testing.B) {
	h := head.New(head.Config{MaxBytes: 1 << 30}, now)
	fill(h, now, 10_000, 480, 15*time.Second)
	for b.Loop() {
		n := 0
		h.Floats("m", 0, 1<<62, func(_ string, _ uint64, _ int64, t []int64, _ []float64) { n += len(t) })
		if n != 4_800_000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*4_800_000), "ns/sample")
}

func TestFloatsOfSomeSeries(t *testing.T) {
	h := head.New(head.Config{}, now.Add(-time.Hour))
	h.Add(now, []samples.Row{
		row("m", 1, 0, now.Add(-time.Minute), time.Second, 1, 2),
		row("m", 2, 0, now.Add(-time.Minute), time.Second, 3),
		row("m", 3, 0, now.Add(-time.Minute), time.Second, 4),
	})
	f := func(ids []uint64, want ...uint64) {
		t.Helper()
		var got []uint64
		h.FloatsOf("m", ids, 0, 1<<62, func(_ string, id uint64, _ int64, _ []int64, _ []float64) { got = append(got, id) })
		if !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", ids, got, want)
		}
	}
	f([]uint64{3, 1}, 3, 1)
	f([]uint64{9})
	f(nil)
	if from := h.FloatsOf("other", []uint64{1}, 0, 1<<62, nil); from != h.Floats("other", 0, 1<<62, nil) {
		t.Errorf("complete from %d", from)
	}
}

func TestLateSamplesAreTold(t *testing.T) {
	var told [][2]int64
	h := head.New(head.Config{Late: func(mint, maxt int64) { told = append(told, [2]int64{mint, maxt}) }}, now.Add(-time.Hour))
	fresh := []samples.Row{row("m", 1, 0, now.Add(-4*time.Minute), time.Second, 1)}
	late := []samples.Row{
		row("m", 1, 0, now.Add(-10*time.Minute), time.Minute, 1, 2, 3),
		row("m", 2, 0, now.Add(-6*time.Minute), 2*time.Minute, 1, 2),
	}
	h.Add(now, fresh)
	h.Visible(now, fresh)
	h.Add(now, late)
	if len(told) > 0 {
		t.Error("told before they can be found")
	}
	h.Visible(now, late)
	h.Visible(now.Add(2*time.Minute), fresh) // an insert took long
	stalled := now.Add(-4 * time.Minute).UnixMilli()
	want := [][2]int64{{now.Add(-10 * time.Minute).UnixMilli(), now.Add(-6 * time.Minute).UnixMilli()}, {stalled, stalled}}
	if diff := gocmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}
