package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/sql"
	"loadline/slo/store/block"
)

// Object is a revision of a definition as it was written. Revisions are numbered through the whole installation: those that
// were applied together share a number, and a higher one is newer.
type Object struct {
	Kind     string // SLO, SLI, Service, DataSource, AlertPolicy, AlertCondition or AlertNotificationTarget
	Name     string
	Revision uint64
	At       time.Time // to the millisecond
	Author   string
	Source   string // file:PATH, api or ui
	Text     string // YAML
	Deleted  bool
}

// ErrConflict says that somebody else has stored a revision in between.
var ErrConflict = errors.New("definitions were changed in between")

// Append stores objects as revision base+1, all or none of them, and returns that number. base is the newest revision that
// the caller has seen. If there is a newer one by now, it fails with [ErrConflict] and stores nothing. Revision of the
// objects is ignored.
func (s *Store) Append(ctx context.Context, base uint64, objects []Object) (uint64, error) {
	if len(objects) == 0 {
		return base, nil
	}
	newest, err := s.Revision(ctx)
	if err != nil {
		return 0, err
	}
	if newest > base {
		return 0, ErrConflict
	}
	// All who write the next revision use one token, so the first block is stored and the others are dropped. The second try
	// is for a token whose block was lost when the database ended.
	for try := range 3 {
		if err := s.insertObjects(ctx, base+1, fmt.Sprintf("revision %d, %d", base+1, try), objects); err != nil {
			return 0, err
		}
		stored, err := s.objects(ctx, "revision = {p0:UInt64}", "kind, name", base+1, maxRows)
		if err != nil {
			return 0, err
		}
		if len(stored) > 0 {
			if same(stored, objects) {
				return base + 1, nil
			}
			return 0, ErrConflict
		}
	}
	return 0, fmt.Errorf("store revision %d of definitions: it does not appear", base+1)
}

// same reports whether what was stored is what was to be.
func same(stored, objects []Object) bool {
	type key struct{ kind, name string }
	byKey := map[key]Object{}
	for _, o := range objects {
		byKey[key{o.Kind, o.Name}] = o
	}
	for _, o := range stored {
		w, ok := byKey[key{o.Kind, o.Name}]
		if !ok || o.At.UnixMilli() != w.At.UnixMilli() || o.Author != w.Author || o.Source != w.Source || o.Text != w.Text || o.Deleted != w.Deleted {
			return false
		}
	}
	return len(stored) == len(byKey)
}

func (s *Store) insertObjects(ctx context.Context, revision uint64, token string, objects []Object) error {
	return block.Insert(ctx, s.db, "slo_objects", token, len(objects),
		block.LowCardinality("kind", objects, func(o *Object) string { return o.Kind }),
		block.String("name", objects, func(o *Object) string { return o.Name }),
		block.UInt64("revision", objects, func(*Object) uint64 { return revision }),
		block.Millis("at", objects, func(o *Object) time.Time { return o.At }),
		block.String("author", objects, func(o *Object) string { return o.Author }),
		block.String("source", objects, func(o *Object) string { return o.Source }),
		block.String("text", objects, func(o *Object) string { return o.Text }),
		block.Bool("deleted", objects, func(o *Object) bool { return o.Deleted }),
	)
}

// Newest returns the newest revision of each object that has one above a revision, deleted ones too, by kind and name.
func (s *Store) Newest(ctx context.Context, above uint64) ([]Object, error) {
	return s.objects(ctx, "revision > {p0:UInt64}", "kind, name, revision DESC LIMIT 1 BY kind, name", above, maxRows)
}

// FromFiles returns the newest of the revisions of each object that came from files, deletions too, by kind and name.
func (s *Store) FromFiles(ctx context.Context) ([]Object, error) {
	return s.objects(ctx, "revision > {p0:UInt64} AND startsWith(source, 'file:')", "kind, name, revision DESC LIMIT 1 BY kind, name", 0, maxRows)
}

// Revision returns the newest revision of all, 0 without any.
func (s *Store) Revision(ctx context.Context) (uint64, error) {
	var revision uint64
	if err := s.db.QueryRow(ctx, "SELECT max(revision) FROM slo_objects").Scan(&revision); err != nil {
		return 0, fmt.Errorf("query revision of definitions: %w", err)
	}
	return revision, nil
}

// History returns up to limit revisions of an object, the newest first.
func (s *Store) History(ctx context.Context, kind, name string, limit int) ([]Object, error) {
	var w sql.Where
	w.Add("kind = " + w.Text(kind))
	w.Add("name = " + w.Text(name))
	return s.scanObjects(ctx, `WHERE `+w.String()+`
ORDER BY revision DESC
LIMIT `+w.Bind("UInt64", uint64(limit)), w.Args)
}

// objects selects by one number.
func (s *Store) objects(ctx context.Context, condition, order string, revision uint64, limit int) ([]Object, error) {
	var w sql.Where
	w.Bind("UInt64", revision)
	return s.scanObjects(ctx, `WHERE `+condition+`
ORDER BY `+order+`
LIMIT `+w.Bind("UInt64", uint64(limit)), w.Args)
}

func (s *Store) scanObjects(ctx context.Context, rest string, args []any) ([]Object, error) {
	var out []Object
	err := sql.Scan(ctx, s.db, "definitions", `SELECT kind, name, revision, at, author, source, text, deleted
FROM slo_objects
`+rest, args, func(row driver.Rows) error {
		var o Object
		err := row.Scan(&o.Kind, &o.Name, &o.Revision, &o.At, &o.Author, &o.Source, &o.Text, &o.Deleted)
		out = append(out, o)
		return err
	})
	return out, err
}
