// Package corpus is a list of queries, and metrics of a small demo service for them to be about.
package corpus

import (
	"slices"
	"strings"
	"time"
)

// Start and End are the first and last times of the metrics. The odd start makes samples fall on both sides of two
// bucket borders of two hours.
var (
	Start = time.Date(2026, 3, 1, 8, 3, 0, 0, time.UTC)
	End   = Start.Add(5 * time.Hour)
)

// Queries returns every query of the list once: templates, with each <name> replaced by each value of that name.
func Queries() []string {
	var all []string
	for _, t := range templates {
		all = append(all, expand(t)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// expand replaces the first <name> by each of its values, until there is none.
func expand(t string) []string {
	for name, values := range axes {
		if !strings.Contains(t, name) {
			continue
		}
		var all []string
		for _, v := range values {
			all = append(all, expand(strings.ReplaceAll(t, name, v))...)
		}
		return all
	}
	return []string{t}
}

var axes = map[string][]string{
	"<agg>":      {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"},
	"<grouping>": {"", "by ()", "by (instance)", "by (instance, type)", "by (nonexistent)", "without (instance)", "without (instance, type)", "without (nonexistent)"},
	"<short>":    {"by (instance)", "without (mode)"},
	"<top>":      {"topk", "bottomk", "limitk"},
	"<counted>":  {"rate", "increase", "irate", "idelta", "delta", "resets", "changes"},
	"<overtime>": {
		"sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "count_over_time", "stddev_over_time", "stdvar_over_time",
		"last_over_time", "first_over_time", "present_over_time", "absent_over_time", "mad_over_time", "deriv",
		"ts_of_min_over_time", "ts_of_max_over_time", "ts_of_first_over_time", "ts_of_last_over_time",
	},
	"<range>":  {"14s", "15s", "1m", "5m", "1h", "2h30m"},
	"<window>": {"5m", "1h"},
	"<moved>":  {"offset 1m", "offset 1h", "offset -7m", "@ 1772359200", "@ start()", "@ end()", "@ 1772359200 offset 10m"},
	"<math>":   {"abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round", "sgn", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad"},
	"<date>":   {"minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"},
	"<arith>":  {"+", "-", "*", "/", "%", "^", "atan2"},
	"<cmp>":    {"==", "!=", "<", ">", "<=", ">="},
	"<set>":    {"and", "or", "unless"},
	"<phi>":    {"-0.5", "0", "0.1", "0.5", "0.95", "1", "1.1", "NaN"},
	"<hist>":   {"demo_size_bytes", "demo_render_seconds", "demo_queue_gauge"},
	"<histfn>": {"histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar"},
	"<scalar>": {"1.2345", "0", "-1", "NaN", "+Inf"},
	"<metric>": {"demo_cpu_usage_seconds_total", "demo_items_shipped_total", "demo_special", "demo_intermittent", "demo_started_total", "demo_mixed"},
	"<match>": {
		`instance="web-1"`, `instance!="web-1"`, `instance=~"web-[12]"`, `instance!~"web-[12]"`, `instance=~".*"`, `instance=~""`, `instance!=""`,
		`instance=""`, `nonexistent=""`, `nonexistent!=""`, `nonexistent=~".*"`, `nonexistent=~".+"`, `mode=~"user|idle", instance!~"web-3|x"`,
		`mode=~"(?i:USER)"`, `mode=~"u.*r"`, `mode=~"idle", mode!="idle"`, `job="nobody"`,
	},
}

var templates = []string{
	// Literals, and what has no selector.
	"42", "-0", "NaN", "+Inf", `"text"`, "1 + 2 * 3 ^ 2 % 5", "time()", "vector(time() - 5)", "pi()", "scalar(vector(3)) * 2", "1 == bool 2", "-(-1)", "0x1F", "1e-3", "5m + 30s",
	"start()", "end() - start()", "range()", "step()", "min_of(step(), 30)", "max_of(scalar(demo_num_cpus), 2)", "year()", "<date>(demo_last_success_timestamp_seconds)", "<date>(vector(1)) + 0",

	// Selectors.
	"demo_cpu_usage_seconds_total{<match>}", "demo_special", "demo_intermittent", "demo_mixed", "demo_started_total", "<hist>", "nonexistent",
	`{__name__="demo_num_cpus"}`, `{__name__=~"demo_(num_cpus|disk_.*)"}`, `{__name__!~"demo_.*", instance="web-1"}`, `{"demo.sent.messages", "to.address"=~"a.*"}`, `{"demo.sent.messages"}`,
	`{job="demo", __name__=~"demo_memory.*", type!="used"}`, "demo_disk_usage_bytes <moved>", "demo_mixed <moved>", "demo_cpu_usage_seconds_total[5m]", "demo_intermittent[7m] offset 3m", "demo_num_cpus[5m:1m]",

	// Aggregations.
	"<agg> <grouping> (demo_memory_usage_bytes)", "<agg> <short> (rate(demo_cpu_usage_seconds_total[5m]))", "<agg> by (kind) (demo_special)", "<agg>(demo_intermittent)", "<agg> by (instance) (demo_mixed)",
	"<agg>(nonexistent)", "<agg> by (instance) (<hist>)", "<top> by (instance) (2, demo_memory_usage_bytes)", "<top>(3, rate(demo_http_requests_total[5m]))", "<top>(0, demo_num_cpus)", "<top>(1, demo_special)",
	"quantile by (type) (<phi>, demo_memory_usage_bytes)", "quantile(<phi>, rate(demo_cpu_usage_seconds_total[5m]))", `count_values("value", demo_num_cpus)`, `count_values by (job) ("v", demo_special)`,
	"limit_ratio(0.5, demo_memory_usage_bytes)", "limit_ratio(-0.5, demo_memory_usage_bytes)", "<agg> by (__name__) ({__name__=~\"demo_disk_.*\"})", "sum by (instance) (sum without (mode) (rate(demo_cpu_usage_seconds_total[1m])))",

	// Functions of ranges.
	"<counted>(<metric>[<window>])", "<counted>(demo_cpu_usage_seconds_total[<range>])", "<overtime>(demo_memory_usage_bytes[<range>])", "<overtime>(<metric>[<window>])", "quantile_over_time(<phi>, demo_memory_usage_bytes[5m])",
	"predict_linear(demo_disk_usage_bytes[1h], 3600)", "predict_linear(demo_special[5m], -60)", "double_exponential_smoothing(demo_disk_usage_bytes[5m], 0.3, 0.6)", "rate(demo_cpu_usage_seconds_total[5m] <moved>)", "sum by (instance) (rate(demo_cpu_usage_seconds_total[5m] <moved>))",
	"max_over_time(demo_memory_usage_bytes[10m] <moved>)", "<agg> by (instance) (<overtime>(demo_memory_usage_bytes[5m]))", "<agg> by (instance) (<counted>(demo_http_requests_total[5m]))", "<counted>(nonexistent[5m])",
	"<counted>({__name__=~\"demo_items_shipped_total|nonexistent\"}[5m])", "rate(demo_http_requests_total[5m] smoothed)", "increase(demo_http_requests_total[5m] anchored)", "start_timestamp(demo_started_total)",
	"integral(demo_memory_usage_bytes[5m])", "integral(demo_mixed[1h])", "rate(demo_cpu_usage_seconds_total[max_of(step() * 2, 5m)])", "max by (type) (max_over_time(demo_memory_usage_bytes[range() / 10]))",

	// Subqueries.
	"max_over_time(rate(demo_cpu_usage_seconds_total[5m])[30m:1m])", "avg_over_time(sum by (instance) (rate(demo_http_requests_total[1m]))[20m:30s])", "sum_over_time(demo_num_cpus[10m:])", "rate(demo_cpu_usage_seconds_total[10m:15s] offset 5m)",
	"<overtime>(demo_intermittent[20m:1m] <moved>)", "min_over_time((demo_memory_usage_bytes / 2)[5m:10s])", "deriv(rate(demo_items_shipped_total[5m])[1h:5m])",

	// Functions of vectors.
	"<math>(demo_special)", "<math>(rate(demo_cpu_usage_seconds_total[5m]))", "round(demo_memory_usage_bytes, 1000)", "clamp(demo_special, -1, 1)", "clamp_min(demo_memory_usage_bytes, 2e8)", "clamp_max(demo_memory_usage_bytes, 2e8)",
	"sort(demo_memory_usage_bytes)", "sort_desc(demo_memory_usage_bytes)", `sort_by_label(demo_memory_usage_bytes, "type")`, `sort_by_label_desc(demo_memory_usage_bytes, "type", "instance")`, "timestamp(demo_items_shipped_total)", "timestamp(demo_num_cpus * 1)",
	"absent(demo_num_cpus)", `absent(nonexistent{a="b", c=~"d"})`, "absent(sum(nonexistent))", "scalar(demo_num_cpus)", `scalar(demo_num_cpus{instance="web-1"})`, "time() - demo_last_success_timestamp_seconds", "-demo_special",
	`label_replace(demo_num_cpus, "shard", "s$1", "instance", "web-(.*)")`, `label_replace(rate(demo_cpu_usage_seconds_total[5m]), "mode", "", "mode", ".*")`, `label_replace(demo_num_cpus, "instance", "x", "nonexistent", "")`,
	`label_join(demo_memory_usage_bytes, "all", "/", "instance", "type", "nonexistent")`, "info(demo_num_cpus)", `info(rate(demo_cpu_usage_seconds_total[5m]), {version=~".+"})`,

	// Operators.
	"demo_memory_usage_bytes <arith> <scalar>", "<scalar> <arith> demo_num_cpus", "demo_memory_usage_bytes <cmp> 2.5e8", "demo_memory_usage_bytes <cmp> bool 2.5e8", "3 <cmp> bool demo_num_cpus", "demo_disk_usage_bytes <arith> demo_disk_total_bytes",
	"demo_disk_usage_bytes <cmp> bool demo_disk_total_bytes", "demo_disk_usage_bytes <arith> on (instance, device) demo_disk_total_bytes", "demo_memory_usage_bytes <arith> on (instance) group_left demo_num_cpus",
	"demo_num_cpus <arith> ignoring (type) group_right (job) demo_memory_usage_bytes", "demo_memory_usage_bytes * on (instance) group_left (version) demo_build_info", "demo_memory_usage_bytes <set> demo_memory_usage_bytes{type=\"used\"}",
	"demo_memory_usage_bytes <set> on (instance) demo_num_cpus{instance=\"web-2\"}", "demo_num_cpus <set> ignoring (type) demo_memory_usage_bytes", "demo_special <arith> ignoring (kind) group_left sum(demo_num_cpus)", "demo_special <cmp> demo_special",
	"sum by (instance) (rate(demo_http_requests_total{status=~\"5..\"}[5m])) / sum by (instance) (rate(demo_http_requests_total[5m]))", "1 - avg by (instance) (rate(demo_cpu_usage_seconds_total{mode=\"idle\"}[5m]))",
	"rate(demo_http_requests_total[5m]) > 0.5 and on (instance) demo_num_cpus > 2", "demo_memory_usage_bytes + demo_num_cpus", "demo_memory_usage_bytes * on (job) demo_num_cpus", "<hist> <arith> 2", "<hist> <arith> <hist>", "demo_num_cpus + on (instance) fill_left (0) up",
	"-rate(demo_cpu_usage_seconds_total[5m])", "demo_intermittent or vector(7)", "sum(demo_intermittent) or sum(demo_num_cpus)",

	// Histograms.
	"histogram_quantile(<phi>, rate(demo_duration_seconds_bucket[5m]))", "histogram_quantile(<phi>, sum by (le, instance) (rate(demo_duration_seconds_bucket[5m])))", "histogram_quantile(0.9, demo_duration_seconds_bucket)",
	"histogram_quantile(<phi>, <hist>)", "histogram_quantile(<phi>, sum by (instance) (rate(demo_size_bytes[5m])))", "<histfn>(<hist>)", "<histfn>(sum(rate(<hist>[5m])))", "histogram_fraction(0, 0.2, <hist>)", "histogram_fraction(-Inf, +Inf, rate(demo_size_bytes[5m]))",
	"<counted>(<hist>[<window>])", "<overtime>(<hist>[<window>])", "sum by (path) (increase(demo_size_bytes[1h]))", "rate(demo_duration_seconds_sum[5m]) / rate(demo_duration_seconds_count[5m])", "histogram_quantile(0.5, demo_mixed)", `histogram_quantiles(demo_size_bytes, "q", 0.5, 0.99)`,
	"<hist> <cmp> <hist>", "demo_size_bytes >/ 100", "demo_size_bytes </ 100",
}
