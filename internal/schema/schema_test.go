package schema_test

import (
	"context"
	"testing"

	"loadline/internal/clickhouse/chtest"
)

func TestMigrateSmoke(t *testing.T) {
	db := chtest.New(t)
	var n uint64
	if err := db.QueryRow(context.Background(), "SELECT count() FROM spans").Scan(&n); err != nil || n != 0 {
		t.Fatal(n, err)
	}
}
