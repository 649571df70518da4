package indicator

import (
	"context"
	"fmt"
	"time"

	"loadline/internal/clickhouse"
)

// Earliest returns the start of the oldest slice that spans or their rollups are kept of; ok is false when there is none.
// What is before cannot be counted. The tables are ordered by slice within a partition, so little is read.
func Earliest(ctx context.Context, db *clickhouse.DB) (at time.Time, ok bool, err error) {
	for _, table := range []string{"spans", "red_10s", "red_5m", "red_1h"} {
		var n uint64
		var oldest time.Time
		err := db.QueryRow(ctx, `
			SELECT count(), min(slice)
			FROM `+table+`
			WHERE _partition_id =
			(
				SELECT min(partition_id)
				FROM system.parts
				WHERE database = currentDatabase() AND table = {table:String} AND active
			)`, clickhouse.Named("table", table)).Scan(&n, &oldest)
		if err != nil {
			return time.Time{}, false, fmt.Errorf("find the oldest slice of %s: %w", table, err)
		}
		if n > 0 && (!ok || oldest.Before(at)) {
			at, ok = oldest.UTC(), true
		}
	}
	return at, ok, nil
}
