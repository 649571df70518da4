package compliance

import (
	"bytes"
	"context"
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
	for line := range bytes.Lines(page) {
		if rest, ok := strings.CutPrefix(string(line), "loadline_ingest_visible_seconds_count "); ok {
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

// processes makes storages in processes of the program that it builds.
func processes(t *testing.T) func(testing.TB) storage.Storage {
	t.Helper()
	program, flags, err := server.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	flags = append(flags, "--query.features", "promql-delayed-name-removal,use-start-timestamps")
	return func(t testing.TB) storage.Storage {
		s, err := server.Loadline(program, t.TempDir(), flags...)
		if err != nil {
			t.Fatal(err)
		}
		r := &remote{server: s}
		r.stop = sync.OnceValue(func() error {
			if t.Failed() {
				t.Logf("log of the server:\n%s", s.Log())
			}
			return s.Kill()
		})
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
}

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
