// Package exemplars reads the exemplars of series.
package exemplars

import (
	"cmp"
	"context"
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/internal/clickhouse"
	"loadline/query/promql/store/index"
	"loadline/query/sql"
)

const (
	// maxExemplars bounds an answer. The newest stay.
	maxExemplars = 100_000
	// maxIDs is how many series are asked for by their ids.
	maxIDs = 2_000
)

// Read returns the exemplars of rows in [start, end], in Unix milliseconds, in the order of time.
func Read(ctx context.Context, db *clickhouse.DB, rows []*index.Row, start, end int64) (map[*index.Row][]exemplar.Exemplar, error) {
	out := map[*index.Row][]exemplar.Exemplar{}
	if len(rows) == 0 {
		return out, nil
	}
	type key struct {
		metric, service string
		id              uint64
	}
	byKey := map[key][]*index.Row{}
	metrics, services, ids := map[string]bool{}, map[string]bool{}, []uint64{}
	for _, r := range rows {
		k := key{r.Metric, r.Service, r.ID}
		byKey[k] = append(byKey[k], r)
		metrics[r.Metric], services[r.Service] = true, true
		ids = append(ids, r.ID)
	}
	w := &sql.Where{}
	w.Add("metric IN " + w.Texts(slices.Sorted(maps.Keys(metrics))))
	w.Add("service IN " + w.Texts(slices.Sorted(maps.Keys(services))))
	if len(ids) <= maxIDs {
		w.Add("series_id IN " + w.Bind("Array(UInt64)", ids))
	}
	const last = math.MaxUint32 * 1000 // of what the table can have
	w.Add("ts >= fromUnixTimestamp64Milli(" + w.Bind("Int64", min(max(start, 0), last)) + ", 'UTC')")
	w.Add("ts <= fromUnixTimestamp64Milli(" + w.Bind("Int64", min(max(end, 0), last)) + ", 'UTC')")
	err := sql.Scan(ctx, db, "exemplars", `
SELECT formatRow('RowBinary', metric, service, series_id, toUnixTimestamp64Milli(ts), value, trace_id, span_id, attributes)
FROM exemplars
WHERE `+w.String()+`
ORDER BY ts DESC
LIMIT `+w.Bind("UInt64", uint64(maxExemplars)), w.Args, func(rows driver.Rows) error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		b := sql.NewBinary(text)
		k := key{b.Text(), b.Text(), b.Uint64()}
		e, err := decode(b)
		if err != nil {
			return err
		}
		if all := byKey[k]; len(all) > 0 {
			out[all[0]] = append(out[all[0]], e)
		}
		return nil
	})
	for row, all := range out {
		slices.SortFunc(all, func(a, b exemplar.Exemplar) int {
			return cmp.Or(cmp.Compare(a.Ts, b.Ts), cmp.Compare(a.Value, b.Value), labels.Compare(a.Labels, b.Labels))
		})
		out[row] = slices.CompactFunc(all, exemplar.Exemplar.Equals)
	}
	return out, err
}

// decode reads an exemplar, whose trace and span become labels unless they are all zeros.
func decode(b *sql.Binary) (exemplar.Exemplar, error) {
	e := exemplar.Exemplar{Ts: int64(b.Uint64()), HasTs: true, Value: b.Float64()}
	trace, span := b.Take(16), b.Take(8)
	l := labels.NewBuilder(labels.EmptyLabels())
	for range b.Size(2) {
		l.Set(b.Text(), strings.ToValidUTF8(b.Text(), "\ufffd"))
	}
	if strings.Trim(trace, "\x00") != "" {
		l.Set("trace_id", hex.EncodeToString([]byte(trace)))
	}
	if strings.Trim(span, "\x00") != "" {
		l.Set("span_id", hex.EncodeToString([]byte(span)))
	}
	e.Labels = l.Labels()
	return e, b.Err()
}
