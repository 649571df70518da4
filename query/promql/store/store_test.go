package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"loadline/internal/chunk"
	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/query/promql/series"
)

// base is the start of a bucket, in Unix milliseconds, and the end of the third bucket after it is the time of the tests.
const base = int64(1_777_888_800_000)

// fixture is a database with a store, whose clock goes on by a step, at first a minute, when it is asked.
type fixture struct {
	*testing.T
	db    *clickhouse.DB
	store *Store
	now   time.Time
	step  time.Duration
}

func newFixture(t *testing.T, cfg Config) *fixture {
	f := &fixture{T: t, db: chtest.New(t), now: time.UnixMilli(base + 3*bucketMs), step: time.Minute}
	var mu sync.Mutex
	cfg.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		f.now = f.now.Add(f.step)
		return f.now
	}
	f.store = New(f.db, cfg)
	return f
}

func (f *fixture) exec(sql string, args ...any) {
	f.Helper()
	if err := f.db.Exec(context.Background(), sql, args...); err != nil {
		f.Fatalf("%s: %v", sql, err)
	}
}

// series writes a row of the table series. The labels are pairs.
func (f *fixture) series(metric, kind string, id uint64, bounds []float64, pairs ...string) {
	f.Helper()
	all := labels.FromStrings(pairs...).Map()
	f.exec(`INSERT INTO series (metric, service, series_id, labels, kind, bounds, first, last)
SELECT {metric:String}, {service:String}, {id:UInt64}, {labels:Map(String, String)}, {kind:String}, {bounds:Array(Float64)},
	toDateTime({base:Int64}, 'UTC'), toDateTime({base:Int64}, 'UTC') + 86400`,
		clickhouse.Named("metric", metric), clickhouse.Named("service", all["job"]), clickhouse.Named("id", id), clickhouse.Named("labels", all),
		clickhouse.Named("kind", kind), clickhouse.Named("bounds", bounds), clickhouse.Named("base", base/1000))
}

// samples writes rows of the table samples: one for each bucket that values at times, given in seconds after base, are in.
func (f *fixture) samples(metric, service string, id uint64, st int64, seconds []int64, values []float64) {
	f.Helper()
	f.exec(`INSERT INTO samples (metric, service, bucket, series_id, st, t1, off, value)
SELECT {metric:String}, {service:String}, bucket, {id:UInt64}, {st:Int64}, max(ts), groupArray(toUInt32(toUnixTimestamp64Milli(ts) - toUnixTimestamp(bucket) * 1000)), groupArray(v)
FROM (
	SELECT fromUnixTimestamp64Milli({base:Int64} + t * 1000, 'UTC') AS ts, v, toDateTime(intDiv(toUnixTimestamp64Milli(ts), 7200000) * 7200, 'UTC') AS bucket
	FROM (SELECT arrayJoin(arrayZip({t:Array(Int64)}, {v:Array(Float64)})) AS x, x.1 AS t, x.2 AS v)
)
GROUP BY bucket`,
		clickhouse.Named("metric", metric), clickhouse.Named("service", service), clickhouse.Named("id", id), clickhouse.Named("st", st),
		clickhouse.Named("base", base), clickhouse.Named("t", seconds), clickhouse.Named("v", values))
}

// compact moves what samples has of one bucket to chunks, in the way that the process does.
func (f *fixture) compact(bucket int64) {
	f.Helper()
	rows, err := f.db.Query(f.Context(), `
SELECT toString(metric), toString(service), series_id, st, off, value
FROM samples
WHERE bucket = toDateTime({bucket:Int64}, 'UTC')
LIMIT 1000`, clickhouse.Named("bucket", bucket/1000))
	if err != nil {
		f.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var metric, service string
		var id uint64
		var st int64
		var off []uint32
		var value []float64
		if err := rows.Scan(&metric, &service, &id, &st, &off, &value); err != nil {
			f.Fatal(err)
		}
		order := map[uint32]float64{}
		for i := range off {
			order[off[i]] = value[i]
		}
		off, value = slices.Sorted(maps.Keys(order)), value[:0]
		for _, o := range off {
			value = append(value, order[o])
		}
		f.chunks(metric, service, id, bucket, st, off, value)
	}
	if err := rows.Err(); err != nil {
		f.Fatal(err)
	}
	f.exec(fmt.Sprintf("ALTER TABLE samples DROP PARTITION '%s'", time.UnixMilli(bucket).UTC().Format(time.DateTime)))
}

// chunks writes rows of the table chunks.
func (f *fixture) chunks(metric, service string, id uint64, bucket, st int64, off []uint32, value []float64) {
	f.Helper()
	for _, c := range chunk.Append(nil, off, value) {
		f.exec(`INSERT INTO chunks (metric, service, bucket, series_id, st, n, t0, dt, t, scale, v0, v)
SELECT {metric:String}, {service:String}, toDateTime({bucket:Int64}, 'UTC'), {id:UInt64}, {st:Int64}, {n:UInt32}, {t0:UInt32}, {dt:UInt32},
	unhex({t:String}), {scale:Int8}, {v0:Int64}, unhex({v:String})`,
			clickhouse.Named("metric", metric), clickhouse.Named("service", service), clickhouse.Named("bucket", bucket/1000), clickhouse.Named("id", id),
			clickhouse.Named("st", st), clickhouse.Named("n", c.N), clickhouse.Named("t0", c.T0), clickhouse.Named("dt", c.DT),
			clickhouse.Named("t", hex.EncodeToString([]byte(c.T))), clickhouse.Named("scale", c.Scale), clickhouse.Named("v0", c.V0),
			clickhouse.Named("v", hex.EncodeToString([]byte(c.V))))
	}
}

func matchers(t testing.TB, text string) []*labels.Matcher {
	t.Helper()
	var all []*labels.Matcher
	for _, part := range strings.Fields(text) {
		for _, op := range []struct {
			text string
			typ  labels.MatchType
		}{{"=~", labels.MatchRegexp}, {"!~", labels.MatchNotRegexp}, {"!=", labels.MatchNotEqual}, {"=", labels.MatchEqual}} {
			if name, value, ok := strings.Cut(part, op.text); ok {
				all = append(all, labels.MustNewMatcher(op.typ, name, value))
				break
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("%q has no matchers", text)
	}
	return all
}

// query selects series with samples from and to so many seconds after base, and prints them by both ways of reading.
func (f *fixture) query(from, to int64, selector string) []string {
	f.Helper()
	mint, maxt := base+from*1000, base+to*1000
	q, err := f.store.Querier(mint, maxt)
	if err != nil {
		f.Fatal(err)
	}
	set := q.Select(f.Context(), true, &storage.SelectHints{Start: mint, End: maxt}, matchers(f, selector)...)
	var out []string
	var it chunkenc.Iterator
	for set.Next() {
		s := set.At().(series.Floats)
		it = s.Iterator(it)
		line := s.Labels().String()
		floats := true
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			var v any
			if kind == chunkenc.ValFloat {
				_, v = it.At()
			} else {
				_, v = it.AtFloatHistogram(nil)
				floats = false
			}
			line += fmt.Sprintf(" %v@%v", v, float64(it.AtT()-base)/1000)
			if st := it.AtST(); st != 0 {
				line += fmt.Sprintf("/%v", float64(st-base)/1000)
			}
		}
		if it.Err() != nil {
			f.Fatal(it.Err())
		}
		out = append(out, line)
		var c series.Column
		ok, err := s.Floats(&c)
		if err != nil || ok != floats {
			f.Errorf("%s: Floats returns %v, %v", line, ok, err)
		}
		if !ok {
			continue
		}
		again := s.Labels().String()
		for i, v := range c.V {
			again += fmt.Sprintf(" %v@%v", v, float64(c.T[i]-base)/1000)
			if st := c.Start(i); st != 0 {
				again += fmt.Sprintf("/%v", float64(st-base)/1000)
			}
		}
		if again != line {
			f.Errorf("the column is\n%s\nthe iterator gives\n%s", again, line)
		}
	}
	if err := set.Err(); err != nil {
		f.Fatal(err)
	}
	return out
}

func (f *fixture) want(got []string, want ...string) {
	f.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("-want +got:\n%s", diff)
	}
}

func TestFloats(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("m", "counter", 1, nil, "job", "a", "instance", "1")
	f.series("m", "counter", 2, nil, "job", "a", "instance", "2")
	f.series("m", "gauge", 3, nil, "job", "b")
	f.samples("m", "a", 1, base, []int64{0, 60, 7140, 7200, 7260}, []float64{1, 2, 3, 4, 5})
	f.samples("m", "a", 2, 0, []int64{30, 7230}, []float64{10, 11})
	f.samples("m", "b", 3, 0, []int64{30}, []float64{-1})
	f.want(f.query(0, 7230, "__name__=m job=a"),
		`{__name__="m", instance="1", job="a"} 1@0/0 2@60/0 3@7140/0 4@7200/0`,
		`{__name__="m", instance="2", job="a"} 10@30 11@7230`)
	f.want(f.query(60, 7140, "__name__=m instance!=2"),
		`{__name__="m", instance="1", job="a"} 2@60/0 3@7140/0`,
		`{__name__="m", job="b"}`)
}
