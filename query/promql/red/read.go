package red

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/promql/red/grid"
	"loadline/query/promql/store/index"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// entry is what happened in a cell of a series.
type entry struct {
	cell       int
	count, sum float64
	latency    rollup.Histogram
}

// record is a series as read.
type record struct {
	name    labels.Labels
	entries []entry
}

const (
	// pieceRows is how many rows of a table are read at once, some 100 bytes each.
	pieceRows = 300_000
	// maxRows bounds the rows behind an answer. It takes seconds to read so many.
	maxRows = 20_000_000
	// fewCells are read without asking first how many rows there are.
	fewCells = 120
)

// read reads the cells of a grid, in pieces when there are many rows.
func (v *Metrics) read(ctx context.Context, metric string, f *family, g grid.Grid, jobs map[resource]string, matchers []*labels.Matcher) (map[string]*record, error) {
	pieces, err := v.pieces(ctx, metric, f, g, jobs, matchers)
	if err != nil {
		return nil, err
	}
	all := map[string]*record{}
	values := 0
	var sums adder
	for p := range pieces {
		var w sql.Where
		statement := f.statement(&w, g, g.Cells*p/pieces, g.Cells*(p+1)/pieces, jobs, matchers)
		err := f.scan(ctx, v, metric, statement, w.Args, jobs, func(key string, name labels.Labels, blob string) error {
			r := all[key]
			if r == nil {
				if !index.Matches(name, matchers) {
					return nil
				}
				r = &record{name: name}
				all[key] = r
			}
			n, err := sums.add(r, f, blob)
			if values += n; values > maxValues {
				return errTooMany
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// pieces is in how many parts the rows of a grid are to be read. Rows of counts alone are small enough.
func (v *Metrics) pieces(ctx context.Context, metric string, f *family, g grid.Grid, jobs map[resource]string, matchers []*labels.Matcher) (int, error) {
	if f.duration == "" || g.Cells <= fewCells {
		return 1, nil
	}
	var w sql.Where
	from, to := time.UnixMilli(g.Base), time.UnixMilli(g.Point(g.Cells))
	f.where(&w, g, from, to, jobs, matchers)
	slice := time.Duration(grid.GCD(g.Cell, grid.GCD(g.Base, grid.Hour))) * time.Millisecond
	statement := "SELECT count() FROM " + f.rows(&w, from, to, slice)
	var rows uint64
	err := sql.Scan(ctx, v.db, metric, statement, w.Args, func(r driver.Rows) error { return r.Scan(&rows) })
	if err != nil {
		return 0, err
	}
	if rows > maxRows {
		return 0, errTooMany
	}
	return min(1+int(rows/pieceRows), g.Cells), nil
}

// ordered returns the entries in the order of time, one a cell: two rows of a table may have the same labels.
func (r *record) ordered() []entry {
	byCell := func(a, b entry) int { return cmp.Compare(a.cell, b.cell) }
	if !slices.IsSortedFunc(r.entries, byCell) {
		slices.SortStableFunc(r.entries, byCell)
	}
	n := 0
	for _, e := range r.entries {
		if n == 0 || r.entries[n-1].cell != e.cell {
			r.entries[n] = e
			n++
			continue
		}
		sum := &r.entries[n-1]
		sum.count, sum.sum = sum.count+e.count, sum.sum+e.sum
		sum.latency = rollup.Histogram{
			Index: slices.Concat(sum.latency.Index, e.latency.Index),
			Count: slices.Concat(sum.latency.Count, e.latency.Count),
		}
	}
	return r.entries[:n]
}

// adder adds up what was read. It keeps its memory from series to series.
type adder struct {
	order   []int32   // rows by cell
	starts  []int     // of the buckets of a row
	buckets []float64 // of a cell
	used    []int     // buckets
}

// add adds the rows of a series to its entries, and returns how many values they took. Cells that are not in the order
// of time are put so by [record.ordered].
func (a *adder) add(r *record, f *family, blob string) (int, error) {
	b := sql.NewBinary(blob)
	cells := texts(b, 4)
	counts := texts(b, 8)
	n := len(cells) / 4
	if len(counts) != 8*n {
		return 0, errDamaged
	}
	if f.duration == "" {
		for i := range n {
			r.entries = append(r.entries, entry{cell: int(u32(cells, i)), count: f64(counts, i)})
		}
		return n, b.Err()
	}
	durations, sizes := texts(b, 8), texts(b, 2)
	indexes, bucketCounts := texts(b, 2), texts(b, 8)
	if err := b.Err(); err != nil {
		return 0, err
	}
	if len(durations) != 8*n || len(sizes) != 2*n {
		return 0, errDamaged
	}
	a.order, a.starts = a.order[:0], a.starts[:0]
	at := 0
	for i := range n {
		a.order, a.starts = append(a.order, int32(i)), append(a.starts, at)
		at += int(u16(sizes, i))
	}
	if len(indexes) != 2*at || len(bucketCounts) != 8*at {
		return 0, errDamaged
	}
	slices.SortFunc(a.order, func(x, y int32) int { return cmp.Compare(u32(cells, int(x)), u32(cells, int(y))) })
	values := 0
	for i := 0; i < n; {
		e := entry{cell: int(u32(cells, int(a.order[i])))}
		for ; i < n && int(u32(cells, int(a.order[i]))) == e.cell; i++ {
			row := int(a.order[i])
			e.count, e.sum = e.count+f64(counts, row), e.sum+f64(durations, row)
			for j := a.starts[row]; j < a.starts[row]+int(u16(sizes, row)); j++ {
				a.count(bucketOf(int16(u16(indexes, j))), f64(bucketCounts, j))
			}
		}
		e.latency = a.take()
		values += len(e.latency.Index) + 1
		r.entries = append(r.entries, e)
	}
	return values, nil
}

func (a *adder) count(bucket int, n float64) {
	if a.buckets == nil {
		a.buckets = make([]float64, bucketOf(math.MaxInt16)+1)
	}
	if a.buckets[bucket] == 0 {
		a.used = append(a.used, bucket)
	}
	a.buckets[bucket] += n
}

// take returns what was counted, and starts again.
func (a *adder) take() rollup.Histogram {
	slices.Sort(a.used)
	h := rollup.Histogram{Index: make([]int16, len(a.used)), Count: make([]float64, len(a.used))}
	for i, bucket := range a.used {
		h.Index[i], h.Count[i] = int16(bucket+firstBound), a.buckets[bucket]
		a.buckets[bucket] = 0
	}
	a.used = a.used[:0]
	return h
}

var errDamaged = errors.New("arrays of one row differ in length")

// texts reads an array whose items have that many bytes, as its bytes.
func texts(b *sql.Binary, width int) string { return b.Take(width * b.Size(width)) }

func u16(s string, i int) uint16 { return binary.LittleEndian.Uint16([]byte(s[2*i : 2*i+2])) }

func u32(s string, i int) uint32 { return binary.LittleEndian.Uint32([]byte(s[4*i : 4*i+4])) }

func f64(s string, i int) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64([]byte(s[8*i : 8*i+8])))
}

// scan calls fn for each row of an answer with the labels of its columns and what is in the last column. The key is
// different for different labels.
func (f *family) scan(ctx context.Context, v *Metrics, metric, statement string, args []any, jobs map[resource]string, fn func(key string, name labels.Labels, blob string) error) error {
	values := make([]string, len(f.columns)+1)
	dest := make([]any, len(values))
	for i := range values {
		dest[i] = &values[i]
	}
	b := labels.NewScratchBuilder(len(f.columns) + 2)
	return sql.Scan(ctx, v.db, metric, statement, args, func(rows driver.Rows) error {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		b.Reset()
		b.Add(model.MetricNameLabel, metric)
		for i, c := range f.columns {
			if values[i] != "" {
				b.Add(c.label, values[i])
			}
		}
		if f.job {
			b.Add("job", jobOf(jobs, resource{values[0], values[1], values[2]}))
		}
		b.Sort()
		last := len(values) - 1
		return fn(strings.Join(values[:last], "\xff"), b.Labels(), values[last])
	})
}
