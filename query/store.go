package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
)

// ErrNotFound is returned when what was asked for is not stored: never sent, sampled out, past its retention, or
// still on its way.
var ErrNotFound = errors.New("not found")

// A NotRolledUpError is returned when a matcher is on a key that the rollups do not have, so that only a search of
// spans could answer. [Selector.RolledUp] tells beforehand.
type NotRolledUpError struct{ Key string }

// Error names the key.
func (e *NotRolledUpError) Error() string {
	return fmt.Sprintf("key %q is not in the RED rollups: use service, operation, env, version, kind, root, status or error", e.Key)
}

// A Store answers questions from one ClickHouse.
type Store struct {
	db *clickhouse.DB
}

// New returns a store that reads from db.
func New(db *clickhouse.DB) *Store {
	return &Store{db: db}
}

// scan runs a query and calls row for each of its rows, which scans it.
func (s *Store) scan(ctx context.Context, what, sql string, args []any, row func(driver.Rows) error) error {
	rows, err := s.db.Query(ctx, sql, args...)
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
