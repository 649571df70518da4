package store

import (
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/storage"

	"loadline/ingest/compact"
	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/query/promql/series"
)

// cpu is the CPU time that the process has used, the engine included.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func execute(b *testing.B, db *clickhouse.DB, sql string, args ...any) {
	b.Helper()
	if err := db.Exec(b.Context(), sql, args...); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSelect reads all samples of 10,000 series in three closed buckets, 15 s apart, or those of 20 series.
func BenchmarkSelect(b *testing.B) {
	db := chtest.New(b)
	execute(b, db, `INSERT INTO series (metric, service, series_id, labels, kind, first, last)
SELECT 'http_requests_total', 'job' || toString(number % 10) AS job, number,
	map('code', toString(number % 4), 'instance', 'instance-' || toString(intDiv(number, 20)), 'job', job, 'path', '/path/' || toString(number % 5), 'n', toString(number)),
	'counter', toDateTime({base:Int64}, 'UTC'), toDateTime({base:Int64}, 'UTC') + 86400
FROM numbers(10000)`, clickhouse.Named("base", base/1000))
	for bucket := range int64(3) {
		execute(b, db, `INSERT INTO samples (metric, service, bucket, series_id, st, t1, off, value)
SELECT 'http_requests_total', 'job' || toString(number % 10), toDateTime({base:Int64}, 'UTC'), number, 0, toDateTime64({base:Int64} + 7199, 3, 'UTC'),
	arrayMap(i -> toUInt32(i * 15000 + cityHash64(number) % 15000 + if(cityHash64(number, i) % 20 = 0, cityHash64(i) % 20, 0)), range(480)),
	arrayCumSum(arrayMap(i -> toFloat64(cityHash64(number, i) % (number % 40 + 2)), range(480)))
FROM numbers(10000)`, clickhouse.Named("base", base/1000+bucket*7200))
	}
	if err := compact.New(db, compact.Config{}).CompactNow(b.Context(), time.Now().Add(24*time.Hour)); err != nil {
		b.Fatal(err)
	}
	now := func() time.Time { return time.UnixMilli(base).Add(24 * time.Hour) }
	read := func(b *testing.B, s *Store, selector string, want int) {
		q, err := s.Querier(base, base+3*bucketMs)
		if err != nil {
			b.Fatal(err)
		}
		set := q.Select(b.Context(), true, &storage.SelectHints{Start: base, End: base + 3*bucketMs}, matchers(b, selector)...)
		var c series.Column
		n := 0
		for set.Next() {
			if ok, err := set.At().(series.Floats).Floats(&c); !ok || err != nil {
				b.Fatal(ok, err)
			}
			n += len(c.T)
		}
		if err := set.Err(); err != nil || n != want {
			b.Fatal(n, err)
		}
	}
	run := func(name, selector string, want int, cold bool) {
		b.Run(name, func(b *testing.B) {
			s := New(db, Config{Now: now, CacheBytes: 256 << 20})
			if !cold {
				read(b, s, selector, want)
			}
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				if cold {
					s = New(db, Config{Now: now, CacheBytes: 256 << 20})
				}
				read(b, s, selector, want)
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
	const all, some = "__name__=http_requests_total", "__name__=http_requests_total instance=instance-77"
	run("all/cold", all, 3*480*10_000, true)
	run("all/warm", all, 3*480*10_000, false)
	run("some/cold", some, 3*480*20, true)
	run("some/warm", some, 3*480*20, false)
}

// BenchmarkIndex asks for names, values and series of a million series in 50 metrics, with nothing in memory.
func BenchmarkIndex(b *testing.B) {
	db := chtest.New(b)
	for i := range 10 {
		execute(b, db, `INSERT INTO series (metric, service, series_id, labels, kind, first, last)
SELECT 'metric_' || toString(number % 50) AS metric, 'job' || toString(number % 10) AS job, cityHash64(number),
	map('code', toString(number % 4), 'instance', 'instance-' || toString(intDiv(number, 200)), 'job', job, 'path', '/path/' || toString(number % 5), 'n', toString(number)),
	'counter', toDateTime({base:Int64}, 'UTC'), toDateTime({base:Int64}, 'UTC') + 86400
FROM numbers({from:UInt64}, 100000)`, clickhouse.Named("base", base/1000), clickhouse.Named("from", uint64(i*100_000)))
	}
	for _, table := range []string{"series", "postings"} {
		execute(b, db, "OPTIMIZE TABLE "+table+" FINAL")
	}
	run := func(name string, fn func(q storage.Querier) (int, error)) {
		b.Run(name, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				q, err := New(db, Config{Now: func() time.Time { return time.UnixMilli(base).Add(8 * time.Hour) }}).Querier(base, base+bucketMs)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := fn(q); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
	values := func(name, selector string) func(q storage.Querier) (int, error) {
		return func(q storage.Querier) (int, error) {
			if selector == "" {
				got, _, err := q.LabelValues(b.Context(), name, nil)
				return len(got), err
			}
			got, _, err := q.LabelValues(b.Context(), name, nil, matchers(b, selector)...)
			return len(got), err
		}
	}
	run("names", func(q storage.Querier) (int, error) {
		got, _, err := q.LabelNames(b.Context(), nil)
		return len(got), err
	})
	run("names/metric", func(q storage.Querier) (int, error) {
		got, _, err := q.LabelNames(b.Context(), nil, matchers(b, "__name__=metric_7")...)
		return len(got), err
	})
	run("values/__name__", values("__name__", ""))
	run("values/job", values("job", ""))
	run("values/instance", values("instance", ""))
	run("values/instance/metric", values("instance", "__name__=metric_7"))
	selected := func(selector string) func(q storage.Querier) (int, error) {
		return func(q storage.Querier) (int, error) {
			set := q.Select(b.Context(), true, &storage.SelectHints{Start: base, End: base + 1000, Func: "series"}, matchers(b, selector)...)
			n := 0
			for set.Next() {
				n++
			}
			return n, set.Err()
		}
	}
	run("series/instance", selected("instance=instance-77"))
	run("series/one", selected("__name__=metric_7 instance=instance-77 n=15407"))
	run("series/metric", selected("__name__=metric_7"))
	run("query/one", func(q storage.Querier) (int, error) {
		set := q.Select(b.Context(), true, &storage.SelectHints{Start: base, End: base + 1000}, matchers(b, "__name__=metric_7 n=15407")...)
		n := 0
		var c series.Column
		for set.Next() {
			n++
			if _, err := set.At().(series.Floats).Floats(&c); err != nil {
				return 0, err
			}
		}
		return n, set.Err()
	})
}
