package ring

import (
	"bufio"
	"bytes"
	"io"
	"syscall"
	"testing"
	"time"
)

// classWindows are those of the default policy over 30 days.
func classWindows() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{
		5 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, day, 3 * day, 30 * day,
	}
}

const many = 10_000

func filled(b *testing.B) *Set {
	b.Helper()
	s := New(Config{Windows: classWindows(), Now: start})
	for range many {
		s.Add(start - 90*day)
	}
	for n := range int64(3) {
		for i := range many {
			s.Put(i, start+10*n, int64(i%7), 1000)
		}
	}
	s.Advance(start + 30)
	return s
}

// BenchmarkTick is what arrives in ten seconds, and the advance over it, of 10,000 instances with 30 days.
func BenchmarkTick(b *testing.B) {
	s := filled(b)
	var advance time.Duration
	for b.Loop() {
		for i := range many {
			s.Put(i, s.Now(), 1, 1000)
		}
		began := cpu(b)
		s.Advance(s.Now() + 10)
		advance += cpu(b) - began
	}
	b.ReportMetric(float64(advance.Microseconds())/float64(b.N), "cpu-µs/advance")
	b.ReportMetric(float64(s.Bytes())/(1<<20), "MiB")
}

func BenchmarkLate(b *testing.B) {
	s := filled(b)
	for n := 0; b.Loop(); n++ {
		s.Put(n*7919%many, start+10*int64(n%3), 1, 1)
	}
}

func BenchmarkSum(b *testing.B) {
	s := filled(b)
	windows := classWindows()
	for n := 0; b.Loop(); n++ {
		s.Sum(n%many, windows[n%len(windows)])
	}
}

func BenchmarkSnapshot(b *testing.B) {
	s := filled(b)
	began := cpu(b)
	for b.Loop() {
		if err := s.Snapshot(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu(b)-began).Milliseconds())/float64(b.N), "cpu-ms/op")
}

func BenchmarkRestore(b *testing.B) {
	s := filled(b)
	var text bytes.Buffer
	if err := s.Snapshot(&text); err != nil {
		b.Fatal(err)
	}
	began := cpu(b)
	for b.Loop() {
		if _, err := Restore(bufio.NewReader(bytes.NewReader(text.Bytes())), s.config); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu(b)-began).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// BenchmarkLoad fills an instance from as many slots as 30 days have.
func BenchmarkLoad(b *testing.B) {
	s := filled(b)
	from, middle, fine := s.Span()
	tier := func(from, to, grain int64) (slots []Slot) {
		for at := from; at < to; at += grain {
			slots = append(slots, Slot{Start: at, Bad: 1, Total: 100})
		}
		return slots
	}
	hours, minutes, seconds := tier(from, middle, 3600), tier(middle, fine, 300), tier(fine, s.Now(), 10)
	began := cpu(b)
	for n := 0; b.Loop(); n++ {
		i := n % many
		s.Load(i, 3600, hours)
		s.Load(i, 300, minutes)
		s.Load(i, 10, seconds)
	}
	b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkAdvanceEmpty is a day in which nothing happened, of 10,000 instances.
func BenchmarkAdvanceEmpty(b *testing.B) {
	s := filled(b)
	for b.Loop() {
		s.Advance(s.Now() + day)
	}
}

// cpu is what the process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
