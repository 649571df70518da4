package compact

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"loadline/internal/clickhouse/chtest"
)

// BenchmarkCompact packs a bucket of 2,000 counters that are scraped every 15 seconds, and reports what a sample costs
// and what it takes on disk.
func BenchmarkCompact(b *testing.B) {
	means := []float64{150, 15, 3, 0.5}
	const series, batch, batches = 2000, 40, 12
	for b.Loop() {
		b.StopTimer()
		db := chtest.New(b)
		r := rand.New(rand.NewPCG(1, 2))
		counters := make([]float64, series)
		for s := range counters {
			counters[s] = float64(r.IntN(1e6))
		}
		for _, table := range []string{"samples", "chunks"} {
			if err := db.Exec(b.Context(), `ALTER TABLE `+table+` MODIFY SETTING min_bytes_for_wide_part = 0`); err != nil {
				b.Fatal(err)
			}
		}
		block := newSamplesBlock()
		for part := range batches {
			for s := range counters {
				var offsets []uint32
				var values []float64
				for i := range batch {
					at := (part*batch+i)*15_000 + s%500*30
					if r.IntN(20) == 0 {
						at += r.IntN(21)
					}
					counters[s] += poisson(r, means[s%len(means)])
					if r.IntN(50_000) == 0 {
						counters[s] = 0
					}
					offsets, values = append(offsets, uint32(at)), append(values, counters[s])
				}
				block.add(key{"http_requests_total", fmt.Sprintf("job-%d", s/200), r.Uint64(), 0}, bucket, offsets, values)
				block.id.Values[block.id.Rows()-1] = uint64(s) * 0x9e3779b97f4a7c15
			}
			block.insert(b, db, fmt.Sprint(part))
		}
		if err := db.Exec(b.Context(), `OPTIMIZE TABLE samples FINAL`); err != nil {
			b.Fatal(err)
		}
		raw := count(b, db, `SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'samples'`)
		b.ReportMetric(float64(raw)/(series*batch*batches), "raw-B/sample")
		c := newCompactor(db)
		runtime.GC()
		began := cpu(b)
		b.StartTimer()
		if err := c.CompactNow(b.Context(), late); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/(series*batch*batches), "cpu-ns/sample")
		if err := db.Exec(b.Context(), `OPTIMIZE TABLE chunks FINAL`); err != nil {
			b.Fatal(err)
		}
		samples := count(b, db, `SELECT sum(n) FROM chunks`)
		bytes := count(b, db, `SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'chunks'`)
		b.ReportMetric(float64(bytes)/float64(samples), "B/sample")
		b.StartTimer()
	}
}

// poisson is how many requests come in a scrape interval if mean come on average.
func poisson(r *rand.Rand, mean float64) float64 {
	n := 0.0
	for left := r.ExpFloat64(); left < mean; left += r.ExpFloat64() {
		n++
	}
	return n
}

// cpu is the time that this process, the engine in it included, has computed.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
