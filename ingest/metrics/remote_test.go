package metrics

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"loadline/ingest/native/nativetest"
	"loadline/ingest/points"
	"loadline/ingest/remotewrite/request"
	"loadline/ingest/wire"
)

// always takes samples of any time.
var always = wire.NewWindow(now, 100*365*24*time.Hour)

// receive checks a request of remote write, adds it and compares the counts.
func receive(t testing.TB, r *Remote, version request.Version, body []byte) wire.Tally {
	t.Helper()
	var c request.Checker
	tally, err := c.Check(version, body, always)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	before := r.b.Rows()
	if err := r.Add(version, body, now, always); err != nil {
		t.Fatalf("add: %v", err)
	}
	if got, want := r.b.Rows()-before, tally.Samples+tally.Histograms+tally.Exemplars; got != want {
		t.Fatalf("the check accepted %d items, Add collected %d", want, got)
	}
	return tally
}

func encoded(t testing.TB, m interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	body, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// v1 builds a request of one series by pairs of label names and values.
func v1(t testing.TB, s prompb.TimeSeries, labels ...string) []byte {
	t.Helper()
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, prompb.Label{Name: labels[i], Value: labels[i+1]})
	}
	return encoded(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{s}})
}

func newRemote() *Remote { return NewRemote(NewBuilder(wire.NewResources())) }

func TestRemoteSeries(t *testing.T) {
	r := newRemote()
	sample := func(ms int64) prompb.TimeSeries {
		return prompb.TimeSeries{Samples: []prompb.Sample{{Timestamp: ms, Value: 1}}}
	}
	receive(t, r, request.V1, v1(t, sample(0), "__name__", "up", "job", "j", "z", "1"))
	receive(t, r, request.V1, v1(t, sample(500), "job", "j", "__name__", "up", "z", "1")) // another spelling of the same
	receive(t, r, request.V1, v1(t, sample(0), "__name__", "up", "job", "k"))
	got := tables(t, r.b)
	compare(t, got["series"],
		nativetest.Row{"metric": "up", "service": "j", "labels": [][2]string{{"job", "j"}, {"z", "1"}}, "kind": int64(points.KindGauge), "first": uint64(0)},
		nativetest.Row{"metric": "up", "service": "k", "labels": [][2]string{{"job", "k"}}})
	compare(t, got["samples"],
		nativetest.Row{"service": "j", "bucket": uint64(0), "off": []any{uint64(0), uint64(500)}},
		nativetest.Row{"service": "k"})

	l := points.NewLabeler()
	l.Labels = append(l.Labels, points.Label{Name: "job", Value: "j"}, points.Label{Name: "z", Value: "1"})
	if want := l.ID(points.KindGauge, nil); got["series"][0]["series_id"] != want {
		t.Errorf("series id %v, want %d", got["series"][0]["series_id"], want)
	}

	// The next batch has nothing to say about a series whose row covers the time.
	r.b.Reset()
	receive(t, r, request.V1, v1(t, sample(1000), "__name__", "up", "job", "j", "z", "1"))
	if got := tables(t, r.b); len(got["series"]) != 0 || len(got["samples"]) != 1 {
		t.Errorf("%v", got)
	}
	r.b.Reset()
	receive(t, r, request.V1, v1(t, sample(7_200_000), "__name__", "up", "job", "j", "z", "1"))
	compare(t, tables(t, r.b)["series"], nativetest.Row{"labels": [][2]string{{"job", "j"}, {"z", "1"}}, "first": uint64(7200)})
}

// TestRemoteReferences checks that labels that cannot be read are not taken for those of a series that has some of them.
func TestRemoteReferences(t *testing.T) {
	r := newRemote()
	send := func(refs ...uint32) wire.Tally {
		return receive(t, r, request.V2, encoded(t, &writev2.Request{
			Symbols:    []string{"", "__name__", "up"},
			Timeseries: []writev2.TimeSeries{{LabelsRefs: refs, Samples: []writev2.Sample{{Timestamp: 1}}}},
		}))
	}
	if tally := send(1, 2); tally.Samples != 1 {
		t.Errorf("%+v", tally)
	}
	if tally := send(1, 2, 7); tally.Items[wire.BadLabels] != 1 {
		t.Errorf("%+v", tally)
	}
}

func TestRemoteHistograms(t *testing.T) {
	r := newRemote()
	at := now.UnixMilli()
	custom := func(ms int64, sum float64, bounds ...float64) prompb.Histogram {
		h := &histogram.Histogram{Schema: points.CustomSchema, Sum: sum, CustomValues: bounds}
		if len(bounds) > 0 {
			h.Count, h.PositiveSpans, h.PositiveBuckets = 2, []histogram.Span{{Length: 1}}, []int64{2}
		}
		return prompb.FromIntHistogram(ms, h)
	}
	receive(t, r, request.V1, v1(t, prompb.TimeSeries{
		Histograms: []prompb.Histogram{
			custom(at, 1, 5, 10), custom(at+1, 1, 5, 10), custom(at+2, 1, 5, 20), custom(at+3, points.StaleNaN()),
			custom(at+4, 1, 5, 10), // but what came meanwhile has other bounds
		},
		// On the wire of 1.0 exemplars come before the histograms that they are of.
		Exemplars: []prompb.Exemplar{{Timestamp: at, Value: 3}},
	}, "__name__", "took"))
	got := tables(t, r.b)
	compare(t, got["series"],
		nativetest.Row{"kind": int64(points.KindHistogram), "bounds": got["series"][0]["bounds"]},
		nativetest.Row{"kind": int64(points.KindHistogram), "bounds": got["series"][1]["bounds"]})
	ids := map[string]any{}
	for _, s := range got["series"] {
		ids[fmt.Sprint(s["bounds"])] = s["series_id"]
	}
	byTime := map[any]nativetest.Row{}
	for _, h := range got["histograms"] {
		byTime[h["ts"]] = h
	}
	compare(t, []nativetest.Row{byTime[at], byTime[at+1], byTime[at+2], byTime[at+3], byTime[at+4]},
		nativetest.Row{"series_id": ids["[5 10]"], "schema": int64(-53), "hint": int64(0), "count": 2.0, "min": math.NaN(), "max": math.NaN()},
		nativetest.Row{"series_id": ids["[5 10]"], "hint": int64(2)},
		nativetest.Row{"series_id": ids["[5 20]"], "hint": int64(0)},
		nativetest.Row{"series_id": ids["[5 20]"], "stale": uint64(1), "hint": int64(0), "pos_idx": []any{}},
		nativetest.Row{"series_id": ids["[5 10]"], "hint": int64(0)})
	compare(t, got["exemplars"], nativetest.Row{"series_id": ids["[5 10]"], "value": 3.0})

	// A stale marker of a float ends the histograms, unless there are floats with the labels.
	r.b.Reset()
	end := prompb.TimeSeries{Samples: []prompb.Sample{{Timestamp: at + 5, Value: points.StaleNaN()}}}
	receive(t, r, request.V1, v1(t, end, "__name__", "took"))
	got = tables(t, r.b)
	compare(t, got["histograms"], nativetest.Row{"series_id": ids["[5 10]"], "ts": at + 5, "stale": uint64(1)})
	if len(got["samples"])+len(got["series"]) > 0 {
		t.Errorf("%v", got)
	}
	receive(t, r, request.V1, v1(t, prompb.TimeSeries{Samples: []prompb.Sample{{Timestamp: at + 6}}}, "__name__", "took"))
	receive(t, r, request.V1, v1(t, end, "__name__", "took"))
	compare(t, tables(t, r.b)["samples"], nativetest.Row{"metric": "took"})
}

// TestRemoteExemplarAlone sends an exemplar whose series has no sample.
func TestRemoteExemplarAlone(t *testing.T) {
	r := newRemote()
	receive(t, r, request.V1, v1(t, prompb.TimeSeries{
		Exemplars: []prompb.Exemplar{{Timestamp: 1, Labels: []prompb.Label{{Name: "span_id", Value: "00000000000000AB"}}}},
	}, "__name__", "took_total"))
	got := tables(t, r.b)
	compare(t, got["series"], nativetest.Row{"metric": "took_total", "kind": int64(points.KindCounter)})
	compare(t, got["exemplars"], nativetest.Row{"span_id": "\x00\x00\x00\x00\x00\x00\x00\xab", "attributes": [][2]string{}})
}

// TestRemoteMetadata checks that a description is written once an hour.
func TestRemoteMetadata(t *testing.T) {
	r := newRemote()
	body := encoded(t, &prompb.WriteRequest{Metadata: []prompb.MetricMetadata{{MetricFamilyName: "x", Type: 1, Help: "X.", Unit: "u"}}})
	f := func(after time.Duration, rows int) {
		t.Helper()
		r.b.Reset()
		if err := r.Add(request.V1, body, now.Add(after), always); err != nil {
			t.Fatal(err)
		}
		if got := tables(t, r.b)["metadata"]; len(got) != rows {
			t.Errorf("after %s: %v", after, got)
		}
	}
	f(0, 1)
	compare(t, tables(t, r.b)["metadata"], nativetest.Row{
		"metric": "x", "otel_name": "", "type": "counter", "unit": "u", "help": "X.", "temporality": "", "scope": "",
		"last_seen": uint64(now.Unix()),
	})
	f(time.Minute, 0)
	f(time.Hour, 1)
}

// FuzzRemote checks that Add collects what the check accepts, also of series that it knows already.
func FuzzRemote(f *testing.F) {
	h := prompb.FromIntHistogram(5, &histogram.Histogram{Count: 2, PositiveSpans: []histogram.Span{{Length: 1}}, PositiveBuckets: []int64{2}})
	f.Add(false, v1(f, prompb.TimeSeries{
		Samples: []prompb.Sample{{Timestamp: 1, Value: 2}}, Histograms: []prompb.Histogram{h},
		Exemplars: []prompb.Exemplar{{Timestamp: 1, Labels: []prompb.Label{{Name: "trace_id", Value: "ab"}}}},
	}, "__name__", "up", "job", "j"))
	f.Add(true, encoded(f, &writev2.Request{
		Symbols: []string{"", "__name__", "up", "job", "j"},
		Timeseries: []writev2.TimeSeries{{
			LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []writev2.Sample{{Timestamp: 1, StartTimestamp: 1}},
			Metadata: writev2.Metadata{Type: 3, HelpRef: 4}, Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{3, 4}}},
		}},
	}))
	f.Fuzz(func(t *testing.T, second bool, body []byte) {
		version := request.V1
		if second {
			version = request.V2
		}
		var c request.Checker
		if _, err := c.Check(version, body, always); err != nil {
			return
		}
		r := newRemote()
		for range 2 {
			receive(t, r, version, body)
			tables(t, r.b)
			r.b.Reset()
		}
	})
}

// scrape is the request of a sender that has scraped n series with eight labels, as often as there are samples in it.
func scrape(b *testing.B, version request.Version, n, samples int, at int64) []byte {
	b.Helper()
	symbols := writev2.NewSymbolTable()
	first, second := &prompb.WriteRequest{}, &writev2.Request{}
	for i := range n {
		pairs := []string{
			"__name__", fmt.Sprintf("http_server_requests_%d_total", i%50), "code", "200", "env", "production", "handler",
			fmt.Sprintf("/api/v1/resource/%d", i%20), "instance", fmt.Sprintf("10.0.%d.7:9100", i/1000), "job", "shop/checkout",
			"method", "GET", "pod", fmt.Sprintf("checkout-7d9f8b6c5-%d", i),
		}
		var one prompb.TimeSeries
		two := writev2.TimeSeries{Metadata: writev2.Metadata{Type: 1, HelpRef: symbols.Symbolize("Requests that were served.")}}
		for j := 0; j < len(pairs); j += 2 {
			one.Labels = append(one.Labels, prompb.Label{Name: pairs[j], Value: pairs[j+1]})
			two.LabelsRefs = append(two.LabelsRefs, symbols.Symbolize(pairs[j]), symbols.Symbolize(pairs[j+1]))
		}
		for j := range samples {
			ts, value := at+int64(j)*15_000, float64(i*j)
			one.Samples = append(one.Samples, prompb.Sample{Timestamp: ts, Value: value})
			two.Samples = append(two.Samples, writev2.Sample{Timestamp: ts, Value: value, StartTimestamp: at - 1000})
		}
		first.Timeseries, second.Timeseries = append(first.Timeseries, one), append(second.Timeseries, two)
	}
	if version == request.V1 {
		return encoded(b, first)
	}
	second.Symbols = symbols.Symbols()
	return encoded(b, second)
}

// BenchmarkRemote measures a sample of a known series: its check, and its way into the rows of a batch.
func BenchmarkRemote(b *testing.B) {
	const series, requests = 2000, 20
	for _, version := range []request.Version{request.V1, request.V2} {
		for _, samples := range []int{1, 10} {
			name := fmt.Sprintf("version %d/%d samples", version, samples)
			body := scrape(b, version, series, samples, now.UnixMilli())
			var c request.Checker
			b.Run(name+"/check", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if tally, err := c.Check(version, body, always); err != nil || tally.Samples != series*samples {
						b.Fatal(tally, err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*series*samples), "ns/sample")
			})
			b.Run(name+"/add", func(b *testing.B) {
				r := newRemote()
				b.ReportAllocs()
				for b.Loop() {
					r.b.Reset()
					for range requests {
						if err := r.Add(version, body, now, always); err != nil {
							b.Fatal(err)
						}
					}
					if rows := r.b.Samples(); len(rows) != series {
						b.Fatal(len(rows))
					}
					r.b.Blocks() // and so remember that the series are stored
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*series*samples*requests), "ns/sample")
			})
		}
	}
}
