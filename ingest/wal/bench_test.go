package wal

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const benchItems, benchBytes = 1000, 500_000

// cpu is the user and system time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchBody(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	body := make([]byte, benchBytes)
	for i := 0; i < len(body); i += 8 {
		binary.LittleEndian.PutUint64(body[i:], random.Uint64())
	}
	return body
}

// BenchmarkAppend has four clients that send requests of 1,000 items and
// 500 kB and wait for each answer, and a reader that removes what is read.
func BenchmarkAppend(b *testing.B) {
	cfg := quiet(b.TempDir())
	cfg.SegmentAge = time.Second
	l := mustOpen(b, cfg)
	ctx, cancel := context.WithCancel(b.Context())
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			s, err := l.Next(ctx)
			if err != nil {
				return
			}
			if err := s.Done(); err != nil {
				b.Error(err)
			}
		}
	})
	var next atomic.Int64
	var writers sync.WaitGroup
	b.SetBytes(benchBytes)
	b.ResetTimer()
	start := cpu(b)
	for w := range 4 {
		writers.Go(func() {
			body := benchBody(uint64(w))
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				binary.LittleEndian.PutUint64(body, uint64(i))
				if dup, err := l.Append(b.Context(), time.Now(), 1, benchItems, body); err != nil || dup {
					b.Errorf("duplicate %v, error %v", dup, err)
				}
			}
		})
	}
	writers.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-start)/float64(b.N*benchItems), "cpu-ns/item")
	cancel()
	reader.Wait()
}

// BenchmarkRecords reads a segment of 96 MB back.
func BenchmarkRecords(b *testing.B) {
	l := mustOpen(b, quiet(b.TempDir()))
	body := benchBody(1)
	items := 0
	for i := range 190 {
		binary.LittleEndian.PutUint64(body, uint64(i))
		if _, err := l.Append(b.Context(), time.Now(), 1, benchItems, body); err != nil {
			b.Fatal(err)
		}
		items += benchItems
	}
	s := mustNext(b, l)
	b.SetBytes(s.Bytes())
	start := cpu(b)
	for b.Loop() {
		err := s.Records(func(byte, int, time.Time, []byte) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-start)/float64(b.N*items), "cpu-ns/item")
}
