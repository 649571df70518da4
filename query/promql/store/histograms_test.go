package store

import (
	"fmt"
	"strings"
	"testing"

	"loadline/internal/clickhouse"
)

// histogramRow is a row of the table histograms.
type histogramRow struct {
	metric, service string
	id              uint64
	second, st      int64 // after base
	schema          int8
	zero            float64
	count, sum      float64
	stale           bool
	hint            string
	pos, neg        map[int32]float64
}

// histogram writes a row of the table histograms.
func (f *fixture) histogram(r histogramRow) {
	f.Helper()
	if r.hint == "" {
		r.hint = "unknown"
	}
	f.exec(fmt.Sprintf(`INSERT INTO histograms (metric, service, bucket, series_id, st, ts, schema, zero_threshold, zero_count, count, sum, stale, hint, pos_idx, pos_count, neg_idx, neg_count)
WITH CAST(%s, 'Map(Int32, Float64)') AS pos, CAST(%s, 'Map(Int32, Float64)') AS neg
SELECT {metric:String}, {service:String}, toDateTime(intDiv({t:Int64}, 7200) * 7200, 'UTC'), {id:UInt64}, {st:Int64}, toDateTime64({t:Int64}, 3, 'UTC'), {schema:Int8}, 0.001, {zero:Float64},
	{count:Float64}, {sum:Float64}, {stale:Bool}, {hint:String}, mapKeys(pos), mapValues(pos), mapKeys(neg), mapValues(neg)`, mapText(r.pos), mapText(r.neg)),
		clickhouse.Named("metric", r.metric), clickhouse.Named("service", r.service), clickhouse.Named("t", base/1000+r.second), clickhouse.Named("id", r.id),
		clickhouse.Named("st", r.st), clickhouse.Named("schema", r.schema), clickhouse.Named("zero", r.zero), clickhouse.Named("count", r.count),
		clickhouse.Named("sum", r.sum), clickhouse.Named("stale", r.stale), clickhouse.Named("hint", r.hint))
}

// mapText writes up to ten buckets in order.
func mapText(m map[int32]float64) string {
	var parts []string
	for i := int32(-5); i < 20; i++ {
		if v, ok := m[i]; ok {
			parts = append(parts, fmt.Sprintf("%d, %v", i, v))
		}
	}
	return "map(" + strings.Join(parts, ", ") + ")"
}

func TestNativeHistograms(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("h", "histogram", 1, nil, "job", "a")
	f.series("h", "gauge", 1, nil, "job", "a")
	row := histogramRow{metric: "h", service: "a", id: 1, second: 60, st: base, schema: 3, zero: 2, count: 9.5, sum: 4, pos: map[int32]float64{-1: 1, 0: 2, 4: 3.5}, neg: map[int32]float64{2: 1}}
	f.histogram(row)
	f.histogram(row)
	row.second, row.hint, row.count = 120, "gauge", 10.5
	f.histogram(row)
	f.histogram(histogramRow{metric: "h", service: "a", id: 1, second: 7300, stale: true})
	f.samples("h", "a", 1, 0, []int64{60, 180}, []float64{1, 5})
	got := f.query(0, 8000, "__name__=h")
	f.want(got, `{__name__="h", job="a"} `+
		`{count:9.5, sum:4, [-1.189207115002721,-1.0905077326652577):1, [-0.001,0.001]:2, (0.8408964152537144,0.9170040432046711]:1, (0.9170040432046711,1]:2, (1.2968395546510096,1.414213562373095]:3.5}@60/0 `+
		`{count:10.5, sum:4, [-1.189207115002721,-1.0905077326652577):1, [-0.001,0.001]:2, (0.8408964152537144,0.9170040432046711]:1, (0.9170040432046711,1]:2, (1.2968395546510096,1.414213562373095]:3.5}@120/0 `+
		`5@180 {count:0, sum:NaN}@7300`)
	f.want(f.query(0, 30, "__name__=h"), `{__name__="h", job="a"}`)
	f.want(f.query(0, 8000, "__name__=h_count"), `{__name__="h_count", job="a"}`)
	f.want(f.query(0, 8000, "__name__=h_bucket le=1"))
}

func TestDeltaHistogramsAreAddedUp(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("h", "delta_histogram", 1, []float64{1, 2.5}, "job", "a")
	for i, pos := range []map[int32]float64{{0: 1}, {2: 2}, {0: 1, 1: 1}} {
		sum := float64(10)
		if i == 1 {
			sum = 20
		}
		count := 0.0
		for _, n := range pos {
			count += n
		}
		f.histogram(histogramRow{metric: "h", service: "a", id: 1, second: int64(i) * 60, st: base, schema: -53, count: count, sum: sum, pos: pos})
	}
	f.want(f.query(0, 200, "__name__=h"), `{__name__="h", job="a"} {count:1, sum:10, [-Inf,1]:1}@0 {count:3, sum:30, [-Inf,1]:1, (2.5,+Inf]:2}@60 {count:5, sum:40, [-Inf,1]:2, (1,2.5]:1, (2.5,+Inf]:2}@120`)
	f.want(f.query(60, 200, "__name__=h_bucket le=~2.5|.Inf"),
		`{__name__="h_bucket", job="a", le="+Inf"} 2@60 4@120`,
		`{__name__="h_bucket", job="a", le="2.5"} 0@60 2@120`)
}

func TestClassicSeriesOfHistograms(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("h", "histogram", 1, []float64{0.5, 10}, "job", "a")
	f.series("h", "histogram", 2, []float64{0.5}, "job", "a") // as it was after a change of bounds
	f.series("h", "histogram", 3, nil, "job", "b")
	f.histogram(histogramRow{metric: "h", service: "a", id: 1, second: 60, st: base, schema: -53, count: 4, sum: 12, pos: map[int32]float64{0: 1, 2: 3}})
	f.histogram(histogramRow{metric: "h", service: "a", id: 1, second: 120, schema: -53, stale: true})
	f.histogram(histogramRow{metric: "h", service: "a", id: 2, second: 180, schema: -53, count: 6, sum: 13, pos: map[int32]float64{0: 2, 1: 4}})
	f.histogram(histogramRow{metric: "h", service: "b", id: 3, second: 60, schema: -53, count: 6, sum: 13, pos: map[int32]float64{0: 6}})
	f.want(f.query(0, 200, "__name__=h_bucket job=a"),
		`{__name__="h_bucket", job="a", le="+Inf"} 4@60/0 NaN@120 6@180`,
		`{__name__="h_bucket", job="a", le="0.5"} 1@60/0 NaN@120 2@180`,
		`{__name__="h_bucket", job="a", le="10"} 1@60/0 NaN@120`)
	f.want(f.query(0, 200, "__name__=h_sum"), `{__name__="h_sum", job="a"} 12@60/0 NaN@120 13@180`, `{__name__="h_sum", job="b"} 13@60`)
	f.want(f.query(0, 200, "__name__=h_count job!=b"), `{__name__="h_count", job="a"} 4@60/0 NaN@120 6@180`)
	f.want(f.query(0, 200, "__name__=h_bucket le=10"), `{__name__="h_bucket", job="a", le="10"} 1@60/0 NaN@120`)
	f.want(f.query(0, 200, "__name__=h_bucket le!~.*"))
	if n := len(f.query(0, 200, "__name__=~.+")); n != 2 {
		t.Errorf("%d series of all metrics, want the 2 that are stored", n)
	}

	// Series that are stored under such a name are the same metric.
	f.series("h_count", "counter", 9, nil, "job", "c")
	f.samples("h_count", "c", 9, 0, []int64{60}, []float64{1})
	f.series("h_count", "counter", 8, nil, "job", "b")
	f.samples("h_count", "b", 8, 0, []int64{60, 90}, []float64{5, 7})
	f.want(f.query(0, 200, "__name__=h_count job!=a"), `{__name__="h_count", job="b"} 5@60 7@90`, `{__name__="h_count", job="c"} 1@60`)
}
