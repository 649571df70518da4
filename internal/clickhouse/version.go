package clickhouse

import (
	"context"
	"fmt"
)

// Version returns the version of the ClickHouse behind db, such as "26.7.2.1".
func (db *DB) Version(ctx context.Context) (string, error) {
	var version string
	if err := db.QueryRow(ctx, "SELECT version()").Scan(&version); err != nil {
		return "", fmt.Errorf("version of ClickHouse: %w", err)
	}
	return version, nil
}
