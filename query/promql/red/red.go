package red

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/internal/clickhouse"
	"loadline/query/promql/red/grid"
	"loadline/query/promql/series"
	"loadline/query/promql/store"
)

// The names of the metrics.
const (
	SpanDuration      = "traces_span_duration_seconds"
	SpanCalls         = "traces_spanmetrics_calls_total"
	EdgeRequests      = "traces_service_graph_request_total"
	EdgeFailed        = "traces_service_graph_request_failed_total"
	EdgeServerSeconds = "traces_service_graph_request_server_seconds"
	EdgeClientSeconds = "traces_service_graph_request_client_seconds"
	Up                = "up"
)

// What an answer may hold.
const (
	maxValues = 10_000_000 // samples of floats and buckets of histograms
	maxSeries = 500_000
)

var errTooMany = errors.New("too many samples: select fewer series, a shorter range or a wider step")

// Config tunes the metrics. Zero values mean the defaults in brackets.
type Config struct {
	Now func() time.Time // [time.Now]
}

// Metrics are the metrics that are computed from spans. It is safe for concurrent use.
type Metrics struct {
	db       *clickhouse.DB
	now      func() time.Time
	bounds   []float64
	families map[string]*family
	jobs     *jobs
}

var _ store.Virtual = (*Metrics)(nil)

// New returns the metrics of a database.
func New(db *clickhouse.DB, cfg Config) *Metrics {
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	return &Metrics{db: db, now: now, bounds: newBounds(), families: families(), jobs: &jobs{db: db, now: now}}
}

// Metadata implements store.Virtual.
func (v *Metrics) Metadata() map[string]store.Metadata {
	all := map[string]store.Metadata{Up: {Type: "gauge", Help: upHelp}}
	for name, f := range v.families {
		all[name] = f.metadata
	}
	return all
}

// Select implements store.Virtual.
func (v *Metrics) Select(ctx context.Context, metric string, mint, maxt int64, hints *storage.SelectHints, matchers []*labels.Matcher) ([]*series.Series, annotations.Annotations, error) {
	q := grid.Ask(mint, maxt, hints)
	var list []*series.Series
	var err error
	if f := v.families[metric]; f != nil {
		list, err = v.selectFamily(ctx, metric, f, q, matchers)
	} else if metric == Up {
		list, err = v.selectUp(ctx, q, matchers)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("compute %q: %w", metric, err)
	}
	slices.SortFunc(list, func(a, b *series.Series) int { return labels.Compare(a.Name, b.Name) })
	return list, nil, nil
}

// Labels implements store.Virtual.
func (v *Metrics) Labels(ctx context.Context, metric string, mint, maxt int64, matchers []*labels.Matcher) ([]labels.Labels, error) {
	var list []labels.Labels
	var err error
	if f := v.families[metric]; f != nil {
		list, err = v.labelsOf(ctx, metric, f, mint, maxt, matchers)
	} else if metric == Up {
		// Who was heard of in a long range is not worth the reading: this is who can have been.
		var all []*process
		all, _, err = v.processes(ctx, mint, matchers)
		for _, p := range all {
			list = append(list, p.name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list series of %q: %w", metric, err)
	}
	slices.SortFunc(list, labels.Compare)
	return list, nil
}
