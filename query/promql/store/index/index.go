// Package index finds series by their labels. It keeps the series of metrics that were asked for in memory, sorted and
// parsed, because a question to ClickHouse costs more than the answer to most queries.
package index

import (
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/internal/clickhouse"
	"loadline/query/promql/store/memo"
)

var (
	cacheHits   = metrics.NewCounter(`loadline_promql_series_cache_hits_total`)
	cacheMisses = metrics.NewCounter(`loadline_promql_series_cache_misses_total`)
)

// Kind is what the samples of a series row are: the column kind of the table series.
type Kind int8

// The kinds of series.
const (
	Unknown Kind = iota
	Gauge
	Counter
	Delta
	Histogram
	DeltaHistogram
	Summary
)

// IsHistogram reports whether the samples are in the table histograms.
func (k Kind) IsHistogram() bool { return k == Histogram || k == DeltaHistogram }

// IsDelta reports whether the samples are to be added up.
func (k Kind) IsDelta() bool { return k == Delta || k == DeltaHistogram }

// Group is what the rows of one metric and one service have in common; all rows that were read together share it.
type Group struct {
	Metric, Service string
	Rows            int // of the group in the table, 0 when not all of them were read
}

// Row is a row of the table series. Its samples are found by metric, service and id.
type Row struct {
	*Group
	ID          uint64
	Kind        Kind
	First, Last uint32    // Unix seconds between which there are samples
	Bounds      []float64 // of a histogram with explicit bounds
}

// Entry is a series as PromQL sees it: the rows that have the same labels.
type Entry struct {
	Labels labels.Labels
	Rows   []Row
}

// Family is the series of one metric, all of them or those that some equality matchers select, sorted by labels. It is
// not changed once made.
type Family struct {
	Metric  string
	Entries []Entry

	key        string
	whole      bool
	generation uint64
	loaded     time.Time
	bytes      int
	element    *list.Element
}

// Config tunes an Index.
type Config struct {
	Bytes      int64                      // of series in memory
	MaxSeries  int                        // that one question may find
	Generation func(metric string) uint64 // changes when a series of it, or of any for "", becomes known; may be nil
	Now        func() time.Time
}

const (
	// smallMetric is up to how many series a metric is read whole, whatever was asked for.
	smallMetric = 2_000
	// wholeMetric is up to how many series a metric is read whole when it is asked for often.
	wholeMetric = 20_000
	// oftenAsked is how many partial reads of a metric are dearer than a whole one.
	oftenAsked = 8
	// maxAge is for how long a family is believed when nobody tells of new series.
	maxAge = 15 * time.Second
	// maxGenerationAge bounds how long series are remembered that retention has removed.
	maxGenerationAge = 30 * time.Minute
)

// Index is the series of a database. It is safe for concurrent use.
type Index struct {
	db  *clickhouse.DB
	cfg Config

	mu       sync.Mutex
	families map[string]*Family
	partial  map[string]int // reads of part of a metric
	used     list.List      // of families, those used last in front
	bytes    int64

	sizes   memo.Of[map[string]int]
	classic memo.Of[[]string]
	labels  memo.Of[[]string]
}

// New returns an empty index.
func New(db *clickhouse.DB, cfg Config) *Index {
	return &Index{db: db, cfg: cfg, families: map[string]*Family{}, partial: map[string]int{}}
}

// Metric returns the series of a metric that match. The matchers on the metric's name must be true for it.
func (x *Index) Metric(ctx context.Context, metric string, matchers []*labels.Matcher) ([]*Entry, error) {
	f, err := x.family(ctx, metric, matchers)
	if err != nil {
		return nil, err
	}
	return x.match(nil, f, matchers)
}

// match appends the entries of a family that match.
func (x *Index) match(dst []*Entry, f *Family, matchers []*labels.Matcher) ([]*Entry, error) {
	matchers = slices.DeleteFunc(slices.Clone(matchers), func(m *labels.Matcher) bool {
		return m.Name == model.MetricNameLabel && m.Matches(f.Metric)
	})
	for i := range f.Entries {
		if e := &f.Entries[i]; Matches(e.Labels, matchers) {
			dst = append(dst, e)
		}
	}
	if len(dst) > x.cfg.MaxSeries {
		return nil, x.tooMany()
	}
	return dst, nil
}

func (x *Index) tooMany() error {
	return fmt.Errorf("the selector matches more than %d series: add label matchers that select fewer", x.cfg.MaxSeries)
}

// Matches reports whether labels fulfil all matchers.
func Matches(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// family returns the series of a metric: all of them, or at least those that match.
func (x *Index) family(ctx context.Context, metric string, matchers []*labels.Matcher) (*Family, error) {
	generation := x.generation(metric)
	pushed := pushable(matchers)
	if f := x.cached(metric, pushed, generation); f != nil {
		cacheHits.Inc()
		return f, nil
	}
	cacheMisses.Inc()
	now := x.cfg.Now()
	if len(pushed) > 0 {
		whole, err := x.readWhole(ctx, metric)
		if err != nil {
			return nil, err
		}
		if whole {
			pushed = nil
		}
	}
	found, err := x.load(ctx, []string{metric}, pushed)
	if err != nil {
		return nil, err
	}
	f := &Family{Metric: metric}
	if len(found) > 0 {
		f = found[0]
	}
	f.whole, f.generation, f.loaded, f.key = len(pushed) == 0, generation, now, familyKey(metric, pushed)
	x.keep(f)
	return f, nil
}

// readWhole decides whether a metric of which some series are wanted is read whole.
func (x *Index) readWhole(ctx context.Context, metric string) (bool, error) {
	sizes, err := x.Sizes(ctx)
	if err != nil {
		return false, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	size := sizes[metric]
	x.partial[metric]++
	if size <= smallMetric || size <= wholeMetric && x.partial[metric] > oftenAsked {
		delete(x.partial, metric)
		return true, nil
	}
	return false, nil
}

// pushable returns the matchers that the table postings answers, in the order of names.
func pushable(matchers []*labels.Matcher) []*labels.Matcher {
	var out []*labels.Matcher
	for _, m := range matchers {
		if m.Type == labels.MatchEqual && m.Name != model.MetricNameLabel && m.Value != "" {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b *labels.Matcher) int {
		return slices.Compare([]string{a.Name, a.Value}, []string{b.Name, b.Value})
	})
	return out
}

// familyKey names a family in the cache.
func familyKey(metric string, pushed []*labels.Matcher) string {
	key := metric
	for _, m := range pushed {
		key += "\xff" + m.Name + "\xff" + m.Value
	}
	return key
}

// cached returns a family that is still believed: the whole one, or else the one of these matchers.
func (x *Index) cached(metric string, pushed []*labels.Matcher, generation uint64) *Family {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := []string{metric}
	if len(pushed) > 0 {
		keys = append(keys, familyKey(metric, pushed))
	}
	for _, key := range keys {
		f := x.families[key]
		if f == nil {
			continue
		}
		limit := maxAge
		if x.cfg.Generation != nil {
			limit = maxGenerationAge
		}
		if f.generation != generation || x.cfg.Now().Sub(f.loaded) >= limit {
			x.remove(f)
			continue
		}
		x.used.MoveToFront(f.element)
		return f
	}
	return nil
}

// keep puts a family into the cache and forgets others until there is room.
func (x *Index) keep(f *Family) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if old := x.families[f.key]; old != nil {
		x.remove(old)
	}
	f.bytes += 200 + len(f.key)
	if int64(f.bytes) > x.cfg.Bytes {
		return
	}
	x.families[f.key] = f
	f.element = x.used.PushFront(f)
	x.bytes += int64(f.bytes)
	for x.bytes > x.cfg.Bytes {
		x.remove(x.used.Back().Value.(*Family))
	}
}

func (x *Index) remove(f *Family) {
	delete(x.families, f.key)
	x.used.Remove(f.element)
	x.bytes -= int64(f.bytes)
}
