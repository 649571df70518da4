package query

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/sql"
)

// StorageStats is what is stored.
type StorageStats struct {
	Tables []TableStats // largest first
	Rows   uint64
	Bytes  uint64 // on disk, compressed
}

// TableStats is what one table holds.
type TableStats struct {
	Name           string
	Rows           uint64
	Bytes          uint64 // on disk, compressed
	RawBytes       uint64 // before compression
	Parts          uint64
	Oldest, Newest time.Time // first and last day; zero when the table is not partitioned by time
}

// Storage returns the size of every table.
func (s *Store) Storage(ctx context.Context) (*StorageStats, error) {
	out := &StorageStats{}
	err := sql.Scan(ctx, s.db, "storage", `
SELECT table, sum(rows), sum(bytes_on_disk) AS bytes, sum(data_uncompressed_bytes), count(), min(min_time), max(max_time), min(min_date), max(max_date)
FROM system.parts
WHERE active AND database = currentDatabase()
GROUP BY table
ORDER BY bytes DESC, table
LIMIT 1000`, nil, func(rows driver.Rows) error {
		var t TableStats
		var oldestDay, newestDay time.Time
		if err := rows.Scan(&t.Name, &t.Rows, &t.Bytes, &t.RawBytes, &t.Parts, &t.Oldest, &t.Newest, &oldestDay, &newestDay); err != nil {
			return err
		}
		// Parts know times or days, depending on the type of the column that the partition is made from.
		if t.Newest.Unix() <= 0 {
			t.Oldest, t.Newest = oldestDay, newestDay
		}
		if t.Newest.Unix() <= 0 {
			t.Oldest, t.Newest = time.Time{}, time.Time{}
		}
		t.Oldest, t.Newest = t.Oldest.UTC(), t.Newest.UTC()
		out.Rows += t.Rows
		out.Bytes += t.Bytes
		out.Tables = append(out.Tables, t)
		return nil
	})
	return out, err
}
