package red

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/promql/red/grid"
	"loadline/query/querytest"
)

func TestUpAt(t *testing.T) {
	at := int64(100 * grid.Hour)
	f := func(last, seen time.Duration, want float64, wantOK bool) {
		t.Helper()
		var lastAt int64
		if last != 0 {
			lastAt = at - last.Milliseconds()
		}
		if got, ok := upAt(at, lastAt, at-seen.Milliseconds()); got != want || ok != wantOK {
			t.Errorf("heard of %v ago, seen %v ago: %v, %v", last, seen, got, ok)
		}
	}
	f(time.Second, time.Minute, 1, true)
	f(6*time.Minute, 40*time.Minute, 0, true)
	f(0, 40*time.Minute, 0, true)
	f(0, 119*time.Minute, 0, true)
	f(0, 121*time.Minute, 0, false)
	f(0, -time.Minute, 0, false)
	f(59*time.Minute, -time.Hour, 0, true)
	f(61*time.Minute, -time.Hour, 0, false)
}

// TestUp has an instance that sends spans all the time, one that stops after ten minutes, one that sends logs, one that
// sends data points only, and one that is long gone.
func TestUp(t *testing.T) {
	var spans []querytest.Span
	for i := range 180 {
		at := time.Duration(i) * 10 * time.Second
		spans = append(spans, querytest.Span{At: at, Trace: i + 1, Span: 1, Service: "web", Operation: "GET /", Resource: 1})
		if at < 10*time.Minute {
			spans = append(spans, querytest.Span{At: at, Trace: i + 1, Span: 2, Service: "web", Operation: "GET /", Resource: 2})
		}
	}
	db := querytest.New(t, spans...)
	querytest.Exec(t, db, `
INSERT INTO resources (resource_id, service, instance, attributes, attribute_types, last_seen) VALUES
(1, 'web', 'web-1', map('service.namespace', 'shop'), 's', '2026-11-21 10:00:00'),
(2, 'web', 'web-2', map('service.namespace', 'shop'), 's', '2026-11-21 09:30:00'),
(3, 'batch', 'batch-1', map(), '', '2026-11-21 10:00:00'),
(4, 'meter', 'meter-1', map(), '', '2026-11-21 10:00:00'),
(5, 'old', '', map(), '', '2026-11-21 07:00:00'),
(6, 'quiet', '', map(), '', '2026-11-21 09:50:00')`)
	querytest.Exec(t, db, `INSERT INTO logs (slice, ts, service, resource_id) SELECT toDateTime('2026-11-21 10:00:00', 'UTC') + number * 60 AS at, at, 'batch', 3 FROM numbers(30)`)
	querytest.Exec(t, db, `INSERT INTO series (metric, service, series_id, labels, kind, first, last) VALUES ('m', 'meter', 7, map('job', 'meter', 'instance', 'meter-1'), 'gauge', '2026-11-21 10:00:00', '2026-11-21 11:00:00')`)
	querytest.Exec(t, db, `INSERT INTO samples (metric, service, bucket, series_id, t1, off, value) VALUES ('m', 'meter', '2026-11-21 10:00:00', 7, '2026-11-21 10:29:00', arrayMap(i -> i * 60000, range(30)), arrayMap(i -> i, range(30)))`)
	p := newTester(t, db, after(2*time.Hour))
	all := func(web2 float64) map[string]float64 {
		return map[string]float64{
			`{__name__="up", instance="web-1", job="shop/web"}`: 1,
			`{__name__="up", instance="web-2", job="shop/web"}`: web2,
			`{__name__="up", instance="batch-1", job="batch"}`:  1,
			`{__name__="up", instance="meter-1", job="meter"}`:  1,
			`{__name__="up", job="quiet"}`:                      0,
		}
	}
	f := func(expr string, at time.Duration, want map[string]float64) {
		t.Helper()
		got := p.instant(expr, after(at))
		if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(got)); diff != "" {
			t.Errorf("%s at %v: %s", expr, at, diff)
		}
	}
	f("up", 8*time.Minute, all(1))
	f("up", 20*time.Minute, all(0))
	f(`up{job="shop/web",instance=~"web-."} == 0`, 20*time.Minute+3*time.Second, map[string]float64{`{__name__="up", instance="web-2", job="shop/web"}`: 0})
	f(`count(up)`, 6*time.Hour, map[string]float64{})
	names, err := p.q.Labels(context.Background(), Up, querytest.Base.UnixMilli(), after(time.Hour).UnixMilli(), []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "job", "shop/.*|meter")})
	if len(names) != 3 || err != nil {
		t.Errorf("%v, %v", names, err)
	}
	up := p.ranged(`up{instance="web-2"}`, after(0), after(30*time.Minute), time.Minute)
	for _, at := range up {
		if at[5*60] != 1 || at[14*60] != 1 || at[16*60] != 0 || at[30*60] != 0 || len(at) < 30 {
			t.Errorf("web-2: %v", at)
		}
	}
	if len(up) != 1 {
		t.Errorf("web-2: %v", up)
	}
	// A log at its start does not hide that it goes on sending metrics.
	querytest.Exec(t, db, `INSERT INTO logs (slice, ts, service, resource_id) VALUES ('2026-11-21 10:00:00', '2026-11-21 10:00:00', 'meter', 4)`)
	for _, at := range p.ranged(`up{instance="meter-1"}`, after(0), after(25*time.Minute), time.Minute) {
		if at[20*60] != 1 {
			t.Errorf("meter-1: %v", at)
		}
	}
}
