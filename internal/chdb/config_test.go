package chdb_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"loadline/internal/chdb"
)

// TestConfiguration: the engine takes what engine.xml says, a strange path included, and nothing else.
func TestConfiguration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `a <b> & "c" 'd`)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// A configuration in the working directory is what libchdb would read without one of ours.
	t.Chdir(t.TempDir())
	if err := os.WriteFile("config.xml", []byte("<clickhouse><mark_cache_size>4321</mark_cache_size></clickhouse>"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := connect(t, open(t, chdb.Config{DataDir: dir, Threads: 2}))
	f := func(sql, want string) {
		t.Helper()
		var got string
		if err := c.QueryRow(context.Background(), sql).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", sql, got, err, want)
		}
	}
	f("SELECT timezone()", "UTC")
	f("SELECT toString(toHour(toDateTime(0)))", "0")
	f("SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'", "1073741824")
	f("SELECT value FROM system.server_settings WHERE name = 'mark_cache_size'", "67108864")
	f("SELECT value FROM system.server_settings WHERE name = 'background_pool_size'", "2")
	f("SELECT value FROM system.merge_tree_settings WHERE name = 'old_parts_lifetime'", "480")
	f("SELECT toString(getSetting('max_threads'))", "2")
	f("SELECT toString(sum(toUInt64(value))) FROM system.server_settings WHERE name LIKE '%cache_size' AND name NOT IN ('mmap_cache_size', 's3_credentials_provider_max_cache_size')", "234881024")
	f("SELECT toString(count()) FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree'", "0")
}
