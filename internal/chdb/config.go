package chdb

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
)

// configTemplate is the engine's configuration. One is always given, for without it libchdb looks for ./config.xml and the
// user's own files. The caches default to gigabytes each; here all of them together get less than a quarter of the limit.
// old_parts_lifetime is 0 in libchdb: then a merged part that is not yet on disk replaces its sources at once, and a power
// cut loses rows that were acknowledged long ago.
var configTemplate = template.Must(template.New("config").Parse(`<clickhouse>
    <!-- Written by loadline at every start; changes are lost. -->
    <logger><level>none</level></logger>
    <timezone>UTC</timezone>
    <tmp_path>{{.Dir}}/tmp/</tmp_path>
    <user_files_path>{{.Dir}}/user_files</user_files_path>
    <format_schema_path>{{.Dir}}/format_schemas</format_schema_path>
    <max_server_memory_usage>{{.Memory}}</max_server_memory_usage>
    <mark_cache_size>{{.Cache}}</mark_cache_size>
    <primary_index_cache_size>{{.Cache}}</primary_index_cache_size>
    <index_mark_cache_size>{{.SmallCache}}</index_mark_cache_size>
    <index_uncompressed_cache_size>0</index_uncompressed_cache_size>
    <uncompressed_cache_size>0</uncompressed_cache_size>
    <query_condition_cache_size>{{.SmallCache}}</query_condition_cache_size>
    <compiled_expression_cache_size>{{.SmallCache}}</compiled_expression_cache_size>
    <vector_similarity_index_cache_size>0</vector_similarity_index_cache_size>
    <text_index_tokens_cache_size>{{.SmallCache}}</text_index_tokens_cache_size>
    <text_index_header_cache_size>{{.SmallCache}}</text_index_header_cache_size>
    <text_index_postings_cache_size>{{.SmallCache}}</text_index_postings_cache_size>
    <parquet_metadata_cache_size>0</parquet_metadata_cache_size>
    <iceberg_metadata_files_cache_size>0</iceberg_metadata_files_cache_size>
    <background_pool_size>{{.Threads}}</background_pool_size>
    <max_thread_pool_size>256</max_thread_pool_size>
    <merge_tree>
        <old_parts_lifetime>480</old_parts_lifetime>
        <non_replicated_deduplication_window>1000</non_replicated_deduplication_window>
    </merge_tree>
    <query_log remove="1"/>
    <query_thread_log remove="1"/>
    <query_views_log remove="1"/>
    <part_log remove="1"/>
    <trace_log remove="1"/>
    <text_log remove="1"/>
    <metric_log remove="1"/>
    <asynchronous_metric_log remove="1"/>
    <processors_profile_log remove="1"/>
</clickhouse>
`))

// ConfigFile is the name of the engine's configuration in its data directory.
const ConfigFile = "engine.xml"

// writeConfig writes the engine's configuration into the data directory and returns its path.
func writeConfig(cfg Config) (string, error) {
	var dir bytes.Buffer
	if err := xml.EscapeText(&dir, []byte(cfg.DataDir)); err != nil {
		return "", fmt.Errorf("data directory %q: %w", cfg.DataDir, err)
	}
	var out bytes.Buffer
	err := configTemplate.Execute(&out, map[string]any{
		"Dir": dir.String(), "Memory": cfg.MaxMemory, "Cache": cfg.MaxMemory / 16, "SmallCache": cfg.MaxMemory / 64, "Threads": cfg.Threads,
	})
	if err != nil {
		return "", fmt.Errorf("engine configuration: %w", err)
	}
	path := filepath.Join(cfg.DataDir, ConfigFile)
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		return "", fmt.Errorf("write engine configuration: %w; free space in %q or fix its permissions", err, cfg.DataDir)
	}
	return path, nil
}

// sessionSettings are set once on every connection; a request may set others. One query may not take all of the memory,
// and one that groups or sorts too much goes to disk first.
func (e *Engine) sessionSettings() []string {
	perQuery := e.cfg.MaxMemory / 4 * 3
	settings := []string{
		"max_memory_usage = " + strconv.FormatInt(perQuery, 10),
		"max_bytes_before_external_group_by = " + strconv.FormatInt(perQuery/4, 10),
		"max_bytes_before_external_sort = " + strconv.FormatInt(perQuery/4, 10),
		"max_threads = " + strconv.Itoa(e.cfg.Threads),
		"session_timezone = 'UTC'",
		"implicit_select = 0",
		"allow_experimental_time_series_aggregate_functions = 1",
	}
	if e.cfg.ReadOnly {
		settings = append(settings, "max_execution_time = 300")
	}
	return settings
}

// machineMemory is the memory that this process may use: the machine's, or its control group's when that is less.
func machineMemory() int64 {
	memory := int64(4 << 30)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int64
		if _, err := fmt.Sscanf(string(b), "MemTotal: %d kB", &kib); err == nil {
			memory = kib << 10
		}
	}
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64); err == nil {
			memory = min(memory, n)
		}
	}
	return memory
}
