package store

import "errors"

// ErrConflict says that somebody else has stored a revision in between.
var ErrConflict = errors.New("definitions were changed in between")
