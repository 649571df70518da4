package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"loadline/internal/clickhouse"
)

// stopTime is how long a server under load may take to stop: it finishes the block that it inserts and one more.
const stopTime = 6 * time.Second

// TestDrain stops a server with SIGTERM while it is busy, several times, and expects of each stop that it is quick, that
// it loses nothing acknowledged, and that hardly anything is left for the next start.
func TestDrain(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir)
	s := startSender(load{id: 0xd7a1, service: "drain"}, 4, 20*time.Millisecond, addresses{p.grpc, p.http})
	defer s.stop()
	for i := range 4 {
		wait(900 + 400*i)
		began := time.Now()
		if code := p.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d after SIGTERM", code)
		}
		took := time.Since(began)
		t.Logf("stopped in %s", took.Round(time.Millisecond))
		if took > stopTime {
			t.Errorf("stopping took %s, want at most %s", took, stopTime)
		}
		p = serve(t, dir)
		if _, health, err := p.get("/-/ready"); err != nil {
			t.Errorf("%q, %v", health, err)
		}
		s.target.Store(&addresses{p.grpc, p.http})
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	// No polling here: what was acknowledged has to be in ClickHouse or in the log when the process has ended, and the
	// log is read at the next start.
	p.stop(t, syscall.SIGTERM)
	p = serve(t, dir)
	_, db := p.open(t)
	checkLoad(t, db, s)
	checkRollups(t, db, s)
	t.Logf("%d spans, %d requests were repeated", s.spans, s.repeats)
}

// TestDrainDuringInsert stops a server whose engine is in the middle of an insert: paused, so that it surely is.
func TestDrainDuringInsert(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir)
	engine := p.engine()
	if err := syscall.Kill(engine, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s := startSender(load{id: 0xd7a2, service: "drain"}, 2, 40*time.Millisecond, addresses{p.grpc, p.http})
	defer s.stop()
	// The first segment is ripe after 1.4 seconds, and there are two once it is taken.
	eventually(t, 20*time.Second, func() error {
		if n := p.metric(t, "loadline_wal_segments"); n < 2 {
			return fmt.Errorf("%v segments", n)
		}
		return nil
	})
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGTERM)
	wait(300)
	began := time.Now()
	if err := syscall.Kill(engine, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if took := time.Since(began); took > stopTime {
		t.Errorf("stopping took %s, want at most %s", took, stopTime)
	} else {
		t.Logf("stopped in %s", took.Round(time.Millisecond))
	}
	p = serve(t, dir)
	if n := p.metric(t, "loadline_ingest_log_items"); n != 0 {
		t.Errorf("%v items were left for the next start", n)
	}
	_, db := p.open(t)
	checkLoad(t, db, s)
}

// visible sends one span and returns how long after its acknowledgement a query finds it.
func visible(t *testing.T, db *clickhouse.DB, p *process, number uint64) time.Duration {
	t.Helper()
	l := load{id: 0x715, service: "visible"}
	span := l.span(number, 0, time.Now())
	if err := post(t.Context(), http.DefaultClient, p.http, "traces", encodeTraces(l.service, span)); err != nil {
		t.Fatal(err)
	}
	acknowledged := time.Now()
	id := clickhouse.Named("id", string(span.TraceId))
	slice := clickhouse.Named("from", time.Unix(0, int64(span.StartTimeUnixNano)).UTC().Truncate(10*time.Second).Format(time.DateTime))
	eventually(t, 30*time.Second, func() error {
		n, err := scalar[uint64](t.Context(), db, `
			SELECT count()
			FROM spans
			WHERE slice = {from:DateTime('UTC')} AND service = 'visible' AND trace_id = {id:String}`, slice, id)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d spans", n)
		}
		return err
	})
	return time.Since(acknowledged)
}

// visibleTime is the promise: a span is found two seconds after its acknowledgement. Single ones may take longer on a
// machine that is busy with other things, so that the median counts, and no span may take longer than three times that.
const visibleTime = 2 * time.Second

// TestVisible measures how soon spans are found, while there are few and while there are many.
func TestVisible(t *testing.T) {
	p := serve(t, t.TempDir())
	_, db := p.open(t)
	measure := func(name string, first uint64) {
		t.Helper()
		const n = 7
		took := make([]time.Duration, n)
		for i := range took {
			took[i] = visible(t, db, p, first+uint64(i))
		}
		slices.Sort(took)
		t.Logf("%s: median %s, longest %s", name, took[n/2].Round(time.Millisecond), took[n-1].Round(time.Millisecond))
		if took[n/2] > visibleTime || took[n-1] > 3*visibleTime {
			t.Errorf("%s: spans are visible after %s, want %s in the median", name, took, visibleTime)
		}
	}
	measure("few spans", 1)
	s := startSender(load{id: 0xb05, service: "busy"}, 8, 40*time.Millisecond, addresses{p.grpc, p.http})
	defer s.stop()
	began := time.Now()
	measure("many spans", 1001)
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	t.Logf("meanwhile %.0f spans a second", float64(s.spans)/time.Since(began).Seconds())
	checkLoadOnly(t, db, s)
}

// checkLoadOnly waits until all acknowledged spans of a load are stored, among others.
func checkLoadOnly(t *testing.T, db *clickhouse.DB, s *sender) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		n, err := scalar[uint64](t.Context(), db, "SELECT count() FROM spans WHERE service = {service:String}", clickhouse.Named("service", s.load.service))
		if err == nil && n != uint64(s.spans) {
			err = fmt.Errorf("%d of %d spans are stored", n, s.spans)
		}
		return err
	})
}
