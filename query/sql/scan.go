// Package sql has what every SELECT of the product is made with: conditions whose values are bound ([Where]), the loop
// over the rows of an answer ([Scan]), and the decoding of arrays and maps ([Binary]).
package sql

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
)

// Scan runs a statement and calls row for each of its rows, which scans it. Errors say what was asked for.
func Scan(ctx context.Context, db *clickhouse.DB, what, statement string, args []any, row func(driver.Rows) error) error {
	rows, err := db.Query(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("query %s: %w", what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return fmt.Errorf("scan %s: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}
