package promql

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"

	"loadline/query/promql/memory"
	"loadline/query/promql/series"
)

// benchmarkData is counters as 500 instances of 10 jobs have them, with a sample every 15 s.
func benchmarkData(all int, samples int) memory.Storage {
	r := rand.New(rand.NewPCG(1, 2))
	data := make(memory.Storage, all)
	for i := range data {
		s := &series.Series{Name: labels.FromStrings("__name__", "http_requests_total", "job", fmt.Sprintf("job-%d", i%10),
			"instance", fmt.Sprintf("10.0.0.%d:9090", i%500), "path", fmt.Sprintf("/path/%d", i/500%5), "code", fmt.Sprint(200+i/2500))}
		t, v := int64(r.IntN(15_000)), float64(r.IntN(1_000_000))
		for range samples {
			at := t
			if r.IntN(20) == 0 {
				at += int64(r.IntN(20))
			}
			s.Column.T, s.Column.V = append(s.Column.T, at), append(s.Column.V, v)
			t += 15_000
			v += float64(r.IntN(100))
			if r.IntN(100_000) == 0 {
				v = 0
			}
		}
		data[i] = s
	}
	return memory.New(data...)
}

func BenchmarkRange(b *testing.B) {
	data := benchmarkData(10_000, 1422)
	f := func(name string, e upstream.QueryEngine, text string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q, err := e.NewRangeQuery(b.Context(), data, nil, text, time.UnixMilli(0), time.UnixMilli(0).Add(359*time.Minute), time.Minute)
				if err != nil {
					b.Fatal(err)
				}
				if r := q.Exec(b.Context()); r.Err != nil {
					b.Fatal(r.Err)
				}
				q.Close()
			}
		})
	}
	e := NewEngine(Config{})
	for _, text := range []string{
		"sum by (job) (rate(http_requests_total[5m]))",
		"sum by (job) (http_requests_total)",
		"sum by (job) (max_over_time(http_requests_total[5m]))",
		"sum by (job) (avg_over_time(http_requests_total[5m]))",
		"rate(http_requests_total[5m])",
		"http_requests_total",
	} {
		f(text, e, text)
	}
	f("upstream", reference(Config{}), "sum by (job) (rate(http_requests_total[5m]))")
}

func BenchmarkInstant(b *testing.B) {
	data := benchmarkData(20, 100)
	e := NewEngine(Config{})
	f := func(name string, e upstream.QueryEngine) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q, err := e.NewInstantQuery(b.Context(), data, nil, "sum by (job) (rate(http_requests_total[5m])) > 0.5", time.UnixMilli(600_000))
				if err != nil {
					b.Fatal(err)
				}
				if r := q.Exec(b.Context()); r.Err != nil {
					b.Fatal(r.Err)
				}
				q.Close()
			}
		})
	}
	f("leaves", e)
	f("upstream", e.plain)
}
