package index

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/sql"
)

// load reads the series of metrics, of all metrics when the list is nil, that fulfil equality matchers. Families come in
// the order of their names.
func (x *Index) load(ctx context.Context, names []string, pushed []*labels.Matcher) ([]*Family, error) {
	r := newRowReader()
	err := sql.Scan(ctx, x.db, "series", `
SELECT formatRow('RowBinary', metric, service, series_id, toInt8(kind), toUInt32(first), toUInt32(last), bounds, labels)
FROM series
WHERE `+loadWhere(&r.where, names, pushed).String()+`
LIMIT `+r.where.Bind("UInt64", uint64(4*x.cfg.MaxSeries)), r.where.Args, func(rows driver.Rows) error {
		var row string
		if err := rows.Scan(&row); err != nil {
			return err
		}
		return r.add(row)
	})
	if err != nil {
		return nil, err
	}
	// Until a merge a series may have several rows, of which one an hour is written.
	if r.count >= 4*x.cfg.MaxSeries {
		return nil, x.tooMany()
	}
	return r.families(len(pushed) == 0), nil
}

// loadWhere says which rows. Each matcher is a set of ids from postings, and the label job is the service as well.
func loadWhere(w *sql.Where, names []string, pushed []*labels.Matcher) *sql.Where {
	metric := ""
	switch {
	case len(names) == 1:
		metric = "metric = " + w.Text(names[0])
	case names != nil:
		metric = "metric IN " + w.Texts(names)
	}
	if metric != "" {
		w.Add(metric)
	}
	for _, m := range pushed {
		if m.Name == "job" {
			w.Add("service = " + w.Text(m.Value))
			if metric != "" {
				continue
			}
		}
		within := "name = " + w.Text(m.Name) + " AND value = " + w.Text(m.Value)
		if metric != "" {
			within += " AND " + metric
		}
		w.Add("(metric, series_id) IN (SELECT metric, series_id FROM postings WHERE " + within + ")")
	}
	return w
}

// rowReader collects rows of the table series.
type rowReader struct {
	where   sql.Where
	groups  map[[2]string]*Group
	found   map[string][]Entry // by metric, an entry for each row
	builder labels.ScratchBuilder
	count   int
}

func newRowReader() *rowReader {
	return &rowReader{groups: map[[2]string]*Group{}, found: map[string][]Entry{}, builder: labels.NewScratchBuilder(16)}
}

// add reads a row in RowBinary.
func (r *rowReader) add(text string) error {
	r.count++
	b := sql.NewBinary(text)
	g := r.group(b.Text(), b.Text())
	row := Row{Group: g, ID: b.Uint64()}
	if part := b.Take(9); part != "" {
		row.Kind = Kind(part[0])
		row.First, row.Last = number32(part[1:]), number32(part[5:])
	}
	if n := b.Size(8); n > 0 {
		row.Bounds = make([]float64, n)
		for i := range row.Bounds {
			row.Bounds[i] = b.Float64()
		}
	}
	r.builder.Reset()
	r.builder.Add(model.MetricNameLabel, g.Metric)
	for range b.Size(2) {
		r.builder.Add(b.Text(), b.Text())
	}
	if err := b.Err(); err != nil {
		return err
	}
	r.builder.Sort()
	r.found[g.Metric] = append(r.found[g.Metric], Entry{r.builder.Labels(), []Row{row}})
	return nil
}

// group returns the one group of a metric and a service.
func (r *rowReader) group(metric, service string) *Group {
	g := r.groups[[2]string{metric, service}]
	if g == nil {
		g = &Group{Metric: strings.Clone(metric), Service: strings.Clone(service)}
		r.groups[[2]string{g.Metric, g.Service}] = g
	}
	return g
}

// families sorts what was read by labels and merges rows with equal ones. whole says that these are all rows of their
// metrics.
func (r *rowReader) families(whole bool) []*Family {
	var out []*Family
	for metric, all := range r.found {
		slices.SortFunc(all, compareEntries)
		entries := all[:0]
		for _, e := range all {
			if n := len(entries); n > 0 && labels.Equal(entries[n-1].Labels, e.Labels) {
				entries[n-1].Rows = mergeRow(entries[n-1].Rows, e.Rows[0])
				continue
			}
			entries = append(entries, e)
		}
		f := &Family{Metric: metric, Entries: slices.Clip(entries)}
		for _, e := range entries {
			f.bytes += int(unsafe.Sizeof(e)) + int(e.Labels.ByteSize())
			for _, row := range e.Rows {
				f.bytes += int(unsafe.Sizeof(row)) + 8*len(row.Bounds)
				if whole {
					row.Rows++
				}
			}
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *Family) int { return strings.Compare(a.Metric, b.Metric) })
	return out
}

// compareEntries orders by labels, and entries with equal ones by their first rows.
func compareEntries(a, b Entry) int {
	if c := labels.Compare(a.Labels, b.Labels); c != 0 {
		return c
	}
	x, y := &a.Rows[0], &b.Rows[0]
	return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Service, y.Service), cmp.Compare(x.ID, y.ID))
}

// mergeRow adds a row to those of an entry. One whose samples are those of a row that is there already was written again
// with other times, or with another kind when its sender came to know that.
func mergeRow(rows []Row, row Row) []Row {
	for i := range rows {
		r := &rows[i]
		same := r.Group == row.Group && r.ID == row.ID
		if same && r.Kind.IsHistogram() == row.Kind.IsHistogram() && r.Kind.IsDelta() == row.Kind.IsDelta() {
			r.First, r.Last = min(r.First, row.First), max(r.Last, row.Last)
			return rows
		}
	}
	return append(rows, row)
}

func number32(s string) uint32 { return binary.LittleEndian.Uint32([]byte(s[:4])) }

// Alive reports whether the row may have samples in [mint, maxt], in Unix milliseconds. Rows are written again once an
// hour, and are remembered for less, so that one that ends may have gone on for so long.
func (r *Row) Alive(mint, maxt int64) bool {
	return int64(r.First)*1000 <= maxt && (int64(r.Last)+refreshSeconds)*1000 >= mint
}

// refreshSeconds is how much longer than its row says a series is taken for alive.
const refreshSeconds = 3600
