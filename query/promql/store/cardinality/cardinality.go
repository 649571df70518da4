// Package cardinality tells how many series there are, and which metrics and labels make them.
package cardinality

import (
	"cmp"
	"context"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/sql"
)

// Stats is how many series and labels are stored, and which names and values have most of them.
type Stats struct {
	Series     uint64
	LabelPairs int
	Chunks     int64 // rows of samples, packed or not
	MinTime    int64 // Unix milliseconds
	MaxTime    int64 // Unix milliseconds

	SeriesByMetric    []Count
	ValuesByLabel     []Count
	BytesByLabel      []Count
	SeriesByLabelPair []Count // names are of the form name=value
}

// Count is a number of a name.
type Count struct {
	Name  string
	Value uint64
}

// Read counts the series of a database. The lists have up to limit entries, the largest first. What was written again
// since the last merge counts twice.
func Read(ctx context.Context, db *clickhouse.DB, limit int) (Stats, error) {
	var s Stats
	one := func(what, statement string, dst ...any) error {
		return sql.Scan(ctx, db, what, statement, nil, func(rows driver.Rows) error { return rows.Scan(dst...) })
	}
	if err := one("series", `
SELECT count(), toInt64(toUnixTimestamp(min(first))) * 1000, toInt64(toUnixTimestamp(least(max(last), now()))) * 1000
FROM series
WHERE first > 0`, &s.Series, &s.MinTime, &s.MaxTime); err != nil {
		return s, err
	}
	if err := one("parts", `
SELECT toInt64(sum(rows))
FROM system.parts
WHERE database = currentDatabase()
  AND table IN ('samples', 'chunks')
  AND active`, &s.Chunks); err != nil {
		return s, err
	}
	err := sql.Scan(ctx, db, "labels", `
SELECT toString(name), uniq(value), sum(length(value))
FROM postings
GROUP BY name
LIMIT 1000000`, nil, func(rows driver.Rows) error {
		var name string
		var values, bytes uint64
		err := rows.Scan(&name, &values, &bytes)
		s.LabelPairs += int(values)
		s.ValuesByLabel = append(s.ValuesByLabel, Count{name, values})
		s.BytesByLabel = append(s.BytesByLabel, Count{name, bytes})
		return err
	})
	if err != nil {
		return s, err
	}
	s.ValuesByLabel, s.BytesByLabel = largest(s.ValuesByLabel, limit), largest(s.BytesByLabel, limit)
	counts := func(what, statement string, dst *[]Count) error {
		w := &sql.Where{}
		return sql.Scan(ctx, db, what, statement+"\nLIMIT "+w.Bind("UInt64", uint64(max(limit, 0))), w.Args, func(rows driver.Rows) error {
			var c Count
			err := rows.Scan(&c.Name, &c.Value)
			*dst = append(*dst, c)
			return err
		})
	}
	if err := counts("metrics", `
SELECT toString(metric) AS name, count() AS n
FROM series
GROUP BY name
ORDER BY n DESC, name`, &s.SeriesByMetric); err != nil {
		return s, err
	}
	err = counts("label pairs", `
SELECT concat(name, '=', value) AS pair, count() AS n
FROM postings
GROUP BY name, value
ORDER BY n DESC, pair`, &s.SeriesByLabelPair)
	return s, err
}

// largest returns the first of the counts in descending order.
func largest(all []Count, limit int) []Count {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Name, b.Name)) })
	return all[:min(len(all), max(limit, 0))]
}
