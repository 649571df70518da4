// Package samples reads the float samples of series from the tables samples and chunks, and keeps those of closed
// buckets in memory, packed as they are stored.
package samples

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/internal/clickhouse"
	"loadline/query/promql/store/index"
)

var (
	cacheHits   = metrics.NewCounter(`loadline_promql_bucket_cache_hits_total`)
	cacheMisses = metrics.NewCounter(`loadline_promql_bucket_cache_misses_total`)
	readQueries = metrics.NewCounter(`loadline_promql_sample_queries_total`)
	partQueries = metrics.NewCounter(`loadline_promql_part_queries_total`)
)

// bucketMs is the stretch of time that a row of the tables belongs to.
const bucketMs = 7_200_000

// Config tunes a Reader.
type Config struct {
	Bytes int64 // of packed samples in memory
	Now   func() time.Time
}

// Reader reads float samples. It is safe for concurrent use.
type Reader struct {
	db    *clickhouse.DB
	now   func() time.Time
	parts parts
	cache cache
}

// New returns a reader with nothing in memory.
func New(db *clickhouse.DB, cfg Config) *Reader {
	return &Reader{db: db, now: cfg.Now, cache: cache{limit: cfg.Bytes, blocks: map[blockKey]*block{}}}
}

// Read returns for each row the pieces that may have samples in [mint, maxt], in Unix milliseconds. They are in the
// order of their buckets.
func (r *Reader) Read(ctx context.Context, rows []*index.Row, mint, maxt int64) ([][]*Piece, error) {
	out := make([][]*Piece, len(rows))
	if len(rows) == 0 {
		return out, nil
	}
	now := r.now()
	state, err := r.parts.state(ctx, r.db, now)
	if err != nil {
		return nil, err
	}
	buckets := state.between(mint, maxt, now.UnixMilli())
	if len(buckets) == 0 {
		return out, nil
	}
	for i := range out {
		out[i] = make([]*Piece, 0, len(buckets))
	}
	want := newRequest(rows)
	want.mint = mint
	for _, g := range want.groups {
		for _, b := range buckets {
			key := blockKey{g.Metric, g.Service, b.start}
			if !r.cache.find(key, b.version, g, rows, out) {
				want.missing[key] = &missing{group: g, bucket: b, series: map[uint64][]Piece{}}
			}
		}
	}
	cacheHits.Add(len(want.groups)*len(buckets) - len(want.missing))
	if len(want.missing) == 0 {
		return out, nil
	}
	cacheMisses.Add(len(want.missing))
	if err := r.read(ctx, want); err != nil {
		return nil, err
	}
	for key, m := range want.missing {
		for _, i := range m.group.rows {
			for j := range m.series[rows[i].ID] {
				out[i] = append(out[i], &m.series[rows[i].ID][j])
			}
		}
		if m.bucket.closed {
			r.cache.keep(key, m, want.whole, rows)
		}
	}
	for _, pieces := range out {
		if !slices.IsSortedFunc(pieces, comparePieces) {
			slices.SortStableFunc(pieces, comparePieces)
		}
	}
	return out, nil
}

func comparePieces(a, b *Piece) int {
	return cmp.Or(cmp.Compare(a.Base, b.Base), cmp.Compare(a.T0, b.T0))
}

// request is what one Read wants.
type request struct {
	groups  []*group
	missing map[blockKey]*missing
	ids     []uint64
	mint    int64 // Unix milliseconds
	whole   bool  // all series of the groups are read, not only those wanted
}

// group is the rows wanted of a metric and service.
type group struct {
	*index.Group
	rows []int
}

// missing is a block that is to be read.
type missing struct {
	group  *group
	bucket bucket
	series map[uint64][]Piece
}

func newRequest(rows []*index.Row) *request {
	want := &request{missing: map[blockKey]*missing{}}
	byGroup := map[index.Group]*group{}
	var last *group
	for i, row := range rows {
		if last == nil || last.Group != row.Group {
			key := index.Group{Metric: row.Metric, Service: row.Service}
			last = byGroup[key]
			if last == nil {
				last = &group{Group: row.Group}
				byGroup[key] = last
				want.groups = append(want.groups, last)
			}
		}
		last.rows = append(last.rows, i)
		want.ids = append(want.ids, row.ID)
	}
	return want
}

const (
	// fewSeries is up to how many stored series of a metric and service are read together.
	fewSeries = 64
	// share is the part of the stored series from which on reading all of them is cheaper.
	share = 4
	// maxIDs is how many series are asked for by their ids.
	maxIDs = 2_000
)

// readsWhole decides whether all series of the missing groups are read, or only those wanted.
func (want *request) readsWhole() bool {
	wanted, stored := 0, 0
	seen := map[*group]bool{}
	for _, m := range want.missing {
		if seen[m.group] {
			continue
		}
		seen[m.group] = true
		wanted += len(m.group.rows)
		if m.group.Rows == 0 {
			return len(want.ids) > maxIDs // nobody knows how many there are
		}
		stored += m.group.Rows
	}
	return stored <= fewSeries*len(seen) || wanted*share >= stored || len(want.ids) > maxIDs
}
