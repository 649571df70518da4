package query

import (
	"context"
	"time"
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
	Oldest, Newest time.Time // days of the oldest and newest partition; zero when the table has no time
}

// Storage returns the size of every table.
func (s *Store) Storage(ctx context.Context) (*StorageStats, error) {
	return nil, errPending
}
