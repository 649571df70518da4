package compliance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"loadline/query/promql/compliance/client"
	"loadline/query/promql/compliance/corpus"
	"loadline/query/promql/compliance/sender"
	"loadline/query/promql/compliance/server"
	"loadline/query/promql/series"
)

// remote is a storage in a Loadline process of its own. It cannot be queried here: that is done by a client.Engine.
type remote struct {
	storage.Storage // nil
	server          *server.Server
	stop            func() error
	requests        int
}

// AppenderV2 implements storage.Storage.
func (r *remote) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return newAppender(func(all []*series.Series) error {
		r.requests++
		before, err := r.visible(ctx)
		if err != nil {
			return err
		}
		body := sender.Version(2).Encode(nil, all, fmt.Sprint(r.requests))
		if err := sender.Version(2).Send(ctx, http.DefaultClient, r.server.URL+"/api/v1/write", body); err != nil {
			return err
		}
		return r.wait(ctx, before)
	})
}

// visible is how many blocks have become visible to queries since the process started.
func (r *remote) visible(ctx context.Context) (int, error) {
	page, err := r.server.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	return count(page, "loadline_ingest_visible_seconds_count")
}

// count finds the value of a metric in a page of metrics; 0 when it is not there.
func count(page []byte, name string) (int, error) {
	for line := range bytes.Lines(page) {
		if rest, ok := strings.CutPrefix(string(line), name+" "); ok {
			return strconv.Atoi(strings.TrimSpace(rest))
		}
	}
	return 0, nil
}

// wait waits for a block after those that were visible before.
func (r *remote) wait(ctx context.Context, before int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		now, err := r.visible(ctx)
		if err != nil || now > before {
			return err
		}
		<-tick.C
	}
}

// Close implements storage.Storage.
func (r *remote) Close() error { return r.stop() }

// processes makes storages in processes of the program that it builds. They are started ahead, because a script that
// clears its storage waits for the next.
func processes(t *testing.T) func(testing.TB) storage.Storage {
	t.Helper()
	program, flags, err := server.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	flags = append(flags, "--query.features", "promql-delayed-name-removal,use-start-timestamps")
	ready := make(chan *server.Server)
	ctx, cancel := context.WithCancel(context.Background())
	var starting sync.WaitGroup
	for range starters {
		starting.Go(func() {
			for ctx.Err() == nil {
				s, err := server.Loadline(context.Background(), program, t.TempDir(), flags...)
				if err != nil {
					t.Error(err)
					cancel()
					return
				}
				select {
				case ready <- s:
				case <-ctx.Done():
					_ = s.Kill()
				}
			}
		})
	}
	ways := &tally{by: map[string]int{}}
	t.Cleanup(func() {
		cancel()
		starting.Wait()
		t.Logf("queries of the servers by path: %d plain, %d leaves, %d fallback", ways.by["plain"], ways.by["leaves"], ways.by["fallback"])
	})
	return func(t testing.TB) storage.Storage {
		r := &remote{}
		select {
		case r.server = <-ready:
		case <-ctx.Done():
			t.Fatal("no process")
		}
		r.stop = sync.OnceValue(func() error {
			if t.Failed() {
				t.Logf("log of the server:\n%s", r.server.Log())
			}
			err := ways.add(r.server)
			return errors.Join(err, r.server.Kill())
		})
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
}

// tally is how many queries went which way through the engines of processes.
type tally struct {
	mu sync.Mutex
	by map[string]int
}

func (ways *tally) add(s *server.Server) error {
	page, err := s.Get(context.Background(), "/metrics")
	for path := range paths() {
		n, parseErr := count(page, fmt.Sprintf(`loadline_promql_queries_total{path=%q}`, path))
		ways.mu.Lock()
		ways.by[path] += n
		ways.mu.Unlock()
		err = errors.Join(err, parseErr)
	}
	return err
}

// starters is how many processes are started at a time.
const starters = 3

func newClient() promql.QueryEngine {
	return &client.Engine{HTTP: http.DefaultClient, URL: func(q storage.Queryable) string { return q.(*remote).server.URL }}
}

// parallel runs subtests beside each other.
type parallel struct{ *testing.T }

// Run implements the interface that the scripts are run with.
func (p parallel) Run(name string, f func(*testing.T)) bool {
	return p.T.Run(name, func(t *testing.T) {
		t.Parallel()
		f(t)
	})
}

// TestScriptsServer writes by remote write 2.0 to the running program and queries its HTTP API. A script that clears its
// storage gets a new process with a new data directory.
func TestScriptsServer(t *testing.T) {
	t.Run("files", func(t *testing.T) { runScripts(t, parallel{t}, newClient, processes(t)) })
}

func TestQueriesServer(t *testing.T) {
	s := processes(t)(t)
	fill(t, s, corpus.Metrics())
	compare(t, newClient(), s, corpus.Queries())
}
