package schema

import (
	"context"
	"fmt"

	"loadline/internal/clickhouse"
)

// Version returns the newest migration that the database has.
func Version(ctx context.Context, db *clickhouse.DB) (int, error) {
	version, err := applied(ctx, db)
	if err != nil {
		return 0, fmt.Errorf("schema version: %w", err)
	}
	return version, nil
}
