// Package store gives the stored metrics to the PromQL engine: it is the storage.Queryable over the series, samples,
// histograms and exemplars of ClickHouse, over what the write path still has in memory, and over metrics that are
// computed.
package store

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/internal/clickhouse"
	"loadline/query/promql/series"
	"loadline/query/promql/store/cardinality"
	"loadline/query/promql/store/catalog"
	"loadline/query/promql/store/histograms"
	"loadline/query/promql/store/index"
	"loadline/query/promql/store/memo"
	"loadline/query/promql/store/samples"
	"loadline/query/promql/store/targets"
)

// Config tunes a Store. Zero values mean the defaults in brackets.
type Config struct {
	CacheBytes int64            // of packed samples of closed buckets in memory [64 MiB]
	Recent     Recent           // nil when this process does not write
	SoleWriter bool             // nobody else writes to this ClickHouse: Recent is complete from its `from` on
	Virtual    []Virtual        // metrics that are computed
	MaxSeries  int              // that one Select may return [500,000]
	Now        func() time.Time // [time.Now]
}

// Metadata describes a metric family.
type Metadata = catalog.Metadata

// Stats is how many series there are and what makes them.
type Stats = cardinality.Stats

// Recent is what the write path of this process still has in memory. It is safe for concurrent use.
type Recent interface {
	// Floats calls fn for each series row of metric that has samples in [mint, maxt] (Unix ms); the arrays are in the
	// order of time and only valid during the call. It returns from when on (Unix ms) it holds every float sample of the
	// metric that this process knows of; samples from there on need not be read from ClickHouse when this process is
	// the only writer. Samples it holds may be in ClickHouse too.
	Floats(metric string, mint, maxt int64, fn func(service string, id uint64, st int64, t []int64, v []float64)) (from int64)
	// FloatsOf is Floats for the series with the given ids. It may call fn for others too.
	FloatsOf(metric string, ids []uint64, mint, maxt int64, fn func(service string, id uint64, st int64, t []int64, v []float64)) (from int64)
	// Generation changes whenever a series of the metric becomes known, whose row is in ClickHouse by then; that of ""
	// when one of any metric does. A row that says that a known series goes on is no reason.
	Generation(metric string) uint64
}

// Virtual is a set of metrics that are computed from something else than stored samples. It is safe for concurrent use.
type Virtual interface {
	// Metadata describes its metrics by name. They are always the same.
	Metadata() map[string]Metadata
	// Select returns the series of one of its metrics that match, sorted by labels, with samples in [mint, maxt]. The
	// hints are as the engine gives them and may be nil. Labels include __name__.
	Select(ctx context.Context, metric string, mint, maxt int64, hints *storage.SelectHints, matchers []*labels.Matcher) ([]*series.Series, annotations.Annotations, error)
	// Labels returns the label sets of the series of one of its metrics that match and have samples in [mint, maxt].
	Labels(ctx context.Context, metric string, mint, maxt int64, matchers []*labels.Matcher) ([]labels.Labels, error)
}

// Store is the metrics of a database. It is safe for concurrent use.
type Store struct {
	db         *clickhouse.DB
	cfg        Config
	index      *index.Index
	samples    *samples.Reader
	histograms *histograms.Reader
	catalog    *catalog.Catalog
	targets    *targets.Targets
	virtual    map[string]Virtual  // by metric
	described  map[string]Metadata // of virtual metrics
	computed   memo.Of[[]labels.Labels]
}

// New returns a store with nothing in memory.
func New(db *clickhouse.DB, cfg Config) *Store {
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = 64 << 20
	}
	if cfg.MaxSeries == 0 {
		cfg.MaxSeries = 500_000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	generation := func() uint64 { return 0 }
	of := index.Config{Bytes: cfg.CacheBytes / 2, MaxSeries: cfg.MaxSeries, Now: cfg.Now}
	if cfg.Recent != nil && cfg.SoleWriter {
		of.Generation = cfg.Recent.Generation
		generation = func() uint64 { return cfg.Recent.Generation("") }
	}
	s := &Store{
		db:         db,
		cfg:        cfg,
		index:      index.New(db, of),
		samples:    samples.New(db, samples.Config{Bytes: cfg.CacheBytes, Now: cfg.Now}),
		histograms: histograms.New(db),
		catalog:    catalog.New(db, cfg.Now, generation),
		targets:    targets.New(db, cfg.Now),
		virtual:    map[string]Virtual{},
		described:  map[string]Metadata{},
	}
	for _, v := range cfg.Virtual {
		for name, m := range v.Metadata() {
			s.virtual[name], s.described[name] = v, m
		}
	}
	return s
}
