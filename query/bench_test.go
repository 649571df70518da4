package query

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/query/filter"
	"loadline/query/querytest"
	"loadline/query/rollup"
	"loadline/query/search"
	"loadline/query/trace"
)

// The benchmarks read a shop of seven services whose spans fill the last two hours before benchEnd. LOADLINE_BENCH_SPANS
// says how many there are, 2 million if unset; the goal of 100 ms a page is for 10 million.
var (
	benchEnd  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	benchSpan = 2 * time.Hour
)

// benchFill makes traces of 20 spans: a gateway, a checkout with a cache, six queries and four calls, and a queue.
const benchFill = `
INSERT INTO spans (slice, ts, duration, trace_id, span_id, parent_id, env, service, version, operation, name, kind, status, status_message, error, error_type, http_status, peer, peer_type, weight, resource_id, scope, attributes, attribute_types, events)
WITH
  intDiv(number, 20) AS t, number % 20 AS k, cityHash64(t, 3) AS th, {ops:UInt64} AS ops,
  cityHash64(number, 1) / 18446744073709551616. AS u1, cityHash64(number, 2) / 18446744073709551616. AS u2,
  ['gateway','gateway','checkout','checkout','checkout','checkout','checkout','checkout','checkout','checkout','checkout','payments','payments','checkout','inventory','inventory','checkout','shipping','shipping','gateway'][k + 1] AS who,
  CAST([2,3,2,3,3,3,3,3,3,3,3,2,3,3,2,3,4,5,1,1][k + 1], 'Int8') AS role,
  ['','','','redis-main','postgresql:shop','postgresql:shop','postgresql:shop','postgresql:shop','postgresql:shop','postgresql:shop','','','api.stripe.com','','','postgresql:stock','kafka:orders','kafka:orders','',''][k + 1] AS whom,
  toUInt64(60e6 * [1.,.95,.9,.03,.05,.05,.05,.05,.05,.05,.3,.28,.25,.1,.08,.05,.02,.2,.1,.03][k + 1] * exp(0.5 * sqrt(-2 * log(u1 + 1e-12)) * cos(6.283185 * u2)) * if(th % 97 = 0, 8, 1)) AS dur,
  th % 2111 = 0 AND k IN (0, 1, 2, 10, 11, 12) AS err,
  fromUnixTimestamp64Nano({from:Int64} + toInt64(t * 20 * {every:Float64}) + toInt64(k) * 1500000, 'UTC') AS at,
  if(role = 2, concat(if(th % 3 = 0, 'POST', 'GET'), ' /v1/', who, '/op', toString(th % ops)), if(role = 3, concat('SELECT ', who, '.t', toString((th + k) % 4)), concat('work ', toString(k)))) AS oper
SELECT toStartOfInterval(at, INTERVAL 10 SECOND), at, dur, sipHash128(t, 77), reinterpretAsFixedString(cityHash64(t, k)),
  if(k = 0, toFixedString('', 8), reinterpretAsFixedString(cityHash64(t, toUInt64([0,0,1,2,2,2,2,2,2,2,2,10,11,2,13,14,2,16,17,0][k + 1])))),
  'production', who, if(who = 'checkout' AND t % 4 = 0, '2.14.0', '2.13.4'), oper, oper, role, if(err, 2, 0), if(err, 'upstream failed', ''), err, if(err, '503', ''),
  if(role = 2, if(err, 503, 200), 0), whom, if(whom = '', '', 'database'), 1, cityHash64(who, th % 3), 'otel/http',
  map('http.request.method', 'GET', 'url.path', concat('/v1/', toString(th % 100000)), 'user.id', toString(th % 50000), 'server.address', 'shop.example', 'network.protocol.version', '1.1', 'thread.id', toString(th % 64), 'url.scheme', 'https', 'client.address', concat('10.0.', toString(th % 250), '.', toString(th % 240)), 'user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0', 'app.region', ['eu', 'us', 'ap'][th % 3 + 1]),
  'sssssissss', if(err, '[{"ts":1795255210000000005,"name":"exception","attributes":{"exception.type":"io"}}]', '')
FROM numbers({first:UInt64}, {count:UInt64})`

// bench is the filled database, made once for all benchmarks.
var bench struct {
	once  sync.Once
	db    *clickhouse.DB
	spans int
}

// openBench returns a store on the filled database.
func openBench(b *testing.B) *Store {
	b.Helper()
	bench.once.Do(func() {
		bench.spans = 2_000_000
		if text := os.Getenv("LOADLINE_BENCH_SPANS"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				b.Fatal(err)
			}
			bench.spans = n
		}
		ops := 8
		if text := os.Getenv("LOADLINE_BENCH_OPERATIONS"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				b.Fatal(err)
			}
			ops = n
		}
		bench.db = chtest.New(processLifetime{b})
		every := float64(benchSpan) / float64(bench.spans)
		for first := 0; first < bench.spans; first += 500_000 {
			querytest.Exec(b, bench.db, benchFill, clickhouse.Named("from", benchEnd.Add(-benchSpan).UnixNano()), clickhouse.Named("every", every), clickhouse.Named("ops", ops),
				clickhouse.Named("first", first), clickhouse.Named("count", min(500_000, bench.spans-first)))
		}
		querytest.DeriveRollups(b, bench.db)
		querytest.Exec(b, bench.db, `INSERT INTO resources (resource_id, env, service, version, instance, language, attributes, attribute_types, last_seen)
SELECT DISTINCT resource_id, env, service, version, concat(service, '-', toString(resource_id % 100)), 'go', map('service.name', service, 'k8s.pod.name', concat(service, '-', toString(resource_id % 100))), 'ss', toDateTime('2026-11-21 11:59:00', 'UTC') FROM spans`)
		querytest.Exec(b, bench.db, `INSERT INTO edges (slice, env, client, server, server_type, calls, errors, duration, latency)
SELECT toStartOfMinute(slice) AS minute, env, service, if(peer = '', 'checkout', peer), 'service', count(), countIf(error), sum(duration), sumMap([toInt16(ceil(8 * log2(duration)))], [toFloat64(1)]) FROM spans WHERE kind = 'client' GROUP BY minute, env, service, peer`)
		var rows uint64
		for _, table := range []string{"spans", "red_10s"} {
			if err := bench.db.QueryRow(context.Background(), "SELECT count() FROM "+table).Scan(&rows); err != nil {
				b.Fatal(err)
			}
			b.Logf("%s: %d rows", table, rows)
		}
	})
	return New(bench.db)
}

// processLifetime keeps a database beyond the benchmark that made it.
type processLifetime struct{ *testing.B }

func (processLifetime) Cleanup(func()) {}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measured runs one question b.N times and reports its 95th percentile and CPU time, engine included.
func measured(b *testing.B, question func(context.Context) error) {
	b.Helper()
	ctx := context.Background()
	if err := question(ctx); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	before := cpuTime()
	b.ResetTimer()
	for b.Loop() {
		start := time.Now()
		if err := question(ctx); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	cpu := cpuTime() - before
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(len(took)), "cpu-ms/op")
}

func last(d time.Duration) rollup.Range { return rollup.NewRange(benchEnd.Add(-d), benchEnd, 240) }

func BenchmarkRED(b *testing.B) {
	for _, d := range []time.Duration{30 * time.Minute, 2 * time.Hour} {
		for _, sel := range []filter.Selector{{}, {Service: "checkout"}} {
			b.Run(fmt.Sprintf("%v/service=%s", d, sel.Service), func(b *testing.B) {
				store := openBench(b)
				measured(b, func(ctx context.Context) error {
					_, err := store.RED(ctx, sel, last(d))
					return err
				})
			})
		}
	}
}

func BenchmarkServices(b *testing.B) {
	for _, d := range []time.Duration{30 * time.Minute, 2 * time.Hour} {
		b.Run(d.String(), func(b *testing.B) {
			store := openBench(b)
			measured(b, func(ctx context.Context) error {
				list, err := store.Services(ctx, filter.Selector{}, last(d))
				if err == nil && len(list) != 5 {
					return fmt.Errorf("%d services", len(list))
				}
				return err
			})
		})
	}
}

func BenchmarkEndpoints(b *testing.B) {
	store := openBench(b)
	measured(b, func(ctx context.Context) error {
		_, err := store.Endpoints(ctx, filter.Selector{}, last(2*time.Hour))
		return err
	})
}

func BenchmarkHeatmap(b *testing.B) {
	store := openBench(b)
	measured(b, func(ctx context.Context) error {
		_, err := store.Heatmap(ctx, filter.Selector{}, last(2*time.Hour))
		return err
	})
}

func BenchmarkOverview(b *testing.B) {
	store := openBench(b)
	measured(b, func(ctx context.Context) error {
		_, err := store.Overview(ctx, filter.Selector{}, last(2*time.Hour))
		return err
	})
}

func BenchmarkDependencies(b *testing.B) {
	store := openBench(b)
	measured(b, func(ctx context.Context) error {
		_, err := store.Dependencies(ctx, filter.Selector{}, last(2*time.Hour))
		return err
	})
}

func BenchmarkInstances(b *testing.B) {
	store := openBench(b)
	measured(b, func(ctx context.Context) error {
		_, err := store.Instances(ctx, "checkout", last(2*time.Hour))
		return err
	})
}

func BenchmarkSearchTraces(b *testing.B) {
	f := func(name string, q search.Query) {
		b.Run(name, func(b *testing.B) {
			store := openBench(b)
			q.Range = last(2 * time.Hour)
			n, scanned, complete := 0, uint64(0), false
			measured(b, func(ctx context.Context) error {
				list, err := store.SearchTraces(ctx, q)
				if err == nil {
					n, scanned, complete = len(list.Traces), list.Scanned.Rows, list.SearchedTo.IsZero()
				}
				return err
			})
			b.ReportMetric(float64(n), "traces")
			b.ReportMetric(float64(scanned), "scanned")
			if !complete {
				b.Log("the budget ended the search")
			}
		})
	}
	f("newest", search.Query{})
	f("service", search.Query{Selector: filter.Selector{Service: "checkout"}})
	f("operation", search.Query{Selector: filter.Selector{Service: "checkout", Operation: "GET /v1/checkout/op7"}})
	f("errors", search.Query{ErrorsOnly: true})
	f("slow", search.Query{MinDuration: time.Second})
	f("slowest", search.Query{MinDuration: 3 * time.Second})
	f("attribute", search.Query{Selector: filter.Selector{}.With("app.region", filter.Equal, "eu")})
	f("rare attribute", search.Query{Selector: filter.Selector{}.With("user.id", filter.Equal, "777")})
	f("absent attribute", search.Query{Selector: filter.Selector{}.With("user.id", filter.Equal, "nobody")})
	f("resource attribute", search.Query{Selector: filter.Selector{}.With("k8s.pod.name", filter.Match, "^gateway-.*7$")})
	f("any span", search.Query{Selector: filter.Selector{}.With("peer", filter.Equal, "api.stripe.com"), AnySpan: true})
	f("nothing", search.Query{Selector: filter.Selector{Service: "nobody"}})
}

func BenchmarkTrace(b *testing.B) {
	store := openBench(b)
	list, err := store.SearchTraces(context.Background(), search.Query{Range: last(time.Hour).Shift(-30 * time.Minute), Limit: 50})
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	measured(b, func(ctx context.Context) error {
		i++
		t, err := store.Trace(ctx, list.Traces[i%len(list.Traces)].TraceID)
		if err == nil && len(trace.BuildTree(t.Spans).Nodes) != 20 {
			return fmt.Errorf("%d spans", len(t.Spans))
		}
		return err
	})
}

func BenchmarkLargeTrace(b *testing.B) {
	store := openBench(b)
	id := fmt.Sprintf("%032x", 1)
	querytest.Exec(b, bench.db, `
INSERT INTO spans (slice, ts, duration, trace_id, span_id, parent_id, service, operation, kind)
SELECT toStartOfInterval(at, INTERVAL 10 SECOND), at, 1000, toFixedString(unhex({id:String}), 16), reinterpretAsFixedString(number + 1), if(number = 0, toFixedString('', 8), reinterpretAsFixedString(intDiv(number, 4) + 1)), 'web', 'op', 'internal'
FROM (SELECT number, fromUnixTimestamp64Nano({at:Int64} + toInt64(number) * 100000, 'UTC') AS at FROM numbers({n:UInt64}))`, clickhouse.Named("id", id), clickhouse.Named("at", benchEnd.Add(-time.Minute).UnixNano()), clickhouse.Named("n", trace.MaxTraceSpans))
	querytest.Exec(b, bench.db, `INSERT INTO trace_index (trace_id, slice) SELECT DISTINCT trace_id, slice FROM spans WHERE trace_id = toFixedString(unhex({id:String}), 16)`, clickhouse.Named("id", id))
	key, err := trace.ParseID(id)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		measured(b, func(ctx context.Context) error {
			_, err := store.Trace(ctx, key)
			return err
		})
	})
	t, err := store.Trace(context.Background(), key)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("tree", func(b *testing.B) {
		for b.Loop() {
			trace.BuildTree(t.Spans)
		}
	})
}

func BenchmarkFacets(b *testing.B) {
	f := func(name string, q search.Query, keys ...string) {
		b.Run(name, func(b *testing.B) {
			store := openBench(b)
			q.Range = last(2 * time.Hour)
			measured(b, func(ctx context.Context) error {
				_, err := store.Facets(ctx, q, keys)
				return err
			})
		})
	}
	f("rolled up", search.Query{}, "status", "service", "operation", "version")
	f("sampled", search.Query{Selector: filter.Selector{Service: "checkout"}}, "status", "operation", "version", "k8s.pod.name", "app.region")
}

func BenchmarkSuggest(b *testing.B) {
	store := openBench(b)
	b.Run("keys", func(b *testing.B) {
		measured(b, func(ctx context.Context) error {
			_, err := store.SuggestKeys(ctx, filter.Selector{}, last(2*time.Hour), "")
			return err
		})
	})
	b.Run("values", func(b *testing.B) {
		measured(b, func(ctx context.Context) error {
			_, err := store.SuggestValues(ctx, filter.Selector{}, last(2*time.Hour), "user.id", "7")
			return err
		})
	})
}
