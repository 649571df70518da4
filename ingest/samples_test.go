package ingest_test

import (
	"context"
	"maps"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"loadline/ingest"
	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
)

// gauge is a request with a sample of each of n series at the given time.
func gauge(t *testing.T, at time.Time, n int) []byte {
	t.Helper()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("g")
	points := m.SetEmptyGauge().DataPoints()
	for i := range n {
		p := points.AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.Attributes().PutInt("series", int64(i))
		p.SetDoubleValue(value(at.UnixMilli()))
	}
	return marshal(t, pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto)
}

// value is that of the samples of a moment.
func value(ms int64) float64 { return float64(ms%100_000) / 100 }

// inHead counts the samples of g in memory by time, each series' moment once.
func inHead(t *testing.T, p *ingest.Pipeline) map[int64]int {
	t.Helper()
	type sample struct {
		id uint64
		t  int64
	}
	seen := map[sample]bool{}
	p.Head().Floats("g", 0, math.MaxInt64, func(service string, id uint64, _ int64, times []int64, values []float64) {
		for i, at := range times {
			if service != "shop" || values[i] != value(at) {
				t.Errorf("%s has %v at %d", service, values[i], at)
			}
			seen[sample{id, at}] = true
		}
	})
	counts := map[int64]int{}
	for s := range seen {
		counts[s.t]++
	}
	return counts
}

// inTable counts the samples of g in ClickHouse by time.
func inTable(t *testing.T, db *clickhouse.DB) map[int64]int {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT toUnixTimestamp64Milli(ts), count() FROM samples_flat WHERE metric = 'g' GROUP BY ts")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	counts := map[int64]int{}
	for rows.Next() {
		var ms int64
		var n uint64
		if err := rows.Scan(&ms, &n); err != nil {
			t.Fatal(err)
		}
		counts[ms] = int(n)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return counts
}

// TestSamplesAreSeenAtOnce: a sample is in memory before it is in its table, then in the table too, and in one block of
// all that came meanwhile.
func TestSamplesAreSeenAtOnce(t *testing.T) {
	db := chtest.New(t)
	dir := t.TempDir()
	p, stop := start(t, db, dir)
	want := map[int64]int{}
	send := func(at time.Time) {
		t.Helper()
		mustExport(t, p, ingest.Metrics, gauge(t, at, 50), 50)
		want[at.UnixMilli()] = 50
		waitFor(t, func() bool { return maps.Equal(want, inHead(t, p)) })
	}
	began := time.Now()
	send(began.Add(-time.Second))
	generation := p.Head().Generation("g")
	if generation == 0 {
		waitFor(t, func() bool { return p.Head().Generation("g") > 0 })
		generation = p.Head().Generation("g")
	}
	send(began)
	send(began.Add(-3 * time.Hour)) // late
	if got := inTable(t, db); len(got) > 0 {
		t.Errorf("the table has %v within a minute", got)
	}
	if got := p.Head().Generation("g"); got > generation+1 { // the late sample lies before the series' row
		t.Errorf("generation %d, then %d", generation, got)
	}
	stop()
	if d := cmp.Diff(want, inTable(t, db)); d != "" {
		t.Errorf("in the table: %s", d)
	}
	extra := number(t, db, `
		SELECT toUInt64(count() - uniqExact(partition))
		FROM system.parts
		WHERE database = currentDatabase() AND table = 'samples'`)
	if extra != 0 {
		t.Errorf("%d parts more than buckets", extra)
	}
	if d := cmp.Diff(want, inHead(t, p)); d != "" {
		t.Errorf("in memory: %s", d)
	}
}

// TestSamplesOfACrash: what was acknowledged is seen after a crash and stored once, whether it is in the log of requests,
// in that of samples, or in both because the crash came before the first was cut.
func TestSamplesOfACrash(t *testing.T) {
	dir := t.TempDir()
	p, err := ingest.New(chtest.New(t), ingest.Config{Dir: dir, SegmentAge: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Truncate(time.Second)
	want := map[int64]int{}
	for i := range 3 {
		at := began.Add(time.Duration(-i) * 10 * time.Minute)
		mustExport(t, p, ingest.Metrics, gauge(t, at, 20), 20)
		want[at.UnixMilli()] = 20
	}
	copied := func(log string) string {
		to := t.TempDir()
		if err := os.CopyFS(to, os.DirFS(filepath.Join(dir, log))); err != nil {
			t.Fatal(err)
		}
		return to
	}
	requests := copied("segments")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	waitFor(t, func() bool { return p.Status().Log.Items == 0 })
	samples := copied("samples")
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	f := func(name string, logs map[string]string) {
		t.Run(name, func(t *testing.T) {
			db, dir := chtest.New(t), t.TempDir()
			for log, from := range logs {
				if err := os.CopyFS(filepath.Join(dir, log), os.DirFS(from)); err != nil {
					t.Fatal(err)
				}
			}
			p, stop := start(t, db, dir)
			waitFor(t, func() bool { return maps.Equal(want, inHead(t, p)) && p.Status().Log.Items == 0 })
			stop()
			if d := cmp.Diff(want, inTable(t, db)); d != "" {
				t.Errorf("in the table: %s", d)
			}
		})
	}
	f("in the log of requests", map[string]string{"segments": requests})
	f("in the log of samples", map[string]string{"samples": samples})
	f("in both", map[string]string{"segments": requests, "samples": samples})
}

// TestLargeRequest: the samples of one request take several records.
func TestLargeRequest(t *testing.T) {
	db := chtest.New(t)
	p, stop := start(t, db, t.TempDir())
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("g")
	points := m.SetEmptyGauge().DataPoints()
	const series, each = 30, 10_000
	began := time.Now().Add(-24 * time.Hour).UnixMilli()
	points.EnsureCapacity(series * each)
	for i := range series {
		for j := range each {
			ms := began + int64(j)*5000
			p := points.AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(time.UnixMilli(ms)))
			p.Attributes().PutInt("series", int64(i))
			p.SetDoubleValue(value(ms))
		}
	}
	mustExport(t, p, ingest.Metrics, marshal(t, pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto), series*each)
	waitFor(t, func() bool { return len(inHead(t, p)) == each && p.Status().Log.Items == 0 })
	stop()
	got := inTable(t, db)
	for ms, n := range got {
		if n != series {
			t.Fatalf("%d samples at %d", n, ms)
		}
	}
	if len(got) != each {
		t.Errorf("%d of %d moments", len(got), each)
	}
}

// TestSamplesOfTheFuture: the head is not complete where an earlier process stored samples of a clock that runs ahead.
func TestSamplesOfTheFuture(t *testing.T) {
	db := chtest.New(t)
	dir := t.TempDir()
	p, stop := start(t, db, dir)
	ahead := time.Now().Add(30 * time.Minute)
	mustExport(t, p, ingest.Metrics, gauge(t, ahead, 1), 1)
	stop()
	p, stop = start(t, db, dir)
	waitFor(t, func() bool { return p.Head().Floats("g", 0, 0, nil) > ahead.UnixMilli() })
	stop()
}

// TestAnyAge: a negative MaxAge takes samples from the beginning of time.
func TestAnyAge(t *testing.T) {
	db := chtest.New(t)
	p, err := ingest.New(db, ingest.Config{Dir: t.TempDir(), MaxAge: -1})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]int{}
	for _, ms := range []int64{1, 3_600_000, 1_000_000_000_000} {
		mustExport(t, p, ingest.Metrics, gauge(t, time.UnixMilli(ms), 2), 2)
		want[ms] = 2
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, inTable(t, db)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, inHead(t, p)); d != "" {
		t.Error(d)
	}
}
