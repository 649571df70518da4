package remotewrite_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"loadline/ingest"
	"loadline/ingest/remotewrite"
	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
)

// start runs a pipeline behind a receiver, and returns the receiver and what stops and empties the pipeline.
func start(t *testing.T, db *clickhouse.DB, cfg ingest.Config) (http.Handler, func()) {
	t.Helper()
	cfg.Dir, cfg.SegmentAge = t.TempDir(), 20*time.Millisecond
	p, err := ingest.New(db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return remotewrite.New(remotewrite.Config{Export: p.Export, Log: slog.New(slog.DiscardHandler)}), stop
}

// send sends a message of either version and compares the answer; written is samples, histograms and exemplars of 2.0.
func send(t *testing.T, h http.Handler, m interface{ Marshal() ([]byte, error) }, code int, written string) string {
	t.Helper()
	plain, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	typ := typeV1
	if _, ok := m.(*writev2.Request); ok {
		typ = typeV2
	}
	response, text := post(h, bytes.NewReader(snappy.Encode(nil, plain)), "Content-Type", typ)
	got := ""
	for _, unit := range []string{"Samples", "Histograms", "Exemplars"} {
		got += response.Header.Get("X-Prometheus-Remote-Write-" + unit + "-Written")
	}
	if response.StatusCode != code || got != written {
		t.Errorf("%d %q %q, want %d %q", response.StatusCode, got, text, code, written)
	}
	return text
}

// query compares the rows of a query of one string column.
func query(t *testing.T, db *clickhouse.DB, sql string, want ...string) {
	t.Helper()
	rows, err := db.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // read to the end
	var got []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		got = append(got, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", sql, diff)
	}
}

// TestEngine sends everything that there is in 2.0 and reads the tables.
func TestEngine(t *testing.T) {
	db := chtest.New(t)
	h, stop := start(t, db, ingest.Config{})
	at := time.Now().Truncate(2 * time.Hour).UnixMilli() // the start of a bucket
	symbols := writev2.NewSymbolTable()
	labels := func(pairs ...string) (refs []uint32) {
		for _, text := range pairs {
			refs = append(refs, symbols.Symbolize(text))
		}
		return refs
	}
	stale := math.Float64frombits(0x7ff0000000000002)
	native := func(ms int64, count uint64, hint histogram.CounterResetHint) writev2.Histogram {
		return writev2.FromIntHistogram(at-1000, ms, &histogram.Histogram{
			Schema: 3, Count: count + 1, Sum: 7.5, ZeroCount: 1, ZeroThreshold: 0.125, CounterResetHint: hint,
			PositiveSpans: []histogram.Span{{Offset: -1, Length: 2}}, PositiveBuckets: []int64{int64(count), -int64(count)},
		})
	}
	custom := writev2.FromFloatHistogram(0, at, &histogram.FloatHistogram{
		Schema: -53, Count: 2.5, Sum: 3, CustomValues: []float64{1, 2},
		PositiveSpans: []histogram.Span{{Offset: 2, Length: 1}}, PositiveBuckets: []float64{2.5},
	})
	end := writev2.FromIntHistogram(0, at+90_000, &histogram.Histogram{Sum: stale})
	request := &writev2.Request{Timeseries: []writev2.TimeSeries{
		{
			LabelsRefs: labels("__name__", "http_requests_total", "job", "shop", "path", "/größe"),
			Samples: []writev2.Sample{
				{Value: 2, Timestamp: at + 15_000, StartTimestamp: at - 1000},
				{Value: 1, Timestamp: at, StartTimestamp: at - 1000},
				{Value: stale, Timestamp: at + 30_000, StartTimestamp: at - 1000},
			},
			Exemplars: []writev2.Exemplar{{
				LabelsRefs: labels("trace_id", "0102030405060708090a0b0c0d0e0f10", "span_id", "ABCDEF0102030405", "user", "u1"),
				Value:      0.5, Timestamp: at,
			}, {LabelsRefs: labels("trace_id", "xyz", "span_id", "0000000000000000"), Value: 0.75, Timestamp: at + 1}},
			Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: labels("Requests.")[0]},
		},
		{
			LabelsRefs: labels("__name__", "took_seconds", "job", "shop"),
			Histograms: []writev2.Histogram{
				native(at, 1, 0), native(at+15_000, 2, 0), native(at+30_000, 1, histogram.CounterReset),
				native(at+45_000, 1, histogram.GaugeType), custom, end,
			},
			Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_HISTOGRAM, UnitRef: labels("seconds")[0]},
		},
		{LabelsRefs: labels("__name__", "up"), Samples: []writev2.Sample{{Value: 1, Timestamp: at}}},
		{LabelsRefs: labels("job", "shop"), Samples: []writev2.Sample{{Value: 1, Timestamp: at}}},
	}}
	request.Symbols = symbols.Symbols()
	for range 2 { // what is sent again counts once
		text := send(t, h, request, 400, "462")
		want := "12 items are stored, 1 are not and would not be if they were sent again: 1 rejected: "
		if !strings.HasPrefix(text, want) || !strings.HasSuffix(text, "series {job=\"shop\"}: the label __name__ is missing\n") {
			t.Errorf("answer %q", text)
		}
	}
	stop()

	query(t, db, `SELECT toString(tuple(metric, service, labels, kind, bounds)) FROM series FINAL ORDER BY metric, bounds`,
		`('http_requests_total','shop',{'job':'shop','path':'/größe'},'counter',[])`,
		`('took_seconds','shop',{'job':'shop'},'histogram',[])`,
		`('took_seconds','shop',{'job':'shop'},'histogram',[1,2])`,
		`('up','',{},'gauge',[])`)
	query(t, db, fmt.Sprintf(`SELECT toString(tuple(metric, toUnixTimestamp(bucket) = %d, st, off, arrayMap(v -> hex(reinterpretAsUInt64(v)), value)))
		FROM samples FINAL ORDER BY metric`, at/1000),
		fmt.Sprintf(`('http_requests_total',1,%d,[0,15000,30000],['3FF0000000000000','4000000000000000','7FF0000000000002'])`, at-1000),
		`('up',1,0,[0],['3FF0000000000000'])`)
	query(t, db, fmt.Sprintf(`SELECT toString(tuple(toUnixTimestamp64Milli(ts) - %d, st = %d, schema, zero_threshold, zero_count, count,
			hex(reinterpretAsUInt64(sum)), stale, pos_idx, pos_count, neg_idx, hint))
		FROM histograms FINAL ORDER BY ts, schema DESC`, at, at-1000),
		`(0,1,3,0.125,1,2,'401E000000000000',false,[-1,0],[1,0],[],'unknown')`,
		`(0,0,-53,0,0,2.5,'4008000000000000',false,[2],[2.5],[],'unknown')`,
		`(15000,1,3,0.125,1,3,'401E000000000000',false,[-1,0],[2,0],[],'not_reset')`,
		`(30000,1,3,0.125,1,2,'401E000000000000',false,[-1,0],[1,0],[],'unknown')`,
		`(45000,1,3,0.125,1,2,'401E000000000000',false,[-1,0],[1,0],[],'gauge')`,
		`(90000,0,0,0,0,0,'7FF0000000000002',true,[],[],[],'unknown')`)
	query(t, db, `SELECT toString(tuple(metric, value, hex(trace_id), hex(span_id), attributes)) FROM exemplars FINAL ORDER BY ts`,
		`('http_requests_total',0.5,'0102030405060708090A0B0C0D0E0F10','ABCDEF0102030405',{'user':'u1'})`,
		`('http_requests_total',0.75,'00000000000000000000000000000000','0000000000000000',{'span_id':'0000000000000000','trace_id':'xyz'})`)
	query(t, db, `SELECT toString(tuple(metric, otel_name, type, unit, help, scope)) FROM metadata FINAL ORDER BY metric`,
		`('http_requests_total','','counter','','Requests.','')`,
		`('took_seconds','','histogram','seconds','','')`)
	query(t, db, `SELECT toString(count()) FROM samples AS a JOIN series AS b ON a.metric = b.metric AND a.series_id = b.series_id`, "2")
}

// TestVersionsAgree sends one series by both versions, and the descriptions of 1.0, which come alone.
func TestVersionsAgree(t *testing.T) {
	db := chtest.New(t)
	h, stop := start(t, db, ingest.Config{MaxAge: -1})
	send(t, h, &prompb.WriteRequest{Metadata: []prompb.MetricMetadata{
		{MetricFamilyName: "x", Type: prompb.MetricMetadata_SUMMARY, Help: "X."}, {MetricFamilyName: "y"},
	}}, 204, "")
	send(t, h, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "z", Value: "1"}, {Name: "__name__", Value: "x_total"}, {Name: "job", Value: "j"}, {Name: "e", Value: ""}},
		Samples: []prompb.Sample{{Timestamp: 0, Value: 1}, {Timestamp: 7_200_000, Value: 3}},
	}}}, 204, "")
	send(t, h, &writev2.Request{
		Symbols: []string{"", "__name__", "x_total", "job", "j", "z", "1"},
		Timeseries: []writev2.TimeSeries{{
			LabelsRefs: []uint32{1, 2, 3, 4, 5, 6},
			Samples:    []writev2.Sample{{Timestamp: 1, Value: 2}, {Timestamp: -1}},
		}},
	}, 400, "100")
	stop()
	query(t, db, `SELECT toString(tuple(metric, service, labels, kind, toUnixTimestamp(first), last >= 7200)) FROM series FINAL`,
		`('x_total','j',{'job':'j','z':'1'},'counter',0,1)`)
	query(t, db, `SELECT toString(tuple(toUnixTimestamp(bucket), off, value)) FROM samples FINAL ORDER BY bucket`,
		`(0,[0,1],[1,2])`, `(7200,[0],[3])`)
	query(t, db, `SELECT toString(tuple(metric, type, help)) FROM metadata FINAL ORDER BY metric`, `('x','summary','X.')`, `('y','unknown','')`)
}
