package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"go.opentelemetry.io/otel/metric"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// promAnswer is what the Prometheus API answers.
type promAnswer struct {
	Status, ErrorType, Error string
	Data                     json.RawMessage
}

// ask asks the Prometheus API and decodes the data of a good answer.
func (p *process) ask(ctx context.Context, path string, form url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/api/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var a promAnswer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return fmt.Errorf("%s: status %d: %w", path, resp.StatusCode, err)
	}
	if a.Status != "success" {
		return fmt.Errorf("%s: status %d: %s: %s", path, resp.StatusCode, a.ErrorType, a.Error)
	}
	return json.Unmarshal(a.Data, into)
}

// vector evaluates an expression at a time and returns the values as text by the value of a label, "" for all others.
func (p *process) vector(ctx context.Context, expr string, at time.Time, label string) (map[string]string, error) {
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	err := p.ask(ctx, "query", url.Values{"query": {expr}, "time": {unixSeconds(at)}}, &data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	out := map[string]string{}
	for _, r := range data.Result {
		value, _ := r.Value[1].(string)
		out[r.Metric[label]] = value
	}
	return out, nil
}

func unixSeconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// expects checks what an expression gives, once the samples are there.
func (p *process) expects(t *testing.T, expr string, at time.Time, label string, want map[string]string) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		got, err := p.vector(t.Context(), expr, at, label)
		if err == nil && !cmp.Equal(want, got) {
			err = fmt.Errorf("%s: %v, want %v", expr, got, want)
		}
		return err
	})
}

// remoteWrite posts a request of a version of the protocol.
func (p *process) remoteWrite(ctx context.Context, version int, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		return err
	}
	kind := "application/x-protobuf"
	if version == 2 {
		kind += ";proto=io.prometheus.write.v2.Request"
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Content-Encoding", "snappy")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusNoContent {
		err = fmt.Errorf("remote write %d: status %d: %q", version, resp.StatusCode, text)
	}
	return err
}

// A point is a sample of a series.
type point struct {
	at    time.Time
	value float64
}

// write1 is a request of version 1 with one series. The labels are pairs, sorted by name.
func write1(t testing.TB, points []point, pairs ...string) []byte {
	t.Helper()
	var s prompb.TimeSeries
	for pair := range slices.Chunk(pairs, 2) {
		s.Labels = append(s.Labels, prompb.Label{Name: pair[0], Value: pair[1]})
	}
	for _, p := range points {
		s.Samples = append(s.Samples, prompb.Sample{Timestamp: p.at.UnixMilli(), Value: p.value})
	}
	body, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{s}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// write2 is the same of version 2, of a counter with its help.
func write2(t testing.TB, points []point, help string, pairs ...string) []byte {
	t.Helper()
	req := &writev2.Request{Symbols: append([]string{""}, pairs...)}
	s := writev2.TimeSeries{Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: uint32(len(req.Symbols))}}
	for i := range pairs {
		s.LabelsRefs = append(s.LabelsRefs, uint32(1+i))
	}
	for _, p := range points {
		s.Samples = append(s.Samples, writev2.Sample{Timestamp: p.at.UnixMilli(), Value: p.value})
	}
	req.Symbols, req.Timeseries = append(req.Symbols, help), []writev2.TimeSeries{s}
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// ramp is a point every 15 s: 0, by, 2*by, …
func ramp(from time.Time, n int, by float64) (all []point) {
	for i := range n {
		all = append(all, point{from.Add(time.Duration(i) * 15 * time.Second), float64(i) * by})
	}
	return all
}

// promql is a server with metrics in it, and what is known about them.
type promql struct {
	*process
	sdk *sdk
	now time.Time // every question is asked at this time, so that answers can be compared
}

// TestPromQL sends metrics by remote write and with the Go SDK, asks for them in every way, and asks again after the
// process was stopped, and after it was killed.
func TestPromQL(t *testing.T) {
	dir := t.TempDir()
	q := &promql{process: serve(t, dir), now: time.Now().Truncate(time.Second)}
	start := q.now.Add(-10 * time.Minute)
	for version, body := range map[int][]byte{
		1: write1(t, ramp(start, 40, 30), "__name__", "e2e_orders_total", "instance", "a", "job", "e2e"),
		2: write2(t, ramp(start, 40, 60), "Orders taken.", "__name__", "e2e_orders_total", "instance", "b", "job", "e2e"),
	} {
		if err := q.remoteWrite(t.Context(), version, body); err != nil {
			t.Fatal(err)
		}
	}
	q.sdk = newSDK(t, "http", q.process)
	q.sdk.requests(t)
	q.record(t)
	if err := errors.Join(q.sdk.traces.Shutdown(t.Context()), q.sdk.metrics.Shutdown(t.Context()), q.sdk.logs.Shutdown(t.Context())); err != nil {
		t.Fatal(err)
	}
	q.now = time.Now().Add(15 * time.Second).Truncate(10 * time.Second) // the slices of all spans have ended
	t.Run("remote write", q.remoteWritten)
	t.Run("spellings", q.spellings)
	t.Run("histograms", q.histograms)
	t.Run("targets", q.targets)
	t.Run("spans", q.spans)
	t.Run("exemplars", q.exemplars)
	t.Run("metadata", q.described)
	t.Run("gzip", q.compressed)
	t.Run("command line", q.terminal)
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		q.stop(t, end)
		q.process = serve(t, dir)
		t.Run("after "+end.String(), func(t *testing.T) {
			t.Run("remote write", q.remoteWritten)
			t.Run("spellings", q.spellings)
			t.Run("histograms", q.histograms)
			t.Run("targets", q.targets)
			t.Run("spans", q.spans)
			t.Run("exemplars", q.exemplars)
		})
	}
}

// record has a histogram of the semantic conventions, recorded within a trace.
func (q *promql) record(t *testing.T) {
	t.Helper()
	h, err := q.sdk.metrics.Meter("e2e/server").Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Durations of requests."), metric.WithExplicitBucketBoundaries(0.1, 0.25, 0.5, 1))
	if err != nil {
		t.Fatal(err)
	}
	ctx := oteltrace.ContextWithSpanContext(t.Context(), q.sdk.detailed)
	for i := range 100 {
		h.Record(ctx, float64(1+i)/100)
	}
}

func (q *promql) remoteWritten(t *testing.T) {
	q.expects(t, `count_over_time(e2e_orders_total[20m])`, q.now, "instance", map[string]string{"a": "40", "b": "40"})
	q.expects(t, `max_over_time(e2e_orders_total{instance="b"}[20m])`, q.now, "instance", map[string]string{"b": "2340"})
	q.expects(t, `sum(sum_over_time(e2e_orders_total[20m]))`, q.now, "", map[string]string{"": "70200"})
	var data struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Values [][2]any
		}
	}
	from := q.now.Add(-9 * time.Minute)
	form := url.Values{"query": {`round(sum by (instance) (rate(e2e_orders_total[2m])), 0.001)`}, "start": {unixSeconds(from)}, "end": {unixSeconds(from.Add(5 * time.Minute))}, "step": {"60"}}
	if err := q.ask(t.Context(), "query_range", form, &data); err != nil {
		t.Fatal(err)
	}
	if data.ResultType != "matrix" || len(data.Result) != 2 || len(data.Result[0].Values) != 6 {
		t.Fatalf("%+v", data)
	}
	for i, want := range []string{"2", "4"} {
		if got := data.Result[i].Values[3][1]; got != want {
			t.Errorf("rate of %v: %v, want %s", data.Result[i].Metric, got, want)
		}
	}
}

func (q *promql) spellings(t *testing.T) {
	for _, selector := range []string{`{"e2e.requests"}`, `e2e_requests_total`, `{__name__="e2e.requests"}`} {
		q.expects(t, `last_over_time(`+strings.Replace(selector, "}", `,job="shop/gosdk-http"}`, 1)+`[10m])`, q.now, "failed", map[string]string{"false": "900", "true": "100"})
	}
	for _, selector := range []string{`{"http.server.request.duration"}`, `http_server_request_duration_seconds`} {
		q.expects(t, `histogram_count(last_over_time(`+selector+`[10m]))`, q.now, "job", map[string]string{"shop/gosdk-http": "100"})
	}
	q.expects(t, `last_over_time(e2e_temperature_celsius[10m])`, q.now, "instance", map[string]string{"instance-1": "36.6"})
}

func (q *promql) histograms(t *testing.T) {
	const name = "http_server_request_duration_seconds"
	q.expects(t, `last_over_time(`+name+`_bucket[10m])`, q.now, "le", map[string]string{"0.1": "10", "0.25": "25", "0.5": "50", "1": "100", "+Inf": "100"})
	q.expects(t, `last_over_time(`+name+`_count[10m])`, q.now, "", map[string]string{"": "100"})
	q.expects(t, `last_over_time(`+name+`_sum[10m])`, q.now, "", map[string]string{"": "50.5"})
	for _, of := range []string{name, name + "_bucket"} {
		q.expects(t, `histogram_quantile(0.25, last_over_time(`+of+`[10m]))`, q.now, "", map[string]string{"": "0.25"})
	}
	q.expects(t, `histogram_count(last_over_time(e2e_payload_bytes[10m]))`, q.now, "", map[string]string{"": "1000"})
}

func (q *promql) targets(t *testing.T) {
	const mine = `{job="shop/gosdk-http",instance="instance-1"`
	q.expects(t, `last_over_time(target_info`+mine+`}[10m])`, q.now, "service_version", map[string]string{"1.2.3": "1"})
	q.expects(t, `sum by (service_version) (info(e2e_temperature_celsius))`, q.now, "service_version", map[string]string{"1.2.3": "36.6"})
	q.expects(t, `up`+mine+`}`, q.now, "job", map[string]string{"shop/gosdk-http": "1"})
}

func (q *promql) spans(t *testing.T) {
	of := `sum by (operation) (increase(traces_span_duration_seconds{service="gosdk-http"}[10m]))`
	q.expects(t, `histogram_count(`+of+`)`, q.now, "operation", map[string]string{"GET /items/{id}": "1000", "SELECT items": "1", "warm up": "1"})
	q.expects(t, `histogram_count(sum(increase(traces_span_duration_seconds{service="gosdk-http",status="error"}[10m])))`, q.now, "", map[string]string{"": "100"})
	got, err := q.vector(t.Context(), `histogram_quantile(0.95, `+of+`)`, q.now, "operation")
	if v, _ := strconv.ParseFloat(got["GET /items/{id}"], 64); err != nil || v < 0.95*0.955 || v > 0.95*1.045 {
		t.Errorf("p95 of the spans: %v, %v", got, err)
	}
}

// exemplars lead to traces.
func (q *promql) exemplars(t *testing.T) {
	var all []struct {
		SeriesLabels map[string]string
		Exemplars    []struct {
			Labels map[string]string
			Value  string
		}
	}
	form := url.Values{"query": {`histogram_quantile(0.9, rate(http_server_request_duration_seconds[5m]))`}, "start": {unixSeconds(q.now.Add(-time.Hour))}, "end": {unixSeconds(q.now)}}
	eventually(t, 30*time.Second, func() error {
		err := q.ask(t.Context(), "query_exemplars", form, &all)
		if err == nil && len(all) == 0 {
			err = errors.New("no exemplars")
		}
		return err
	})
	if len(all) != 1 || all[0].SeriesLabels["job"] != "shop/gosdk-http" || len(all[0].Exemplars) == 0 {
		t.Fatalf("%+v", all)
	}
	id := all[0].Exemplars[0].Labels["trace_id"]
	if id != q.sdk.detailed.TraceID().String() {
		t.Fatalf("%+v", all)
	}
	eventually(t, 30*time.Second, func() error {
		code, page, err := q.get("/traces/" + id)
		if err == nil && (code != http.StatusOK || !strings.Contains(page, "SELECT items")) {
			err = fmt.Errorf("the page of trace %s: status %d", id, code)
		}
		return err
	})
}

func (q *promql) described(t *testing.T) {
	var all map[string][]struct{ Type, Unit, Help string }
	if err := q.ask(t.Context(), "metadata", url.Values{}, &all); err == nil {
		t.Error("metadata takes a POST")
	}
	_, body, err := q.get("/api/v1/metadata")
	if err != nil {
		t.Fatal(err)
	}
	var a promAnswer
	if err := errors.Join(json.Unmarshal([]byte(body), &a), json.Unmarshal(a.Data, &all)); err != nil {
		t.Fatal(err)
	}
	f := func(name, kind, help string) {
		t.Helper()
		if len(all[name]) == 0 || all[name][0].Type != kind || all[name][0].Help != help {
			t.Errorf("%s: %+v, want %s %q", name, all[name], kind, help)
		}
	}
	f("http_server_request_duration_seconds", "histogram", "Durations of requests.")
	f("e2e_orders_total", "counter", "Orders taken.")
	f("e2e_requests_total", "counter", "Requests made.")
}

func (q *promql) compressed(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, q.url+"/api/v1/query?"+url.Values{"query": {`e2e_orders_total[20m]`}, "time": {unixSeconds(q.now)}}.Encode(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("content encoding %q", got)
	}
	body, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a promAnswer
	if err := json.NewDecoder(body).Decode(&a); err != nil || a.Status != "success" {
		t.Errorf("%+v, %v", a, err)
	}
}

func (q *promql) terminal(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		out, err := command(append([]string{"query", "--url", q.url}, args...)...).Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v\n%s\nlacks %q", args, err, out, want)
		}
	}
	at := unixSeconds(q.now)
	f("a            40\nb            40\n", "--time", at, `sum by (instance) (count_over_time(e2e_orders_total[20m]))`)
	f("instance,time,value\na,", "-o", "csv", "--time", at, `sum by (instance) (count_over_time(e2e_orders_total[20m]))`)
	f(`"values": [`, "-o", "json", "--end", at, "--since", "10m", "--step", "1m", `rate(e2e_orders_total[2m])`)
	var problem bytes.Buffer
	wrong := command("query", "--url", q.url, `sum(`)
	wrong.Stderr = &problem
	if err := wrong.Run(); err == nil || !strings.Contains(problem.String(), "parse error") {
		t.Errorf("%v: %s", err, &problem)
	}
}

// TestPromQLKill kills the process again and again while samples come in by remote write. Each one that was
// acknowledged has to be counted, and once only.
func TestPromQLKill(t *testing.T) {
	random := seed(t)
	dir := t.TempDir()
	first := serve(t, dir)
	var target atomic.Pointer[process]
	target.Store(first)
	const writers = 4
	began := time.Now().Add(-20 * time.Minute).Truncate(time.Second)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var done sync.WaitGroup
	var counts, sums [writers]int
	var failures [writers]error
	for w := range writers {
		done.Go(func() { counts[w], sums[w], failures[w] = keepWriting(ctx, t, &target, w, began) })
	}
	for i := range 6 {
		wait(500 + random.IntN(1500))
		target.Store(killAndRestart(t, random, target.Load(), i))
	}
	wait(500)
	stop()
	done.Wait()
	if err := errors.Join(failures[:]...); err != nil {
		t.Fatal(err)
	}
	want, wantSum := map[string]string{}, map[string]string{}
	for w := range writers {
		want[strconv.Itoa(w)], wantSum[strconv.Itoa(w)] = strconv.Itoa(counts[w]), strconv.Itoa(sums[w])
	}
	t.Logf("acknowledged: %v", counts)
	p, end := target.Load(), began.Add(time.Hour)
	check := func() {
		t.Helper()
		p.expects(t, `count_over_time(e2e_written_total[2h])`, end, "writer", want)
		p.expects(t, `sum_over_time(e2e_written_total[2h])`, end, "writer", wantSum)
	}
	check()
	p.stop(t, syscall.SIGTERM)
	p = serve(t, dir)
	check()
}

// keepWriting sends a request with one sample after another, repeats each until it is acknowledged, and returns how many
// there were and the sum of their values.
func keepWriting(ctx context.Context, t *testing.T, target *atomic.Pointer[process], writer int, began time.Time) (n, sum int, err error) {
	for ; ctx.Err() == nil; n++ {
		at := []point{{began.Add(time.Duration(n) * 20 * time.Millisecond), float64(n)}}
		pairs := []string{"__name__", "e2e_written_total", "job", "e2e", "writer", strconv.Itoa(writer)}
		version, body := 1, write1(t, at, pairs...)
		if writer%2 == 1 {
			version, body = 2, write2(t, at, "Requests.", pairs...)
		}
		err := waitFor(context.WithoutCancel(ctx), giveUp, func() error {
			limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			defer cancel()
			return target.Load().remoteWrite(limit, version, body)
		})
		if err != nil {
			return n, sum, err
		}
		sum += n
	}
	return n, sum, nil
}

// TestPromQLCancel gives up a request whose statement never ends, and expects that ClickHouse stops it.
func TestPromQLCancel(t *testing.T) {
	p := serve(t, t.TempDir())
	_, db := p.open(t)
	// From now on the counts of spans are read from a table without an end.
	for _, statement := range []string{
		"RENAME TABLE red_10s TO red_10s_kept",
		"CREATE TABLE red_10s AS red_10s_kept ENGINE = GenerateRandom",
	} {
		if err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	running := func() (uint64, error) {
		return scalar[uint64](t.Context(), db, `
			SELECT count()
			FROM system.processes
			WHERE query LIKE '%red_10s%' AND query LIKE '%latency%' AND query NOT LIKE '%system.processes%'`)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		_, err := p.vector(ctx, `rate(traces_span_duration_seconds[5m])`, time.Now(), "")
		answered <- err
	}()
	eventually(t, 20*time.Second, func() error {
		n, err := running()
		if err == nil && n == 0 {
			err = errors.New("the statement does not run")
		}
		select {
		case early := <-answered:
			t.Fatalf("answered early: %v", early)
		default:
		}
		return err
	})
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("the request ended with %v", err)
	}
	eventually(t, 10*time.Second, func() error {
		n, err := running()
		if err == nil && n > 0 {
			err = fmt.Errorf("%d statements run on", n)
		}
		return err
	})
}
