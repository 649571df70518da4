package query

import (
	"errors"
	"fmt"
)

// ErrNotFound is returned when what was asked for is not stored: never sent, sampled out, past its retention, or
// still on its way.
var ErrNotFound = errors.New("not found")

// NotRolledUpError is returned when a matcher is on a key that the rollups do not have, so that only a search of spans
// could answer.
type NotRolledUpError struct{ Key string }

// Error names the key.
func (e *NotRolledUpError) Error() string {
	return fmt.Sprintf("key %q is not in the RED rollups: use service, operation, env, version, kind, root, status or error", e.Key)
}

// A Store answers questions from one ClickHouse.
type Store struct{}

var errPending = errors.New("not there yet")
