package sidebyside

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"loadline/internal/clickhouse"
	"loadline/query/promql/compliance/sender"
	"loadline/query/promql/compliance/server"
	"loadline/query/promql/series"
)

var (
	hours       = flag.Int("hours", 6, "hours of samples")
	repetitions = flag.Int("repetitions", 3, "of each measurement; the median counts")
)

// system is one of the systems that are compared.
type system struct {
	*server.Server
	write  string // path of the remote write receiver
	open   func(dir string) (*server.Server, error)
	plain  string        // parameters that keep it from using results of earlier queries
	fed    time.Duration // CPU of taking samples in, with all that follows
	bytes  int64
	detail string // what the bytes are of
}

// start starts the three systems on empty directories.
func start(b *testing.B) (loadline, prometheus, victoria *system) {
	b.Helper()
	ctx := context.Background() // a cleanup ends the programs
	program, flags, err := server.Build(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	prometheusPath, victoriaPath, err := server.Others(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	begin := func(write string, open func(dir string) (*server.Server, error)) *system {
		s := &system{write: write, open: open}
		if s.Server, err = open(b.TempDir()); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if b.Failed() {
				b.Logf("log of %s:\n%s", s.Name, s.Log())
			}
			_ = s.Kill()
		})
		return s
	}
	loadline = begin("/api/v1/write", func(dir string) (*server.Server, error) { return server.Loadline(ctx, program, dir, flags...) })
	prometheus = begin("/api/v1/write", func(dir string) (*server.Server, error) { return server.Prometheus(ctx, prometheusPath, dir) })
	victoria = begin("/api/v1/write", func(dir string) (*server.Server, error) { return server.VictoriaMetrics(ctx, victoriaPath, dir) })
	victoria.plain = "&nocache=1"
	return loadline, prometheus, victoria
}

// restart ends the system and starts it again on its data, without anything in memory.
func (s *system) restart(b *testing.B) {
	b.Helper()
	s.restartOn(b, s.Dir)
}

func (s *system) restartOn(b *testing.B, dir string) {
	b.Helper()
	err := s.Stop()
	if err != nil {
		b.Fatal(err)
	}
	if s.Server, err = s.open(dir); err != nil {
		b.Fatal(err)
	}
	s.calm(b)
}

// cpu is the CPU time that the system has used since it started.
func (s *system) cpu(b *testing.B) time.Duration {
	b.Helper()
	used, err := s.CPU()
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// calm waits until the system does nothing any more, but at most for some minutes.
func (s *system) calm(b *testing.B) {
	b.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, quiet := s.cpu(b), 0
	for range 300 {
		<-tick.C
		now := s.cpu(b)
		quiet++
		if now-last > 50*time.Millisecond {
			quiet = 0
		}
		if last = now; quiet == 2 {
			return
		}
	}
	b.Fatalf("%s is not calm after minutes", s.Name)
}

// until waits until a condition holds.
func until(b *testing.B, what string, holds func() (bool, error)) {
	b.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range 900 {
		ok, err := holds()
		if err != nil {
			b.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		<-tick.C
	}
	b.Fatalf("%s: not after a quarter of an hour", what)
}

// feed sends the same samples to all systems and returns how many there were.
func feed(b *testing.B, all []*system, next func() []*series.Series) (samples int) {
	b.Helper()
	const batch = 2000 // series of a request, as Prometheus's own default number of samples
	var body []byte
	for stretch := next(); stretch != nil; stretch = next() {
		for some := range slices.Chunk(stretch, batch) {
			body = sender.Version(1).Encode(body[:0], some, "")
			for _, s := range some {
				samples += len(s.Column.T)
			}
			var group errgroup.Group
			for _, s := range all {
				group.Go(func() error { return s.send(body) })
			}
			if err := group.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	}
	return samples
}

// send writes a request, again and again while the system is overloaded.
func (s *system) send(body []byte) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var err error
	for range 600 {
		err = sender.Version(1).Send(context.Background(), http.DefaultClient, s.URL+s.write, body)
		if err == nil {
			return nil
		}
		if !strings.Contains(err.Error(), "status 429") && !strings.Contains(err.Error(), "status 503") {
			break
		}
		<-tick.C
	}
	return fmt.Errorf("%s: %w", s.Name, err)
}

// finishLoadline waits until all samples are packed, merges what there is to merge, and measures the tables.
func finishLoadline(b *testing.B, s *system) {
	b.Helper()
	ctx := context.Background()
	db, err := clickhouse.Open(ctx, clickhouse.Config{Socket: filepath.Join(s.Dir, "engine", "engine.sock")})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	until(b, "samples are packed", func() (bool, error) {
		page, err := s.Get(ctx, "/metrics")
		var left uint64
		err = errors.Join(err, db.QueryRow(ctx, "SELECT toUInt64(count()) FROM samples").Scan(&left))
		return err == nil && left == 0 && strings.Contains(string(page), "\nloadline_wal_pending_items 0\n"), err
	})
	s.calm(b)
	for _, table := range []string{"chunks", "series", "postings"} {
		if err := db.Exec(ctx, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			b.Fatal(err)
		}
	}
	s.calm(b)
	rows, err := db.Query(ctx, `
SELECT table, toInt64(sum(bytes_on_disk))
FROM system.parts
WHERE active AND database = currentDatabase() AND table IN ('samples', 'chunks', 'series', 'postings', 'metadata')
GROUP BY table
ORDER BY table`)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		var bytes int64
		if err := rows.Scan(&table, &bytes); err != nil {
			b.Fatal(err)
		}
		s.bytes += bytes
		s.detail += fmt.Sprintf(" %s %d", table, bytes)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
}

// finishPrometheus turns everything into blocks, by a snapshot that becomes the data directory.
func finishPrometheus(b *testing.B, s *system) {
	b.Helper()
	s.calm(b)
	answer, err := s.Post(context.Background(), "/api/v1/admin/tsdb/snapshot")
	if err != nil {
		b.Fatal(err)
	}
	var snapshot struct{ Data struct{ Name string } }
	if err := json.Unmarshal(answer, &snapshot); err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	if err := os.Rename(filepath.Join(s.Dir, "data", "snapshots", snapshot.Data.Name), filepath.Join(dir, "data")); err != nil {
		b.Fatal(err)
	}
	s.restartOn(b, dir)
	for _, files := range []string{"chunks", "index", "meta.json", "tombstones"} {
		found, err := filepath.Glob(filepath.Join(dir, "data", "*", files))
		if err != nil {
			b.Fatal(err)
		}
		for _, path := range found {
			n, err := s.Bytes(strings.TrimPrefix(path, dir))
			if err != nil {
				b.Fatal(err)
			}
			s.bytes += n
		}
	}
	s.detail = " blocks"
}

// finishVictoria flushes and merges.
func finishVictoria(b *testing.B, s *system) {
	b.Helper()
	for _, path := range []string{"/internal/force_flush", "/internal/force_merge"} {
		if _, err := s.Get(context.Background(), path); err != nil {
			b.Fatal(err)
		}
		s.calm(b)
	}
	var err error
	if s.bytes, err = s.Bytes(filepath.Join("data", "data"), filepath.Join("data", "indexdb")); err != nil {
		b.Fatal(err)
	}
	s.detail = " data and indexdb"
}

// question is a query and where it is asked.
type question struct {
	name, text string
	width      time.Duration // 0 for an instant query
	step       time.Duration
}

// path is the question in the HTTP API, for a range that ends at a time.
func (q question) path(end time.Time, parameters string) string {
	form := url.Values{"query": {q.text}}
	if q.width == 0 {
		form.Set("time", strconv.FormatInt(end.Unix(), 10))
		return "/api/v1/query?" + form.Encode() + parameters
	}
	form.Set("start", strconv.FormatInt(end.Add(-q.width).Unix(), 10))
	form.Set("end", strconv.FormatInt(end.Unix(), 10))
	form.Set("step", strconv.FormatFloat(q.step.Seconds(), 'f', -1, 64))
	return "/api/v1/query_range?" + form.Encode() + parameters
}

// ask asks a path n times and returns the CPU time of one. path gets the number of the repetition.
func (s *system) ask(b *testing.B, n int, path func(i int) string) time.Duration {
	b.Helper()
	before := s.cpu(b)
	for i := range n {
		if _, err := s.Get(context.Background(), path(i)); err != nil {
			b.Fatalf("%s: %v", s.Name, err)
		}
	}
	return (s.cpu(b) - before) / time.Duration(n)
}

// median is the middle one of measurements.
func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
