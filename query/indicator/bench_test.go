package indicator

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/internal/sli"
	"loadline/query/querytest"
)

// The benchmarks read an hour of a million spans before benchEnd, of ten services with eight operations each, and thirty
// days of rollups that repeat that hour.
var benchEnd = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const benchFill = `
INSERT INTO spans (slice, ts, duration, trace_id, span_id, parent_id, env, service, version, operation, name, kind, status, error, error_type, http_status, peer, peer_type, weight, resource_id, scope, attributes, attribute_types)
WITH
  intDiv(number, 10) AS t, number % 10 AS k, cityHash64(t, 3) AS th, k % 2 = 0 AS server, concat('service-', toString(intDiv(k + th % 10, 2) % 10)) AS who,
  cityHash64(number, 1) / 18446744073709551616. AS u1, cityHash64(number, 2) / 18446744073709551616. AS u2,
  toUInt64(60e6 * exp(0.5 * sqrt(-2 * log(u1 + 1e-12)) * cos(6.283185 * u2)) * if(th % 97 = 0, 8, 1)) AS dur,
  (th % 1000 = 0 OR at BETWEEN toDateTime64('2026-11-21 11:30:00', 9, 'UTC') AND toDateTime64('2026-11-21 11:33:00', 9, 'UTC') AND th % 5 = 0) AND k < 6 AS err,
  fromUnixTimestamp64Nano({from:Int64} + toInt64(number * 3600000), 'UTC') AS at,
  concat(if(th % 3 = 0, 'POST', 'GET'), ' /v1/op', toString(th % 5)) AS oper
SELECT toStartOfInterval(at, INTERVAL 10 SECOND), at, dur, sipHash128(t, 77), reinterpretAsFixedString(cityHash64(t, k)), if(k = 0, toFixedString('', 8), reinterpretAsFixedString(cityHash64(t, k - 1))),
  'production', who, if(t % 4 = 0, '2.14.0', '2.13.4'), if(server, oper, 'SELECT t'), if(server, oper, 'SELECT t'), if(server, 2, 3), if(err, 2, 0), err, if(err, 'timeout', ''),
  if(server, if(err, 503, 200), 0), if(server, '', concat('postgresql:db', toString(th % 4))), if(server, '', 'database'), 1, cityHash64(who, th % 3), 'otel/http',
  map('http.request.method', 'GET', 'url.path', concat('/v1/', toString(th % 100000)), 'user.id', toString(th % 50000), 'server.address', 'shop.example', 'network.protocol.version', '1.1', 'thread.id', toString(th % 64), 'url.scheme', 'https', 'client.address', concat('10.0.', toString(th % 250), '.', toString(th % 240)), 'user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0', 'app.tenant', toString(th % 20)),
  'ssssssssss'
FROM numbers({count:UInt64})`

// bench is the filled database, made once for all benchmarks.
var bench struct {
	once sync.Once
	db   *clickhouse.DB
}

func openBench(b *testing.B) *clickhouse.DB {
	b.Helper()
	bench.once.Do(func() {
		bench.db = chtest.New(processLifetime{b})
		querytest.Exec(b, bench.db, benchFill, clickhouse.Named("from", benchEnd.Add(-time.Hour).UnixNano()), clickhouse.Named("count", 1_000_000))
		querytest.Exec(b, bench.db, `INSERT INTO resources (resource_id, env, service, version, instance, attributes)
SELECT DISTINCT resource_id, env, service, '', toString(resource_id), map('k8s.pod.name', toString(resource_id)) FROM spans`)
		querytest.DeriveRollups(b, bench.db)
		for table, hours := range map[string]int{"red_10s": 24, "red_5m": 30 * 24, "red_1h": 30 * 24} {
			for first := 1; first < hours; first += 24 {
				querytest.Exec(b, bench.db, `
INSERT INTO `+table+` (slice, service, env, version, operation, kind, root, status, error, spans, requests, duration, latency, slowest)
SELECT slice - 3600 * arrayJoin(range({first:UInt32}, {end:UInt32})), service, env, version, operation, kind, root, status, error, spans, requests, duration, latency, slowest
FROM `+table+`
WHERE slice >= toDateTime({from:UInt32}, 'UTC')`, clickhouse.Named("first", first), clickhouse.Named("end", min(first+24, hours)), clickhouse.Named("from", benchEnd.Add(-time.Hour).Unix()))
			}
			var rows uint64
			if err := bench.db.QueryRow(context.Background(), "SELECT count() FROM "+table).Scan(&rows); err != nil {
				b.Fatal(err)
			}
			b.Logf("%s: %d rows", table, rows)
		}
	})
	return bench.db
}

// processLifetime keeps a database beyond the benchmark that made it.
type processLifetime struct{ *testing.B }

func (processLifetime) Cleanup(func()) {}

// measured runs one question b.N times and reports its CPU time, engine included.
func measured(b *testing.B, question func(context.Context, *clickhouse.DB) error) {
	b.Helper()
	db := openBench(b)
	if err := question(context.Background(), db); err != nil {
		b.Fatal(err)
	}
	before := cpuTime()
	b.ResetTimer()
	for b.Loop() {
		if err := question(context.Background(), db); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchIndicators are of one service: a tenth of all spans, of which a half are events.
var benchIndicators = map[string]sli.Indicator{
	"errors":    {Service: "service-3", Bad: sli.Bad{Errors: true}},
	"operation": {Service: "service-3", Operations: []string{"GET /v1/op*"}, Bad: sli.Bad{Errors: true}},
	"latency":   {Service: "service-3", Bad: sli.Bad{Errors: true, Slower: 400 * time.Millisecond}},
	"attribute": {Service: "service-3", Matchers: []sli.Matcher{{Key: "app.tenant", Op: "=", Value: "7"}}, Bad: sli.Bad{Errors: true}},
	"resource":  {Service: "service-3", Matchers: []sli.Matcher{{Key: "k8s.pod.name", Op: "!=", Value: "7"}}, Bad: sli.Bad{Errors: true}},
	"tenants":   {Service: "service-3", Bad: sli.Bad{Errors: true}, GroupBy: "app.tenant"},
}

func BenchmarkCount(b *testing.B) {
	for name, ind := range benchIndicators {
		b.Run(name, func(b *testing.B) {
			measured(b, func(ctx context.Context, db *clickhouse.DB) error {
				_, err := Count(ctx, db, ind, benchEnd.Add(-time.Hour), benchEnd)
				return err
			})
		})
	}
}

func BenchmarkPreview(b *testing.B) {
	for _, d := range []time.Duration{time.Hour, 30 * 24 * time.Hour} {
		for name, ind := range benchIndicators {
			b.Run(name+"/"+d.String(), func(b *testing.B) {
				measured(b, func(ctx context.Context, db *clickhouse.DB) error {
					_, _, err := Preview(ctx, db, ind, benchEnd.Add(-d), benchEnd)
					return err
				})
			})
		}
	}
}

func BenchmarkWhoSpent(b *testing.B) {
	for _, name := range []string{"errors", "latency", "attribute"} {
		b.Run(name, func(b *testing.B) {
			measured(b, func(ctx context.Context, db *clickhouse.DB) error {
				_, err := WhoSpent(ctx, db, benchIndicators[name], benchEnd.Add(-time.Hour), benchEnd)
				return err
			})
		})
	}
}

func BenchmarkExamples(b *testing.B) {
	for _, name := range []string{"errors", "latency", "attribute"} {
		b.Run(name, func(b *testing.B) {
			measured(b, func(ctx context.Context, db *clickhouse.DB) error {
				_, err := Examples(ctx, db, benchIndicators[name], benchEnd.Add(-time.Hour), benchEnd, 20)
				return err
			})
		})
	}
}

func BenchmarkSuggest(b *testing.B) {
	for _, d := range []time.Duration{24 * time.Hour, 30 * 24 * time.Hour} {
		b.Run(d.String(), func(b *testing.B) {
			measured(b, func(ctx context.Context, db *clickhouse.DB) error {
				_, err := Suggest(ctx, db, benchEnd.Add(-d), benchEnd)
				return err
			})
		})
	}
}
