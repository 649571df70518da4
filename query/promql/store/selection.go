package store

import (
	"context"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/promql/series"
	"loadline/query/promql/store/histograms"
	"loadline/query/promql/store/index"
	"loadline/query/promql/store/samples"
)

const (
	bucketMs = 7_200_000
	// rowBytes is about what the packed samples of a row take in one bucket.
	rowBytes = 1 << 10
	// batchBytes bounds what a Select holds in memory besides the cache.
	batchBytes = 256 << 20
)

// selection is the stored series of one Select. Their samples are read in batches, of which it holds one.
type selection struct {
	*Store
	ctx        context.Context
	mint, maxt int64
	onlyLabels bool
	entries    []*index.Entry
	recent     map[*index.Row][]run
	until      int64 // the last time that has to be read from ClickHouse
	perBatch   int

	mu    sync.Mutex
	batch *batch
}

// run is samples that the write path still has.
type run struct {
	st int64
	t  []int64
	v  []float64
}

// batch is what was read of some entries.
type batch struct {
	from, to   int // of the entries
	floats     map[*index.Row][]*samples.Piece
	histograms map[*index.Row][]histograms.Row
}

// newSelection selects of entries those that may have samples in [mint, maxt].
func (s *Store) newSelection(ctx context.Context, entries []*index.Entry, mint, maxt int64, onlyLabels bool) *selection {
	sel := &selection{Store: s, ctx: ctx, mint: mint, maxt: maxt, onlyLabels: onlyLabels, until: maxt}
	if s.cfg.Recent != nil && !onlyLabels {
		sel.readRecent(entries)
	}
	for _, e := range entries {
		if slices.ContainsFunc(e.Rows, func(r index.Row) bool { return r.Alive(mint, maxt) }) || sel.hasRecent(e) {
			sel.entries = append(sel.entries, e)
		}
	}
	buckets := max(1, min(maxt, s.cfg.Now().UnixMilli())/bucketMs-max(mint, 0)/bucketMs+1)
	sel.perBatch = max(64, int(batchBytes/rowBytes/buckets))
	return sel
}

// series are the series of the selection.
func (sel *selection) series() []storage.Series {
	all := make([]storage.Series, len(sel.entries))
	backing := make([]stored, len(sel.entries))
	for i := range all {
		backing[i] = stored{sel, i}
		all[i] = &backing[i]
	}
	return all
}

// maxSelected is how many series are looked up one by one.
const maxSelected = 1000

// readRecent takes what the write path has. That comes first: what leaves it meanwhile is found in ClickHouse.
func (sel *selection) readRecent(entries []*index.Entry) {
	type key struct {
		service string
		id      uint64
	}
	byMetric := map[string]map[key]*index.Row{} // of float series
	for _, e := range entries {
		for i := range e.Rows {
			r := &e.Rows[i]
			if r.Kind.IsHistogram() {
				continue
			}
			rows := byMetric[r.Metric]
			if rows == nil {
				rows = map[key]*index.Row{}
				byMetric[r.Metric] = rows
			}
			rows[key{r.Service, r.ID}] = r
		}
	}
	sel.recent = map[*index.Row][]run{}
	from := int64(-forever)
	for metric, rows := range byMetric {
		take := func(service string, id uint64, st int64, t []int64, v []float64) {
			if r := rows[key{service, id}]; r != nil && len(t) > 0 {
				sel.recent[r] = append(sel.recent[r], run{st, slices.Clone(t), slices.Clone(v)})
			}
		}
		if len(rows) > maxSelected {
			from = max(from, sel.cfg.Recent.Floats(metric, sel.mint, sel.maxt, take))
			continue
		}
		ids := make([]uint64, 0, len(rows))
		for k := range rows {
			ids = append(ids, k.id)
		}
		slices.Sort(ids)
		ids = slices.Compact(ids) // services may have series with the same labels otherwise
		from = max(from, sel.cfg.Recent.FloatsOf(metric, ids, sel.mint, sel.maxt, take))
	}
	if sel.cfg.SoleWriter && len(byMetric) > 0 {
		sel.until = min(sel.maxt, from-1)
	}
}

func (sel *selection) hasRecent(e *index.Entry) bool {
	for i := range e.Rows {
		if len(sel.recent[&e.Rows[i]]) > 0 {
			return true
		}
	}
	return false
}

// load returns the batch of an entry.
func (sel *selection) load(i int) (*batch, error) {
	sel.mu.Lock()
	defer sel.mu.Unlock()
	if b := sel.batch; b != nil && b.from <= i && i < b.to {
		return b, nil
	}
	b := &batch{from: i - i%sel.perBatch, floats: map[*index.Row][]*samples.Piece{}, histograms: map[*index.Row][]histograms.Row{}}
	b.to = min(b.from+sel.perBatch, len(sel.entries))
	var floats, others []*index.Row
	for _, e := range sel.entries[b.from:b.to] {
		for i := range e.Rows {
			switch r := &e.Rows[i]; {
			case !r.Alive(sel.mint, sel.maxt):
			case r.Kind.IsHistogram():
				others = append(others, r)
			case sel.mint <= sel.until:
				floats = append(floats, r)
			}
		}
	}
	pieces, err := sel.samples.Read(sel.ctx, floats, sel.mint, sel.until)
	if err != nil {
		return nil, err
	}
	for i, r := range floats {
		if len(pieces[i]) > 0 {
			b.floats[r] = pieces[i]
		}
	}
	if b.histograms, err = sel.histograms.Read(sel.ctx, others, sel.mint, sel.maxt); err != nil {
		return nil, err
	}
	sel.batch = b
	return b, nil
}

// stored is one series of a selection.
type stored struct {
	*selection
	i int
}

// Labels implements storage.Series.
func (s *stored) Labels() labels.Labels { return s.entries[s.i].Labels }

// Floats implements series.Floats.
func (s *stored) Floats(c *series.Column) (bool, error) {
	b, err := s.load(s.i)
	if err != nil {
		return false, err
	}
	e := s.entries[s.i]
	for i := range e.Rows {
		if len(b.histograms[&e.Rows[i]]) > 0 {
			return false, nil
		}
	}
	return true, s.fill(c, b)
}

// fill makes c the float samples of the series.
func (s *stored) fill(c *series.Column, b *batch) error {
	e := s.entries[s.i]
	c.Reset()
	for i := range e.Rows {
		r := &e.Rows[i]
		if r.Kind.IsHistogram() {
			continue
		}
		one := c
		if i > 0 {
			one = &series.Column{}
		}
		if err := samples.Fill(one, b.floats[r], s.mint, s.until); err != nil {
			return err
		}
		for _, x := range s.recent[r] {
			samples.Add(one, x.t, x.v, x.st)
		}
		samples.Trim(one, s.mint, s.maxt)
		if r.Kind.IsDelta() {
			samples.Accumulate(one)
		}
		if i > 0 {
			samples.Merge(c, one)
		}
	}
	return nil
}

// decode returns the histograms of the series.
func (s *stored) decode(b *batch) ([]series.Histogram, error) {
	var all []series.Histogram
	e := s.entries[s.i]
	for i := range e.Rows {
		r := &e.Rows[i]
		one, err := histograms.Decode(b.histograms[r], r)
		if err != nil {
			return nil, err
		}
		all = histograms.Merge(all, one)
	}
	return all, nil
}

// Iterator implements storage.Series.
func (s *stored) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	b, err := s.load(s.i)
	if err != nil {
		return failed(it, err)
	}
	i := reuse(it)
	if err := s.fill(&i.column, b); err != nil {
		return failed(it, err)
	}
	all, err := s.decode(b)
	if err != nil {
		return failed(it, err)
	}
	i.start(all)
	return i
}
