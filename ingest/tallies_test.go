package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"loadline/ingest"
	"loadline/ingest/tally"
	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/internal/sli"
)

// counting returns a func that always returns the set of the given indicators.
func counting(t *testing.T, counted ...sli.Counted) func() *tally.Set {
	t.Helper()
	set, err := tally.NewSet(counted)
	if err != nil {
		t.Fatal(err)
	}
	return func() *tally.Set { return set }
}

// slow counts the spans of request above 25 ms as bad.
func slow(id uint64, since time.Time) sli.Counted {
	return sli.Counted{ID: id, Since: since.Unix(), Indicator: sli.Indicator{
		Service: "checkout", GroupBy: "version", Bad: sli.Bad{Slower: 25 * time.Millisecond},
	}}
}

// open opens a pipeline that counts and does not run.
func open(t *testing.T, db *clickhouse.DB, cfg ingest.Config) *ingest.Pipeline {
	t.Helper()
	cfg.SegmentAge, cfg.TallyAge = 20*time.Millisecond, 20*time.Millisecond
	p, err := ingest.New(db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a pipeline and returns a func that stops it and waits.
func run(t *testing.T, p *ingest.Pipeline) func() {
	t.Helper()
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
	return stop
}

// checkTallies compares the counts of an indicator in every table with those of spans and of slow ones.
func checkTallies(t *testing.T, db *clickhouse.DB, id, bad, total uint64) {
	t.Helper()
	for _, table := range []string{"slo_slots_10s", "slo_slots_5m", "slo_slots_1h", "slo_journal"} {
		for _, group := range []string{"", "1.2.3"} {
			var gotBad, gotTotal int64
			err := db.QueryRow(t.Context(), `
				SELECT sum(bad), sum(total)
				FROM `+table+`
				WHERE indicator = {id:UInt64} AND grp = {grp:String}`,
				clickhouse.Named("id", id), clickhouse.Named("grp", group)).Scan(&gotBad, &gotTotal)
			if err != nil {
				t.Fatal(err)
			}
			if uint64(gotBad) != bad || uint64(gotTotal) != total {
				t.Errorf("%s, indicator %d, group %q: %d of %d are bad, want %d of %d", table, id, group, gotBad, gotTotal, bad, total)
			}
		}
	}
}

func TestTallies(t *testing.T) {
	db, dir := chtest.New(t), t.TempDir()
	batches := make(chan struct{}, 100)
	hour := time.Now().Add(-time.Hour)
	cfg := ingest.Config{
		Dir: dir, Indicators: counting(t, slow(1, hour), slow(2, time.Now().Add(time.Hour))),
		Tallied: func() { batches <- struct{}{} },
	}
	var node uint64
	for round := range 3 {
		p := open(t, db, cfg)
		if round > 0 && p.Node() != node || p.Node() < 2 {
			t.Errorf("node %d after %d", p.Node(), node)
		}
		node = p.Node()
		stop := run(t, p)
		mustExport(t, p, ingest.Traces, request(t, round*50+1, 50), 50) // span n takes n ms
		<-batches
		mustExport(t, p, ingest.Traces, request(t, 1000+round*10, 10), 10)
		stop()
	}
	checkTallies(t, db, 1, 155, 180)
	checkTallies(t, db, 2, 0, 0)
	if n := number(t, db, "SELECT count() FROM spans"); n != 180 {
		t.Errorf("%d spans", n)
	}
	// Numbers of batches rise with time, over starts too.
	for sql, want := range map[string]uint64{
		"SELECT toUInt64(uniqExact(batch) >= 3) FROM slo_journal": 1,
		`SELECT count()
		FROM (SELECT DISTINCT node, batch, at FROM slo_journal) AS x
		CROSS JOIN (SELECT DISTINCT node, batch, at FROM slo_journal) AS y
		WHERE x.batch > y.batch AND x.at < y.at OR x.node != y.node`: 0,
		"SELECT count() FROM slo_late WHERE indicator = 1":                              0,
		"SELECT toUInt64(count() > 0) FROM slo_late WHERE indicator = 2":                1,
		"SELECT count() FROM slo_late WHERE slice NOT IN (SELECT slice FROM spans)":     0,
		"SELECT count() FROM slo_journal WHERE slice NOT IN (SELECT slice FROM spans)":  0,
		fmt.Sprintf("SELECT count() FROM slo_journal WHERE node != %d OR at = 0", node): 0,
	} {
		if got := number(t, db, sql); got != want {
			t.Errorf("%s: got %d, want %d", sql, got, want)
		}
	}
}

// files returns the content of a log's segments.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		if out[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if len(out) == 0 {
		t.Fatalf("no segment in %q", dir)
	}
	return out
}

// restore makes segments that are finished as they were, as if the process had been killed just before it finished them.
func restore(t *testing.T, segments map[string][]byte) {
	t.Helper()
	for path, content := range segments {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(strings.TrimSuffix(path, ".wal") + ".seen"); err != nil {
			t.Fatal(err)
		}
	}
}

// A segment that is replayed counts as it did the first time, whatever is counted now.
func TestReplayedSegmentCountsOnce(t *testing.T) {
	db, dir := chtest.New(t), t.TempDir()
	hour := time.Now().Add(-time.Hour)
	p := open(t, db, ingest.Config{Dir: dir, Indicators: counting(t, slow(1, hour))})
	mustExport(t, p, ingest.Traces, request(t, 1, 50), 50)
	segments := files(t, filepath.Join(dir, "segments"))
	run(t, p)()
	checkTallies(t, db, 1, 25, 50)
	for round := range uint64(2) {
		restore(t, segments)
		p = open(t, db, ingest.Config{Dir: dir, Indicators: counting(t, slow(1, hour), slow(2+round, hour))})
		mustExport(t, p, ingest.Traces, request(t, 100+10*int(round), 10), 10)
		stop := run(t, p)
		waitFor(t, func() bool { return p.Status().Log.Items == 0 })
		stop()
		checkTallies(t, db, 1, 35+10*round, 60+10*round)
		checkTallies(t, db, 2+round, 10, 10)
	}
	if n := number(t, db, "SELECT count() FROM spans"); n != 70 {
		t.Errorf("%d spans", n)
	}
}

// A batch that an earlier process has inserted in part is inserted whole, and nothing of it twice, before anybody reads.
func TestSettled(t *testing.T) {
	db, dir := chtest.New(t), t.TempDir()
	cfg := ingest.Config{Dir: dir, Indicators: counting(t, slow(1, time.Now().Add(-time.Hour)))}
	p := open(t, db, cfg)
	never := func() error { t.Error("read too early"); return nil }
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Settled(soon, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("before Run: %v", err)
	}

	mustExport(t, p, ingest.Traces, request(t, 1, 50), 50)
	reached, release := make(chan struct{}), make(chan struct{})
	var read sync.WaitGroup
	stop := run(t, p)
	read.Go(func() {
		if err := p.Settled(t.Context(), func() error { close(reached); <-release; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-reached
	waitFor(t, func() bool { return p.Status().Log.Items == 0 })
	mustExport(t, p, ingest.Traces, request(t, 51, 50), 50)
	waitFor(t, func() bool { return p.Status().Log.Items == 0 })
	left := files(t, filepath.Join(dir, "tallies"))
	before := number(t, db, "SELECT toUInt64(sum(total)) FROM slo_journal WHERE grp = ''")
	if before > 50 {
		t.Errorf("%d events are inserted while somebody reads", before)
	}
	close(release)
	read.Wait()
	stop()
	checkTallies(t, db, 1, 75, 100)
	if err := p.Settled(t.Context(), never); !errors.Is(err, ingest.ErrClosed) {
		t.Errorf("after Run: %v", err)
	}

	// As if the process had died between two tables of the last batch.
	if err := db.Exec(t.Context(), "TRUNCATE TABLE slo_journal"); err != nil {
		t.Fatal(err)
	}
	restore(t, left)
	p = open(t, db, cfg)
	stop = run(t, p)
	failure := errors.New("mine")
	if err := p.Settled(t.Context(), func() error {
		if n := number(t, db, "SELECT toUInt64(sum(total)) FROM slo_slots_10s WHERE grp = ''"); n != 100 {
			t.Errorf("%d events", n)
		}
		if n := number(t, db, "SELECT toUInt64(sum(total)) FROM slo_journal WHERE grp = ''"); before+n != 100 {
			t.Errorf("%d events are inserted again after %d", n, before)
		}
		return failure
	}); !errors.Is(err, failure) {
		t.Error(err)
	}
	stop()
}
