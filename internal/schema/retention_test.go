package schema

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func days(table string, bytes uint64, dates ...string) []partition {
	var out []partition
	for _, d := range dates {
		out = append(out, partition{Table: table, Partition: d, ID: d, Rows: 1, Bytes: bytes})
	}
	return out
}

func TestChoose(t *testing.T) {
	f := func(name string, r Retention, partitions []partition, want ...string) {
		t.Helper()
		chosen, err := choose(partitions, now, r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, c := range chosen {
			got = append(got, fmt.Sprintf("%s %s %s", c.Table, c.Partition, c.reason))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	const day = 24 * time.Hour
	spans := days("spans", 100, "2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22")
	f("no limits", Retention{}, spans)
	f("age", Retention{Traces: Limit{Age: 2 * day}}, spans, "spans 2026-11-18 age", "spans 2026-11-19 age")
	f("age to the hour", Retention{Traces: Limit{Age: 36 * time.Hour}}, spans, "spans 2026-11-18 age", "spans 2026-11-19 age", "spans 2026-11-20 age")
	f("size", Retention{Traces: Limit{Bytes: 250}}, spans, "spans 2026-11-18 size", "spans 2026-11-19 size", "spans 2026-11-20 size")
	f("size just enough", Retention{Traces: Limit{Bytes: 500}}, spans)
	f("size keeps the newest", Retention{Traces: Limit{Bytes: 1}}, spans, "spans 2026-11-18 size", "spans 2026-11-19 size", "spans 2026-11-20 size", "spans 2026-11-21 size")
	f("age and size", Retention{Traces: Limit{Age: 3 * day, Bytes: 300}}, spans, "spans 2026-11-18 age", "spans 2026-11-19 size")
	f("age of everything", Retention{Traces: Limit{Age: time.Hour}}, days("spans", 1, "2026-11-20", "2026-11-21"), "spans 2026-11-20 age", "spans 2026-11-21 age")
	f("index follows traces", Retention{Traces: Limit{Age: 2 * day}}, days("trace_index", 1, "2026-11-01", "2026-11-22"), "trace_index 2026-11-01 age")
	f("index of its own", Retention{Traces: Limit{Age: 2 * day}, TraceIndex: Limit{Age: 40 * day}}, days("trace_index", 1, "2026-11-01", "2026-11-22"))
	f("other tables stay", Retention{Traces: Limit{Age: day, Bytes: 1}}, days("logs", 100, "2020-01-01", "2020-01-02"))

	tiers := append(append(append(days("red_10s", 10, "2026-11-01", "2026-11-21", "2026-11-22"), days("red_5m", 10, "202607", "202610", "202611")...),
		days("red_1h", 10, "202508", "202611")...), days("edges", 10, "202508", "202611")...)
	f("tiers without a limit", Retention{}, tiers, "red_10s 2026-11-01 age", "red_5m 202607 age")
	f("tiers", Retention{Rollups: Limit{Age: 400 * day}}, tiers, "red_10s 2026-11-01 age", "red_5m 202607 age", "edges 202508 age", "red_1h 202508 age")
	f("short rollups", Retention{Rollups: Limit{Age: day}}, tiers, "red_10s 2026-11-01 age", "red_5m 202607 age", "red_5m 202610 age", "edges 202508 age", "red_1h 202508 age")
	f("tiers by size", Retention{Rollups: Limit{Bytes: 60}}, tiers, "red_10s 2026-11-01 age", "red_5m 202607 age", "red_10s 2026-11-21 size", "red_5m 202610 size")

	buckets := append(days("samples", 50, "2026-11-22 06:00:00", "2026-11-22 08:00:00", "2026-11-22 10:00:00"), days("chunks", 50, "2026-11-21", "2026-11-22")...)
	f("buckets by age", Retention{Metrics: Limit{Age: 3 * time.Hour}}, buckets, "samples 2026-11-22 06:00:00 age", "chunks 2026-11-21 age")
	f("buckets by size", Retention{Metrics: Limit{Bytes: 120}}, buckets, "chunks 2026-11-21 size", "samples 2026-11-22 06:00:00 size", "samples 2026-11-22 08:00:00 size")

	metrics := append(days("samples", 50, "2026-11-20", "2026-11-21", "2026-11-22"), days("histograms", 50, "2026-11-20", "2026-11-22")...)
	f("metrics by size", Retention{Metrics: Limit{Bytes: 150}}, metrics, "samples 2026-11-20 size", "histograms 2026-11-20 size")

	objectives := append(append(days("slo_slots_10s", 10, "2026-10-17", "2026-10-18", "2026-11-22"), days("slo_slots_5m", 10, "202509", "202510")...),
		append(days("slo_journal", 10, "2026-11-19", "2026-11-20", "2026-11-21"), days("slo_events", 10, "202509", "202510")...)...)
	f("counts of objectives", Retention{Traces: Limit{Age: day, Bytes: 1}}, objectives,
		"slo_slots_10s 2026-10-17 age", "slo_slots_5m 202509 age", "slo_journal 2026-11-19 age", "slo_events 202509 age")

	if _, err := choose(days("spans", 1, "odd"), now, Retention{}); err == nil {
		t.Error("an odd partition is accepted")
	}
}
