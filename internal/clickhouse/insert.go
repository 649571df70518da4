package clickhouse

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	driverapi "github.com/ClickHouse/clickhouse-go/v2"
)

// InsertNative inserts a block in ClickHouse's Native format, revision 0 (without BlockInfo), whose columns are the given
// ones in any order. It returns when the rows are stored. The token names the block: repeating the call with the same
// token and block, after an error or a crash, stores nothing twice, neither in the table nor in those that materialized
// views fill from it. Two different blocks must never share a token, for the second would be dropped.
func (db *DB) InsertNative(ctx context.Context, table string, columns []string, token string, block []byte) error {
	if len(columns) == 0 || len(block) == 0 {
		return fmt.Errorf("insert into %q: no columns or no rows", table)
	}
	if token == "" {
		return fmt.Errorf("insert into %q: no deduplication token", table)
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quoteName(c)
	}
	defer insertSeconds.UpdateDuration(time.Now())
	head := "INSERT INTO " + quoteName(table) + " (" + strings.Join(names, ", ") + ")"
	var err error
	if db.native != nil {
		err = db.native.insert(ctx, head, token, block)
	} else {
		ctx = driverapi.Context(db.timeless(ctx), driverapi.WithSettings(driverapi.Settings{"insert_deduplication_token": token}))
		err = db.inserts.InsertFormat(ctx, "Native", head, bytes.NewReader(block))
	}
	if err != nil {
		insertErrors.Inc()
		return fmt.Errorf("insert into %q: %w", table, err)
	}
	insertBytes.Add(len(block))
	return nil
}
