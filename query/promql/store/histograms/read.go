// Package histograms reads histogram samples, gives them to PromQL as native histograms, and shows those with explicit
// bounds as the classic series _bucket, _sum and _count as well.
package histograms

import (
	"context"
	"maps"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/VictoriaMetrics/metrics"

	"loadline/internal/clickhouse"
	"loadline/query/promql/store/index"
	"loadline/query/sql"
)

var readQueries = metrics.NewCounter(`loadline_promql_histogram_queries_total`)

// Row is one sample as it is stored.
type Row struct {
	t, st         int64
	schema        int32
	zeroThreshold float64
	zeroCount     float64
	count, sum    float64
	stale         bool
	hint          byte
	buckets       string // the four arrays, in RowBinary
}

// Reader reads the table histograms. It is safe for concurrent use.
type Reader struct{ db *clickhouse.DB }

// New returns a reader.
func New(db *clickhouse.DB) *Reader { return &Reader{db} }

// maxIDs is how many series are asked for by their ids.
const maxIDs = 2_000

// Read returns the samples of rows in [mint, maxt], in Unix milliseconds, in the order of time and one for each time.
func (r *Reader) Read(ctx context.Context, rows []*index.Row, mint, maxt int64) (map[*index.Row][]Row, error) {
	out := map[*index.Row][]Row{}
	if len(rows) == 0 {
		return out, nil
	}
	type key struct {
		metric, service string
		id              uint64
	}
	byKey := make(map[key]*index.Row, len(rows))
	metricSet, serviceSet, ids := map[string]bool{}, map[string]bool{}, []uint64{}
	for _, row := range rows {
		byKey[key{row.Metric, row.Service, row.ID}] = row
		metricSet[row.Metric], serviceSet[row.Service] = true, true
		ids = append(ids, row.ID)
	}
	w := &sql.Where{}
	w.Add("metric IN " + w.Texts(slices.Sorted(maps.Keys(metricSet))))
	w.Add("service IN " + w.Texts(slices.Sorted(maps.Keys(serviceSet))))
	if len(ids) <= maxIDs {
		w.Add("series_id IN " + w.Bind("Array(UInt64)", ids))
	}
	timeRange(w, mint, maxt)
	readQueries.Inc()
	err := sql.Scan(ctx, r.db, "histograms", `
SELECT formatRow('RowBinary', metric, service, series_id, toUnixTimestamp64Milli(ts), st, toInt8(schema), toUInt8(stale), toInt8(hint),
    zero_threshold, zero_count, count, sum, pos_idx, pos_count, neg_idx, neg_count)
FROM histograms
WHERE `+w.String(), w.Args, func(rows driver.Rows) error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		b := sql.NewBinary(text)
		k := key{b.Text(), b.Text(), b.Uint64()}
		h := Row{t: int64(b.Uint64()), st: int64(b.Uint64())}
		if part := b.Take(3); part != "" {
			h.schema, h.stale, h.hint = int32(int8(part[0])), part[1] != 0, part[2]
		}
		h.zeroThreshold, h.zeroCount, h.count, h.sum = b.Float64(), b.Float64(), b.Float64(), b.Float64()
		h.buckets = b.Rest()
		if row := byKey[k]; row != nil {
			out[row] = append(out[row], h)
		}
		return b.Err()
	})
	for row, all := range out {
		out[row] = inOrder(all)
	}
	return out, err
}

// timeRange bounds bucket, which the primary key has, and ts.
func timeRange(w *sql.Where, mint, maxt int64) {
	const lowest, highest = 0, int64(4294967295) // of a DateTime, in Unix seconds
	from, to := min(max(mint/1000, lowest), highest), min(max(maxt/1000, lowest), highest)
	w.Add("bucket >= toDateTime(" + w.Bind("UInt32", uint32(from-from%7200)) + ", 'UTC')")
	w.Add("bucket <= toDateTime(" + w.Bind("UInt32", uint32(to)) + ", 'UTC')")
	w.Add("ts >= fromUnixTimestamp64Milli(" + w.Bind("Int64", min(max(mint, lowest), highest*1000)) + ", 'UTC')")
	w.Add("ts <= fromUnixTimestamp64Milli(" + w.Bind("Int64", min(max(maxt, lowest), highest*1000+999)) + ", 'UTC')")
}
