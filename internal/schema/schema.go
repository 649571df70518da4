// Package schema holds the tables of the program as numbered SQL files, brings a database up to them, and drops what is
// older or larger than its retention.
package schema

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"loadline/internal/clickhouse"
)

//go:embed migrations/*.sql
var files embed.FS

// mergeTree stands for {{merge_tree}} in the SQL files: the settings of every table.
//
// old_parts_lifetime: libchdb is built with 0, and then a merged part that is not yet on disk replaces its sources at once.
// non_replicated_deduplication_window: a block that is inserted again with its token is recognised.
// fsync_*: an inserted block is on disk when the INSERT returns, since the write-ahead log is cut then.
// The rest makes all merges vertical: at 20 columns and more that costs a third of the CPU.
const mergeTree = `old_parts_lifetime = 480, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, ` +
	`vertical_merge_algorithm_min_rows_to_activate = 1, ` +
	`vertical_merge_algorithm_min_columns_to_activate = 1, max_bytes_to_merge_at_max_space_in_pool = 2147483648`

// A migration is one file: 0001_traces.sql has version 1. Its statements end with a `;` at the end of a line.
type migration struct {
	version    int
	name       string
	statements []string
}

// Migrate creates what is missing. It may be called at every start, and by several processes one after the other. Every
// statement is written so that it can be repeated after a crash in the middle of a file.
func Migrate(ctx context.Context, db *clickhouse.DB) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	if err := db.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32,
    name    String,
    applied DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
ORDER BY version`); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	done, err := applied(ctx, db)
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if newest := all[len(all)-1].version; done > newest {
		return fmt.Errorf("schema: the database %q has version %d, this program knows only up to %d; run a newer program or use another database",
			db.Database(), done, newest)
	}
	for _, m := range all {
		if m.version > done {
			if err := m.apply(ctx, db); err != nil {
				return fmt.Errorf("schema: migration %q: %w", m.name, err)
			}
		}
	}
	return nil
}

// applied is the newest version that the database has.
func applied(ctx context.Context, db *clickhouse.DB) (int, error) {
	var version uint32
	err := db.QueryRow(ctx, "SELECT max(version) FROM schema_migrations").Scan(&version)
	return int(version), err
}

func (m *migration) apply(ctx context.Context, db *clickhouse.DB) error {
	for _, sql := range m.statements {
		if err := db.Exec(ctx, sql); err != nil && !clickhouse.IsCode(err, clickhouse.CodeTableAlreadyExists) {
			return err
		}
	}
	return db.Exec(ctx, "INSERT INTO schema_migrations (version, name) SELECT {version:UInt32}, {name:String}",
		clickhouse.Named("version", m.version), clickhouse.Named("name", m.name))
}

// migrations reads the embedded files, in order.
func migrations() ([]migration, error) {
	entries, err := fs.ReadDir(files, "migrations")
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	var all []migration
	for i, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("schema: file %q: want number %04d", e.Name(), i+1)
		}
		text, err := files.ReadFile("migrations/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
		all = append(all, migration{version, strings.TrimSuffix(e.Name(), ".sql"), split(string(text))})
	}
	return all, nil
}

// split cuts a file into its statements and fills in the common settings.
func split(text string) []string {
	text = strings.ReplaceAll(text, "{{merge_tree}}", mergeTree)
	var statements []string
	for _, s := range strings.Split(text, ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			statements = append(statements, s)
		}
	}
	return statements
}
