package compliance

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"loadline/internal/clickhouse/chtest"
	loadline "loadline/query/promql"
	"loadline/query/promql/compliance/corpus"
)

// FuzzQueriesStorage makes random expressions of the queries of the list and compares the engine over packed samples with
// Prometheus.
func FuzzQueriesStorage(f *testing.F) {
	ref := reference{promqltest.NewBuiltinTestStorage(f)}
	fill(f, ref, corpus.Metrics())
	s := chunks(chtest.New(f))(f)
	fill(f, s, corpus.Metrics())
	upstream := promqltest.NewTestEngine(f, false, 0, maxSamples)
	engine := loadline.NewEngine(loadline.Config{DelayedNameRemoval: true, StartTimestamps: true})
	queries := corpus.Queries()
	for seed := range uint64(50) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		q := expression(rand.New(rand.NewPCG(seed, 0)), queries, 3)
		f := func(evaluate func(*testing.T, promql.QueryEngine, storage.Queryable, string) *promql.Result) {
			want, got := evaluate(t, upstream, ref, q), evaluate(t, engine, s, q)
			if want.Err != nil && got.Err != nil {
				return // of several errors, which one comes first depends on the iteration over maps
			}
			diff := difference(q, want, got)
			// So do the order of summands and with it the last bit, where Prometheus does not agree with itself.
			for range 10 {
				if diff != "" && difference(q, want, evaluate(t, upstream, ref, q)) != "" {
					return
				}
			}
			if diff != "" {
				t.Errorf("%s: %s", q, diff)
			}
		}
		f(wide)
		f(func(t *testing.T, engine promql.QueryEngine, queryable storage.Queryable, q string) *promql.Result {
			return instant(t, engine, queryable, q, corpus.End)
		})
	})
}

// expression is a random expression at most some levels above queries.
func expression(r *rand.Rand, queries []string, depth int) string {
	if depth == 0 {
		return "(" + queries[r.IntN(len(queries))] + ")"
	}
	below := func() string { return expression(r, queries, depth-1-r.IntN(depth)) }
	one := func(of string) string {
		words := strings.Split(of, "|")
		return words[r.IntN(len(words))]
	}
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf("%s %s (%s)", one("sum|avg|min|max|count|stddev|group"), one("by (instance)|without (mode)|by ()|by (job, le)"), below())
	case 1:
		return fmt.Sprintf("(%s %s %s %s)", below(), one("+|-|*|/|==|> bool|and|or|unless|^"), one("|on (instance)|ignoring (mode)"), below())
	case 2:
		return fmt.Sprintf("%s(%s[%s])", one("max_over_time|rate|sum_over_time|last_over_time|present_over_time|deriv"), below(), one("10m:1m|1h:7m|5m:"))
	case 3:
		return fmt.Sprintf("%s(%s)", one("abs|sgn|timestamp|absent|sort|histogram_count|ceil"), below())
	case 4:
		return fmt.Sprintf("topk(2, %s)", below())
	default:
		return below()
	}
}
