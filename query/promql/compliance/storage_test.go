package compliance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"loadline/ingest"
	"loadline/ingest/compact"
	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	loadline "loadline/query/promql"
	"loadline/query/promql/compliance/corpus"
	"loadline/query/promql/compliance/sender"
	"loadline/query/promql/series"
	"loadline/query/promql/store"
)

// appender collects samples and hands them over on Commit.
type appender struct {
	commit func([]*series.Series) error
	byName map[string]*series.Series
	all    []*series.Series
}

func newAppender(commit func([]*series.Series) error) *appender {
	return &appender{commit: commit, byName: map[string]*series.Series{}}
}

// Append implements storage.AppenderV2.
func (a *appender) Append(_ storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	key := ls.String()
	s, ok := a.byName[key]
	if !ok {
		s = &series.Series{Name: ls}
		a.byName[key] = s
		a.all = append(a.all, s)
	}
	if h != nil {
		fh = h.ToFloat(nil)
	}
	if fh != nil {
		s.Histograms = append(s.Histograms, series.Histogram{T: t, ST: st, H: fh})
		return 0, nil
	}
	s.Column.T, s.Column.ST, s.Column.V = append(s.Column.T, t), append(s.Column.ST, st), append(s.Column.V, v)
	return 0, nil
}

// Commit implements storage.AppenderV2.
func (a *appender) Commit() error { return a.commit(a.all) }

// Rollback implements storage.AppenderV2.
func (a *appender) Rollback() error { return nil }

// stored is a storage of Loadline's write and read path over a database of its own. Only what the scripts need of a
// storage is there.
type stored struct {
	storage.Storage // nil
	t               testing.TB
	db              *clickhouse.DB
	store           *store.Store
	write           func(body []byte) error
	requests        int
	stop            func() error
}

// AppenderV2 implements storage.Storage.
func (s *stored) AppenderV2(context.Context) storage.AppenderV2 {
	return newAppender(func(all []*series.Series) error {
		s.requests++
		return s.write(sender.Version(2).Encode(nil, all, fmt.Sprint(s.requests)))
	})
}

// Querier implements storage.Storage.
func (s *stored) Querier(mint, maxt int64) (storage.Querier, error) {
	return s.store.Querier(mint, maxt)
}

// Close implements storage.Storage.
func (s *stored) Close() error {
	stop := s.stop
	s.stop = func() error { return nil }
	return stop()
}

// pipeline starts a write path. The function that it returns ends it, when everything is in ClickHouse.
func (s *stored) pipeline() (*ingest.Pipeline, func() error) {
	p, err := ingest.New(s.db, ingest.Config{Dir: s.t.TempDir(), MaxAge: -1, SegmentAge: time.Millisecond})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return p, func() error {
		cancel()
		return <-done
	}
}

// export writes a request into a pipeline and waits until it has been read from the log.
func export(ctx context.Context, p *ingest.Pipeline, body []byte) error {
	result, err := p.Export(ctx, ingest.RemoteWrite2, body)
	if err != nil {
		return err
	}
	if result.Rejected > 0 {
		return fmt.Errorf("%d samples are rejected: %s", result.Rejected, result.Message)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for p.Status().Log.Items > 0 {
		<-tick.C
	}
	return p.Status().Err
}

// head returns storages that answer from what the write path has in memory, as far as it has it. The storages of one
// database must be used one after the other.
func head(db *clickhouse.DB) func(testing.TB) storage.Storage {
	return func(t testing.TB) storage.Storage {
		s := &stored{t: t, db: db}
		s.empty()
		p, stop := s.pipeline()
		s.store = store.New(db, store.Config{Recent: p.Head(), SoleWriter: true})
		s.stop = stop
		s.write = func(body []byte) error { return export(context.Background(), p, body) }
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

// table returns storages that answer from the table samples.
func table(db *clickhouse.DB) func(testing.TB) storage.Storage {
	return func(t testing.TB) storage.Storage {
		s := &stored{t: t, db: db, store: store.New(db, store.Config{}), stop: func() error { return nil }}
		s.empty()
		s.write = func(body []byte) error {
			p, stop := s.pipeline()
			err := export(context.Background(), p, body)
			s.store = store.New(db, store.Config{}) // one that knows nothing of what was there
			return errors.Join(err, stop())
		}
		return s
	}
}

// chunks returns storages that answer from packed samples.
func chunks(db *clickhouse.DB) func(testing.TB) storage.Storage {
	newTable := table(db)
	return func(t testing.TB) storage.Storage {
		s := newTable(t).(*stored)
		write := s.write
		s.write = func(body []byte) error {
			if err := write(body); err != nil {
				return err
			}
			return compact.New(db, compact.Config{}).CompactNow(context.Background(), time.Unix(math.MaxInt32, 0))
		}
		return s
	}
}

// empty removes what another storage has left in the database. That costs less than a database for each of the storages.
func (s *stored) empty() {
	s.t.Helper()
	rows, err := s.db.Query(context.Background(), `
SELECT name
FROM system.tables
WHERE database = currentDatabase() AND total_rows > 0 AND name IN ('series', 'postings', 'samples', 'chunks', 'histograms', 'exemplars', 'metadata')`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			s.t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if err := s.db.Exec(context.Background(), "TRUNCATE TABLE "+name); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestScriptsHeadStorage(t *testing.T) { runScripts(t, t, newEngine, head(chtest.New(t))) }

func TestScriptsTableStorage(t *testing.T) { runScripts(t, t, newEngine, table(chtest.New(t))) }

func TestScriptsChunksStorage(t *testing.T) { runScripts(t, t, newEngine, chunks(chtest.New(t))) }

func TestQueriesHeadStorage(t *testing.T) { compareStored(t, head(chtest.New(t))(t)) }

func TestQueriesTableStorage(t *testing.T) { compareStored(t, table(chtest.New(t))(t)) }

func TestQueriesChunksStorage(t *testing.T) { compareStored(t, chunks(chtest.New(t))(t)) }

func compareStored(t *testing.T, s storage.Storage) {
	t.Helper()
	fill(t, s, corpus.Metrics())
	compare(t, loadline.NewEngine(loadline.Config{DelayedNameRemoval: true, StartTimestamps: true}), s, corpus.Queries())
}
