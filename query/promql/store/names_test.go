package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/internal/clickhouse"
	"loadline/query/promql/series"
)

func (f *fixture) metadata(metric, otel, typ, unit, help string) {
	f.exec(`INSERT INTO metadata (metric, otel_name, type, unit, help, last_seen) SELECT {m:String}, {o:String}, {t:String}, {u:String}, {h:String}, now()`,
		clickhouse.Named("m", metric), clickhouse.Named("o", otel), clickhouse.Named("t", typ), clickhouse.Named("u", unit), clickhouse.Named("h", help))
}

func TestNamesOfOpenTelemetry(t *testing.T) {
	f := newFixture(t, Config{})
	f.metadata("http_server_request_duration_seconds", "http.server.request.duration", "histogram", "s", "Latency.")
	f.metadata("queue_size", "queue.size", "gauge", "", "")
	f.series("http_server_request_duration_seconds", "histogram", 1, []float64{1}, "job", "a", "http_route", "/x")
	f.histogram(histogramRow{metric: "http_server_request_duration_seconds", service: "a", id: 1, second: 60, schema: -53, count: 1, sum: 12, pos: map[int32]float64{0: 1}})
	f.series("queue_size", "gauge", 2, nil, "job", "a", "http_route", "/x")
	f.series("queue_size", "gauge", 3, nil, "job", "a", "a.b", "1")
	f.samples("queue_size", "a", 2, 0, []int64{60}, []float64{7})
	f.samples("queue_size", "a", 3, 0, []int64{60}, []float64{8})
	one := `{__name__="queue_size", http_route="/x", job="a"} 7@60`
	f.want(f.query(0, 100, "__name__=queue.size http.route=/x"), one)
	f.want(f.query(0, 100, "__name__=queue_size http.route=/x"), one)
	f.want(f.query(0, 100, "__name__=queue.size http.route=~.+"), one)
	f.want(f.query(0, 100, "__name__=queue.size http.route!=/x"), `{__name__="queue_size", "a.b"="1", job="a"} 8@60`)
	f.want(f.query(0, 100, "__name__=queue.size a.b=1"), `{__name__="queue_size", "a.b"="1", job="a"} 8@60`)
	f.want(f.query(0, 100, "__name__=http.server.request.duration"),
		`{__name__="http_server_request_duration_seconds", http_route="/x", job="a"} {count:1, sum:12, [-Inf,1]:1}@60`)
	f.want(f.query(0, 100, "__name__=http.server.request.duration_bucket http.route=/x le=1"),
		`{__name__="http_server_request_duration_seconds_bucket", http_route="/x", job="a", le="1"} 1@60`)
	f.want(f.query(0, 100, "__name__=no.such"))
}

func TestTargetInfo(t *testing.T) {
	f := newFixture(t, Config{})
	resource := func(id uint64, version string, second int64, attributes string) {
		f.exec(`INSERT INTO resources (resource_id, service, env, version, attributes, last_seen)
SELECT {id:UInt64}, 'web', 'prod', {v:String}, `+attributes+`, toDateTime({t:Int64}, 'UTC')`,
			clickhouse.Named("id", id), clickhouse.Named("v", version), clickhouse.Named("t", base/1000+second))
	}
	resource(1, "1", 3600, "map('service.name', 'web', 'service.namespace', 'shop', 'service.instance.id', 'i', 'service.version', '1', 'host.name', 'h')")
	resource(1, "1", 0, "map('service.name', 'web', 'service.namespace', 'shop', 'service.instance.id', 'i', 'service.version', '1', 'host.name', 'h')")
	resource(2, "2", 7200, "map('service.name', 'web', 'service.namespace', 'shop', 'service.instance.id', 'i', 'service.version', '2', '__x', 'y')")
	resource(3, "", 7200, "map('service.name', 'web')")
	f.exec(`INSERT INTO deployments VALUES ('web', 'prod', '1', toDateTime({t:Int64}, 'UTC'), toDateTime({t:Int64} + 3600, 'UTC'))`, clickhouse.Named("t", base/1000+500))
	f.series("target_info", "gauge", 1, nil, "job", "scraped")
	f.samples("target_info", "scraped", 1, 0, []int64{60}, []float64{1})
	got := f.query(0, 20000, "__name__=target_info")
	times := func(line string) (first, last string, n int) {
		fields := strings.Fields(line[strings.Index(line, "}")+1:])
		return fields[0], fields[len(fields)-1], len(fields)
	}
	if len(got) != 3 || !strings.HasPrefix(got[1], `{__name__="target_info", host_name="h", instance="i", job="shop/web", service_version="1"}`) ||
		!strings.HasPrefix(got[0], `{__name__="target_info", _x="y", instance="i", job="shop/web", service_version="2"}`) ||
		got[2] != `{__name__="target_info", job="scraped"} 1@60` {
		t.Fatalf("got %q", got)
	}
	if first, last, n := times(got[1]); first != "1@500" || last != "1@7050" || n != 45 {
		t.Errorf("version 1 from %s to %s, %d samples", first, last, n)
	}
	if first, last, n := times(got[0]); first != "1@7200" || last != "1@10800" || n != 25 {
		t.Errorf("version 2 from %s to %s, %d samples", first, last, n)
	}
	f.want(f.query(600, 800, "__name__=~target.* host_name=h"), `{__name__="target_info", host_name="h", instance="i", job="shop/web", service_version="1"} 1@600 1@750`)
	f.want(f.query(0, 100, "__name__=target_info host_name=h"))
}

// constants is a Virtual with one metric.
type constants struct{}

func (constants) Metadata() map[string]Metadata { return map[string]Metadata{"v": {Type: "gauge"}} }

func (constants) Select(_ context.Context, metric string, mint, _ int64, _ *storage.SelectHints, matchers []*labels.Matcher) ([]*series.Series, annotations.Annotations, error) {
	l := labels.FromStrings("__name__", metric, "job", "virtual")
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return nil, nil, nil
		}
	}
	return []*series.Series{{Name: l, Column: series.Column{T: []int64{mint}, V: []float64{3}}}}, nil, nil
}

func (constants) Labels(ctx context.Context, metric string, mint, maxt int64, matchers []*labels.Matcher) ([]labels.Labels, error) {
	var out []labels.Labels
	all, _, err := constants{}.Select(ctx, metric, mint, maxt, nil, matchers)
	for _, s := range all {
		out = append(out, s.Name)
	}
	return out, err
}

func TestVirtualMetrics(t *testing.T) {
	f := newFixture(t, Config{Virtual: []Virtual{constants{}}})
	f.want(f.query(60, 100, "__name__=v"), `{__name__="v", job="virtual"} 3@60`)
	f.want(f.query(60, 100, "__name__=v job=other"))
	f.want(f.query(60, 100, "job=virtual"), `{__name__="v", job="virtual"} 3@60`)
	f.series("v", "gauge", 1, nil, "job", "virtual")
	f.samples("v", "virtual", 1, 0, []int64{60, 70}, []float64{9, 10})
	f.want(f.query(60, 100, "__name__=v"), `{__name__="v", job="virtual"} 9@60 10@70`)
}

func TestLabels(t *testing.T) {
	f := newFixture(t, Config{Virtual: []Virtual{constants{}}})
	f.series("m", "gauge", 1, nil, "job", "a", "x", "1")
	f.series("m", "gauge", 2, nil, "job", "b", "x", "2", "y", "1")
	f.series("h", "histogram", 1, []float64{0.5}, "job", "a")
	q, err := f.store.Querier(base, base+bucketMs)
	if err != nil {
		t.Fatal(err)
	}
	names := func(limit int, selector, want string) {
		t.Helper()
		var m []*labels.Matcher
		if selector != "" {
			m = matchers(t, selector)
		}
		got, _, err := q.LabelNames(t.Context(), &storage.LabelHints{Limit: limit}, m...)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("names of %q: %q, %v", selector, got, err)
		}
	}
	names(0, "", "__name__ job le x y")
	names(2, "", "__name__ job")
	names(0, "__name__=m", "__name__ job x y")
	names(0, "__name__=m x=1", "__name__ job x")
	names(1, "__name__=m x=1", "__name__")
	names(0, "__name__=h_bucket", "__name__ job le")
	names(0, "__name__=none", "")
	names(0, "x=1", "__name__ job x")
	names(0, "job=none", "")
	names(0, "job=virtual", "__name__ job")
	values := func(limit int, name, selector, want string) {
		t.Helper()
		var m []*labels.Matcher
		if selector != "" {
			m = matchers(t, selector)
		}
		got, _, err := q.LabelValues(t.Context(), name, &storage.LabelHints{Limit: limit}, m...)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("values of %s of %q: %q, %v", name, selector, got, err)
		}
	}
	values(0, "__name__", "", "h h_bucket h_count h_sum m v")
	values(3, "__name__", "", "h h_bucket h_count")
	values(0, "job", "", "a b virtual")
	values(0, "le", "", "+Inf 0.5")
	values(0, "job", "y=1", "b")
	values(0, "job", "__name__=~m|h", "a b")
	values(0, "__name__", "job=a", "h m")
	values(0, "__name__", "job=~a|virtual", "h m v")
	values(0, "le", "__name__=h_bucket", "+Inf 0.5")
	values(0, "__name__", "__name__=~h.*", "h h_bucket h_count h_sum")
	values(0, "__name__", "__name__!~h.*", "m v")
	values(0, "__name__", "job=virtual", "v")
	values(0, "__name__", "job=b x=2", "m")
	values(0, "x", "job=b", "2")
	values(0, "x", "job=b y=2", "")
	values(0, "nothing", "", "")
	long, err := f.store.Querier(base-20*bucketMs, base-10*bucketMs)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := long.LabelValues(t.Context(), "job", nil, matchers(t, "__name__=m")...); err != nil || len(got) > 0 {
		t.Errorf("before all samples: %q, %v", got, err)
	}
}

func TestMetadata(t *testing.T) {
	f := newFixture(t, Config{Virtual: []Virtual{constants{}}})
	f.metadata("m", "m.x", "gauge", "s", "help")
	f.metadata("m", "m.x", "gauge", "s", "newer help")
	f.metadata("m", "m.y", "counter", "", "")
	f.metadata("n", "", "", "", "")
	want := func(metric string, limit, perMetric int, want string) {
		t.Helper()
		got, err := f.store.Metadata(t.Context(), metric, limit, perMetric)
		text, _ := json.Marshal(got)
		if err != nil || string(text) != want {
			t.Errorf("metadata: %s, %v, want %s", text, err, want)
		}
	}
	n := `"n":[{"Type":"","Unit":"","Help":"","OTelName":""}]`
	got, err := f.store.Metadata(t.Context(), "m", 0, 0)
	if err != nil || len(got["m"]) != 2 {
		t.Errorf("metadata of m: %v, %v", got, err)
	}
	want("n", 0, 0, "{"+n+"}")
	want("v", 0, 0, `{"v":[{"Type":"gauge","Unit":"","Help":"","OTelName":""}]}`)
	want("other", 0, 0, "{}")
	if got, err := f.store.Metadata(t.Context(), "", 2, 1); err != nil || len(got) != 2 || len(got["m"]) != 1 {
		t.Errorf("limited metadata: %v, %v", got, err)
	}
}

func TestDescribe(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("m", "gauge", 1, nil, "job", "a", "x", "1")
	f.series("m", "gauge", 2, nil, "job", "a", "x", "22")
	f.series("n", "gauge", 3, nil, "job", "b")
	f.samples("m", "a", 1, 0, []int64{1}, []float64{2})
	got, err := f.store.Describe(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	got.MaxTime = 0
	if text := fmt.Sprint(got); text != fmt.Sprintf("{3 4 1 %d 0 [{m 2} {n 1}] [{job 2} {x 2}] [{job 3} {x 3}] [{job=a 2} {job=b 1}]}", base) {
		t.Error(text)
	}
}

func TestExemplars(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("h", "histogram", 1, []float64{1, 2}, "job", "a")
	f.series("m", "counter", 1, nil, "job", "a")
	for _, second := range []int{60, 70, 60} {
		f.exec(`INSERT INTO exemplars (metric, service, series_id, ts, value, trace_id, span_id, attributes)
SELECT 'h', 'a', 1, toDateTime64({t:Int64}, 3, 'UTC'), {v:Float64}, unhex('0102030405060708090a0b0c0d0e0f10'), unhex('0102030405060708'), map('user', 'u\n')`,
			clickhouse.Named("t", base/1000+int64(second)), clickhouse.Named("v", float64(second)/50))
	}
	f.exec(`INSERT INTO exemplars (metric, service, series_id, ts, value) SELECT 'm', 'a', 1, toDateTime64({t:Int64}, 3, 'UTC'), 7`, clickhouse.Named("t", base/1000+5))
	q, err := f.store.ExemplarQuerier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	query := func(to int64, want []string, selectors ...string) {
		t.Helper()
		var lists [][]*labels.Matcher
		for _, s := range selectors {
			lists = append(lists, matchers(t, s))
		}
		results, err := q.Select(base, base+to*1000, lists...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range results {
			line := r.SeriesLabels.String()
			for _, e := range r.Exemplars {
				line += fmt.Sprintf(" %v@%d%v", e.Value, (e.Ts-base)/1000, e.Labels)
			}
			got = append(got, line)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: got %q, want %q", selectors, got, want)
		}
	}
	const l = `{span_id="0102030405060708", trace_id="0102030405060708090a0b0c0d0e0f10", user="u\n"}`
	h := `{__name__="h", job="a"} 1.2@60` + l + ` 1.4@70` + l
	query(100, []string{h}, "__name__=h")
	query(65, []string{`{__name__="h", job="a"} 1.2@60` + l}, "__name__=h")
	query(100, []string{h, `{__name__="m", job="a"} 7@5{}`}, "__name__=~.+", "__name__=h")
	query(100, []string{`{__name__="h_bucket", job="a", le="2"} 1.2@60` + l + ` 1.4@70` + l}, "__name__=h_bucket")
	query(100, nil, "__name__=h_bucket le=1")
	query(100, nil, "__name__=h job=b")
}

func TestTooManySeries(t *testing.T) {
	f := newFixture(t, Config{MaxSeries: 2})
	for i := range 3 {
		f.series("m", "gauge", uint64(i), nil, "job", "a", "i", fmt.Sprint(i))
	}
	q, err := f.store.Querier(base, base+1)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Select(t.Context(), true, nil, matchers(t, "__name__=m")...).Err(); err == nil || !strings.Contains(err.Error(), "more than 2 series: add label matchers") {
		t.Errorf("error %v", err)
	}
	f.want(f.query(0, 1, "__name__=m i!=0"), `{__name__="m", i="1", job="a"}`, `{__name__="m", i="2", job="a"}`)
}

func TestCancelledQueriesFail(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("m", "gauge", 1, nil, "job", "a")
	f.samples("m", "a", 1, 0, []int64{1}, []float64{2})
	ctx, cancel := context.WithCancel(t.Context())
	q, err := f.store.Querier(base, base+10_000)
	if err != nil {
		t.Fatal(err)
	}
	set := q.Select(ctx, true, nil, matchers(t, "__name__=m")...)
	cancel()
	if !set.Next() {
		t.Fatal("no series")
	}
	it := set.At().Iterator(nil)
	if it.Next() != 0 || it.Err() == nil {
		t.Errorf("a cancelled query gives samples and %v", it.Err())
	}
	if err := q.Select(ctx, true, nil, matchers(t, "__name__=n")...).Err(); err == nil {
		t.Error("a cancelled query finds series")
	}
}
