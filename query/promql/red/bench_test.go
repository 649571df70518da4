package red

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"loadline/internal/clickhouse/chtest"
	"loadline/query/promql/red/grid"
	"loadline/query/querytest"
)

// BenchmarkRED answers a chart of 6 h at a step of a minute from 500 combinations of service and operation, which have
// some ten buckets in each slice.
func BenchmarkRED(b *testing.B) {
	db := chtest.New(b)
	querytest.Exec(b, db, `
INSERT INTO red_10s (slice, service, env, version, operation, kind, root, status, error, spans, requests, duration, latency)
SELECT toDateTime('2026-11-21 10:00:00', 'UTC') - 400 + intDiv(number, 500) * 10, concat('service-', toString(number % 25)), 'production', '1.0', concat('GET /', toString(number % 500)),
       'server', false, '2xx', false, 20, 20, 20e8,
       (arrayMap(i -> toInt16(200 + number % 20 + i * (1 + cityHash64(number) % 3)), range(10)), arrayMap(i -> 2., range(10)))
FROM numbers(500 * 2200)`)
	querytest.Exec(b, db, `OPTIMIZE TABLE red_10s FINAL`)
	p := newTester(b, db, after(7*time.Hour))
	from, to := after(0), after(6*time.Hour)
	b.Run("select", func(b *testing.B) {
		b.ReportAllocs()
		start := from.Add(-5 * time.Minute).UnixMilli()
		hints := &storage.SelectHints{Start: start + 1, End: to.UnixMilli(), Step: grid.Minute, Range: 5 * grid.Minute, Func: "rate"}
		for b.Loop() {
			list, _, err := p.q.Select(context.Background(), SpanDuration, hints.Start, hints.End, hints, []*labels.Matcher{})
			if err != nil || len(list) != 500 || len(list[0].Histograms) < 720 {
				b.Fatal(len(list), err)
			}
		}
	})
	for name, expr := range map[string]string{
		"p99":      "histogram_quantile(0.99, sum by (service) (rate(" + SpanDuration + "[5m])))",
		"requests": "sum by (service) (rate(" + SpanCalls + "[5m]))",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := (tester{b, p.engine, p.q}).ranged(expr, from, to, time.Minute); len(got) != 25 {
					b.Fatal(len(got))
				}
			}
		})
	}
}
